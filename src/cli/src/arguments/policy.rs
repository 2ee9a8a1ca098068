//! `strongroom policy`.

use clap::{Args, Subcommand};

use super::Connection;
use super::principal::{Account, Limit, Principal, principal};
use super::secret::{Yes, pair};
use crate::document::PolicyFile;

/// The options of `policy`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct Policy {
    #[command(flatten)]
    pub connection: Connection,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `policy`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create a managed policy, which can be attached to users, groups and roles.
    #[command(after_help = "Example:\n  \
        strongroom policy create orders-read --file policy.json --description 'read orders/*'")]
    Create(Create),
    /// Show a managed policy and its document.
    #[command(after_help = "Examples:\n  \
        strongroom policy get arn:aws:iam::000000000000:policy/orders-read\n  \
        strongroom policy get arn:aws:iam::000000000000:policy/orders-read --document > now.json")]
    Get(Get),
    /// List managed policies, and to how many each is attached.
    #[command(after_help = "Example:\n  strongroom policy list")]
    List(List),
    /// Replace the document of a managed policy: it counts at once wherever it is attached.
    #[command(after_help = "Example:\n  \
        strongroom policy update arn:aws:iam::000000000000:policy/orders-read --file policy.json")]
    Update(Update),
    /// Delete a managed policy that is attached nowhere.
    #[command(after_help = "Example:\n  \
        strongroom policy delete arn:aws:iam::000000000000:policy/orders-read --yes")]
    Delete(Delete),
    /// Check a document without storing it; exits with 1 if a check fails.
    ///
    /// With --principal as a policy of that user or role, else as the resource policy of a secret.
    #[command(after_help = "Examples:\n  \
        strongroom policy validate --file policy.json --principal user/alice\n  \
        strongroom policy validate --file resource-policy.json")]
    Validate(Validate),
    /// Say what a user or role may do and which statement decides, without doing it.
    ///
    /// Conditions see what --context says of the request, and nothing else: an address, for
    /// example, is not known here.
    #[command(after_help = "Examples:\n  \
        strongroom policy simulate --principal user/alice secretsmanager:GetSecretValue \
        --resource orders/db\n  \
        strongroom policy simulate --principal role/deploy secretsmanager:PutSecretValue \
        secretsmanager:DeleteSecret --resource orders/db --context aws:SourceIp=10.0.0.1\n  \
        strongroom policy simulate --principal user/alice secretsmanager:GetSecretValue \
        --resource orders/db --with-file new-policy.json")]
    Simulate(Simulate),
    /// List who may take an action on a secret, and which statement allows it.
    #[command(after_help = "Example:\n  \
        strongroom policy who-can secretsmanager:GetSecretValue orders/db")]
    WhoCan(WhoCan),
}

/// A managed policy.
#[derive(Args, Debug)]
pub struct Arn {
    /// The policy's ARN.
    #[arg(value_name = "ARN")]
    pub arn: String,
}

/// The options of `policy create`.
#[derive(Args, Debug)]
pub struct Create {
    /// Its name; case does not count.
    pub name: String,
    #[command(flatten)]
    pub document: PolicyFile,
    /// Its path: names with a `/` around each, as /team/pay/.
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    #[command(flatten)]
    pub account: Account,
}

/// The options of `policy get`.
#[derive(Args, Debug)]
pub struct Get {
    #[command(flatten)]
    pub arn: Arn,
    /// Print the document alone, byte for byte.
    #[arg(long)]
    pub document: bool,
}

/// The options of `policy list`.
#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    pub limit: Limit,
    #[command(flatten)]
    pub account: Account,
}

/// The options of `policy update`.
#[derive(Args, Debug)]
pub struct Update {
    #[command(flatten)]
    pub arn: Arn,
    #[command(flatten)]
    pub document: PolicyFile,
}

/// The options of `policy delete`.
#[derive(Args, Debug)]
pub struct Delete {
    #[command(flatten)]
    pub arn: Arn,
    #[command(flatten)]
    pub yes: Yes,
}

/// The options of `policy validate`.
#[derive(Args, Debug)]
pub struct Validate {
    #[command(flatten)]
    pub document: PolicyFile,
    /// Whose policy it would be: user/NAME, role/NAME or an ARN.
    #[arg(long, value_name = "PRINCIPAL", value_parser = principal)]
    pub principal: Option<Principal>,
}

/// The options of `policy simulate`.
#[derive(Args, Debug)]
pub struct Simulate {
    /// Who would do it: user/NAME, role/NAME or an ARN.
    #[arg(long, value_name = "PRINCIPAL", value_parser = principal)]
    pub principal: Principal,
    /// The actions, up to 100.
    #[arg(required = true, value_name = "ACTION")]
    pub actions: Vec<String>,
    /// The name or ARN of what it would be done to; may be repeated. `*` without it.
    #[arg(long, value_name = "RESOURCE")]
    pub resource: Vec<String>,
    #[command(flatten)]
    pub context: Context,
    /// A document that counts as if it were attached, from FILE or standard input (`-`); may be
    /// repeated.
    #[arg(long, value_name = "FILE")]
    pub with_file: Vec<std::path::PathBuf>,
}

/// The options of `policy who-can`.
#[derive(Args, Debug)]
pub struct WhoCan {
    /// The action.
    pub action: String,
    /// The secret's name or ARN.
    pub secret: String,
    #[command(flatten)]
    pub context: Context,
    #[command(flatten)]
    pub limit: Limit,
}

/// What a request would say of itself.
#[derive(Args, Debug)]
pub struct Context {
    /// A condition key of the request and its value; may be repeated, also with the same key, which
    /// has several values then.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub context: Vec<(String, String)>,
}
