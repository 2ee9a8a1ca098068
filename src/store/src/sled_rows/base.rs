//! The base of a generation: all rows as they were when it was begun, in one file.
//!
//! sled takes over ten times the space of small rows that change often (`examples/churn.rs`), and
//! most rows do not change for long. So they are written one behind the other into a file that
//! never changes once it is complete, and sled holds what was written since. A record is a table
//! byte, the crc32c of table, key and content, the lengths of key and content, key, and content;
//! the last one counts the others. The tally in sled is what proves that base and sled belong
//! together.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::Fault;
use crate::bytes::Reader;
use crate::format::{self, Stamped};
use crate::limits::{FORMAT_HEADER_BYTES_MAX, KEY_BYTES_MAX, SEALED_BLOCK_BYTES_MAX};

use super::generation::{OpenFailed, damaged, is_of_machine};
use super::index::{Entry, Layer};
use super::layout::{self, Head};

const NAME: &str = "base";
/// The table of the last record.
const END: u8 = b'e';
/// What comes before key and content: table, crc and two lengths.
const RECORD_HEAD_BYTES: usize = 1 + 3 * size_of::<u32>();
const READ_BYTES: usize = 1024 * 1024;

/// The file of a generation, complete or in the making.
pub(super) struct Base {
    file: File,
    path: PathBuf,
    reached: Mutex<Reached>,
}

/// How far a base was written.
#[derive(Clone, Copy)]
struct Reached {
    offset: u64,
    records: u64,
}

/// Records to be appended together.
#[derive(Default)]
pub(super) struct Records {
    bytes: Vec<u8>,
    written: Vec<(u8, Vec<u8>, Head, usize)>,
}

/// A record as found: table, key, its entry, and the content.
pub(super) struct Found {
    pub(super) table: u8,
    pub(super) key: Vec<u8>,
    pub(super) entry: Entry,
    pub(super) content: Vec<u8>,
}

impl Records {
    pub(super) fn put(&mut self, table: u8, key: Vec<u8>, content: &[u8]) {
        let head = Head::of(table, &key, content);
        self.bytes.push(table);
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        self.bytes.extend_from_slice(&head.crc().to_le_bytes());
        self.bytes.extend_from_slice(&length(&key));
        self.bytes.extend_from_slice(&length(content));
        self.bytes.extend_from_slice(&key);
        let at = self.bytes.len();
        self.bytes.extend_from_slice(content);
        self.written.push((table, key, head, at));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.written.is_empty()
    }
}

