//! StopReplicationToReplica: a copy becomes a secret of its own in this region (R24).

use consensus::View;
use machine::{Command, DetachSecret, FeedId, Secret, SecretId, Seen, State};
use wire::secrets::v1::{StopReplicationToReplicaRequest, StopReplicationToReplicaResponse};

use super::ask::{Answer, Ask, Reading};
use super::basis::Views;
use super::create::random;
use super::{About, Basis, Secrets, parse, regions, value};
use crate::door::Call;
use crate::errors::Refusal;
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
        let view = self.view(call, reading, About::Change).await?;
        let secret = view.find_live(id)?;
        if was_detached(&view, secret) {
            // The first answer may have been lost.
            let arn = view.arn(secret);
            return view.answer(StopReplicationToReplicaResponse { arn });
        }
        let command = self.detaching(&view, secret).await?;
        let region = view.into_region();
        let command = Command::DetachSecret(command);
        let changed = self.change(call, region, command).await?;
        let message = StopReplicationToReplicaResponse { arn: changed.arn() };
        Ok(changed.answer(message))
    }

    /// Every version of a copy, sealed under the identity the secret will have.
    async fn detaching(&self, view: &Basis, secret: &Secret) -> Result<DetachSecret, Refusal> {
        let own = view.region().ok_or_else(Refusal::not_founded)?;
        let is_led_here = view
            .feed_of_secret(&secret.uid)
            .is_none_or(|feed| view.is_primary(feed));
        if is_led_here || secret.replica(own).is_none() {
            return Err(machine::Rejection::NotAReplica.into());
        }
        let new_uid = FeedId::Home(own.clone()).uid_of(random()?);
        let kms_key = regions::sealing_key(view, secret)?;
        let mut versions = Vec::with_capacity(secret.versions.len());
        for version in &secret.versions {
            let from = Address {
                uid: &secret.uid,
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
            versions.push(sealed);
        }
        Ok(DetachSecret {
            uid: secret.uid,
            new_uid,
            versions,
            kms_key,
            seen: Seen::default(),
        })
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

/// Whether a secret was a copy once.
fn was_detached(state: &State, secret: &Secret) -> bool {
    let mut copies = state.all_detached();
    copies.any(|copy| {
        let detached = state.detached(copy);
        detached.is_some_and(|detached| detached.new_uid == secret.uid)
    })
}
