//! `strongroom certs`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Connection;
use super::secret::Yes;

/// The options of `certs`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct Certs {
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `certs`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a new cluster's root and the first region's issuer.
    #[command(
        after_help = "Example:\n  strongroom certs init --region eu-west-1\n\n\
        Then move certs/root-key.pem to a place without a network: only another region needs it."
    )]
    Init(Init),
    /// Make the issuer of another region.
    #[command(after_help = "Example:\n  strongroom certs add-region eu-north-1")]
    AddRegion(AddRegion),
    /// Sign a certificate for a node or a client.
    #[command(subcommand, arg_required_else_help = true)]
    Issue(Issue),
    /// Give the region its issuer, so that nodes renew their certificates by themselves.
    ///
    /// The private key is sealed in the region's state, and whichever node leads signs with it.
    #[command(after_help = "Example:\n  strongroom certs install-issuer --region eu-west-1")]
    InstallIssuer(InstallIssuer),
    /// Put a new issuer in the place of the region's, without a pause.
    ///
    /// Makes it, which takes the root's key, and installs it: both are trusted from then on, and
    /// the nodes have it sign for them. With --finish, once `certs status --live` shows it for
    /// every node, the one before is trusted no more: clients need certificates of the new one.
    #[command(
        after_help = "Examples:\n  strongroom certs rotate-ca --region eu-west-1\n  \
        strongroom certs status --live\n  \
        strongroom certs rotate-ca --region eu-west-1 --finish --yes"
    )]
    RotateCa(RotateCa),
    /// Show whom certificates name and when they expire.
    #[command(after_help = "Examples:\n  strongroom certs status\n  \
        strongroom certs status /etc/strongroom --expires-within 30\n  \
        strongroom certs status --live")]
    Status(Status),
}

/// The options of `certs init`.
#[derive(Args, Debug)]
pub struct Init {
    /// Where the files go.
    #[arg(long, default_value = "certs", value_name = "DIR")]
    pub dir: PathBuf,
    /// The region's name.
    #[arg(long, value_name = "REGION")]
    pub region: String,
}

/// The options of `certs add-region`.
#[derive(Args, Debug)]
pub struct AddRegion {
    /// The region's name.
    pub region: String,
    /// The directory of `certs init`.
    #[arg(long, default_value = "certs", value_name = "DIR")]
    pub dir: PathBuf,
}

/// The verbs of `certs issue`.
#[derive(Debug, Subcommand)]
pub enum Issue {
    /// Sign a node's certificate.
    #[command(after_help = "Example:\n  \
        strongroom certs issue node 1 --region eu-west-1 --host 10.0.0.1 --host node-1.internal")]
    Node(IssueNode),
    /// Sign a client's certificate.
    #[command(after_help = "Example:\n  \
        strongroom certs issue client administrator --region eu-west-1")]
    Client(IssueClient),
}

/// The options of `certs issue node`.
#[derive(Args, Debug)]
pub struct IssueNode {
    /// The node's id: a number no node of the region ever had.
    pub id: u64,
    /// A name or address under which the node is reached; may be repeated.
    #[arg(long, required = true, value_name = "HOST")]
    pub host: Vec<String>,
    #[command(flatten)]
    pub leaf: Leaf,
}

/// The options of `certs issue client`.
#[derive(Args, Debug)]
pub struct IssueClient {
    /// The client's name.
    pub name: String,
    #[command(flatten)]
    pub leaf: Leaf,
}

/// What nodes' and clients' certificates have in common.
#[derive(Args, Debug)]
pub struct Leaf {
    /// The region whose issuer signs.
    #[arg(long, value_name = "REGION")]
    pub region: String,
    /// The directory of `certs init`.
    #[arg(long, default_value = "certs", value_name = "DIR")]
    pub dir: PathBuf,
    /// How long the certificate is good for; never longer than its issuer.
    #[arg(long, default_value_t = 365, value_name = "DAYS")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub days: u32,
    /// Sign the key that is there again: a node's key is pinned by its region and must stay.
    #[arg(long)]
    pub renew: bool,
}

/// The options of `certs install-issuer`.
#[derive(Args, Debug)]
pub struct InstallIssuer {
    /// The region that the options of the connection name.
    #[arg(long, value_name = "REGION")]
    pub region: String,
    /// The directory of `certs init`.
    #[arg(long, default_value = "certs", value_name = "DIR")]
    pub dir: PathBuf,
    #[command(flatten)]
    pub connection: Connection,
}

/// The options of `certs rotate-ca`.
#[derive(Args, Debug)]
pub struct RotateCa {
    #[command(flatten)]
    pub issuer: InstallIssuer,
    /// Trust the issuer before no more.
    #[arg(long)]
    pub finish: bool,
    #[command(flatten)]
    pub yes: Yes,
}

/// The options of `certs status`.
#[derive(Args, Debug)]
pub struct Status {
    /// Certificate files, or directories of them.
    #[arg(default_value = "certs", value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Ask the region instead: who signs, and how far each node is.
    #[arg(long, conflicts_with = "paths")]
    pub live: bool,
    #[command(flatten)]
    pub connection: Connection,
    /// Exit with 1 if a certificate expires within this time.
    #[arg(long, default_value_t = 0, value_name = "DAYS")]
    pub expires_within: u32,
}