impl Base {
    /// Creates the file of a generation.
    pub(super) fn create(generation: &Path, stamped: &Stamped) -> Result<Base, Fault> {
        let path = generation.join(NAME);
        let created = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path);
        let file = created.map_err(|error| Fault::io("create", &path, error))?;
        let header = format::encode(format::BASE, stamped, &[]);
        let written = file.write_all_at(&header, 0);
        written.map_err(|error| Fault::io("write", &path, error))?;
        let offset = header.len() as u64;
        let reached = Mutex::new(Reached { offset, records: 0 });
        Ok(Base {
            file,
            path,
            reached,
        })
    }

    /// Writes records behind those that are there; tells where each lies.
    pub(super) fn append(
        &self,
        records: Records,
    ) -> Result<impl Iterator<Item = (u8, Vec<u8>, Entry)>, Fault> {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let Reached { offset: start, .. } = *reached;
        let written = self.file.write_all_at(&records.bytes, start);
        written.map_err(|error| Fault::io("write", &self.path, error))?;
        reached.offset = start + records.bytes.len() as u64;
        reached.records += records.written.len() as u64;
        Ok(records
            .written
            .into_iter()
            .map(move |(table, key, head, at)| {
                let offset = start + at as u64;
                let layer = Layer::Base { offset };
                (table, key, Entry { head, layer })
            }))
    }

    /// Makes what was appended durable, so that the last sync does not take long.
    pub(super) fn sync(&self) -> Result<(), Fault> {
        let synced = self.file.sync_data();
        synced.map_err(|error| Fault::io("sync", &self.path, error))
    }

    /// Writes the last record, and makes all of them durable.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        let Reached { records, .. } = *self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let mut end = Records::default();
        end.put(END, Vec::new(), &records.to_le_bytes());
        self.append(end).map(drop)?;
        let synced = self.file.sync_all();
        synced.map_err(|error| Fault::io("sync", &self.path, error))
    }

    /// Reads the content of a row and checks it.
    pub(super) fn read(
        &self,
        table: u8,
        key: &[u8],
        head: Head,
        offset: u64,
    ) -> Result<Vec<u8>, Fault> {
        let mut content = vec![0; head.content_bytes as usize];
        match self.file.read_exact_at(&mut content, offset) {
            Err(error) if is_of_machine(&error) => Err(Fault::io("read", &self.path, error)),
            Ok(()) if head.matches(table, key, &content) => Ok(content),
            _ => Err(damaged(table, key)),
        }
    }

    pub(super) fn size_bytes(&self) -> Result<u64, Fault> {
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(|error| Fault::io("measure", &self.path, error))?;
        Ok(metadata.len())
    }

    /// Opens the base of a generation, if it has one, and checks and gives every record.
    pub(super) fn open(
        generation: &Path,
        stamped: &Stamped,
        mut each: impl FnMut(Found) -> Result<(), OpenFailed>,
    ) -> Result<Option<Base>, OpenFailed> {
        let path = generation.join(NAME);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| unread(&path, error))?,
        };
        let fault = |error| unread(&path, error);
        let bytes = file.metadata().map_err(fault)?.len();
        let mut head = vec![0; FORMAT_HEADER_BYTES_MAX.min(usize::try_from(bytes).unwrap_or(0))];
        file.read_exact_at(&mut head, 0).map_err(fault)?;
        let header = format::decode(format::BASE, &head).and_then(|header| {
            stamped
                .check_node(&header.stamped)
                .map(|()| header.len as u64)
        });
        let mut offset = header.map_err(|error| broken(&error.to_string()))?;
        let mut source = Source {
            left: bytes.saturating_sub(offset),
            from: BufReader::with_capacity(
                READ_BYTES,
                At {
                    file: &file,
                    offset,
                },
            ),
        };
        let mut records = 0;
        loop {
            let (found, length) = source.record(offset).map_err(|error| match error {
                Unread::Io(error) => fault(error),
                Unread::Damaged => broken("a record is damaged"),
            })?;
            offset += length;
            if found.table == END {
                let counted = found.content == u64::to_le_bytes(records);
                if !counted || source.left > 0 {
                    return Err(broken("its end is not where it was"));
                }
                break;
            }
            records += 1;
            each(found)?;
        }
        let reached = Mutex::new(Reached { offset, records });
        Ok(Some(Base {
            file,
            path,
            reached,
        }))
    }
}

/// What cannot be read for no trouble of the machine is rebuilt.
fn unread(path: &Path, error: io::Error) -> OpenFailed {
    match is_of_machine(&error) {
        true => Fault::io("read", path, error).into(),
        false => broken(&error.to_string()),
    }
}

fn broken(why: &str) -> OpenFailed {
    OpenFailed::Damaged(format!("the base of the rows: {why}"))
}

/// A file read from an offset on, whatever its own position.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(into, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// Records one behind the other.
struct Source<R> {
    from: R,
    left: u64,
}

enum Unread {
    Io(std::io::Error),
    Damaged,
}

