//! `strongroom secret policy`.

use clap::{Args, Subcommand};

use super::secret::{Name, Yes};
use crate::document::PolicyFile;

/// The verbs of `secret policy`.
#[derive(Debug, Subcommand)]
pub enum ResourcePolicy {
    /// Give a secret a resource policy, in the place of the one it has.
    ///
    /// It names who may do what with the secret. A policy that keeps everybody from replacing it is
    /// refused.
    #[command(after_help = "Examples:\n  \
        strongroom secret policy put orders/db --file policy.json\n  \
        strongroom secret policy put orders/db --file policy.json --block-public-policy")]
    Put(Put),
    /// Show the resource policy of a secret.
    #[command(after_help = "Examples:\n  \
        strongroom secret policy get orders/db\n  \
        strongroom secret policy get orders/db --document > policy.json")]
    Get(Get),
    /// Remove the resource policy of a secret.
    #[command(after_help = "Example:\n  strongroom secret policy delete orders/db --yes")]
    Delete(Delete),
    /// Check a resource policy without giving it to a secret; exits with 1 if a check fails.
    ///
    /// With a secret's name it is also checked whether you could still replace it there.
    #[command(after_help = "Examples:\n  \
        strongroom secret policy validate --file policy.json\n  \
        strongroom secret policy validate orders/db --file policy.json")]
    Validate(Validate),
}

/// The options of `secret policy put`.
#[derive(Args, Debug)]
pub struct Put {
    #[command(flatten)]
    pub secret: Name,
    #[command(flatten)]
    pub document: PolicyFile,
    /// Refuse a policy that lets everybody in.
    #[arg(long)]
    pub block_public_policy: bool,
}

/// The options of `secret policy get`.
#[derive(Args, Debug)]
pub struct Get {
    #[command(flatten)]
    pub secret: Name,
    /// Print the document alone, byte for byte.
    #[arg(long)]
    pub document: bool,
}

/// The options of `secret policy delete`.
#[derive(Args, Debug)]
pub struct Delete {
    #[command(flatten)]
    pub secret: Name,
    #[command(flatten)]
    pub yes: Yes,
}

/// The options of `secret policy validate`.
#[derive(Args, Debug)]
pub struct Validate {
    /// The name or ARN of the secret that is to get it; without it the document alone is checked.
    pub name: Option<String>,
    #[command(flatten)]
    pub document: PolicyFile,
}
