//! The command line: noun, then verb. Doc comments here are the help texts and the manual.

pub mod account;
pub mod audit;
pub mod certs;
pub mod credential;
pub mod dev;
pub mod group;
pub mod login;
pub mod node;
pub mod policy;
pub mod principal;
pub mod provider;
pub mod region;
pub mod replica;
pub mod resource_policy;
pub mod revocation;
pub mod role;
pub mod secret;
pub mod server;
mod time;
pub mod upgrade;
pub mod user;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::exit;
use crate::output::Format;

/// A self-hosted secrets manager.
#[derive(Debug, Parser)]
#[command(name = "strongroom", version, max_term_width = 100, after_long_help = exit::TABLE)]
#[command(disable_help_subcommand = true, propagate_version = false)]
pub struct Arguments {
    /// How to print answers: `table` for people, `json` for programs.
    #[arg(
        long,
        short,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    #[arg(hide_possible_values = true, help_heading = "Output")]
    pub output: Format,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The nouns.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node.
    ///
    /// The first node of the first region is started once with --bootstrap, the first node of every
    /// other region once with --link and a token, and every other node once with --join and a
    /// token. After that --config is enough. SIGTERM and SIGINT end the node cleanly: it hands
    /// leadership over first. SIGHUP reads the certificates again.
    Server(server::Server),
    /// Run two whole regions of three nodes each on this machine, for development.
    ///
    /// Certificates, root keys and administrator credentials are made on the spot and kept, with
    /// the secrets, in one directory; the next start uses them again. Everything listens on
    /// loopback only. The root keys lie beside the data: this is for development, not for real
    /// secrets.
    Dev(dev::Dev),
    /// Create, read and change secrets.
    ///
    /// Values come from a file, a prompt or standard input, never from the command line, and are
    /// printed only when asked for.
    Secret(secret::Secret),
    /// Look after users: who calls, and what they may do.
    ///
    /// A user is a person or a service with credentials of its own. It may do what its own
    /// policies, those of its groups, or the policy of a secret allow, unless one denies it.
    User(user::User),
    /// Look after groups: policies that users have in common.
    Group(group::Group),
    /// Look after roles: what others may become for a time.
    Role(role::Role),
    /// Look after policies, and find out what they come to.
    ///
    /// Documents are policies in the language of AWS IAM, from a file or standard input.
    Policy(policy::Policy),
    /// Look after what proves who a user or role is.
    Credential(credential::Credential),
    /// Look after the access keys of users.
    AccessKey(credential::AccessKey),
    /// Look after issuers whose tokens let their holders become a role.
    Provider(provider::Provider),
    /// Look after accounts.
    Account(account::Account),
    /// End a session, or refuse a certificate, in every region and at once.
    ///
    /// Connections and streams that are open end too.
    Revoke(revocation::Revoke),
    /// Look at what was revoked.
    Revocations(revocation::Revocations),
    /// Open a session, in which the commands that follow are made.
    ///
    /// With a certificate you stay the user that it is bound to; with the token of an issuer, as a
    /// Kubernetes service account has one, you become a role that trusts it. The session's token is
    /// kept in a file of yours.
    Login(login::Login),
    /// Forget the session, and be whom the certificate stands for again.
    Logout(login::Logout),
    /// Look at what nodes have recorded of calls.
    ///
    /// Each node records the calls it answered, allowed or denied, and what it does by itself. Name
    /// one endpoint to ask one node.
    Audit(audit::Audit),
    /// Say who you are to the nodes.
    #[command(name = "whoami")]
    WhoAmI(account::WhoAmI),
    /// Look after the nodes of a region.
    ///
    /// A region is a group of three or five voters. A new node joins with a one-time token as a
    /// learner. The leader gives it a vote when it has caught up; `promote` does so at once.
    Node(node::Node),
    /// Link regions, look at how they follow each other, and take over from a lost one.
    ///
    /// A region leads the secrets that were created in it and follows those of others. When one is
    /// lost, another is promoted: it takes over what the lost one led.
    Region(region::Region),
    /// Finish the upgrade of a region to another release.
    Upgrade(upgrade::Upgrade),
    /// Make and look at certificates.
    ///
    /// A cluster has one root, kept offline. Each region has an issuer signed by it, and the issuer
    /// signs the certificates of the region's nodes and clients.
    Certs(certs::Certs),
    /// Look after the root key.
    ///
    /// The root key of a region opens everything its nodes keep. In this release it is a file: that
    /// protects against theft of the data volume only.
    Seal(server::Seal),
    /// Check and show a node's configuration.
    Config(server::Config),
    /// Print the release.
    Version,
    /// Print a completion script for a shell.
    #[command(after_help = "Example:\n  strongroom completion bash > \
        ~/.local/share/bash-completion/completions/strongroom")]
    Completion {
        /// The shell.
        shell: Shell,
    },
    /// Write the manual pages.
    #[command(after_help = "Example:\n  strongroom man --dir ~/.local/share/man/man1")]
    Man {
        /// Write one page per command into DIR instead of printing the first page.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// The heading of the options that say whom to call, and as whom.
const CONNECTION: &str = "Connection";

/// Why this command line is refused where no variable says whom to call. The parser lists an option
/// that a variable gives as if it were needed.
pub fn refusal_without_variables() -> Option<clap::Error> {
    fn without(command: clap::Command) -> clap::Command {
        let command = command.mut_args(|option| match option.get_help_heading() {
            Some(CONNECTION) => option.env(None::<&'static str>),
            _ => option,
        });
        command.mut_subcommands(without)
    }
    let parsed = without(Arguments::command()).try_get_matches();
    parsed.err()
}

/// Where the nodes are and who the caller is.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = CONNECTION)]
pub struct Connection {
    /// A node's API address, HOST:PORT; several, separated by commas, are tried in turn. Without
    /// any of these options the first region of a running `strongroom dev` is called as its
    /// administrator: the one in $STRONGROOM_DEV_DIR, else $XDG_STATE_HOME/strongroom-dev, else
    /// ./strongroom-dev.
    #[arg(
        long,
        global = true,
        env = "STRONGROOM_ENDPOINTS",
        value_name = "HOST:PORT"
    )]
    #[arg(value_delimiter = ',', hide_env_values = true)]
    pub endpoint: Vec<String>,
    /// The certificates to trust, PEM.
    #[arg(long, global = true, env = "STRONGROOM_CA", value_name = "FILE")]
    #[arg(hide_env_values = true)]
    pub ca: Option<PathBuf>,
    /// The caller's certificate, PEM.
    #[arg(long, global = true, env = "STRONGROOM_CERT", value_name = "FILE")]
    #[arg(hide_env_values = true)]
    pub cert: Option<PathBuf>,
    /// The caller's private key, PEM.
    #[arg(long, global = true, env = "STRONGROOM_KEY", value_name = "FILE")]
    #[arg(hide_env_values = true)]
    pub key: Option<PathBuf>,
    /// The file of the session to call in, instead of a certificate. Without it the one that
    /// `login` keeps is used, if there is one: $XDG_STATE_HOME/strongroom/session, else
    /// ~/.local/state/strongroom/session.
    #[arg(long, global = true, env = "STRONGROOM_SESSION", value_name = "FILE")]
    #[arg(hide_env_values = true)]
    pub session: Option<PathBuf>,
    /// The name to expect in a node's certificate, if it is not the address.
    #[arg(
        long,
        global = true,
        env = "STRONGROOM_SERVER_NAME",
        value_name = "NAME"
    )]
    #[arg(hide_env_values = true)]
    pub server_name: Option<String>,
    /// How long a call may take, all its attempts together, in seconds.
    #[arg(long, global = true, default_value = "15", value_name = "SECONDS")]
    #[arg(value_parser = seconds)]
    pub timeout: Duration,
}

impl Connection {
    /// An option that says who the caller or the nodes are, if one is given.
    pub fn identity(&self) -> Option<&'static str> {
        let given = [
            (self.ca.is_some(), "--ca (STRONGROOM_CA)"),
            (self.cert.is_some(), "--cert (STRONGROOM_CERT)"),
            (self.key.is_some(), "--key (STRONGROOM_KEY)"),
            (
                self.server_name.is_some(),
                "--server-name (STRONGROOM_SERVER_NAME)",
            ),
        ];
        let first = given.into_iter().find(|(is_given, _)| *is_given);
        first.map(|(_, option)| option)
    }
}

/// Parses a number of seconds, fractions allowed, above zero and at most an hour.
fn seconds(text: &str) -> Result<Duration, String> {
    let refused = || format!("{text} is not a number of seconds between 0.001 and 3600");
    let number: f64 = text.parse().map_err(|_| refused())?;
    if !(0.001..=3600.0).contains(&number) {
        return Err(refused());
    }
    Ok(Duration::from_secs_f64(number))
}
