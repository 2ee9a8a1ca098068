//! Who may call (R17): a node of a linked region, with the key the directory pins for it, and no
//! more of them at a time than there is room for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use consensus::View;
use machine::{ClusterId, FeedId, Hash, RegionName, State};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tonic::Extensions;
use wire::replication::v1;

use crate::codec::{self, Malformed};
use crate::context::Context;
use crate::error::Refused;
use crate::limits::{
    CALLS_MAX, COMPARISONS_MAX, PROPOSAL_BYTES_USUAL, PROPOSED_BYTES_BURST,
    PROPOSED_BYTES_PER_SECOND, STREAMS_MAX,
};

/// Lets callers in.
pub(super) struct Door {
    context: Arc<Context>,
    streams: Places,
    comparisons: Places,
    calls: Places,
    budgets: Mutex<BTreeMap<RegionName, Budget>>,
}

/// A caller that was let in. It is looked up again for as long as its call lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// Its region.
    pub(super) region: RegionName,
    /// Its node id there.
    pub(super) node: u64,
    /// The key of its certificate.
    pub(super) public_key: Hash,
}

/// What was proposed for a region lately.
#[derive(Debug, Clone, Copy)]
struct Budget {
    /// Bytes, less what the time since has given back.
    spent: u64,
    at: Instant,
}

/// Room for calls, by region. Only linked regions get here, so there are few.
struct Places {
    each: usize,
    regions: Mutex<BTreeMap<RegionName, Arc<Semaphore>>>,
}

impl Door {
    pub(super) fn new(context: &Arc<Context>) -> Door {
        Door {
            context: Arc::clone(context),
            streams: Places::new(STREAMS_MAX),
            comparisons: Places::new(COMPARISONS_MAX),
            calls: Places::new(CALLS_MAX),
            budgets: Mutex::default(),
        }
    }

    /// Checks who calls, and hears what it knows of ballots.
    pub(super) fn check(
        &self,
        extensions: &Extensions,
        origin: Option<v1::Origin>,
    ) -> Result<Caller, Refused> {
        let caller = self.identify(extensions)?;
        self.hear(&caller, origin)?;
        Ok(caller)
    }

    /// Checks whose certificate it is, and that the directory knows it.
    pub(super) fn identify(&self, extensions: &Extensions) -> Result<Caller, Refused> {
        let Some(wire::Caller::Peer(identity)) = extensions.get::<wire::Caller>() else {
            return Err(Refused::NotANode);
        };
        let options = &self.context.options;
        if identity.cluster.parse::<ClusterId>() != Ok(options.cluster) {
            return Err(Refused::OtherCluster);
        }
        let region = RegionName::new(&identity.region).map_err(|_error| Refused::OtherSender)?;
        if region == options.region {
            return Err(Refused::OwnRegion);
        }
        let caller = Caller {
            region,
            node: identity.node,
            public_key: Hash(identity.public_key),
        };
        caller.stands(&options.consensus.local_view())?;
        Ok(caller)
    }

    /// Checks that a message is its caller's, who is still known, and hears its ballots.
    pub(super) fn hear(&self, caller: &Caller, origin: Option<v1::Origin>) -> Result<(), Refused> {
        let origin = origin.ok_or(Malformed::Missing("origin"))?;
        let Context { options, .. } = &*self.context;
        let is_callers = origin.cluster == options.cluster.0.as_slice()
            && origin.region == caller.region.as_str()
            && origin.node == caller.node;
        if !is_callers {
            return Err(Refused::OtherSender);
        }
        let claims = codec::from_claims(origin.epochs)?;
        let view = options.consensus.local_view();
        caller.stands(&view)?;
        options.epochs.hear(&view, &claims);
        Ok(())
    }

    /// Takes a place for a stream.
    pub(super) fn stream(&self, caller: &Caller) -> Result<OwnedSemaphorePermit, Refused> {
        self.streams.take(&caller.region)
    }

    /// Takes a place for a comparison.
    pub(super) fn comparison(&self, caller: &Caller) -> Result<OwnedSemaphorePermit, Refused> {
        self.comparisons.take(&caller.region)
    }

