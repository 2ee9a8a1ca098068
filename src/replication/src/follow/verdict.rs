//! Proposals about another region's feed, and what follows from their answers.

use consensus::{Committed, Unavailable, View};
use machine::{Command, FeedId, LogIndex, Rejection};
use tokio::time::sleep;

use crate::follow::Following;
use crate::follow::backoff::Backoff;
use crate::follow::failed::Failed;
use crate::follow::trouble::Trouble;
use crate::limits::{SETTLE_PAUSE_MAX, SETTLE_PAUSE_MIN};

/// What became of a proposal, and the state after it.
pub(crate) enum Settled {
    /// It is done.
    Done(View),
    /// It is not known whether it is done, or another proposal was there before: this is what the
    /// quorum has.
    Unclear(View),
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is done: a view at the index shows it.
    Done(LogIndex),
    /// What the quorum has says how to go on.
    Reread,
    /// Nothing was written: the same may be proposed again, a little later.
    Again,
    /// What is kept of a snapshot is of another one.
    Moved,
    /// It is of no use to propose it again.
    Trouble(Trouble),
}

impl Following {
    /// Proposes a command about `feed` until it is known what became of it, ever later while
    /// nothing is written.
    pub(crate) async fn settle(
        &self,
        task: &'static str,
        feed: &FeedId,
        command: Command,
    ) -> Result<Settled, Failed> {
        let mut backoff = Backoff::new(SETTLE_PAUSE_MIN, SETTLE_PAUSE_MAX);
        loop {
            let answered = self.propose(task, command.clone()).await;
            let settled = match judge(feed, answered) {
                Verdict::Done(index) => self.view_at(index).await.map(Settled::Done).ok(),
                Verdict::Reread => self.read().await.map(Settled::Unclear).ok(),
                Verdict::Again => None,
                Verdict::Moved => return Err(Failed::Moved),
                Verdict::Trouble(trouble) => return Err(trouble.into()),
            };
            if let Some(settled) = settled {
                return Ok(settled);
            }
            sleep(backoff.pause()).await;
        }
    }
}

/// Judges the answer to a proposal about `feed`.
pub(crate) fn judge(feed: &FeedId, answered: Result<Committed, Unavailable>) -> Verdict {
    match answered {
        Ok(committed) => match committed.answer {
            Ok(_outcome) => Verdict::Done(committed.index),
            Err(rejection) => refused(feed, rejection),
        },
        Err(Unavailable::OutcomeUnknown) => Verdict::Reread,
        Err(Unavailable::EntryTooLarge { .. }) => Verdict::Trouble(Trouble::TooLarge(feed.clone())),
        Err(_) => Verdict::Again,
    }
}

fn refused(feed: &FeedId, rejection: Rejection) -> Verdict {
    match rejection {
        Rejection::CursorMoved { .. } => Verdict::Reread,
        Rejection::SnapshotMoved(_) => Verdict::Moved,
        Rejection::SnapshotForeign(_) => Verdict::Trouble(Trouble::Diverged(feed.clone())),
        Rejection::StreamBroken { feed, at, flaw } => {
            Verdict::Trouble(Trouble::Broken { feed, at, flaw })
        }
        reason => Verdict::Trouble(Trouble::Refused {
            feed: feed.clone(),
            source: Box::new(reason),
        }),
    }
}

#[cfg(test)]
mod tests {
    use machine::{Flaw, Outcome, Revision};

    use super::*;

    fn answered(answer: Result<Outcome, Rejection>) -> Result<Committed, Unavailable> {
        Ok(Committed {
            answer,
            positions: Vec::new(),
            index: LogIndex(9),
        })
    }

    #[test]
    fn what_was_not_written_is_proposed_again_and_what_may_be_is_looked_up() {
        let feed = FeedId::Root;
        let judged = |answer| judge(&feed, answer);
        assert_eq!(
            judged(answered(Ok(Outcome::None))),
            Verdict::Done(LogIndex(9))
        );
        assert_eq!(judged(Err(Unavailable::NoQuorum)), Verdict::Again);
        assert_eq!(judged(Err(Unavailable::NoSpace)), Verdict::Again);
        assert_eq!(judged(Err(Unavailable::OutcomeUnknown)), Verdict::Reread);
        let moved = Rejection::CursorMoved {
            feed: feed.clone(),
            now: Revision(3),
        };
        assert_eq!(judged(answered(Err(moved))), Verdict::Reread);
    }

    #[test]
    fn what_the_rules_refuse_is_a_trouble_with_the_reason() {
        let feed = FeedId::Root;
        let broken = Rejection::StreamBroken {
            feed: feed.clone(),
            at: Revision(3),
            flaw: Flaw::Epoch,
        };
        let wanted = Trouble::Broken {
            feed: feed.clone(),
            at: Revision(3),
            flaw: Flaw::Epoch,
        };
        assert_eq!(
            judge(&feed, answered(Err(broken))),
            Verdict::Trouble(wanted)
        );
        for source in [
            Rejection::ScopeNeeded(feed.clone()),
            Rejection::FeedIsOurs(feed.clone()),
            Rejection::FeedNotFound(feed.clone()),
        ] {
            let wanted = Trouble::Refused {
                feed: feed.clone(),
                source: Box::new(source.clone()),
            };
            assert_eq!(
                judge(&feed, answered(Err(source))),
                Verdict::Trouble(wanted)
            );
        }
        let foreign = Rejection::SnapshotForeign(feed.clone());
        let wanted = Verdict::Trouble(Trouble::Diverged(feed.clone()));
        assert_eq!(judge(&feed, answered(Err(foreign))), wanted);
    }

    #[test]
    fn an_entry_that_the_log_does_not_take_is_not_proposed_again() {
        let too_large = Err(Unavailable::EntryTooLarge {
            bytes: 9,
            limit_bytes: 8,
        });
        let judged = judge(&FeedId::Root, too_large);
        assert_eq!(judged, Verdict::Trouble(Trouble::TooLarge(FeedId::Root)));
    }
}
