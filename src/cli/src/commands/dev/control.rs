//! The conversation between `strongroom dev` and `strongroom dev VERB`: one line of JSON each way
//! over a Unix socket that only the owner can reach.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::limits::{CONTROL_LINE_BYTES_MAX, CONTROL_WAIT_MAX};

/// What is asked of the running region.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Request {
    /// How do the nodes stand?
    Status,
    /// Stop a node.
    StopNode {
        /// Its number.
        node: u64,
    },
    /// Start a stopped node.
    StartNode {
        /// Its number.
        node: u64,
    },
}

/// The answer.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The nodes after what was asked.
    Nodes(Vec<NodeLine>),
    /// What was asked could not be done.
    Refused(String),
}

/// One node in an answer.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct NodeLine {
    /// Its number.
    pub id: u64,
    /// leader, follower, learner, candidate or stopped.
    pub role: String,
    /// `ready`, or why it takes no calls; empty when it is stopped.
    #[serde(default)]
    pub readiness: String,
    /// For callers.
    pub api: String,
    /// For peers.
    pub peers: String,
    /// For probes and metrics.
    pub operations: String,
}

/// Why the running region was not reached.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error("no development region runs in {}; start one with `strongroom dev`",
        .directory.display())]
    NotRunning {
        /// The directory.
        directory: PathBuf,
    },
    /// The path does not fit into a socket's address.
    #[error("the path {} is too long for a Unix socket; name a shorter directory with --dir",
        .path.display())]
    PathTooLong {
        /// The socket.
        path: PathBuf,
    },
    /// The socket cannot be used.
    #[error("cannot use the socket {}", .path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The answer is not one.
    #[error("the running region gave no answer that can be read; restart `strongroom dev`")]
    Answer(#[source] serde_json::Error),
    /// The region could not do what was asked.
    #[error("{0}")]
    Refused(String),
}

/// Bytes a Unix socket's address can hold, its closing zero included.
const SOCKET_PATH_BYTES_MAX: usize = 108;

/// Listens for requests. What a former process left at the path is replaced: the caller holds the
/// directory's lock.
pub fn listen(path: &Path) -> Result<UnixListener, ControlError> {
    if path.as_os_str().len() >= SOCKET_PATH_BYTES_MAX {
        return Err(ControlError::PathTooLong {
            path: path.to_owned(),
        });
    }
    let failed = |source| ControlError::Socket {
        path: path.to_owned(),
        source,
    };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    // The directory is the owner's alone, so nobody can connect before the mode is set.
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Reads the request of one connection; none if it is not one.
pub async fn receive(stream: &mut UnixStream) -> Option<Request> {
    let mut line = String::new();
    let mut bounded = tokio::io::BufReader::new(stream).take(CONTROL_LINE_BYTES_MAX);
    bounded.read_line(&mut line).await.ok()?;
    serde_json::from_str(&line).ok()
}

/// Sends the answer. A caller that went away misses it.
pub async fn reply(stream: &mut UnixStream, reply: &Reply) {
    if let Ok(mut line) = serde_json::to_vec(reply) {
        line.push(b'\n');
        let sent = stream.write_all(&line).await;
        if let Err(error) = sent {
            tracing::debug!(%error, "a caller of the control socket went away");
        }
    }
}

/// Whether a region runs in this directory.
pub fn is_running(socket: &Path) -> bool {
    BlockingStream::connect(socket).is_ok()
}

/// Asks the region that runs in this directory.
pub fn ask(directory: &Path, path: &Path, request: Request) -> Result<Vec<NodeLine>, ControlError> {
    let failed = |source| ControlError::Socket {
        path: path.to_owned(),
        source,
    };
    let mut stream = BlockingStream::connect(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
            ControlError::NotRunning {
                directory: directory.to_owned(),
            }
        }
        _ => failed(error),
    })?;
    let answer = exchange(&mut stream, request, CONTROL_WAIT_MAX).map_err(failed)?;
    match serde_json::from_str(&answer).map_err(ControlError::Answer)? {
        Reply::Nodes(nodes) => Ok(nodes),
        Reply::Refused(reason) => Err(ControlError::Refused(reason)),
    }
}

fn exchange(
    stream: &mut BlockingStream,
    request: Request,
    wait_max: Duration,
) -> std::io::Result<String> {
    stream.set_read_timeout(Some(wait_max))?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream)
        .take(CONTROL_LINE_BYTES_MAX)
        .read_line(&mut answer)?;
    Ok(answer)
}
