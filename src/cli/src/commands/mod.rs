//! What each command does.

mod account;
mod audit;
pub mod certs;
pub mod config;
pub mod connect;
mod credential;
pub mod dev;
mod login;
mod manual;
pub mod node;
mod pages;
mod policy;
mod principal;
mod provider;
mod region;
mod revocation;
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
        Command::User(arguments) => principal::user::run(&arguments, format),
        Command::Group(arguments) => principal::group::run(&arguments, format),
        Command::Role(arguments) => principal::role::run(&arguments, format),
        Command::Policy(arguments) => policy::run(&arguments, format),
        Command::Credential(arguments) => credential::run(&arguments, format),
        Command::AccessKey(arguments) => credential::run_key(&arguments, format),
        Command::Provider(arguments) => provider::run(&arguments, format),
        Command::Account(arguments) => account::run(&arguments, format),
        Command::Revoke(arguments) => revocation::revoke(&arguments, format),
        Command::Revocations(arguments) => revocation::list(&arguments, format),
        Command::Login(arguments) => login::login(&arguments, format),
        Command::Logout(arguments) => login::logout(&arguments, format),
        Command::Audit(arguments) => audit::run(&arguments, format),
        Command::WhoAmI(arguments) => account::whoami(&arguments, format),
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
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
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
