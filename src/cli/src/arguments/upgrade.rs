//! `strongroom upgrade`.

use clap::{Args, Subcommand};

use super::Connection;
use super::secret::Yes;

/// The options of `upgrade`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct Upgrade {
    #[command(flatten)]
    pub connection: Connection,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `upgrade`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Turn on the newest rules that every node of the region can run.
    ///
    /// Until then the region can go back to the release before; afterwards no older release can
    /// run in it. Every node must run the new release and answer.
    #[command(after_help = "Example:\n  strongroom upgrade finalize --yes")]
    Finalize(Yes),
}
