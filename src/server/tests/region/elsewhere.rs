//! What is led elsewhere: every write to a copy is refused with where to go, and what the calls of
//! replication refuse.

use tonic::Status;
use wire::admin::v1 as admin;
use wire::admin::v1::RegionScope;
use wire::secrets::v1 as api;

use super::harness::{
    OTHER, REGION, SecretsClient, assert_refused, eventually, refusal, told, two,
};
use super::requests::{
    create, delete, force_delete, put, read, remove_regions, replica, replicate, restore, stage,
    stop_replication, tag, untag, update, with,
};

const AT_A_REPLICA: &str =
    "Operation not permitted on a replica secret. Call must be made in primary secret's region.";

#[track_caller]
fn assert_elsewhere<T: std::fmt::Debug>(outcome: Result<T, Status>, address: &str) {
    let status = outcome.unwrap_err();
    assert_eq!(told(&status, "primary_region"), REGION, "{status:?}");
    assert_eq!(told(&status, "primary_addresses"), address, "{status:?}");
    assert_refused(
        Err::<(), _>(status),
        "InvalidParameterException",
        AT_A_REPLICA,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_to_a_copy_names_the_region_that_takes_it() {
    let (first, second) = two(RegionScope::All).await;
    let mut there = second.secrets(0);
    first
        .secrets(0)
        .create_secret(create("s", 1, "x"))
        .await
        .unwrap();
    eventually("the copy is there", async || {
        read(&mut there, "s").await.is_ok()
    })
    .await;
    let at = first.address();
    assert_elsewhere(there.put_secret_value(put("s", 2, "y")).await, &at);
    let changed = api::UpdateSecretRequest {
        description: Some("d".to_owned()),
        ..update("s")
    };
    assert_elsewhere(there.update_secret(changed).await, &at);
    let moved = stage("s", "X", None, Some(1));
    assert_elsewhere(there.update_secret_version_stage(moved).await, &at);
    assert_elsewhere(there.delete_secret(delete("s")).await, &at);
    assert_elsewhere(there.delete_secret(force_delete("s")).await, &at);
    assert_elsewhere(there.restore_secret(restore("s")).await, &at);
    assert_elsewhere(there.tag_resource(tag("s", &[("k", "v")])).await, &at);
    assert_elsewhere(there.untag_resource(untag("s", &["k"])).await, &at);
    let shared = there.replicate_secret_to_regions(replicate("s", &["us-east-1"]));
    assert_elsewhere(shared.await, &at);
    let removed = there.remove_regions_from_replication(remove_regions("s", &[OTHER]));
    assert_elsewhere(removed.await, &at);
    // Not shared with it by name, though it has it: it receives everything.
    let stopped = there
        .stop_replication_to_replica(stop_replication("s"))
        .await;
    assert_refused(
        stopped,
        "InvalidParameterException",
        "The secret isn't a replica.",
    );
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_another_region_is_created_there() {
    let (first, second) = two(RegionScope::Selected).await;
    let mut there = second.secrets(0);
    let request = with("strongroom-region", REGION, create("s", 1, "x"));
    let status = there.create_secret(request).await.unwrap_err();
    assert_eq!(told(&status, "primary_region"), REGION);
    assert_eq!(told(&status, "primary_addresses"), first.address());
    assert_refused(
        Err::<(), _>(status),
        "InvalidParameterException",
        "Secrets of region eu-west-1 are created in region eu-west-1, which leads it.",
    );
    for region in ["us-east-9", "nowhere", ""] {
        let request = with("strongroom-region", region, create("s", 1, "x"));
        let (reason, ..) = refusal(there.create_secret(request).await);
        assert_eq!(reason, "InvalidParameterException", "{region}");
    }
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_that_cannot_hold_a_copy_are_refused() {
    let (first, second) = two(RegionScope::Selected).await;
    let mut client = first.secrets(0);
    client.create_secret(create("s", 1, "x")).await.unwrap();
    for regions in [&[REGION][..], &["us-east-9"], &[OTHER, OTHER]] {
        let shared = client
            .replicate_secret_to_regions(replicate("s", regions))
            .await;
        assert_refused(
            shared,
            "InvalidParameterException",
            "Invalid replica region.",
        );
    }
    let made = client.create_secret(api::CreateSecretRequest {
        add_replica_regions: vec![replica("us-east-9")],
        ..create("t", 1, "x")
    });
    assert_refused(
        made.await,
        "InvalidParameterException",
        "Invalid replica region.",
    );
    invalid(&mut client).await;
    let missing = client
        .replicate_secret_to_regions(replicate("nobody", &[OTHER]))
        .await;
    assert_eq!(refusal(missing).0, "ResourceNotFoundException");
    let missing = client.remove_regions_from_replication(remove_regions("nobody", &[OTHER]));
    assert_eq!(refusal(missing.await).0, "ResourceNotFoundException");
    let missing = client
        .stop_replication_to_replica(stop_replication("nobody"))
        .await;
    assert_eq!(refusal(missing).0, "ResourceNotFoundException");
    let own = client
        .stop_replication_to_replica(stop_replication("s"))
        .await;
    assert_refused(
        own,
        "InvalidParameterException",
        "The secret isn't a replica.",
    );
    client.delete_secret(delete("s")).await.unwrap();
    let shared = client
        .replicate_secret_to_regions(replicate("s", &[OTHER]))
        .await;
    assert_eq!(refusal(shared).0, "InvalidRequestException");
    second.stop().await;
    first.stop().await;
}

async fn invalid(client: &mut SecretsClient) {
    let shared = client
        .replicate_secret_to_regions(replicate("s", &[]))
        .await;
    assert_eq!(refusal(shared).0, "ValidationException");
    let removed = client
        .remove_regions_from_replication(remove_regions("s", &[]))
        .await;
    assert_eq!(refusal(removed).0, "ValidationException");
    for text in ["", "EU-WEST-1", "eu west 1", "eu"] {
        let shared = client
            .replicate_secret_to_regions(replicate("s", &[text]))
            .await;
        assert_eq!(refusal(shared).0, "ValidationException", "{text}");
        let removed = client
            .remove_regions_from_replication(remove_regions("s", &[text]))
            .await;
        assert_eq!(refusal(removed).0, "ValidationException", "{text}");
    }
    let many: Vec<String> = (0..65).map(|number| format!("eu-west-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let shared = client
        .replicate_secret_to_regions(replicate("s", &many))
        .await;
    assert_eq!(refusal(shared).0, "ValidationException");
    let long = api::ReplicateSecretToRegionsRequest {
        add_replica_regions: vec![api::ReplicaRegion {
            kms_key_id: Some("k".repeat(2049)),
            ..replica(OTHER)
        }],
        ..replicate("s", &[])
    };
    let shared = client.replicate_secret_to_regions(long).await;
    assert_eq!(refusal(shared).0, "ValidationException");
    let shared = client
        .replicate_secret_to_regions(replicate("", &[OTHER]))
        .await;
    assert_eq!(refusal(shared).0, "InvalidParameterException");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_is_changed_where_the_root_feed_is_led() {
    let (first, second) = two(RegionScope::All).await;
    let mut there = second.admin(0);
    let made = there.create_link_token(admin::CreateLinkTokenRequest {
        region: "us-east-1".to_owned(),
        scope: RegionScope::All.into(),
        lifetime: None,
    });
    let mut directory = second.admin(0);
    let statuses = [
        made.await.map(drop).unwrap_err(),
        directory
            .unlink_region(admin::UnlinkRegionRequest {
                region: OTHER.to_owned(),
            })
            .await
            .map(drop)
            .unwrap_err(),
        directory
            .set_region_scope(admin::SetRegionScopeRequest {
                region: OTHER.to_owned(),
                scope: RegionScope::Selected.into(),
            })
            .await
            .map(drop)
            .unwrap_err(),
    ];
    for status in statuses {
        assert_eq!(told(&status, "primary_region"), REGION);
        assert_eq!(told(&status, "primary_addresses"), first.address());
        let (reason, _, text) = refusal(Err::<(), _>(status));
        assert_eq!(reason, "InvalidParameterException");
        assert_eq!(
            text,
            "Region eu-west-1 is primary of feed root: make this call there."
        );
    }
    second.stop().await;
    first.stop().await;
}
