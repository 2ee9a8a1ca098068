//! Clocks: this node's, and what it knows of its peers' wall clocks (R10).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use machine::Stamp;
use tokio::time::Instant;

use crate::danger::{Broken, Danger};
use crate::limits::{CLOCK_HAND_OVER, CLOCK_READING_AGE_MAX, CLOCK_REFUSE};

/// Tells the time of day, and the time since the machine was started.
pub trait Clock: Send + Sync + 'static {
    /// Answers the time, in unix milliseconds.
    fn now(&self) -> Stamp;

    /// Answers the time since boot. It never goes back, and goes on while the machine sleeps:
    /// leases are counted by it (R8).
    fn since_boot(&self) -> Duration;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    // The one place of the crate that may ask for the time of day.
    #[allow(clippy::disallowed_methods)]
    fn now(&self) -> Stamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Stamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn since_boot(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let whole = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
        whole + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
    }
}

/// Why this node's clock may not stamp an entry.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClockRefused {
    #[error(
        "this node's clock is {} ms from the median of its peers' clocks",
        distance.as_millis()
    )]
    Skewed { distance: Duration },
    #[error("no peer has told its clock")]
    Unproven,
}

/// How far a node's clock is from the others', in the steps that matter (R10): best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grade {
    Right,
    /// A leader with it hands over.
    Off,
    /// A leader with it refuses to stamp, or nothing is known of it.
    Useless,
}

/// This node's clock beside the readings of its peers'.
pub(crate) struct Clocks {
    own: Arc<dyn Clock>,
    danger: Danger,
    readings: Mutex<BTreeMap<u64, Reading>>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    /// The peer's clock less ours, in milliseconds.
    offset_ms: i64,
    taken: Instant,
}

impl Clocks {
    pub(crate) fn new(own: Arc<dyn Clock>, danger: Danger) -> Clocks {
        Clocks {
            own,
            danger,
            readings: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Stamp {
        self.own.now()
    }

    pub(crate) fn since_boot(&self) -> Duration {
        if self.danger.is(Broken::LeaseByWallClock) {
            return Duration::from_millis(self.own.now().0);
        }
        self.own.since_boot()
    }

    /// Answers the stamp for an entry appended now; refuses beyond [`CLOCK_REFUSE`], and, unless
    /// this is the only voter, before a peer has told its clock. Whoever voted for a leader has.
    pub(crate) fn stamp(&self, is_only_voter: bool) -> Result<Stamp, ClockRefused> {
        let distance = self.distance();
        if distance > CLOCK_REFUSE {
            return Err(ClockRefused::Skewed { distance });
        }
        if !is_only_voter && self.lock().is_empty() {
            return Err(ClockRefused::Unproven);
        }
        Ok(self.own.now())
    }

    /// Takes the reading a peer sent in answer to a question of `asked`.
    pub(crate) fn read(&self, peer: u64, asked: Instant, clock_ms: u64) {
        // Half the round trip is the best guess of the answer's age.
        let age = u64::try_from(asked.elapsed().as_millis() / 2).unwrap_or(u64::MAX);
        let peer_ms = clock_ms.saturating_add(age);
        let offset_ms = peer_ms.wrapping_sub(self.own.now().0).cast_signed();
        let taken = Instant::now();
        self.lock().insert(peer, Reading { offset_ms, taken });
    }

    /// The distance between this node's clock and the median of its peers'; zero without peers.
    pub(crate) fn distance(&self) -> Duration {
        distance(self.offsets().into_values().collect())
    }

    /// The grade of this node's clock.
    pub(crate) fn grade(&self) -> Grade {
        Grade::of(self.distance())
    }

    /// The grade of a peer's clock, as that peer will find it when it has heard all others.
    pub(crate) fn grade_of(&self, peer: u64) -> Grade {
        let mut offsets = self.offsets();
        let Some(own) = offsets.remove(&peer) else {
            return Grade::Useless;
        };
        let others = offsets.into_values().chain([0]);
        Grade::of(distance(
            others.map(|offset| offset.wrapping_sub(own)).collect(),
        ))
    }

    /// The peers' clocks less ours, as far as they were read lately.
    fn offsets(&self) -> BTreeMap<u64, i64> {
        let mut readings = self.lock();
        readings.retain(|_, reading| reading.taken.elapsed() < CLOCK_READING_AGE_MAX);
        let known = readings.iter();
        known
            .map(|(peer, reading)| (*peer, reading.offset_ms))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Reading>> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Grade {
    fn of(distance: Duration) -> Grade {
        match distance {
            distance if distance > CLOCK_REFUSE => Grade::Useless,
            distance if distance > CLOCK_HAND_OVER => Grade::Off,
            _ => Grade::Right,
        }
    }
}

/// The distance of a clock from the median of others, of which each is given less that clock.
fn distance(mut offsets: Vec<i64>) -> Duration {
    offsets.sort_unstable();
    Duration::from_millis(median_nearest_zero(&offsets).unsigned_abs())
}

/// Of two medians the one nearer to our clock: one wrong peer of two proves nothing.
fn median_nearest_zero(sorted: &[i64]) -> i64 {
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
    let lower = sorted
        .get(sorted.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(0);
    if lower.unsigned_abs() <= upper.unsigned_abs() {
        lower
    } else {
        upper
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u64);

    impl Clock for Fixed {
        fn now(&self) -> Stamp {
            Stamp(self.0)
        }

        fn since_boot(&self) -> Duration {
            Duration::ZERO
        }
    }

    fn clocks(peers: &[u64]) -> Clocks {
        let clocks = Clocks::new(Arc::new(Fixed(1_000_000)), Danger::NONE);
        for (peer, clock_ms) in peers.iter().enumerate() {
            clocks.read(peer as u64, Instant::now(), *clock_ms);
        }
        clocks
    }

    #[test]
    fn one_wrong_peer_of_two_proves_nothing() {
        let clocks = clocks(&[1_000_010, 1_900_000]);
        assert_eq!(clocks.grade(), Grade::Right);
        assert!(clocks.stamp(false).is_ok());
    }

    #[test]
    fn a_clock_a_second_from_its_peers_hands_over_but_still_stamps() {
        let clocks = clocks(&[1_002_000, 1_002_100]);
        assert_eq!(clocks.grade(), Grade::Off);
        assert!(clocks.stamp(false).is_ok());
    }

    #[test]
    fn a_clock_five_seconds_from_its_peers_refuses_to_stamp() {
        assert!(clocks(&[990_000, 990_100]).stamp(false).is_err());
    }

    #[test]
    fn a_peer_is_graded_as_it_will_grade_itself() {
        let clocks = clocks(&[1_000_010, 1_060_000, 1_060_020, 1_063_000]);
        assert_eq!(clocks.grade(), Grade::Useless);
        let grades = [0, 1, 2, 3, 4].map(|peer| clocks.grade_of(peer));
        // The last one was never read.
        let expected = [Grade::Useless, Grade::Right, Grade::Right, Grade::Off];
        assert_eq!(grades[..4], expected);
        assert_eq!(grades[4], Grade::Useless);
    }

    #[test]
    fn a_node_without_peers_trusts_its_clock() {
        assert!(clocks(&[]).stamp(true).is_ok());
    }

    #[test]
    fn a_leader_that_knows_no_clock_but_its_own_refuses_to_stamp() {
        assert_eq!(clocks(&[]).stamp(false), Err(ClockRefused::Unproven));
    }
}
