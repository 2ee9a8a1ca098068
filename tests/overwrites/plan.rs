//! How much is written, how fast, and on what: all scaled from the full run by one number.

use std::time::Duration;

/// The full run.
const FULL: u64 = 5_000_000;
const FULL_PROTECTION: Duration = Duration::from_secs(60);
/// Each secret is overwritten so often: five times what a secret keeps.
const OVERWRITES_EACH: u64 = 500;
/// What the short form writes. It is too little to make most of the rows dead: long values that are
/// deleted at its beginning do that.
const SHORT: u64 = 1_200;
const SHORT_SECRETS: u64 = 8;
const SHORT_BALLAST: u64 = 240;
/// About a password, or a key of an API.
const VALUE_BYTES: usize = 128;
/// From here on the last half is long enough to judge.
const JUDGED: u64 = 500_000;
/// What three nodes and the callers together manage on two processors with time to spare, though
/// all secrets have all the versions they keep: a pause is the store's, and not for want of a
/// processor.
const RATE: f64 = 550.0;

/// Enough memory for the rows' pages; the rest is the default.
const STORAGE: &str = r#"
            [storage]
            row_cache_size = "1 GiB"
"#;
/// So little of everything that a few thousand writes meet each of its ends.
const STRAINED_STORAGE: &str = r#"
            [storage]
            row_cache_size = "16 MiB"
            value_memory_size = "1 MiB"
            log_segment_size = "1 MiB"
            snapshot_entries = 300
            log_entries_kept = 50
            disk_free_min = "16 MiB"

            [audit]
            file_size = "1 MiB"
            keep_size = "64 MiB"
            free_min = "8 MiB"
"#;

/// What one run does.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Overwrites of all secrets together.
    pub count: u64,
    /// The secrets.
    pub secrets: u64,
    /// Writes at once.
    pub callers: u64,
    /// Writes a second at most.
    pub rate: f64,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Secrets with long values that are deleted when the overwrites begin.
    pub ballast: u64,
    /// Age below which a version without labels is not pruned.
    pub protection: Duration,
    /// How the nodes store.
    pub storage: &'static str,
    /// Of what is random.
    pub seed: u64,
    /// Whether the run is long enough for its last half to be judged.
    pub is_judged: bool,
}

impl Plan {
    /// By `STRONGROOM_COUNT` and `STRONGROOM_SEED`; `STRONGROOM_SECRETS`, `STRONGROOM_CALLERS` and
    /// `STRONGROOM_RATE` are for trying out.
    pub fn from_environment() -> Self {
        let count = number("STRONGROOM_COUNT");
        let seed = number("STRONGROOM_SEED").unwrap_or(20_261_128);
        let plan = match count {
            Some(count) => Self::scaled(count, seed),
            None => Self::short(seed),
        };
        let secrets = number("STRONGROOM_SECRETS").unwrap_or(plan.secrets);
        Self {
            secrets,
            callers: number("STRONGROOM_CALLERS")
                .unwrap_or(plan.callers)
                .min(secrets),
            rate: number("STRONGROOM_RATE").map_or(plan.rate, |rate| rate as f64),
            protection: FULL_PROTECTION.mul_f64(plan.share()).max(plan.protection),
            ..plan
        }
    }

    fn scaled(count: u64, seed: u64) -> Self {
        Self {
            count,
            secrets: (count / OVERWRITES_EACH).max(1),
            callers: 256,
            rate: RATE,
            value_bytes: VALUE_BYTES,
            ballast: 0,
            protection: Duration::ZERO,
            storage: STORAGE,
            seed,
            is_judged: count >= JUDGED,
        }
    }

    fn short(seed: u64) -> Self {
        Self {
            secrets: SHORT_SECRETS,
            callers: SHORT_SECRETS,
            rate: f64::INFINITY,
            ballast: SHORT_BALLAST,
            protection: Duration::from_millis(100),
            storage: STRAINED_STORAGE,
            ..Self::scaled(SHORT, seed)
        }
    }

    /// Whether it is over in seconds.
    pub fn is_short(&self) -> bool {
        self.share() < 0.01
    }

    /// The part of the full run that this one is.
    pub fn share(&self) -> f64 {
        self.count as f64 / FULL as f64
    }

    /// The time between two looks at the nodes.
    pub fn sample_interval(&self) -> Duration {
        let short = Duration::from_millis(200);
        let long = Duration::from_secs(1);
        if self.is_short() { short } else { long }
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap())
}
