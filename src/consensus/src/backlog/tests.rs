//! How much may be written behind apply, when it is written, and what waits for what.

use futures::FutureExt;
use machine::State;

use super::*;
use crate::limits::{BACKLOG_BATCH_MAX, BACKLOG_ROOM_BYTES};
use crate::view::Era;

fn root() -> Arc<Root> {
    Arc::new(Root {
        state: State::new(),
        applied: None,
        membership: Default::default(),
        era: Era::default(),
    })
}

fn push(backlog: &Backlog, changes: Vec<RowChange>) {
    backlog.push(changes, Era::default().watch(), root(), root());
}

fn put(key: u8, bytes: usize) -> RowChange {
    RowChange::Put(vec![key], vec![0; bytes].into())
}

#[test]
fn apply_waits_until_a_backlog_without_room_is_written() {
    let backlog = Backlog::new(0);
    assert!(backlog.room().now_or_never().is_some());
    push(&backlog, vec![put(1, BACKLOG_ROOM_BYTES)]);
    assert!(backlog.room().now_or_never().is_none());
    let taken = backlog.take(Duration::ZERO);
    assert_eq!(taken.rows.len(), 1);
    assert!(backlog.room().now_or_never().is_none(), "not yet written");
    backlog.has_written(1);
    assert!(backlog.room().now_or_never().is_some());
    assert_eq!(backlog.written(), 1);
}

#[test]
fn rows_gather_until_they_are_many_or_something_is_asked_for() {
    let forever = Duration::from_secs(3_600);
    let gathers_until = |step: &dyn Fn(&Backlog)| {
        let backlog = Arc::new(Backlog::new(0));
        push(&backlog, vec![put(1, 1)]);
        let (gathering, ended) = (Arc::clone(&backlog), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            gathering.gather(forever);
            ended.0.send(())
        });
        step(&backlog);
        ended.1.recv_timeout(Duration::from_secs(60)).unwrap();
    };
    gathers_until(&|backlog| push(backlog, vec![put(2, BACKLOG_GATHER_BYTES)]));
    gathers_until(&|backlog| {
        drop(backlog.install(root(), Box::new(|| Ok(Box::new(std::iter::empty())))));
    });
    gathers_until(&Backlog::stop);
    gathers_until(&|backlog| {
        backlog.set_deferred(DEFERRED_VALUES_MAX);
        push(backlog, vec![RowChange::DeleteValue(vec![2])]);
    });
    let few = Backlog::new(0);
    push(&few, vec![put(1, 1)]);
    few.gather(Duration::from_millis(1));
    assert_eq!(few.take(Duration::ZERO).rows.len(), 1, "nor for ever");
}

