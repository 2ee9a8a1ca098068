//! `strongroom region`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::Connection;
use super::secret::Yes;
use super::time::span;

/// The options of `region`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct Region {
    #[command(flatten)]
    pub connection: Connection,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `region`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List the regions: what each receives, what it leads, and whether it is heard.
    #[command(after_help = "Example:\n  strongroom region list")]
    List,
    /// Show how far regions follow each other: lag, position, staleness, trouble, throughput.
    ///
    /// POSITION is epoch and revision. LAG counts the changes that the primary has announced and
    /// the follower does not have.
    #[command(after_help = "Examples:\n  \
        strongroom region status\n  \
        strongroom region status --watch\n  \
        strongroom region status --watch --output json >> regions.log")]
    Status(Status),
    /// Make a token with which one new region is linked, once.
    ///
    /// The region that leads the directory makes it, the first one as long as nothing was promoted.
    #[command(after_help = "Example:\n  \
        strongroom region link eu-west-2 --scope all --lifetime 1h --output-file link-token\n\n\
        Then, on the first node of eu-west-2:\n  \
        strongroom server --config node-1.toml --link 10.0.0.1:7420 --token-file link-token")]
    Link(Link),
    /// Take a region out: it is sent nothing any more, and its name is not used again.
    ///
    /// It must lead nothing: promote another region over its feeds first. What it has already, it
    /// keeps.
    #[command(after_help = "Example:\n  strongroom region unlink eu-west-2 --yes")]
    Unlink(Unlink),
    /// Make this region primary of everything that a lost region led, and say what may be missing.
    ///
    /// Ask the region that is to take over. Whether a region is lost is your decision: one that is
    /// only cut off goes on by itself until it hears of this.
    #[command(after_help = "Examples:\n  \
        strongroom region promote eu-west-1\n  \
        strongroom region promote eu-west-1 --yes --output json\n\n\
        Exits with 0 when this region leads all that the lost one led, with 1 when feeds were left \
        (or the question was answered with no), with 65 when the region answers (--force), or \
        leads nothing that this one may lead, with 66 when there is no such region, with 69 when \
        nothing was done, and with 75 when the outcome is unknown: look at `strongroom region \
        list` then.")]
    Promote(Promote),
    /// Change what a region receives of the secrets of others.
    #[command(after_help = "Example:\n  strongroom region scope eu-west-2 selected")]
    Scope(SetScope),
}

/// What a region receives of the secrets of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// Those that are replicated to it.
    Selected,
    /// Every secret: it can take over everything.
    All,
}

/// The options of `region status`.
#[derive(Args, Debug)]
pub struct Status {
    /// Go on showing it, until interrupted: on a terminal in place, else one line a feed.
    #[arg(long)]
    pub watch: bool,
    /// End after this many states.
    #[arg(long, requires = "watch", value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

/// The options of `region link`.
#[derive(Args, Debug)]
pub struct Link {
    /// The name of the new region.
    pub region: String,
    /// What it receives: `selected` secrets that are replicated to it, or `all`.
    #[arg(long, value_enum, value_name = "SCOPE")]
    pub scope: Scope,
    /// How long the token is good for: a number with s, m, h or d, 1m to 7d.
    #[arg(long, default_value = "1h", value_name = "TIME", value_parser = lifetime)]
    pub lifetime: Duration,
    /// Write the token to a new FILE that only you can read, instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub output_file: Option<PathBuf>,
}

/// The options of `region unlink`.
#[derive(Args, Debug)]
pub struct Unlink {
    /// The region's name.
    pub region: String,
    #[command(flatten)]
    pub yes: Yes,
}

/// The options of `region promote`.
#[derive(Args, Debug)]
pub struct Promote {
    /// The region that is lost.
    #[arg(value_name = "LOST")]
    pub lost: String,
    /// Go on although the region answers.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub yes: Yes,
}

/// The options of `region scope`.
#[derive(Args, Debug)]
pub struct SetScope {
    /// The region's name.
    pub region: String,
    /// What it is to receive.
    #[arg(value_enum)]
    pub scope: Scope,
}

/// Parses a number with a unit: seconds, minutes, hours or days, from 1 minute to 7 days.
fn lifetime(text: &str) -> Result<Duration, String> {
    let week = 7 * 24 * 60 * 60;
    span(text, 60..=week)
        .ok_or_else(|| format!("{text} is not a time from 1m to 7d, such as 90s, 30m, 1h or 2d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_number_with_a_unit_from_a_minute_to_a_week() {
        for (text, seconds) in [("60s", 60), ("1m", 60), ("1h", 3_600), ("7d", 604_800)] {
            assert_eq!(lifetime(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "h",
            "1",
            "59s",
            "8d",
            "-1h",
            "1.5h",
            "1 h",
            "1w",
            "99999999999999999999d",
        ] {
            assert!(lifetime(text).is_err(), "{text}");
        }
    }
}
