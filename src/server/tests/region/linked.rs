//! Two regions: what one writes the other has, as far as it was shared.

use wire::admin::v1::RegionScope;
use wire::secrets::v1 as api;
use wire::secrets::v1::ReplicationState;

use super::harness::{
    OTHER, REGION, Region, SecretsClient, assert_refused, eventually, refusal, two,
};
use super::requests::{
    create, describe, get, labels, metadata, put, read, remove_regions, replica, replicate,
    stop_replication, token, versions, with,
};

async fn described(client: &mut SecretsClient, id: &str) -> api::DescribeSecretResponse {
    let reply = client.describe_secret(describe(id)).await.unwrap();
    reply.into_inner()
}

/// The state of the copy in the other region, with the message.
async fn copy(region: &Region, id: &str) -> Option<(ReplicationState, Option<String>)> {
    let secret = described(&mut region.secrets(0), id).await;
    let mut rows = secret.replication_status.iter();
    let row = rows.find(|row| row.region == OTHER)?;
    Some((row.status(), row.status_message.clone()))
}

async fn until_in_sync(region: &Region, id: &str) {
    eventually("the copy is in sync", async || {
        matches!(
            copy(region, id).await,
            Some((ReplicationState::InSync, None))
        )
    })
    .await;
}

async fn until_read(region: &Region, id: &str, value: &str) {
    let mut client = region.secrets(0);
    eventually("the value is there", async || {
        read(&mut client, id)
            .await
            .is_ok_and(|found| found == value)
    })
    .await;
}

