//! `strongroom node`.

use clap::{Args, Subcommand};

use super::Connection;
use super::secret::Yes;

/// The options of `node`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct Node {
    #[command(flatten)]
    pub connection: Connection,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `node`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List the region's nodes.
    #[command(after_help = "Example:\n  strongroom node list")]
    List,
    /// Show how the answering node stands: term, leader, log, lag.
    #[command(after_help = "Example:\n  strongroom node status --endpoint 10.0.0.2:7420")]
    Status,
    /// Join tokens.
    #[command(subcommand, arg_required_else_help = true)]
    Token(Token),
    /// Make a learner a voter.
    #[command(after_help = "Example:\n  strongroom node promote 3")]
    Promote(Id),
    /// Remove a node from the region; its certificate is refused from then on.
    #[command(after_help = "Example:\n  strongroom node remove 3 --yes")]
    Remove(Remove),
    /// Give leadership to another voter.
    #[command(after_help = "Example, before maintenance of the leader:\n  \
        strongroom node transfer-leader 2")]
    TransferLeader(TransferLeader),
    /// Make the answering node write a snapshot now.
    #[command(after_help = "Example:\n  strongroom node snapshot --endpoint 10.0.0.2:7420")]
    Snapshot,
}

/// The verbs of `node token`.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token that lets one new node join, once.
    #[command(after_help = "Example:\n  \
        strongroom node token create --output-file join-token\n  \
        strongroom server --config node-3.toml --join 10.0.0.1:7420 --token-file join-token")]
    Create(TokenCreate),
}

/// The options of `node token create`.
#[derive(Args, Debug)]
pub struct TokenCreate {
    /// How long the token is good for, in seconds.
    #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(60..=86_400))]
    pub valid_for: u64,
    /// Write the token to a new FILE that only you can read, instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub output_file: Option<std::path::PathBuf>,
}

/// One node.
#[derive(Args, Debug)]
pub struct Id {
    /// The node's id.
    pub id: u64,
}

/// The options of `node remove`.
#[derive(Args, Debug)]
pub struct Remove {
    /// The node's id.
    pub id: u64,
    #[command(flatten)]
    pub yes: Yes,
}

/// The options of `node transfer-leader`.
#[derive(Args, Debug)]
pub struct TransferLeader {
    /// The voter that becomes leader; the most advanced one without it.
    pub to: Option<u64>,
}
