//! Decimal numbers of any length, compared exactly.

use std::cmp::Ordering;

use crate::document::Flaw;

/// A number: a sign, digits, and digits behind a point. Its order is that of the numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    negative: bool,
    /// Without zeros in front.
    whole: String,
    /// Without zeros at the end.
    fraction: String,
}

impl Number {
    /// Parses `-12.50`: digits are needed before a point, and behind one.
    pub(super) fn parse(text: &str) -> Result<Number, Flaw> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !are_digits(whole) || !are_digits(fraction) {
            return Err(Flaw::ConditionValue("a decimal number"));
        }
        let whole = whole.trim_start_matches('0').to_owned();
        let fraction = fraction.trim_end_matches('0').to_owned();
        let is_zero = whole.is_empty() && fraction.is_empty();
        Ok(Number {
            negative: text.starts_with('-') && !is_zero,
            whole,
            fraction,
        })
    }

    fn cmp_size(&self, other: &Number) -> Ordering {
        let by_digits = self.whole.len().cmp(&other.whole.len());
        by_digits
            .then_with(|| self.whole.cmp(&other.whole))
            .then_with(|| self.fraction.cmp(&other.fraction))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.cmp_size(other),
            (true, true) => other.cmp_size(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
