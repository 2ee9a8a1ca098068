//! Which secret is asked for: a few very often, most hardly ever.

use rand::Rng;

/// Ranks 0..n, rank r with a weight of 1 / (r + 1)^0.99, as YCSB draws keys.
pub struct Zipf {
    /// For each rank the share of draws that fall on it or before it.
    cumulative: Vec<f64>,
}

impl Zipf {
    /// A distribution over `count` ranks.
    pub fn new(count: usize) -> Self {
        let mut total = 0.0;
        let weights = (1..=count).map(|rank| 1.0 / (rank as f64).powf(0.99));
        let sums = weights.map(|weight| {
            total += weight;
            total
        });
        let mut cumulative: Vec<f64> = sums.collect();
        cumulative.iter_mut().for_each(|sum| *sum /= total);
        Self { cumulative }
    }

    /// Draws a key: ranks are scattered, so that neighbours in rank are not neighbours in storage.
    pub fn draw(&self, rng: &mut impl Rng) -> usize {
        let point = f64::from(rng.next_u32()) / f64::from(u32::MAX);
        let last = self.cumulative.len() - 1;
        let rank = self
            .cumulative
            .partition_point(|sum| *sum < point)
            .min(last);
        scatter(rank, self.cumulative.len())
    }
}

/// A bijection of 0..count for any count that is no multiple of the prime.
fn scatter(rank: usize, count: usize) -> usize {
    const PRIME: usize = 7_919;
    if count.is_multiple_of(PRIME) {
        rank
    } else {
        rank.wrapping_mul(PRIME) % count
    }
}
