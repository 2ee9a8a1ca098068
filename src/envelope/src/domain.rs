//! Domain separation: the associated data of every keyed use starts with the name of that use.
//!
//! Invariant: fields are length-prefixed, so that no two different lists of fields give the same
//! bytes. The names and the order of fields are part of the format: a change is a new domain.

/// A use of a key. Each has its own name, which no other use may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain {
    /// A secret value under its DEK.
    Value,
    /// A DEK under a KEK.
    DekWrap,
    /// A KEK under the root key.
    KekWrap,
    /// The keyring file under the root key.
    Keyring,
    /// A log entry, row, snapshot or backup block under the storage key.
    StorageBlock,
    /// The agreement of two regions on a link key; its associated data is HPKE's `info`.
    LinkKey,
    /// A DEK under a link key.
    LinkWrap,
    /// A call that one region hands on to another, under a link key.
    LinkCall,
    /// The answer to it, under the same key.
    LinkAnswer,
}

impl Domain {
    /// The name in the associated data.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Domain::Value => "strongroom/value/v1",
            Domain::DekWrap => "strongroom/dek-wrap/v1",
            Domain::KekWrap => "strongroom/kek-wrap/v1",
            Domain::Keyring => "strongroom/keyring/v1",
            Domain::StorageBlock => "strongroom/storage-block/v1",
            Domain::LinkKey => "strongroom/link-key/v1",
            Domain::LinkWrap => "strongroom/link-wrap/v1",
            Domain::LinkCall => "strongroom/link-call/v1",
            Domain::LinkAnswer => "strongroom/link-answer/v1",
        }
    }

    /// The associated data of one sealing: the name, then each field, each behind its length (u32,
    /// big-endian).
    pub(crate) fn aad(self, fields: &[&[u8]]) -> Vec<u8> {
        let name = self.name().as_bytes();
        let bytes: usize = fields.iter().map(|field| 4 + field.len()).sum();
        let mut aad = Vec::with_capacity(4 + name.len() + bytes);
        for field in std::iter::once(&name).chain(fields) {
            // A field of 4 GiB cannot stand in memory next to what it describes; were there one,
            // the saturated prefix still could not collide with a shorter field.
            let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
            aad.extend_from_slice(&length.to_be_bytes());
            aad.extend_from_slice(field);
        }
        aad
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::Domain;

    #[test]
    fn no_two_domains_share_a_name() {
        let domains = [
            Domain::Value,
            Domain::DekWrap,
            Domain::KekWrap,
            Domain::Keyring,
            Domain::StorageBlock,
            Domain::LinkKey,
            Domain::LinkWrap,
            Domain::LinkCall,
            Domain::LinkAnswer,
        ];
        let names: std::collections::BTreeSet<_> = domains.iter().map(|d| d.name()).collect();
        assert_eq!(names.len(), domains.len());
    }

    proptest! {
        #[test]
        fn different_fields_give_different_associated_data(
            a in any::<Vec<Vec<u8>>>(),
            b in any::<Vec<Vec<u8>>>(),
        ) {
            let slices = |fields: &[Vec<u8>]| {
                let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
                Domain::Value.aad(&fields)
            };
            assert_eq!(a == b, slices(&a) == slices(&b));
        }
    }
}
