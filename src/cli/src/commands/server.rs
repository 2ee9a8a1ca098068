//! `strongroom server`.

use std::path::{Path, PathBuf};

use server::{Config, Node, Start};
use zeroize::Zeroizing;

use super::config::ConfigFailure;
use crate::arguments::server::Server;
use crate::failure::Failure;
use crate::limits::TOKEN_BYTES_MAX;
use crate::signals::{Signal, Signals};
use crate::{crash, logs};

/// Why a node did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServerFailure {
    /// The token cannot be read.
    #[error("cannot read the token from {}", .path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The node did not start.
    #[error(transparent)]
    Start(#[from] server::StartError),
    /// A listener failed.
    #[error("the node stopped because it could no longer listen; its log says why; start it again")]
    Stopped,
}

/// Runs a node until it is told to stop.
pub fn run(arguments: &Server) -> Result<(), Failure> {
    let config = Config::load(Some(&arguments.config)).map_err(ConfigFailure::from)?;
    let start = start(arguments)?;
    logs::to_standard_error(&config.log)?;
    crash::abort_on_panic();
    let runtime = super::node_runtime()?;
    runtime.block_on(serve(config, start))
}

fn start(arguments: &Server) -> Result<Start, ServerFailure> {
    Ok(
        match (&arguments.join, &arguments.link, &arguments.token_file) {
            (Some(address), _, Some(path)) => Start::Join {
                address: address.clone(),
                token: token(path)?,
            },
            (_, Some(address), Some(path)) => Start::Link {
                address: address.clone(),
                token: token(path)?,
            },
            _ if arguments.bootstrap => Start::Bootstrap {
                administrator: arguments.administrator.clone(),
            },
            _ => Start::Resume,
        },
    )
}

/// Reads a token; the file may end with a newline.
fn token(path: &Path) -> Result<Zeroizing<String>, ServerFailure> {
    use std::io::Read;
    let failed = |source| ServerFailure::Token {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = Zeroizing::new(String::new());
    file.take(TOKEN_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

async fn serve(config: Config, start: Start) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(Failure::Runtime)?;
    let mut node = tokio::select! {
        started = Node::start(config, start) => started.map_err(ServerFailure::from)?,
        () = signals.stop() => return Ok(()),
    };
    loop {
        tokio::select! {
            () = node.wait() => return Err(ServerFailure::Stopped.into()),
            signal = signals.next() => match signal {
                Signal::Reload => node.reload_certificates(),
                Signal::Stop => {
                    node.shutdown().await;
                    return Ok(());
                }
            },
        }
    }
}
