//! I3: reads and writes of each secret are linearizable.
//!
//! The oracle is the order in which the versions stand in the end: every write is unique, so that
//! order fixes what each read may answer. A history is right when the order keeps that of the
//! clients: whatever was answered before another operation was asked stands before it.

use std::collections::BTreeMap;

use crate::history::{Kind, Operation, Violation, violation};

pub const NAME: &str = "I3 reads and writes are linearizable";

/// `order` is, per secret, every version that is there in the end, oldest first.
pub fn check(history: &[Operation], order: &[Vec<u64>]) -> Result<(), Violation> {
    for (secret, versions) in order.iter().enumerate() {
        let places: BTreeMap<u64, usize> = std::iter::once(0)
            .chain(versions.iter().copied())
            .enumerate()
            .map(|(place, number)| (number, place))
            .collect();
        let own = history
            .iter()
            .filter(|operation| operation.secret == secret);
        check_one(own, &places)?;
    }
    Ok(())
}

fn check_one<'a>(
    history: impl Iterator<Item = &'a Operation>,
    places: &BTreeMap<u64, usize>,
) -> Result<(), Violation> {
    let mut placed = Vec::new();
    for operation in history {
        let (Kind::Write(number) | Kind::Read(number)) = operation.kind;
        match places.get(&number) {
            Some(place) => placed.push((operation, *place)),
            // A lost write without an answer never happened; with one it breaks I2.
            None if matches!(operation.kind, Kind::Write(_)) => {}
            None => {
                let how = format!("a read saw write {number}, which never was: {operation:?}");
                return Err(violation(NAME, how));
            }
        }
    }
    let mut answered: Vec<_> = placed
        .iter()
        .filter_map(|(operation, place)| Some((operation.answered?, *place, *operation)))
        .collect();
    answered.sort_by_key(|(answered, ..)| *answered);
    placed.sort_by_key(|(operation, _)| operation.asked);
    let mut before = answered.into_iter().peekable();
    // The highest place answered so far bounds whatever is asked later.
    let mut highest: Option<(usize, &Operation)> = None;
    for (operation, place) in placed {
        let earlier = |answered: &u64| *answered < operation.asked;
        while let Some((_, reached, by)) = before.next_if(|(answered, ..)| earlier(answered)) {
            if highest.is_none_or(|(highest, _)| highest < reached) {
                highest = Some((reached, by));
            }
        }
        let Some((floor, by)) = highest else {
            continue;
        };
        // A write stands after whatever was answered before it was asked; a read may see the same.
        let is_write = matches!(operation.kind, Kind::Write(_));
        if place < floor || (is_write && place == floor) {
            let how = format!("{operation:?} stands before {by:?}, which was answered earlier");
            return Err(violation(NAME, how));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(kind: Kind, asked: u64, answered: u64) -> Operation {
        Operation {
            secret: 0,
            kind,
            asked,
            answered: Some(answered),
            node: 1,
        }
    }

    #[test]
    fn a_stale_read_is_no_linearizable_history() {
        let first = operation(Kind::Write(1), 1, 2);
        let second = operation(Kind::Write(2), 3, 6);
        let with = |kind, asked, answered| {
            let read = operation(kind, asked, answered);
            check(&[first.clone(), second.clone(), read], &[vec![1, 2]])
        };
        assert!(with(Kind::Read(1), 4, 5).is_ok(), "beside write 2");
        assert!(with(Kind::Read(2), 4, 5).is_ok(), "beside write 2");
        assert!(with(Kind::Read(1), 7, 8).is_err(), "after write 2");
        assert!(with(Kind::Read(0), 4, 5).is_err(), "after write 1");
    }

    #[test]
    fn a_read_that_goes_back_is_no_linearizable_history() {
        let history = [
            operation(Kind::Write(1), 1, 2),
            operation(Kind::Write(2), 3, 20),
            operation(Kind::Read(2), 4, 5),
            operation(Kind::Read(1), 6, 7),
        ];
        assert!(check(&history, &[vec![1, 2]]).is_err());
    }

    #[test]
    fn a_read_of_a_later_write_is_no_linearizable_history() {
        let history = [
            operation(Kind::Write(1), 1, 2),
            operation(Kind::Read(2), 3, 4),
            operation(Kind::Write(2), 5, 6),
        ];
        assert!(check(&history, &[vec![1, 2]]).is_err());
    }
}
