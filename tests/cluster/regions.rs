//! The commands of regions, as an operator gives them, against two regions of three nodes each.

use std::path::Path;
use std::time::{Duration, Instant};

use client::secrets::v1::{GetSecretValueRequest, PutSecretValueRequest, put_secret_value_request};
use client::{Client, Options};
use serde_json::{Value as Json, json};

use strongroom_tests::dev::Dev;
use strongroom_tests::shell::{Environment, Finished, strongroom, strongroom_with, until};

const FIRST: &str = "eu-west-1";
const SECOND: &str = "eu-west-2";

fn start(parent: &Path) -> Dev {
    Dev::start(parent, "dev", &["--port", "0", "-o", "json"])
}

/// Runs a command with a value on its standard input.
fn with(environment: &Environment, value: &str, arguments: &[&str]) -> Finished {
    let arguments = [arguments, &["--value-file", "-"]].concat();
    strongroom_with(environment, &arguments, value)
}

fn json_of(environment: &Environment, arguments: &[&str]) -> Json {
    let arguments = [arguments, &["-o", "json"]].concat();
    strongroom(environment, &arguments).done().json()
}

fn region<'a>(regions: &'a Json, name: &str) -> &'a Json {
    let mut entries = regions["regions"].as_array().unwrap().iter();
    entries.find(|entry| entry["name"] == name).unwrap()
}

