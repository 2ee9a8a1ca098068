//! Envelope encryption: the only crate that knows a cipher.
//!
//! ```text
//! seal provider ─► root key ─┬► KEK ─► DEK per secret version ─► value
//!                            └► storage key ─► every log entry, row and snapshot block
//!
//! link key of one stream between two regions ─► DEKs on their way
//! session key of the cluster ─► what session tokens say
//! ```
//!
//! Every sealing is AES-256-GCM-SIV (RFC 8452) with a random 96-bit nonce, a format byte in front
//! and associated data that starts with the name of the use (`domain.rs`): what was sealed for one
//! use, place or key opens for no other. Formats are versioned; an unknown one is refused by name.
//!
//! The crate is pure and synchronous but for the seal providers, which read the root key.

mod accelerated;
mod aead;
mod context;
mod domain;
mod error;
mod kek;
mod keyring;
mod limits;
mod link;
mod locked;
mod provider;
mod root;
mod session;
#[cfg(test)]
mod vectors;

pub use accelerated::cpu_is_accelerated;
pub use aead::values_equal;
pub use context::EncryptionContext;
pub use error::{OpenFailed, SealFailed};
pub use kek::{Kek, RewrapFailed, Sealed};
pub use keyring::{KeyringError, StorageKeyring};
pub use limits::{
    KEY_VERSIONS_MAX, LINK_CALL_BYTES_MAX, LINK_ENCAPSULATED_BYTES, LINK_PUBLIC_KEY_BYTES,
    LINK_REGION_BYTES_MAX, ROOT_KEY_FILE_BYTES_MAX, SEALED_BLOCK_BYTES_MAX,
    SESSION_PLAIN_BYTES_MAX, VALUE_BYTES_MAX,
};
pub use link::{CallPart, LinkBinding, LinkFailed, LinkKey, LinkOffer};
pub use provider::{FileProvider, ProviderError, SealProvider};
pub use root::RootKey;
pub use session::{SealedSession, SessionKey, SigningKey, is_signed, random_seed};
