//! `strongroom group`.

use clap::{Args, Subcommand};

use super::Connection;
use super::principal::{
    Account, DeletePolicy, ListNamed, ManagedPolicy, Named, NamedYes, PutPolicy,
};

/// The options of `group`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct Group {
    #[command(flatten)]
    pub connection: Connection,
    #[command(flatten)]
    pub account: Account,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `group`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create a group. `strongroom user join` brings users into it.
    #[command(after_help = "Example:\n  strongroom group create developers")]
    Create(Create),
    /// Show a group: its policies and its members.
    #[command(after_help = "Example:\n  strongroom group get developers")]
    Get(Named),
    /// List groups.
    #[command(after_help = "Example:\n  strongroom group list")]
    List(ListNamed),
    /// Delete a group that has no policies and no members any more.
    #[command(after_help = "Example:\n  strongroom group delete developers --yes")]
    Delete(NamedYes),
    /// Attach a managed policy to a group.
    #[command(after_help = "Example:\n  \
        strongroom group attach developers arn:aws:iam::000000000000:policy/orders-read")]
    Attach(ManagedPolicy),
    /// Detach a managed policy from a group.
    #[command(after_help = "Example:\n  \
        strongroom group detach developers arn:aws:iam::000000000000:policy/orders-read")]
    Detach(ManagedPolicy),
    /// Give a group a policy of its own, or replace it.
    #[command(after_help = "Example:\n  \
        strongroom group put-policy developers orders --file policy.json")]
    PutPolicy(PutPolicy),
    /// Delete a policy of a group's own.
    #[command(after_help = "Example:\n  \
        strongroom group delete-policy developers orders --yes")]
    DeletePolicy(DeletePolicy),
}

/// The options of `group create`.
#[derive(Args, Debug)]
pub struct Create {
    #[command(flatten)]
    pub named: Named,
    /// Its path: names with a `/` around each, as /team/pay/.
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
}