async fn until_gone(region: &Region, id: &str) {
    let mut client = region.secrets(0);
    eventually("the secret is not there", async || {
        match client.get_secret_value(get(id)).await {
            Ok(_) => false,
            Err(status) => status.code() == tonic::Code::NotFound,
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_receives_all_reads_what_the_other_writes_under_its_own_arn() {
    let (first, second) = two(RegionScope::All).await;
    let mut client = first.secrets(0);
    let made = client.create_secret(create("s", 1, "one")).await.unwrap();
    let arn = made.into_inner().arn;
    until_read(&second, "s", "one").await;
    client.put_secret_value(put("s", 2, "two")).await.unwrap();
    until_read(&second, "s", "two").await;
    let mut there = second.secrets(0);
    let moved = arn.replace(REGION, OTHER);
    for id in ["s", &arn, &moved] {
        let reply = there.get_secret_value(get(id)).await.unwrap().into_inner();
        assert_eq!(reply.arn, moved);
    }
    assert_eq!(
        labels(&mut there, "s").await,
        labels(&mut client, "s").await
    );
    let batch = api::BatchGetSecretValueRequest {
        secret_id_list: vec!["s".to_owned(), "nobody".to_owned()],
        ..Default::default()
    };
    let batch = there.batch_get_secret_value(batch).await.unwrap();
    let batch = batch.into_inner();
    assert_eq!(batch.secret_values.len(), 1);
    assert_eq!(batch.secret_values[0].arn, moved);
    assert_eq!(batch.errors[0].error_code, "ResourceNotFoundException");
    let listed = there.list_secret_version_ids(versions("s")).await.unwrap();
    let listed = listed.into_inner();
    assert_eq!((listed.arn.as_str(), listed.versions.len()), (&*moved, 2));
    let shown = described(&mut there, "s").await;
    assert_eq!(shown.primary_region.as_deref(), Some(REGION));
    assert!(shown.replication_status.is_empty());
    assert_eq!(described(&mut client, "s").await.primary_region, None);
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_in_the_regions_it_is_shared_with_and_in_no_other() {
    let (first, second) = two(RegionScope::Selected).await;
    let mut client = first.secrets(0);
    let request = api::CreateSecretRequest {
        add_replica_regions: vec![replica(OTHER)],
        ..create("at-once", 1, "one")
    };
    let made = client.create_secret(request).await.unwrap().into_inner();
    let rows: Vec<_> = made.replication_status.iter().collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].region, OTHER);
    client
        .create_secret(create("later", 1, "two"))
        .await
        .unwrap();
    client
        .create_secret(create("never", 1, "three"))
        .await
        .unwrap();
    until_in_sync(&first, "at-once").await;
    until_read(&second, "at-once", "one").await;
    until_gone(&second, "later").await;
    let shared = client
        .replicate_secret_to_regions(replicate("later", &[OTHER]))
        .await;
    let shared = shared.unwrap().into_inner();
    assert_eq!(shared.replication_status.len(), 1);
    until_in_sync(&first, "later").await;
    until_read(&second, "later", "two").await;
    until_gone(&second, "never").await;
    // The day it was read there is told here beside the state of a copy that moves.
    let mut number = 1;
    eventually("the day of the last access is told", async || {
        number += 1;
        let moved = put("at-once", number, "again");
        first.secrets(0).put_secret_value(moved).await.unwrap();
        let rows = described(&mut first.secrets(0), "at-once")
            .await
            .replication_status;
        rows[0].last_accessed_date.is_some()
    })
    .await;
    let shown = described(&mut client, "at-once").await;
    assert_eq!(shown.primary_region.as_deref(), Some(REGION));
    assert_eq!(shown.last_accessed_date, None);
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_shared_any_more_is_gone_there() {
    let (first, second) = two(RegionScope::Selected).await;
    let mut client = first.secrets(0);
    client.create_secret(create("s", 1, "one")).await.unwrap();
    client
        .replicate_secret_to_regions(replicate("s", &[OTHER]))
        .await
        .unwrap();
    until_read(&second, "s", "one").await;
    let arn = described(&mut client, "s").await.arn;
    assert_refused(
        client.delete_secret(super::requests::delete("s")).await,
        "InvalidParameterException",
        &format!("You can't delete secret {arn} that still has replica regions [{OTHER}]."),
    );
    let removed = client.remove_regions_from_replication(remove_regions("s", &[OTHER]));
    assert!(
        removed
            .await
            .unwrap()
            .into_inner()
            .replication_status
            .is_empty()
    );
    until_gone(&second, "s").await;
    // A region without a copy is passed over.
    let removed = client.remove_regions_from_replication(remove_regions("s", &["us-east-9"]));
    removed.await.unwrap();
    client
        .delete_secret(super::requests::delete("s"))
        .await
        .unwrap();
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_stopped_is_a_secret_of_its_own_with_all_its_versions() {
    let (first, second) = two(RegionScope::Selected).await;
    let (mut client, mut there) = (first.secrets(0), second.secrets(0));
    client.create_secret(create("s", 1, "one")).await.unwrap();
    client.put_secret_value(put("s", 2, "two")).await.unwrap();
    client.put_secret_value(put("s", 3, "three")).await.unwrap();
    client
        .replicate_secret_to_regions(replicate("s", &[OTHER]))
        .await
        .unwrap();
    until_in_sync(&first, "s").await;
    let before = described(&mut there, "s").await;
    let stopped = there
        .stop_replication_to_replica(stop_replication("s"))
        .await;
    assert_eq!(stopped.unwrap().into_inner().arn, before.arn);
    // An answer that was lost is given again.
    let again = there
        .stop_replication_to_replica(stop_replication("s"))
        .await;
    assert_eq!(again.unwrap().into_inner().arn, before.arn);
    let after = described(&mut there, "s").await;
    assert_eq!(after.arn, before.arn);
    assert_eq!(after.version_ids_to_stages, before.version_ids_to_stages);
    assert_eq!(after.primary_region, None);
    for (number, value) in [(1, "one"), (2, "two"), (3, "three")] {
        let request = api::GetSecretValueRequest {
            version_id: Some(token(number)),
            ..get("s")
        };
        let reply = there.get_secret_value(request).await.unwrap().into_inner();
        let text = api::get_secret_value_response::Value::SecretString(value.to_owned());
        assert_eq!(reply.value, Some(text));
    }
    // Each goes its own way, and the first one knows.
    there.put_secret_value(put("s", 4, "mine")).await.unwrap();
    client.put_secret_value(put("s", 5, "yours")).await.unwrap();
    eventually("the primary lists no copy", async || {
        copy(&first, "s").await.is_none()
    })
    .await;
    assert_eq!(read(&mut there, "s").await.unwrap(), "mine");
    assert_eq!(read(&mut client, "s").await.unwrap(), "yours");
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_whose_versions_no_entry_holds_together_is_stopped_too() {
    const VERSIONS: u32 = 78;
    let (first, second) = two(RegionScope::Selected).await;
    let (mut client, mut there) = (first.secrets(0), second.secrets(0));
    let value = |number: u32| format!("{number:060000}");
    client
        .create_secret(create("s", 1, &value(1)))
        .await
        .unwrap();
    for number in 2..=VERSIONS {
        let put = put("s", number, &value(number));
        client.put_secret_value(put).await.unwrap();
    }
    client
        .replicate_secret_to_regions(replicate("s", &[OTHER]))
        .await
        .unwrap();
    until_in_sync(&first, "s").await;
    let before = described(&mut there, "s").await;
    let stopped = there
        .stop_replication_to_replica(stop_replication("s"))
        .await;
    assert_eq!(stopped.unwrap().into_inner().arn, before.arn);
    there.put_secret_value(put("s", 100, "mine")).await.unwrap();
    for number in 1..=VERSIONS {
        let request = api::GetSecretValueRequest {
            version_id: Some(token(number)),
            ..get("s")
        };
        let reply = there.get_secret_value(request).await.unwrap().into_inner();
        let text = api::get_secret_value_response::Value::SecretString(value(number));
        assert!(reply.value == Some(text), "version {number}");
    }
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_in_use_there_fails_unless_it_is_forced() {
    let (first, second) = two(RegionScope::Selected).await;
    let (mut client, mut there) = (first.secrets(0), second.secrets(0));
    client.create_secret(create("s", 1, "ours")).await.unwrap();
    there.create_secret(create("s", 1, "theirs")).await.unwrap();
    client
        .replicate_secret_to_regions(replicate("s", &[OTHER]))
        .await
        .unwrap();
    eventually("the copy has failed", async || {
        let row = copy(&first, "s").await;
        row.is_some_and(|(state, message)| {
            state == ReplicationState::Failed && message.is_some_and(|text| text.contains("name"))
        })
    })
    .await;
    assert_eq!(read(&mut there, "s").await.unwrap(), "theirs");
    let forced = api::ReplicateSecretToRegionsRequest {
        force_overwrite_replica_secret: true,
        ..replicate("s", &[OTHER])
    };
    client.replicate_secret_to_regions(forced).await.unwrap();
    until_in_sync(&first, "s").await;
    until_read(&second, "s", "ours").await;
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_there_fails_and_another_one_mends_it() {
    let (first, second) = two(RegionScope::Selected).await;
    let mut client = first.secrets(0);
    client.create_secret(create("s", 1, "one")).await.unwrap();
    let keyed = |key: &str| api::ReplicateSecretToRegionsRequest {
        add_replica_regions: vec![api::ReplicaRegion {
            kms_key_id: Some(key.to_owned()),
            ..replica(OTHER)
        }],
        ..replicate("s", &[])
    };
    client
        .replicate_secret_to_regions(keyed("alias/nobody"))
        .await
        .unwrap();
    eventually("the copy has failed", async || {
        let row = copy(&first, "s").await;
        row.is_some_and(|(state, message)| {
            state == ReplicationState::Failed && message.is_some_and(|text| text.contains("key"))
        })
    })
    .await;
    client
        .replicate_secret_to_regions(keyed("alias/aws/secretsmanager"))
        .await
        .unwrap();
    until_in_sync(&first, "s").await;
    until_read(&second, "s", "one").await;
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_fails_later_keeps_what_it_has_until_it_is_removed() {
    let (first, second) = two(RegionScope::Selected).await;
    let mut client = first.secrets(0);
    client.create_secret(create("s", 1, "one")).await.unwrap();
    let shared = client.replicate_secret_to_regions(replicate("s", &[OTHER]));
    shared.await.unwrap();
    until_in_sync(&first, "s").await;
    let keyed = api::ReplicateSecretToRegionsRequest {
        add_replica_regions: vec![api::ReplicaRegion {
            kms_key_id: Some("alias/nobody".to_owned()),
            ..replica(OTHER)
        }],
        ..replicate("s", &[])
    };
    client.replicate_secret_to_regions(keyed).await.unwrap();
    eventually("the copy has failed", async || {
        let row = copy(&first, "s").await;
        row.is_some_and(|(state, _)| state == ReplicationState::Failed)
    })
    .await;
    let mut there = second.secrets(0);
    assert_eq!(read(&mut there, "s").await.unwrap(), "one");
    client.put_secret_value(put("s", 2, "two")).await.unwrap();
    let wrote = client.put_secret_value(put("s", 3, "three")).await.unwrap();
    let position = metadata(&wrote, "strongroom-position").unwrap();
    let asked = |message| with("strongroom-min-position", &position, message);
    // What came since cannot be opened here: the last version that was current here is, and the
    // answer says which that is.
    let current = api::GetSecretValueRequest {
        version_stage: Some("AWSCURRENT".to_owned()),
        ..get("s")
    };
    for message in [get("s"), current] {
        let kept = there.get_secret_value(asked(message)).await.unwrap();
        let kept = kept.into_inner();
        let text = api::get_secret_value_response::Value::SecretString("one".to_owned());
        assert_eq!(kept.value, Some(text));
        assert_eq!(kept.version_id, token(1));
        assert!(kept.version_stages.is_empty());
    }
    let batch = api::BatchGetSecretValueRequest {
        secret_id_list: vec!["s".to_owned()],
        ..Default::default()
    };
    let batch = there.batch_get_secret_value(batch).await.unwrap();
    let read = batch.into_inner().secret_values.into_iter().next().unwrap();
    let text = api::secret_value_entry::Value::SecretString("one".to_owned());
    assert_eq!(read.value, Some(text));
    assert_eq!(read.version_id, token(1));
    // Whoever names the version means no other.
    let third = api::GetSecretValueRequest {
        version_id: Some(token(3)),
        ..get("s")
    };
    assert_refused(
        there.get_secret_value(third).await,
        "ServiceUnavailable",
        "The value is on its way.",
    );
    let shared = client.replicate_secret_to_regions(replicate("s", &[OTHER]));
    shared.await.unwrap();
    until_read(&second, "s", "three").await;
    let removed = client.remove_regions_from_replication(remove_regions("s", &[OTHER]));
    removed.await.unwrap();
    until_gone(&second, "s").await;
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_secrets_of_one_name_each_is_shown_with_the_arn_that_means_it() {
    let (first, second) = two(RegionScope::All).await;
    let (mut client, mut there) = (first.secrets(0), second.secrets(0));
    client.create_secret(create("s", 1, "one")).await.unwrap();
    let shared = client.replicate_secret_to_regions(replicate("s", &[OTHER]));
    shared.await.unwrap();
    until_in_sync(&first, "s").await;
    let stopped = there.stop_replication_to_replica(stop_replication("s"));
    stopped.await.unwrap();
    there.put_secret_value(put("s", 2, "mine")).await.unwrap();
    client.put_secret_value(put("s", 3, "yours")).await.unwrap();
    eventually("each is read by the ARN it is listed with", async || {
        let listed = there.list_secrets(api::ListSecretsRequest::default());
        let listed = listed.await.unwrap().into_inner().secret_list;
        let mut values = Vec::new();
        for entry in listed {
            let described = described(&mut there, &entry.arn).await;
            assert_eq!(described.arn, entry.arn);
            values.extend(read(&mut there, &entry.arn).await);
        }
        values.sort_unstable();
        values == ["mine", "yours"]
    })
    .await;
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_of_three_nodes_is_linked_and_every_node_answers() {
    let first = Region::start(1).await;
    let second = first.link(OTHER, RegionScope::All, 3).await;
    let mut client = first.secrets(0);
    client.create_secret(create("s", 1, "one")).await.unwrap();
    for node in 0..3 {
        let mut there = second.secrets(node);
        eventually("each node has the value", async || {
            read(&mut there, "s")
                .await
                .is_ok_and(|found| found == "one")
        })
        .await;
    }
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linked_region_knows_its_callers_and_lists_its_primary_by_filter() {
    let (first, second) = two(RegionScope::All).await;
    first
        .secrets(0)
        .create_secret(create("far", 1, "x"))
        .await
        .unwrap();
    let mut there = second.secrets(0);
    there.create_secret(create("near", 1, "x")).await.unwrap();
    until_read(&second, "far", "x").await;
    let listed = |value: &str| api::ListSecretsRequest {
        filters: vec![api::Filter {
            key: api::FilterKey::PrimaryRegion.into(),
            values: vec![value.to_owned()],
        }],
        ..Default::default()
    };
    for (value, expected) in [("eu-west-1", vec!["far"]), ("eu-west-2", vec![])] {
        let reply = there
            .list_secrets(listed(value))
            .await
            .unwrap()
            .into_inner();
        let names: Vec<_> = reply.secret_list.iter().map(|entry| &*entry.name).collect();
        assert_eq!(names, expected, "{value}");
    }
    let pair = second.files.client("somebody");
    let channel = second.files.channel(second.nodes[0].addresses().api, &pair);
    let (reason, ..) = refusal(
        SecretsClient::new(channel)
            .get_secret_value(get("far"))
            .await,
    );
    assert_eq!(reason, "AccessDeniedException");
    second.stop().await;
    first.stop().await;
}
