//! Why a command failed, whatever the command, and the exit code that says so.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use client::Retry;
use client::certs::CertsError;
use server::{AuditReadError, RootKeyError};
use tonic::Code;

use crate::commands::certs::live::IssuerError;
use crate::commands::config::ConfigFailure;
use crate::commands::connect::ConnectError;
use crate::commands::dev::DevError;
use crate::commands::dev::control::ControlError;
use crate::commands::dev::directory::DirectoryError;
use crate::commands::dev::ports::PortsError;
use crate::commands::dev::region::RegionError;
use crate::commands::server::ServerFailure;
use crate::confirm::ConfirmError;
use crate::document::DocumentError;
use crate::exit::Exit;
use crate::logs::LogsError;
use crate::session::SessionError;
use crate::value::ValueError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The answer could not be printed.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// The asynchronous runtime did not start.
    #[error("cannot start; the system may be out of threads or file descriptors")]
    Runtime(#[source] io::Error),
    /// A manual page could not be written.
    #[error("cannot write the manual pages to {}", .directory.display())]
    Manual {
        /// Where to.
        directory: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A node refused, or none answered.
    #[error(transparent)]
    Call(Box<client::Error>),
    /// Nothing says whom to ask.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The session that commands are made in cannot be used.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Certificates could not be made or read.
    #[error(transparent)]
    Certs(#[from] CertsError),
    /// The issuer of a region was not changed.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// The root key could not be made.
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    /// Certificates end soon.
    #[error("{count} certificates have expired or are about to")]
    CertificatesExpire {
        /// How many.
        count: usize,
    },
    /// A promotion did not take over everything.
    #[error("{count} feeds of the lost region were left; promote a region of scope all as well")]
    FeedsLeft {
        /// How many.
        count: usize,
    },
    /// A filter names nothing that can be compared.
    #[error(
        "{key} is not something to filter by; use name, description, tag-key, tag-value, \
        primary-region, owning-service or all"
    )]
    FilterKey {
        /// What was named.
        key: String,
    },
    /// Some of many secrets were not read; the answer says why.
    #[error("{failed} of {count} secrets could not be read")]
    Batch {
        /// How many were not.
        failed: usize,
        /// How many were asked for, or matched.
        count: usize,
        /// What it means for a script.
        exit: Exit,
    },
    /// The node did not start, or ended by itself.
    #[error(transparent)]
    Server(Box<ServerFailure>),
    /// The development region does not do what it was asked.
    #[error(transparent)]
    Dev(Box<DevError>),
    /// The configuration is not usable.
    #[error(transparent)]
    Config(#[from] ConfigFailure),
    /// Nothing can be logged.
    #[error(transparent)]
    Logs(#[from] LogsError),
    /// A secret value could not be read or written.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A document could not be read.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A policy did not pass a check; the answer says which.
    #[error("the policy does not pass")]
    PolicyFails,
    /// The audit trail could not be read.
    #[error(transparent)]
    Audit(#[from] AuditReadError),
    /// Its chain does not hold; the answer says where.
    #[error("the audit trail is broken in {count} places")]
    AuditBroken {
        /// How many.
        count: u64,
    },
    /// A file has no certificate of a client.
    #[error(
        "{} is not the certificate of one client; name its file, or use --public-key",
        .path.display()
    )]
    NotAClient {
        /// The file.
        path: PathBuf,
    },
    /// Destructive work was not confirmed.
    #[error(transparent)]
    Confirm(#[from] ConfirmError),
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        Self::Call(Box::new(error))
    }
}

impl From<ServerFailure> for Failure {
    fn from(error: ServerFailure) -> Self {
        Self::Server(Box::new(error))
    }
}

impl From<DevError> for Failure {
    fn from(error: DevError) -> Self {
        Self::Dev(Box::new(error))
    }
}

impl Failure {
    /// The exit code that goes with this failure.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Output(error) | Self::Runtime(error) => Exit::of_io(error),
            Self::Manual { .. } => Exit::Create,
            Self::Call(error) => of_call(error),
            Self::FilterKey { .. } => Exit::Usage,
            Self::Batch { exit, .. } => *exit,
            Self::CertificatesExpire { .. } | Self::FeedsLeft { .. } | Self::PolicyFails => {
                Exit::Declined
            }
            Self::Document(DocumentError::Read { source, .. }) => Exit::of_io(source),
            Self::Document(_) | Self::NotAClient { .. } => Exit::Refused,
            Self::Audit(AuditReadError::Io { source, .. }) => Exit::of_io(source),
            Self::Audit(AuditReadError::Format { .. }) | Self::AuditBroken { .. } => Exit::Refused,
            Self::Certs(error) => of_certs(error),
            Self::Issuer(_) => Exit::Refused,
            Self::RootKey(_) => Exit::Create,
            Self::Config(_) | Self::Logs(_) => Exit::Configuration,
            Self::Connect(error) => of_connect(error),
            Self::Session(error) => of_session(error),
            Self::Server(error) => of_server(error),
            Self::Dev(error) => of_dev(error),
            Self::Value(error) => of_value(error),
            Self::Confirm(error) => match error {
                ConfirmError::Declined => Exit::Declined,
                ConfirmError::NoTerminal => Exit::Usage,
                ConfirmError::Ask(_) => Exit::InputOutput,
            },
        }
    }

    /// One word for programs: the AWS error name where a node gave one.
    pub fn reason(&self) -> &str {
        match self {
            Self::Output(_) | Self::Manual { .. } => "Output",
            Self::Runtime(_) => "Runtime",
            Self::Call(error) => error.reason(),
            Self::FilterKey { .. } | Self::Connect(ConnectError::NoEndpoint { .. }) => "Usage",
            Self::Batch { .. } => "Batch",
            Self::CertificatesExpire { .. } => "CertificatesExpire",
            Self::FeedsLeft { .. } => "FeedsLeft",
            Self::PolicyFails => "PolicyFails",
            Self::Document(_) => "Document",
            Self::Audit(_) => "Audit",
            Self::AuditBroken { .. } => "AuditBroken",
            Self::Certs(_) | Self::Issuer(_) | Self::RootKey(_) | Self::NotAClient { .. } => {
                "Certificates"
            }
            Self::Config(_) | Self::Logs(_) | Self::Connect(_) => "Configuration",
            Self::Server(_) => "Server",
            Self::Session(_) => "Session",
            Self::Dev(_) => "Development",
            Self::Value(_) => "Value",
            Self::Confirm(_) => "NotConfirmed",
        }
    }
}

