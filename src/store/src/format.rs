//! What stands in clear at the head of every file: a format version and whose file it is.
//!
//! The prelude (magic, kind, version, checksum) has this shape for ever, so that any release can
//! tell a file of a later one from a damaged one. All numbers are little-endian.
//!
//! | version | release | log | anchor | rows | base of rows | snapshot |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | 1 | 0.1.0 | first | first | first | | first |
//! | 1 | 0.2.0 | | | | first | |

use crate::bytes::{Reader, put_bytes};

const MAGIC: &[u8; 8] = b"strongrm";
const PRELUDE_BYTES: usize = 20;

/// Whose files these are; written into every header, and a mismatch is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// The cluster id.
    pub cluster: [u8; 16],
    /// The region's name.
    pub region: String,
    /// The node id.
    pub node: u64,
}

/// What a file is, and the newest version of it that this release reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    tag: &'static [u8; 4],
    version: u32,
}

/// A segment of the log.
pub(crate) const LOG: Kind = Kind {
    tag: b"wlog",
    version: 1,
};
/// The anchor of the log: vote and purge mark.
pub(crate) const ANCHOR: Kind = Kind {
    tag: b"anch",
    version: 1,
};
/// The row directory.
pub(crate) const ROWS: Kind = Kind {
    tag: b"rows",
    version: 1,
};
/// The base of a generation of the rows.
pub(crate) const BASE: Kind = Kind {
    tag: b"base",
    version: 1,
};
/// A snapshot file.
pub(crate) const SNAPSHOT: Kind = Kind {
    tag: b"snap",
    version: 1,
};

/// Why a file's header was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The file does not begin as one of ours of this kind.
    #[error("not a strongroom file of this kind")]
    Unknown,
    /// The header does not match its checksum, or ends early.
    #[error("the file header is damaged")]
    Damaged,
    /// A later release wrote it.
    #[error("format {found} is newer than {supported}, the newest this release reads: upgrade")]
    Future {
        /// The version in the file.
        found: u32,
        /// The newest version this release knows.
        supported: u32,
    },
    /// It belongs to another cluster, region or node.
    #[error("the file belongs to {what} {found}, not {expected}")]
    Foreign {
        /// `cluster`, `region` or `node`.
        what: &'static str,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
}

/// A header as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) stamped: Stamped,
    /// What the kind of file adds.
    pub(crate) extra: Vec<u8>,
    /// How many bytes of the file the header takes.
    pub(crate) len: usize,
}

/// Encodes a header with what its kind adds.
pub(crate) fn encode(kind: Kind, stamped: &Stamped, extra: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(kind.tag);
    bytes.extend_from_slice(&kind.version.to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    let mut body = Vec::with_capacity(96);
    body.extend_from_slice(&stamped.cluster);
    body.extend_from_slice(&stamped.node.to_le_bytes());
    put_bytes(&mut body, stamped.region.as_bytes());
    put_bytes(&mut body, extra);
    bytes.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
    put_bytes(&mut bytes, &body);
    bytes
}

/// Decodes the header at the beginning of `bytes`, whoever's it is.
pub(crate) fn decode(kind: Kind, bytes: &[u8]) -> Result<Header, FormatError> {
    let mut reader = Reader::new(bytes);
    let prelude = reader.take(PRELUDE_BYTES - 4).ok_or(FormatError::Damaged)?;
    let prelude_crc = reader.u32().ok_or(FormatError::Damaged)?;
    if prelude.iter().all(|byte| *byte == 0) {
        return Err(FormatError::Damaged);
    }
    if !prelude.starts_with(MAGIC) || prelude.get(8..12) != Some(kind.tag) {
        return Err(FormatError::Unknown);
    }
    if crc32c::crc32c(prelude) != prelude_crc {
        return Err(FormatError::Damaged);
    }
    let found = Reader::new(prelude.get(12..).unwrap_or_default())
        .u32()
        .unwrap_or(0);
    if found > kind.version {
        return Err(FormatError::Future {
            found,
            supported: kind.version,
        });
    }
    decode_body(&mut reader)
        .map(|(stamped, extra)| Header {
            stamped,
            extra,
            len: reader.at(),
        })
        .ok_or(FormatError::Damaged)
}

fn decode_body(reader: &mut Reader<'_>) -> Option<(Stamped, Vec<u8>)> {
    let crc = reader.u32()?;
    let body = reader.bytes()?;
    if crc32c::crc32c(body) != crc {
        return None;
    }
    let mut body = Reader::new(body);
    let cluster = body.take(16)?.try_into().ok()?;
    let node = body.u64()?;
    let region = String::from_utf8(body.bytes()?.to_vec()).ok()?;
    let extra = body.bytes()?.to_vec();
    body.is_empty().then_some((
        Stamped {
            cluster,
            region,
            node,
        },
        extra,
    ))
}

impl Stamped {
    /// Refuses a file of another cluster or region; its node may be another one.
    pub(crate) fn check_region(&self, found: &Stamped) -> Result<(), FormatError> {
        let hex = |id: &[u8; 16]| {
            id.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        check("cluster", hex(&found.cluster), hex(&self.cluster))?;
        check("region", found.region.clone(), self.region.clone())
    }

    /// Refuses a file of another cluster, region or node.
    pub(crate) fn check_node(&self, found: &Stamped) -> Result<(), FormatError> {
        self.check_region(found)?;
        check("node", found.node.to_string(), self.node.to_string())
    }
}

fn check(what: &'static str, found: String, expected: String) -> Result<(), FormatError> {
    if found == expected {
        return Ok(());
    }
    Err(FormatError::Foreign {
        what,
        found,
        expected,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::*;

    fn stamped() -> Stamped {
        Stamped {
            cluster: [7; 16],
            region: "eu-west-1".into(),
            node: 3,
        }
    }

    #[test]
    fn a_header_reads_back() {
        let bytes = encode(LOG, &stamped(), b"extra");
        let header = decode(LOG, &[&bytes[..], b"what follows"].concat()).unwrap();
        assert_eq!(
            header,
            Header {
                stamped: stamped(),
                extra: b"extra".into(),
                len: bytes.len()
            }
        );
    }

    #[test]
    fn a_later_version_is_refused_as_such() {
        let later = Kind {
            tag: LOG.tag,
            version: 9,
        };
        let bytes = encode(later, &stamped(), b"");
        assert_eq!(
            decode(LOG, &bytes),
            Err(FormatError::Future {
                found: 9,
                supported: 1
            })
        );
    }

    #[test]
    fn another_kind_is_refused() {
        assert_eq!(
            decode(LOG, &encode(ROWS, &stamped(), b"")),
            Err(FormatError::Unknown)
        );
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = encode(LOG, &stamped(), b"extra");
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let error = decode(LOG, &bytes).unwrap_err();
            assert!(
                !matches!(error, FormatError::Future { .. }),
                "bit {bit}: {error}"
            );
        }
    }

    #[test]
    fn a_foreign_file_is_refused_by_name() {
        let region = Stamped {
            region: "eu-west-2".into(),
            ..stamped()
        };
        let node = Stamped {
            node: 4,
            ..stamped()
        };
        assert!(
            stamped()
                .check_region(&region)
                .unwrap_err()
                .to_string()
                .contains("eu-west-2")
        );
        assert!(stamped().check_region(&node).is_ok());
        assert!(
            stamped()
                .check_node(&node)
                .unwrap_err()
                .to_string()
                .contains("node 4")
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode(LOG, &bytes).is_err());
        }
    }
}
