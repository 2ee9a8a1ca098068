//! What the README promises of three nodes: a life of a secret through a follower, the loss of the
//! leader, and a restart of everything.

use std::path::Path;

use serde_json::json;

use strongroom_tests::shell::{command, strongroom_with, until};
use strongroom_tests::{Process, Region, binary};

#[test]
fn three_servers_keep_a_secret_through_its_life_the_leaders_end_and_a_restart() {
    let mut region = Region::founded();
    let follower = region.api(region.follower());
    let environment = region.environment();
    let with_value = |verb: &str, value: &str| {
        let arguments = [
            "secret",
            verb,
            "app/db",
            "--value-file",
            "-",
            "--endpoint",
            &follower,
        ];
        strongroom_with(
            &environment,
            &[&arguments[..], &["-o", "json"]].concat(),
            value,
        )
        .done()
    };
    let first = with_value("create", "one").json()["VersionId"].clone();
    assert_eq!(read(&region, &follower), "one");
    with_value("put", "two");
    assert_eq!(read(&region, &follower), "two");
    let first = first.as_str().unwrap();
    let old = region
        .call(&["secret", "get", "app/db", "--raw", "--version-id", first])
        .done();
    assert_eq!(old.output, "one");
    with_value("update", "three");

    delete_and_restore(&region, &follower);

    let leader = region.leader();
    region.stop(leader);
    until("the others go on", || {
        (region.call(&["secret", "get", "app/db", "--raw"]).code == Some(0)).then_some(())
    });
    let put = ["secret", "put", "app/db", "--value-file", "-"];
    strongroom_with(&region.environment(), &put, "four").done();

    region.start_all();
    for node in 1..=3 {
        region.stop(node);
    }
    region.start_all();
    for node in 1..=3 {
        assert_eq!(read(&region, &region.api(node)), "four");
    }
    region.wait_for_equal_hashes();
}

/// Reads the current value through one node.
fn read(region: &Region, endpoint: &str) -> String {
    let get = ["secret", "get", "app/db", "--raw", "--endpoint", endpoint];
    region.call(&get).done().output
}

fn delete_and_restore(region: &Region, follower: &str) {
    let list = region
        .call(&["secret", "list", "-o", "json", "--endpoint", follower])
        .done();
    assert_eq!(list.json()["SecretList"][0]["Name"], "app/db");
    let window = [
        "--recovery-window-days",
        "7",
        "--yes",
        "--endpoint",
        follower,
    ];
    region
        .call(&[&["secret", "delete", "app/db"][..], &window].concat())
        .done();
    assert_eq!(
        region.call(&["secret", "get", "app/db", "--raw"]).code,
        Some(65)
    );
    let list = region
        .call(&["secret", "list", "-o", "json", "--endpoint", follower])
        .done();
    assert_eq!(list.json()["SecretList"], json!([]));
    region
        .call(&["secret", "restore", "app/db", "--endpoint", follower])
        .done();
}

#[test]
fn a_value_shows_only_when_it_is_asked_for() {
    let region = {
        let mut region = Region::prepared();
        region.start(1, &["--bootstrap"]);
        region.wait_for(1);
        region
    };
    let value = "canary-5f1d";
    let create = ["secret", "create", "shown", "--value-file", "-"];
    let created = strongroom_with(&region.environment(), &create, value).done();
    assert!(!created.output.contains(value));
    for arguments in [
        &["secret", "get", "shown"][..],
        &["secret", "get", "shown", "-o", "json"],
        &["secret", "batch-get", "shown"],
        &["secret", "batch-get", "shown", "-o", "json"],
        &["secret", "describe", "shown", "-o", "json"],
    ] {
        let answer = region.call(arguments).done();
        assert!(!answer.output.contains(value), "{arguments:?}");
    }
    let show = region
        .call(&["secret", "get", "shown", "--show", "-o", "json"])
        .done();
    assert_eq!(show.json()["SecretString"], value);
    assert_eq!(
        region
            .call(&["secret", "get", "shown", "--raw"])
            .done()
            .output,
        value
    );
    let file = region.path("value");
    region
        .call(&["secret", "get", "shown", "--output-file", &file])
        .done();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), value);
    assert!(!region.log(1).contains(value));
}

#[test]
fn leadership_and_snapshots_go_by_command() {
    let region = Region::founded();
    let (from, to) = (region.leader(), region.follower());
    let answer = region
        .call(&["node", "transfer-leader", &to.to_string(), "-o", "json"])
        .done();
    assert_eq!(answer.json()["leader"], to);
    for (node, line) in [(from, "leadership lost"), (to, "leadership gained")] {
        until(line, || region.log(node).contains(line).then_some(()));
    }
    assert!(region.log(from).contains("members changed"));
    let answer = region.call(&["node", "snapshot", "-o", "json"]).done();
    assert!(answer.json()["size_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn what_is_not_there_is_told_by_a_batch_and_by_a_watch() {
    let mut region = Region::prepared();
    region.start(1, &["--bootstrap"]);
    region.wait_for(1);
    let environment = region.environment();
    let create = |name: &str| {
        let create = ["secret", "create", name, "--value-file", "-"];
        strongroom_with(&environment, &create, "one").done();
    };
    create("there");
    let batch = region.call(&["secret", "batch-get", "there", "nowhere", "-o", "json"]);
    assert_eq!(batch.code, Some(66), "{batch:?}");
    assert_eq!(batch.json()["SecretValues"][0]["Name"], "there");
    assert!(batch.errors.contains("1 of 2 secrets"), "{batch:?}");

    let watch = ["secret", "watch", "there", "nowhere"];
    let (output, errors) = (region.path("watch.out"), region.path("watch.err"));
    let mut watching = Process::start(
        &mut command(binary(), &environment, &watch),
        Path::new(&output),
        Path::new(&errors),
    );
    let told = until("the watch has begun", || {
        let told = watching.errors();
        told.contains("no secret nowhere now").then_some(told)
    });
    assert!(
        told.contains("watching") && !told.contains("no secret there"),
        "{told}"
    );
    create("nowhere");
    until("the watch tells of it", || {
        let printed = std::fs::read_to_string(&output).unwrap();
        printed.contains("  nowhere  ").then_some(())
    });
    watching.signal("INT");
    assert_eq!(watching.ended().code(), Some(0));

    let read = ["secret", "get", "there", "--raw"];
    region.call(&read).done();
    until("the day of the access is shown, and no time", || {
        let versions = region.call(&["secret", "versions", "there"]).done().output;
        let accessed = versions.lines().last()?.split_whitespace().next_back()?;
        (accessed.len() == "2026-11-30".len()).then_some(())
    });
}

#[test]
fn a_removal_that_leaves_two_voters_or_one_says_so() {
    let mut region = Region::founded();
    for said in ["two voters are left", "one voter is left"] {
        let gone = region.follower();
        // Refused while a voter that would remain has not answered lately.
        let errors = until("a node is removed", || {
            let removed = region.call(&["node", "remove", &gone.to_string(), "--yes"]);
            (removed.code == Some(0)).then_some(removed.errors)
        });
        assert!(errors.contains(said), "{errors}");
        region.kill(gone);
        region.forget(gone);
    }
}
