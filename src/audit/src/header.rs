//! The first line of every file, in clear: whose it is, and how it follows the file before.
//!
//! | version | release | what |
//! | --- | --- | --- |
//! | 1 | 0.4.0 | first |

use std::fmt::Write;
use std::fs::File;
use std::io;
use std::path::Path;

use serde::Deserialize;

use crate::file;
use crate::limits::{COUNTER_MAX, REGION_BYTES_MAX};
use crate::link::{self, Hash, Linked};
use crate::record::field;
use crate::{Owner, Time};

/// The newest version of the format that this release reads and writes.
pub const FORMAT_VERSION: u32 = 1;

const FORMAT: &str = "strongroom-audit";

/// A place where the chain does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Break {
    /// The number of the file.
    pub file: u64,
    /// Where in it, in bytes.
    pub offset: u64,
    /// The sequence number of the record that should be there.
    pub seq: u64,
    /// What is there instead.
    pub why: Why,
}

/// What is where the chain does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// Bytes that are no line with its checksum.
    Unreadable,
    /// A line that does not follow the one before: some are missing, or came from elsewhere.
    Unchained,
    /// No such file.
    Missing,
}

/// What the file before holds, so that a search can pass it over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Before {
    pub(crate) records: u64,
    /// The earliest and the latest time of a record.
    pub(crate) from: Time,
    pub(crate) until: Time,
}

/// The first line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    format: String,
    version: u32,
    cluster: String,
    region: String,
    node: u64,
    /// The number of the file.
    pub(crate) file: u64,
    /// The sequence number of its first record.
    pub(crate) first: u64,
    /// When it was begun.
    pub(crate) time: Time,
    /// The oldest file that is kept. Older ones were deleted, and those from there on must be here.
    pub(crate) start: u64,
    /// How many breaks were found until now when files were opened.
    pub(crate) breaks: u64,
    /// The last of them.
    pub(crate) broken: Option<Break>,
    pub(crate) before: Option<Before>,
    prev: Hash,
    hash: Hash,
}

/// What a header says, in the words of who begins a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Begin {
    pub(crate) file: u64,
    pub(crate) first: u64,
    pub(crate) time: Time,
    pub(crate) start: u64,
    pub(crate) breaks: u64,
    pub(crate) broken: Option<Break>,
    pub(crate) before: Option<Before>,
}

/// Why a file is not ours to go on with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A later release wrote it.
    #[error(
        "format {found} is newer than {FORMAT_VERSION}, the newest this release reads: upgrade"
    )]
    Future {
        /// The version in the file.
        found: u32,
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

impl Begin {
    /// The line; it follows `prev`.
    pub(crate) fn line(&self, owner: &Owner, prev: Hash) -> (String, Hash) {
        let mut line = String::new();
        let version = FORMAT_VERSION;
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            "{{\"format\":\"{FORMAT}\",\"version\":{version},\"cluster\":\"{}\"",
            hex(&owner.cluster)
        );
        field(&mut line, "region", &owner.region, REGION_BYTES_MAX);
        let _ = write!(
            line,
            ",\"node\":{},\"file\":{},\"first\":{},\"time\":\"{}\",\"start\":{},\"breaks\":{}",
            owner.node, self.file, self.first, self.time, self.start, self.breaks
        );
        let _ = match &self.broken {
            None => write!(line, ",\"broken\":null"),
            Some(Break {
                file,
                offset,
                seq,
                why,
            }) => write!(
                line,
                ",\"broken\":{{\"file\":{file},\"offset\":{offset},\"seq\":{seq},\"why\":\"{}\"}}",
                why.name()
            ),
        };
        let _ = match &self.before {
            None => write!(line, ",\"before\":null"),
            Some(Before {
                records,
                from,
                until,
            }) => write!(
                line,
                ",\"before\":{{\"records\":{records},\"from\":\"{from}\",\"until\":\"{until}\"}}"
            ),
        };
        let hash = link::put(&mut line, prev);
        (line, hash)
    }
}

impl Before {
    /// With one record more.
    pub(crate) fn with(held: Option<Before>, time: Time) -> Before {
        let (records, from, until) = held.map_or((0, time, time), |held| {
            (held.records, held.from, held.until)
        });
        Before {
            records: records + 1,
            from: from.min(time),
            until: until.max(time),
        }
    }

    /// With one record more that cannot be opened: it may be of any time.
    pub(crate) fn with_any(held: Option<Before>) -> Before {
        Before {
            from: Time(0),
            until: Time(u64::MAX),
            ..Before::with(held, Time(0))
        }
    }
}

impl Why {
    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Why::Unreadable => "unreadable",
            Why::Unchained => "unchained",
            Why::Missing => "missing",
        }
    }
}

