//! Every bound of this crate.

/// The longest secret value in bytes, as AWS Secrets Manager has it.
pub const VALUE_BYTES_MAX: usize = 65_536;

/// The longest plaintext of one storage block in bytes: above any log entry, row or snapshot block.
pub const SEALED_BLOCK_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The most versions of the storage key one keyring holds.
pub const KEY_VERSIONS_MAX: usize = 1_024;

/// The longest root key file in bytes: the key in base64 and room for white space.
pub const ROOT_KEY_FILE_BYTES_MAX: usize = 256;

/// Locked pages of keys that are kept for the next key when they are wiped: about as many as calls
/// have in use at once. More are given back to the system.
pub const SPARE_KEY_PAGES_MAX: usize = 64;