#[tokio::test(start_paused = true)]
async fn rows_that_wait_for_disk_space_gather_whatever_is_asked_for() {
    let backlog = Backlog::new(0);
    backlog.set_starved(true);
    push(&backlog, vec![put(1, 2 * BACKLOG_GATHER_BYTES)]);
    backlog.ask();
    let begun = Instant::now();
    backlog.gather_in_place(Duration::from_secs(1)).await;
    assert!(begun.elapsed() >= Duration::from_secs(1));
    backlog.set_starved(false);
    let begun = Instant::now();
    backlog.gather_in_place(Duration::from_secs(1)).await;
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[test]
fn values_that_wait_for_readers_are_counted_before_they_are_taken() {
    let backlog = Backlog::new(0);
    let gone = |count: usize| {
        let keys = (0..count).map(|key| RowChange::DeleteValue(key.to_be_bytes().to_vec()));
        push(&backlog, keys.collect());
    };
    backlog.set_deferred(DEFERRED_VALUES_MAX - 1);
    gone(1);
    assert!(backlog.room().now_or_never().is_some());
    gone(1);
    assert!(backlog.room().now_or_never().is_none());
    backlog.take(Duration::ZERO);
    backlog.set_deferred(1);
    backlog.has_written(1);
    assert!(backlog.room().now_or_never().is_some());
}

#[test]
fn states_that_were_passed_are_freed_though_nobody_takes_what_is_pending() {
    let backlog = Backlog::new(0);
    let passed = root();
    let watched = Arc::downgrade(&passed);
    backlog.push(vec![put(1, 1)], Era::default().watch(), root(), passed);
    backlog.drop_past();
    assert!(watched.upgrade().is_none());
    assert_eq!(backlog.take(Duration::ZERO).rows.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_written_for_two_seconds_does_not_hold_apply_up() {
    let backlog = Backlog::new(0);
    push(&backlog, vec![put(1, 10)]);
    backlog.take(Duration::ZERO);
    push(&backlog, vec![put(2, 10)]);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(backlog.lock().has_room());
    tokio::time::advance(BACKLOG_AGE_MAX).await;
    assert!(backlog.room().now_or_never().is_none(), "not without end");
}

#[tokio::test(start_paused = true)]
async fn after_a_batch_that_took_too_long_less_is_applied_ahead_until_writing_is_fast() {
    let backlog = Backlog::new(0);
    push(&backlog, vec![put(1, 4000)]);
    backlog.take(Duration::ZERO);
    tokio::time::advance(BACKLOG_BATCH_MAX * 2).await;
    backlog.has_written(1);
    push(&backlog, vec![put(1, 1900)]);
    assert!(backlog.lock().has_room());
    push(&backlog, vec![put(2, 200)]);
    assert!(!backlog.lock().has_room(), "half");
    backlog.take(Duration::ZERO);
    backlog.has_written(2);
    push(&backlog, vec![put(1, 4000)]);
    assert!(backlog.lock().has_room(), "twice as much");
}

#[tokio::test(start_paused = true)]
async fn one_entry_that_is_much_more_than_there_is_room_for_makes_no_more_room() {
    let backlog = Backlog::new(0);
    push(&backlog, vec![put(1, 8 * BACKLOG_ROOM_BYTES)]);
    backlog.take(Duration::ZERO);
    tokio::time::advance(BACKLOG_BATCH_MAX * 2).await;
    backlog.has_written(1);
    push(&backlog, vec![put(1, BACKLOG_ROOM_BYTES - 1)]);
    assert!(backlog.lock().has_room());
    push(&backlog, vec![put(2, 1)]);
    assert!(!backlog.lock().has_room());
}

#[tokio::test(start_paused = true)]
async fn apply_is_slowed_down_before_it_has_to_wait() {
    let backlog = Backlog::new(0);
    push(&backlog, vec![put(1, 4000)]);
    backlog.take(Duration::ZERO);
    tokio::time::advance(BACKLOG_BATCH_MAX * 2).await;
    backlog.has_written(1);
    // Now 333 bytes are written in a second, and there is room for 2,000.
    push(&backlog, vec![put(1, 249)]);
    assert!(!backlog.is_short_of_room(), "an eighth full");
    push(&backlog, vec![put(2, 49)]);
    let begun = Instant::now();
    backlog.room().await;
    let waited = begun.elapsed();
    let between = Duration::from_millis(27)..Duration::from_millis(33);
    assert!(between.contains(&waited), "{waited:?} for 150 ms of rows");
    push(&backlog, vec![put(3, 999)]);
    let begun = Instant::now();
    backlog.room().await;
    assert!(begun.elapsed() <= BACKLOG_TOLL_MAX + Duration::from_millis(1));
    backlog.take(Duration::ZERO);
    backlog.has_written(2);
    assert!(!backlog.is_short_of_room());
}

#[tokio::test(start_paused = true)]
async fn rows_that_wait_for_disk_space_do_not_hold_apply_up() {
    let backlog = Backlog::new(0);
    push(&backlog, vec![put(1, 10)]);
    backlog.take(Duration::ZERO);
    tokio::time::advance(BACKLOG_AGE_MAX * 2).await;
    assert!(backlog.room().now_or_never().is_none());
    backlog.set_starved(true);
    push(&backlog, vec![put(2, BACKLOG_STARVED_BYTES_MAX / 2)]);
    tokio::time::advance(BACKLOG_AGE_MAX * 2).await;
    assert!(backlog.room().now_or_never().is_some());
    push(&backlog, vec![put(3, BACKLOG_STARVED_BYTES_MAX)]);
    assert!(backlog.room().now_or_never().is_none(), "not without end");
    backlog.set_starved(false);
    backlog.take(Duration::ZERO);
    backlog.has_written(1);
    assert!(backlog.room().now_or_never().is_some());
}

#[test]
fn apply_waits_for_readers_that_keep_too_many_deleted_values() {
    let backlog = Backlog::new(0);
    backlog.set_deferred(DEFERRED_VALUES_MAX / 2);
    assert!(!backlog.keeps_many_values());
    backlog.set_deferred(DEFERRED_VALUES_MAX);
    assert!(backlog.keeps_many_values(), "before it has to wait");
    assert!(backlog.room().now_or_never().is_some());
    backlog.set_deferred(DEFERRED_VALUES_MAX + 1);
    assert!(backlog.room().now_or_never().is_none());
    backlog.set_deferred(0);
    assert!(backlog.room().now_or_never().is_some());
}

#[test]
fn a_row_that_changes_again_is_written_once() {
    let backlog = Backlog::new(0);
    for _ in 0..10 {
        push(&backlog, vec![put(1, BACKLOG_ROOM_BYTES / 2)]);
    }
    assert!(backlog.room().now_or_never().is_some());
    assert_eq!(backlog.take(Duration::ZERO).rows.len(), 1);
}

#[test]
fn what_a_value_gives_way_to_is_told_from_other_rows() {
    let backlog = Backlog::new(0);
    let hidden = |key: u8| RowChange::PutHidden(vec![key], vec![1].into());
    push(&backlog, vec![put(1, 10)]);
    push(&backlog, vec![RowChange::DeleteValue(vec![1]), hidden(1)]);
    push(&backlog, vec![hidden(2), put(2, 10)]);
    let taken = backlog.take(Duration::ZERO);
    assert!(matches!(taken.rows.get(&[1][..]), Some(Next::Hidden(_))));
    assert!(matches!(taken.rows.get(&[2][..]), Some(Next::Row(_))));
    assert_eq!(taken.deferred.len(), 1);
}

#[test]
fn a_value_put_and_deleted_in_between_is_never_written() {
    let backlog = Backlog::new(0);
    push(&backlog, vec![put(1, 10)]);
    push(&backlog, vec![RowChange::DeleteValue(vec![1])]);
    let taken = backlog.take(Duration::ZERO);
    assert!(taken.rows.is_empty());
    assert_eq!(taken.deferred.len(), 1);
}
