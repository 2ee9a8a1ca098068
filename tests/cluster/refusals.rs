//! What a region refuses, and what it says then.

use strongroom_tests::shell::{Environment, strongroom};
use strongroom_tests::{REGION, Region};

#[test]
fn a_server_without_a_cluster_says_what_to_do_next() {
    let mut region = Region::prepared();
    region.start(1, &[]);
    let status = region.process(1).ended();
    assert_eq!(status.code(), Some(78), "{}", region.log(1));
    let log = region.log(1);
    assert!(
        log.contains("--bootstrap") && log.contains("--join"),
        "{log}"
    );
}

#[test]
fn a_join_token_works_once_and_a_used_one_is_refused() {
    let mut region = Region::prepared();
    region.start(1, &["--bootstrap"]);
    region.wait_for(1);
    let token = region.token("token");
    let via = region.api(1);
    region.start(2, &["--join", &via, "--token-file", &token]);
    region.wait_for(2);
    region.start(3, &["--join", &via, "--token-file", &token]);
    let status = region.process(3).ended();
    assert_ne!(status.code(), Some(0));
    let log = region.log(3);
    assert!(log.contains("token"), "{log}");
    region.start(
        3,
        &["--join", &via, "--token-file", &region.token("another")],
    );
    region.wait_for(3);
}

#[test]
fn a_foreign_certificate_is_refused_as_caller_and_as_node() {
    let mut region = Region::prepared();
    region.start(1, &["--bootstrap"]);
    region.wait_for(1);
    let foreign = Region::prepared();
    let mut environment = region.environment();
    for (name, value) in foreign.environment() {
        if name == "STRONGROOM_CERT" || name == "STRONGROOM_KEY" {
            environment.retain(|(other, _)| *other != name);
            environment.push((name, value));
        }
    }
    let refused = strongroom(&environment, &["secret", "list", "--timeout", "3"]);
    assert_eq!(refused.code, Some(77), "{refused:?}");
    assert!(
        refused
            .errors
            .contains("does not accept the client certificate"),
        "{refused:?}"
    );

    // Node 2 with the certificate of another cluster.
    let token = region.token("token");
    let own = region.path(&format!("certs/{REGION}/"));
    let theirs = foreign.path(&format!("certs/{REGION}/"));
    for file in ["node-2.pem", "node-2-key.pem", "issuer.pem"] {
        // The issuer stays the one of this region for node 1, which has loaded it already.
        std::fs::copy(format!("{theirs}{file}"), format!("{own}foreign-{file}")).unwrap();
    }
    let config = std::fs::read_to_string(region.config_path(2)).unwrap();
    let config = config
        .replace(&format!("{own}node-2"), &format!("{own}foreign-node-2"))
        .replace(&format!("{own}issuer"), &format!("{own}foreign-issuer"));
    std::fs::write(region.config_path(2), config).unwrap();
    let via = region.api(1);
    region.start(2, &["--join", &via, "--token-file", &token]);
    let status = region.process(2).ended();
    assert_ne!(status.code(), Some(0), "{}", region.log(2));
}

#[test]
fn bad_configurations_are_named_and_exit_with_78() {
    let region = Region::prepared();
    let path = region.config_path(1);
    let config = path.display().to_string();
    let validate = || {
        strongroom(
            &Environment::new(),
            &["config", "validate", "--config", &config],
        )
    };
    validate().done();
    let good = std::fs::read_to_string(&path).unwrap();
    for (bad, named) in [
        (good.replace("[api]", "[api]\nlisten_to = 1"), "listen_to"),
        (
            good.replace("row_cache_size = \"16 MiB\"", "row_cache_size = 16"),
            "row_cache_size",
        ),
        (good.replace("node-1.pem", "missing.pem"), "missing.pem"),
        (format!("{good}\n[nonsense"), "TOML"),
    ] {
        std::fs::write(&path, bad).unwrap();
        let refused = validate();
        assert_eq!(refused.code, Some(78), "{refused:?}");
        assert!(refused.errors.contains(named), "{named}: {refused:?}");
        assert_eq!(refused.errors.trim_end().lines().count(), 1, "{refused:?}");
    }
}

#[test]
fn a_data_directory_of_another_node_or_a_later_format_is_refused() {
    let mut region = Region::prepared();
    region.start(1, &["--bootstrap"]);
    region.wait_for(1);
    region.stop(1);
    let identity = region.data(1).join("node.toml");
    let text = std::fs::read_to_string(&identity).unwrap();
    std::fs::write(&identity, text.replace("format = 1", "format = 9")).unwrap();
    region.start(1, &[]);
    assert_ne!(region.process(1).ended().code(), Some(0));
    assert!(region.log(1).contains("format 9"), "{}", region.log(1));
    std::fs::write(&identity, text).unwrap();

    let other = std::fs::read_to_string(region.config_path(2)).unwrap();
    let from = format!("{}\"", region.data(2).display());
    let to = format!("{}\"", region.data(1).display());
    std::fs::write(region.config_path(2), other.replace(&from, &to)).unwrap();
    region.start(2, &[]);
    assert_ne!(region.process(2).ended().code(), Some(0));
    assert!(region.log(2).contains("belongs to"), "{}", region.log(2));
}

#[test]
fn what_a_data_directory_that_has_a_node_passes_over_is_logged() {
    let mut region = Region::prepared();
    let said = |region: &Region| region.log(1).contains("are of no effect");
    region.start(1, &["--bootstrap"]);
    region.wait_for(1);
    let token = region.token("token");
    assert!(!said(&region), "{}", region.log(1));
    region.stop(1);
    let via = region.api(1);
    region.start(1, &["--join", &via, "--token-file", &token]);
    region.wait_for(1);
    assert!(said(&region), "{}", region.log(1));
}

#[test]
fn two_servers_do_not_share_a_data_directory() {
    let mut region = Region::prepared();
    region.start(1, &["--bootstrap"]);
    region.wait_for(1);
    let config = region.config_path(1).display().to_string();
    let second = strongroom(&Environment::new(), &["server", "--config", &config]);
    assert_ne!(second.code, Some(0));
    assert!(second.errors.contains("in use"), "{second:?}");
}
