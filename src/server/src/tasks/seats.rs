//! Logs who leads, votes and learns: one line for each change.

use consensus::{Role, Seats};
use machine::NodeId;

use super::Tasks;

/// What is new.
#[derive(Debug, PartialEq, Eq)]
enum News {
    /// This node leads.
    Gained,
    /// It led before.
    Lost,
    /// Another one leads.
    Follows(NodeId),
    /// It asks for votes, for the first time since a leader was heard.
    Stands,
    /// Others vote or learn than before.
    Members,
}

/// What was logged so far.
#[derive(Default)]
struct Logged {
    known: Option<Seats>,
    stands: bool,
}

impl Tasks {
    /// Waits for changes until the node stops.
    pub(super) async fn log_seats(self) {
        let mut logged = Logged::default();
        while let Some(now) = self.consensus.seats(logged.known.as_ref()).await {
            for news in logged.news(&now) {
                news.log(&now);
                if let Some(method) = news.act() {
                    let term = format!("term/{}", now.term);
                    self.done("consensus", method, &term);
                }
            }
            logged.known = Some(now);
        }
    }
}

impl Logged {
    /// What is new in this. A node without a quorum stands for election again and again: that is
    /// news once.
    fn news(&mut self, now: &Seats) -> Vec<News> {
        let before = self.known.as_ref();
        let leads = |seats: &Seats| seats.role == Role::Leader;
        let led = before.is_some_and(leads);
        let is_led_anew = before.is_none_or(|before| {
            (before.leader, before.term) != (now.leader, now.term) || led != leads(now)
        });
        let mut news = Vec::new();
        if led && !leads(now) {
            news.push(News::Lost);
        }
        if leads(now) && is_led_anew {
            news.push(News::Gained);
            self.stands = false;
        }
        if let Some(leader) = now
            .leader
            .filter(|leader| *leader != now.node && is_led_anew)
        {
            news.push(News::Follows(leader));
            self.stands = false;
        }
        if now.role == Role::Candidate && !std::mem::replace(&mut self.stands, true) {
            news.push(News::Stands);
        }
        let members = |seats: &Seats| (seats.voters.clone(), seats.learners.clone());
        if before.map(members).unwrap_or_default() != members(now) {
            news.push(News::Members);
        }
        news
    }
}

impl News {
    /// What it is in a record; none of what others do.
    fn act(&self) -> Option<&'static str> {
        match self {
            Self::Gained => Some("BecomeLeader"),
            Self::Lost => Some("CeaseToLead"),
            Self::Members => Some("SeeMembers"),
            Self::Follows(_) | Self::Stands => None,
        }
    }

    fn log(&self, now: &Seats) {
        // A development region has several nodes in one log.
        let (node, term) = (now.node.0, now.term);
        let ids = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect::<Vec<_>>();
        match self {
            Self::Gained => tracing::info!(node, term, "leadership gained"),
            Self::Lost => tracing::info!(node, term, "leadership lost"),
            Self::Follows(leader) => {
                tracing::info!(node, term, leader = leader.0, "another node leads");
            }
            Self::Stands => {
                tracing::info!(node, term, "no leader is heard, standing for election");
            }
            Self::Members => {
                let (voters, learners) = (ids(&now.voters), ids(&now.learners));
                tracing::info!(node, ?voters, ?learners, "members changed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(role: Role, term: u64, leader: Option<u64>) -> Seats {
        Seats {
            node: NodeId(1),
            role,
            term,
            leader: leader.map(NodeId),
            voters: [1, 2, 3].map(NodeId).to_vec(),
            learners: Vec::new(),
        }
    }

    #[test]
    fn each_change_is_news_once() {
        let mut logged = Logged::default();
        let mut news = |now: Seats| {
            let news = logged.news(&now);
            logged.known = Some(now);
            news
        };
        let follower = seats(Role::Follower, 1, Some(2));
        assert_eq!(news(follower), [News::Follows(NodeId(2)), News::Members]);
        // The lost leader is still named while nobody else is elected.
        let candidate = || seats(Role::Candidate, 1, Some(2));
        assert_eq!(news(candidate()), [News::Stands]);
        assert_eq!(news(seats(Role::Follower, 1, Some(2))), []);
        assert_eq!(news(candidate()), []);
        assert_eq!(news(seats(Role::Leader, 2, Some(1))), [News::Gained]);
        let joined = Seats {
            learners: vec![NodeId(4)],
            ..seats(Role::Leader, 2, Some(1))
        };
        assert_eq!(news(joined.clone()), [News::Members]);
        let lost = Seats {
            role: Role::Follower,
            term: 3,
            leader: Some(NodeId(3)),
            ..joined
        };
        assert_eq!(news(lost), [News::Lost, News::Follows(NodeId(3))]);
    }
}
