//! Charts in text, and whether a line in them is flat.

use crate::sample::Sample;

const WIDTH: usize = 72;
const HEIGHT: usize = 12;
const MIB: f64 = 1_048_576.0;

/// What is drawn: a name, and the number of a sample.
pub struct Quantity {
    /// What it is, with its unit.
    pub title: &'static str,
    /// The number.
    pub of: fn(&Sample) -> f64,
    /// What the last quarter may be above the third, as a share.
    pub growth_max: f64,
    /// And at least by so much.
    pub slack: f64,
    /// Whether it goes with the lead from node to node, so that only all of them are judged.
    pub follows_lead: bool,
}

/// What must be flat.
pub const QUANTITIES: [Quantity; 3] = [
    Quantity {
        title: "memory (RSS), MiB",
        of: |sample| sample.rss_bytes as f64 / MIB,
        growth_max: 0.10,
        slack: 8.0,
        follows_lead: false,
    },
    Quantity {
        title: "open files",
        of: |sample| sample.files as f64,
        growth_max: 0.0,
        slack: 8.0,
        follows_lead: true,
    },
    Quantity {
        title: "disk, MiB",
        of: |sample| sample.disk_bytes() as f64 / MIB,
        growth_max: 0.10,
        slack: 8.0,
        follows_lead: false,
    },
];

/// Draws one quantity of all nodes against time: 1, 2 and 3 are the nodes, * is several of them.
pub fn draw(quantity: &Quantity, nodes: &[Vec<Sample>]) {
    let samples = || nodes.iter().flatten();
    let end = samples().map(|sample| sample.seconds).fold(1.0, f64::max);
    let top = samples().map(quantity.of).fold(1.0, f64::max);
    let mut canvas = vec![[b' '; WIDTH]; HEIGHT];
    for (node, samples) in nodes.iter().enumerate() {
        let mark = b'1' + u8::try_from(node).unwrap();
        // The highest of each column.
        let mut columns = [None::<f64>; WIDTH];
        for sample in samples {
            let at = ((sample.seconds / end * WIDTH as f64) as usize).min(WIDTH - 1);
            let highest = columns[at].unwrap_or_default().max((quantity.of)(sample));
            columns[at] = Some(highest);
        }
        for (at, highest) in columns.iter().enumerate() {
            let Some(highest) = highest else { continue };
            let up = ((highest / top * HEIGHT as f64) as usize).min(HEIGHT - 1);
            let place = &mut canvas[HEIGHT - 1 - up][at];
            *place = if *place == b' ' { mark } else { b'*' };
        }
    }
    println!("{}", quantity.title);
    for (row, line) in canvas.iter().enumerate() {
        let high = top * (HEIGHT - row) as f64 / HEIGHT as f64;
        println!("{high:>10.0} |{}", String::from_utf8_lossy(line).trim_end());
    }
    println!("{:>10} +{}", 0, "-".repeat(WIDTH));
    println!("{:>12}{:>w$}", "0 s", format!("{end:.0} s"), w = WIDTH);
}

/// How much higher the last quarter is than the third, as a rule. Disk and memory rise and fall
/// with every snapshot and renewal, and a quarter has many of them; but a follower that was away
/// for long installs a snapshot, and then has two states in memory for a while, in one quarter and
/// not in another.
pub struct Growth {
    /// What a quarter of the samples of the third quarter is above.
    pub third: f64,
    /// The same of the last quarter.
    pub last: f64,
    /// The highest of all.
    pub peak: f64,
}

impl Growth {
    /// Of one quantity of one node.
    pub fn of(quantity: &Quantity, samples: &[Sample]) -> Self {
        Self::of_numbers(&samples.iter().map(quantity.of).collect::<Vec<f64>>())
    }

    fn of_numbers(numbers: &[f64]) -> Self {
        let quarter = numbers.len() / 4;
        Self {
            third: upper_quartile(&numbers[2 * quarter..3 * quarter]),
            last: upper_quartile(&numbers[3 * quarter..]),
            peak: numbers.iter().copied().fold(0.0, f64::max),
        }
    }

    /// Of all nodes together, at the times of the first one's samples.
    pub fn of_all(quantity: &Quantity, nodes: &[Vec<Sample>]) -> Self {
        let [first, others @ ..] = nodes else {
            panic!("there are no nodes")
        };
        let at = |samples: &[Sample], seconds: f64| {
            let passed = samples.partition_point(|sample| sample.seconds <= seconds);
            (quantity.of)(&samples[passed.saturating_sub(1)])
        };
        let sums = first.iter().map(|sample| {
            let others = others.iter().map(|samples| at(samples, sample.seconds));
            (quantity.of)(sample) + others.sum::<f64>()
        });
        Self::of_numbers(&sums.collect::<Vec<f64>>())
    }

    /// As a share.
    pub fn share(&self) -> f64 {
        self.last / self.third.max(1.0) - 1.0
    }

    /// Whether it is within what the quantity may grow.
    pub fn is_flat(&self, quantity: &Quantity) -> bool {
        let allowed = (self.third * quantity.growth_max).max(quantity.slack);
        self.last <= self.third + allowed
    }
}

/// What a quarter of the numbers is above.
fn upper_quartile(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
        .get(sorted.len() * 3 / 4)
        .copied()
        .unwrap_or_default()
}

#[test]
fn memory_that_grows_by_a_tenth_in_the_last_quarter_is_not_flat() {
    let run = |rate: u64| -> Vec<Sample> {
        let at = |second: u64| Sample {
            seconds: second as f64,
            // It rises and falls as well.
            rss_bytes: (1_000 + second % 10 * 20 + rate * second) << 20,
            ..Sample::default()
        };
        (0..400).map(at).collect()
    };
    let memory = &QUANTITIES[0];
    assert!(Growth::of(memory, &run(0)).is_flat(memory));
    assert!(!Growth::of(memory, &run(2)).is_flat(memory));
}
