//! Keeps those whom connections are believed from in step with the state (R17): the issuers of this
//! region, and those of the region directory. A region that was unlinked is believed no more at
//! once.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use consensus::Consensus;
use machine::State;
use wire::{CertificateDer, Credentials};

use crate::certificates::believe;

/// Follows the directory of this region.
pub struct Directory {
    /// The state that has it.
    pub consensus: Consensus,
    /// Whose authorities it sets.
    pub credentials: Arc<Credentials>,
}

/// Of each linked region its issuers.
type Told = BTreeMap<String, Vec<Bytes>>;

impl Directory {
    /// Takes the directory over now, and then after each change of it.
    pub async fn follow(self) {
        let mut applied = self.consensus.applied();
        let mut known = Told::new();
        let mut issuers = None;
        loop {
            applied.borrow_and_update();
            let view = self.consensus.local_view();
            let is_same = match (view.issuers(), &issuers) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                (one, other) => one.is_none() && other.is_none(),
            };
            if !is_same {
                believe(&view, &self.credentials);
                issuers = view.issuers().map(Arc::clone);
            }
            let told = told(&view);
            drop(view);
            if told != known {
                self.believe(&told);
                known = told;
            }
            if applied.changed().await.is_err() {
                return;
            }
        }
    }

    fn believe(&self, told: &Told) {
        let certificate = |der: &Bytes| CertificateDer::from(der.to_vec());
        let linked = told.iter().map(|(region, issuers)| {
            let issuers = issuers.iter().map(certificate);
            (region.clone(), issuers.collect())
        });
        for error in self.credentials.authorities().set(linked.collect()) {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "an issuer of a linked region is not believed");
        }
    }
}

fn told(state: &State) -> Told {
    let own = state.region();
    let others = state.regions().filter(|region| Some(&region.name) != own);
    others
        .map(|region| (region.name.to_string(), region.authorities.clone()))
        .collect()
}
