//! `strongroom user`.

use clap::{Args, Subcommand};

use super::Connection;
use super::principal::{
    Account, Beginnings, Boundary, DeletePolicy, ListNamed, ManagedPolicy, Membership, Named,
    NamedYes, PutPolicy, RegionsNamed, TagNamed, UntagNamed,
};

/// The options of `user`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct User {
    #[command(flatten)]
    pub connection: Connection,
    #[command(flatten)]
    pub account: Account,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `user`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create a user. It may do nothing before a policy says so.
    #[command(after_help = "Examples:\n  \
        strongroom user create alice --tag team=pay\n  \
        strongroom user create orders --path /services/ --region eu-west-1")]
    Create(Create),
    /// Show a user: its policies, groups, boundary and regions.
    #[command(after_help = "Example:\n  strongroom user get alice -o json")]
    Get(Named),
    /// List users.
    #[command(after_help = "Examples:\n  \
        strongroom user list\n  \
        strongroom user list --path-prefix /services/")]
    List(ListNamed),
    /// Delete a user that has no policies, credentials or groups any more.
    #[command(after_help = "Example:\n  strongroom user delete alice --yes")]
    Delete(NamedYes),
    /// Let a user act again.
    #[command(after_help = "Example:\n  strongroom user enable alice")]
    Enable(Named),
    /// Let a user do nothing, whatever its policies say.
    #[command(after_help = "Example:\n  strongroom user disable alice")]
    Disable(Named),
    /// Attach a managed policy to a user.
    #[command(after_help = "Example:\n  \
        strongroom user attach alice arn:aws:iam::000000000000:policy/orders-read")]
    Attach(ManagedPolicy),
    /// Detach a managed policy from a user.
    #[command(after_help = "Example:\n  \
        strongroom user detach alice arn:aws:iam::000000000000:policy/orders-read")]
    Detach(ManagedPolicy),
    /// Give a user a policy of its own, or replace it.
    #[command(after_help = "Example:\n  \
        strongroom user put-policy alice orders --file policy.json")]
    PutPolicy(PutPolicy),
    /// Delete a policy of a user's own.
    #[command(after_help = "Example:\n  strongroom user delete-policy alice orders --yes")]
    DeletePolicy(DeletePolicy),
    /// Bound what a user may ever do, or take the bound away.
    #[command(after_help = "Examples:\n  \
        strongroom user boundary alice arn:aws:iam::000000000000:policy/developers\n  \
        strongroom user boundary alice --none")]
    Boundary(Boundary),
    /// Let a user join a group: it has the group's policies then.
    #[command(after_help = "Example:\n  strongroom user join alice developers")]
    Join(Membership),
    /// Let a user leave a group.
    #[command(after_help = "Example:\n  strongroom user leave alice developers")]
    Leave(Membership),
    /// Add or change tags of a user.
    #[command(after_help = "Example:\n  strongroom user tag alice team=pay stage=live")]
    Tag(TagNamed),
    /// Remove tags of a user.
    #[command(after_help = "Example:\n  strongroom user untag alice stage")]
    Untag(UntagNamed),
    /// Say in which regions a user counts.
    #[command(after_help = "Examples:\n  \
        strongroom user regions alice eu-west-1 eu-west-2\n  \
        strongroom user regions alice --all")]
    Regions(RegionsNamed),
    /// End every session that a user has opened so far.
    #[command(after_help = "Example:\n  strongroom user revoke-sessions alice --yes")]
    RevokeSessions(NamedYes),
}

/// The options of `user create`.
#[derive(Args, Debug)]
pub struct Create {
    #[command(flatten)]
    pub named: Named,
    #[command(flatten)]
    pub beginnings: Beginnings,
}
