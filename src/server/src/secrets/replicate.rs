//! ReplicateSecretToRegions and RemoveRegionsFromReplication: copies of a secret in other regions.

use std::collections::BTreeSet;

use machine::{Command, RegionName, Replica, ShareSecret, UnshareSecret};
use wire::secrets::v1::{
    RemoveRegionsFromReplicationRequest, RemoveRegionsFromReplicationResponse, ReplicaRegion,
    ReplicateSecretToRegionsRequest, ReplicateSecretToRegionsResponse, ReplicationStatus,
};

use super::ask::{Answer, Ask};
use super::changed::Changed;
use super::permit::{Granted, Write};
use super::{About, Secrets, parse, regions};
use crate::authz::Asked;
use crate::door::Call;
use crate::errors::Refusal;
use crate::limits::{KEY_NAME_CHARS_MAX, REPLICA_REGIONS_MAX};

impl Secrets {
    pub(super) async fn replicate(
        &self,
        ask: Ask<ReplicateSecretToRegionsRequest>,
    ) -> Result<Answer<ReplicateSecretToRegionsResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let id = parse::secret_id(&message.secret_id)?;
        one_at_least("addReplicaRegions", &message.add_replica_regions)?;
        let force = message.force_overwrite_replica_secret;
        let replicas = replicas(&message.add_replica_regions, force)?;
        let view = self.view(&call, &reading, About::Change).await?;
        let asked = Asked::of("secretsmanager:ReplicateSecretToRegions");
        let asked = with_replicas(asked, &replicas, force);
        let Granted { secret, grant } = view.find_live_led(asked, &id)?;
        let uid = secret.uid;
        let region = view.into_region();
        let command = Command::ShareSecret(ShareSecret {
            uid,
            replicas,
            seen: grant.seen(),
        });
        let write = Write {
            region,
            grant,
            command,
        };
        let changed = self.change(&call, &reading, write).await?;
        let message = ReplicateSecretToRegionsResponse {
            arn: changed.arn.clone(),
            replication_status: self.replication(&call, &changed).await?,
        };
        Ok(changed.answer(message))
    }

    pub(super) async fn remove_regions(
        &self,
        ask: Ask<RemoveRegionsFromReplicationRequest>,
    ) -> Result<Answer<RemoveRegionsFromReplicationResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let id = parse::secret_id(&message.secret_id)?;
        let place = "removeReplicaRegions";
        one_at_least(place, &message.remove_replica_regions)?;
        let named = message.remove_replica_regions.iter();
        // Naming a region twice, or one without a copy, does no harm.
        let named: BTreeSet<RegionName> = named
            .zip(1..)
            .map(|(text, at)| region(&format!("{place}.{at}.member"), text))
            .collect::<Result<_, _>>()?;
        let view = self.view(&call, &reading, About::Change).await?;
        let asked = Asked::of("secretsmanager:RemoveRegionsFromReplication");
        let Granted { secret, grant } = view.find_live_led(asked, &id)?;
        let uid = secret.uid;
        let region = view.into_region();
        let command = Command::UnshareSecret(UnshareSecret {
            uid,
            regions: named.into_iter().collect(),
            seen: grant.seen(),
        });
        let write = Write {
            region,
            grant,
            command,
        };
        let changed = self.change(&call, &reading, write).await?;
        let message = RemoveRegionsFromReplicationResponse {
            arn: changed.arn.clone(),
            replication_status: self.replication(&call, &changed).await?,
        };
        Ok(changed.answer(message))
    }

    /// What regions have said of their copies of a secret that was just changed.
    pub(super) async fn replication(
        &self,
        call: &Call,
        changed: &Changed,
    ) -> Result<Vec<ReplicationStatus>, Refusal> {
        if changed.secret.replicas.is_empty() {
            return Ok(Vec::new());
        }
        // The change is made: a node that lags says what it knows.
        let view = self.consensus.view_at(changed.index, call.deadline).await;
        let view = view.unwrap_or_else(|_| self.consensus.local_view());
        Ok(regions::replication(&view, &changed.secret))
    }
}

/// What a request says of the regions it adds.
pub(super) fn with_replicas(asked: Asked, replicas: &[Replica], force: bool) -> Asked {
    let regions = replicas.iter().map(|replica| replica.region.to_string());
    asked
        .with_all("secretsmanager:AddReplicaRegions", regions)
        .with(
            "secretsmanager:ForceOverwriteReplicaSecret",
            force.to_string(),
        )
}

/// The regions a secret is to be shared with. Which of them can be is the machine's to say.
pub(super) fn replicas(asked: &[ReplicaRegion], force: bool) -> Result<Vec<Replica>, Refusal> {
    bounded("addReplicaRegions", asked.len())?;
    let replicas = asked.iter().zip(1..).map(|(asked, at)| {
        let place = format!("addReplicaRegions.{at}.member");
        let key = asked.kms_key_id.as_deref().filter(|key| !key.is_empty());
        if let Some(key) = key {
            parse::at_most(&format!("{place}.kmsKeyId"), key, KEY_NAME_CHARS_MAX)?;
        }
        Ok(Replica {
            region: region(&format!("{place}.region"), &asked.region)?,
            kms_key: key.map(str::to_owned),
            force,
        })
    });
    replicas.collect()
}

fn one_at_least<T>(place: &str, list: &[T]) -> Result<(), Refusal> {
    match list.is_empty() {
        true => Err(Refusal::constraint(
            place,
            "have length greater than or equal to 1",
        )),
        false => bounded(place, list.len()),
    }
}

fn bounded(place: &str, length: usize) -> Result<(), Refusal> {
    match length > REPLICA_REGIONS_MAX {
        true => {
            let constraint = format!("have length less than or equal to {REPLICA_REGIONS_MAX}");
            Err(Refusal::constraint(place, &constraint))
        }
        false => Ok(()),
    }
}

fn region(place: &str, text: &str) -> Result<RegionName, Refusal> {
    RegionName::new(text).map_err(|_| {
        let constraint = r"satisfy regular expression pattern: ^([a-z]+-)+\d+$";
        Refusal::constraint(place, constraint)
    })
}
