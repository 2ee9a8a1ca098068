//! Renews this node's certificate at two thirds of its life, and at once when another issuer signs.
//!
//! Before a node shows a certificate of a new issuer, the others have to trust it: those of its own
//! region learn of it with the log, those of linked regions by the region directory. So it waits
//! until it knows both itself, and a little longer.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use machine::{Hash, Issuers, NodeId, State};
use tokio::time::Instant;
use wire::admin::v1::RenewCertificateRequest;
use wire::admin::v1::admin_service_client::AdminServiceClient;
use wire::{Credentials, Dialer, Expected};

use super::{Signing, issuer_of};
use crate::clock;
use crate::limits::{
    ISSUER_SETTLE, RENEWAL_CALL_TIMEOUT, RENEWAL_LOOK_INTERVAL, RENEWAL_PAUSE_MAX,
};
use crate::metrics::Metrics;

/// Renews, for as long as the node runs.
pub struct Renewal {
    /// Signs, when this node leads.
    pub signing: Signing,
    /// The certificate.
    pub credentials: Arc<Credentials>,
    /// Calls the node that leads.
    pub dialer: Dialer,
    /// Counts.
    pub metrics: Metrics,
}

/// What is known of the certificate in force, judged once.
struct Judged {
    issuers: Arc<Issuers>,
    leaf: Vec<u8>,
    /// Who has signed it.
    issuer: Option<Hash>,
    /// When it is renewed.
    due: SystemTime,
}

