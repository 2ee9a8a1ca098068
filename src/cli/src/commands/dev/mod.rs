//! `strongroom dev`: a region of three nodes in one process, and the conversation with it.

pub mod control;
pub mod credentials;
pub mod directory;
mod guide;
pub mod ports;
mod region;

use std::fs::File;
use std::io::ErrorKind;

use serde_json::json;
use server::Config;
use tokio::net::{UnixListener, UnixStream};

use self::control::{ControlError, Reply, Request};
use self::credentials::CredentialsError;
use self::directory::{Directory, DirectoryError, Lock, Record};
use self::ports::PortsError;
use self::region::{Region, RegionError};
use crate::arguments::dev::{Dev, Verb};
use crate::confirm::confirm;
use crate::failure::{Failure, io_cause};
use crate::output::{self, Answer, Format};
use crate::signals::Signals;
use crate::{crash, logs};

/// The name of the development region.
pub const REGION: &str = "dev-local-1";

/// Why a development region does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The ports cannot be used.
    #[error(transparent)]
    Ports(#[from] PortsError),
    /// Certificates or the root key could not be made.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The nodes are not there.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// The running region was not reached.
    #[error(transparent)]
    Control(#[from] ControlError),
}

impl DevError {
    /// Wherever in a start the disk turned out to be full, the cure is the same.
    fn cured(self, directory: &Directory) -> Self {
        let full =
            |kind: &ErrorKind| matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        match io_cause(&self).map(std::io::Error::kind).filter(full) {
            Some(kind) => DirectoryError::at(directory.root(), kind.into()).into(),
            None => self,
        }
    }
}

/// Carries out one verb, or runs the region.
pub fn run(dev: &Dev, format: Format) -> Result<(), Failure> {
    let directory = Directory::locate(dev.dir.as_deref());
    let ask = |request| {
        let nodes = control::ask(directory.root(), &directory.socket(), request);
        guide::nodes(nodes.map_err(DevError::from)?).print(format)
    };
    match &dev.verb {
        None => start(&directory, dev.port, format),
        Some(Verb::Env) => env(&directory, format),
        Some(Verb::Status) => ask(Request::Status),
        Some(Verb::StopNode(node)) => ask(Request::StopNode { node: node.node }),
        Some(Verb::StartNode(node)) => ask(Request::StartNode { node: node.node }),
        Some(Verb::Reset(yes)) => reset(&directory, yes.yes, format),
    }
}

fn env(directory: &Directory, format: Format) -> Result<(), Failure> {
    let record = directory.complete_record().map_err(DevError::from)?;
    directory.check_owner().map_err(DevError::from)?;
    match format {
        Format::Table => output::print_line(&guide::exports(directory, &record)),
        Format::Json => {
            let variables = guide::variables(directory, &record);
            let members = variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()));
            output::print_line(&format!(
                "{:#}",
                serde_json::Value::Object(members.collect())
            ))
        }
    }
}

fn reset(directory: &Directory, yes: bool, format: Format) -> Result<(), Failure> {
    if !directory.root().exists() {
        let path = directory.root().to_owned();
        return Err(DevError::from(DirectoryError::Missing { path }).into());
    }
    let lock = directory.lock().map_err(DevError::from)?;
    let root = directory.root().display();
    confirm(&format!("Delete {root} with all its secrets?"), yes)?;
    directory.delete(lock).map_err(DevError::from)?;
    Answer::line(
        format!("deleted {root}"),
        json!({ "deleted": directory.root() }),
    )
    .print(format)
}

