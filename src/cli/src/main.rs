//! The `strongroom` binary: the server, the development cluster, and every command of operators and
//! users.
//!
//! **Architecture Invariant**: nothing here decides about secrets. Commands turn arguments into
//! calls of `client` or `server`, and their answers into lines.

mod arguments;
mod commands;
mod confirm;
mod crash;
mod document;
mod exit;
mod failure;
mod limits;
mod logs;
mod new_file;
mod output;
mod session;
mod signals;
mod value;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::failure::Failure;

/// A server frees on one thread what it allocated on another, all the time: with the allocator of
/// the C library a third of a write's processor time went there.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(refused) => return answer_parser(refused),
    };
    let format = arguments.output;
    match commands::run(arguments) {
        Ok(()) => Exit::Done.into(),
        // Whoever read the answer has read enough.
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Exit::Done.into(),
        Err(failure) => {
            let line = output::failure_line(&failure, format);
            // Nobody is left to tell when standard error is closed; the exit code still says it.
            let _ = writeln!(std::io::stderr(), "{line}");
            failure.exit().into()
        }
    }
}

/// Prints what the parser has to say: help and version are answers, everything else is bad usage.
fn answer_parser(refused: clap::Error) -> ExitCode {
    let refused = match refused.use_stderr() {
        true => arguments::refusal_without_variables().unwrap_or(refused),
        false => refused,
    };
    let _ = refused.print();
    if refused.use_stderr() {
        Exit::Usage.into()
    } else {
        Exit::Done.into()
    }
}
