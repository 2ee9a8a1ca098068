//! When a call may be answered, and what a failed sync does.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{TryRecvError, channel};

use strongroom_audit::Fault;
use tempfile::tempdir;

use crate::support::{all, each, open_ordered, options, record, wait_until};

#[test]
fn with_each_nothing_is_settled_before_its_sync() {
    let temp = tempdir().unwrap();
    let (trail, orders, _) = open_ordered(temp.path(), each());
    wait_until(|| trail.held().unsynced == 0);
    orders.holds_syncs.store(true, Ordering::SeqCst);
    let (told, settled) = channel();
    for at in 0..10 {
        let (ticket, told) = (trail.record(&record(at)).unwrap(), told.clone());
        let done = Box::new(move |result: Result<(), Fault>| told.send((ticket, result)).unwrap());
        trail.settle(ticket, done);
    }
    // They are written, but not durable.
    assert_eq!(all(temp.path()).len(), 10);
    assert_eq!(settled.try_recv().unwrap_err(), TryRecvError::Empty);
    assert_eq!(trail.held().waiting, 10);
    orders.holds_syncs.store(false, Ordering::SeqCst);
    let results: Vec<_> = settled.iter().take(10).collect();
    assert!(results.iter().all(|(_, result)| result.is_ok()));
    assert_eq!(trail.held().unsynced, 0);
}

#[test]
fn with_an_interval_calls_are_settled_at_once_and_synced_soon() {
    let temp = tempdir().unwrap();
    let (trail, orders, _) = open_ordered(temp.path(), options());
    wait_until(|| orders.syncs.load(Ordering::SeqCst) > 0);
    orders.holds_syncs.store(true, Ordering::SeqCst);
    for at in 0..1000 {
        trail.wait(trail.record(&record(at)).unwrap()).unwrap();
        // Files that are full are synced before too many more are.
        orders.holds_syncs.store(at < 50, Ordering::SeqCst);
    }
    let syncs = orders.syncs.load(Ordering::SeqCst);
    wait_until(|| trail.held().unsynced == 0);
    assert!(syncs < 500, "{syncs} syncs for 1000 records");
}

#[test]
fn records_that_wait_for_one_sync_share_the_next() {
    let temp = tempdir().unwrap();
    let (trail, orders, _) = open_ordered(temp.path(), each());
    wait_until(|| trail.held().unsynced == 0);
    orders.holds_syncs.store(true, Ordering::SeqCst);
    let first = trail.record(&record(0)).unwrap();
    let begun = orders.syncs.load(Ordering::SeqCst);
    let tickets: Vec<_> = (1..50)
        .map(|at| trail.record(&record(at)).unwrap())
        .collect();
    orders.holds_syncs.store(false, Ordering::SeqCst);
    trail.wait(first).unwrap();
    tickets
        .iter()
        .for_each(|ticket| trail.wait(*ticket).unwrap());
    let syncs = orders.syncs.load(Ordering::SeqCst) - begun;
    assert!(syncs <= 3, "{syncs} syncs for 50 records");
}

#[test]
fn after_a_failed_sync_nothing_is_recorded_settled_or_synced_again() {
    for options in [each(), options()] {
        let temp = tempdir().unwrap();
        let (trail, orders, told) = open_ordered(temp.path(), options);
        trail.record(&record(0)).unwrap();
        // The file that is set aside is synced too.
        wait_until(|| trail.has_spare_file() && trail.held().unsynced == 0);
        orders.fails_syncs.store(true, Ordering::SeqCst);
        let ticket = trail.record(&record(1)).unwrap();
        wait_until(|| !told.faults().is_empty());
        orders.fails_syncs.store(false, Ordering::SeqCst);
        let syncs = orders.syncs.load(Ordering::SeqCst);
        let fault = trail.wait(ticket).unwrap_err();
        assert!(!fault.may_pass());
        assert!(trail.record(&record(2)).is_err());
        drop(trail);
        assert_eq!(orders.syncs.load(Ordering::SeqCst), syncs);
        let faults = told.faults();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("could not sync"), "{faults:?}");
        assert_eq!(all(temp.path()).len(), 2);
    }
}

#[test]
fn after_a_failed_write_nobody_waits_for_ever_and_nothing_is_recorded() {
    let temp = tempdir().unwrap();
    let (trail, orders, told) = open_ordered(temp.path(), each());
    wait_until(|| trail.has_spare_file() && trail.held().unsynced == 0);
    orders.holds_syncs.store(true, Ordering::SeqCst);
    let ticket = trail.record(&record(0)).unwrap();
    let (answer, answered) = channel();
    let done = Box::new(move |result: Result<(), Fault>| answer.send(result).unwrap());
    trail.settle(ticket, done);
    orders.fails_writes.store(true, Ordering::SeqCst);
    let fault = trail.record(&record(1)).unwrap_err();
    assert!(!fault.may_pass());
    assert_eq!(told.faults(), [fault.to_string()]);
    orders.fails_writes.store(false, Ordering::SeqCst);
    orders.holds_syncs.store(false, Ordering::SeqCst);
    assert!(
        answered.recv().unwrap().is_err(),
        "after a fault nothing is settled"
    );
    assert!(trail.record(&record(2)).is_err());
    assert_eq!(told.faults().len(), 1);
}

#[test]
fn a_trail_that_is_closed_is_durable() {
    let temp = tempdir().unwrap();
    let (trail, orders, _) = open_ordered(temp.path(), options());
    // The header is synced, and the next file is ready: nothing else will be synced.
    wait_until(|| trail.has_spare_file());
    wait_until(|| orders.syncs.load(Ordering::SeqCst) == 3);
    trail.record(&record(0)).unwrap();
    drop(trail);
    assert_eq!(orders.syncs.load(Ordering::SeqCst), 4);
}
