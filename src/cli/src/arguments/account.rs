//! `strongroom account` and `strongroom whoami`.

use clap::{Args, Subcommand};

use super::Connection;

/// The options of `account`.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct Account {
    #[command(flatten)]
    pub connection: Connection,
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `account`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create an account: users, roles, policies and names of secrets of its own.
    #[command(after_help = "Example:\n  strongroom account create 111122223333 payments")]
    Create(Create),
    /// List the accounts.
    #[command(after_help = "Example:\n  strongroom account list")]
    List,
}

/// The options of `account create`.
#[derive(Args, Debug)]
pub struct Create {
    /// Its 12 digits.
    #[arg(value_name = "DIGITS")]
    pub account: String,
    /// What it is called: up to 50 printable ASCII characters.
    pub name: String,
}

/// The options of `whoami`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  strongroom whoami")]
pub struct WhoAmI {
    #[command(flatten)]
    pub connection: Connection,
}
