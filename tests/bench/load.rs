//! The loader: a process of its own that calls, waits and measures.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::calls::{Call, Callers};
use crate::measure::{Measure, histogram};
use crate::zipf::Zipf;

/// Calls before the clock starts, as a share of the time measured.
const WARM_UP: f64 = 0.2;

/// What one run does.
#[derive(Clone)]
pub struct Plan {
    /// The call.
    pub call: Call,
    /// Tasks that call, each one call at a time.
    pub callers: usize,
    /// Calls a second, whether or not earlier ones are answered (an open loop); as fast as the
    /// answers come when there is none (a closed loop).
    pub rate: Option<f64>,
    /// How long.
    pub time: Duration,
    /// How many secrets there are.
    pub secrets: usize,
    /// How many versions each is given before the calls are measured.
    pub versions: usize,
    /// Of what is random.
    pub seed: u64,
    /// Where to call.
    pub endpoints: Vec<String>,
    /// Where the certificates are.
    pub folder: PathBuf,
}

/// Runs the plan.
pub async fn run(plan: Plan) -> Measure {
    let callers = Callers::connect(&plan).await;
    let zipf = Arc::new(Zipf::new(plan.secrets));
    let start = Instant::now() + plan.time.mul_f64(WARM_UP);
    let mut tasks = Vec::new();
    for at in 0..plan.callers {
        let caller = Caller {
            at,
            plan: plan.clone(),
            callers: callers.clone(),
            zipf: zipf.clone(),
            start,
            latencies: histogram(),
            errors: 0,
        };
        tasks.push(tokio::spawn(caller.run()));
    }
    let (mut latencies, mut errors, mut calls) = (histogram(), 0, 0);
    for task in tasks {
        let (one, failed, made) = task.await.expect("a caller does not panic");
        latencies
            .add(one)
            .expect("all histograms have the same bounds");
        errors += failed;
        calls += made;
    }
    Measure::of(&latencies, errors, calls, plan.time)
}

/// Creates every secret once, then puts the other versions of all, by 64 tasks.
///
/// # Panics
///
/// When one cannot be created.
pub async fn fill(plan: Plan) {
    let callers = Callers::connect(&plan).await;
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for at in 0..plan.callers {
        let (callers, next, plan) = (callers.clone(), next.clone(), plan.clone());
        tasks.push(tokio::spawn(async move {
            loop {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                if turn >= plan.secrets * plan.versions {
                    return;
                }
                match turn < plan.secrets {
                    true => callers.create(at, turn).await,
                    // What is refused for now has a version fewer.
                    false => {
                        let (key, fresh) = (turn % plan.secrets, turn as u64);
                        callers.call(at, Call::Put, key, fresh).await;
                    }
                }
            }
        }));
    }
    for task in tasks {
        task.await.expect("every secret can be created");
    }
}

struct Caller {
    at: usize,
    plan: Plan,
    callers: Callers,
    zipf: Arc<Zipf>,
    start: Instant,
    latencies: Histogram<u64>,
    errors: u64,
}

impl Caller {
    async fn run(mut self) -> (Histogram<u64>, u64, u64) {
        let end = self.start + self.plan.time;
        let mut rng = StdRng::seed_from_u64(self.plan.seed ^ (self.at as u64) << 32);
        let warm_up = Instant::now();
        let mut turn = 0_u64;
        loop {
            // In an open loop a call is late from the moment it should have begun.
            let due = match self.plan.rate {
                Some(rate) => {
                    let number = turn as f64 * self.plan.callers as f64 + self.at as f64;
                    let due = warm_up + Duration::from_secs_f64(number / rate);
                    tokio::time::sleep_until(due.into()).await;
                    due
                }
                None => Instant::now(),
            };
            if due >= end {
                break;
            }
            let fresh = rng.next_u64();
            // A secret takes a hundred new versions a day; a popular one would refuse the rest.
            let key = match self.plan.call {
                Call::Put => fresh as usize % self.plan.secrets,
                _ => self.zipf.draw(&mut rng),
            };
            let good = self.callers.call(self.at, self.plan.call, key, fresh).await;
            if due >= self.start {
                let micros = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.latencies.saturating_record(micros);
                self.errors += u64::from(!good);
            }
            turn += 1;
        }
        (self.latencies, self.errors, turn)
    }
}
