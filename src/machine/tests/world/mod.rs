//! Three regions that do what regions may, in any order, and what must hold whatever they did.

pub mod asks;
pub mod steps;

use std::collections::BTreeMap;

use strongroom_machine::{
    Applied, Command, Cursor, Epoch, FeedId, Hash, Label, Outcome, RegionName, Revision, Row,
    RowKey, RowRef, Scope, State, Uid,
};

use crate::net::{Net, Site};
use crate::support::{Failure, account, region, reload};

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
    /// Feeds that were taken over there, or where rows are spoilt: what is missing is lost for
    /// ever.
    torn: Vec<FeedId>,
    /// The regions that were to have the body of a row, by what the row is committed to.
    pub members: BTreeMap<Hash, Vec<RegionName>>,
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
            torn: Vec::new(),
            members: BTreeMap::new(),
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
            let weights = |state: &State| -> Vec<_> {
                let feeds = state.feeds().filter(|feed| feed.state().is_some());
                feeds.map(|feed| (feed.position(), feed.weight())).collect()
            };
            let same = again.node_hash() == site.state.node_hash()
                && weights(&again) == weights(&site.state)
                && again.counts() == site.state.counts()
                && again.rows().eq(site.state.rows());
            if !same {
                return Err("the state is not the same after a reload".into());
            }
        }
        self.note(at, &applied);
        self.check(at)?;
        Ok(applied)
    }

    /// Remembers who was to have which body, and which feeds were taken over in the middle.
    fn note(&mut self, at: &RegionName, applied: &Applied) {
        let headers = applied
            .changes
            .iter()
            .filter_map(|change| change.header.as_ref());
        for header in headers {
            let members = header.members.to_vec();
            self.members.insert(header.commitment, members);
        }
        if let Ok(Outcome::TakenOver(taken)) = &applied.answer {
            for feed in taken.feeds.iter().map(|taken| &taken.last.feed) {
                if self.is_half(at, feed) || self.is_spoilt(at, feed) {
                    self.torn.push(feed.clone());
                }
            }
        }
    }

    fn is_half(&self, at: &RegionName, feed: &FeedId) -> bool {
        self.torn.contains(feed)
            || self
                .halves
                .iter()
                .any(|(name, of)| name == at && of == feed)
    }

    pub fn is_spoilt(&self, at: &RegionName, feed: &FeedId) -> bool {
        self.spoilt
            .iter()
            .any(|(name, of)| name == at && of == feed)
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
            self.bodies_are_held(site, feed)?;
            journals_name_nothing(site, feed)?;
            self.values_are_known(site, feed)?;
        }
        if !self.is_spoilt(at, &FeedId::Root) {
            keys_are_known(&site.state)?;
        }
        secrets_are_found(&site.state)
    }

    /// Bodies are where they were to be when they were made, or where their secret is.
    fn bodies_are_held(&self, site: &Site, feed: &FeedId) -> Result<(), Failure> {
        let state = &site.state;
        for (key, row) in state.rows_of(feed, None) {
            let Some(row) = row.filter(|row| key.is_of_secret() && !row.is_withheld()) else {
                continue;
            };
            let uid = key.uid();
            let members = self.members.get(&row.commitment());
            let is_member = members.is_some_and(|members| members.contains(&site.name));
            let is_value = matches!(key, RowKey::Version(..));
            let is_here = is_value && state.row(&RowKey::Secret(uid)).is_some();
            if !is_member && !site.receives_all(feed) && !is_here {
                return Err(format!("{key:?} is not for {}", site.name).into());
            }
            let hidden = state.commitment_of(&RowKey::Secret(uid));
            let hidden = hidden.filter(|_| state.is_withheld(&RowKey::Secret(uid)));
            // Only for a secret that is to come.
            let is_to_come = hidden.is_none_or(|hidden| {
                let members = self.members.get(&hidden);
                let is_member = members.is_some_and(|members| members.contains(&site.name));
                is_member || site.receives_all(feed)
            });
            if is_value && !is_to_come && !self.is_half(&site.name, feed) {
                return Err(format!("{key:?} is here without its secret").into());
            }
            if is_value && state.row(&RowKey::Wrap(uid, key.ordinal())).is_none() {
                return Err(format!("{key:?} has no key").into());
            }
        }
        Ok(())
    }

    /// The values of a secret are here or known to be missing, and keys are those of values.
    fn values_are_known(&self, site: &Site, feed: &FeedId) -> Result<(), Failure> {
        let state = &site.state;
        let account = account()?;
        let secrets = state.secrets(&account);
        for secret in secrets.filter(|secret| feed.gives(&secret.uid)) {
            for version in &secret.versions {
                let key = RowKey::Version(secret.uid, version.ordinal);
                if state.row(&key).is_none() && !self.is_half(&site.name, feed) {
                    return Err(format!("the value {key:?} is nowhere").into());
                }
            }
        }
        for (key, _) in state.rows() {
            let RowKey::Wrap(uid, ordinal) = key else {
                continue;
            };
            let value = state.row(&RowKey::Version(uid, ordinal));
            let is_value = matches!(value, Some(RowRef::Here(Row::Version(_))));
            if feed.gives(&uid) && !is_value {
                return Err(format!("{key:?} is the key of nothing").into());
            }
        }
        Ok(())
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

/// What a region followed leaves nothing of a secret in its journal.
fn journals_name_nothing(site: &Site, feed: &FeedId) -> Result<(), Failure> {
    let first = site.state.feed(feed).and_then(|feed| feed.state());
    let before = first.map_or(0, |state| state.journal_first.0.saturating_sub(1));
    let rows = site.state.journal(feed, Revision(before));
    let followed = rows.into_iter().flatten();
    let followed = followed.filter(|row| row.header.epoch.region != site.name);
    let mut secrets = followed.filter(|row| row.header.key().is_some_and(|key| key.is_of_secret()));
    match secrets.any(|row| row.body.is_some() || row.blind.is_some()) {
        true => Err(format!("{}: the journal of {feed} has bodies", site.name).into()),
        false => Ok(()),
    }
}

/// What a row of the root feed seals has its key, or there is a reason; and no such key is left
/// over.
fn keys_are_known(state: &State) -> Result<(), Failure> {
    let mut lacking = state.without_root_wrap();
    if let Some(key) = lacking.find(|key| state.problem(&key.uid()).is_none()) {
        return Err(format!("nothing says why {key:?} has no key").into());
    }
    let is_of_key = |uid: &Uid| {
        let credential = state.credential(uid);
        let is_access_key = credential.is_some_and(|credential| credential.proof.is_access_key());
        is_access_key || state.session_key(uid).is_some()
    };
    let mut wraps = state.root_wraps();
    match wraps.find(|(uid, _)| !is_of_key(uid)) {
        None => Ok(()),
        Some((uid, _)) => Err(format!("{uid} is the key of nothing").into()),
    }
}

/// I6, and a secret is found by what it says of itself.
fn secrets_are_found(state: &State) -> Result<(), Failure> {
    let account = account()?;
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
        let currents = secret
            .versions
            .iter()
            .filter(|version| version.holds(Label::CURRENT));
        if currents.count() != usize::from(!secret.versions.is_empty()) {
            return Err("a secret has no current version, or several".into());
        }
    }
    Ok(())
}
