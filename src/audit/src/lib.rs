//! The audit trail: every call, allowed or denied, and every internal act, in files on disk before
//! it is answered (R15).
//!
//! A [`Trail`] appends records, each sealed in a line of its own and chained to the one before by
//! SHA-256: names are not on disk in clear (I1), and the chain is checked without a key. A record
//! is written before [`Trail::record`] returns, and synced in groups; what cannot be recorded is
//! not to be answered. Space is set aside a file ahead, and [`Room`] tells when it becomes short,
//! while records still fit. A [`Reader`] tails and searches the files, and [`verify`] checks their
//! chain, of a running node too; they never make the writer wait.
//!
//! The format is versioned, by the header of each file. This crate knows no clock: times come with
//! the records.

mod books;
mod chain;
mod cipher;
mod disk;
mod fault;
mod file;
mod header;
mod limits;
mod link;
mod lock;
mod options;
mod prepare;
mod read;
mod record;
mod recover;
mod room;
mod state;
mod sync;
mod text;
mod time;
mod trail;

pub use cipher::{Cipher, CipherFault};
pub use disk::{Disk, DiskFile, SystemDisk};
pub use fault::Fault;
pub use header::{Break, FORMAT_VERSION, FormatError, Why};
pub use limits::{
    CALLER_BYTES_MAX, ERROR_BYTES_MAX, FEED_BYTES_MAX, FILE_BYTES_MAX, FILE_BYTES_MIN,
    FILES_KEPT_MIN, FILES_MAX, LINE_BYTES_MAX, LISTENER_BYTES_MAX, METHOD_BYTES_MAX,
    PAGE_BYTES_MAX, PAGE_READ_BYTES_MAX, PAGE_RECORDS_MAX, REGION_BYTES_MAX, RESOURCE_BYTES_MAX,
    SEAL_BYTES_MAX, SESSION_BYTES_MAX, STAGE_BYTES_MAX, STATEMENT_BYTES_MAX, SYNC_INTERVAL_MAX,
    VERSION_BYTES_MAX, WAITING_MAX,
};
pub use link::Hash;
pub use options::{Options, Syncing};
pub use read::{Filter, Found, Order, Page, Place, ReadError, Reader, Verified, verify};
pub use record::{Entry, EntryPosition, Kind, Outcome, Position, Record};
pub use recover::{OpenError, Torn};
pub use room::{Room, Watcher};
pub use time::Time;
pub use trail::{Done, Held, Ticket, Trail};

/// Whose trail it is; in the header of every file, and a mismatch is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The cluster id.
    pub cluster: [u8; 16],
    /// The region's name.
    pub region: String,
    /// The node id.
    pub node: u64,
}
