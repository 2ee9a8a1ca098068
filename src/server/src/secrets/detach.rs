//! StopReplicationToReplica: a copy becomes a secret of its own in this region (R24).

use std::collections::BTreeSet;

use consensus::View;
use machine::{
    Command, DetachSecret, FeedId, KeyId, Ordinal, Rejection, Secret, SecretId, Seen, StageDetach,
    State, Uid,
};
use wire::secrets::v1::{StopReplicationToReplicaRequest, StopReplicationToReplicaResponse};

use super::ask::{Answer, Ask, Reading};
use super::basis::Views;
use super::create::random;
use super::permit::{Granted, Write};
use super::{About, Basis, Secrets, parse, regions, value};
use crate::authz::Asked;
use crate::door::Call;
use crate::errors::Refusal;
use crate::limits::{RESEALED_STEP_BYTES, RESEALED_STEPS_MAX};
use crate::vault::Address;

impl Secrets {
    pub(super) async fn stop_replication(
        &self,
        ask: Ask<StopReplicationToReplicaRequest>,
    ) -> Result<Answer<StopReplicationToReplicaResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let id = parse::secret_id(&message.secret_id)?;
        let mut views = Views::default();
        loop {
            let stopped = self.stop_copy(&call, &reading, &id).await;
            if !views.again(&stopped) {
                return stopped;
            }
        }
    }

    async fn stop_copy(
        &self,
        call: &Call,
        reading: &Reading,
        id: &SecretId,
    ) -> Result<Answer<StopReplicationToReplicaResponse>, Refusal> {
        for _ in 0..RESEALED_STEPS_MAX {
            let view = self.view(call, reading, About::Change).await?;
            let asked = Asked::of("secretsmanager:StopReplicationToReplica");
            let Granted { secret, grant } = view.find_live_copy(asked, id)?;
            if was_detached(&view, secret) {
                // The first answer may have been lost.
                let arn = view.arn(secret);
                return view.answer(StopReplicationToReplicaResponse { arn });
            }
            let command = self.step(&view, secret, grant.seen()).await?;
            let region = view.into_region();
            if matches!(command, Command::StageDetach(_)) {
                let committed = self.fence.propose(call, command).await?;
                let kept = committed.answer;
                kept.map_err(|rejection| self.located(rejection.into()))?;
                // What is kept is seen then, whatever the caller wants to wait for.
                self.consensus
                    .view_at(committed.index, call.deadline)
                    .await?;
                continue;
            }
            let write = Write {
                region,
                grant,
                command,
            };
            let changed = self.change(call, reading, write).await?;
            let message = StopReplicationToReplicaResponse {
                arn: changed.arn.clone(),
            };
            return Ok(changed.answer(message));
        }
        Err(Rejection::VersionsMissing.into())
    }

    /// What is to be done next to make a secret of its own of a copy: to keep some of its versions,
    /// sealed under the identity the secret will have, or, with the last of them, to detach it.
    async fn step(&self, view: &Basis, secret: &Secret, seen: Seen) -> Result<Command, Refusal> {
        let own = view.region().ok_or_else(Refusal::not_founded)?;
        let is_led_here = view
            .feed_of_secret(&secret.uid)
            .is_none_or(|feed| view.is_primary(feed));
        if is_led_here || secret.replica(own).is_none() {
            return Err(Rejection::NotAReplica.into());
        }
        if view.is_incomplete(&secret.uid) {
            return Err(Refusal::on_the_way());
        }
        let kms_key = regions::sealing_key(view, secret)?;
        let (new_uid, kept) = match kept(view, &secret.uid, kms_key) {
            Some(kept) => kept,
            None => (FeedId::Home(own.clone()).uid_of(random()?), BTreeSet::new()),
        };
        let uid = secret.uid;
        let (mut versions, mut bytes) = (Vec::new(), 0);
        let missing = secret.versions.iter();
        for version in missing.filter(|version| !kept.contains(&version.ordinal)) {
            if bytes >= RESEALED_STEP_BYTES {
                return Ok(Command::StageDetach(StageDetach {
                    uid,
                    new_uid,
                    versions,
                }));
            }
            let from = Address {
                uid: &uid,
                version: &version.id,
            };
            let to = Address {
                uid: &new_uid,
                version: &version.id,
            };
            let plain = self.opened(view, from).await?;
            let sealed = self
                .vault
                .seal(view, kms_key.as_ref(), to, version.kind, &plain)?;
            bytes += sealed.sealed.ciphertext.len() + sealed.wrap.wrapped_dek.len();
            versions.push(sealed);
        }
        Ok(Command::DetachSecret(DetachSecret {
            uid,
            new_uid,
            versions,
            kms_key,
            seen,
        }))
    }

    async fn opened(
        &self,
        view: &View,
        at: Address<'_>,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, Refusal> {
        let sealed = value(view, at.uid, at.version).await?;
        let sealed = sealed.ok_or_else(Refusal::on_the_way)?;
        self.vault.open(view, at, &sealed)
    }
}

/// The identity for which versions of a copy are kept, sealed anew, and the versions; none if they
/// are sealed under another key than the secret will have.
fn kept(state: &State, uid: &Uid, key: Option<KeyId>) -> Option<(Uid, BTreeSet<Ordinal>)> {
    let key = key.or_else(|| state.default_key().map(|key| key.id))?;
    let mut new_uid = None;
    let mut ordinals = BTreeSet::new();
    for (ordinal, kept) in state.resealed(uid) {
        if kept.version.wrap.key_id != key {
            return None;
        }
        new_uid = Some(kept.new_uid);
        ordinals.insert(ordinal);
    }
    Some((new_uid?, ordinals))
}

/// Whether a secret was a copy once.
fn was_detached(state: &State, secret: &Secret) -> bool {
    let mut copies = state.all_detached();
    copies.any(|copy| {
        let detached = state.detached(copy);
        detached.is_some_and(|detached| detached.new_uid == secret.uid)
    })
}
