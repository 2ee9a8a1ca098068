//! One record as it lies in a segment.
//!
//! A frame is a header of 32 bytes and a payload, padded to a multiple of 8:
//!
//! | bytes | field |
//! | --- | --- |
//! | 0..4 | length of the payload |
//! | 4..8 | crc32c of segment number, offset, length, and all that follows in header and payload |
//! | 8..16 | group: counts the writes; one write, one sync |
//! | 16..24 | index |
//! | 24..28 | how many frames of the same group follow |
//! | 28 | kind |
//! | 29..32 | zero |
//!
//! The group is what tells a torn tail from damage: group n + 1 is written only after group n was
//! synced, so an unreadable group with nothing of a later group behind it was never acknowledged,
//! whichever of its pages reached the disk; with a later group behind it, it was.

use crate::bytes::Reader;
use crate::limits::COUNTER_MAX;

pub(crate) const FRAME_HEADER_BYTES: usize = 32;
const ALIGNMENT: usize = 8;

/// What a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// A record: mark and sealed body.
    Append,
    /// Every record above the index is dropped.
    TruncateAfter,
    /// Every record is dropped.
    TruncateAll,
    /// The log is committed up to the index; the payload is the log id.
    Committed,
}

/// A frame that matches its checksum and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: FrameKind,
    pub(crate) group: u64,
    pub(crate) index: u64,
    pub(crate) rest: u32,
    pub(crate) payload: &'a [u8],
}

impl Frame<'_> {
    /// How much of the segment the frame takes.
    pub(crate) fn len(&self) -> usize {
        frame_bytes(self.payload.len())
    }
}

impl FrameKind {
    fn to_byte(self) -> u8 {
        match self {
            FrameKind::Append => 1,
            FrameKind::TruncateAfter => 2,
            FrameKind::TruncateAll => 3,
            FrameKind::Committed => 4,
        }
    }

    fn from_byte(byte: u8) -> Option<FrameKind> {
        match byte {
            1 => Some(FrameKind::Append),
            2 => Some(FrameKind::TruncateAfter),
            3 => Some(FrameKind::TruncateAll),
            4 => Some(FrameKind::Committed),
            _ => None,
        }
    }
}

/// The size of a frame with a payload of `payload_bytes`.
pub(crate) fn frame_bytes(payload_bytes: usize) -> usize {
    (FRAME_HEADER_BYTES + payload_bytes).next_multiple_of(ALIGNMENT)
}

/// The frames of one group, to be written with one write.
#[derive(Debug, Default)]
pub(crate) struct Group {
    bytes: Vec<u8>,
    starts: Vec<(usize, u32)>,
}

impl Group {
    /// Adds a frame; its checksum follows in [`Group::finish`].
    pub(crate) fn push(&mut self, kind: FrameKind, index: u64, payload: &[&[u8]]) -> (usize, u32) {
        let start = self.bytes.len();
        let payload_bytes = payload.iter().map(|part| part.len()).sum::<usize>();
        self.bytes.extend_from_slice(&[0; 16]);
        self.bytes.extend_from_slice(&index.to_le_bytes());
        self.bytes
            .extend_from_slice(&[0, 0, 0, 0, kind.to_byte(), 0, 0, 0]);
        for part in payload {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.resize(start + frame_bytes(payload_bytes), 0);
        // The limits keep every payload far below 4 GiB.
        let payload_bytes = u32::try_from(payload_bytes).unwrap_or(u32::MAX);
        self.starts.push((start, payload_bytes));
        (start, payload_bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Completes every frame for the place the group is written to.
    pub(crate) fn finish(&mut self, group: u64, segment: u64, offset: u64) -> &[u8] {
        let mut rest = u32::try_from(self.starts.len()).unwrap_or(u32::MAX);
        for (start, payload_bytes) in &self.starts {
            rest = rest.saturating_sub(1);
            let end = start + FRAME_HEADER_BYTES + *payload_bytes as usize;
            let Some(frame) = self.bytes.get_mut(*start..end) else {
                continue;
            };
            let (head, tail) = frame.split_at_mut(ALIGNMENT);
            if let Some(field) = tail.get_mut(0..8) {
                field.copy_from_slice(&group.to_le_bytes());
            }
            if let Some(field) = tail.get_mut(16..20) {
                field.copy_from_slice(&rest.to_le_bytes());
            }
            let crc = checksum(segment, offset + *start as u64, *payload_bytes, tail);
            head.copy_from_slice(&(u64::from(crc) << 32 | u64::from(*payload_bytes)).to_le_bytes());
        }
        &self.bytes
    }
}

/// Reads the frame that `bytes`, found at `offset` of a segment, begin with; `None` if it is not
/// valid there.
pub(crate) fn parse(segment: u64, offset: u64, bytes: &[u8]) -> Option<Frame<'_>> {
    let mut reader = Reader::new(bytes);
    let payload_bytes = reader.u32()?;
    let crc = reader.u32()?;
    let checked_bytes = FRAME_HEADER_BYTES - ALIGNMENT + usize::try_from(payload_bytes).ok()?;
    let checked = reader.clone().take(checked_bytes)?;
    if crc != checksum(segment, offset, payload_bytes, checked) {
        return None;
    }
    let group = reader.u64()?;
    let index = reader.u64()?;
    let rest = reader.u32()?;
    let kind = FrameKind::from_byte(reader.u8()?)?;
    reader.take(3)?;
    let payload = reader.take(usize::try_from(payload_bytes).ok()?)?;
    if group.max(index) > COUNTER_MAX {
        return None;
    }
    Some(Frame {
        kind,
        group,
        index,
        rest,
        payload,
    })
}

/// Looks for a valid frame of a group above `group` in a whole segment, from `offset` on.
pub(crate) fn find_later(segment: u64, bytes: &[u8], offset: usize, group: u64) -> Option<usize> {
    let mut at = offset.next_multiple_of(ALIGNMENT);
    while let Some(frame) = bytes
        .get(at..)
        .filter(|rest| rest.len() >= FRAME_HEADER_BYTES)
    {
        // The kind is checked before the checksum: a search stays linear on most garbage.
        let possible = frame
            .get(28)
            .is_some_and(|kind| FrameKind::from_byte(*kind).is_some())
            && frame.get(29..32) == Some(&[0; 3]);
        if possible && parse(segment, at as u64, frame).is_some_and(|frame| frame.group > group) {
            return Some(at);
        }
        at += ALIGNMENT;
    }
    None
}

fn checksum(segment: u64, offset: u64, payload_bytes: u32, checked: &[u8]) -> u32 {
    let mut place = [0; 20];
    let (number, tail) = place.split_at_mut(8);
    number.copy_from_slice(&segment.to_le_bytes());
    let (start, len) = tail.split_at_mut(8);
    start.copy_from_slice(&offset.to_le_bytes());
    len.copy_from_slice(&payload_bytes.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&place), checked)
}

#[cfg(test)]
mod tests {
    use super::{COUNTER_MAX, FrameKind, Group, parse};

    #[test]
    fn a_number_that_nothing_could_count_on_from_is_no_frame() {
        let is_read = |group: u64, index: u64| {
            let mut frames = Group::default();
            frames.push(FrameKind::Append, index, &[b"payload"]);
            parse(1, 4096, frames.finish(group, 1, 4096)).is_some()
        };
        assert!(is_read(1, 1) && is_read(COUNTER_MAX, COUNTER_MAX));
        assert!(!is_read(COUNTER_MAX + 1, 1) && !is_read(u64::MAX, 1));
        assert!(!is_read(1, COUNTER_MAX + 1) && !is_read(1, u64::MAX));
    }
}
