use super::{Config, ConfigError};

const DOCUMENTED: &str = include_str!("../../../../deploy/config/strongroom.toml");

#[test]
fn the_documented_file_lists_every_option_and_equals_the_defaults() {
    let documented: toml::Table = DOCUMENTED.parse().unwrap();
    let defaults: toml::Table = Config::default().to_toml().unwrap().parse().unwrap();
    for (section, options) in &defaults {
        for (option, value) in options.as_table().unwrap() {
            let found = documented
                .get(section)
                .and_then(|options| options.get(option));
            assert_eq!(found, Some(value), "{section}.{option}");
        }
    }
    assert_eq!(Config::parse(DOCUMENTED).unwrap(), Config::default());
}

#[test]
fn every_option_of_the_documented_file_is_explained() {
    let mut comment_above = false;
    for line in DOCUMENTED.lines() {
        let is_option = line.contains('=') && !line.starts_with('#');
        assert!(!is_option || comment_above, "no comment above `{line}`");
        comment_above = line.starts_with('#');
    }
}

#[test]
fn an_unknown_key_is_named_with_its_place() {
    let error = Config::parse("[api]\nlisten_on = \"127.0.0.1:1\"\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("listen_on") && error.contains("api"),
        "{error}"
    );
    let error = Config::parse("[apy]\n").unwrap_err().to_string();
    assert!(error.contains("apy"), "{error}");
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_place() {
    for text in [
        "[api]\nrequests_max = \"many\"\n",
        "[consensus]\nheartbeat = 50\n",
        "[storage]\nlog_segment_size = \"64 MB\"\n",
        "[seal]\nprovider = \"paper\"\n",
        "[api]\nlisten = \"localhost\"\n",
    ] {
        let error = Config::parse(text).unwrap_err();
        let option = text.lines().nth(1).unwrap().split(' ').next().unwrap();
        assert!(matches!(error, ConfigError::Option { .. }), "{text}");
        assert!(error.to_string().contains(option), "{error}");
    }
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    let error = Config::parse("[api]\nlisten = \n").unwrap_err();
    assert!(error.to_string().contains("line 2"), "{error}");
}

#[test]
fn options_that_do_not_go_together_are_refused_by_name() {
    for (text, option) in [
        (
            "[consensus]\nheartbeat = \"100ms\"\n",
            "consensus.heartbeat",
        ),
        (
            "[consensus]\nelection_timeout_max = \"150ms\"\n",
            "consensus.election_timeout_max",
        ),
        (
            "[limits]\ndeadline_default = \"2m\"\n",
            "limits.deadline_default",
        ),
        ("[cluster]\naccount = \"12\"\n", "cluster.account"),
        ("[api]\nrequests_max = 0\n", "api.requests_max"),
        (
            "[api]\nrequests_max = 9223372036854775807\n",
            "api.requests_max",
        ),
        (
            "[consensus]\nheartbeat = \"300000000000y\"\n",
            "consensus.heartbeat",
        ),
        (
            "[limits]\ndeadline_max = \"300000000000y\"\n",
            "limits.deadline_max",
        ),
        (
            "[secrets]\npurge_interval = \"0s\"\n",
            "secrets.purge_interval",
        ),
    ] {
        match Config::parse(text).unwrap_err() {
            ConfigError::Value { option: named, .. } => assert_eq!(named, option),
            other => panic!("{text}: {other}"),
        }
    }
}

#[test]
fn a_missing_file_says_which_one() {
    let error = Config::load(Some("/nowhere/strongroom.toml".as_ref())).unwrap_err();
    assert!(
        error.to_string().contains("/nowhere/strongroom.toml"),
        "{error}"
    );
}
