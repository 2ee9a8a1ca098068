//! Three regions that do what regions may, in any order, and what must hold whatever they did.

pub mod steps;

use std::collections::BTreeMap;

use strongroom_machine::{
    Applied, Command, Cursor, Epoch, FeedId, Hash, RegionName, Revision, Row, RowKey, RowRef, Scope,
    State,
};

use crate::net::{Net, Site};
use crate::support::{Failure, region, reload};

/// A place in a feed: its epoch, its revision and its chain.
type Place = (FeedId, Epoch, Revision, Hash);

/// What is known of a place from whichever region was there first.
#[derive(Default)]
struct Known {
    hash: Option<Hash>,
    rows: BTreeMap<RowKey, Vec<u8>>,
}

pub struct World {
    pub net: Net,
    pub names: Vec<RegionName>,
    known: BTreeMap<Place, Known>,
    /// Feeds of which a region has spoilt rows.
    pub spoilt: Vec<(RegionName, FeedId)>,
    /// Feeds of which a region stands between two changes of one entry.
    pub halves: Vec<(RegionName, FeedId)>,
    steps: u64,
}

impl World {
    /// A founder, a region that receives everything, one that receives what is shared with it.
    pub fn new() -> Result<World, Failure> {
        let mut net = Net {
            now_ms: 1_000_000,
            ..Net::default()
        };
        net.found(&[("b", Scope::Selected), ("c", Scope::All)])?;
        let names = ["a", "b", "c"].map(region);
        Ok(World {
            net,
            names: names.into_iter().collect::<Result<_, _>>()?,
            known: BTreeMap::new(),
            spoilt: Vec::new(),
            halves: Vec::new(),
            steps: 0,
        })
    }

    pub fn apply(&mut self, at: &RegionName, command: Command) -> Result<Applied, Failure> {
        self.steps += 1;
        self.net.now_ms += 1 + self.steps % 3;
        let before = self.net.site(at)?.state.clone();
        let applied = self.net.apply(at, command);
        let site = self.net.site(at)?;
        if applied.changes.is_empty() && !before.rows().eq(site.state.rows()) {
            return Err("the state changed without a change".into());
        }
        if applied.answer.is_err() && !applied.changes.is_empty() {
            return Err("a rejected entry changed something".into());
        }
        if self.steps.is_multiple_of(8) {
            let again = reload(&site.state)?;
            let same = again.node_hash() == site.state.node_hash()
                && again.counts() == site.state.counts()
                && again.rows().eq(site.state.rows());
            if !same {
                return Err("the state is not the same after a reload".into());
            }
        }
        self.check(at)?;
        Ok(applied)
    }

    pub fn is_spoilt(&self, at: &RegionName, feed: &FeedId) -> bool {
        self.spoilt.iter().any(|(name, of)| name == at && of == feed)
    }

    /// Forgets that rows are spoilt where the sums say that none is.
    pub fn mended(&mut self, at: &RegionName, feed: &FeedId) -> Result<(), Failure> {
        let (hash, place) = {
            let site = self.net.site(at)?;
            (hash(site, feed), place(feed, &site.cursor(feed)))
        };
        let known = place.and_then(|place| self.known.get(&place));
        if known.is_some_and(|known| known.hash == hash) {
            self.spoilt.retain(|(name, of)| !(name == at && of == feed));
        }
        Ok(())
    }

    /// What must hold in a region after each entry.
    fn check(&mut self, at: &RegionName) -> Result<(), Failure> {
        let site = self.net.site(at)?;
        let feeds: Vec<FeedId> = self.net.feeds();
        for feed in &feeds {
            let Some(place) = place(feed, &site.cursor(feed)) else {
                continue;
            };
            if self.is_spoilt(at, feed) {
                continue;
            }
            let known = self.known.entry(place).or_default();
            agrees(site, feed, known)?;
            let is_half = self.halves.iter().any(|(name, of)| name == at && of == feed);
            if !is_half {
                bodies_are_held(&site.state, feed)?;
            }
        }
        secrets_are_whole(&site.state)
    }
}

