//! The disk by itself: how long a few bytes take that are written in place and synced, beside the
//! nodes and without them. No write is acknowledged sooner.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::pauses::{Event, HALF_MS, NOTED_US, Span, TARGET, wall_us};
use crate::plan::Plan;

/// The work of nobody.
const DISK: &str = "(disk)";
/// Time between two such writes beside the nodes.
const INTERVAL: Duration = Duration::from_millis(100);
/// Time between two such writes of one thread without the nodes, of which there is one thread for
/// each node: about as many as a node syncs, but with nothing else to write.
const INTERVAL_ALONE: Duration = Duration::from_micros(2_000);
/// How long the full run looks at the disk without the nodes.
const ALONE: Duration = Duration::from_secs(600);
/// How unlikely it may be that the disk stalls as often without the nodes and so many of all
/// stalls are beside them: they are few, and a few more are chance.
const CHANCE_MIN: f64 = 0.05;

/// Until it is over writes a few bytes again and again; answers each sync that took long.
pub fn watch(folder: &Path, is_over: &Arc<AtomicBool>) -> JoinHandle<Vec<Event>> {
    scribble(&folder.join("scribble"), INTERVAL, is_over)
}

fn scribble(path: &Path, interval: Duration, is_over: &Arc<AtomicBool>) -> JoinHandle<Vec<Event>> {
    let file = File::create(path).unwrap();
    let is_over = Arc::clone(is_over);
    std::thread::spawn(move || {
        let mut events = Vec::new();
        while !is_over.load(Ordering::Acquire) {
            let from_us = wall_us();
            file.write_all_at(&from_us.to_le_bytes(), 0).unwrap();
            file.sync_data().unwrap();
            let span = Span {
                from_us,
                to_us: wall_us(),
            };
            if span.millis() >= HALF_MS {
                span.tell("a bare sync");
            }
            if span.to_us > from_us + NOTED_US {
                events.push(Event {
                    node: 0,
                    work: DISK.to_owned(),
                    span,
                });
            }
            std::thread::sleep(interval);
        }
        events
    })
}

/// The stalls of the disk that none of the nodes can have caused.
pub struct Alone {
    /// For how long it was looked at.
    seconds: f64,
    /// The stalls above the target.
    stalls: usize,
    /// The longest sync that was noted, in milliseconds.
    longest_ms: u64,
}

impl Alone {
    /// Looks while no node runs.
    pub fn look(folder: &Path, nodes: usize, plan: &Plan) -> Self {
        let length = ALONE.mul_f64(plan.share());
        let is_over = Arc::<AtomicBool>::default();
        let path = |node: usize| folder.join(format!("scribble-{node}"));
        let scribes: Vec<_> = (0..nodes)
            .map(|node| scribble(&path(node), INTERVAL_ALONE, &is_over))
            .collect();
        std::thread::sleep(length);
        is_over.store(true, Ordering::Release);
        let of_each = scribes.into_iter().map(|scribe| scribe.join().unwrap());
        // A stall is of the disk and so of all: those of the one that had most are counted.
        let syncs = of_each.max_by_key(|events| long(events).count()).unwrap();
        let millis = syncs.iter().map(|event| event.span.millis());
        Self {
            seconds: length.as_secs_f64(),
            stalls: long(&syncs).count(),
            longest_ms: millis.max().unwrap_or_default(),
        }
    }
}

fn long(events: &[Event]) -> impl Iterator<Item = &Event> {
    events.iter().filter(|event| event.span.is_long())
}

/// What the pauses above the target are due to.
pub struct Judgement {
    /// How many there are.
    long: usize,
    /// In how many a bare sync of the disk took at least half as long.
    of_disk: usize,
    /// For how long nodes were written to.
    seconds: f64,
    alone: Alone,
}

impl Judgement {
    /// Lays the pauses of so many seconds to the stalls of the disk.
    pub fn new(pauses: &[Span], events: &[Event], seconds: f64, alone: Alone) -> Self {
        let syncs = || events.iter().filter(|event| event.work == DISK);
        let is_of_disk = |pause: &&Span| {
            let half = |sync: &Event| sync.span.millis() * 2 >= pause.millis();
            syncs().any(|sync| sync.span.overlaps(pause) && half(sync))
        };
        let long = || pauses.iter().filter(|pause| pause.is_long());
        Self {
            long: long().count(),
            of_disk: long().filter(is_of_disk).count(),
            seconds,
            alone,
        }
    }

    /// Whether the nodes made writes wait, and not only the disk: in a pause it was quick, or it
    /// stalls less without them.
    fn is_missed(&self) -> bool {
        self.long > self.of_disk || self.chance() < CHANCE_MIN
    }

    /// How likely it is that as many of all stalls, or more, are in the time with the nodes, if the
    /// disk stalls as often without them.
    fn chance(&self) -> f64 {
        let share = self.seconds / (self.seconds + self.alone.seconds);
        let all = self.long + self.alone.stalls;
        let chances = (self.long..=all).map(|with| binomial(all, with, share));
        chances.sum()
    }

    fn an_hour(&self) -> [f64; 2] {
        let an_hour = |count: usize, seconds: f64| count as f64 * 3_600.0 / seconds;
        [
            an_hour(self.long, self.seconds),
            an_hour(self.alone.stalls, self.alone.seconds),
        ]
    }
}

impl std::fmt::Display for Judgement {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [with, without] = self.an_hour();
        let missed = if self.is_missed() { ", MISSED" } else { "" };
        write!(
            out,
            "{} pauses above {} ms ({with:.0} an hour{missed}), {} of them in a stall of the disk, \
             which without the nodes stalled {} times in {:.0} s ({without:.0} an hour, chance \
             {:.2}), {} ms at most",
            self.long,
            TARGET.as_millis(),
            self.of_disk,
            self.alone.stalls,
            self.alone.seconds,
            self.chance(),
            self.alone.longest_ms,
        )
    }
}

/// The chance that of so many things some are of a kind that each is of by a share.
fn binomial(all: usize, some: usize, share: f64) -> f64 {
    let others = all - some;
    let ways = (1..=some).map(|at| (others + at) as f64 / at as f64);
    let power = |base: f64, times: usize| (0..times).fold(1.0, |product, _| product * base);
    ways.product::<f64>() * power(share, some) * power(1.0 - share, others)
}

#[test]
fn long_pauses_are_missed_unless_the_disk_stalls_in_them_and_without_nodes_as_often() {
    let span = |from_ms: u64, to_ms: u64| Span {
        from_us: from_ms * 1_000,
        to_us: to_ms * 1_000,
    };
    let pauses = [span(0, 250), span(1_000, 1_400), span(3_000, 3_400)];
    let sync = |span| Event {
        node: 0,
        work: DISK.to_owned(),
        span,
    };
    let judge = |second: u64, stalls: usize| {
        let events = [sync(span(1_300, 1_500)), sync(span(3_000, 3_000 + second))];
        let alone = Alone {
            seconds: 6_000.0,
            stalls,
            longest_ms: 0,
        };
        let judgement = Judgement::new(&pauses, &events, 60.0, alone);
        (judgement.long, judgement.of_disk, judgement.is_missed())
    };
    assert_eq!(judge(200, 200), (2, 2, false));
    assert_eq!(judge(200, 40), (2, 2, false));
    assert_eq!(judge(199, 200), (2, 1, true));
    assert_eq!(judge(200, 0), (2, 2, true));
}