fn of_call(error: &client::Error) -> Exit {
    match (error.code(), error.retry()) {
        _ if error.reason() == "Configuration" => Exit::Configuration,
        _ if error.reason() == "TooStale" => Exit::TryAgain,
        (_, Retry::Unknown) => Exit::TryAgain,
        (Code::NotFound, _) => Exit::Missing,
        (Code::PermissionDenied | Code::Unauthenticated, _) => Exit::Denied,
        (Code::Unavailable, _) => Exit::Unavailable,
        (Code::DeadlineExceeded | Code::Aborted, _) => Exit::TryAgain,
        (Code::ResourceExhausted, Retry::Safe) => Exit::TryAgain,
        (Code::Internal | Code::DataLoss | Code::Unknown, _) => Exit::Internal,
        _ => Exit::Refused,
    }
}

fn of_connect(error: &ConnectError) -> Exit {
    match error {
        ConnectError::NoEndpoint { .. } => Exit::Usage,
        ConnectError::Development(error) => of_directory(error),
        ConnectError::Nowhere | ConnectError::Incomplete { .. } => Exit::Configuration,
    }
}

fn of_session(error: &SessionError) -> Exit {
    match error {
        SessionError::Read { source, .. } => Exit::of_io(source),
        SessionError::Keep { .. } => Exit::Create,
        SessionError::Open { .. } | SessionError::NoToken { .. } => Exit::Denied,
        SessionError::Nowhere => Exit::Configuration,
    }
}

fn of_certs(error: &CertsError) -> Exit {
    match error {
        CertsError::Exists { .. } | CertsError::Write { .. } => Exit::Create,
        CertsError::Invalid { .. } => Exit::Usage,
        _ => io_cause(error).map_or(Exit::Refused, Exit::of_io),
    }
}

/// What the operating system said, somewhere among the causes of an error.
pub fn io_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut found = error.downcast_ref();
    let mut cause = error.source();
    while let Some(error) = cause {
        found = error.downcast_ref().or(found);
        cause = error.source();
    }
    found
}

fn of_server(error: &ServerFailure) -> Exit {
    match error {
        ServerFailure::Token { source, .. } => Exit::of_io(source),
        ServerFailure::Start(_) => Exit::Configuration,
        ServerFailure::Stopped => Exit::Internal,
    }
}

fn of_dev(error: &DevError) -> Exit {
    match error {
        DevError::Directory(error) => of_directory(error),
        DevError::Ports(error) => match error {
            PortsError::Taken { .. } | PortsError::NoneFree => Exit::Unavailable,
            PortsError::Range | PortsError::Fixed { .. } => Exit::Usage,
            PortsError::Refused { source, .. } => Exit::of_io(source),
        },
        DevError::Credentials(_) => Exit::Create,
        DevError::Region(RegionError::NoRegion { .. } | RegionError::NoNode(_)) => Exit::Missing,
        DevError::Region(_) => Exit::Unavailable,
        DevError::Control(error) => match error {
            ControlError::NotRunning { .. } => Exit::Unavailable,
            ControlError::PathTooLong { .. } => Exit::Usage,
            ControlError::Refused(_) => Exit::Refused,
            ControlError::Socket { .. } | ControlError::Answer(_) => Exit::InputOutput,
        },
    }
}

fn of_directory(error: &DirectoryError) -> Exit {
    match error {
        DirectoryError::Access { source, .. } | DirectoryError::Full { source, .. } => {
            Exit::of_io(source)
        }
        DirectoryError::InUse { .. } => Exit::Unavailable,
        DirectoryError::Missing { .. } => Exit::Missing,
        DirectoryError::Open { .. } => Exit::Denied,
        DirectoryError::Later { .. }
        | DirectoryError::Damaged { .. }
        | DirectoryError::Foreign { .. } => Exit::Refused,
    }
}

fn of_value(error: &ValueError) -> Exit {
    match error {
        ValueError::Read { source, .. } => Exit::of_io(source),
        ValueError::ReadInput(_) | ValueError::Prompt(_) => Exit::InputOutput,
        ValueError::Write { .. } => Exit::Create,
        ValueError::NoTerminal => Exit::Usage,
        ValueError::PromptsDiffer
        | ValueError::Empty
        | ValueError::TooLarge
        | ValueError::NotText
        | ValueError::BinaryToTerminal => Exit::Refused,
    }
}
