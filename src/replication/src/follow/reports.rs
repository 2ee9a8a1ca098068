//! What this region says of its copies: only what is new, to each primary of what it leads (R22).

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

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
struct Told(u64);

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

    /// Forgets what was told: whoever was told may not know it any more.
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
        let mut hasher = DefaultHasher::new();
        (uid, *state as u8, message, access_day).hash(&mut hasher);
        due.primary.hash(&mut hasher);
        Told(hasher.finish())
    }
}

/// Finds what there is to say of a secret that another region leads; none if nothing is.
pub(crate) fn due(state: &State, uid: &Uid, reason: Option<&str>) -> Option<Due> {
    let feed = state.feed_of_secret(uid)?;
    let own = state.region()?;
    let held = state.feed(feed)?.state()?;
    if !is_led_elsewhere(state, feed) {
        return None;
    }
    let (state_told, message) = match standing(state, own, uid, reason)? {
        Standing::Detached => (ReplicaState::Detached, String::new()),
        Standing::Failed(message) => (ReplicaState::Failed, short(&message)),
        Standing::InProgress => (ReplicaState::InProgress, String::new()),
        Standing::InSync => (ReplicaState::InSync, String::new()),
    };
    let access = state.access(uid);
    Some(Due {
        primary: held.epoch.clone(),
        report: ReplicaReport {
            uid: *uid,
            state: state_told,
            message,
            access_day: access.map(|access| access.day).unwrap_or_default(),
        },
    })
}

enum Standing {
    Detached,
    Failed(String),
    InProgress,
    InSync,
}

/// Finds how far a copy is; none if there is none, and nobody said there should be.
fn standing(state: &State, own: &RegionName, uid: &Uid, reason: Option<&str>) -> Option<Standing> {
    if state.detached(uid).is_some() {
        return Some(Standing::Detached);
    }
    let problem = state.problem(uid);
    if let Some(problem) = problem {
        // A row that is known by its commitment only does not say for whom it is: whoever leads it
        // passes over a report of what is not shared.
        let is_known = listed(state, uid).is_none_or(|secret| secret.replica(own).is_some());
        let message = problem.message.clone();
        return is_known.then_some(Standing::Failed(message));
    }
    listed(state, uid)?.replica(own)?;
    if let Some(reason) = reason {
        return Some(Standing::Failed(reason.to_owned()));
    }
    match state.is_incomplete(uid) {
        true => Some(Standing::InProgress),
        false => Some(Standing::InSync),
    }
}

/// Gives the next secrets to look at in a walk over all that may have to be reported, at most
/// `max`, and where to go on.
pub(crate) fn walk(state: &State, after: Option<Uid>, max: usize) -> (Vec<Uid>, Option<Uid>) {
    let mut uids: Vec<Uid> = Vec::new();
    let (mut seen, mut last) = (0_usize, None);
    let Some(own) = state.region() else {
        return (uids, None);
    };
    for (_, secret) in state.listed_after(after) {
        if seen >= max {
            return (uids, last);
        }
        seen += 1;
        last = Some(secret.uid);
        if secret.replica(own).is_some() {
            uids.push(secret.uid);
        }
    }
    (uids, None)
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