/// Why a try to renew failed.
#[derive(Debug, thiserror::Error)]
enum RenewFailed {
    #[error("no leader is known")]
    NoLeader,
    #[error("the leader cannot be called")]
    Dial(#[from] wire::DialError),
    #[error("the leader did not sign: {0}")]
    Refused(String),
    #[error("this node, which leads, did not sign")]
    Sign(#[from] super::SignFailed),
    #[error("the renewed certificate is not used")]
    Use(#[from] wire::CredentialsError),
}

impl Renewal {
    /// Looks once a second; what fails is tried again, ever more slowly, until the certificate ends
    /// and after.
    pub async fn run(self) {
        let mut judged: Option<Judged> = None;
        let mut active: Option<(Hash, Instant)> = None;
        let mut pause = RENEWAL_LOOK_INTERVAL;
        loop {
            tokio::time::sleep(pause).await;
            pause = RENEWAL_LOOK_INTERVAL;
            let view = self.signing.consensus.local_view();
            let Some(issuers) = view.issuers().map(Arc::clone) else {
                continue;
            };
            let signs = issuers.active.certificate.public_key;
            let since = match active {
                Some((known, since)) if known == signs => since,
                _ => {
                    let now = Instant::now();
                    active = Some((signs, now));
                    now
                }
            };
            let now = self.judge(judged.take(), &issuers);
            let is_settled = since.elapsed() >= ISSUER_SETTLE && is_told(&view, &issuers);
            drop(view);
            let is_due = self.is_due(&now, &signs, is_settled);
            judged = Some(now);
            if !is_due {
                continue;
            }
            match self.renew(&signs).await {
                Ok(()) => self.metrics.certificates.renewed(true),
                Err(error) => {
                    self.metrics.certificates.renewed(false);
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the certificate was not renewed, it will try again");
                    pause = self.pause_after_failure();
                }
            }
        }
    }

    /// Judges the certificate in force anew if it, or who is trusted, has changed.
    fn judge(&self, before: Option<Judged>, issuers: &Arc<Issuers>) -> Judged {
        let leaf = self.credentials.chain().into_iter().next();
        let leaf = leaf.map(|leaf| leaf.to_vec()).unwrap_or_default();
        let is_same = |known: &Judged| Arc::ptr_eq(&known.issuers, issuers) && known.leaf == leaf;
        if let Some(known) = before.filter(is_same) {
            return known;
        }
        let issuer = issuer_of(issuers, &self.credentials);
        if issuer.is_none() {
            tracing::warn!(
                "this node's certificate is not of the region's issuer: it is not renewed here, so \
                 replace its file before it expires"
            );
        }
        self.metrics.certificates.set_renews(issuer.is_some());
        let (begins, expires) = (self.credentials.begins(), self.credentials.expires());
        Judged {
            issuers: Arc::clone(issuers),
            leaf,
            issuer,
            due: due(begins, expires, jitter()),
        }
    }

    fn is_due(&self, judged: &Judged, signs: &Hash, is_settled: bool) -> bool {
        let now = clock::system(clock::now());
        match &judged.issuer {
            None => false,
            Some(issuer) if issuer != signs => is_settled,
            Some(_) => now >= judged.due,
        }
    }

    async fn renew(&self, issuer: &Hash) -> Result<(), RenewFailed> {
        let status = self.signing.consensus.status();
        let leader = status.leader.ok_or(RenewFailed::NoLeader)?;
        let pem = if leader == status.node {
            let chain = self.credentials.chain();
            let held = chain.first().ok_or(RenewFailed::NoLeader)?;
            self.signing.renew(held, issuer)?
        } else {
            self.ask(leader, issuer).await?
        };
        let credentials = Arc::clone(&self.credentials);
        let used = tokio::task::spawn_blocking(move || credentials.renew(&pem)).await;
        match used.unwrap_or(Ok(false))? {
            true => tracing::info!(
                expires = ?self.credentials.expires(),
                "certificate renewed"
            ),
            false => tracing::info!("certificate replaced by hand meanwhile, that one is used"),
        }
        Ok(())
    }

    async fn ask(&self, leader: NodeId, issuer: &Hash) -> Result<String, RenewFailed> {
        let view = self.signing.consensus.local_view();
        let node = view.node(leader).ok_or(RenewFailed::NoLeader)?;
        let expected = Expected::Peer {
            node: leader.0,
            public_key: node.public_key.0,
        };
        let channel = self.dialer.channel(&node.api_address, expected)?;
        drop(view);
        let mut request = tonic::Request::new(RenewCertificateRequest {
            issuer: issuer.0.to_vec(),
        });
        request.set_timeout(RENEWAL_CALL_TIMEOUT);
        let mut service = AdminServiceClient::new(channel);
        let answer = service.renew_certificate(request).await;
        let answer = answer.map_err(|status| RenewFailed::Refused(status.message().to_owned()))?;
        Ok(answer.into_inner().certificate)
    }

    /// A tenth of the life that is left, within bounds: a certificate that ends soon must not.
    fn pause_after_failure(&self) -> Duration {
        let now = clock::system(clock::now());
        let left = self.credentials.expires().duration_since(now);
        let pause = left.unwrap_or(RENEWAL_PAUSE_MAX) / 10;
        pause.clamp(RENEWAL_LOOK_INTERVAL, RENEWAL_PAUSE_MAX)
    }
}

/// Whether linked regions are told who signs, as far as this one knows.
fn is_told(state: &State, issuers: &Issuers) -> bool {
    let Some(own) = state.region() else {
        return false;
    };
    let is_alone = !state.regions().any(|region| region.name != *own);
    let der = &issuers.active.certificate.der;
    let entry = state.entry(own);
    is_alone || entry.is_some_and(|(_, entry)| entry.authorities.contains(der))
}

/// Two thirds into a life, or a little earlier by chance: a region's nodes must not come at once.
fn due(begins: SystemTime, expires: SystemTime, chance: u8) -> SystemTime {
    let life = expires.duration_since(begins).unwrap_or_default();
    let earlier = life / 16 * u32::from(chance) / u32::from(u8::MAX);
    begins + (life * 2 / 3 - earlier)
}

fn jitter() -> u8 {
    let mut chance = [0];
    // Without it all come at once, which is no harm to few.
    let _ = getrandom::fill(&mut chance);
    chance[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_due_at_two_thirds_of_its_life_or_a_sixteenth_before() {
        let begins = SystemTime::UNIX_EPOCH;
        let life = Duration::from_secs(96);
        let at = |chance| {
            due(begins, begins + life, chance)
                .duration_since(begins)
                .unwrap()
        };
        assert_eq!(at(0), Duration::from_secs(64));
        assert_eq!(at(u8::MAX), Duration::from_secs(58));
        // One that ends before it begins is due at once.
        assert_eq!(due(begins + life, begins, 7), begins + life);
    }
}
