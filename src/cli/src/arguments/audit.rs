//! `strongroom audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Connection;
use super::time;

/// The options of `audit`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct Audit {
    #[command(flatten)]
    pub connection: Connection,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `audit`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Print the last records of a node.
    #[command(after_help = "Examples:\n  \
        strongroom audit tail\n  \
        strongroom audit tail --follow --last 0")]
    Tail(Tail),
    /// Find records of a node: those that match everything that is given, the newest first.
    #[command(after_help = "Examples:\n  \
        strongroom audit search --result denied\n  \
        strongroom audit search --caller 'arn:aws:iam::000000000000:user/*' \
        --method GetSecretValue --since 2026-12-01T00:00:00Z --oldest-first")]
    Search(Search),
    /// Check the files of a node: whether records were changed, left out or taken away.
    ///
    /// Needs neither the node nor a key, and may be used while the node runs. Keep the hash it
    /// prints: it tells later whether everything up to there is still the same.
    #[command(after_help = "Example:\n  strongroom audit verify /var/lib/strongroom/audit")]
    Verify(Verify),
}

/// The options of `audit tail`.
#[derive(Args, Debug)]
pub struct Tail {
    /// Begin with this many records that are there, at most 1000.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(i32).range(0..=1000))]
    pub last: i32,
    /// Go on with what is recorded, until Ctrl-C.
    #[arg(long, short)]
    pub follow: bool,
}

/// The options of `audit search`.
#[derive(Args, Debug)]
pub struct Search {
    /// Not before this time, as 2026-12-01T09:30:00Z.
    #[arg(long, value_name = "TIME", value_parser = time::instant)]
    pub since: Option<client::Timestamp>,
    /// Before this time.
    #[arg(long, value_name = "TIME", value_parser = time::instant)]
    pub until: Option<client::Timestamp>,
    /// Who called: an ARN; with `*` at its end all that begin so.
    #[arg(long, value_name = "ARN")]
    pub caller: Option<String>,
    /// What was called, as GetSecretValue.
    #[arg(long, value_name = "NAME")]
    pub method: Option<String>,
    /// What it was about: an ARN; with `*` at its end all that begin so.
    #[arg(long, value_name = "ARN")]
    pub resource: Option<String>,
    /// What came of it: allowed, denied, or the name of an error.
    #[arg(long, value_name = "RESULT")]
    pub result: Option<String>,
    /// The oldest first.
    #[arg(long)]
    pub oldest_first: bool,
    /// Print at most this many.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// The options of `audit verify`.
#[derive(Args, Debug)]
pub struct Verify {
    /// The directory of the records: `audit` in the data directory, unless it is configured.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}
