//! R7: whoever brings a position is shown a history that it is part of, or is told that it is lost,
//! which is true then.

use machine::{Cursor, Position};

use crate::chronicle::Chronicle;
use crate::history::{Answer, Kind, Operation};
use crate::violation::{Violation, violation};

pub const NAME: &str = "R7 positions are honoured";

pub fn check(history: &[Operation], chronicle: &Chronicle) -> Result<(), Violation> {
    for operation in history {
        let (Kind::Read { token: Some(token) }, Some(answered)) =
            (&operation.kind, &operation.answered)
        else {
            continue;
        };
        let held = match &answered.answer {
            Answer::Written(..) => continue,
            Answer::Lost(position, now) => {
                let (lost, now) = (find(chronicle, position)?, find(chronicle, now)?);
                let is_held = chronicle.is_beginning(&position.feed, &lost, &now);
                if is_held != Some(false) {
                    let how = format!("{position} is not lost: {operation:?}");
                    return Err(violation(NAME, how));
                }
                continue;
            }
            Answer::Saw(seen) => &seen.token.positions,
        };
        for position in &token.positions {
            let mut held = held.iter().filter(|held| held.feed == position.feed);
            let now = held.next().map(|held| find(chronicle, held)).transpose()?;
            let seen = find(chronicle, position)?;
            let is_held = now.and_then(|now| chronicle.is_beginning(&position.feed, &seen, &now));
            if is_held != Some(true) {
                let how = format!("{position} is not in what was shown: {operation:?}");
                return Err(violation(NAME, how));
            }
        }
    }
    Ok(())
}

fn find(chronicle: &Chronicle, position: &Position) -> Result<Cursor, Violation> {
    let found = chronicle.cursor_at(position);
    found.ok_or_else(|| violation(NAME, format!("nobody ever was at {position}")))
}
