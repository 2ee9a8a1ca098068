//! `strongroom revoke` and `strongroom revocations`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Connection;
use super::principal::Limit;
use super::secret::Yes;

/// The options of `revoke`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct Revoke {
    #[command(flatten)]
    pub connection: Connection,
    #[command(subcommand)]
    pub what: What,
}

/// What `revoke` revokes.
#[derive(Debug, Subcommand)]
pub enum What {
    /// End one session.
    #[command(after_help = "Example:\n  \
        strongroom revoke session 5f0c… --reason 'laptop lost' --yes")]
    Session(Session),
    /// Refuse every certificate with this one's key from now on.
    #[command(after_help = "Examples:\n  \
        strongroom revoke certificate --file certs/eu-west-1/client-alice.pem --yes\n  \
        strongroom revoke certificate --public-key 1f0b… --reason 'key found in a repository'")]
    Certificate(Certificate),
}

/// The options of `revoke session`.
#[derive(Args, Debug)]
pub struct Session {
    /// The session's id, as the audit has it.
    #[arg(value_name = "ID")]
    pub id: String,
    #[command(flatten)]
    pub more: More,
}

/// The options of `revoke certificate`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["file", "public_key"]))]
pub struct Certificate {
    /// A client's certificate of the cluster, PEM.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// SHA-256 of the certificate's public key (SubjectPublicKeyInfo in DER), in hexadecimal: for
    /// certificates of other authorities, or when the file is lost.
    #[arg(long, value_name = "SHA-256")]
    pub public_key: Option<String>,
    #[command(flatten)]
    pub more: More,
}

/// What goes with every revocation.
#[derive(Args, Debug)]
pub struct More {
    /// Why, for those who look later.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub yes: Yes,
}

/// The options of `revocations`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct Revocations {
    #[command(flatten)]
    pub connection: Connection,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `revocations`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List the revocations that still count.
    #[command(after_help = "Example:\n  strongroom revocations list")]
    List(Limit),
}
