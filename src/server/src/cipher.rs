//! The keyring as the store's cipher: `store` knows no cipher, `envelope` no store (R14).

use envelope::StorageKeyring;
use store::{Cipher, CipherFault, Place};

/// Seals and opens blocks with the region's storage key.
pub struct StorageCipher(pub StorageKeyring);

impl Cipher for StorageCipher {
    fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
        let sealed = self.0.seal(place.table, place.key, plain);
        sealed.map_err(|error| CipherFault::Seal(error.into()))
    }

    fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, CipherFault> {
        self.0
            .open(place.table, place.key, sealed)
            .map_err(|_| CipherFault::Open)
    }

    fn is_current(&self, sealed: &[u8]) -> bool {
        self.0.is_by_active(sealed)
    }
}
