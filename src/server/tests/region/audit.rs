//! R15: what a node records, who may read it, and what it does when it is short of room.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use audit::{Disk, DiskFile, SystemDisk};
use tonic::Code;
use wire::admin::v1 as admin;
use wire::secrets::v1 as api;

use super::harness::{AdminClient, Region, eventually, refusal};
use super::principals::{ACCOUNT, change, inline, known, policy};
use super::requests::{create, get, put, read, token};

async fn search(
    client: &mut AdminClient,
    ask: admin::SearchAuditRequest,
) -> Vec<admin::AuditRecord> {
    let (mut records, mut next_token) = (Vec::new(), String::new());
    loop {
        let request = admin::SearchAuditRequest {
            next_token,
            ..ask.clone()
        };
        let page = client.search_audit(request).await.unwrap().into_inner();
        assert_eq!((page.unreadable, page.unopened), (0, 0));
        records.extend(page.records);
        next_token = page.next_token;
        if next_token.is_empty() {
            return records;
        }
    }
}

/// The records of one method, the oldest first.
async fn of(client: &mut AdminClient, method: &str) -> Vec<admin::AuditRecord> {
    let request = admin::SearchAuditRequest {
        method: method.to_owned(),
        oldest_first: true,
        max_results: Some(7),
        ..Default::default()
    };
    search(client, request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_leaves_who_made_it_what_it_is_about_and_what_decided() {
    let region = Region::start(1).await;
    let (mut secrets, mut records) = (region.secrets(0), region.admin(0));
    let made = secrets
        .create_secret(create("audited", 1, "canaryvalue99"))
        .await;
    let arn = made.unwrap().into_inner().arn;
    secrets
        .put_secret_value(put("audited", 2, "canaryvalue98"))
        .await
        .unwrap();
    read(&mut secrets, "audited").await.unwrap();
    secrets.get_secret_value(get("missing")).await.unwrap_err();
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    for (method, version, stage) in [
        ("CreateSecret", token(1), ""),
        ("PutSecretValue", token(2), ""),
        ("GetSecretValue", token(2), "AWSCURRENT"),
    ] {
        let found = of(&mut records, method).await;
        let first = &found[0];
        assert_eq!(
            (first.caller.as_str(), first.session.as_str()),
            (&*root, "client/admin")
        );
        assert_eq!(
            (first.result.as_str(), first.listener.as_str()),
            ("allowed", "api")
        );
        assert_eq!(
            (first.version_id.as_str(), first.version_stage.as_str()),
            (&*version, stage)
        );
        assert_eq!(
            first.statement,
            "the root of the account may do everything in it"
        );
        assert_eq!(first.address, "127.0.0.1");
        assert_eq!(
            (first.feed.as_str(), first.epoch_region.as_str()),
            ("home/eu-west-1", "eu-west-1")
        );
        assert!(first.revision > 0 && first.request_id.len() == 16 && !first.internal);
        let shown = arn.rsplit_once('-').unwrap().0;
        assert!(
            first.resource.starts_with(shown),
            "{method} {}",
            first.resource
        );
    }
    let found = of(&mut records, "GetSecretValue").await;
    assert_eq!(found[1].result, "ResourceNotFoundException");
    assert!(
        found[1].resource.contains("secret:missing-"),
        "{}",
        found[1].resource
    );
    // What the node did by itself, and that somebody looks.
    let started = of(&mut records, "StartNode").await;
    assert!(started[0].internal && started[0].caller == "node");
    assert!(!of(&mut records, "BecomeLeader").await.is_empty());
    assert!(!of(&mut records, "SearchAudit").await.is_empty());
    let everything = search(&mut records, admin::SearchAuditRequest::default()).await;
    let everything = format!("{everything:?}");
    assert!(everything.contains("audited") && !everything.contains("canaryvalue"));
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_names_the_statement_that_decided() {
    let region = Region::start(1).await;
    let (mut root, mut records) = (region.secrets(0), region.admin(0));
    root.create_secret(create("s", 1, "x")).await.unwrap();
    let mut access = region.access();
    let alice = known(&mut access, "alice").await;
    let mut client = region.secrets_as("alice");
    client.get_secret_value(get("s")).await.unwrap_err();
    let deny = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Sid": "NotThis", "Effect": "Deny", "Action": "secretsmanager:Get*", "Resource": "*"}]}"#;
    change(&mut access, &alice, inline("mine", deny))
        .await
        .unwrap();
    client.get_secret_value(get("s")).await.unwrap_err();
    let denied = of(&mut records, "GetSecretValue").await;
    let [first, second] = &denied[..] else {
        panic!("{denied:?}");
    };
    for record in [first, second] {
        assert_eq!(record.result, "denied");
        assert_eq!(record.caller, format!("arn:aws:iam::{ACCOUNT}:user/alice"));
        assert!(
            record.resource.contains(":secret:s-"),
            "{}",
            record.resource
        );
    }
    assert_eq!(
        first.statement,
        "no identity policy of the caller allows it"
    );
    assert!(
        second.statement.starts_with("statement 1 (NotThis) of ")
            && second.statement.ends_with("denies it"),
        "{}",
        second.statement
    );
    // Who may not look is told nothing, and that is recorded too.
    let mut looks = AdminClient::new(region.channel_of("alice"));
    change(
        &mut access,
        &alice,
        inline("mine", &policy("Allow", "secretsmanager:*", "*")),
    )
    .await
    .unwrap();
    let (reason, ..) = refusal(
        looks
            .search_audit(admin::SearchAuditRequest::default())
            .await,
    );
    assert_eq!(reason, "AccessDeniedException");
    let looked = of(&mut records, "SearchAudit").await;
    assert!(looked.iter().any(|record| record.result == "denied"));
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_item_of_a_batch_and_every_change_of_a_watch_has_a_record() {
    let region = Region::start(1).await;
    let (mut secrets, mut records) = (region.secrets(0), region.admin(0));
    let mut watch = secrets
        .watch(api::WatchRequest::default())
        .await
        .unwrap()
        .into_inner();
    for (number, name) in (1..).zip(["a", "b"]) {
        secrets
            .create_secret(create(name, number, "x"))
            .await
            .unwrap();
    }
    let request = api::BatchGetSecretValueRequest {
        secret_id_list: ["a", "missing", "b"].map(str::to_owned).to_vec(),
        ..Default::default()
    };
    let batch = secrets
        .batch_get_secret_value(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((batch.secret_values.len(), batch.errors.len()), (2, 1));
    let call = of(&mut records, "BatchGetSecretValue").await;
    let items = of(&mut records, "GetSecretValue").await;
    let results: Vec<_> = items.iter().map(|item| item.result.as_str()).collect();
    assert_eq!(results, ["allowed", "ResourceNotFoundException", "allowed"]);
    assert!(
        items
            .iter()
            .all(|item| item.request_id == call[0].request_id)
    );
    assert!(items[2].resource.contains(":secret:b-") && items[2].version_id == token(2));
    let mut told = 0;
    while told < 2 {
        let message = watch.message().await.unwrap().unwrap();
        let change = matches!(message.item, Some(api::watch_response::Item::Change(_)));
        told += usize::from(change);
    }
    let watched = of(&mut records, "Watch").await;
    // The call that opened it, and both changes.
    assert!(watched.len() >= 3, "{watched:?}");
    assert!(
        watched
            .iter()
            .any(|record| record.resource.contains(":secret:b-"))
    );
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_goes_on_with_what_is_recorded_until_its_caller_may_not_have_it() {
    let region = Region::start(1).await;
    let mut access = region.access();
    let alice = known(&mut access, "alice").await;
    let allow = policy("Allow", "strongroom:TailAudit", "*");
    change(&mut access, &alice, inline("tail", &allow))
        .await
        .unwrap();
    let mut client = AdminClient::new(region.channel_of("alice"));
    let request = admin::TailAuditRequest { last: 1 };
    let mut tail = client.tail_audit(request).await.unwrap().into_inner();
    let first = tail.message().await.unwrap().unwrap();
    assert_eq!(first.records.len(), 1);
    region
        .secrets(0)
        .create_secret(create("seen", 1, "x"))
        .await
        .unwrap();
    let mut last = first.records[0].number;
    let mut is_seen = false;
    while !is_seen {
        for record in tail.message().await.unwrap().unwrap().records {
            assert_eq!(record.number, last + 1);
            last = record.number;
            is_seen |= record.method == "CreateSecret" && record.result == "allowed";
        }
    }
    change(
        &mut access,
        &alice,
        inline("tail", &policy("Deny", "*", "*")),
    )
    .await
    .unwrap();
    let ended = loop {
        match tail.message().await {
            Ok(message) => assert!(message.is_some(), "it ends with a reason"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::PermissionDenied);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_paged_and_bounded_and_a_restart_goes_on_with_the_numbers() {
    let region = Region::start(1).await;
    let mut client = region.admin(0);
    for (max_results, next_token, reason) in [
        (Some(0), "", "InvalidParameterException"),
        (Some(1001), "", "InvalidParameterException"),
        (None, "x", "InvalidNextTokenException"),
    ] {
        let request = admin::SearchAuditRequest {
            max_results,
            next_token: next_token.to_owned(),
            ..Default::default()
        };
        let (found, ..) = refusal(client.search_audit(request).await);
        assert_eq!(found, reason);
    }
    let request = || admin::SearchAuditRequest {
        oldest_first: true,
        max_results: Some(2),
        ..Default::default()
    };
    let before = search(&mut client, request()).await;
    assert!(
        (1..)
            .zip(&before)
            .all(|(number, record)| record.number == number)
    );
    let files = region.stop().await;
    let node = strongroom_server::Node::start(files.config(1), strongroom_server::Start::Resume)
        .await
        .unwrap();
    let again = Region {
        nodes: vec![node],
        files,
    };
    eventually("the node is ready", async || again.nodes[0].ready().is_ok()).await;
    let after = search(&mut again.admin(0), request()).await;
    assert!(after.len() > before.len() && after[..before.len()] == before[..]);
    assert!(
        (1..)
            .zip(&after)
            .all(|(number, record)| record.number == number)
    );
    assert!(after.iter().any(|record| record.method == "StopNode"));
    again.stop().await;
}

/// The system's disk, with as much free space as is said.
struct Measured(Arc<AtomicU64>);

impl Disk for Measured {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        SystemDisk.open(path)
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(self.0.load(Ordering::SeqCst))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_room_for_records_hands_over_before_it_refuses_a_call() {
    let free = Arc::new(AtomicU64::new(u64::MAX));
    let region = Region::start_on(3, Arc::new(Measured(Arc::clone(&free)))).await;
    let lead = &region.nodes[0];
    eventually("the first node leads", async || {
        let request = admin::TransferLeaderRequest { to: Some(1) };
        lead.leads() || region.admin(1).transfer_leader(request).await.is_err() && lead.leads()
    })
    .await;
    let mut secrets = region.secrets(0);
    secrets.create_secret(create("s", 1, "x")).await.unwrap();
    free.store(0, Ordering::SeqCst);
    let (mut number, mut reads) = (2, 0);
    eventually("it hands over", async || {
        // Through the node itself: nothing it is asked for is refused meanwhile.
        read(&mut secrets, "s").await.unwrap();
        reads += 1;
        secrets
            .put_secret_value(put("s", number, "y"))
            .await
            .unwrap();
        number += 1;
        !lead.leads() && region.nodes.iter().any(strongroom_server::Node::leads)
    })
    .await;
    assert!(lead.ready().is_err());
    read(&mut secrets, "s").await.unwrap();
    assert!(reads > 0);
    free.store(u64::MAX, Ordering::SeqCst);
    eventually("it is ready again", async || lead.ready().is_ok()).await;
    let found = of(&mut region.admin(0), "CeaseToLead").await;
    assert!(!found.is_empty());
    region.stop().await;
}
