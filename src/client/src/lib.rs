//! The Rust client of Strongroom.
//!
//! A [`Client`] calls the nodes of a region over mutually authenticated TLS, or with the token of a
//! session ([`Client::connect_with_token`]). Every call of
//! `SecretsService`, `AccessService` and `AdminService` is a method that takes the message of the
//! proto and returns the answer of the proto.
//!
//! - **Any node takes any call.** When one does not answer, the next is asked.
//! - **Retries.** At most four attempts within the time of the call, and only where repeating
//!   does no harm: nothing was done, or the call only reads, or its token makes all attempts one
//!   write. A token is made for every write that has none.
//! - **Silence.** Where repeating does no harm, and a node has not answered for half a second,
//!   another is asked as well, and the first answer counts, but for a refusal of a write that
//!   the first may have made: a host that is lost without a word costs a call that long, not its
//!   time-out. At most a tenth of all calls are doubled so, beside a hundred at once.
//!   [`Client::call_counts`] tells how often calls were sent again.
//! - **Reads** are linearizable. With [`Consistency::Eventual`] they show the local state of a
//!   node, and at least what this client and its clones have seen.
//! - **Other regions.** A region shows secrets that another one leads as far as it has received
//!   them: [`Client::with_max_staleness`] says how old that may be, [`Client::showing`] how old it
//!   is, and a position of one region counts in every other ([`Client::at_least`]). Writes go to
//!   the region that leads the secret, if the client was given nodes of it
//!   ([`Client::with_region_endpoints`]); else the error says which region that is, and where.
//! - **Watches** go on, on another node, where they were.
//!
//! Values in answers are wiped when the answer is dropped. The copies that gRPC makes of a
//! message on its way are not.

mod calls;
mod client;
mod counts;
mod endpoints;
mod error;
mod position;
mod retry;
mod shown;
mod token;
mod watch;

pub mod limits;

pub use prost_types::{Duration, Timestamp};
pub use wire::{access, admin, certs, identity, secrets};

pub use crate::{
    client::{Client, Consistency, Options},
    counts::CallCounts,
    error::{Error, Retry},
    shown::{Behind, LastShown, Shown},
    token::{Token, TokenOptions},
    watch::Watch,
};
