//! The encryption context: what a caller names so that a sealed value opens only where it belongs.

use crate::domain::Domain;

/// The identity of one secret version. It is bound into the value's associated data (R2), so a
/// value moved to another cluster, secret or version does not open. Name, account and region are
/// left out on purpose: a value crosses regions, and its secret may be renamed, without being
/// opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncryptionContext<'a> {
    /// The cluster's id.
    pub cluster: [u8; 16],
    /// The secret's uid, never reused.
    pub uid: [u8; 16],
    /// The version id, 32 to 64 characters.
    pub version_id: &'a str,
}

impl EncryptionContext<'_> {
    /// The associated data of the value: domain (which carries the format), cluster, uid and
    /// version id, each behind its length.
    pub(crate) fn aad(&self) -> Vec<u8> {
        Domain::Value.aad(&[&self.cluster, &self.uid, self.version_id.as_bytes()])
    }

    /// The associated data of the value's DEK under a KEK: the same identity, and the region and
    /// version of the KEK.
    pub(crate) fn wrap_aad(&self, region: &str, key_id: &[u8; 16], key_version: u32) -> Vec<u8> {
        Domain::DekWrap.aad(&[
            &self.cluster,
            &self.uid,
            self.version_id.as_bytes(),
            region.as_bytes(),
            key_id,
            &key_version.to_be_bytes(),
        ])
    }

    /// The associated data of the value's DEK under a link key: the identity alone, as the link key
    /// is bound to its regions and its stream.
    pub(crate) fn link_aad(&self) -> Vec<u8> {
        Domain::LinkWrap.aad(&[&self.cluster, &self.uid, self.version_id.as_bytes()])
    }
}
