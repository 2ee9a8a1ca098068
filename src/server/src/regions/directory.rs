//! Keeps those whom connections are believed from in step with the region directory (R17): a region
//! that was unlinked is believed no more at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use consensus::Consensus;
use machine::Region;
use wire::{Authorities, CertificateDer, Credentials};

/// Follows the directory of this region.
pub struct Directory {
    /// The state that has it.
    pub consensus: Consensus,
    /// Whose authorities it sets.
    pub credentials: Arc<Credentials>,
}

type Issuers = BTreeMap<String, Vec<CertificateDer<'static>>>;

impl Directory {
    /// Takes the directory over after each change of it.
    pub async fn follow(self) {
        let mut applied = self.consensus.applied();
        let mut known: Vec<Region> = Vec::new();
        loop {
            applied.borrow_and_update();
            let view = self.consensus.local_view();
            if !view.regions().eq(&known) {
                known = view.regions().cloned().collect();
                let others = known.iter();
                let others = others.filter(|other| Some(&other.name) != view.region());
                self.take(&others.collect::<Vec<_>>());
            }
            drop(view);
            if applied.changed().await.is_err() {
                return;
            }
        }
    }

    /// A region whose certificates cannot be used, or are another's, is left out, and the others
    /// stay: one region must not cut the others off.
    fn take(&self, others: &[&Region]) {
        let authorities = self.credentials.authorities();
        let all = others.iter().map(|region| issuers(region)).collect();
        if authorities.set(all).is_err()
            && let Err(error) = authorities.set(usable(others))
        {
            tracing::error!(%error, "the region directory cannot be used, the old one stays");
        }
    }
}

fn issuers(region: &Region) -> (String, Vec<CertificateDer<'static>>) {
    let authorities = region.authorities.iter();
    let authorities = authorities.map(|der| CertificateDer::from(der.to_vec()));
    (region.name.to_string(), authorities.collect())
}

/// Those that can be used beside those linked before them.
fn usable(regions: &[&Region]) -> Issuers {
    let mut usable = Issuers::new();
    for region in regions {
        let (name, issuers) = issuers(region);
        let mut more = usable.clone();
        more.insert(name, issuers);
        match Authorities::default().set(more.clone()) {
            Ok(()) => usable = more,
            Err(error) => tracing::error!(
                %error,
                region = %region.name,
                "the authorities of a region cannot be used, it is not believed"
            ),
        }
    }
    usable
}

#[cfg(test)]
mod tests {
    use machine::{Region, RegionName, Scope};
    use wire::certs::{self, Layout};

    use super::usable;

    fn region(name: &str, authorities: Vec<Vec<u8>>) -> Region {
        Region {
            name: RegionName::new(name).unwrap(),
            scope: Scope::All,
            authorities: authorities.into_iter().map(Into::into).collect(),
            nodes: Vec::new(),
            unlinked: None,
        }
    }

    fn issuer(name: &str) -> Vec<u8> {
        let place = tempfile::tempdir().unwrap();
        let layout = Layout::new(place.path());
        certs::init(&layout, None, name).unwrap();
        let pem = std::fs::read_to_string(layout.issuer(name).cert).unwrap();
        let lines = pem.lines().filter(|line| !line.starts_with('-'));
        let text: String = lines.collect();
        use base64::Engine;
        base64::engine::general_purpose::STANDARD
            .decode(text)
            .unwrap()
    }

    #[test]
    fn a_region_with_bad_authorities_cuts_no_other_off() {
        let (one, other) = (issuer("eu-west-1"), issuer("eu-west-2"));
        let good = region("eu-west-1", vec![one.clone()]);
        let thief = region("eu-west-3", vec![one]);
        let broken = region("eu-west-4", vec![vec![1, 2, 3]]);
        let last = region("eu-west-2", vec![other]);
        let usable = usable(&[&good, &thief, &broken, &last]);
        let names: Vec<&String> = usable.keys().collect();
        assert_eq!(names, ["eu-west-1", "eu-west-2"]);
    }
}
