//! How much older than in the regions that lead them feeds are here (R32).
//!
//! Only the node that leads follows them. It says how old they are for all it has applied, and the
//! node that asked has applied as much when it is told. So what was told holds of every state that
//! is looked at afterwards, and grows older.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use consensus::{Consensus, Role};
use machine::FeedId;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::clock;
use crate::limits::{AGES_KEPT, AGES_TIMEOUT};

/// For each feed the time at which it was as its primary had it, by the clock that never stops.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ages {
    confirmed: BTreeMap<FeedId, Duration>,
}

impl Ages {
    /// Ages as they are at this time.
    fn at(now: Duration, ages: Vec<(FeedId, Duration)>) -> Self {
        let confirmed = ages
            .into_iter()
            .map(|(feed, age)| (feed, now.saturating_sub(age)));
        Self {
            confirmed: confirmed.collect(),
        }
    }

    /// How old a feed may be now; none if nothing is known of it.
    #[must_use]
    pub fn age(&self, feed: &FeedId) -> Option<Duration> {
        let confirmed = self.confirmed.get(feed)?;
        Some(clock::boot().saturating_sub(*confirmed))
    }

    /// Of two, the younger of each feed.
    fn younger(mut self, other: &Self) -> Self {
        for (feed, confirmed) in &other.confirmed {
            let known = self.confirmed.entry(feed.clone()).or_default();
            *known = (*known).max(*confirmed);
        }
        self
    }
}

/// Asks the node that leads, which alone follows the feeds of others.
pub struct Staleness {
    consensus: Consensus,
    own: Arc<dyn consensus::Ages>,
    /// When the leader was last asked, and what is known since.
    asked: Mutex<Option<Duration>>,
    told: ArcSwap<Ages>,
}

impl Staleness {
    /// `own` says what this node knows by itself, of its own state: nothing if it never led.
    #[must_use]
    pub fn new(consensus: Consensus, own: Arc<dyn consensus::Ages>) -> Self {
        Self {
            consensus,
            own,
            asked: Mutex::default(),
            told: ArcSwap::default(),
        }
    }

    /// What holds of a state that is looked at after the answer. Without an answer of the leader
    /// within the deadline it is what was told last, which is older by now.
    pub async fn ask(&self, deadline: Instant) -> Arc<Ages> {
        if self.consensus.status().role == Role::Leader {
            return self.held();
        }
        // One asks for all that wait.
        let mut asked = self.asked.lock().await;
        let now = clock::boot();
        if asked.is_none_or(|asked| now.saturating_sub(asked) > AGES_KEPT) {
            let deadline = deadline.min(Instant::now() + AGES_TIMEOUT);
            if let Ok(told) = self.consensus.ask_ages(deadline).await {
                // A little too old: it was true when the answer came.
                let told = Ages::at(now, told);
                self.told.rcu(|known| told.clone().younger(known));
            }
            // A leader that does not answer is not asked by each caller in turn.
            *asked = Some(clock::boot());
        }
        self.held()
    }

    /// What holds of the local state.
    #[must_use]
    pub fn held(&self) -> Arc<Ages> {
        let own = Ages::at(clock::boot(), self.own.ages());
        Arc::new(own.younger(&self.told.load()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use machine::FeedId;

    use super::Ages;
    use crate::clock;

    #[test]
    fn the_younger_of_two_ages_counts_and_grows() {
        let second = Duration::from_secs(1);
        let now = clock::boot();
        let old = Ages::at(now, vec![(FeedId::Root, 5 * second)]);
        let young = Ages::at(now, vec![(FeedId::Root, 2 * second)]);
        assert!(old.age(&FeedId::Root).unwrap() >= 5 * second);
        for both in [old.clone().younger(&young), young.younger(&old)] {
            let age = both.age(&FeedId::Root).unwrap();
            assert!((2 * second..4 * second).contains(&age), "{age:?}");
        }
        assert_eq!(Ages::default().age(&FeedId::Root), None);
    }
}
