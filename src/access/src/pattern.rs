//! Values with wildcards and variables, and what they match.
//!
//! `*` stands for any run of characters, `?` for one. What a variable stands for is compared as it
//! is: a `*` in it is a star. Matching never goes back beyond the last `*`, so it is linear in the
//! text, but for a part between two stars that has a `?` or a variable: that one is tried at every
//! place, so the time is the length of the text times that of the part.

use crate::context::Context;
use crate::document::Flaw;
use crate::limits::VARIABLES_MAX;
use crate::variable::{Filled, Variable};

/// A value to compare with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    text: String,
    /// What stands between the stars: one part more than there are stars.
    parts: Vec<Vec<Piece>>,
    case: Case,
}

/// How letters compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// As they are.
    Exact,
    /// Without regard to the case of ASCII letters.
    Ascii,
    /// Without regard to the case of any letter.
    Folded,
}

/// What a value may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    pub(crate) wildcards: bool,
    pub(crate) variables: bool,
    pub(crate) case: Case,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// One character, whichever.
    Any,
    Variable(Variable),
}

/// What is still to be matched.
#[derive(Clone, Copy)]
struct Rest<'a> {
    text: &'a str,
    /// Bytes in which no wildcard stands for a colon: the head of an ARN.
    head: usize,
}

impl Pattern {
    /// Parses a value.
    pub(crate) fn parse(text: &str, dialect: Dialect) -> Result<Pattern, Flaw> {
        let mut pattern = Pattern {
            text: text.to_owned(),
            parts: vec![Vec::new()],
            case: dialect.case,
        };
        let (mut rest, mut variables) = (text, 0);
        while let Some(c) = rest.chars().next() {
            if let (true, Some(body)) = (dialect.variables, rest.strip_prefix("${")) {
                let (filled, behind) = Filled::parse(body)?;
                rest = behind;
                variables += 1;
                match filled {
                    Filled::Literal(c) => pattern.add_char(c),
                    Filled::Variable(variable) => pattern.add(Piece::Variable(variable)),
                }
                continue;
            }
            match c {
                '*' if dialect.wildcards => pattern.parts.push(Vec::new()),
                '?' if dialect.wildcards => pattern.add(Piece::Any),
                c => pattern.add_char(c),
            }
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
        let (found, max) = (variables, VARIABLES_MAX);
        match found > max {
            true => Err(Flaw::TooMany { found, max }),
            false => Ok(pattern),
        }
    }

    /// Whether it matches all of a text; none if a variable in it has no value.
    pub(crate) fn matches(&self, text: &str, context: &Context) -> Option<bool> {
        let is_resolved = self.resolves(context);
        is_resolved.then(|| self.fits(Rest { text, head: 0 }, context).is_some())
    }

    /// As [`Pattern::matches`], but each of the six parts of an ARN on its own: no wildcard reaches
    /// beyond one of the first five colons. What is no ARN is not matched.
    pub(crate) fn matches_arn(&self, text: &str, context: &Context) -> Option<bool> {
        let head = text.match_indices(':').nth(4).map(|(at, _)| at + 1);
        self.resolves(context).then(|| {
            let fits = |head| self.fits(Rest { text, head }, context);
            head.and_then(fits).is_some()
        })
    }

    /// The value as it stands in the policy.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches one text only, whatever the request is.
    pub(crate) fn is_fixed(&self) -> bool {
        let mut pieces = self.parts.iter().flatten();
        self.parts.len() == 1 && pieces.all(|piece| matches!(piece, Piece::Text(_)))
    }

    fn add(&mut self, piece: Piece) {
        if let Some(part) = self.parts.last_mut() {
            part.push(piece);
        }
    }

    fn add_char(&mut self, c: char) {
        match self.parts.last_mut().and_then(|part| part.last_mut()) {
            Some(Piece::Text(text)) => text.push(c),
            _ => self.add(Piece::Text(c.to_string())),
        }
    }

    fn resolves(&self, context: &Context) -> bool {
        self.parts.iter().flatten().all(|piece| match piece {
            Piece::Variable(variable) => variable.value(context).is_some(),
            Piece::Text(_) | Piece::Any => true,
        })
    }

    fn fits(&self, text: Rest<'_>, context: &Context) -> Option<()> {
        let (first, others) = self.parts.split_first()?;
        let mut rest = self.strip(text, first, context)?;
        let Some((last, middle)) = others.split_last() else {
            return rest.text.is_empty().then_some(());
        };
        for part in middle {
            rest = self.search(rest, part, context)?;
        }
        let skipped = self.strip_end(rest, last, context)?;
        rest.skip(skipped).map(|_| ())
    }

    /// Takes a part off the front.
    fn strip<'a>(&self, text: Rest<'a>, part: &[Piece], context: &Context) -> Option<Rest<'a>> {
        part.iter().try_fold(text, |rest, piece| {
            let wanted = match piece {
                Piece::Text(wanted) => wanted,
                Piece::Variable(variable) => variable.value(context)?,
                Piece::Any => return rest.skip(rest.text.chars().next()?.len_utf8()),
            };
            let left = self.case.strip_prefix(rest.text, wanted)?;
            Some(rest.after(rest.text.len() - left.len()))
        })
    }

    /// Takes everything up to the end of the first place where a part fits.
    fn search<'a>(&self, text: Rest<'a>, part: &[Piece], context: &Context) -> Option<Rest<'a>> {
        if let ([Piece::Text(wanted)], Case::Exact) = (part, self.case) {
            let at = text.text.find(wanted)?;
            return text.skip(at).map(|rest| rest.after(wanted.len()));
        }
        let mut rest = text;
        loop {
            match self.strip(rest, part, context) {
                Some(found) => return Some(found),
                None => rest = rest.skip(rest.text.chars().next()?.len_utf8())?,
            }
        }
    }

    /// Takes a part off the end, and says how many bytes stand before it.
    fn strip_end(&self, text: Rest<'_>, part: &[Piece], context: &Context) -> Option<usize> {
        let left = part.iter().rev().try_fold(text.text, |left, piece| {
            let wanted = match piece {
                Piece::Text(wanted) => wanted,
                Piece::Variable(variable) => variable.value(context)?,
                Piece::Any => {
                    let c = left.chars().next_back()?;
                    let at = left.len() - c.len_utf8();
                    let is_barred = c == ':' && at < text.head;
                    return left.get(..at).filter(|_| !is_barred);
                }
            };
            self.case.strip_suffix(left, wanted)
        })?;
        Some(left.len())
    }
}

