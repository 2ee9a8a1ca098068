//! How old the state of a region is that others lead: every reply says it, and a caller can ask for
//! less (R32).

use std::time::Duration;

use tonic::Response;
use wire::admin::v1::RegionScope;
use wire::secrets::v1 as api;

use super::harness::{OTHER, Region, eventually, refusal, told, two};
use super::requests::{create, describe, eventual, get, metadata, read, versions, with};

const STALENESS: &str = "strongroom-staleness-ms";
const MAX: &str = "strongroom-max-staleness-ms";

fn staleness<T>(reply: &Response<T>) -> u64 {
    metadata(reply, STALENESS).unwrap().parse().unwrap()
}

async fn until_there(region: &Region, node: usize) {
    let mut there = region.secrets(node);
    eventually("the copy is there", async || {
        read(&mut there, "s").await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reply_about_a_copy_says_how_old_it_may_be_and_no_other_does() {
    let (first, second) = two(RegionScope::All).await;
    first
        .secrets(0)
        .create_secret(create("s", 1, "x"))
        .await
        .unwrap();
    until_there(&second, 0).await;
    let mut there = second.secrets(0);
    there.create_secret(create("own", 1, "x")).await.unwrap();
    let soon = Duration::from_secs(10);
    let old = |ms: u64| Duration::from_millis(ms) < soon;
    assert!(old(staleness(
        &there.get_secret_value(get("s")).await.unwrap()
    )));
    assert!(old(staleness(
        &there.describe_secret(describe("s")).await.unwrap()
    )));
    let listed = there.list_secret_version_ids(versions("s")).await.unwrap();
    assert!(old(staleness(&listed)));
    let listed = there
        .list_secrets(api::ListSecretsRequest::default())
        .await
        .unwrap();
    assert!(old(staleness(&listed)));
    let batch = |id: &str| api::BatchGetSecretValueRequest {
        secret_id_list: vec![id.to_owned()],
        ..Default::default()
    };
    assert!(old(staleness(
        &there.batch_get_secret_value(batch("s")).await.unwrap()
    )));
    assert!(old(staleness(
        &there.get_secret_value(eventual(get("s"))).await.unwrap()
    )));
    for reply in [
        metadata(
            &there.get_secret_value(get("own")).await.unwrap(),
            STALENESS,
        ),
        metadata(
            &there.batch_get_secret_value(batch("own")).await.unwrap(),
            STALENESS,
        ),
        metadata(
            &first.secrets(0).get_secret_value(get("s")).await.unwrap(),
            STALENESS,
        ),
    ] {
        assert_eq!(reply, None);
    }
    // What is not found may be on its way: that too is only as new as this.
    let missing = there.get_secret_value(get("nobody")).await.unwrap_err();
    assert!(old(told(&missing, "staleness_ms").parse().unwrap()));
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_asks_for_less_waits_or_is_told_how_old_it_is() {
    let (first, second) = two(RegionScope::All).await;
    first
        .secrets(0)
        .create_secret(create("s", 1, "x"))
        .await
        .unwrap();
    until_there(&second, 0).await;
    let mut there = second.secrets(0);
    let fresh = there
        .get_secret_value(with(MAX, "2000", get("s")))
        .await
        .unwrap();
    assert!(staleness(&fresh) <= 2000);
    for bad in ["x", "-1", "", "1.5"] {
        let (reason, ..) = refusal(there.get_secret_value(with(MAX, bad, get("s"))).await);
        assert_eq!(reason, "InvalidParameterException", "{bad}");
    }
    first.stop().await;
    let mut request = with(MAX, "1", get("s"));
    request.set_timeout(Duration::from_secs(5));
    let status = there.get_secret_value(request).await.unwrap_err();
    let old: u64 = told(&status, "staleness_ms").parse().unwrap();
    assert!(old > 1, "{old}");
    let (reason, code, _) = refusal(Err::<(), _>(status));
    assert_eq!(
        (reason.as_str(), code),
        ("TooStale", tonic::Code::Unavailable)
    );
    // Whoever does not mind is answered, and told.
    let stale = there.get_secret_value(get("s")).await.unwrap();
    assert!(staleness(&stale) >= old);
    // What is led here is never too old.
    there.create_secret(create("own", 1, "x")).await.unwrap();
    there
        .get_secret_value(with(MAX, "0", get("own")))
        .await
        .unwrap();
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_lead_asks_the_one_that_does() {
    let first = Region::start(1).await;
    let second = first.link(OTHER, RegionScope::All, 3).await;
    first
        .secrets(0)
        .create_secret(create("s", 1, "x"))
        .await
        .unwrap();
    for node in 0..3 {
        until_there(&second, node).await;
        let mut there = second.secrets(node);
        let reply = there
            .get_secret_value(with(MAX, "3000", get("s")))
            .await
            .unwrap();
        assert!(staleness(&reply) <= 3000, "node {node}");
    }
    second.stop().await;
    first.stop().await;
}
