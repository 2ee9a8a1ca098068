//! Which nodes a command talks to, and as whom.

use std::path::{Path, PathBuf};

use client::{Client, Options};

use super::dev::control;
use super::dev::credentials;
use super::dev::directory::{Directory, DirectoryError};
use crate::arguments::Connection;
use crate::failure::Failure;

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
    #[error("{missing} is missing: nodes ask every caller for a certificate")]
    Incomplete {
        /// The option and the variable.
        missing: &'static str,
    },
}

/// Connects as the options, the environment, or a running development region say.
pub fn client(connection: &Connection) -> Result<Client, Failure> {
    let options = match connection.identity() {
        _ if !connection.endpoint.is_empty() => named(connection)?,
        Some(given) => return Err(ConnectError::NoEndpoint { given }.into()),
        None => development(connection)?,
    };
    Ok(Client::connect(options)?)
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

/// The development region that runs in the usual directory.
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
    Ok(credentials::administrator(
        &directory,
        &record,
        connection.timeout,
    ))
}
