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
    assert_eq!(made(&region), calls("strongroom.secrets.v1.SecretsService"));
}

#[tokio::test]
async fn every_call_for_operators_has_a_method_that_makes_it() {
    let region = Region::start(1, []).await;
    nodes(&region.client()).await;
    regions(&region.client()).await;
    certificates(&region.client()).await;
    let mut calls = calls("strongroom.admin.v1.AdminService");
    // Nodes make that one to each other.
    calls.remove("RenewCertificate");
    assert_eq!(made(&region), calls);
}

#[tokio::test]
async fn every_call_about_identities_has_a_method_that_makes_it() {
    let region = Region::start(1, []).await;
    identities(&region.client()).await;
    policies(&region.client()).await;
    proofs(&region.client()).await;
    assert_eq!(made(&region), calls("strongroom.access.v1.AccessService"));
}

fn made(region: &Region) -> BTreeSet<String> {
    let asked = region.asked();
    asked.into_iter().map(|asked| asked.method).collect()
}

fn calls(service: &str) -> BTreeSet<String> {
    let pool = DescriptorPool::decode(wire::DESCRIPTOR_SET).expect("descriptors");
    let service = pool.get_service_by_name(service).expect("the service");
    let methods = service.methods();
    methods.map(|method| method.name().to_owned()).collect()
}

async fn certificates(client: &Client) {
    let _ = client.install_issuer(Default::default()).await;
    let _ = client.retire_issuers(Default::default()).await;
    let _ = client.certificates(Default::default()).await;
}

async fn nodes(client: &Client) {
    let _ = client.get_status(Default::default()).await;
    let _ = client.list_nodes(Default::default()).await;
    let _ = client.create_join_token(Default::default()).await;
    let _ = client.join(Default::default()).await;
    let _ = client.promote_node(Default::default()).await;
    let _ = client.remove_node(Default::default()).await;
    let _ = client.transfer_leader(Default::default()).await;
    let _ = client.take_snapshot(Default::default()).await;
    let _ = client.finalize_upgrade(Default::default()).await;
}

async fn regions(client: &Client) {
    let _ = client.create_link_token(Default::default()).await;
    let _ = client.link(Default::default()).await;
    let _ = client.list_regions(Default::default()).await;
    let _ = client.watch_regions(Default::default()).await;
    let _ = client.search_audit(Default::default()).await;
    let _ = client.tail_audit(Default::default()).await;
    let _ = client.promote_region(Default::default()).await;
    let _ = client.unlink_region(Default::default()).await;
    let _ = client.set_region_scope(Default::default()).await;
}

async fn identities(client: &Client) {
    let _ = client.get_caller_identity(Default::default()).await;
    let _ = client.create_account(Default::default()).await;
    let _ = client.list_accounts(Default::default()).await;
    let _ = client.create_principal(Default::default()).await;
    let _ = client.get_principal(Default::default()).await;
    let _ = client.list_principals(Default::default()).await;
    let _ = client.update_principal(Default::default()).await;
    let _ = client.delete_principal(Default::default()).await;
}

async fn policies(client: &Client) {
    let _ = client.create_policy(Default::default()).await;
    let _ = client.get_policy(Default::default()).await;
    let _ = client.list_policies(Default::default()).await;
    let _ = client.update_policy(Default::default()).await;
    let _ = client.delete_policy(Default::default()).await;
    let _ = client.simulate_policy(Default::default()).await;
    let _ = client.who_can(Default::default()).await;
}

async fn proofs(client: &Client) {
    let _ = client
        .assume_role_with_web_identity(Default::default())
        .await;
    let _ = client.assume_role(Default::default()).await;
    let _ = client.get_session_token(Default::default()).await;
    let _ = client.create_credential(Default::default()).await;
    let _ = client.list_credentials(Default::default()).await;
    let _ = client.update_credential(Default::default()).await;
    let _ = client.delete_credential(Default::default()).await;
    let _ = client.create_provider(Default::default()).await;
    let _ = client.get_provider(Default::default()).await;
    let _ = client.list_providers(Default::default()).await;
    let _ = client.update_provider(Default::default()).await;
    let _ = client.delete_provider(Default::default()).await;
    let _ = client.revoke(Default::default()).await;
    let _ = client.list_revocations(Default::default()).await;
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
