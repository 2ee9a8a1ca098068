//! What each command does.

pub mod certs;
pub mod config;
pub mod connect;
pub mod dev;
mod manual;
pub mod node;
mod region;
pub mod secret;
pub mod server;
mod token;
mod upgrade;

use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use crate::arguments::server::SealVerb;
use crate::arguments::{Arguments, Command};
use crate::failure::Failure;
use crate::output::Answer;

/// Carries out one command.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let format = arguments.output;
    match arguments.command {
        Command::Server(arguments) => server::run(&arguments),
        Command::Dev(arguments) => dev::run(&arguments, format),
        Command::Secret(arguments) => secret::run(&arguments, format),
        Command::Node(arguments) => node::run(&arguments, format),
        Command::Region(arguments) => region::run(&arguments, format),
        Command::Upgrade(arguments) => upgrade::run(&arguments, format),
        Command::Certs(arguments) => certs::run(&arguments.verb, format),
        Command::Config(arguments) => config::run(&arguments.verb, format),
        Command::Seal(arguments) => match arguments.verb {
            SealVerb::Init { file } => {
                ::server::create_root_key(&file)?;
                let line = format!("made {}; keep a copy elsewhere", file.display());
                Answer::line(line, json!({ "file": file })).print(format)
            }
        },
        Command::Version => {
            let release = env!("CARGO_PKG_VERSION");
            let line = format!("strongroom {release}");
            Answer::line(line, json!({ "release": release })).print(format)
        }
        Command::Completion { shell } => manual::completion(shell),
        Command::Man { dir } => manual::pages(dir.as_deref()),
    }
}

/// Runs the calls of one command, on this thread.
fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    runtime.block_on(work)
}

/// What nodes run on: one thread a processor.
fn node_runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)
}
