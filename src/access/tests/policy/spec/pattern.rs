//! Wildcards and policy variables.

use std::collections::BTreeMap;

use crate::case::Given;

/// What a pattern is read by: the request keys, and whether variables are variables.
pub struct Scene<'a> {
    pub context: &'a BTreeMap<String, Given>,
    pub variables: bool,
}

impl Scene<'_> {
    /// The value of a key. "Condition key names are not case-sensitive."
    /// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html
    pub fn value(&self, key: &str) -> Option<&Given> {
        let mut entries = self.context.iter();
        let found = entries.find(|(name, _)| name.eq_ignore_ascii_case(key));
        found.map(|(_, value)| value)
    }
}

/// One step of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// This character.
    Char(char),
    /// `*`: any characters, or none.
    Any,
    /// `?`: one character.
    One,
}

/// Whether a text without variables matches, over its whole length.
pub fn wildcard(pattern: &str, text: &str) -> bool {
    let pieces: Vec<Piece> = pattern.chars().map(wild).collect();
    matches(&pieces, &text.chars().collect::<Vec<_>>())
}

fn wild(character: char) -> Piece {
    match character {
        '*' => Piece::Any,
        '?' => Piece::One,
        other => Piece::Char(other),
    }
}

/// Whether pieces match characters, by the table of all their heads: `row[j]` says whether the
/// pieces so far match the first `j` characters.
pub fn matches(pieces: &[Piece], text: &[char]) -> bool {
    let mut row = vec![false; text.len() + 1];
    row[0] = true;
    for piece in pieces {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match piece {
                Piece::Any => row[..=at].contains(&true),
                Piece::One => at > 0 && row[at - 1],
                Piece::Char(wanted) => at > 0 && row[at - 1] && text[at - 1] == *wanted,
            };
        }
        row = next;
    }
    row[text.len()]
}

/// The pieces of a value with its variables replaced, or nothing if a variable has no value.
/// Without `wildcards` a star is a star.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-no-value
pub fn pieces(text: &str, wildcards: bool, scene: &Scene<'_>) -> Option<Vec<Piece>> {
    let plain = |character| {
        if wildcards {
            wild(character)
        } else {
            Piece::Char(character)
        }
    };
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if scene.variables && rest.starts_with("${") {
            let end = rest.find('}')?;
            let value = variable(&rest[2..end], scene)?;
            // What a variable stands for is never read as a pattern.
            pieces.extend(value.chars().map(Piece::Char));
            rest = &rest[end + 1..];
        } else {
            pieces.push(plain(character));
            rest = &rest[character.len_utf8()..];
        }
    }
    Some(pieces)
}

/// What stands for `${inside}`.
fn variable(inside: &str, scene: &Scene<'_>) -> Option<String> {
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-specialchars
    if ["*", "?", "$"].contains(&inside) {
        return Some(inside.to_string());
    }
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-default-values
    let (key, default) = match inside.split_once(',') {
        Some((key, quoted)) => (key, Some(quoted.trim().trim_matches('\''))),
        None => (inside, None),
    };
    // "You can't use a multivalued condition key as a variable."
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-using-variables
    match scene.value(key.trim()) {
        Some(Given::One(value)) => Some(value.clone()),
        _ => default.map(str::to_string),
    }
}

/// The six parts of an ARN; the last has all further colons.
pub fn parts(arn: &str) -> Option<Vec<Vec<char>>> {
    let parts: Vec<Vec<char>> = arn
        .splitn(6, ':')
        .map(|part| part.chars().collect())
        .collect();
    (parts.len() == 6).then_some(parts)
}

/// Whether each of the six parts matches its part.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN
pub fn arn(pieces: &[Piece], text: &str) -> bool {
    let wanted: Vec<&[Piece]> = pieces
        .splitn(6, |piece| *piece == Piece::Char(':'))
        .collect();
    match parts(text) {
        Some(parts) if wanted.len() == 6 => wanted
            .iter()
            .zip(&parts)
            .all(|(wanted, part)| matches(wanted, part)),
        _ => false,
    }
}

/// Whether an entry of Resource or NotResource matches. A star alone is every resource; within an
/// ARN it stands for anything within its part, slashes too. An action without a resource asks for
/// `*`, which no ARN covers.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html#reference_policies_elements_resource_wildcards
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notaction.html
pub fn resource(pattern: &str, resource: &str, scene: &Scene<'_>) -> bool {
    if pattern == "*" {
        return true;
    }
    match pieces(pattern, true, scene) {
        Some(pieces) => arn(&pieces, resource),
        None => false,
    }
}