fn place(feed: &FeedId, at: &Cursor) -> Option<Place> {
    let epoch = at.epoch.clone()?;
    Some((feed.clone(), epoch, at.revision, at.chain))
}

fn hash(site: &Site, feed: &FeedId) -> Option<Hash> {
    site.state.feed(feed).map(|feed| feed.hash())
}

/// I4: at one place of a history every region has the same commitments, and where it has a body,
/// the very bytes.
fn agrees(site: &Site, feed: &FeedId, known: &mut Known) -> Result<(), Failure> {
    let here = hash(site, feed);
    if *known.hash.get_or_insert(here.unwrap_or(Hash::ZERO)) != here.unwrap_or(Hash::ZERO) {
        return Err(format!("{}: another hash of {feed}", site.name).into());
    }
    for (key, row) in site.state.rows_of(feed, None) {
        let Some(row) = row.filter(|row| !row.is_withheld()) else {
            continue;
        };
        let bytes = known.rows.entry(key).or_insert_with(|| row.encode());
        if *bytes != row.encode() {
            return Err(format!("{}: other bytes of {key:?}", site.name).into());
        }
    }
    Ok(())
}

/// Bodies are where their secret is held, and values have their keys.
fn bodies_are_held(state: &State, feed: &FeedId) -> Result<(), Failure> {
    for (key, row) in state.rows_of(feed, None) {
        match (key, row) {
            (RowKey::Secret(_), Some(Row::Secret(kept))) => {
                if !state.holds_secret(feed, kept.body()) {
                    return Err(format!("{key:?} is not for this region").into());
                }
            }
            (RowKey::Version(uid, ordinal), Some(Row::Version(_))) => {
                if state.is_withheld(&RowKey::Secret(uid)) {
                    return Err(format!("{key:?} is here without its secret").into());
                }
                if state.row(&RowKey::Wrap(uid, ordinal)).is_none() {
                    return Err(format!("{key:?} has no key").into());
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A secret is found by what it says of itself, and its values are here or known to be missing.
fn secrets_are_whole(state: &State) -> Result<(), Failure> {
    let account = crate::support::account()?;
    for secret in state.secrets(&account) {
        let namesakes: Vec<_> = state.namesakes(&account, &secret.name).collect();
        if !namesakes.iter().any(|other| other.uid == secret.uid) {
            return Err("a secret is not found by its name".into());
        }
        let late = namesakes
            .iter()
            .filter(|other| state.problem(&other.uid).is_some());
        if namesakes.len() > 1 && late.count() == 0 {
            return Err("several secrets have a name, and none came later".into());
        }
        let currents = secret.versions.iter().filter(|version| version.holds("AWSCURRENT"));
        if currents.count() != usize::from(!secret.versions.is_empty()) {
            return Err("a secret has no current version, or several".into());
        }
        for version in &secret.versions {
            let is_here = state.value(&secret.uid, &version.id).is_some();
            let key = RowKey::Version(secret.uid, version.ordinal);
            if !is_here && !state.is_withheld(&key) && !is_half_erased(state, &key) {
                return Err(format!("the value {key:?} is nowhere").into());
            }
        }
    }
    for (key, row) in state.rows() {
        let RowKey::Wrap(uid, ordinal) = key else {
            continue;
        };
        let version = state.row(&RowKey::Version(uid, ordinal));
        let is_value = matches!(version, Some(RowRef::Here(Row::Version(_))));
        if !is_value && row != RowRef::Evicted {
            return Err(format!("{key:?} is the key of nothing").into());
        }
    }
    Ok(())
}

/// Of an entry that deletes a secret the values go first.
fn is_half_erased(state: &State, key: &RowKey) -> bool {
    state.row(key).is_none()
}
