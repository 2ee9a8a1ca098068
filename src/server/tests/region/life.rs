//! Create, update, delete, restore, tag: each outcome and each refusal, word for word.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use strongroom_server::{Node, Start};
use wire::secrets::v1 as api;

use super::canary::metrics;
use super::harness::{ADMIN, Files, Region, assert_refused, eventually, refusal};
use super::requests::{
    create, delete, describe, force_delete, get, put, read, restore, tag, token, untag, update,
};

const MINUTE_MS: u64 = 60 * 1000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
const NOT_FOUND: &str = "Secrets Manager can't find the specified secret.";
const MARKED: &str =
    "You can't perform this operation on the secret because it was marked for deletion.";

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_create_answers_the_same_and_makes_nothing() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    let first = client
        .create_secret(create("a/b", 1, "one"))
        .await
        .unwrap()
        .into_inner();
    assert!(
        first
            .arn
            .starts_with("arn:aws:secretsmanager:eu-west-1:000000000000:secret:a/b-")
    );
    let again = client
        .create_secret(create("a/b", 1, "one"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, again);
    let message = format!(
        "You can't use ClientRequestToken {} because that value is already in use for a version \
         of secret {}.",
        token(1),
        first.arn
    );
    let other = client.create_secret(create("a/b", 1, "two")).await;
    assert_refused(other, "ResourceExistsException", &message);
    let mut binary = create("a/b", 1, "");
    binary.value = Some(api::create_secret_request::Value::SecretBinary(
        b"one".to_vec(),
    ));
    assert_refused(
        client.create_secret(binary).await,
        "ResourceExistsException",
        &message,
    );
    assert_refused(
        client.create_secret(create("a/b", 2, "one")).await,
        "ResourceExistsException",
        "The operation failed because the secret a/b already exists.",
    );
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_without_a_value_has_no_version() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    let request = api::CreateSecretRequest {
        value: None,
        ..create("empty", 1, "")
    };
    let created = client.create_secret(request).await.unwrap().into_inner();
    assert_eq!(created.version_id, None);
    assert_refused(
        client.get_secret_value(get("empty")).await,
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
    );
    let described = client
        .describe_secret(describe("empty"))
        .await
        .unwrap()
        .into_inner();
    assert!(described.version_ids_to_stages.is_empty());
    assert_eq!((described.description, described.kms_key_id), (None, None));
    assert_eq!(described.last_accessed_date, None);
    let mut labelled = put("empty", 2, "x");
    labelled.version_stages = vec!["AWSPENDING".to_owned()];
    let stored = client
        .put_secret_value(labelled)
        .await
        .unwrap()
        .into_inner();
    let mut stages = stored.version_stages;
    stages.sort();
    assert_eq!(stages, ["AWSCURRENT", "AWSPENDING"]);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_is_refused_word_for_word() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    let request = api::CreateSecretRequest {
        client_request_token: String::new(),
        ..create("name", 1, "x")
    };
    assert_refused(
        client.create_secret(request).await,
        "InvalidRequestException",
        "You must provide a ClientRequestToken value. We recommend a UUID-type value.",
    );
    for name in ["a b", "näme", "a!b", "a:b", "arn:x"] {
        assert_refused(
            client.create_secret(create(name, 1, "x")).await,
            "ValidationException",
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the \
             following: -/_+=.@!",
        );
    }
    let request = api::CreateSecretRequest {
        client_request_token: "short".to_owned(),
        ..create("n", 1, "x")
    };
    assert_refused(
        client.create_secret(request).await,
        "ValidationException",
        "1 validation error detected: Value at 'clientRequestToken' failed to satisfy constraint: \
         Member must have length between 32 and 64",
    );
    let request = api::CreateSecretRequest {
        kms_key_id: Some("alias/mine".to_owned()),
        ..create("n", 1, "x")
    };
    let (reason, ..) = refusal(client.create_secret(request).await);
    assert_eq!(reason, "ResourceNotFoundException");
    for key in ["", "alias/aws/secretsmanager"] {
        let request = api::CreateSecretRequest {
            kms_key_id: Some(key.to_owned()),
            ..create(&format!("key{}", key.len()), 1, "x")
        };
        client.create_secret(request).await.unwrap();
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_changes_what_is_given_and_nothing_else() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    client.create_secret(create("s", 1, "one")).await.unwrap();
    let before = client
        .describe_secret(describe("s"))
        .await
        .unwrap()
        .into_inner();
    let request = api::UpdateSecretRequest {
        description: Some("a text".to_owned()),
        ..update("s")
    };
    let updated = client.update_secret(request).await.unwrap().into_inner();
    assert_eq!(updated.version_id, None);
    let after = client
        .describe_secret(describe("s"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(after.description.as_deref(), Some("a text"));
    let changed = |date: Option<prost_types::Timestamp>| date.map(|at| (at.seconds, at.nanos));
    assert!(changed(after.last_changed_date) > changed(before.last_changed_date));
    let value = api::update_secret_request::Value::SecretString("two".to_owned());
    let request = api::UpdateSecretRequest {
        client_request_token: token(2),
        value: Some(value),
        ..update("s")
    };
    for _ in 0..2 {
        let updated = client
            .update_secret(request.clone())
            .await
            .unwrap()
            .into_inner();
        assert_eq!(updated.version_id, Some(token(2)));
        assert_eq!(read(&mut client, "s").await.unwrap(), "two");
    }
    let tokenless = api::UpdateSecretRequest {
        client_request_token: String::new(),
        ..request
    };
    assert_refused(
        client.update_secret(tokenless).await,
        "InvalidRequestException",
        "You must provide a ClientRequestToken value. We recommend a UUID-type value.",
    );
    let request = api::UpdateSecretRequest {
        description: Some(String::new()),
        ..update("s")
    };
    client.update_secret(request).await.unwrap();
    let cleared = client
        .describe_secret(describe("s"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(cleared.description, None);
    let missing = client.update_secret(update("missing")).await;
    assert_refused(missing, "ResourceNotFoundException", NOT_FOUND);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_secret_can_only_be_described_restored_or_forced() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    client.create_secret(create("s", 1, "one")).await.unwrap();
    let deleted = client
        .delete_secret(delete("s"))
        .await
        .unwrap()
        .into_inner();
    let described = client
        .describe_secret(describe("s"))
        .await
        .unwrap()
        .into_inner();
    let (asked, due) = (
        described.deleted_date.unwrap(),
        deleted.deletion_date.unwrap(),
    );
    assert_eq!(due.seconds - asked.seconds, 30 * 24 * 60 * 60);
    let marked = |outcome: Result<(), tonic::Status>| {
        assert_refused(outcome, "InvalidRequestException", MARKED);
    };
    marked(client.get_secret_value(get("s")).await.map(drop));
    marked(client.put_secret_value(put("s", 2, "x")).await.map(drop));
    marked(client.update_secret(update("s")).await.map(drop));
    marked(client.tag_resource(tag("s", &[("a", "b")])).await.map(drop));
    marked(client.untag_resource(untag("s", &["a"])).await.map(drop));
    marked(client.delete_secret(delete("s")).await.map(drop));
    assert_refused(
        client.create_secret(create("s", 2, "x")).await,
        "InvalidRequestException",
        "You can't create this secret because a secret with this name is already scheduled for \
         deletion.",
    );
    client.restore_secret(restore("s")).await.unwrap();
    client.restore_secret(restore("s")).await.unwrap();
    assert_eq!(read(&mut client, "s").await.unwrap(), "one");
    client.delete_secret(delete("s")).await.unwrap();
    client.delete_secret(force_delete("s")).await.unwrap();
    assert_refused(
        client.get_secret_value(get("s")).await,
        "ResourceNotFoundException",
        NOT_FOUND,
    );
    let refused = client.restore_secret(restore("s")).await;
    assert_refused(refused, "ResourceNotFoundException", NOT_FOUND);
    let forced = client
        .delete_secret(force_delete("s"))
        .await
        .unwrap()
        .into_inner();
    assert!(forced.arn.contains(":secret:s-") && forced.deletion_date.is_some());
    client
        .create_secret(create("s", 1, "another"))
        .await
        .unwrap();
    assert_eq!(read(&mut client, "s").await.unwrap(), "another");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_is_refused_word_for_word() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    client.create_secret(create("s", 1, "one")).await.unwrap();
    for days in [i64::MIN, -1, 0, 6, 31, i64::MAX] {
        let request = api::DeleteSecretRequest {
            recovery_window_in_days: Some(days),
            ..delete("s")
        };
        assert_refused(
            client.delete_secret(request).await,
            "InvalidParameterException",
            "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
        );
    }
    let request = api::DeleteSecretRequest {
        recovery_window_in_days: Some(7),
        ..force_delete("s")
    };
    assert_refused(
        client.delete_secret(request).await,
        "InvalidParameterException",
        "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
    );
    let refused = client.delete_secret(delete("missing")).await;
    assert_refused(refused, "ResourceNotFoundException", NOT_FOUND);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_added_replaced_and_removed() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    client.create_secret(create("s", 1, "one")).await.unwrap();
    client
        .tag_resource(tag("s", &[("a", "1"), ("b", "2")]))
        .await
        .unwrap();
    client.tag_resource(tag("s", &[("b", "3")])).await.unwrap();
    client
        .untag_resource(untag("s", &["a", "missing"]))
        .await
        .unwrap();
    let described = client
        .describe_secret(describe("s"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(described.tags, tag("s", &[("b", "3")]).tags);
    let invalid = |outcome| {
        let (reason, ..) = refusal(outcome);
        assert_eq!(reason, "InvalidParameterException");
    };
    invalid(
        client
            .tag_resource(tag("s", &[("a", "1"), ("a", "2")]))
            .await,
    );
    invalid(client.tag_resource(tag("s", &[("aws:x", "1")])).await);
    invalid(client.tag_resource(tag("s", &[("", "1")])).await);
    invalid(client.tag_resource(tag("s", &[])).await);
    let many: Vec<String> = (0..51).map(|number| format!("k{number}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "v")).collect();
    invalid(client.tag_resource(tag("s", &many[..50])).await);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn first_reads_of_the_day_are_seen_at_once_and_recorded() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    client.create_secret(create("s", 1, "one")).await.unwrap();
    read(&mut client, "s").await.unwrap();
    let described = client
        .describe_secret(describe("s"))
        .await
        .unwrap()
        .into_inner();
    let accessed = described.last_accessed_date.unwrap();
    assert_eq!((accessed.seconds % (24 * 60 * 60), accessed.nanos), (0, 0));
    eventually("the access is recorded", async || {
        let described = region
            .secrets(0)
            .describe_secret(describe("s"))
            .await
            .unwrap();
        described.into_inner().last_accessed_date == Some(accessed)
    })
    .await;
    let again = client
        .describe_secret(describe("s"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again.last_changed_date, described.last_changed_date);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_due_secrets_than_a_batch_holds_are_purged_in_one_turn() {
    const MANY: u32 = 101;
    let clock = Arc::new(Shifted::default());
    let pause = Duration::from_secs(5);
    let region = by_clock(&clock, pause).await;
    let mut client = region.secrets(0);
    for number in 0..MANY {
        let name = format!("s{number}");
        client.create_secret(create(&name, 1, "x")).await.unwrap();
        client.delete_secret(delete(&name)).await.unwrap();
    }
    clock.0.store(31 * DAY_MS, Ordering::Relaxed);
    let purges = || {
        let told = metrics(region.nodes[0].addresses().operations);
        let counted = |line: &str| {
            let count = line.strip_prefix("strongroom_server_purges_total ")?;
            count.parse::<u32>().ok()
        };
        told.lines().find_map(counted).unwrap()
    };
    eventually("a batch is purged", async || purges() >= MANY - 1).await;
    // Only one is left, and the next turn is a pause away.
    let all = eventually("all are purged", async || purges() == MANY);
    tokio::time::timeout(pause / 2, all).await.unwrap();
    region.stop().await;
}

/// A region of one node with a clock of its own.
async fn by_clock(clock: &Arc<Shifted>, purge_interval: Duration) -> Region {
    let files = Files::new();
    let mut config = files.config(1);
    config.secrets.purge_interval = purge_interval;
    let bootstrap = Start::Bootstrap {
        administrator: ADMIN.to_owned(),
    };
    let clock = Arc::<Shifted>::clone(clock);
    let started = Node::start_by(config, bootstrap, clock).await;
    let nodes = vec![started.unwrap()];
    Region { nodes, files }
}

/// A clock that can be put forward.
#[derive(Default)]
struct Shifted(AtomicU64);

impl consensus::Clock for Shifted {
    fn now(&self) -> machine::Stamp {
        let now = consensus::SystemClock.now();
        now.plus_ms(self.0.load(Ordering::Relaxed))
    }

    fn since_boot(&self) -> std::time::Duration {
        consensus::SystemClock.since_boot()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_purged_when_its_recovery_window_has_passed_and_not_before() {
    let clock = Arc::new(Shifted::default());
    let region = by_clock(&clock, Duration::from_millis(200)).await;
    let mut client = region.secrets(0);
    for (name, at) in [("early", 0), ("late", 60 * MINUTE_MS)] {
        clock.0.store(at, Ordering::Relaxed);
        client.create_secret(create(name, 1, "x")).await.unwrap();
        let request = api::DeleteSecretRequest {
            recovery_window_in_days: Some(7),
            ..delete(name)
        };
        client.delete_secret(request).await.unwrap();
    }
    let purged = |times: u32| {
        let counted = format!("strongroom_server_purges_total {times}\n");
        metrics(region.nodes[0].addresses().operations).contains(&counted)
    };
    // The look that finds the one finds the other there too, a little before its time.
    clock
        .0
        .store(7 * DAY_MS + 30 * MINUTE_MS, Ordering::Relaxed);
    eventually("the first is purged", async || purged(1)).await;
    assert_refused(
        client.describe_secret(describe("early")).await,
        "ResourceNotFoundException",
        NOT_FOUND,
    );
    assert!(client.describe_secret(describe("late")).await.is_ok());
    clock
        .0
        .store(7 * DAY_MS + 90 * MINUTE_MS, Ordering::Relaxed);
    eventually("the second is purged", async || purged(2)).await;
    assert_refused(
        client.describe_secret(describe("late")).await,
        "ResourceNotFoundException",
        NOT_FOUND,
    );
    client
        .create_secret(create("early", 1, "again"))
        .await
        .unwrap();
    assert_eq!(read(&mut client, "early").await.unwrap(), "again");
    region.stop().await;
}
