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

/// Bytes of the public key in a link offer: X-Wing's, which are 1,184 of ML-KEM-768 and 32 of
/// X25519.
pub const LINK_PUBLIC_KEY_BYTES: usize = 1_216;

/// Bytes of an encapsulated link key: X-Wing's, which are 1,088 of ML-KEM-768 and 32 of X25519.
pub const LINK_ENCAPSULATED_BYTES: usize = 1_120;

/// The longest name of a region that a link key is bound to, in bytes.
pub const LINK_REGION_BYTES_MAX: usize = 128;

/// The longest call, or answer to one, that is sealed under a link key, in bytes.
pub const LINK_CALL_BYTES_MAX: usize = 512 * 1024;

/// The longest session that is sealed into a token, in bytes: above what one may say.
pub const SESSION_PLAIN_BYTES_MAX: usize = 8 * 1024;