/// Whether a line says of itself that it is a header, of this or a later version.
pub(crate) fn is_header(line: &[u8]) -> bool {
    line.starts_with(b"{\"format\":")
}

impl Header {
    /// Reads a header line, without its newline, that matches its checksum. `None` if it is none;
    /// a version that is not known is an error.
    pub(crate) fn read(line: &[u8], linked: Linked) -> Result<Option<Header>, FormatError> {
        #[derive(Deserialize)]
        struct Version<'a> {
            format: &'a str,
            version: u32,
        }
        match serde_json::from_slice::<Version<'_>>(line) {
            Ok(Version { format, version }) if format == FORMAT && version > FORMAT_VERSION => {
                return Err(FormatError::Future { found: version });
            }
            _ => {}
        }
        let read = serde_json::from_slice(line).ok();
        Ok(read.filter(|header: &Header| {
            let counters = [header.file, header.first, header.start, header.breaks];
            header.format == FORMAT
                && header.version == FORMAT_VERSION
                && header.prev == linked.prev
                && header.hash == linked.hash
                && counters.iter().all(|counter| *counter <= COUNTER_MAX)
        }))
    }

    /// Reads the header of a file; `None` if that is damaged, or not there yet.
    pub(crate) fn of(path: &Path) -> io::Result<Result<Option<Header>, FormatError>> {
        let line = file::first_line(&File::open(path)?)?;
        let linked = line.and_then(|line| link::check(&line).map(|linked| (line, linked)));
        Ok(linked.map_or(Ok(None), |(line, linked)| Header::read(&line, linked)))
    }

    /// The hash of the last line before.
    pub(crate) fn prev(&self) -> Hash {
        self.prev
    }

    /// Whether two files have one owner.
    pub(crate) fn is_of(&self, other: &Header) -> bool {
        self.cluster == other.cluster && self.region == other.region && self.node == other.node
    }

    /// Checks that the file is `owner`'s.
    pub(crate) fn check(&self, owner: &Owner) -> Result<(), FormatError> {
        let region = crate::text::shown(&owner.region, REGION_BYTES_MAX);
        let pairs = [
            ("cluster", self.cluster.clone(), hex(&owner.cluster)),
            ("region", self.region.clone(), region),
            ("node", self.node.to_string(), owner.node.to_string()),
        ];
        for (what, found, expected) in pairs {
            if found != expected {
                return Err(FormatError::Foreign {
                    what,
                    found,
                    expected,
                });
            }
        }
        Ok(())
    }
}

fn hex(bytes: &[u8; 16]) -> String {
    let mut text = String::new();
    link::put_hex(&mut text, bytes);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::NOTHING;

    fn owner() -> Owner {
        Owner {
            cluster: [7; 16],
            region: "eu-west-1".into(),
            node: 3,
        }
    }

    fn begin() -> Begin {
        Begin {
            file: 4,
            first: 77,
            time: Time(1_000_000),
            start: 2,
            breaks: 1,
            broken: Some(Break {
                file: 3,
                offset: 999,
                seq: 70,
                why: Why::Unreadable,
            }),
            before: Some(Before {
                records: 7,
                from: Time(1_000),
                until: Time(2_000),
            }),
        }
    }

    fn read(line: &str) -> Result<Option<Header>, FormatError> {
        let line = line.trim_end().as_bytes();
        Header::read(line, link::check(line).unwrap())
    }

    #[test]
    fn a_header_reads_back() {
        let (line, hash) = begin().line(&owner(), NOTHING);
        assert!(is_header(line.as_bytes()));
        let header = read(&line).unwrap().unwrap();
        assert_eq!((header.file, header.first, header.start), (4, 77, 2));
        assert_eq!((header.time, header.breaks), (Time(1_000_000), 1));
        assert_eq!(header.broken, begin().broken);
        assert_eq!(header.before, begin().before);
        assert_eq!(header.hash, hash);
        assert_eq!(header.check(&owner()), Ok(()));
    }

    #[test]
    fn a_header_of_another_node_or_a_later_release_is_refused_by_name() {
        let (line, _) = begin().line(&owner(), NOTHING);
        let header = read(&line).unwrap().unwrap();
        let other = Owner { node: 4, ..owner() };
        let refused = header.check(&other).unwrap_err().to_string();
        assert_eq!(refused, "the file belongs to node 3, not 4");
        let later = r#"{"format":"strongroom-audit","version":2,"new":[]"#;
        let mut line = later.to_owned();
        link::put(&mut line, NOTHING);
        assert_eq!(read(&line), Err(FormatError::Future { found: 2 }));
    }
}
