//! When a stream is dead: its node says nothing, has no quorum, or does not lead.

use std::time::Duration;

use machine::NodeId;
use thiserror::Error;

use crate::limits::{HOP_PATIENCE, LEADERLESS_MAX, STREAM_SILENCE_MAX};

/// What was heard of one stream.
#[derive(Debug)]
pub(crate) struct Pulse {
    node: NodeId,
    heard: Duration,
    leaderless_since: Option<Duration>,
    /// Another node leads, since when.
    elsewhere: Option<(NodeId, Duration)>,
}

/// Why a stream is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Dead {
    /// Nothing came.
    #[error("the node went silent")]
    Silent,
    /// Its node knows no leader with a quorum.
    #[error("the node knows no leader with a quorum")]
    NoQuorum,
    /// Another node leads, which answers sooner.
    #[error("node {0} leads")]
    Elsewhere(NodeId),
}

impl Pulse {
    /// A stream to `node` that is opened now.
    pub(crate) fn new(node: NodeId, now: Duration) -> Pulse {
        Pulse {
            node,
            heard: now,
            leaderless_since: None,
            elsewhere: None,
        }
    }

    /// Takes that a message came, or that none was asked for until now.
    pub(crate) fn heard(&mut self, now: Duration) {
        self.heard = self.heard.max(now);
    }

    /// Takes which node leads, by the stream's own; 0 for none.
    pub(crate) fn leader(&mut self, leader: u64, now: Duration) {
        if leader == 0 {
            self.leaderless_since.get_or_insert(now);
            self.elsewhere = None;
            return;
        }
        self.leaderless_since = None;
        let leader = NodeId(leader);
        self.elsewhere = match self.elsewhere {
            _ if leader == self.node => None,
            Some((known, since)) if known == leader => Some((leader, since)),
            _ => Some((leader, now)),
        };
    }

    /// Says whether the stream is to be given up. It goes to a node that leads only if that one
    /// can be hoped to answer.
    pub(crate) fn dead(&self, now: Duration, may_go: impl Fn(NodeId) -> bool) -> Option<Dead> {
        let since = |then: Duration| now.saturating_sub(then);
        if since(self.heard) > STREAM_SILENCE_MAX {
            return Some(Dead::Silent);
        }
        if self
            .leaderless_since
            .is_some_and(|then| since(then) > LEADERLESS_MAX)
        {
            return Some(Dead::NoQuorum);
        }
        let (leader, then) = self.elsewhere?;
        let is_settled = since(then) > HOP_PATIENCE;
        (is_settled && may_go(leader)).then_some(Dead::Elsewhere(leader))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(1);

    fn anywhere(_: NodeId) -> bool {
        true
    }

    #[test]
    fn a_stream_on_which_nothing_comes_is_dead() {
        let mut pulse = Pulse::new(NodeId(1), Duration::ZERO);
        assert_eq!(pulse.dead(STREAM_SILENCE_MAX, anywhere), None);
        let late = STREAM_SILENCE_MAX + STEP;
        assert_eq!(pulse.dead(late, anywhere), Some(Dead::Silent));
        pulse.heard(STEP);
        assert_eq!(pulse.dead(late, anywhere), None);
    }

    #[test]
    fn a_node_without_a_leader_is_left_after_a_while() {
        let mut pulse = Pulse::new(NodeId(1), Duration::ZERO);
        let late = LEADERLESS_MAX + STEP;
        pulse.leader(0, Duration::ZERO);
        pulse.leader(0, LEADERLESS_MAX);
        pulse.heard(late);
        assert_eq!(pulse.dead(LEADERLESS_MAX, anywhere), None);
        assert_eq!(pulse.dead(late, anywhere), Some(Dead::NoQuorum));
        pulse.leader(1, late);
        assert_eq!(pulse.dead(late, anywhere), None);
    }

    #[test]
    fn a_stream_goes_to_the_node_that_leads_when_that_has_settled() {
        let mut pulse = Pulse::new(NodeId(1), Duration::ZERO);
        pulse.leader(2, Duration::ZERO);
        pulse.leader(3, STEP);
        pulse.leader(3, HOP_PATIENCE);
        let settled = HOP_PATIENCE + STEP + STEP;
        assert_eq!(pulse.dead(HOP_PATIENCE, anywhere), None);
        assert_eq!(
            pulse.dead(settled, anywhere),
            Some(Dead::Elsewhere(NodeId(3)))
        );
        assert_eq!(pulse.dead(settled, |node| node != NodeId(3)), None);
        pulse.leader(1, settled);
        assert_eq!(pulse.dead(settled, anywhere), None);
    }
}
