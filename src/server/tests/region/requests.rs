//! Short ways to say a request.

use tonic::{Request, Status};
use wire::secrets::v1 as api;

use super::harness::SecretsClient;

/// The n-th idempotency token.
pub fn token(number: u32) -> String {
    format!("00000000-0000-0000-0000-{number:012}")
}

pub fn create(name: &str, number: u32, value: &str) -> api::CreateSecretRequest {
    api::CreateSecretRequest {
        name: name.to_owned(),
        client_request_token: token(number),
        value: Some(api::create_secret_request::Value::SecretString(
            value.to_owned(),
        )),
        ..Default::default()
    }
}

pub fn get(id: &str) -> api::GetSecretValueRequest {
    api::GetSecretValueRequest {
        secret_id: id.to_owned(),
        ..Default::default()
    }
}

pub fn put(id: &str, number: u32, value: &str) -> api::PutSecretValueRequest {
    api::PutSecretValueRequest {
        secret_id: id.to_owned(),
        client_request_token: token(number),
        value: Some(api::put_secret_value_request::Value::SecretString(
            value.to_owned(),
        )),
        ..Default::default()
    }
}

pub fn describe(id: &str) -> api::DescribeSecretRequest {
    api::DescribeSecretRequest {
        secret_id: id.to_owned(),
    }
}

pub fn delete(id: &str) -> api::DeleteSecretRequest {
    api::DeleteSecretRequest {
        secret_id: id.to_owned(),
        ..Default::default()
    }
}

pub fn force_delete(id: &str) -> api::DeleteSecretRequest {
    api::DeleteSecretRequest {
        force_delete_without_recovery: true,
        ..delete(id)
    }
}

pub fn restore(id: &str) -> api::RestoreSecretRequest {
    api::RestoreSecretRequest {
        secret_id: id.to_owned(),
    }
}

pub fn update(id: &str) -> api::UpdateSecretRequest {
    api::UpdateSecretRequest {
        secret_id: id.to_owned(),
        ..Default::default()
    }
}

pub fn stage(
    id: &str,
    label: &str,
    from: Option<u32>,
    to: Option<u32>,
) -> api::UpdateSecretVersionStageRequest {
    api::UpdateSecretVersionStageRequest {
        secret_id: id.to_owned(),
        version_stage: label.to_owned(),
        remove_from_version_id: from.map(token),
        move_to_version_id: to.map(token),
    }
}

pub fn tag(id: &str, tags: &[(&str, &str)]) -> api::TagResourceRequest {
    let tags = tags.iter();
    let tags = tags.map(|(key, value)| api::Tag {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    });
    api::TagResourceRequest {
        secret_id: id.to_owned(),
        tags: tags.collect(),
    }
}

pub fn untag(id: &str, keys: &[&str]) -> api::UntagResourceRequest {
    let tag_keys = keys.iter().map(|key| (*key).to_owned()).collect();
    api::UntagResourceRequest {
        secret_id: id.to_owned(),
        tag_keys,
    }
}

pub fn versions(id: &str) -> api::ListSecretVersionIdsRequest {
    api::ListSecretVersionIdsRequest {
        secret_id: id.to_owned(),
        ..Default::default()
    }
}

/// Reads the current value of a secret as text.
pub async fn read(client: &mut SecretsClient, id: &str) -> Result<String, Status> {
    let reply = client.get_secret_value(get(id)).await?.into_inner();
    match reply.value.clone() {
        Some(api::get_secret_value_response::Value::SecretString(text)) => Ok(text),
        other => panic!("no text: {other:?}"),
    }
}

/// The labels of each labelled version, by token number, as `1:AWSCURRENT 2:AWSPREVIOUS`.
pub async fn labels(client: &mut SecretsClient, id: &str) -> String {
    let reply = client
        .describe_secret(describe(id))
        .await
        .unwrap()
        .into_inner();
    let versions = reply.version_ids_to_stages.into_iter();
    let shown = versions.map(|(version, labels)| {
        let number = version
            .rsplit('-')
            .next()
            .unwrap()
            .trim_start_matches('0')
            .to_owned();
        let mut stages = labels.stages;
        stages.sort();
        format!("{number}:{}", stages.join("+"))
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// A request that the local state may answer.
pub fn eventual<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("strongroom-consistency", "eventual".parse().unwrap());
    request
}

pub fn replica(region: &str) -> api::ReplicaRegion {
    api::ReplicaRegion {
        region: region.to_owned(),
        kms_key_id: None,
    }
}

pub fn replicate(id: &str, regions: &[&str]) -> api::ReplicateSecretToRegionsRequest {
    api::ReplicateSecretToRegionsRequest {
        secret_id: id.to_owned(),
        add_replica_regions: regions.iter().map(|region| replica(region)).collect(),
        ..Default::default()
    }
}

pub fn remove_regions(id: &str, regions: &[&str]) -> api::RemoveRegionsFromReplicationRequest {
    api::RemoveRegionsFromReplicationRequest {
        secret_id: id.to_owned(),
        remove_replica_regions: regions.iter().map(|region| (*region).to_owned()).collect(),
    }
}

pub fn stop_replication(id: &str) -> api::StopReplicationToReplicaRequest {
    api::StopReplicationToReplicaRequest {
        secret_id: id.to_owned(),
    }
}

/// A request with one more entry of metadata.
pub fn with<T>(name: &'static str, value: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(name, value.parse().unwrap());
    request
}

/// One entry of the metadata of a reply.
pub fn metadata<T>(reply: &tonic::Response<T>, name: &str) -> Option<String> {
    let value = reply.metadata().get(name)?;
    Some(value.to_str().unwrap().to_owned())
}
