//! The files of a trail, `audit-NNNNNNNNNN.log`, and how lines are read from them: by blocks, from
//! either end, in bounded memory, while they are written.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::limits::{BLOCK_BYTES, COUNTER_MAX, FILES_MAX, LINE_BYTES_MAX};

/// A piece of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Whole lines.
    Lines(Block),
    /// Bytes without a newline, more than any line has.
    Noise {
        /// Where they begin.
        start: u64,
        /// Where they end.
        end: u64,
    },
    /// The end of the file, or the beginning; before the end so many bytes of a line that is not
    /// whole.
    End {
        /// Their number.
        torn: u64,
    },
}

/// Whole lines, one after the other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Where they begin.
    pub(crate) start: u64,
    bytes: Vec<u8>,
}

impl Block {
    /// Where they end.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// Each line without its newline, with where it begins and where the next one does.
    pub(crate) fn lines(&self) -> Vec<(u64, u64, &[u8])> {
        let mut end = self.start;
        let lines = self.bytes.split_inclusive(|byte| *byte == b'\n');
        lines
            .map(|line| {
                let start = end;
                end += line.len() as u64;
                (start, end, line.strip_suffix(b"\n").unwrap_or(line))
            })
            .collect()
    }
}

/// Reads on from `start`, where a line begins.
pub(crate) fn read_after(file: &File, start: u64) -> io::Result<Piece> {
    let mut bytes = read(file, start, BLOCK_BYTES)?;
    let newline = bytes.iter().rposition(|byte| *byte == b'\n');
    Ok(match newline {
        Some(last) => {
            bytes.truncate(last + 1);
            Piece::Lines(Block { start, bytes })
        }
        None if bytes.len() < BLOCK_BYTES => Piece::End {
            torn: bytes.len() as u64,
        },
        None => Piece::Noise {
            start,
            end: start + bytes.len() as u64,
        },
    })
}

/// Reads back from `end`, where a line ends, or the file does.
pub(crate) fn read_before(file: &File, end: u64) -> io::Result<Piece> {
    let start = end.saturating_sub(BLOCK_BYTES as u64);
    let wanted = usize::try_from(end - start).unwrap_or(BLOCK_BYTES);
    let mut bytes = read(file, start, wanted)?;
    let last = bytes.iter().rposition(|byte| *byte == b'\n');
    let Some(last) = last else {
        return Ok(match start {
            0 => Piece::End {
                torn: bytes.len() as u64,
            },
            _ => Piece::Noise { start, end },
        });
    };
    // What follows the last newline is only there at the end of the file, and torn.
    bytes.truncate(last + 1);
    if start == 0 {
        return Ok(Piece::Lines(Block { start, bytes }));
    }
    let first = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(last);
    let bytes = bytes.split_off(first + 1);
    let start = start + first as u64 + 1;
    Ok(match bytes.is_empty() {
        true => Piece::Noise {
            start: end - wanted as u64,
            end,
        },
        false => Piece::Lines(Block { start, bytes }),
    })
}

/// The first line, without its newline, unless it is longer than lines are.
pub(crate) fn first_line(file: &File) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = read(file, 0, LINE_BYTES_MAX)?;
    let newline = bytes.iter().position(|byte| *byte == b'\n');
    bytes.truncate(newline.unwrap_or(0));
    Ok(newline.map(|_| bytes))
}

/// Up to `wanted` bytes; fewer only where the file ends.
fn read(file: &File, start: u64, wanted: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; wanted];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, start + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// The path of file `number`.
pub(crate) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(name(number))
}

fn name(number: u64) -> String {
    format!("audit-{number:010}.log")
}

/// Lists the numbers of the files in `dir`, oldest first, with how long they are. One that is
/// empty was set aside for what is to come.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<(u64, u64)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let found = entry.file_name();
        let Some(number) = found.to_str().and_then(number) else {
            continue;
        };
        match entry.metadata() {
            Ok(metadata) => files.push((number, metadata.len())),
            // It was deleted meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if files.len() > FILES_MAX {
            return Err(io::Error::other("too many audit files in one directory"));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// The number in the name of a file of ours.
fn number(found: &str) -> Option<u64> {
    let digits = found.strip_prefix("audit-")?.strip_suffix(".log")?;
    let number = digits.parse().ok()?;
    (name(number) == found && (1..=COUNTER_MAX).contains(&number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::{Strategy, prop_assert_eq, proptest};

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    /// All lines, read forwards, and how much is torn.
    fn forwards(file: &File) -> (Vec<(u64, Vec<u8>)>, u64) {
        let (mut lines, mut at) = (Vec::new(), 0);
        loop {
            match read_after(file, at).unwrap() {
                Piece::Lines(block) => {
                    let found = block.lines();
                    lines.extend(found.iter().map(|(at, _, line)| (*at, line.to_vec())));
                    at = block.end();
                }
                Piece::Noise { end, .. } => at = end,
                Piece::End { torn } => return (lines, torn),
            }
        }
    }

    fn backwards(file: &File, end: u64) -> Vec<(u64, Vec<u8>)> {
        let (mut lines, mut end) = (Vec::new(), end);
        while end > 0 {
            match read_before(file, end).unwrap() {
                Piece::Lines(block) => {
                    let found = block.lines();
                    lines.extend(found.iter().rev().map(|(at, _, line)| (*at, line.to_vec())));
                    end = block.start;
                }
                Piece::Noise { start, .. } => end = start,
                Piece::End { .. } => break,
            }
        }
        lines.reverse();
        lines
    }

    fn lines() -> impl Strategy<Value = Vec<usize>> {
        proptest::collection::vec(0..60_000usize, 0..40)
    }

    proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(24))]

        #[test]
        fn both_directions_read_the_same_lines(lengths in lines(), torn in 0..5000usize) {
            let text: Vec<u8> = lengths.iter().flat_map(|length| {
                let mut line = vec![b'a'; *length];
                line.push(b'\n');
                line
            }).collect();
            let whole = text.len() as u64;
            let file = file(&[text, vec![b'b'; torn]].concat());
            let (read, torn_read) = forwards(&file);
            prop_assert_eq!(read.iter().map(|(_, l)| l.len()).collect::<Vec<_>>(), lengths);
            prop_assert_eq!(torn_read, torn as u64);
            prop_assert_eq!(&backwards(&file, whole), &read);
            prop_assert_eq!(&backwards(&file, whole + torn as u64), &read);
        }
    }

    #[test]
    fn what_no_line_can_be_is_passed_over_in_bounded_memory() {
        let noise = vec![b'x'; 3 * BLOCK_BYTES + 7];
        let file = file(&[b"first\n", &noise[..], b"\nlast\n"].concat());
        let (read, _) = forwards(&file);
        assert_eq!(read.first().unwrap().1, b"first");
        assert_eq!(read.last().unwrap().1, b"last");
        let back = backwards(&file, file.metadata().unwrap().len());
        assert_eq!(back.first().unwrap().1, b"first");
        assert_eq!(back.last().unwrap().1, b"last");
    }

    #[test]
    fn only_names_that_we_write_are_ours() {
        assert_eq!(number("audit-0000000012.log"), Some(12));
        assert_eq!(number(&name(12_345_678_901)), Some(12_345_678_901));
        let others = [
            "audit-12.log",
            "audit-0000000000.log",
            "audit-00000000+1.log",
            "audit.log",
        ];
        others
            .iter()
            .for_each(|name| assert_eq!(number(name), None, "{name}"));
    }
}