fn start(directory: &Directory, port: Option<u16>, format: Format) -> Result<(), Failure> {
    let is_new = !directory.root().exists();
    let lock = directory.lock().map_err(DevError::from)?;
    let (record, kept) = match prepare(directory, &lock, port) {
        Ok(prepared) => prepared,
        Err(error) => {
            let error = error.cured(directory);
            if is_new {
                directory.abandon(lock);
            }
            return Err(error.into());
        }
    };
    let path = directory.log();
    let log = File::create(&path).map_err(|source| DirectoryError::at(&path, source));
    // As nodes do that are told nothing else.
    logs::to_file(log.map_err(DevError::from)?, &Config::default().log.level)?;
    crash::abort_on_panic();
    let runtime = super::node_runtime()?;
    let outcome = runtime.block_on(run_region(directory, record, kept, format));
    // What still runs after its time is cut off: nothing acknowledged depends on it.
    runtime.shutdown_background();
    outcome
}

/// Finds the region of a former start, or makes ports, certificates and keys for a new one.
fn prepare(
    directory: &Directory,
    lock: &Lock,
    port: Option<u16>,
) -> Result<(Record, bool), DevError> {
    if let Some(record) = directory.record()?.filter(|record| record.complete) {
        ports::same(port, &record.nodes)?;
        ports::probe(&record.nodes)?;
        return Ok((record, true));
    }
    // A start that did not come to its end kept no secret.
    directory.clear(lock)?;
    let record = Record::new(ports::choose(port)?);
    ports::probe(&record.nodes)?;
    directory.keep(&record)?;
    credentials::make(directory)?;
    Ok((record, false))
}

async fn run_region(
    directory: &Directory,
    record: Record,
    kept: bool,
    format: Format,
) -> Result<(), Failure> {
    let listener = control::listen(&directory.socket()).map_err(DevError::from)?;
    let outcome = serve_region(directory, record, kept, format, &listener).await;
    // Nobody listens any more; the next start would replace it.
    let _ = std::fs::remove_file(directory.socket());
    outcome
}

async fn serve_region(
    directory: &Directory,
    mut record: Record,
    kept: bool,
    format: Format,
    listener: &UnixListener,
) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(Failure::Runtime)?;
    let starting = async {
        if kept {
            return Region::resume(directory, &record).await;
        }
        Region::found(directory, &record).await
    };
    let mut region = tokio::select! {
        region = starting => region.map_err(|error| DevError::from(error).cured(directory))?,
        () = signals.stop() => return Ok(()),
    };
    if !kept {
        record.complete = true;
        directory.keep(&record).map_err(DevError::from)?;
    }
    announce(directory, &record, &region, kept, format).await?;
    answer_until_stopped(listener, &mut region, &mut signals).await;
    region.shutdown().await;
    match format {
        Format::Table => output::print_line(&guide::farewell(directory)),
        Format::Json => Ok(()),
    }
}

async fn announce(
    directory: &Directory,
    record: &Record,
    region: &Region,
    kept: bool,
    format: Format,
) -> Result<(), Failure> {
    let nodes = region.status().await;
    if format == Format::Json {
        let json = guide::ready_json(directory, record, &nodes);
        return output::print_line(&format!("{json:#}"));
    }
    output::print_line(&guide::head(directory, kept))?;
    guide::nodes(nodes.clone()).print(format)?;
    output::print_line(&guide::lines(directory, &nodes))
}

/// Answers one request after the other, so that two never change the same node at once.
async fn answer_until_stopped(listener: &UnixListener, region: &mut Region, signals: &mut Signals) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            () = signals.stop() => return,
        };
        match stream {
            Ok((mut stream, _)) => tokio::select! {
                () = answer(&mut stream, region) => {}
                () = signals.stop() => return,
            },
            Err(error) => tracing::warn!(%error, "the control socket gave no connection"),
        }
    }
}

async fn answer(stream: &mut UnixStream, region: &mut Region) {
    let Some(request) = control::receive(stream).await else {
        return;
    };
    let done = match request {
        Request::Status => Ok(()),
        Request::StopNode { node } => region.stop(node).await,
        Request::StartNode { node } => region.start(node).await,
    };
    let reply = match done {
        Ok(()) => Reply::Nodes(region.status().await),
        Err(error) => Reply::Refused(output::with_causes(&error)),
    };
    control::reply(stream, &reply).await;
}
