//! I1: no plaintext outside process memory except over TLS to an authorised caller.
//!
//! Values, names, descriptions and tags that occur nowhere else are stored, read, snapshotted and
//! restarted. Then every file, log line, metric and captured byte between nodes is searched.

use std::path::Path;

use strongroom_tests::shell::{command, run, until};
use strongroom_tests::{Region, binary};
use walkdir::WalkDir;

const VALUE: &str = "canary-value-6f1d2c";
const SECOND_VALUE: &str = "canary-second-9b7e40";
const NAME: &str = "canary-name-51c8aa";
const DESCRIPTION: &str = "canary-description-e07d13";
const TAG_KEY: &str = "canary-tag-key-2f6b90";
const TAG_VALUE: &str = "canary-tag-value-c4a8d7";
const CANARIES: [&str; 6] = [VALUE, SECOND_VALUE, NAME, DESCRIPTION, TAG_KEY, TAG_VALUE];

#[test]
#[ignore = "runs for half a minute; scripts/test runs it"]
fn no_plaintext_leaves_the_processes_in_files_logs_metrics_or_between_nodes() {
    let mut region = Region::tapped("debug");
    store(&region);
    let metrics: Vec<u8> = region
        .nodes()
        .iter()
        .flat_map(|node| region.metrics(*node).into_bytes())
        .collect();
    region.call(&["node", "snapshot"]).done();
    // A restart writes checkpoints, hands leadership over, and catches up between nodes.
    let leader = region.leader();
    region.stop(leader);
    put(&region, SECOND_VALUE);
    region.start_all();
    region.wait_for_equal_hashes();
    let folder = Path::new(&region.path("")).to_owned();

    assert_eq!(found_in(&metrics), None, "in the metrics");
    let captured = region.captured();
    assert!(
        captured.len() > 10_000,
        "the taps saw {} bytes",
        captured.len()
    );
    assert_eq!(found_in(&captured), None, "between the nodes");
    let mut searched = 0;
    for file in WalkDir::new(&folder).into_iter().map(Result::unwrap) {
        // The socket and lock files of a running node are no regular files, or empty.
        if file.file_type().is_file() {
            let bytes = std::fs::read(file.path()).unwrap();
            searched += bytes.len();
            assert_eq!(found_in(&bytes), None, "in {}", file.path().display());
        }
    }
    assert!(searched > 100_000, "the nodes wrote {searched} bytes");
    assert!(region.log(1).contains("DEBUG"), "the logs are talkative");
    let shown = region.call(&["secret", "get", NAME, "--show"]).done();
    assert_eq!(
        found_in(shown.output.as_bytes()),
        Some(SECOND_VALUE),
        "the search finds"
    );
    region.kill_all();
}

/// Stores and reads everything through a follower, so that it crosses between nodes.
fn store(region: &Region) {
    let follower = region.api(region.follower());
    let tag = format!("{TAG_KEY}={TAG_VALUE}");
    let create = [
        "secret",
        "create",
        NAME,
        "--value-file",
        "-",
        "--description",
        DESCRIPTION,
        "--tag",
        &tag,
        "--endpoint",
        &follower,
    ];
    run(
        &mut command(binary(), &region.environment(), &create),
        Some(VALUE),
    )
    .done();
    let get = ["secret", "get", NAME, "--raw", "--endpoint", &follower];
    assert_eq!(region.call(&get).done().output, VALUE);
    region.call(&["secret", "describe", NAME]).done();
    region
        .call(&["secret", "list", "--endpoint", &follower])
        .done();
    // Refusals name what was asked for: to the caller, not to the log.
    assert_ne!(
        region
            .call(&["secret", "get", &format!("{NAME}-missing")])
            .code,
        Some(0)
    );
    let twice = ["secret", "create", NAME, "--value-file", "-"];
    let refused = run(
        &mut command(binary(), &region.environment(), &twice),
        Some(VALUE),
    );
    assert_ne!(refused.code, Some(0));
}

fn put(region: &Region, value: &str) {
    let put = ["secret", "put", NAME, "--value-file", "-"];
    until("a value is put while a node is down", || {
        let put = run(
            &mut command(binary(), &region.environment(), &put),
            Some(value),
        );
        (put.code == Some(0)).then_some(())
    });
}

/// The first canary in the bytes, as it is or in base64 at any alignment.
fn found_in(bytes: &[u8]) -> Option<&'static str> {
    CANARIES.into_iter().find(|canary| {
        let mut forms = vec![canary.as_bytes().to_vec()];
        forms.extend((0..3).map(|skip| base64_core(&canary.as_bytes()[skip..])));
        forms.push(
            canary
                .bytes()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                .into(),
        );
        forms
            .iter()
            .any(|form| memchr::memmem::find(bytes, form).is_some())
    })
}

/// The base64 of the whole groups of three bytes: what stays the same whatever follows.
fn base64_core(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let bits = group
            .iter()
            .fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| ALPHABET[bits >> shift & 63])
    };
    bytes.chunks_exact(3).flat_map(group).collect()
}
