//! What whoever follows feeds asks of a state: all secrets in steps, and their wraps.

use std::ops::Bound;
use std::sync::Arc;

use crate::ids::Uid;
use crate::names::VersionId;
use crate::position::FeedId;
use crate::secret::{Secret, Wrap};
use crate::state::State;

impl State {
    /// Gives the secrets of all accounts and feeds that are here with their bodies, by uid, after
    /// one of them; each as its row lists it: without the versions that have no label.
    pub fn listed_after(
        &self,
        after: Option<Uid>,
    ) -> impl Iterator<Item = (&FeedId, &Arc<Secret>)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let slots = self.slots.range((from, Bound::Unbounded));
        slots.filter_map(|(_, slot)| {
            let kept = slot.secret_row()?;
            Some((&kept.origin.as_ref()?.feed, &kept.body))
        })
    }

    /// Gives the wrapped keys of a secret's versions that are here.
    pub fn wraps(&self, uid: &Uid) -> Vec<(VersionId, &Arc<Wrap>)> {
        let slot = self.slots.get(uid).into_iter();
        let found = slot.flat_map(|slot| slot.named_wraps());
        found.map(|(id, kept)| (id, &kept.body)).collect()
    }
}
