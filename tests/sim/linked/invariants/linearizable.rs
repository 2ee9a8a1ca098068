//! I3: within an epoch, writes and reads of a feed at its primary are linearizable, and what any
//! region answers never goes back: whatever was answered before something else was asked there
//! stands before it in the feed's history. What a read showed, and what a write did, is what that
//! history has at their places.

use std::collections::BTreeMap;

use machine::{Cursor, FeedId, Hash, Secret, Uid};

use crate::chronicle::Chronicle;
use crate::history::{Kind, Operation};
use crate::ops::What;
use crate::region;
use crate::service::Seen;
use crate::vault;
use crate::violation::{Violation, violation};

pub const NAME: &str = "I3 what a region answers of a feed is linearizable";

pub fn check(history: &[Operation], chronicle: &Chronicle) -> Result<(), Violation> {
    let mut placed: BTreeMap<(u64, &FeedId), Vec<Placed<'_>>> = BTreeMap::new();
    for operation in history {
        let at = if let Some(position) = operation.written() {
            let found = chronicle.cursor_at(position);
            let lost = || violation(NAME, format!("a write that is nowhere: {operation:?}"));
            let at = found.ok_or_else(lost)?;
            did(operation, &at, chronicle)?;
            at
        } else if let Some(seen) = operation.seen() {
            showed(operation, seen, chronicle)?;
            seen.cursor.clone()
        } else {
            continue;
        };
        let key = (operation.region, &operation.feed);
        placed
            .entry(key)
            .or_default()
            .push(Placed { operation, at });
    }
    for ((_, feed), placed) in placed {
        in_order(feed, placed, chronicle)?;
    }
    Ok(())
}

struct Placed<'a> {
    operation: &'a Operation,
    at: Cursor,
}

impl Placed<'_> {
    fn answered(&self) -> u64 {
        let answered = self.operation.answered.as_ref();
        answered.expect("an answer").moment
    }
}

fn in_order(
    feed: &FeedId,
    mut placed: Vec<Placed<'_>>,
    chronicle: &Chronicle,
) -> Result<(), Violation> {
    let mut by_answer: Vec<usize> = (0..placed.len()).collect();
    placed.sort_by_key(|one| one.operation.asked);
    by_answer.sort_by_key(|at| placed[*at].answered());
    let mut before = by_answer.into_iter().peekable();
    // The furthest place answered so far bounds whatever is asked later.
    let mut floor: Option<&Placed<'_>> = None;
    for one in &placed {
        let is_earlier = |at: &usize| placed[*at].answered() < one.operation.asked;
        while let Some(at) = before.next_if(is_earlier) {
            if floor.is_none_or(|floor| floor.at.revision < placed[at].at.revision) {
                floor = Some(&placed[at]);
            }
        }
        let Some(floor) = floor else {
            continue;
        };
        let is_write = one.operation.written().is_some();
        let is_same = one.at.chain == floor.at.chain;
        let follows = chronicle.is_beginning(feed, &floor.at, &one.at) == Some(true);
        // A write that changed nothing stands where the feed stood.
        let did_nothing = is_same && is_write && one.operation.is_idle();
        if !follows || (is_write && is_same && !did_nothing) {
            let (now, then) = (one.operation, floor.operation);
            let how = format!("{now:?} stands before {then:?}, which was answered earlier");
            return Err(violation(NAME, how));
        }
    }
    Ok(())
}