impl<R: Read> Source<R> {
    /// Reads the record that begins at `offset`; tells how long it is.
    fn record(&mut self, offset: u64) -> Result<(Found, u64), Unread> {
        let head = self.take(RECORD_HEAD_BYTES)?;
        let mut fields = Reader::new(&head);
        let lengths = fields
            .u8()
            .zip(fields.u32())
            .zip(fields.u32().zip(fields.u32()));
        let ((table, crc), (key_bytes, content_bytes)) = lengths.ok_or(Unread::Damaged)?;
        let (key_length, content_length) = (key_bytes as usize, content_bytes as usize);
        if key_length > KEY_BYTES_MAX || content_length > SEALED_BLOCK_BYTES_MAX {
            return Err(Unread::Damaged);
        }
        let key = self.take(key_length)?;
        let content = self.take(content_length)?;
        let head = Head::of(table, &key, &content);
        let is_known = matches!(table, layout::ROWS | layout::PACKS | END);
        if head.crc() != crc || !is_known {
            return Err(Unread::Damaged);
        }
        let before = (RECORD_HEAD_BYTES + key_length) as u64;
        let layer = Layer::Base {
            offset: offset + before,
        };
        let entry = Entry { head, layer };
        let found = Found {
            table,
            key,
            entry,
            content,
        };
        Ok((found, before + u64::from(content_bytes)))
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, Unread> {
        self.left = self
            .left
            .checked_sub(length as u64)
            .ok_or(Unread::Damaged)?;
        let mut taken = vec![0; length];
        match self.from.read_exact(&mut taken) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(Unread::Damaged),
            read => read.map(|()| taken).map_err(Unread::Io),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use tempfile::tempdir;

    use super::*;

    type Rows = Vec<(Vec<u8>, Vec<u8>)>;

    fn stamped() -> Stamped {
        Stamped {
            cluster: [1; 16],
            region: "eu-north-1".to_owned(),
            node: 1,
        }
    }

    fn write(dir: &Path, rows: &Rows) {
        let base = Base::create(dir, &stamped()).unwrap();
        for step in rows.chunks(3) {
            let mut records = Records::default();
            for (key, content) in step {
                records.put(layout::ROWS, key.clone(), content);
            }
            base.append(records).map(drop).unwrap();
        }
        base.finish().unwrap();
    }

    /// What can be read of a base: its rows as found, and as read again by where they lie.
    fn read(dir: &Path) -> Option<(Rows, Rows)> {
        let mut found = Vec::new();
        let base = Base::open(dir, &stamped(), |record| {
            found.push(record);
            Ok(())
        });
        let base = base.ok()?.unwrap();
        let again = found.iter().map(|found| {
            let Layer::Base { offset } = found.entry.layer else {
                panic!("a base has what lies in it")
            };
            let content = base.read(found.table, &found.key, found.entry.head, offset);
            (found.key.clone(), content.unwrap())
        });
        let again = again.collect();
        let found = found.into_iter().map(|found| (found.key, found.content));
        Some((found.collect(), again))
    }

    proptest! {
        #[test]
        fn a_base_reads_back_as_it_was_written_and_not_at_all_once_it_was_changed(
            rows in proptest::collection::vec(
                (
                    proptest::collection::vec(any::<u8>(), 0..40),
                    proptest::collection::vec(any::<u8>(), 0..300),
                ),
                0..10,
            ),
            place in any::<proptest::sample::Index>(),
            bit in 0..8u8,
        ) {
            let dir = tempdir().unwrap();
            write(dir.path(), &rows);
            prop_assert_eq!(read(dir.path()), Some((rows.clone(), rows)));
            let path = dir.path().join(NAME);
            let whole = std::fs::read(&path).unwrap();
            let at = place.index(whole.len());
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            std::fs::write(&path, changed).unwrap();
            prop_assert!(read(dir.path()).is_none());
            std::fs::write(&path, &whole[..at]).unwrap();
            prop_assert!(read(dir.path()).is_none());
            std::fs::write(&path, [whole.as_slice(), &whole[..=at]].concat()).unwrap();
            prop_assert!(read(dir.path()).is_none());
        }

        #[test]
        fn arbitrary_records_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let dir = tempdir().unwrap();
            let header = format::encode(format::BASE, &stamped(), &[]);
            std::fs::write(dir.path().join(NAME), [header, bytes].concat()).unwrap();
            prop_assert!(read(dir.path()).is_none());
        }
    }
}
