//! Opens a store after a power cut and holds it against the ledger.

use std::path::Path;
use std::sync::mpsc::sync_channel;

use store::Log;

use crate::content::{self, Table, Terms};
use crate::ledger::Ledger;
use crate::node::Node;

/// What was found.
pub struct Found {
    /// Exactly what the store holds now.
    pub ledger: Ledger,
    /// Whether a torn end of the log was cut off.
    pub torn: bool,
}

/// The error says what is wrong, in one line.
type Verdict<T> = Result<T, String>;

/// Opens the store in `directory`; it must hold everything acknowledged, nothing that was never
/// asked for, and take new records.
pub fn verify(directory: &Path, keyring: &Path, ledger: &Ledger) -> Verdict<Found> {
    let mut chain = String::new();
    let node = Node::open(directory, keyring).map_err(|error| {
        let mut cause: Option<&dyn std::error::Error> = Some(&*error);
        while let Some(error) = cause {
            chain += &format!(": {error}");
            cause = error.source();
        }
        format!("the store does not open{chain}")
    })?;
    let vote = vote(&node, ledger)?;
    let (terms, purged) = log(&node, ledger)?;
    let history = ledger.history(&terms);
    let snapshot = snapshot(&node, ledger, &history, purged)?;
    let rows = rows(&node, ledger, &history, purged)?;
    goes_on(&node)?;
    Ok(Found {
        ledger: ledger.found(terms, vote, purged, rows, snapshot),
        torn: node.log.torn().is_some(),
    })
}

fn vote(node: &Node, ledger: &Ledger) -> Verdict<u64> {
    let vote = node.log.vote().map_err(|fault| fault.to_string())?;
    let term = vote.map_or(Some(0), |vote| {
        content::read_mark(&vote).map(|(term, _)| term)
    });
    let term = term.ok_or("the vote is not one that was saved")?;
    check(ledger.votes().contains(&term), || {
        format!("the vote is {term}, not one of {:?}", ledger.votes())
    })?;
    Ok(term)
}

/// Answers the log that was found, with what was purged before, and the purge mark.
fn log(node: &Node, ledger: &Ledger) -> Verdict<(Terms, u64)> {
    let bounds = node.log.bounds().map_err(|fault| fault.to_string())?;
    let index = |mark: &Option<store::Mark>| mark.as_ref().map_or(0, |mark| mark.index);
    let (purged, last) = (index(&bounds.purged), index(&bounds.last));
    check(ledger.purges().contains(&purged), || {
        format!("purged up to {purged}, not one of {:?}", ledger.purges())
    })?;
    let records = node
        .log
        .read(purged + 1..last + 1)
        .map_err(|fault| fault.to_string())?;
    let mut found = Terms::new();
    for (record, expected) in records.iter().zip(purged + 1..) {
        let term = content::read_mark(&record.mark).map_or(0, |(term, _)| term);
        check(record.index == expected, || {
            format!("record {expected} is missing")
        })?;
        check(*record == content::record(record.index, term), || {
            format!("record {expected} is not what was appended")
        })?;
        found.insert(record.index, term);
    }
    check(records.len() as u64 == last - purged, || {
        format!("{} records from {purged} to {last}", records.len())
    })?;
    let logs = ledger.logs();
    let matching = logs
        .iter()
        .rev()
        .find(|log| log.range(purged + 1..).eq(found.iter()));
    let terms = matching.ok_or_else(|| {
        let lasts = [logs.first(), logs.last()].map(|log| log.and_then(Terms::last_key_value));
        format!(
            "the log ends with {:?}, acknowledged and begun: {lasts:?}",
            found.last_key_value()
        )
    })?;
    let committed = node.log.committed().map_err(|fault| fault.to_string())?;
    check(index(&committed) <= last, || {
        "committed beyond the log".into()
    })?;
    Ok((terms.clone(), purged))
}

/// Every named snapshot must be whole; the latest must reach the log.
fn snapshot(node: &Node, ledger: &Ledger, terms: &Terms, purged: u64) -> Verdict<u64> {
    let list = node.snapshots.list().map_err(|error| error.to_string())?;
    let mut latest = 0;
    for file in list.iter().rev() {
        let named = |error: &dyn std::fmt::Display| format!("snapshot {}: {error}", file.id());
        let reader = node.snapshots.read(file).map_err(|error| named(&error))?;
        let meta = content::read_mark(reader.meta()).ok_or(named(&"wrong meta"))?;
        let rows: Result<Table, _> = reader.collect();
        let rows = rows.map_err(|error| named(&error))?;
        check(terms.get(&meta.1) == Some(&meta.0), || {
            named(&"of a log that was not kept")
        })?;
        check(rows == content::table(terms, meta.1), || {
            named(&"wrong rows")
        })?;
        latest = meta.1;
    }
    check(latest >= ledger.snapshot(), || {
        format!(
            "the latest snapshot is {latest}, {} was acknowledged",
            ledger.snapshot()
        )
    })?;
    check(latest >= purged, || {
        format!("purged to {purged}, the snapshot is {latest}")
    })?;
    Ok(latest)
}

/// The rows must be one of the states written, whole, and the log must go on from there.
fn rows(node: &Node, ledger: &Ledger, terms: &Terms, purged: u64) -> Verdict<u64> {
    let meta = node.rows.meta().map_err(|fault| fault.to_string())?;
    let mark = meta.map_or(Some((0, 0)), |meta| content::read_mark(&meta));
    let (term, applied) = mark.ok_or("the rows have a wrong meta")?;
    let rows: Result<Table, _> = node.rows.scan().collect();
    let rows = rows.map_err(|fault| fault.to_string())?;
    check(rows == content::table(terms, applied), || {
        format!("wrong rows at {applied}")
    })?;
    check(!node.rebuilt || ledger.rows()[0] == 0, || {
        "the rows of a checkpoint were given up".into()
    })?;
    check(ledger.rows().contains(&applied), || {
        format!(
            "the rows are at {applied}, not at one of {:?}",
            ledger.rows()
        )
    })?;
    check(applied == 0 || terms.get(&applied) == Some(&term), || {
        format!("the rows are at {applied} of a log that was not kept")
    })?;
    check(applied >= purged, || {
        format!("purged to {purged}, the rows are at {applied}")
    })?;
    Ok(applied)
}

fn goes_on(node: &Node) -> Verdict<()> {
    let bounds = node.log.bounds().map_err(|fault| fault.to_string())?;
    let last = bounds.last.map_or(0, |mark| mark.index);
    let record = content::record(last + 1, u64::MAX >> 1);
    let (answer, answered) = sync_channel(1);
    let done = move |result| answer.send(result).unwrap();
    node.log.append(vec![record.clone()], Box::new(done));
    answered
        .recv()
        .unwrap()
        .map_err(|fault| format!("takes no new record: {fault}"))?;
    let read = node
        .log
        .read(last + 1..last + 2)
        .map_err(|fault| fault.to_string())?;
    check(read == [record], || {
        "a new record does not read back".into()
    })
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict<()> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
