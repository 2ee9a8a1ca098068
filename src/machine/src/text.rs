//! Text that is short nearly always, and then copied without another place in memory.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// Longest text that is kept in place, in bytes.
const SHORT_BYTES_MAX: usize = 64;

/// Immutable text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Text {
    /// With zeros behind it.
    Short {
        len: u8,
        bytes: [u8; SHORT_BYTES_MAX],
    },
    /// Only what is too long for that.
    Long(Arc<str>),
}

impl Text {
    pub(crate) fn new(text: &str) -> Text {
        let mut bytes = [0; SHORT_BYTES_MAX];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(text.as_bytes());
                Text::Short { len, bytes }
            }
            _ => Text::Long(text.into()),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Text::Short { len, bytes } => {
                let text = bytes.get(..usize::from(*len)).unwrap_or_default();
                std::str::from_utf8(text).unwrap_or_default()
            }
            Text::Long(text) => text,
        }
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Text) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Text) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    fn hash(text: &Text) -> u64 {
        BuildHasherDefault::<DefaultHasher>::default().hash_one(text)
    }

    proptest! {
        #[test]
        fn text_is_and_compares_as_what_it_was_made_of(one in "\\PC{0,80}", other in "\\PC{0,80}") {
            let (text, next) = (Text::new(&one), Text::new(&other));
            prop_assert_eq!(text.as_str(), &one);
            prop_assert_eq!(text.cmp(&next), one.cmp(&other));
            prop_assert_eq!(text == next, one == other);
            prop_assert_eq!(&text, &Text::new(&one));
            prop_assert_eq!(hash(&text), hash(&Text::new(&one)));
            prop_assert_eq!(format!("{text:?}"), format!("{one:?}"));
        }
    }
}
