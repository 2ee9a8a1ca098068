//! Certificates: how long they last, and whether they are renewed.

use std::time::Duration;

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Their gauges and counters.
#[derive(Clone, Debug)]
pub struct Certificates {
    left: IntGaugeVec,
    renews: IntGauge,
    renewals: IntCounterVec,
}

impl Certificates {
    /// Registers them.
    ///
    /// # Errors
    /// When one is there already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let left = IntGaugeVec::new(
            Opts::new(
                "strongroom_server_certificate_left_seconds",
                "time that is left of a certificate, by whose it is",
            ),
            &["of"],
        )?;
        let renews = IntGauge::new(
            "strongroom_server_certificate_renews",
            "1 if this node's certificate is of the region's issuer and renewed by itself, else 0",
        )?;
        let renewals = IntCounterVec::new(
            Opts::new(
                "strongroom_server_certificate_renewals_total",
                "tries to renew this node's certificate, by how they ended",
            ),
            &["result"],
        )?;
        registry.register(Box::new(left.clone()))?;
        registry.register(Box::new(renews.clone()))?;
        registry.register(Box::new(renewals.clone()))?;
        for result in ["renewed", "failed"] {
            renewals.with_label_values(&[result]);
        }
        left.with_label_values(&["node"]);
        Ok(Self {
            left,
            renews,
            renewals,
        })
    }

    /// Shows how much is left of each; of a region that was unlinked, nothing any more.
    pub fn set_left<'a>(&self, lives: impl Iterator<Item = (&'a str, Duration)>) {
        self.left.reset();
        for (of, left) in lives {
            let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
            self.left.with_label_values(&[of]).set(seconds);
        }
    }

    /// Shows whether the certificate is one that is renewed.
    pub fn set_renews(&self, renews: bool) {
        self.renews.set(i64::from(renews));
    }

    /// Counts a try.
    pub fn renewed(&self, is_renewed: bool) {
        let result = if is_renewed { "renewed" } else { "failed" };
        self.renewals.with_label_values(&[result]).inc();
    }
}
