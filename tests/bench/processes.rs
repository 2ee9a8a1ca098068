//! The other processes of a bench: this program again, with other arguments.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::calls::Call;
use crate::load::{self, Plan};
use crate::measure::Measure;

/// A process that ends with its owner.
pub struct Owned(Child);

/// The loader, started anew for each run.
pub struct Loader;

impl Loader {
    /// Runs a plan in a process of its own.
    ///
    /// # Panics
    ///
    /// When the process fails.
    pub fn run(plan: &Plan) -> Measure {
        let said = Self::start(plan, plan.call.name());
        Measure::from_line(said.trim()).expect("the loader tells what it measured")
    }

    /// Creates the secrets in a process of its own.
    ///
    /// # Panics
    ///
    /// When the process fails.
    pub fn fill(plan: &Plan) {
        Self::start(plan, "fill");
    }

    fn start(plan: &Plan, what: &str) -> String {
        let output = myself()
            .args(["load", what, &plan.callers.to_string()])
            .arg(plan.rate.unwrap_or_default().to_string())
            .arg(plan.time.as_secs().to_string())
            .args([plan.secrets, plan.versions].map(|number| number.to_string()))
            .arg(plan.seed.to_string())
            .arg(plan.endpoints.join(","))
            .arg(&plan.folder)
            .stderr(Stdio::inherit())
            .output()
            .expect("the loader can be run");
        assert!(output.status.success(), "the loader failed at {what}");
        String::from_utf8(output.stdout).expect("the loader writes text")
    }
}

impl Owned {
    /// The processor time it has used.
    pub fn processor_time(&self) -> Duration {
        strongroom_tests::processor_time(self.0.id())
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts the echo; its address is the first line it prints.
pub fn start_echo(folder: &Path) -> (Owned, String) {
    let mut command = myself();
    command.arg("echo").arg(folder).stdout(Stdio::piped());
    let mut process = command.spawn().expect("the echo can be run");
    let output = process.stdout.take().expect("its output is a pipe");
    let mut address = String::new();
    BufReader::new(output)
        .read_line(&mut address)
        .expect("the echo tells its address");
    (Owned(process), address.trim().to_owned())
}

/// The process of the echo.
pub fn echo(arguments: &[String]) {
    let folder = Path::new(&arguments[1]);
    runtime().block_on(crate::cluster::serve_echo(folder));
}

/// The process of the loader.
pub fn load(arguments: &[String]) {
    let [
        _,
        what,
        callers,
        rate,
        seconds,
        secrets,
        versions,
        seed,
        endpoints,
        folder,
    ] = arguments
    else {
        panic!("started by scripts/bench only");
    };
    let call = Call::ALL.into_iter().find(|call| call.name() == what);
    let rate: f64 = rate.parse().expect("a rate");
    let plan = Plan {
        call: call.unwrap_or(Call::Put),
        callers: callers.parse().expect("a number of callers"),
        rate: (rate > 0.0).then_some(rate),
        time: Duration::from_secs(seconds.parse().expect("a time")),
        secrets: secrets.parse().expect("a number of secrets"),
        versions: versions.parse().expect("a number of versions"),
        seed: seed.parse().expect("a seed"),
        endpoints: endpoints.split(',').map(str::to_owned).collect(),
        folder: folder.into(),
    };
    runtime().block_on(async {
        match call {
            Some(_) => println!("{}", load::run(plan).await.to_line()),
            None => load::fill(plan).await,
        }
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime")
}

fn myself() -> Command {
    Command::new(std::env::current_exe().expect("this program has a path"))
}
