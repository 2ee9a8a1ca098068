//! Which nodes a command talks to, and as whom.

use std::path::{Path, PathBuf};

use client::{Client, Options, Token, TokenOptions};

use super::dev::control;
use super::dev::credentials;
use super::dev::directory::{Directory, DirectoryError};
use crate::arguments::Connection;
use crate::failure::Failure;
use crate::session::{self, SessionError};

/// Why a command does not know whom to ask.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nothing says where the nodes are.
    #[error(
        "no node to talk to; set STRONGROOM_ENDPOINTS, STRONGROOM_CA, STRONGROOM_CERT and \
        STRONGROOM_KEY, or the options of the same names, or start `strongroom dev`"
    )]
    Nowhere,
    /// The options say who calls, but not whom: the region of `strongroom dev` is another's.
    #[error(
        "{given} is given, but no node to talk to; name one with --endpoint \
        (STRONGROOM_ENDPOINTS)"
    )]
    NoEndpoint {
        /// The option and the variable.
        given: &'static str,
    },
    /// The directory that would say where the nodes are is not to be trusted.
    #[error(transparent)]
    Development(#[from] DirectoryError),
    /// Something is said, but not all of it.
    #[error("{missing} is missing: nodes ask every caller for a certificate, or a session")]
    Incomplete {
        /// The option and the variable.
        missing: &'static str,
    },
}

/// Connects as the options, the environment, or a running development region say: in the session
/// that is kept, if one is.
pub fn client(connection: &Connection) -> Result<Client, Failure> {
    let token = match &connection.session {
        Some(path) => {
            let token = session::read(path)?;
            let path = path.clone();
            Some(token.ok_or(SessionError::NoToken { path })?)
        }
        None => match session::usual() {
            Ok(path) => session::read(&path)?,
            Err(_) => None,
        },
    };
    match token {
        None => certificate(connection),
        Some(token) => without(connection, Some(token)),
    }
}

/// Connects as the holder of a certificate, whatever session is kept.
pub fn certificate(connection: &Connection) -> Result<Client, Failure> {
    let options = match connection.identity() {
        _ if !connection.endpoint.is_empty() => named(connection)?,
        Some(given) => return Err(ConnectError::NoEndpoint { given }.into()),
        None => development(connection)?,
    };
    Ok(Client::connect(options)?)
}

/// Connects as nobody, for the calls that anybody may make.
pub fn stranger(connection: &Connection) -> Result<Client, Failure> {
    without(connection, None)
}

/// Connects without a certificate.
fn without(connection: &Connection, token: Option<Token>) -> Result<Client, Failure> {
    let (endpoints, ca) = match connection.identity() {
        _ if !connection.endpoint.is_empty() => {
            let missing = "--ca (STRONGROOM_CA)";
            let ca = connection.ca.clone();
            let ca = ca.ok_or(ConnectError::Incomplete { missing })?;
            (connection.endpoint.clone(), ca)
        }
        Some(given) => return Err(ConnectError::NoEndpoint { given }.into()),
        None => {
            let options = development(connection)?;
            (options.endpoints, options.ca)
        }
    };
    let options = TokenOptions {
        endpoints,
        ca,
        token,
        server_name: connection.server_name.clone(),
        timeout: connection.timeout,
    };
    Ok(Client::connect_with_token(options)?)
}

fn named(connection: &Connection) -> Result<Options, ConnectError> {
    let given =
        |path: &Option<PathBuf>, missing| path.clone().ok_or(ConnectError::Incomplete { missing });
    Ok(Options {
        endpoints: connection.endpoint.clone(),
        ca: given(&connection.ca, "--ca (STRONGROOM_CA)")?,
        cert: given(&connection.cert, "--cert (STRONGROOM_CERT)")?,
        key: given(&connection.key, "--key (STRONGROOM_KEY)")?,
        server_name: connection.server_name.clone(),
        timeout: connection.timeout,
    })
}

/// The first of the development regions that run in the usual directory.
fn development(connection: &Connection) -> Result<Options, ConnectError> {
    let directory = std::env::var_os("STRONGROOM_DEV_DIR");
    let directory = Directory::locate(directory.as_deref().map(Path::new));
    if directory.socket().symlink_metadata().is_err() {
        return Err(ConnectError::Nowhere);
    }
    // Before anything in it is believed: whoever made it may want to be sent secrets.
    directory.check_owner()?;
    if !control::is_running(&directory.socket()) {
        return Err(ConnectError::Nowhere);
    }
    let record = directory
        .complete_record()
        .map_err(|_| ConnectError::Nowhere)?;
    let region = record.region(None).ok_or(ConnectError::Nowhere)?;
    let timeout = connection.timeout;
    Ok(credentials::administrator(
        &directory, &record, region, timeout,
    ))
}
