//! R32: a region that says how old at most what it shows is shows all that was acknowledged before,
//! by the primary whose epoch it is in.

use std::time::Duration;

use crate::history::Operation;
use crate::violation::{Violation, violation};

pub const NAME: &str = "R32 an age is not less than it is said to be";

/// How late the simulation may see an answer.
const SEEN_LATE: Duration = Duration::from_millis(10);

pub fn check(history: &[Operation]) -> Result<(), Violation> {
    let aged = history.iter().filter_map(|operation| {
        let (seen, answered) = (operation.seen()?, operation.answered.as_ref()?);
        // The slowest clock there is counts so much less.
        let age = seen.age? * 1_000 / 955 + SEEN_LATE;
        Some((operation, seen, answered.at.checked_sub(age)?))
    });
    for (read, seen, since) in aged {
        let missed = history.iter().find(|operation| {
            let written = operation.written();
            let is_before = operation.answered.as_ref().is_some_and(|by| by.at < since);
            is_before
                && written.is_some_and(|written| {
                    written.feed == read.feed
                        && Some(&written.epoch) == seen.cursor.epoch.as_ref()
                        && written.revision > seen.cursor.revision
                })
        });
        if let Some(missed) = missed {
            let how = format!("{read:?} does not show {missed:?}");
            return Err(violation(NAME, how));
        }
    }
    Ok(())
}
