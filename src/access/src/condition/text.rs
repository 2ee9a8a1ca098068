//! Strings and ARNs: the values that may have wildcards and variables.

use super::operator::TextKind;
use crate::document::Flaw;
use crate::pattern::{Case, Dialect, Pattern};

/// Parses a value of a string operator.
pub(super) fn parse(text: &str, kind: TextKind, variables: bool) -> Result<Pattern, Flaw> {
    let (wildcards, case) = match kind {
        TextKind::Equal => (false, Case::Exact),
        TextKind::EqualIgnoringCase => (false, Case::Folded),
        TextKind::Like => (true, Case::Exact),
    };
    let dialect = Dialect {
        wildcards,
        variables,
        case,
    };
    Pattern::parse(text, dialect)
}

/// Parses a value of an ARN operator; all of them know wildcards.
pub(super) fn parse_arn(text: &str, variables: bool) -> Result<Pattern, Flaw> {
    parse(text, TextKind::Like, variables)
}
