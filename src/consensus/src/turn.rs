//! When a node writes all of its rows anew, as snapshots of much and renewals do.
//!
//! Each takes processor and disk from its calls for seconds, and a region goes at the pace of a
//! quorum. Left alone they would all begin at once: they hold the same rows. So they take turns by
//! the log's index, which stands about the same at all of them. Nobody has to ask, and who is late
//! only takes longer. It is no lock: what begins late in a turn, or takes longer than one, goes on
//! beside the next node's.

use std::time::Duration;

use crate::limits::TURN_PATIENCE;
use crate::types::StoredMembership;

/// Whose turn it is, as one node sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    node: u64,
    entries: u64,
}

impl Turn {
    /// Each turn lasts for so many entries.
    pub(crate) fn new(node: u64, entries: u64) -> Turn {
        let entries = entries.max(1);
        Turn { node, entries }
    }

    /// Whether it is this node's turn at an index. Who is no member waits for nobody.
    pub(crate) fn is_at(&self, index: u64, membership: &StoredMembership) -> bool {
        self.turns_before(index, membership) == 0
    }

    /// The number of the turn at an index.
    pub(crate) fn number(&self, index: u64) -> u64 {
        index / self.entries
    }

    /// How long to wait in the turn at an index for one's own, when little is written: the longer
    /// the later that comes, so that who waits since the same time does not begin at the same time.
    pub(crate) fn patience(&self, index: u64, membership: &StoredMembership) -> Duration {
        let turns = u32::try_from(self.turns_before(index, membership));
        TURN_PATIENCE * turns.unwrap_or(u32::MAX)
    }

    fn turns_before(&self, index: u64, membership: &StoredMembership) -> u64 {
        let nodes: Vec<u64> = membership.nodes().map(|(id, _)| *id).collect();
        let count = nodes.len() as u64;
        let Some(place) = nodes.iter().position(|id| *id == self.node) else {
            return 0;
        };
        (place as u64 + count - self.number(index) % count) % count
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use openraft::Membership;

    use super::*;
    use crate::types::Member;

    const NODES: [u64; 3] = [2, 5, 9];

    fn membership() -> StoredMembership {
        let voters = BTreeSet::from(NODES);
        let nodes: BTreeMap<u64, Member> = NODES
            .map(|node| (node, Member::default()))
            .into_iter()
            .collect();
        StoredMembership::new(
            None,
            Membership::new(vec![voters], nodes).expect("a membership"),
        )
    }

    #[test]
    fn at_each_index_it_is_the_turn_of_one_node_and_all_have_theirs() {
        let membership = membership();
        let mut had = BTreeSet::new();
        for index in 0..30 {
            let whose = NODES.into_iter().filter(|node| {
                let turn = Turn::new(*node, 10);
                turn.is_at(index, &membership)
            });
            let whose: Vec<u64> = whose.collect();
            assert_eq!(whose.len(), 1, "at {index}");
            had.extend(whose);
        }
        assert_eq!(had, BTreeSet::from(NODES));
    }

    #[test]
    fn at_each_index_every_node_waits_for_another_time() {
        let membership = membership();
        for index in 0..30 {
            let patience = NODES.map(|node| Turn::new(node, 10).patience(index, &membership));
            let different = BTreeSet::from(patience);
            let expected = [Duration::ZERO, TURN_PATIENCE, TURN_PATIENCE * 2];
            assert_eq!(different, BTreeSet::from(expected), "at {index}");
        }
    }

    #[test]
    fn who_is_no_member_waits_for_nobody() {
        let turn = Turn::new(7, 10);
        assert!((0..100).all(|index| turn.is_at(index, &membership())));
    }
}
