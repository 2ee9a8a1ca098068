//! Times in which something did not happen that should happen all the time.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// The longest time between two of these moments, from the last one before `since` on; `None`
/// when they do not lie on both sides of it.
pub fn longest_gap(moments: &[Instant], since: Instant) -> Option<(Instant, Instant)> {
    let mut moments = moments.to_vec();
    moments.sort_unstable();
    let last = moments.partition_point(|at| *at <= since).checked_sub(1)?;
    let gaps = moments[last..].windows(2).map(|pair| (pair[0], pair[1]));
    gaps.max_by_key(|(from, to)| *to - *from)
}

/// A second that holds this time in its middle, or the time itself if it is longer.
pub fn second_around((from, to): (Instant, Instant)) -> (Instant, Instant) {
    let margin = Duration::from_secs(1).saturating_sub(to - from) / 2;
    (from - margin, to + margin)
}

/// How long something took, again and again, and what was noted of the worst time.
pub struct Times {
    histogram: Histogram<u64>,
    worst: Option<(Duration, String)>,
}

impl Times {
    /// None so far.
    pub fn new() -> Self {
        Self {
            histogram: Histogram::new(3).unwrap(),
            worst: None,
        }
    }

    /// Adds one. `about` is asked only for the worst so far.
    pub fn add(&mut self, time: Duration, about: impl FnOnce() -> String) {
        let micros = u64::try_from(time.as_micros()).unwrap();
        self.histogram.record(micros).unwrap();
        if self.worst.as_ref().is_none_or(|(worst, _)| *worst < time) {
            self.worst = Some((time, about()));
        }
    }

    /// A quantile in milliseconds.
    pub fn ms(&self, quantile: f64) -> f64 {
        self.histogram.value_at_quantile(quantile) as f64 / 1e3
    }

    /// Some quantiles, and the bound of those that have one, in milliseconds. A bound that is
    /// missed is called so, and `scripts/soak` takes the run for failed.
    pub fn line(&self, bounds: &[(f64, f64)]) -> String {
        let quantiles = [0.5, 0.9, 0.99, 0.999, 1.0].map(|quantile| {
            let name = match quantile {
                1.0 => "max".to_owned(),
                quantile => format!("p{}", (quantile * 1e3_f64).round() / 10.0),
            };
            let ms = self.ms(quantile);
            let bound = bounds.iter().find(|(of, _)| *of == quantile);
            let bound = bound.map_or_else(String::new, |(_, bound)| {
                let missed = if ms < *bound { "" } else { ", MISSED" };
                format!(" (< {bound}{missed})")
            });
            format!("{name} {ms:.0} ms{bound}")
        });
        quantiles.join(", ")
    }

    /// What was noted of the worst.
    pub fn worst(&self) -> &str {
        self.worst.as_ref().map_or("", |(_, about)| about)
    }
}

impl Default for Times {
    fn default() -> Self {
        Self::new()
    }
}