    /// Takes that so many bytes are to be proposed for a caller's region.
    pub(super) fn spend(&self, caller: &Caller, bytes: usize) -> Result<(), Refused> {
        let now = Instant::now();
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = budgets.get(&caller.region).copied();
        let budget = known.unwrap_or(Budget { spent: 0, at: now });
        match budget.after(bytes as u64, now) {
            Some(budget) => {
                budgets.insert(caller.region.clone(), budget);
                Ok(())
            }
            None => Err(Refused::Busy(caller.region.clone())),
        }
    }

    /// Takes a place for another call.
    pub(super) fn call(&self, caller: &Caller) -> Result<OwnedSemaphorePermit, Refused> {
        self.calls.take(&caller.region)
    }
}

impl Caller {
    /// Checks that the directory still has the caller's region, node and key.
    pub(super) fn stands(&self, state: &State) -> Result<(), Refused> {
        let not_linked = || Refused::NotLinked(self.region.clone());
        let region = state.linked(&self.region).ok_or_else(not_linked)?;
        let mut nodes = region.nodes.iter();
        let node = nodes.find(|node| node.id.0 == self.node);
        let (region, number) = (self.region.clone(), self.node);
        match node {
            Some(node) if node.public_key == self.public_key => Ok(()),
            Some(_) => Err(Refused::KeyNotPinned {
                region,
                node: number,
            }),
            None => Err(Refused::NodeUnknown {
                region,
                node: number,
            }),
        }
    }

    /// What an entry made for the caller says of who asked: the name in its certificate.
    pub(super) fn name(&self, cluster: ClusterId) -> String {
        let Caller { region, node, .. } = self;
        format!("strongroom://{cluster}/{region}/node/{node}")
    }
}

impl Budget {
    /// What is spent after so many bytes more; none if they are too many now.
    fn after(self, bytes: u64, now: Instant) -> Option<Budget> {
        let passed = now.saturating_duration_since(self.at).as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        let back = passed.saturating_mul(PROPOSED_BYTES_PER_SECOND) / 1_000;
        let spent = self.spent.saturating_sub(back);
        let spent = spent
            .saturating_add(bytes)
            .saturating_add(PROPOSAL_BYTES_USUAL);
        (spent <= PROPOSED_BYTES_BURST).then_some(Budget { spent, at: now })
    }
}

impl Places {
    fn new(each: usize) -> Places {
        Places {
            each,
            regions: Mutex::default(),
        }
    }

    fn take(&self, region: &RegionName) -> Result<OwnedSemaphorePermit, Refused> {
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        let places = regions
            .entry(region.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(self.each)));
        let taken = Arc::clone(places).try_acquire_owned();
        taken.map_err(|_none| Refused::Busy(region.clone()))
    }
}

impl Context {
    /// Checks that this region is primary of a feed, as far as it knows.
    pub(super) fn leads(&self, view: &View, feed: &FeedId) -> Result<(), Refused> {
        let primary = match self.options.epochs.fenced(view, feed) {
            Some(fence) => Some(fence.region),
            None if view.is_primary(feed) => return Ok(()),
            None => view.primary_of(feed).cloned(),
        };
        let feed = feed.clone();
        Err(Refused::NotPrimary { feed, primary })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_region_has_so_much_proposed_at_once_and_so_much_a_second_after() {
        let now = Instant::now();
        let (mut budget, mut proposals) = (Budget { spent: 0, at: now }, 0);
        while let Some(after) = budget.after(PROPOSED_BYTES_BURST / 16, now) {
            budget = after;
            proposals += 1;
        }
        assert!((8..16).contains(&proposals), "{proposals}");
        assert!(budget.after(PROPOSED_BYTES_BURST / 16, now).is_none());
        let later = now + Duration::from_secs(1);
        assert!(budget.after(PROPOSED_BYTES_PER_SECOND / 2, later).is_some());
        let much = budget.after(PROPOSED_BYTES_PER_SECOND, later);
        assert!(
            much.and_then(|budget| budget.after(PROPOSED_BYTES_PER_SECOND, later))
                .is_none()
        );
    }
}
