//! Get, Put, List and Batch against a bare TLS echo, in one run. Started by `scripts/bench`.
//!
//! This process only directs: three server processes, the echo and the loader are processes of
//! their own, all on this machine.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::calls::{Call, VALUE_BYTES};
use crate::load::Plan;
use crate::measure::Measure;
use crate::processes::{Loader, start_echo};
use strongroom_tests::Region;

mod calls;
mod cluster;
mod echo;
mod load;
mod measure;
mod processes;
mod zipf;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("echo") => processes::echo(&arguments),
        Some("load") => processes::load(&arguments),
        Some(binary) => Bench::new(Path::new(binary), &arguments[1..]).run(),
        None => println!(
            "usage: scripts/bench [--quick] [--secrets N] [--runs N] [--seconds N] [--calls A,B] \
             [--callers N] [--versions N]"
        ),
    }
}

/// What is measured, and how often.
struct Bench {
    binary: PathBuf,
    secrets: usize,
    versions: usize,
    runs: usize,
    time: Duration,
    callers: Vec<usize>,
    calls: Vec<Call>,
}

impl Bench {
    fn new(binary: &Path, arguments: &[String]) -> Self {
        let quick = arguments.iter().any(|argument| argument == "--quick");
        let number = |name: &str, full: usize, fast: usize| {
            let at = arguments.iter().position(|argument| argument == name);
            let given = at.and_then(|at| arguments.get(at + 1)?.parse().ok());
            given.unwrap_or(if quick { fast } else { full })
        };
        let at = arguments.iter().position(|argument| argument == "--calls");
        let wanted = at.and_then(|at| arguments.get(at + 1));
        // The echo is the measure of all others.
        let is_wanted = |call: &Call| {
            let named = |names: &String| names.split(',').any(|name| name == call.name());
            *call == Call::Echo || wanted.is_none_or(named)
        };
        Self {
            binary: binary.into(),
            secrets: number("--secrets", 100_000, 2_000),
            versions: number("--versions", 1, 1),
            runs: number("--runs", 3, 1),
            time: Duration::from_secs(number("--seconds", 5, 1) as u64),
            callers: match number("--callers", 0, 0) {
                0 => vec![1, 16, 64],
                callers => vec![callers],
            },
            calls: Call::ALL.into_iter().filter(is_wanted).collect(),
        }
    }

    fn run(&self) {
        self.print_conditions();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let region = Region::found_full_size(&self.binary, folder.path(), 3);
        let (echo, echo_address) = start_echo(folder.path());
        let plan = Plan {
            call: Call::Put,
            callers: 64,
            rate: None,
            time: self.time,
            secrets: self.secrets,
            versions: self.versions,
            seed: 1,
            endpoints: region.endpoints(),
            folder: folder.path().into(),
        };
        let begun = Instant::now();
        Loader::fill(&plan);
        let rate = (self.secrets * self.versions) as f64 / begun.elapsed().as_secs_f64();
        println!(
            "made {} secrets of {} versions, {rate:.0}/s\n",
            self.secrets, self.versions
        );
        println!(
            "{:<6}{:>8} |{:>10}{:>9}{:>9}{:>8}{:>8} |{:>10}{:>9}{:>9}{:>8}{:>8}",
            "call",
            "callers",
            "closed/s",
            "p50 ms",
            "p99 ms",
            "of echo",
            "cpu us",
            "open/s",
            "p50 ms",
            "p99 ms",
            "cpu us",
            "errors"
        );
        let mut bare = Vec::new();
        for &call in &self.calls {
            let endpoints = if call == Call::Echo {
                vec![echo_address.clone()]
            } else {
                region.endpoints()
            };
            let plan = Plan {
                call,
                endpoints,
                ..plan.clone()
            };
            for (at, callers) in self.callers.iter().enumerate() {
                let plan = Plan {
                    callers: *callers,
                    ..plan.clone()
                };
                let (closed, open) = self.measure(&plan, &|| match call {
                    Call::Echo => echo.processor_time(),
                    _ => region.processor_time(),
                });
                bare.extend((call == Call::Echo).then_some(closed.rate));
                print_row(call, *callers, &closed, &open, closed.rate / bare[at]);
            }
        }
    }

    /// The worst of several runs: as fast as it goes, then at half of that rate.
    fn measure(&self, plan: &Plan, used: &dyn Fn() -> Duration) -> (Measure, Measure) {
        let runs = |plan: &Plan| {
            let runs = (0..self.runs as u64).map(|run| Plan {
                seed: run + 1,
                ..plan.clone()
            });
            let run = |plan| {
                let before = used();
                let mut run = Loader::run(&plan);
                let server_us = (used() - before).as_secs_f64() * 1e6;
                run.server_us = server_us / run.calls.max(1) as f64;
                run
            };
            Measure::worst(&runs.map(run).collect::<Vec<_>>())
        };
        let closed = runs(plan);
        let open = runs(&Plan {
            rate: Some(closed.rate / 2.0),
            ..plan.clone()
        });
        (closed, open)
    }

    fn print_conditions(&self) {
        let said = |program: &str, arguments: &[&str]| {
            let output = std::process::Command::new(program).args(arguments).output();
            output.map_or("unknown".into(), |o| {
                String::from_utf8_lossy(&o.stdout).trim().to_owned()
            })
        };
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let (runs, seconds) = (self.runs, self.time.as_secs());
        println!(
            "commit     {}",
            said("git", &["rev-parse", "--short", "HEAD"])
        );
        println!("date       {}", said("date", &["-u", "+%F %H:%M UTC"]));
        println!("machine    {cores} cores, {}", said("uname", &["-srm"]));
        let build = if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        };
        println!("build      {build}, default configuration");
        println!("processes  3 servers, the echo and the loader, all on this machine, by TLS");
        println!(
            "secrets    {} of {VALUE_BYTES} bytes, all different; zipf 0.99, puts evenly",
            self.secrets
        );
        println!("runs       {runs} of {seconds} s, the worst of each column; open: half the rate");
        println!("batch      20 secrets a call; list: pages of 20");
    }
}

fn print_row(call: Call, callers: usize, closed: &Measure, open: &Measure, share: f64) {
    let ms = |micros: u64| micros as f64 / 1_000.0;
    println!(
        "{:<6}{callers:>8} |{:>10.0}{:>9.2}{:>9.2}{:>7.0}%{:>8.0} \
         |{:>10.0}{:>9.2}{:>9.2}{:>8.0}{:>8}",
        call.name(),
        closed.rate,
        ms(closed.p50_us),
        ms(closed.p99_us),
        share * 100.0,
        closed.server_us,
        open.rate,
        ms(open.p50_us),
        ms(open.p99_us),
        open.server_us,
        closed.errors + open.errors
    );
}
