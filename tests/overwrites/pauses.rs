//! When no write was accepted, and what the nodes did at that time.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value as Json;

/// No write should wait longer; printed beside the longest.
pub const TARGET: Duration = Duration::from_millis(250);
/// A sync that takes longer can be what a long pause is due to.
pub const HALF_MS: u64 = 125;
/// Shorter pauses are not looked at.
pub const NOTED_US: u64 = 20_000;
/// Bounds of the distribution, in milliseconds.
const BOUNDS_MS: [u64; 6] = [20, 50, 100, 250, 500, 1_000];
/// Pauses told one by one.
const TOLD: usize = 16;
/// Notes every acknowledged write.
pub struct Beat {
    start: Instant,
    /// The start by the wall clock, by which the nodes log.
    start_us: u64,
    last_us: AtomicU64,
    pauses: Mutex<Vec<Span>>,
}

/// From when to when, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The beginning.
    pub from_us: u64,
    /// The end.
    pub to_us: u64,
}

/// Something that a node did, or that was done to it.
#[derive(Clone, Debug)]
pub struct Event {
    /// Who.
    pub node: u64,
    /// What.
    pub work: String,
    /// When.
    pub span: Span,
}

impl Span {
    /// Whether both have a time in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.from_us < other.to_us && other.from_us < self.to_us
    }

    /// How long it is, in milliseconds.
    pub fn millis(&self) -> u64 {
        self.to_us.saturating_sub(self.from_us) / 1_000
    }

    /// Whether it is above the target.
    pub fn is_long(&self) -> bool {
        u128::from(self.millis()) > TARGET.as_millis()
    }

    /// Prints it at once: a run of hours can be given up in its first minutes.
    pub fn tell(&self, what: &str) {
        let from = self.from_us as f64 / 1e6;
        println!("for {} ms from {from:.3} on: {what}", self.millis());
    }
}

impl Beat {
    /// Begins now.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            start_us: wall_us(),
            last_us: AtomicU64::new(0),
            pauses: Mutex::default(),
        }
    }

    /// A write was acknowledged.
    pub fn now(&self) {
        let now = u64::try_from(self.start.elapsed().as_micros()).unwrap();
        let last = self.last_us.fetch_max(now, Ordering::Relaxed);
        if last > 0 && now > last + NOTED_US {
            let pause = Span {
                from_us: self.start_us + last,
                to_us: self.start_us + now,
            };
            if pause.is_long() {
                pause.tell("no write was accepted");
            }
            self.pauses.lock().unwrap().push(pause);
        }
    }

    /// The pauses so far.
    pub fn pauses(&self) -> Vec<Span> {
        self.pauses.lock().unwrap().clone()
    }
}

/// The wall clock, in microseconds since 1970.
#[allow(
    clippy::disallowed_methods,
    reason = "nodes log by it, and pauses are compared with what they log"
)]
pub fn wall_us() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(now.unwrap().as_micros()).unwrap()
}

/// What a node logged of its work on the store.
pub fn events(node: u64, log: &str) -> Vec<Event> {
    let lines = log.lines().filter(|line| line.contains("took_us"));
    let lines = lines.filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let event = |line: Json| {
        let to_us = unix_us(line["timestamp"].as_str()?)?;
        let from_us = to_us.saturating_sub(line["took_us"].as_u64()?);
        Some(Event {
            node,
            work: line["work"].as_str()?.to_owned(),
            span: Span { from_us, to_us },
        })
    };
    lines.filter_map(event).collect()
}

/// A time such as 2026-11-28T04:05:06.123456Z, in microseconds since 1970.
fn unix_us(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    // Days since 1970 of a year that begins in March.
    let (year, month) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    let days = u64::try_from(days - 719_469).ok()?;
    let mut time = time.splitn(3, ':');
    let hours: u64 = time.next()?.parse().ok()?;
    let minutes: u64 = time.next()?.parse().ok()?;
    let seconds: f64 = time.next()?.parse().ok()?;
    let whole = days * 86_400 + hours * 3_600 + minutes * 60;
    Some(whole * 1_000_000 + (seconds * 1e6).round() as u64)
}

/// Prints the distribution of the pauses, the worst of each kind of work, and the longest by the
/// wall clock with all that happened meanwhile. Answers the worst of each kind in milliseconds, the
/// longest first.
pub fn report(pauses: &[Span], events: &[Event]) -> Vec<(String, u64)> {
    println!("pauses: time without an accepted write, of all callers together");
    for bound in BOUNDS_MS {
        let count = pauses
            .iter()
            .filter(|pause| pause.millis() >= bound)
            .count();
        println!("  {bound:>6} ms and more: {count}");
    }
    let mut kinds: BTreeMap<&str, (usize, u64, u64)> = BTreeMap::new();
    for event in events {
        let (count, longest, worst) = kinds.entry(&event.work).or_default();
        *count += 1;
        *longest = event.span.millis().max(*longest);
        let meanwhile = pauses.iter().filter(|pause| pause.overlaps(&event.span));
        let pause = meanwhile.map(Span::millis).max().unwrap_or_default();
        *worst = pause.max(*worst);
    }
    println!(
        "  work of any node      count  longest ms  longest pause meanwhile, ms (target {})",
        TARGET.as_millis()
    );
    for (kind, (count, longest, worst)) in &kinds {
        println!("  {kind:<20} {count:>6} {longest:>11} {worst:>8}");
    }
    let mut longest = pauses.to_vec();
    longest.sort_by_key(|pause| std::cmp::Reverse(pause.millis()));
    for pause in longest.iter().take(TOLD) {
        let meanwhile = events.iter().filter(|event| event.span.overlaps(pause));
        let meanwhile: Vec<String> = meanwhile.map(|event| told(event, pause)).collect();
        let at = pause.from_us as f64 / 1e6;
        println!(
            "  {} ms from {at:.3} on: {}",
            pause.millis(),
            meanwhile.join(", ")
        );
    }
    let worst = longest.first().map_or(0, Span::millis);
    let mut all = vec![("any time".to_owned(), worst)];
    all.extend(
        kinds
            .into_iter()
            .map(|(kind, (_, _, worst))| (kind.to_owned(), worst)),
    );
    all
}

/// What went on in a pause, with its beginning and end in milliseconds since the pause's beginning.
fn told(event: &Event, pause: &Span) -> String {
    let since = |us: u64| (i128::from(us) - i128::from(pause.from_us)) / 1_000;
    format!(
        "{} of {} ({:+} to {:+})",
        event.work,
        event.node,
        since(event.span.from_us),
        since(event.span.to_us)
    )
}

#[test]
fn a_time_of_a_log_line_is_read_to_the_microsecond() {
    assert_eq!(unix_us("1970-01-01T00:00:00.000000Z"), Some(0));
    let leap = unix_us("2024-02-29T12:00:00.250001Z");
    assert_eq!(leap, Some(1_709_208_000_250_001));
}

#[test]
fn a_pause_is_laid_to_the_work_that_went_on_meanwhile() {
    let span = |from_us, to_us| Span { from_us, to_us };
    let work = |work: &str, span| Event {
        node: 1,
        work: work.into(),
        span,
    };
    let pauses = [span(0, 40_000), span(1_000_000, 1_300_000)];
    let events = [
        work("purge", span(39_000, 41_000)),
        work("swap", span(900_000, 2_000_000)),
    ];
    let worst = report(&pauses, &events);
    let wanted = [("any time", 300), ("purge", 40), ("swap", 300)];
    assert_eq!(worst, wanted.map(|(kind, ms)| (kind.to_owned(), ms)));
}
