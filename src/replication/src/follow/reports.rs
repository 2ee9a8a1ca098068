//! What this region says of its copies: only what is new, to each primary of what it leads (R22).

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};

use machine::{Epoch, ProblemKind, RegionName, ReplicaReport, ReplicaState, RowKey, State, Uid};

use crate::follow::is_led_elsewhere;
use crate::follow::wraps::{listed, short};
use crate::limits::REPORTED_MAX;

/// What was reported, in short.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    told: BTreeMap<Uid, Told>,
}

/// Stands for a report, and for whom it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    said: u64,
    to: u64,
}

/// A report, and whom it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) primary: Epoch,
    pub(crate) report: ReplicaReport,
}

impl Reports {
    /// Keeps those that were not told, in the words they have now.
    pub(crate) fn new_of(&self, due: Vec<Due>) -> Vec<Due> {
        let is_new = |due: &Due| self.told.get(&due.report.uid) != Some(&Told::of(due));
        due.into_iter().filter(is_new).collect()
    }

    /// Takes that reports were told.
    pub(crate) fn told(&mut self, due: &[Due]) {
        for due in due {
            let uid = due.report.uid;
            // One that is not remembered is told again, which does no harm.
            if self.told.len() < REPORTED_MAX || self.told.contains_key(&uid) {
                self.told.insert(uid, Told::of(due));
            }
        }
    }

    /// Forgets what was told of secrets: whoever was told does not know it any more.
    pub(crate) fn forget_of(&mut self, uids: &BTreeSet<Uid>) {
        self.told.retain(|uid, _| !uids.contains(uid));
    }

    /// Forgets what a region was told: it may not know it any more.
    pub(crate) fn forget_to(&mut self, region: &RegionName) {
        let to = hashed(region);
        self.told.retain(|_, told| told.to != to);
    }

    /// Forgets all that was told.
    pub(crate) fn forget(&mut self) {
        self.told.clear();
    }
}

impl Told {
    fn of(due: &Due) -> Told {
        let ReplicaReport {
            uid,
            state,
            message,
            access_day,
        } = &due.report;
        Told {
            said: hashed((uid, *state as u8, message, access_day, &due.primary)),
            to: hashed(&due.primary.region),
        }
    }
}

fn hashed(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Finds what there is to say of a secret that another region leads; none if nothing is.
pub(crate) fn due(state: &State, uid: &Uid, reason: Option<&str>) -> Option<Due> {
    let feed = state.feed_of_secret(uid)?;
    let own = state.region()?;
    let held = state.feed(feed)?.state()?;
    if !is_led_elsewhere(state, feed) {
        return None;
    }
    let (standing, message) = standing(state, own, uid, reason)?;
    let access = state.access(uid);
    Some(Due {
        primary: held.epoch.clone(),
        report: ReplicaReport {
            uid: *uid,
            state: standing,
            message,
            access_day: access.map(|access| access.day).unwrap_or_default(),
        },
    })
}

/// Finds how far a copy is, and if it failed, why; none if there is none, and nobody said there
/// should be.
fn standing(
    state: &State,
    own: &RegionName,
    uid: &Uid,
    reason: Option<&str>,
) -> Option<(ReplicaState, String)> {
    if state.detached(uid).is_some() {
        return Some((ReplicaState::Detached, String::new()));
    }
    let replica = listed(state, uid).map(|secret| secret.replica(own).is_some());
    let problem = state.problem(uid).map(|problem| problem.message.as_str());
    // A row that is known by its commitment only does not say for whom it is: whoever leads it
    // passes over a report of what is not shared.
    if !replica.unwrap_or(problem.is_some()) {
        return None;
    }
    Some(match problem.or(reason) {
        Some(words) => (ReplicaState::Failed, short(words)),
        None if state.is_incomplete(uid) => (ReplicaState::InProgress, String::new()),
        None => (ReplicaState::InSync, String::new()),
    })
}

/// Gives the secrets of which there may be something to report although their rows are not here.
pub(crate) fn hidden(state: &State) -> Vec<Uid> {
    let problems = state.problems();
    let problems = problems.filter(|(_, problem)| problem.kind != ProblemKind::Key);
    let problems = problems.map(|(uid, _)| uid);
    let known = problems.chain(state.all_detached());
    let is_hidden = |uid: &&Uid| state.is_withheld(&RowKey::Secret(**uid));
    known.filter(is_hidden).copied().collect()
}

/// Divides reports by the regions they are for.
pub(crate) fn by_region(due: Vec<Due>) -> BTreeMap<RegionName, Vec<Due>> {
    let mut regions: BTreeMap<RegionName, Vec<Due>> = BTreeMap::new();
    for due in due {
        regions
            .entry(due.primary.region.clone())
            .or_default()
            .push(due);
    }
    regions
}
