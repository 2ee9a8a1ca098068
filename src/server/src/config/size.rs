use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes, written as `64 MiB`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Size(u64);

impl Size {
    /// Makes a size of this many bytes.
    #[must_use]
    pub const fn of_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Makes a size of this many MiB.
    #[must_use]
    pub const fn of_mebibytes(mebibytes: u64) -> Self {
        Self(mebibytes << 20)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

const UNITS: [(&str, u32); 4] = [("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

/// Says why a text is no size.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no size: write a whole number and B, KiB, MiB or GiB, as in `64 MiB`")]
pub struct SizeError(String);

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let refused = || SizeError(text.to_owned());
        let (digits, shift) = UNITS
            .iter()
            .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))
            .ok_or_else(refused)?;
        let count: u64 = digits.trim().parse().map_err(|_| refused())?;
        let bytes = count.checked_mul(1 << shift).ok_or_else(refused)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS
            .iter()
            .find(|(_, shift)| self.0 != 0 && self.0.is_multiple_of(1 << shift));
        let (unit, shift) = whole.unwrap_or(&("B", 0));
        write!(out, "{} {unit}", self.0 >> shift)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn a_size_reads_back_as_it_was_written() {
        for bytes in [0, 1, 1023, 1024, 3 << 20, 5 << 30, (1 << 20) + 1] {
            let size = Size::of_bytes(bytes);
            assert_eq!(size.to_string().parse::<Size>().unwrap(), size);
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "MiB",
            "-1 MiB",
            "1.5 GiB",
            "64",
            "64 MB",
            "99999999999999 GiB",
        ] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
