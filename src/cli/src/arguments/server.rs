//! `strongroom server` and `strongroom config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// The options of `server`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    strongroom server --config node-1.toml --bootstrap\n  \
    strongroom server --config node-2.toml --join 10.0.0.1:7420 --token-file join-token\n  \
    strongroom server --config node-1.toml --link 10.0.0.1:7420 --token-file link-token\n  \
    strongroom server --config node-1.toml")]
#[command(group = clap::ArgGroup::new("enrol").args(["join", "link"]))]
pub struct Server {
    /// The configuration file.
    #[arg(
        long,
        env = "STRONGROOM_CONFIG",
        value_name = "FILE",
        hide_env_values = true
    )]
    pub config: PathBuf,
    /// Found a new cluster, with this node as the first of its first region.
    #[arg(long, conflicts_with = "enrol")]
    pub bootstrap: bool,
    /// The client name that may do everything in a new region.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "administrator",
        requires = "bootstrap"
    )]
    pub administrator: String,
    /// Join the region of the node with this API address.
    #[arg(long, value_name = "HOST:PORT", requires = "token_file")]
    pub join: Option<String>,
    /// Found a new region with this node as its first, and link it to the region of the node with
    /// this API address. The node is ready when it has the directory from there.
    #[arg(long, value_name = "HOST:PORT", requires = "token_file")]
    pub link: Option<String>,
    /// The file with the token, of `node token create` to join or of `region link` to link.
    #[arg(long, value_name = "FILE", requires = "enrol")]
    pub token_file: Option<PathBuf>,
}

/// The options of `config`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct Config {
    #[command(subcommand)]
    pub verb: ConfigVerb,
}

/// The verbs of `config`.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Check a configuration file: unknown keys, wrong values, missing files.
    ///
    /// What is in the certificates and keys is looked at when the node starts.
    #[command(after_help = "Example:\n  strongroom config validate --config node-1.toml")]
    Validate(ConfigFile),
    /// Show the configuration a node would use: defaults, file and environment together.
    #[command(after_help = "Example:\n  strongroom config show --config node-1.toml")]
    Show(ConfigFile),
}

/// The file.
#[derive(Args, Debug)]
pub struct ConfigFile {
    /// The configuration file.
    #[arg(
        long,
        env = "STRONGROOM_CONFIG",
        value_name = "FILE",
        hide_env_values = true
    )]
    pub config: PathBuf,
}

/// The options of `seal`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct Seal {
    #[command(subcommand)]
    pub verb: SealVerb,
}

/// The verbs of `seal`.
#[derive(Debug, Subcommand)]
pub enum SealVerb {
    /// Make a region's root key, in a new file that only you can read.
    #[command(
        after_help = "Example:\n  strongroom seal init /etc/strongroom/root.key\n\n\
        Every node of the region needs the same file. Keep a copy elsewhere: without it nothing \
        can be opened again."
    )]
    Init {
        /// The new file.
        file: PathBuf,
    },
}
