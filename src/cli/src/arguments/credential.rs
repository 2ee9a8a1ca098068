//! `strongroom credential` and `strongroom access-key`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Connection;
use super::principal::{Account, Principal, RegionChoice, principal};
use super::secret::Yes;

/// The options of `credential`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct Credential {
    #[command(flatten)]
    pub connection: Connection,
    #[command(flatten)]
    pub account: Account,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `credential`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Bind certificates to a user or role: whoever calls with one is that user or role.
    ///
    /// The certificate must chain to an authority that the nodes trust. A binding says which one is
    /// meant by what stands in it, not by its key: it goes on to count when it is renewed.
    #[command(after_help = "Examples:\n  \
        strongroom credential bind user/alice --subject alice\n  \
        strongroom credential bind role/orders --uri spiffe://example.org/ns/shop/sa/orders\n  \
        strongroom credential bind role/shop --uri 'spiffe://example.org/ns/shop/*'")]
    Bind(Bind),
    /// Delete a binding. What was opened with it ends.
    #[command(after_help = "Example:\n  strongroom credential unbind 5f0c… --yes")]
    Unbind(IdYes),
    /// List the credentials of a user or role: bindings and access keys, without secrets.
    #[command(after_help = "Example:\n  strongroom credential list user/alice")]
    List(List),
    /// Let a binding count again.
    #[command(after_help = "Example:\n  strongroom credential enable 5f0c…")]
    Enable(Id),
    /// Let a binding count no more; it can be enabled again.
    #[command(after_help = "Example:\n  strongroom credential disable 5f0c…")]
    Disable(Id),
    /// Say in which regions a binding counts.
    #[command(after_help = "Example:\n  strongroom credential regions 5f0c… eu-west-1")]
    Regions(IdRegions),
}

/// The options of `access-key`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct AccessKey {
    #[command(flatten)]
    pub connection: Connection,
    #[command(flatten)]
    pub account: Account,
    #[command(subcommand)]
    pub verb: KeyVerb,
}

/// The verbs of `access-key`.
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Create an access key of a user. Its secret is shown this once.
    #[command(after_help = "Examples:\n  \
        strongroom access-key create orders --output-file credentials\n  \
        strongroom access-key create orders --region eu-west-1 -o json")]
    Create(CreateKey),
    /// List the access keys of a user, without secrets.
    #[command(after_help = "Example:\n  strongroom access-key list orders")]
    List(Owner),
    /// Let an access key count again.
    #[command(after_help = "Example:\n  strongroom access-key enable AKIAIOSFODNN7EXAMPLE")]
    Enable(Id),
    /// Let an access key count no more; it can be enabled again.
    #[command(after_help = "Example:\n  strongroom access-key disable AKIAIOSFODNN7EXAMPLE")]
    Disable(Id),
    /// Say in which regions an access key counts.
    #[command(after_help = "Example:\n  \
        strongroom access-key regions AKIAIOSFODNN7EXAMPLE eu-west-1")]
    Regions(IdRegions),
    /// Delete an access key. What was opened with it ends.
    #[command(after_help = "Example:\n  \
        strongroom access-key delete AKIAIOSFODNN7EXAMPLE --yes")]
    Delete(IdYes),
}

/// The options of `credential bind`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["subject", "uri"]))]
pub struct Bind {
    /// Whose it is: user/NAME, role/NAME or an ARN.
    #[arg(value_name = "PRINCIPAL", value_parser = principal)]
    pub principal: Principal,
    /// Certificates with this common name, or of the client of the cluster with this name.
    #[arg(long, value_name = "NAME")]
    pub subject: Option<String>,
    /// Certificates with this URI among their alternative names; with `/*` at its end all below it.
    #[arg(long, value_name = "URI")]
    pub uri: Option<String>,
    /// A region it counts in; may be repeated. All without it.
    #[arg(long, value_name = "REGION")]
    pub region: Vec<String>,
}

/// The options of `credential list`.
#[derive(Args, Debug)]
pub struct List {
    /// Whose they are: user/NAME, role/NAME or an ARN.
    #[arg(value_name = "PRINCIPAL", value_parser = principal)]
    pub principal: Principal,
}

/// The options of `access-key create`.
#[derive(Args, Debug)]
pub struct CreateKey {
    #[command(flatten)]
    pub owner: Owner,
    /// A region it counts in; may be repeated. All without it.
    #[arg(long, value_name = "REGION")]
    pub region: Vec<String>,
    /// Write the key to a new FILE that only you can read, in the form of ~/.aws/credentials,
    /// instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub output_file: Option<PathBuf>,
}

/// Whose access keys are meant.
#[derive(Args, Debug)]
pub struct Owner {
    /// The user's name; case does not count.
    #[arg(value_name = "USER")]
    pub user: String,
}

/// One credential.
#[derive(Args, Debug)]
pub struct Id {
    /// Its id, as `list` shows it.
    pub id: String,
}

/// The options of `unbind` and `delete`.
#[derive(Args, Debug)]
pub struct IdYes {
    #[command(flatten)]
    pub id: Id,
    #[command(flatten)]
    pub yes: Yes,
}

/// The options of `regions`.
#[derive(Args, Debug)]
pub struct IdRegions {
    #[command(flatten)]
    pub id: Id,
    #[command(flatten)]
    pub choice: RegionChoice,
}
