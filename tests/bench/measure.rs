//! What a run measures, and the worst of several runs.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Latencies and rate of one run.
#[derive(Clone)]
pub struct Measure {
    /// Calls answered in a second.
    pub rate: f64,
    /// Half of the calls were at most as slow.
    pub p50_us: u64,
    /// All but one of a hundred calls were at most as slow.
    pub p99_us: u64,
    /// Calls that failed.
    pub errors: u64,
    /// Calls made, those before the clock started too.
    pub calls: u64,
    /// Processor time of all servers for one call; the loader does not know it.
    pub server_us: f64,
}

impl Measure {
    /// What `latencies` in microseconds, taken over `time`, come to.
    pub fn of(latencies: &Histogram<u64>, errors: u64, calls: u64, time: Duration) -> Self {
        Self {
            rate: latencies.len() as f64 / time.as_secs_f64(),
            p50_us: latencies.value_at_quantile(0.50),
            p99_us: latencies.value_at_quantile(0.99),
            errors,
            calls,
            server_us: 0.0,
        }
    }

    /// The worst of each column.
    pub fn worst(runs: &[Self]) -> Self {
        let rates = runs.iter().map(|run| run.rate);
        let server_us = runs.iter().map(|run| run.server_us);
        Self {
            rate: rates.fold(f64::INFINITY, f64::min),
            p50_us: runs.iter().map(|run| run.p50_us).max().unwrap_or_default(),
            p99_us: runs.iter().map(|run| run.p99_us).max().unwrap_or_default(),
            errors: runs.iter().map(|run| run.errors).sum(),
            calls: runs.iter().map(|run| run.calls).sum(),
            server_us: server_us.fold(0.0, f64::max),
        }
    }

    /// The line by which the loader's process tells its parent.
    pub fn to_line(&self) -> String {
        let Self {
            rate,
            p50_us,
            p99_us,
            errors,
            calls,
            server_us: _,
        } = self;
        json!({"rate": rate, "p50_us": p50_us, "p99_us": p99_us, "errors": errors, "calls": calls})
            .to_string()
    }

    /// Reads such a line.
    pub fn from_line(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        Some(Self {
            rate: value["rate"].as_f64()?,
            p50_us: value["p50_us"].as_u64()?,
            p99_us: value["p99_us"].as_u64()?,
            errors: value["errors"].as_u64()?,
            calls: value["calls"].as_u64()?,
            server_us: 0.0,
        })
    }
}

/// A histogram of microseconds, up to a minute, to three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are in order")
}
