//! `strongroom dev`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::secret::Yes;

/// The options of `dev`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    strongroom dev\n  \
    strongroom dev --dir /tmp/try --port 0\n  \
    eval \"$(strongroom dev env)\"\n  \
    eval \"$(strongroom dev env --region eu-west-2)\"\n  \
    strongroom dev stop-node 1")]
pub struct Dev {
    /// Where everything is kept; without it $XDG_STATE_HOME/strongroom-dev if that variable is set,
    /// else ./strongroom-dev.
    #[arg(long, global = true, env = "STRONGROOM_DEV_DIR", value_name = "DIR")]
    #[arg(hide_env_values = true)]
    pub dir: Option<PathBuf>,
    /// The first node's API port; the others follow in steps of ten, those of the second region
    /// last, and peers use the port after it. 0 picks free ports. 7420 without it, or the ports of
    /// the last start.
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// What to ask of running development regions; without it, they are started.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// The verbs of `dev`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Print export lines for the shell, so that `strongroom` and other programs find a region.
    #[command(after_help = "Examples:\n  \
        eval \"$(strongroom dev env)\"\n  \
        eval \"$(strongroom dev env --region eu-west-2)\"")]
    Env(Env),
    /// Show the nodes of the running regions.
    Status,
    /// Stop one node; if it leads, it hands leadership over first.
    StopNode(Node),
    /// Start a stopped node again.
    StartNode(Node),
    /// Delete the directory with all its secrets; the regions must not be running.
    Reset(Yes),
}

/// The options of `dev env`.
#[derive(Args, Debug)]
pub struct Env {
    /// The region to find; eu-west-1, the first one, without it.
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
}

/// One node.
#[derive(Args, Debug)]
pub struct Node {
    /// The node's number, 1 to 3.
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3))]
    pub node: u64,
    /// The node's region; eu-west-1, the first one, without it.
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
}
