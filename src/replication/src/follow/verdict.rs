//! What follows from the answer to a proposal about another region's feed.

use consensus::{Committed, Unavailable};
use machine::{FeedId, LogIndex, Rejection};

use crate::follow::trouble::Trouble;

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is done: a view at the index shows it.
    Done(LogIndex),
    /// It is not known whether it is done, or another proposal was there before: what the quorum
    /// has says how to go on.
    Reread,
    /// Nothing was written: the same may be proposed again, a little later.
    Again,
    /// The kept part of a snapshot is of another one: it is forgotten, and begun anew.
    Restage,
    /// It is of no use to propose it again.
    Trouble(Trouble),
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
        Rejection::SnapshotMoved(_) => Verdict::Restage,
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
