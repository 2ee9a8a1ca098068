//! Booleans.

use crate::document::Flaw;

/// Parses `true` or `false`, in any case.
pub(super) fn parse(text: &str) -> Result<bool, Flaw> {
    if text.eq_ignore_ascii_case("true") {
        return Ok(true);
    }
    match text.eq_ignore_ascii_case("false") {
        true => Ok(false),
        false => Err(Flaw::ConditionValue("true or false")),
    }
}
