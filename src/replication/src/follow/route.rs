//! Which node of a region is dialled next, and when: the one that leads if it is known, else each
//! in turn, ever later while none serves.

use std::collections::BTreeMap;
use std::time::Duration;

use machine::NodeId;

use crate::follow::backoff::Backoff;
use crate::limits::{
    AVOIDED_NODE_PAUSE, BACKOFF_MAX, BACKOFF_MIN, FAULT_PAUSE_MIN, FAULTY_NODE_PAUSE,
    LOST_NODE_PAUSE, STREAM_PROVEN_AFTER,
};

/// Where the streams to one region went, and how they ended.
#[derive(Debug)]
pub(crate) struct Route {
    preferred: Option<NodeId>,
    last: Option<NodeId>,
    backoff: Backoff,
    /// Nodes that were lost or at fault.
    shunned: BTreeMap<NodeId, Shunned>,
}

/// For how long a node is left alone.
#[derive(Debug)]
struct Shunned {
    /// It is passed over until then, if there are others.
    passed_until: Duration,
    /// No stream that works is given up for it until then: one that leads, and that only this
    /// region cannot reach, would break the stream again and again.
    avoided_until: Duration,
}

/// How a stream ended, as far as the next one is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was ended here: it is opened anew at once.
    Renewed,
    /// Another node leads: it is gone to at once.
    Elsewhere(NodeId),
    /// The node could not be reached, went silent, ended it, or has no quorum.
    Lost,
    /// The node said what it should not.
    Faulty,
}

impl Default for Route {
    fn default() -> Route {
        Route {
            preferred: None,
            last: None,
            backoff: Backoff::new(BACKOFF_MIN, BACKOFF_MAX),
            shunned: BTreeMap::new(),
        }
    }
}

impl Route {
    /// Gives the node to dial next; none of an empty list.
    pub(crate) fn next(&mut self, nodes: &[NodeId], now: Duration) -> Option<NodeId> {
        self.shunned
            .retain(|node, shunned| nodes.contains(node) && shunned.avoided_until > now);
        let passed_until = |node: &NodeId| self.shunned.get(node).map(|of| of.passed_until);
        let is_good = |node: &NodeId| passed_until(node).is_none_or(|until| until <= now);
        let preferred = self.preferred.filter(|node| nodes.contains(node));
        let later = nodes.iter().filter(|node| Some(**node) > self.last);
        let in_turn = later.chain(nodes).copied();
        let next = preferred.into_iter().chain(in_turn).find(is_good);
        // Of those that are all passed over, the one that is so for the least time.
        let next = next.or_else(|| nodes.iter().copied().min_by_key(passed_until));
        self.last = next.or(self.last);
        next
    }

    /// Whether a node that is said to lead can be hoped to answer.
    pub(crate) fn may_go(&self, node: NodeId, now: Duration) -> bool {
        let shunned = self.shunned.get(&node);
        shunned.is_none_or(|shunned| shunned.avoided_until <= now)
    }

    /// Takes how the stream to `node`, which was open for `lasted`, ended, and gives the pause
    /// before the next one; `jitter` is from 0 to 1.
    pub(crate) fn ended(
        &mut self,
        node: NodeId,
        end: End,
        lasted: Duration,
        now: Duration,
        jitter: f64,
    ) -> Duration {
        if lasted >= STREAM_PROVEN_AFTER {
            self.backoff.reset();
        }
        let (passed_for, pause_min) = match end {
            End::Renewed => {
                self.preferred = Some(node);
                // Whatever makes it end at once each time is not to be a busy loop.
                return match lasted >= STREAM_PROVEN_AFTER {
                    true => Duration::ZERO,
                    false => self.backoff.pause(),
                };
            }
            End::Elsewhere(leader) => {
                self.preferred = Some(leader);
                return Duration::ZERO;
            }
            End::Lost => (LOST_NODE_PAUSE, Duration::ZERO),
            End::Faulty => (FAULTY_NODE_PAUSE, FAULT_PAUSE_MIN),
        };
        self.preferred = self.preferred.filter(|preferred| *preferred != node);
        let shunned = Shunned {
            passed_until: now.saturating_add(passed_for),
            avoided_until: now.saturating_add(AVOIDED_NODE_PAUSE),
        };
        self.shunned.insert(node, shunned);
        let pause = self.backoff.pause().max(pause_min);
        pause.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);
    const NODES: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

    #[test]
    fn nodes_are_dialled_in_turn_ever_later() {
        let (mut route, mut pauses) = (Route::default(), Vec::new());
        for wanted in [1, 2, 3, 1] {
            let node = route.next(&NODES, NOW).unwrap();
            assert_eq!(node, NodeId(wanted));
            pauses.push(route.ended(node, End::Lost, Duration::ZERO, NOW, 1.0));
        }
        assert!(pauses.is_sorted() && pauses[0] == BACKOFF_MIN, "{pauses:?}");
        for _ in 0..100 {
            let pause = route.ended(NodeId(1), End::Lost, Duration::ZERO, NOW, 1.0);
            assert!(pause <= BACKOFF_MAX);
        }
        let long = STREAM_PROVEN_AFTER;
        let pause = route.ended(NodeId(1), End::Lost, long, NOW, 0.0);
        assert_eq!(pause, BACKOFF_MIN / 2);
    }

    #[test]
    fn the_node_that_leads_is_gone_to_unless_it_was_lost_just_now() {
        let mut route = Route::default();
        let first = route.next(&NODES, NOW).unwrap();
        let leader = NodeId(3);
        route.ended(first, End::Elsewhere(leader), Duration::ZERO, NOW, 0.5);
        assert_eq!(route.next(&NODES, NOW), Some(leader));
        route.ended(leader, End::Lost, Duration::ZERO, NOW, 0.5);
        assert!(!route.may_go(leader, NOW));
        assert_ne!(route.next(&NODES, NOW), Some(leader));
        assert!(!route.may_go(leader, NOW + LOST_NODE_PAUSE));
        assert!(route.may_go(leader, NOW + AVOIDED_NODE_PAUSE));
    }

    #[test]
    fn a_node_that_said_what_it_should_not_is_passed_over_for_long() {
        let mut route = Route::default();
        let first = route.next(&NODES, NOW).unwrap();
        route.ended(first, End::Faulty, Duration::ZERO, NOW, 0.5);
        let soon = NOW + LOST_NODE_PAUSE * 2;
        for _ in 0..4 {
            let node = route.next(&NODES, soon).unwrap();
            assert_ne!(node, first);
        }
    }

    #[test]
    fn an_only_node_is_dialled_again() {
        let mut route = Route::default();
        let only = [NodeId(7)];
        route.next(&only, NOW);
        route.ended(NodeId(7), End::Lost, Duration::ZERO, NOW, 0.5);
        assert_eq!(route.next(&only, NOW), Some(NodeId(7)));
        assert_eq!(route.next(&[], NOW), None);
    }
}
