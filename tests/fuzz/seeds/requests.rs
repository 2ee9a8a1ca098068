//! A request for every rpc that takes something of a caller.

use prost::Message;
use strongroom_fuzz::checks::requests::RPCS;
use strongroom_fuzz::{founded, join};
use wire::admin::v1 as admin;
use wire::secrets::v1 as api;

use crate::{Corpus, Failure};

/// In the order of `RPCS`.
pub fn requests(corpus: &Corpus) -> Result<(), Failure> {
    let position = founded().token().encode();
    let all = values()
        .into_iter()
        .chain(lists())
        .chain(changes())
        .chain(others())
        .chain(nodes())
        .chain(replicas())
        .chain(regions());
    for (rpc, message) in (0_u8..).zip(all) {
        let (path, _) = RPCS[usize::from(rpc)];
        let name = path.rsplit('/').next().unwrap_or(path);
        let plain: [&[u8]; 5] = [&[rpc], b"", b"", b"", &message];
        corpus.add("requests", name, &join(plain))?;
        if name == "ListSecrets" {
            let told: [&[u8]; 5] = [&[rpc], b"eventual", position.as_bytes(), b"1S", &message];
            corpus.add("requests", "with-metadata", &join(told))?;
            let told: [&[u8]; 7] = [&[rpc], b"", b"", b"", &message, b"0", b"eu-west-1"];
            corpus.add("requests", "with-staleness", &join(told))?;
        }
    }
    Ok(())
}

fn values() -> [Vec<u8>; 5] {
    [
        api::CreateSecretRequest {
            name: "new/secret".to_owned(),
            client_request_token: token(),
            description: "a description".to_owned(),
            tags: vec![tag()],
            value: Some(api::create_secret_request::Value::SecretString(
                "v".to_owned(),
            )),
            ..Default::default()
        }
        .encode_to_vec(),
        api::GetSecretValueRequest {
            secret_id: id(),
            version_id: Some("9".repeat(32)),
            version_stage: Some("AWSCURRENT".to_owned()),
        }
        .encode_to_vec(),
        api::PutSecretValueRequest {
            secret_id: id(),
            client_request_token: token(),
            version_stages: vec!["AWSPENDING".to_owned()],
            value: Some(api::put_secret_value_request::Value::SecretBinary(vec![
                1, 2,
            ])),
            ..Default::default()
        }
        .encode_to_vec(),
        api::UpdateSecretRequest {
            secret_id: id(),
            client_request_token: token(),
            description: Some("another".to_owned()),
            value: Some(api::update_secret_request::Value::SecretString(
                "w".to_owned(),
            )),
            ..Default::default()
        }
        .encode_to_vec(),
        api::DescribeSecretRequest { secret_id: id() }.encode_to_vec(),
    ]
}

fn lists() -> [Vec<u8>; 3] {
    [
        api::ListSecretsRequest {
            max_results: Some(1),
            filters: vec![filter()],
            sort_by: api::SortBy::Name.into(),
            sort_order: api::SortOrder::Desc.into(),
            include_planned_deletion: true,
            ..Default::default()
        }
        .encode_to_vec(),
        api::BatchGetSecretValueRequest {
            filters: vec![filter()],
            max_results: Some(1),
            ..Default::default()
        }
        .encode_to_vec(),
        api::ListSecretVersionIdsRequest {
            secret_id: id(),
            max_results: Some(1),
            include_deprecated: true,
            ..Default::default()
        }
        .encode_to_vec(),
    ]
}

fn changes() -> [Vec<u8>; 5] {
    [
        api::UpdateSecretVersionStageRequest {
            secret_id: id(),
            version_stage: "AWSCURRENT".to_owned(),
            remove_from_version_id: Some("9".repeat(32)),
            move_to_version_id: Some(format!("{:032}", 0)),
        }
        .encode_to_vec(),
        api::DeleteSecretRequest {
            secret_id: "another".to_owned(),
            recovery_window_in_days: Some(7),
            ..Default::default()
        }
        .encode_to_vec(),
        api::RestoreSecretRequest {
            secret_id: "another".to_owned(),
        }
        .encode_to_vec(),
        api::TagResourceRequest {
            secret_id: id(),
            tags: vec![tag()],
        }
        .encode_to_vec(),
        api::UntagResourceRequest {
            secret_id: id(),
            tag_keys: vec!["team".to_owned()],
        }
        .encode_to_vec(),
    ]
}

fn others() -> [Vec<u8>; 2] {
    [
        api::GetRandomPasswordRequest {
            password_length: Some(20),
            exclude_characters: "abc".to_owned(),
            include_space: true,
            ..Default::default()
        }
        .encode_to_vec(),
        api::WatchRequest {
            secret_ids: vec![id()],
            ..Default::default()
        }
        .encode_to_vec(),
    ]
}

fn nodes() -> [Vec<u8>; 5] {
    [
        admin::CreateJoinTokenRequest {
            lifetime: Some(prost_types::Duration {
                seconds: 60,
                nanos: 1,
            }),
        }
        .encode_to_vec(),
        admin::JoinRequest {
            token: "a token".to_owned(),
            peer_address: "127.0.0.1:1".to_owned(),
            api_address: "127.0.0.1:2".to_owned(),
            machine_version_supported: 1,
            rehearsal: true,
        }
        .encode_to_vec(),
        admin::PromoteNodeRequest { node: 2 }.encode_to_vec(),
        admin::TransferLeaderRequest { to: Some(2) }.encode_to_vec(),
        admin::RemoveNodeRequest { node: 2 }.encode_to_vec(),
    ]
}

fn replicas() -> [Vec<u8>; 3] {
    let region = || "eu-west-2".to_owned();
    [
        api::ReplicateSecretToRegionsRequest {
            secret_id: id(),
            add_replica_regions: vec![api::ReplicaRegion {
                region: region(),
                ..Default::default()
            }],
            ..Default::default()
        }
        .encode_to_vec(),
        api::RemoveRegionsFromReplicationRequest {
            secret_id: id(),
            remove_replica_regions: vec![region()],
        }
        .encode_to_vec(),
        api::StopReplicationToReplicaRequest { secret_id: id() }.encode_to_vec(),
    ]
}

fn regions() -> [Vec<u8>; 5] {
    let region = || "eu-west-2".to_owned();
    [
        admin::CreateLinkTokenRequest {
            region: region(),
            scope: admin::RegionScope::All.into(),
            lifetime: None,
        }
        .encode_to_vec(),
        admin::LinkRequest {
            token: "a token".to_owned(),
            region: region(),
            authorities: vec![b"issuer".to_vec()],
            certificate: b"certificate".to_vec(),
            peer_address: "127.0.0.1:1".to_owned(),
            api_address: "127.0.0.1:2".to_owned(),
            machine_version_supported: 3,
        }
        .encode_to_vec(),
        admin::PromoteRegionRequest {
            lost: region(),
            force: true,
        }
        .encode_to_vec(),
        admin::UnlinkRegionRequest { region: region() }.encode_to_vec(),
        admin::SetRegionScopeRequest {
            region: region(),
            scope: admin::RegionScope::Selected.into(),
        }
        .encode_to_vec(),
    ]
}

fn id() -> String {
    "alive".to_owned()
}

fn token() -> String {
    "7".repeat(32)
}

fn tag() -> api::Tag {
    api::Tag {
        key: "team".to_owned(),
        value: "core".to_owned(),
    }
}

fn filter() -> api::Filter {
    api::Filter {
        key: api::FilterKey::TagKey.into(),
        values: vec!["te".to_owned(), "!x y".to_owned()],
    }
}