impl<'a> Rest<'a> {
    /// Goes on by so many bytes that the pattern names.
    fn after(self, bytes: usize) -> Rest<'a> {
        Rest {
            text: self.text.get(bytes..).unwrap_or_default(),
            head: self.head.saturating_sub(bytes),
        }
    }

    /// Goes on by so many bytes that a wildcard stands for, unless it may not.
    fn skip(self, bytes: usize) -> Option<Rest<'a>> {
        let barred = self.text.get(..bytes.min(self.head)).unwrap_or_default();
        (!barred.contains(':')).then(|| self.after(bytes))
    }
}

impl Case {
    fn strip_prefix<'a>(self, text: &'a str, wanted: &str) -> Option<&'a str> {
        match self {
            Case::Exact => text.strip_prefix(wanted),
            Case::Ascii => {
                let (front, rest) = text.split_at_checked(wanted.len())?;
                front.eq_ignore_ascii_case(wanted).then_some(rest)
            }
            Case::Folded => {
                let mut chars = text.chars();
                let same = wanted
                    .chars()
                    .all(|w| chars.next().is_some_and(|c| is_same(c, w)));
                same.then_some(chars.as_str())
            }
        }
    }

    fn strip_suffix<'a>(self, text: &'a str, wanted: &str) -> Option<&'a str> {
        match self {
            Case::Exact => text.strip_suffix(wanted),
            Case::Ascii => {
                let at = text.len().checked_sub(wanted.len())?;
                let (rest, end) = text.split_at_checked(at)?;
                end.eq_ignore_ascii_case(wanted).then_some(rest)
            }
            Case::Folded => {
                let mut chars = text.chars();
                let mut wanted = wanted.chars().rev();
                let same = wanted.all(|w| chars.next_back().is_some_and(|c| is_same(c, w)));
                same.then_some(chars.as_str())
            }
        }
    }
}

fn is_same(one: char, other: char) -> bool {
    one == other || one.to_lowercase().eq(other.to_lowercase())
}

#[cfg(test)]
mod tests;
