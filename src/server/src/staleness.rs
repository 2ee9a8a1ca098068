//! How much older than in the regions that lead them feeds are here (R32).
//!
//! Only the node that leads follows them. It says how old they are for all it has applied, and the
//! node that asked has applied as much when it is told. So what was told holds of every state that
//! is looked at afterwards, and grows older.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use consensus::{Consensus, Role};
use machine::FeedId;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::limits::{AGES_KEPT, AGES_TIMEOUT};

/// What was known of each feed before a state was looked at: at which time it was as its primary
/// had it, since boot.
#[derive(Clone, Default)]
pub struct Ages {
    confirmed: BTreeMap<FeedId, Duration>,
    known: Option<Arc<replication::Staleness>>,
}

impl Ages {
    fn of(known: &Arc<replication::Staleness>) -> Self {
        let ages = known.snapshot().into_iter();
        let now = known.now();
        let confirmed = ages.map(|(feed, age)| (feed, now.saturating_sub(age)));
        Self {
            confirmed: confirmed.collect(),
            known: Some(Arc::clone(known)),
        }
    }

    /// How old a feed may be by now; none if nothing is known of it.
    #[must_use]
    pub fn age(&self, feed: &FeedId) -> Option<Duration> {
        let confirmed = *self.confirmed.get(feed)?;
        let now = self.known.as_ref()?.now();
        Some(now.saturating_sub(confirmed))
    }
}

/// Asks the node that leads, now and then.
pub struct Staleness {
    consensus: Consensus,
    known: Arc<replication::Staleness>,
    /// When the leader was last asked, since boot.
    asked: Mutex<Option<Duration>>,
}

impl Staleness {
    /// Puts what the leader says beside what this node knows by itself.
    #[must_use]
    pub fn new(consensus: Consensus, known: Arc<replication::Staleness>) -> Self {
        Self {
            consensus,
            known,
            asked: Mutex::default(),
        }
    }

    /// What holds of a state that is looked at after the answer. Without an answer of the leader
    /// within the deadline it is what was told last, which is older by now.
    pub async fn ask(&self, deadline: Instant) -> Ages {
        if self.consensus.status().role == Role::Leader {
            return self.known();
        }
        // One asks for all that wait.
        let mut asked = self.asked.lock().await;
        let now = self.known.now();
        if asked.is_none_or(|asked| now.saturating_sub(asked) > AGES_KEPT) {
            let deadline = deadline.min(Instant::now() + AGES_TIMEOUT);
            if let Ok(told) = self.consensus.ask_ages(deadline).await {
                self.known.merge(&told, now);
            }
            // A leader that does not answer is not asked by each caller in turn.
            *asked = Some(self.known.now());
        }
        self.known()
    }

    /// Asks again and again, for those who cannot wait for an answer.
    pub async fn follow(self: Arc<Self>, interval: Duration) {
        loop {
            self.ask(Instant::now() + AGES_TIMEOUT).await;
            tokio::time::sleep(interval).await;
        }
    }

    /// What holds of the local state.
    #[must_use]
    pub fn known(&self) -> Ages {
        Ages::of(&self.known)
    }
}
