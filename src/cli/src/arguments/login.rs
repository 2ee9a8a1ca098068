//! `strongroom login`, `strongroom logout` and `strongroom role assume`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Connection;
use super::role::session;
use super::secret::pair;

/// The options of `login`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    strongroom login --duration 1h\n  \
    strongroom login --role arn:aws:iam::000000000000:role/orders \
    --web-identity-token-file /var/run/secrets/strongroom/token")]
pub struct Login {
    #[command(flatten)]
    pub connection: Connection,
    /// The role to become with a token of an issuer, by its ARN; without it you stay the user that
    /// your certificate is bound to.
    #[arg(long, value_name = "ARN", requires = "web_identity_token_file")]
    pub role: Option<String>,
    /// Read the issuer's token from FILE, as Kubernetes puts it into a pod.
    #[arg(long, value_name = "FILE", requires = "role")]
    pub web_identity_token_file: Option<PathBuf>,
    /// What the session of the role is called: 2 to 64 letters, digits and _+=,.@-.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "strongroom-cli",
        requires = "role"
    )]
    pub session_name: String,
    /// How long the session lasts: a number with s, m, h or d, 15m to 12h. Without it 12h, and 1h
    /// of a role.
    #[arg(long, value_name = "TIME", value_parser = session)]
    pub duration: Option<Duration>,
    #[command(flatten)]
    pub kept: Kept,
}

/// The options of `logout`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  strongroom logout")]
pub struct Logout {
    #[command(flatten)]
    pub connection: Connection,
}

/// What becomes of a new session.
#[derive(Args, Debug)]
pub struct Kept {
    /// Print the token instead of keeping it for the commands that follow: it is a secret.
    #[arg(long)]
    pub print: bool,
}

/// The options of `role assume`.
#[derive(Args, Debug)]
pub struct Assume {
    /// The role, by its ARN.
    #[arg(value_name = "ARN")]
    pub role: String,
    /// What the session is called: 2 to 64 letters, digits and _+=,.@-.
    #[arg(long, value_name = "NAME", default_value = "strongroom-cli")]
    pub session_name: String,
    /// How long the session lasts: a number with s, m, h or d, 15m to the role's longest, and to 1h
    /// in a session; 1h without it.
    #[arg(long, value_name = "TIME", value_parser = session)]
    pub duration: Option<Duration>,
    /// Bound the session by the policy in FILE, or on standard input if FILE is `-`.
    #[arg(long, value_name = "FILE")]
    pub policy_file: Option<PathBuf>,
    /// Bound the session by a managed policy; may be repeated.
    #[arg(long, value_name = "ARN")]
    pub policy: Vec<String>,
    /// Give the session a tag; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub tag: Vec<(String, String)>,
    /// Hand the tag of this key on to sessions that are made from this one; may be repeated.
    #[arg(long, value_name = "KEY")]
    pub transitive_tag: Vec<String>,
    /// What the role's trust policy asks for as sts:ExternalId.
    #[arg(long, value_name = "ID")]
    pub external_id: Option<String>,
    /// Who is behind the session, which no session made from it can change.
    #[arg(long, value_name = "NAME")]
    pub source_identity: Option<String>,
    #[command(flatten)]
    pub kept: Kept,
}
