//! The processors by themselves: how late a thread wakes that does nothing. A write goes through a
//! dozen threads, one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::pauses::{Event, NOTED_US, Span, wall_us};

/// The work of nobody.
const LATE: &str = "(late)";
/// For how long the thread sleeps.
const INTERVAL: Duration = Duration::from_millis(10);

/// Sleeps again and again until it is over; answers when it woke late.
pub fn watch(is_over: &Arc<AtomicBool>) -> JoinHandle<Vec<Event>> {
    let is_over = Arc::clone(is_over);
    let interval_us = u64::try_from(INTERVAL.as_micros()).unwrap();
    std::thread::spawn(move || {
        let mut events = Vec::new();
        while !is_over.load(Ordering::Acquire) {
            let from_us = wall_us() + interval_us;
            std::thread::sleep(INTERVAL);
            let span = Span {
                from_us,
                to_us: wall_us(),
            };
            if span.to_us > from_us + NOTED_US {
                events.push(Event {
                    node: 0,
                    work: LATE.to_owned(),
                    span,
                });
            }
        }
        events
    })
}
