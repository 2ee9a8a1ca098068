//! `strongroom provider`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Connection;
use super::principal::Account;
use super::secret::Yes;

/// The options of `provider`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct Provider {
    #[command(flatten)]
    pub connection: Connection,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `provider`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Trust an issuer of OpenID Connect tokens, a Kubernetes cluster for example.
    ///
    /// A role whose trust policy names it lets in whoever has a token of it that fits.
    #[command(after_help = "Examples:\n  \
        strongroom provider create https://oidc.example.org --audience strongroom\n  \
        strongroom provider create https://kubernetes.default.svc --audience strongroom \
        --keys-file jwks.json")]
    Create(Create),
    /// Show an issuer: the audiences it is trusted for, and where its keys come from.
    #[command(after_help = "Example:\n  strongroom provider get \
        arn:aws:iam::000000000000:oidc-provider/oidc.example.org")]
    Get(Arn),
    /// List the issuers that an account trusts.
    #[command(after_help = "Example:\n  strongroom provider list")]
    List(List),
    /// Replace the audiences or the keys of an issuer.
    #[command(after_help = "Examples:\n  \
        strongroom provider update arn:aws:iam::000000000000:oidc-provider/oidc.example.org \
        --keys-file jwks.json\n  \
        strongroom provider update arn:aws:iam::000000000000:oidc-provider/oidc.example.org \
        --fetch-keys --audience strongroom --audience orders")]
    Update(Update),
    /// Trust an issuer no more. Sessions that began with its tokens end.
    #[command(after_help = "Example:\n  strongroom provider delete \
        arn:aws:iam::000000000000:oidc-provider/oidc.example.org --yes")]
    Delete(Delete),
}

/// An issuer that is trusted.
#[derive(Args, Debug)]
pub struct Arn {
    /// The issuer's ARN, as `list` shows it.
    #[arg(value_name = "ARN")]
    pub arn: String,
}

/// The options of `provider create`.
#[derive(Args, Debug)]
pub struct Create {
    /// The issuer's URL, byte for byte as its tokens have it: https, or http on a loopback address.
    #[arg(value_name = "URL")]
    pub issuer: String,
    /// An audience that is taken; may be repeated.
    #[arg(long, required = true, value_name = "AUDIENCE")]
    pub audience: Vec<String>,
    /// Read the issuer's keys, a JWK set, from FILE, or from standard input if FILE is `-`; without
    /// it they are fetched from the issuer.
    #[arg(long, value_name = "FILE")]
    pub keys_file: Option<PathBuf>,
    /// Read the certificates that the issuer's server chains to, PEM, from FILE; without it those
    /// count that the nodes' systems know.
    #[arg(long, value_name = "FILE", conflicts_with = "keys_file")]
    pub authority_file: Option<PathBuf>,
    #[command(flatten)]
    pub account: Account,
}

/// The options of `provider list`.
#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    pub account: Account,
}

/// The options of `provider update`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true)
    .args(["audience", "keys_file", "fetch_keys", "authority_file"]))]
pub struct Update {
    #[command(flatten)]
    pub arn: Arn,
    /// An audience that is taken from now on; may be repeated.
    #[arg(long, value_name = "AUDIENCE")]
    pub audience: Vec<String>,
    /// Read the issuer's keys, a JWK set, from FILE, or from standard input if FILE is `-`.
    #[arg(long, value_name = "FILE", conflicts_with = "fetch_keys")]
    pub keys_file: Option<PathBuf>,
    /// Fetch the keys from the issuer from now on.
    #[arg(long)]
    pub fetch_keys: bool,
    /// Read the certificates that the issuer's server chains to, PEM, from FILE.
    #[arg(long, value_name = "FILE", conflicts_with = "keys_file")]
    pub authority_file: Option<PathBuf>,
}

/// The options of `provider delete`.
#[derive(Args, Debug)]
pub struct Delete {
    #[command(flatten)]
    pub arn: Arn,
    #[command(flatten)]
    pub yes: Yes,
}