fn leads(regions: &Json, name: &str) -> Vec<String> {
    let feeds = region(regions, name)["leads"].as_array().unwrap();
    let names = feeds.iter().map(|feed| feed["feed"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

#[track_caller]
fn refused(finished: &Finished, code: i32, cure: &str) {
    assert_eq!(finished.code, Some(code), "{finished:?}");
    assert!(finished.errors.contains(cure), "{finished:?}");
}

/// Waits until a secret can be described, and is as somebody wants it.
fn described(environment: &Environment, name: &str, is_right: impl Fn(&Json) -> bool) -> Json {
    until("a secret is as it should be", || {
        let describe = ["secret", "describe", name, "-o", "json"];
        let finished = strongroom(environment, &describe);
        let secret = (finished.code == Some(0)).then(|| finished.json())?;
        is_right(&secret).then_some(secret)
    })
}

/// Waits until a region has all that the others wrote, and their last checkpoints, which follow
/// within a second: one that is lost before it has sent all would be set aside when it is back.
fn until_settled(environment: &Environment) {
    let mut last = (Json::Null, Instant::now());
    until("nothing more comes", || {
        let status = json_of(environment, &["region", "status"]);
        let rows = status["following"].as_array().unwrap().iter();
        let stands = rows.map(|row| (row["position"].clone(), row["lag_changes"].clone()));
        let (positions, lags): (Vec<_>, Vec<_>) = stands.unzip();
        if last.0 != json!(positions) || lags.iter().any(|lag| *lag != 0) {
            last = (json!(positions), Instant::now());
        }
        (last.1.elapsed() > Duration::from_secs(3)).then_some(())
    });
}

#[test]
fn a_lost_region_is_taken_over_and_follows_when_it_is_back() {
    let parent = tempfile::tempdir().unwrap();
    let dev = start(parent.path());
    let (first, second) = (dev.environment(FIRST), dev.environment(SECOND));
    let create = ["secret", "create", "app/db", "-v", "-o", "json"];
    let written = with(&first, "one", &create).done();

    // What was written there is read here by its position, or in time.
    let shown: Json = serde_json::from_str(&written.errors).unwrap();
    assert_eq!(shown["staleness_ms"], Json::Null, "{shown}");
    let position = ["--at-least", shown["position"].as_str().unwrap()];
    let get = ["secret", "get", "app/db", "--raw"];
    let read = strongroom(&second, &[&get[..], &position, &["-v"]].concat()).done();
    assert_eq!(read.output, "one");
    assert!(read.errors.contains("staleness: at most "), "{read:?}");

    // One that lives is not taken over, and nobody is asked where nobody is.
    let promote = ["region", "promote", FIRST];
    refused(&strongroom(&second, &promote), 64, "--yes");
    let promote = [&promote[..], &["--yes"]].concat();
    refused(&strongroom(&second, &promote), 65, "force");
    let unknown = ["region", "promote", "eu-west-9", "--yes"];
    refused(&strongroom(&second, &unknown), 66, "eu-west-9");

    let nodes = |list: &Json| region(list, FIRST)["nodes"].as_array().unwrap().len();
    until("the other region knows all nodes", || {
        (nodes(&json_of(&second, &["region", "list"])) == 3).then_some(())
    });
    until_settled(&second);
    dev.all_nodes("stop-node", FIRST);
    let report = json_of(&second, &promote);
    assert_eq!(
        (&report["promoted"], &report["left"]),
        (&json!(SECOND), &json!([]))
    );
    for feed in report["feeds"].as_array().unwrap() {
        assert_eq!(
            (&feed["epoch"], &feed["missing_changes_min"]),
            (&json!(2), &json!(0))
        );
    }
    with(&second, "two", &["secret", "put", "app/db"]).done();
    let again = strongroom(&second, &promote);
    refused(&again, 65, "");

    dev.all_nodes("start-node", FIRST);
    until("it follows", || {
        let read = strongroom(&first, &get);
        (read.code == Some(0) && read.output == "two").then_some(())
    });
    let regions = json_of(&first, &["region", "list"]);
    assert_eq!(leads(&regions, FIRST), [""; 0]);
    assert_eq!(leads(&regions, SECOND).len(), 3);
    let write = with(&first, "three", &["secret", "put", "app/db"]);
    refused(&write, 65, "the primary region is eu-west-2, at 127.0.0.1:");
}

#[test]
fn regions_are_looked_at_as_a_table_as_json_and_line_by_line() {
    let parent = tempfile::tempdir().unwrap();
    let dev = start(parent.path());
    let second = dev.environment(SECOND);
    let status = until("both regions hear each other", || {
        let status = json_of(&second, &["region", "status"]);
        let rows = status["following"].as_array().unwrap();
        let is_near = |row: &Json| row["lag_changes"] == 0 && row["trouble"] == "";
        let nodes = region(&status, FIRST)["nodes"].as_array().unwrap().len();
        (rows.len() == 3 && rows.iter().all(is_near) && nodes == 3).then_some(status)
    });
    assert_eq!(region(&status, SECOND)["scope"], "all");
    let table = strongroom(&second, &["region", "status"]).done().output;
    assert!(table.starts_with("FEED "), "{table}");
    let watch = ["region", "status", "--watch", "--limit", "2"];
    let lines = strongroom(&second, &watch).done().output;
    assert_eq!(lines.lines().count(), 6, "{lines}");
    assert!(
        lines.lines().all(|line| line.contains("  feed ")),
        "{lines}"
    );
    let states = strongroom(&second, &[&watch[..], &["-o", "json"]].concat()).done();
    for state in states.output.lines() {
        let state: Json = serde_json::from_str(state).unwrap();
        assert_eq!(state["following"].as_array().unwrap().len(), 3);
    }
    let list = strongroom(&second, &["region", "list"]).done().output;
    assert!(list.contains("eu-west-2  here"), "{list}");
}

#[test]
fn secrets_are_replicated_detached_and_taken_back_by_name() {
    let parent = tempfile::tempdir().unwrap();
    let dev = start(parent.path());
    let (first, second) = (dev.environment(FIRST), dev.environment(SECOND));
    let scope = ["region", "scope", SECOND, "selected"];
    strongroom(&first, &scope).done();

    let state = |secret: &Json| secret["ReplicationStatus"][0]["Status"].clone();
    let create = ["secret", "create", "app/db", "--replica-region", SECOND];
    let made = with(&first, "one", &[&create[..], &["-o", "json"]].concat()).done();
    assert_eq!(state(&made.json()), "InProgress");
    described(&first, "app/db", |secret| state(secret) == "InSync");
    let replica = described(&second, "app/db", |_| true);
    assert_eq!(replica["PrimaryRegion"], FIRST);

    with(&first, "two", &["secret", "create", "app/queue"]).done();
    let hidden = strongroom(&second, &["secret", "get", "app/queue"]);
    refused(&hidden, 66, "");
    let replicate = ["secret", "replicate", "app/queue", SECOND];
    strongroom(&first, &replicate).done();
    let forced = [&replicate[..], &["--force-overwrite"]].concat();
    refused(&strongroom(&first, &forced), 64, "--yes");
    described(&first, "app/queue", |secret| state(secret) == "InSync");

    refused(&strongroom(&second, &replicate), 65, FIRST);
    refused(
        &strongroom(&first, &["secret", "delete", "app/db", "--yes"]),
        65,
        SECOND,
    );
    let stop = ["secret", "stop-replication", "app/db"];
    refused(&strongroom(&first, &stop), 65, "");
    strongroom(&second, &stop).done();
    with(&second, "own", &["secret", "put", "app/db"]).done();
    let own = described(&second, "app/db", |_| true);
    assert_eq!(
        (&own["PrimaryRegion"], &own["ARN"]),
        (&Json::Null, &replica["ARN"])
    );

    let remove = ["secret", "remove-regions", "app/queue", SECOND];
    refused(&strongroom(&first, &remove), 64, "--yes");
    strongroom(&first, &[&remove[..], &["--yes"]].concat()).done();
    until("the replica is gone", || {
        let read = strongroom(&second, &["secret", "get", "app/queue"]);
        (read.code == Some(66)).then_some(())
    });
}

#[test]
fn a_link_token_is_kept_in_a_file_and_never_on_a_command_line() {
    let parent = tempfile::tempdir().unwrap();
    let dev = start(parent.path());
    let (first, second) = (dev.environment(FIRST), dev.environment(SECOND));
    let file = parent.path().join("token").display().to_string();
    let link = ["region", "link", "eu-west-3", "--scope", "selected"];
    let kept = [&link[..], &["--lifetime", "30m", "--output-file", &file]].concat();
    let made = strongroom(&first, &kept).done();
    assert!(!made.output.contains("srl1."), "{made:?}");
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("srl1."));
    let elsewhere = strongroom(&second, &link);
    refused(
        &elsewhere,
        65,
        "the primary region is eu-west-1, at 127.0.0.1:",
    );
    refused(
        &strongroom(&first, &["region", "link", FIRST, "--scope", "all"]),
        65,
        "",
    );
    refused(
        &strongroom(&first, &["region", "link", "eu", "--scope", "all"]),
        65,
        "",
    );

    refused(
        &strongroom(&first, &["region", "unlink", SECOND, "--yes"]),
        65,
        "primary",
    );
    refused(
        &strongroom(&first, &["region", "scope", "eu-west-9", "all"]),
        66,
        "",
    );
    let server = ["server", "--config", "none.toml", "--link", "a:1"];
    refused(&strongroom(&first, &server), 64, "--token-file");
    let alone = ["server", "--config", "none.toml", "--token-file", &file];
    refused(&strongroom(&first, &alone), 64, "--join");
    let both = ["--join", "a:1", "--token-file", &file];
    refused(
        &strongroom(&first, &[&server[..], &both].concat()),
        64,
        "--join",
    );
}

#[test]
fn an_upgrade_is_finished_once_and_asks() {
    let parent = tempfile::tempdir().unwrap();
    let dev = start(parent.path());
    let finalize = ["upgrade", "finalize"];
    refused(&dev.within(FIRST, &finalize), 64, "--yes");
    let done = dev.within(FIRST, &[&finalize[..], &["--yes", "-o", "json"]].concat());
    let done = done.done().json();
    assert_eq!(done["machine_version"], done["machine_version_before"]);
    dev.ask(&["stop-node", "3"]);
    let silent = dev.within(FIRST, &[&finalize[..], &["--yes"]].concat());
    assert!([65, 69].contains(&silent.code.unwrap()), "{silent:?}");
}

#[tokio::test]
async fn a_client_writes_where_a_secret_is_led_and_reads_at_once_what_it_wrote() {
    let parent = tempfile::tempdir().unwrap();
    let dev = start(parent.path());
    let (first, second) = (dev.environment(FIRST), dev.environment(SECOND));
    let of = |environment: &Environment, name: &str| {
        let mut variables = environment.iter();
        let found = variables.find(|(variable, _)| variable == name);
        found.unwrap().1.clone()
    };
    let endpoints = |environment: &Environment| -> Vec<String> {
        let listed = of(environment, "STRONGROOM_ENDPOINTS");
        listed.split(',').map(str::to_owned).collect()
    };
    let path = |name| of(&second, name);
    let options = Options::new(
        endpoints(&second),
        path("STRONGROOM_CA"),
        path("STRONGROOM_CERT"),
        path("STRONGROOM_KEY"),
    );
    let reader = Client::connect(options).unwrap();
    let writer = reader
        .clone()
        .with_region_endpoints(FIRST, &endpoints(&first));
    let writer = writer.unwrap();

    with(&first, "0", &["secret", "create", "app/db"]).done();
    described(&second, "app/db", |_| true);
    let put = |value: String| PutSecretValueRequest {
        secret_id: "app/db".to_owned(),
        value: Some(put_secret_value_request::Value::SecretString(value)),
        ..Default::default()
    };
    let refused = reader.put_secret_value(put("1".to_owned())).await;
    assert_eq!(refused.unwrap_err().primary_region(), Some(FIRST));
    for value in 1..=20 {
        let written = writer
            .put_secret_value(put(value.to_string()))
            .await
            .unwrap();
        let get = GetSecretValueRequest {
            secret_id: "app/db".to_owned(),
            ..Default::default()
        };
        let read = writer.get_secret_value(get).await.unwrap();
        assert_eq!(read.version_id, written.version_id);
    }
}
