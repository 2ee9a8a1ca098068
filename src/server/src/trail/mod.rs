//! What this node records: every call before its answer leaves, and what it does by itself (R15).
//!
//! Invariants: what could not be recorded is not answered; after a failure of the disk the process
//! ends. The records lie in the files of `audit`, sealed with the region's storage key.

mod notes;
mod strangers;

use std::path::Path;
use std::sync::Arc;

use audit::{
    Cipher, CipherFault, Disk, Fault, Held, Kind, OpenError, Options, Outcome, Owner, Reader,
    Record, Room, Syncing, Ticket, Trail, Watcher,
};
use store::Place;
use tokio::sync::{oneshot, watch};

pub use self::notes::{Item, Notes, Subject};
pub use self::strangers::Strangers;
use crate::clock;
use crate::config::{AuditSection, SyncName};

/// Where records are kept, and read again.
pub struct Recorder {
    trail: Trail,
    reader: Reader,
    /// Whether a call is answered only when its record is durable.
    waits: bool,
    faults: watch::Receiver<Option<Fault>>,
    strangers: Strangers,
}

/// Something the node did by itself.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// Which part of it, as the audit fields of entries show it.
    pub caller: &'a str,
    /// What it did.
    pub method: &'a str,
    /// What it is about; empty if that is the node.
    pub resource: &'a str,
    /// What came of it.
    pub outcome: Outcome<'a>,
    /// The id of the request it made; zero for none.
    pub request: [u8; 16],
}

impl Recorder {
    /// Opens the trail in a directory, or begins one.
    ///
    /// # Errors
    /// Another process has it, it is another node's or a later release's, or the disk refuses.
    pub fn open(
        section: &AuditSection,
        dir: &Path,
        owner: Owner,
        cipher: Arc<dyn store::Cipher>,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, OpenError> {
        let cipher: Arc<dyn Cipher> = Arc::new(Sealing(cipher));
        let reader = Reader::new(dir, &owner, Arc::clone(&cipher));
        let (sender, faults) = watch::channel(None);
        let options = options(section);
        let waits = options.syncing == Syncing::Each;
        let now = clock::precise();
        let trail = Trail::open(
            dir,
            owner,
            options,
            cipher,
            disk,
            Arc::new(Told(sender)),
            now,
        )?;
        Ok(Self {
            trail,
            reader,
            waits,
            faults,
            strangers: Strangers::default(),
        })
    }

    /// Writes records, in order. What they are of may be answered when this returns.
    ///
    /// # Errors
    /// One of them could not be kept, so nothing they are of may be answered.
    pub async fn keep(&self, records: &[Record<'_>]) -> Result<(), Fault> {
        let mut last = None;
        for record in records {
            last = Some(self.trail.record(record)?);
        }
        match last.filter(|_| self.waits) {
            None => Ok(()),
            Some(ticket) => self.durable(ticket).await,
        }
    }

    async fn durable(&self, ticket: Ticket) -> Result<(), Fault> {
        let (answer, answered) = oneshot::channel();
        let done = move |kept| {
            // Whoever made the call may be gone; then nobody is left to answer.
            let _ = answer.send(kept);
        };
        self.trail.settle(ticket, Box::new(done));
        answered.await.unwrap_or(Err(Fault::Closed))
    }

    /// Records something that the node did by itself. It is done: a failure is logged, and one that
    /// does not pass ends the process.
    pub fn act(&self, act: Act<'_>) {
        let record = Record {
            time: clock::precise(),
            kind: Kind::Internal,
            caller: act.caller,
            session: "",
            address: None,
            listener: "",
            method: act.method,
            resource: act.resource,
            version: "",
            stage: "",
            outcome: act.outcome,
            statement: "",
            request: act.request,
            position: None,
        };
        match self.trail.record(&record) {
            Ok(_) => {}
            Err(fault) if fault.may_pass() => {
                let (act, fault) = (act.method, &fault as &dyn std::error::Error);
                tracing::error!(act, fault, "an act of this node could not be recorded");
            }
            // The process ends, and says why.
            Err(fault) => {
                let (act, fault) = (act.method, &fault as &dyn std::error::Error);
                tracing::debug!(act, fault, "an act of this node could not be recorded");
            }
        }
    }

    /// Whether there is too little space for records to come. Those of now still fit.
    pub fn lacks_room(&self) -> bool {
        self.trail.room() != Room::Enough
    }

    /// How much room there is.
    pub fn room(&self) -> Room {
        self.trail.room()
    }

    /// How much is recorded.
    pub fn held(&self) -> Held {
        self.trail.held()
    }

    /// Reads what is recorded.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The failure after which the process must end, when there is one.
    pub fn faults(&self) -> watch::Receiver<Option<Fault>> {
        self.faults.clone()
    }

    /// Which refusals of callers that nobody vouches for are recorded one by one.
    pub fn strangers(&self) -> &Strangers {
        &self.strangers
    }
}

fn options(section: &AuditSection) -> Options {
    Options {
        file_bytes: section.file_size.bytes(),
        syncing: match section.sync {
            SyncName::Interval => Options::default().syncing,
            SyncName::Each => Syncing::Each,
        },
        keep: section.keep,
        keep_bytes: section.keep_size.bytes(),
        free_bytes_min: section.free_min.bytes(),
    }
}

/// The store's cipher as the audit's: `audit` knows no keys, as `store` knows none (R14).
struct Sealing(Arc<dyn store::Cipher>);

/// Where records lie, as the cipher is told it.
const TABLE: &str = "audit";

impl Cipher for Sealing {
    fn seal(&self, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
        let place = Place {
            table: TABLE,
            key: place,
        };
        let sealed = self.0.seal(place, plain);
        sealed.map_err(|fault| CipherFault::Seal(fault.into()))
    }

    fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CipherFault> {
        let place = Place {
            table: TABLE,
            key: place,
        };
        self.0.open(place, sealed).map_err(|_| CipherFault::Open)
    }
}

/// Hands a failure to the task that ends the process. Room is asked for where it is acted on.
struct Told(watch::Sender<Option<Fault>>);

impl Watcher for Told {
    fn room_changed(&self, _: Room) {}

    fn failed(&self, fault: &Fault) {
        self.0.send_replace(Some(fault.clone()));
    }
}
