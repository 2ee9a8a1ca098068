//! Says in the log, once each, that a third and that a tenth of a certificate's life is left.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use consensus::Consensus;
use wire::{Credentials, check_issuer};

use super::certificate;
use crate::clock;
use crate::limits::EXPIRY_LOOK_INTERVAL;
use crate::metrics::Metrics;

/// Looks at the certificates this node lives by.
pub struct Expiry {
    /// Where issuers are.
    pub consensus: Consensus,
    /// The own certificate.
    pub credentials: Arc<Credentials>,
    /// Shows them.
    pub metrics: Metrics,
}

/// A certificate: of whom, from when and until when.
struct Life {
    of: String,
    begins: SystemTime,
    expires: SystemTime,
}

/// How much is said of a certificate: nothing, a third left, a tenth left, over.
type Said = BTreeMap<(String, SystemTime), u8>;

impl Expiry {
    /// Looks for as long as the node runs.
    pub async fn watch(self) {
        let mut said = Said::new();
        loop {
            tokio::time::sleep(EXPIRY_LOOK_INTERVAL).await;
            let lives = self.lives();
            let now = clock::system(clock::now());
            let left = |life: &Life| life.expires.duration_since(now).unwrap_or_default();
            let shown = lives.iter().map(|life| (life.of.as_str(), left(life)));
            self.metrics.certificates.set_left(shown);
            let before = std::mem::take(&mut said);
            for life in lives {
                let level = level(&life, now);
                let place = (life.of.clone(), life.expires);
                if level > before.get(&place).copied().unwrap_or(0) {
                    tell(&life, left(&life));
                }
                said.insert(place, level);
            }
        }
    }

    fn lives(&self) -> Vec<Life> {
        let view = self.consensus.local_view();
        let mut lives = vec![Life {
            of: "node".to_owned(),
            begins: self.credentials.begins(),
            expires: self.credentials.expires(),
        }];
        let active = view
            .issuers()
            .map(|issuers| &issuers.active.certificate.der);
        lives.extend(active.and_then(|der| life("issuer".to_owned(), der)));
        let own = view.region();
        let others = view.regions().filter(|region| Some(&region.name) != own);
        for region in others {
            // The one that lasts: those replaced are on their way out.
            let of = |der| life(format!("issuer of {}", region.name), der);
            let all = region.authorities.iter().filter_map(|der| of(der));
            lives.extend(all.max_by_key(|life| life.expires));
        }
        lives
    }
}

fn life(of: String, der: &[u8]) -> Option<Life> {
    let issuer = check_issuer(&certificate(der)).ok()?;
    Some(Life {
        of,
        begins: issuer.valid_from,
        expires: issuer.valid_until,
    })
}

fn level(life: &Life, now: SystemTime) -> u8 {
    let whole = life.expires.duration_since(life.begins).unwrap_or_default();
    match life.expires.duration_since(now).unwrap_or_default() {
        Duration::ZERO => 3,
        left if left < whole / 10 => 2,
        left if left < whole / 3 => 1,
        _ => 0,
    }
}

fn tell(life: &Life, left: Duration) {
    tracing::warn!(
        of = life.of,
        seconds_left = left.as_secs(),
        "a certificate expires; see whether it is renewed"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_and_a_tenth_of_a_life_are_told_apart_and_its_end() {
        let begins = SystemTime::UNIX_EPOCH;
        let life = Life {
            of: "node".to_owned(),
            begins,
            expires: begins + Duration::from_secs(300),
        };
        let at = |seconds| level(&life, begins + Duration::from_secs(seconds));
        assert_eq!([at(0), at(200), at(201), at(270), at(271)], [0, 0, 1, 1, 2]);
        assert_eq!([at(299), at(300), at(9_999)], [2, 3, 3]);
    }
}
