//! `strongroom role`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::Connection;
use super::login::Assume;
use super::principal::{
    Account, Beginnings, Boundary, DeletePolicy, ListNamed, ManagedPolicy, Named, NamedYes,
    PutPolicy, RegionsNamed, TagNamed, UntagNamed,
};
use super::time::span;
use crate::document::PolicyFile;

/// The options of `role`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct Role {
    #[command(flatten)]
    pub connection: Connection,
    #[command(flatten)]
    pub account: Account,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `role`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create a role: what those whom its trust policy names may become for a time.
    #[command(after_help = "Example:\n  \
        strongroom role create deploy --trust-file trust.json --session-max 2h")]
    Create(Create),
    /// Show a role: whom it trusts, its policies, boundary and regions.
    #[command(after_help = "Example:\n  strongroom role get deploy -o json")]
    Get(Named),
    /// List roles.
    #[command(after_help = "Example:\n  strongroom role list")]
    List(ListNamed),
    /// Delete a role that has no policies and credentials any more. Its sessions end.
    #[command(after_help = "Example:\n  strongroom role delete deploy --yes")]
    Delete(NamedYes),
    /// Let a role act again.
    #[command(after_help = "Example:\n  strongroom role enable deploy")]
    Enable(Named),
    /// Let a role do nothing, whatever its policies say.
    #[command(after_help = "Example:\n  strongroom role disable deploy")]
    Disable(Named),
    /// Say whom a role trusts, in the place of whom it trusts now.
    #[command(after_help = "Example:\n  strongroom role trust deploy --file trust.json")]
    Trust(Trust),
    /// Say how long a session of a role may last.
    #[command(after_help = "Example:\n  strongroom role session-max deploy 30m")]
    SessionMax(SessionMax),
    /// Attach a managed policy to a role.
    #[command(after_help = "Example:\n  \
        strongroom role attach deploy arn:aws:iam::000000000000:policy/orders-read")]
    Attach(ManagedPolicy),
    /// Detach a managed policy from a role.
    #[command(after_help = "Example:\n  \
        strongroom role detach deploy arn:aws:iam::000000000000:policy/orders-read")]
    Detach(ManagedPolicy),
    /// Give a role a policy of its own, or replace it.
    #[command(after_help = "Example:\n  \
        strongroom role put-policy deploy orders --file policy.json")]
    PutPolicy(PutPolicy),
    /// Delete a policy of a role's own.
    #[command(after_help = "Example:\n  strongroom role delete-policy deploy orders --yes")]
    DeletePolicy(DeletePolicy),
    /// Bound what a role may ever do, or take the bound away.
    #[command(after_help = "Examples:\n  \
        strongroom role boundary deploy arn:aws:iam::000000000000:policy/developers\n  \
        strongroom role boundary deploy --none")]
    Boundary(Boundary),
    /// Add or change tags of a role.
    #[command(after_help = "Example:\n  strongroom role tag deploy team=pay")]
    Tag(TagNamed),
    /// Remove tags of a role.
    #[command(after_help = "Example:\n  strongroom role untag deploy team")]
    Untag(UntagNamed),
    /// Say in which regions a role counts.
    #[command(after_help = "Examples:\n  \
        strongroom role regions deploy eu-west-1\n  \
        strongroom role regions deploy --all")]
    Regions(RegionsNamed),
    /// Become a role that trusts you, for the commands that follow.
    #[command(after_help = "Examples:\n  \
        strongroom role assume arn:aws:iam::000000000000:role/deploy\n  \
        strongroom role assume arn:aws:iam::000000000000:role/deploy --duration 15m \
        --policy-file narrower.json --print")]
    Assume(Assume),
    /// End every session of a role that was opened so far.
    #[command(after_help = "Example:\n  strongroom role revoke-sessions deploy --yes")]
    RevokeSessions(NamedYes),
}

/// The options of `role create`.
#[derive(Args, Debug)]
pub struct Create {
    #[command(flatten)]
    pub named: Named,
    /// Read the policy that says who may become the role from FILE, or from standard input if FILE
    /// is `-`.
    #[arg(long, value_name = "FILE")]
    pub trust_file: PathBuf,
    /// The longest session: a number with s, m, h or d, 15m to 12h; 1h without it.
    #[arg(long, value_name = "TIME", value_parser = session)]
    pub session_max: Option<Duration>,
    #[command(flatten)]
    pub beginnings: Beginnings,
}

/// The options of `role trust`.
#[derive(Args, Debug)]
pub struct Trust {
    #[command(flatten)]
    pub named: Named,
    #[command(flatten)]
    pub document: PolicyFile,
}

/// The options of `role session-max`.
#[derive(Args, Debug)]
pub struct SessionMax {
    #[command(flatten)]
    pub named: Named,
    /// The longest session: a number with s, m, h or d, 15m to 12h.
    #[arg(value_name = "TIME", value_parser = session)]
    pub time: Duration,
}

/// Parses how long a session may last.
pub fn session(text: &str) -> Result<Duration, String> {
    let (quarter, half_a_day) = (15 * 60, 12 * 60 * 60);
    span(text, quarter..=half_a_day)
        .ok_or_else(|| format!("{text} is not a time from 15m to 12h, such as 900s, 30m or 1h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lasts_from_a_quarter_of_an_hour_to_half_a_day() {
        for (text, seconds) in [("15m", 900), ("900s", 900), ("1h", 3_600), ("12h", 43_200)] {
            assert_eq!(session(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "1", "899s", "13h", "1d"] {
            assert!(session(text).is_err(), "{text}");
        }
    }
}