/// Checks that a write did what it was for.
fn did(operation: &Operation, at: &Cursor, chronicle: &Chronicle) -> Result<(), Violation> {
    let Kind::Write { what, number } = &operation.kind else {
        return Ok(());
    };
    let (feed, uid) = (&operation.feed, operation.uid);
    let row = chronicle.row_at(feed, at.chain, uid);
    let secret = row.and_then(|row| chronicle.secret(&row));
    let is_done = match (what, secret) {
        (What::Purge, secret) => secret.is_none(),
        (_, None) => false,
        (What::Create | What::Put, Some(secret)) => Some(current(secret)) == *number,
        (What::Tag, Some(secret)) => {
            let mut tags = secret.tags.iter();
            tags.any(|tag| tag.value.parse().ok() == *number)
        }
        (What::Delete, Some(secret)) => secret.is_scheduled(),
        (What::Restore, Some(secret)) => !secret.is_scheduled(),
        (What::Stage | What::Share | What::Unshare | What::Detach, Some(_)) => true,
    };
    match is_done {
        true => Ok(()),
        false => {
            let how = format!("{operation:?} left {secret:?}");
            Err(violation(NAME, how))
        }
    }
}

/// Checks that a read showed what the history has.
fn showed(operation: &Operation, seen: &Seen, chronicle: &Chronicle) -> Result<(), Violation> {
    let (feed, uid) = (&operation.feed, operation.uid);
    let row = chronicle.row_at(feed, seen.cursor.chain, uid);
    let is_right = match (seen.secret, row) {
        (None, None) => true,
        (None, Some(row)) => may_lack(operation, seen, row, chronicle),
        (Some(_), None) => false,
        (Some((shown, current)), Some(row)) => shown == row && is_current(&row, current, chronicle),
    };
    match is_right {
        true => Ok(()),
        false => Err(violation(
            NAME,
            format!("the history has {row:?}: {operation:?}"),
        )),
    }
}

fn is_current(row: &Hash, number: u64, chronicle: &Chronicle) -> bool {
    let secret = chronicle.secret(row);
    secret.is_none_or(|secret| current(secret) == number)
}

/// Whether a region need not have a secret: one that was not shared with it, or whose name is
/// another's there. What a region's own feed has it always has.
fn may_lack(operation: &Operation, seen: &Seen, row: Hash, chronicle: &Chronicle) -> bool {
    let is_home = operation.feed == region::home(operation.region);
    let is_member = chronicle
        .members(&row)
        .is_none_or(|members| members.contains(&region::name(operation.region)));
    !(is_home && seen.is_led && is_member)
}

fn current(secret: &Secret) -> u64 {
    secret
        .current()
        .map_or(0, |current| vault::number(&current.id))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use machine::{Epoch, Position, Revision};

    use super::*;
    use crate::history::{Answer, Answered};

    fn read(asked: u64, answered: u64, revision: u64) -> Operation {
        let epoch = Epoch {
            number: 1,
            region: region::name(1),
        };
        let cursor = Cursor {
            epoch: Some(epoch),
            revision: Revision(revision),
            chain: Hash([u8::try_from(revision).unwrap(); 32]),
        };
        let seen = Seen {
            cursor,
            is_led: true,
            secret: None,
            age: None,
            token: machine::Token::default(),
            heard: None,
        };
        Operation {
            region: 1,
            host: 11,
            feed: region::home(1),
            uid: Uid([1; 16]),
            asked,
            asked_at: Duration::ZERO,
            kind: Kind::Read { token: None },
            answered: Some(Answered {
                moment: answered,
                at: Duration::ZERO,
                answer: Answer::Saw(seen),
            }),
        }
    }

    #[test]
    fn an_answer_that_goes_back_is_no_linearizable_history() {
        let chronicle = Chronicle::default();
        let history = [read(1, 2, 5), read(3, 4, 4)];
        assert!(check(&history, &chronicle).is_err());
        let beside = [read(1, 4, 5), read(2, 3, 4)];
        assert!(check(&beside, &chronicle).is_ok());
    }

    #[test]
    fn a_write_that_is_in_no_history_is_found() {
        let mut write = read(1, 2, 5);
        write.kind = Kind::Write {
            what: What::Put,
            number: Some(1),
        };
        let position = Position {
            feed: region::home(1),
            epoch: Epoch {
                number: 1,
                region: region::name(1),
            },
            revision: Revision(5),
        };
        write.answered.as_mut().unwrap().answer = Answer::Written(position, None);
        assert!(check(&[write], &Chronicle::default()).is_err());
    }
}
