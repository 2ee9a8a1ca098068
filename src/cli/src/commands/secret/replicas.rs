//! The verbs about replicas in other regions.

use client::secrets::v1::{
    RemoveRegionsFromReplicationRequest, ReplicaRegion, ReplicateSecretToRegionsRequest,
    ReplicationStatus, StopReplicationToReplicaRequest,
};
use serde_json::json;

use super::Session;
use super::show::{object, replica, replicas_json};
use crate::arguments::replica::{Overwrite, RemoveRegions, Replica, Replicate};
use crate::arguments::secret::Name;
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::Answer;

/// The regions that shall hold a replica, as the API wants them.
pub fn wanted(replicas: &[Replica]) -> Vec<ReplicaRegion> {
    let region = |replica: &Replica| ReplicaRegion {
        region: replica.region.clone(),
        kms_key_id: replica.key.clone(),
    };
    replicas.iter().map(region).collect()
}

/// Asks whether secrets in the way are to be deleted; without such a wish there is no question.
pub fn confirm_overwrite(name: &str, overwrite: &Overwrite) -> Result<(), Failure> {
    if !overwrite.force_overwrite {
        return Ok(());
    }
    let question = format!(
        "Delete a secret of the name {name} at once where a replica region has one of its own?"
    );
    Ok(confirm(&question, overwrite.yes.yes)?)
}

/// Asks whether replicas are to be deleted.
pub fn confirm_remove(remove: &RemoveRegions) -> Result<(), Failure> {
    let (name, regions) = (&remove.name, remove.regions.join(", "));
    let question = format!("Delete the replicas of {name} in {regions}?");
    Ok(confirm(&question, remove.yes.yes)?)
}

pub async fn replicate(session: &Session, replicate: &Replicate) -> Result<(), Failure> {
    let request = ReplicateSecretToRegionsRequest {
        secret_id: replicate.name.clone(),
        add_replica_regions: wanted(&replicate.regions),
        force_overwrite_replica_secret: replicate.overwrite.force_overwrite,
    };
    let answer = session.client.replicate_secret_to_regions(request).await?;
    session.replicated(&answer.arn, &answer.replication_status)
}

pub async fn remove(session: &Session, remove: &RemoveRegions) -> Result<(), Failure> {
    let request = RemoveRegionsFromReplicationRequest {
        secret_id: remove.name.clone(),
        remove_replica_regions: remove.regions.clone(),
    };
    let client = &session.client;
    let answer = client.remove_regions_from_replication(request).await?;
    session.replicated(&answer.arn, &answer.replication_status)
}

pub async fn stop(session: &Session, secret: &Name) -> Result<(), Failure> {
    let request = StopReplicationToReplicaRequest {
        secret_id: secret.name.clone(),
    };
    let answer = session.client.stop_replication_to_replica(request).await?;
    session.replicated(&answer.arn, &[])
}

impl Session {
    /// Prints a secret and its replicas.
    fn replicated(&self, arn: &str, replicas: &[ReplicationStatus]) -> Result<(), Failure> {
        let json = object(vec![
            ("ARN", json!(arn)),
            ("ReplicationStatus", replicas_json(replicas)),
        ]);
        let mut fields = vec![("ARN", arn.to_owned())];
        fields.extend(replicas.iter().map(|status| ("Replica", replica(status))));
        Answer::fields(fields, json).print(self.format)
    }
}
