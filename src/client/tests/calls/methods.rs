//! Every call has its method.

use std::collections::BTreeSet;

use client::Client;
use prost_reflect::DescriptorPool;

use crate::region::Region;

#[tokio::test]
async fn every_call_of_the_api_has_a_method_that_makes_it() {
    let region = Region::start(1, []).await;
    values(&region.client()).await;
    life(&region.client()).await;
    later(&region.client()).await;
    let _ = region.client().watch(Default::default()).await;
    let made: BTreeSet<String> = region
        .asked()
        .into_iter()
        .map(|asked| asked.method)
        .collect();
    let pool = DescriptorPool::decode(wire::DESCRIPTOR_SET).expect("descriptors");
    let service = pool.get_service_by_name("strongroom.secrets.v1.SecretsService");
    let service = service.expect("the service");
    let calls: BTreeSet<String> = service
        .methods()
        .map(|method| method.name().to_owned())
        .collect();
    assert_eq!(made, calls);
}

async fn values(client: &Client) {
    let _ = client.create_secret(Default::default()).await;
    let _ = client.get_secret_value(Default::default()).await;
    let _ = client.put_secret_value(Default::default()).await;
    let _ = client.update_secret(Default::default()).await;
    let _ = client.batch_get_secret_value(Default::default()).await;
    let _ = client.get_random_password(Default::default()).await;
}

async fn life(client: &Client) {
    let _ = client.describe_secret(Default::default()).await;
    let _ = client.list_secrets(Default::default()).await;
    let _ = client.list_secret_version_ids(Default::default()).await;
    let _ = client.update_secret_version_stage(Default::default()).await;
    let _ = client.delete_secret(Default::default()).await;
    let _ = client.restore_secret(Default::default()).await;
    let _ = client.tag_resource(Default::default()).await;
    let _ = client.untag_resource(Default::default()).await;
}

async fn later(client: &Client) {
    let _ = client.rotate_secret(Default::default()).await;
    let _ = client.cancel_rotate_secret(Default::default()).await;
    let _ = client.replicate_secret_to_regions(Default::default()).await;
    let _ = client
        .remove_regions_from_replication(Default::default())
        .await;
    let _ = client.stop_replication_to_replica(Default::default()).await;
    let _ = client.put_resource_policy(Default::default()).await;
    let _ = client.get_resource_policy(Default::default()).await;
    let _ = client.delete_resource_policy(Default::default()).await;
    let _ = client.validate_resource_policy(Default::default()).await;
}
