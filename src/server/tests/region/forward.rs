//! Writes that a region hands on to the one that leads what they are about.

use wire::admin::v1 as admin;
use wire::admin::v1::RegionScope;
use wire::secrets::v1 as api;

use super::harness::{OTHER, REGION, Region, assert_refused, eventually, refusal, told};
use super::requests::{
    create, delete, force_delete, get, labels, metadata, put, read, remove_regions, replica,
    replicate, restore, stage, stop_replication, tag, untag, update, with,
};

const THIRD: &str = "eu-west-3";

/// A region that accepts what the other one hands on, if it is told to.
async fn two(accepts: bool) -> (Region, Region) {
    let first = match accepts {
        true => {
            let accept = |config: &mut strongroom_server::Config| {
                config.regions.accept_forwarded = true;
            };
            Region::start_tuned(1, accept).await
        }
        false => Region::start(1).await,
    };
    let forward = |config: &mut strongroom_server::Config| config.regions.forward_writes = true;
    let second = first.link_tuned(OTHER, RegionScope::All, 1, forward).await;
    (first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_to_a_copy_is_made_where_it_is_led() {
    let (first, second) = two(true).await;
    let (mut client, mut there) = (first.secrets(0), second.secrets(0));
    client.create_secret(create("s", 1, "one")).await.unwrap();
    eventually("the copy is there", async || {
        read(&mut there, "s").await.is_ok()
    })
    .await;
    let wrote = there.put_secret_value(put("s", 2, "two")).await.unwrap();
    let position = metadata(&wrote, "strongroom-position").unwrap();
    let wrote = wrote.into_inner();
    assert!(wrote.arn.contains(OTHER), "{}", wrote.arn);
    assert_eq!(read(&mut client, "s").await.unwrap(), "two");
    // What was written is seen here by its position.
    let seen = there
        .get_secret_value(with("strongroom-min-position", &position, get("s")))
        .await;
    let text = api::get_secret_value_response::Value::SecretString("two".to_owned());
    assert_eq!(seen.unwrap().into_inner().value, Some(text));
    // A repeated one changes nothing, another one of the same token is refused, as there.
    there.put_secret_value(put("s", 2, "two")).await.unwrap();
    let (reason, ..) = refusal(there.put_secret_value(put("s", 2, "other")).await);
    assert_eq!(reason, "ResourceExistsException");
    let changed = api::UpdateSecretRequest {
        description: Some("words".to_owned()),
        ..update("s")
    };
    there.update_secret(changed).await.unwrap();
    let moved = stage("s", "AWSCURRENT", Some(2), Some(1));
    there.update_secret_version_stage(moved).await.unwrap();
    there
        .tag_resource(tag("s", &[("a", "1"), ("b", "2")]))
        .await
        .unwrap();
    there.untag_resource(untag("s", &["a"])).await.unwrap();
    let shared = there
        .replicate_secret_to_regions(replicate("s", &[OTHER]))
        .await;
    let shared = shared.unwrap().into_inner();
    assert_eq!(shared.replication_status[0].region, OTHER);
    let removed = there
        .remove_regions_from_replication(remove_regions("s", &[OTHER]))
        .await;
    assert!(removed.unwrap().into_inner().replication_status.is_empty());
    assert_eq!(labels(&mut client, "s").await, "1:AWSCURRENT 2:AWSPREVIOUS");
    there.delete_secret(delete("s")).await.unwrap();
    let (reason, ..) = refusal(there.put_secret_value(put("s", 3, "x")).await);
    assert_eq!(reason, "InvalidRequestException");
    there.restore_secret(restore("s")).await.unwrap();
    assert_eq!(read(&mut client, "s").await.unwrap(), "one");
    let (reason, ..) = refusal(there.put_secret_value(put("nobody", 1, "x")).await);
    assert_eq!(reason, "ResourceNotFoundException");
    second.stop().await;
    first.stop().await;
}

/// Where a region has the other region's home feed.
async fn position(region: &Region) -> Option<admin::FeedPosition> {
    let mut client = region.admin(0);
    let listed = client.list_regions(admin::ListRegionsRequest {}).await;
    let entries = listed.ok()?.into_inner().regions.into_iter();
    let mut feeds = entries.flat_map(|entry| entry.leads);
    feeds.find(|feed| feed.feed == OTHER)?.here
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_created_where_its_region_is_led() {
    let (first, second) = two(true).await;
    let mut there = second.secrets(0);
    let request = with("strongroom-region", REGION, create("theirs", 1, "x"));
    let made = there.create_secret(request).await.unwrap().into_inner();
    assert!(made.arn.contains(REGION), "{}", made.arn);
    assert_eq!(read(&mut first.secrets(0), "theirs").await.unwrap(), "x");
    // What it had not would be set aside, and the other region would not follow before it returns.
    eventually("the region that takes over has all of it", async || {
        let (here, there) = (position(&first).await, position(&second).await);
        // A checkpoint comes after what founds a region; then nobody writes.
        here == there && here.is_some_and(|here| here.revision > 1)
    })
    .await;
    let request = admin::PromoteRegionRequest {
        lost: OTHER.to_owned(),
        force: true,
    };
    first.admin(0).promote_region(request).await.unwrap();
    // Before it has heard of it, it would create it itself.
    eventually("the region knows who leads it", async || {
        let mut asked = second.admin(0);
        let listed = asked.list_regions(admin::ListRegionsRequest {}).await;
        let listed = listed.unwrap().into_inner();
        let leader = listed.regions.iter().find(|entry| entry.name == REGION);
        leader.is_some_and(|entry| entry.leads.iter().any(|feed| feed.feed == OTHER))
    })
    .await;
    let made = there.create_secret(create("own", 1, "y")).await.unwrap();
    let made = made.into_inner();
    assert!(made.arn.contains(OTHER), "{}", made.arn);
    eventually("it is led there", async || {
        read(&mut first.secrets(0), "own")
            .await
            .is_ok_and(|found| found == "y")
    })
    .await;
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_handed_on_is_about_the_secret_the_caller_meant_and_no_namesake() {
    let first = Region::start(1).await;
    let accept = |config: &mut strongroom_server::Config| config.regions.accept_forwarded = true;
    let second = first.link_tuned(OTHER, RegionScope::All, 1, accept).await;
    let forward = |config: &mut strongroom_server::Config| config.regions.forward_writes = true;
    let third = first
        .link_tuned(THIRD, RegionScope::Selected, 1, forward)
        .await;
    // The region that takes over has a secret of that name of its own.
    let mut there = second.secrets(0);
    there.create_secret(create("s", 1, "own")).await.unwrap();
    let shared = api::CreateSecretRequest {
        add_replica_regions: vec![replica(THIRD)],
        ..create("s", 1, "one")
    };
    let made = first.secrets(0).create_secret(shared).await.unwrap();
    let arn = made.into_inner().arn;
    let mut far = third.secrets(0);
    for (client, id) in [(&mut there, arn.as_str()), (&mut far, "s")] {
        eventually("the copy is there", async || {
            read(client, id).await.is_ok_and(|found| found == "one")
        })
        .await;
    }
    first.stop().await;
    let promote = admin::PromoteRegionRequest {
        lost: REGION.to_owned(),
        force: false,
    };
    second.admin(0).promote_region(promote).await.unwrap();
    eventually("the third region knows who leads it", async || {
        let wrote = far.put_secret_value(put("s", 2, "two")).await;
        wrote.is_ok()
    })
    .await;
    assert_eq!(read(&mut there, "s").await.unwrap(), "own");
    assert_eq!(read(&mut there, &arn).await.unwrap(), "two");
    let (reason, _, text) = refusal(far.delete_secret(force_delete("s")).await);
    assert_eq!(reason, "InvalidParameterException", "{text}");
    assert!(text.contains("still has replica regions"), "{text}");
    assert_eq!(read(&mut there, "s").await.unwrap(), "own");
    third.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_answered_with_the_arn_that_means_its_secret_and_no_namesake() {
    let (first, second) = two(true).await;
    let (mut client, mut there) = (first.secrets(0), second.secrets(0));
    let made = client.create_secret(create("s", 1, "one")).await.unwrap();
    let arn = made.into_inner().arn;
    let shared = client.replicate_secret_to_regions(replicate("s", &[OTHER]));
    shared.await.unwrap();
    eventually("the copy becomes a secret of its own", async || {
        let stopped = there.stop_replication_to_replica(stop_replication("s"));
        stopped.await.is_ok()
    })
    .await;
    // They have their name and suffix in common. The copy comes again with its next change.
    client.put_secret_value(put("s", 9, "one")).await.unwrap();
    eventually("both are here", async || {
        let listed = there.list_secrets(api::ListSecretsRequest::default());
        listed.await.unwrap().into_inner().secret_list.len() == 2
    })
    .await;
    let mut written = async |id: &str, number, value| {
        let wrote = there.put_secret_value(put(id, number, value)).await;
        wrote.map(|wrote| wrote.into_inner().arn)
    };
    let own = written("s", 2, "mine").await.unwrap();
    assert_ne!(own, arn);
    assert_eq!(written(&own, 3, "mine").await.unwrap(), own);
    // Handed on, and led here.
    assert_eq!(written(&arn, 4, "yours").await.unwrap(), arn);
    first.stop().await;
    let promote = admin::PromoteRegionRequest {
        lost: REGION.to_owned(),
        force: false,
    };
    second.admin(0).promote_region(promote).await.unwrap();
    assert_eq!(written(&arn, 5, "yours").await.unwrap(), arn);
    assert_eq!(written(&own, 6, "mine").await.unwrap(), own);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_accepts_none_is_named_and_does_nothing() {
    let (first, second) = two(false).await;
    let (mut client, mut there) = (first.secrets(0), second.secrets(0));
    client.create_secret(create("s", 1, "one")).await.unwrap();
    eventually("the copy is there", async || {
        read(&mut there, "s").await.is_ok()
    })
    .await;
    let status = there
        .put_secret_value(put("s", 2, "two"))
        .await
        .unwrap_err();
    assert_eq!(told(&status, "primary_region"), REGION);
    assert_eq!(told(&status, "primary_addresses"), first.address());
    assert_refused(
        Err::<(), _>(status),
        "InvalidParameterException",
        "Region eu-west-1 accepts no calls of other regions.",
    );
    assert_eq!(read(&mut client, "s").await.unwrap(), "one");
    first.stop().await;
    let status = there
        .put_secret_value(put("s", 2, "two"))
        .await
        .unwrap_err();
    let (reason, ..) = refusal(Err::<(), _>(status));
    assert_eq!(reason, "ServiceUnavailable");
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_policy_of_a_copy_is_attached_where_the_secret_is_led() {
    let (first, second) = two(true).await;
    let (mut client, mut there) = (first.secrets(0), second.secrets(0));
    let request = api::CreateSecretRequest {
        add_replica_regions: vec![replica(OTHER)],
        ..create("s", 1, "one")
    };
    client.create_secret(request).await.unwrap();
    eventually("the copy is there", async || {
        read(&mut there, "s").await.is_ok()
    })
    .await;
    let document = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow",
        "Principal": {"AWS": "000000000000"}, "Action": "*", "Resource": "*"}}"#;
    let put = api::PutResourcePolicyRequest {
        secret_id: "s".to_owned(),
        resource_policy: document.to_owned(),
        ..Default::default()
    };
    let put = there.put_resource_policy(put).await.unwrap();
    let position = metadata(&put, "strongroom-position").unwrap();
    assert!(put.into_inner().arn.contains(OTHER));
    let asked = api::GetResourcePolicyRequest {
        secret_id: "s".to_owned(),
        policy_name: None,
    };
    // It counts in both regions: the copy has it, too.
    let got = client.get_resource_policy(asked.clone()).await.unwrap();
    assert_eq!(got.into_inner().resource_policy.unwrap(), document);
    let asked = with("strongroom-min-position", &position, asked);
    let got = there.get_resource_policy(asked).await.unwrap();
    assert_eq!(got.into_inner().resource_policy.unwrap(), document);
    let delete = api::DeleteResourcePolicyRequest {
        secret_id: "s".to_owned(),
        policy_name: None,
    };
    there.delete_resource_policy(delete).await.unwrap();
    second.stop().await;
    first.stop().await;
}
