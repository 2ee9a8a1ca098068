//! Patterns and policy variables, made out of a text that they match, or narrowly miss.

use super::words::{KEYS, Type};
use super::{Dice, Report};
use crate::case::{Case, Given};

/// Every form a pattern is counted as.
pub const FORMS: &[&str] = &["none", "a*", "*a", "a*b", "?", "* alone", "**"];

/// Every kind of variable that is counted.
pub const VARIABLES: &[&str] = &[
    "key",
    "default used",
    "default not used",
    "${*}",
    "${?}",
    "${$}",
    "missing",
    "multivalued",
];

/// A pattern near a text.
pub fn pattern(dice: &mut Dice, text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.is_empty() {
        return "*".into();
    }
    let cut = dice.below(letters.len() + 1);
    let end = cut + dice.below(letters.len() + 1 - cut);
    let join = |letters: &[char]| letters.iter().collect::<String>();
    let (head, tail) = (join(&letters[..cut]), join(&letters[end..]));
    let made = match dice.below(100) {
        0..18 => format!("{head}*"),
        18..32 => format!("*{tail}"),
        32..46 => format!("{head}*{tail}"),
        46..60 => {
            let mut letters = letters.clone();
            for _ in 0..1 + dice.below(2) {
                let at = dice.below(letters.len());
                letters[at] = '?';
            }
            // One more than there are letters.
            if dice.percent(15) {
                letters.insert(dice.below(letters.len() + 1), '?');
            }
            join(&letters)
        }
        60..68 => format!("{head}**{tail}"),
        68..72 => "*".into(),
        _ => text.to_string(),
    };
    sound(if dice.percent(18) {
        spoiled(dice, &made)
    } else {
        made
    })
}

/// A text with one letter more, less, or another.
fn spoiled(dice: &mut Dice, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    if letters.is_empty() {
        return "x".into();
    }
    let at = dice.below(letters.len());
    match dice.below(4) {
        0 => letters[at] = dice.pick(&['x', '/', '-', '?', 'A']),
        1 => {
            letters.remove(at);
        }
        2 => letters.insert(at, dice.pick(&['x', '/', '.', ' ', '*', '?'])),
        _ if letters[at].is_uppercase() => letters[at] = letters[at].to_ascii_lowercase(),
        _ => letters[at] = letters[at].to_ascii_uppercase(),
    }
    letters.into_iter().collect()
}

/// The text without what began a variable and was cut.
fn sound(text: String) -> String {
    let mut rest = text.as_str();
    while let Some(at) = rest.find("${") {
        let inside = &rest[at + 2..];
        match inside.find('}') {
            Some(end) if is_name(&inside[..end]) => rest = &inside[end..],
            _ => return text.replace("${", "$("),
        }
    }
    text
}

fn is_name(text: &str) -> bool {
    let letters = |each: char| each.is_ascii_alphanumeric() || each == ':' || each == '/';
    text.contains(':') && text.chars().all(letters)
}

/// Counts what form a pattern has; variables are no wildcards.
pub fn count(report: &mut Report, place: &str, text: &str) {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        plain.push_str(&rest[..at]);
        plain.push('v');
        rest = rest[at..].split_once('}').map_or("", |(_, rest)| rest);
    }
    plain.push_str(rest);
    let stars = plain.matches('*').count();
    let form = match plain.as_str() {
        "*" => "* alone",
        _ if plain.contains("**") => "**",
        _ if plain.contains('?') => "?",
        _ if stars == 0 => "none",
        _ if stars == 1 && plain.ends_with('*') => "a*",
        _ if stars == 1 && plain.starts_with('*') => "*a",
        _ => "a*b",
    };
    report.count("wildcard", format!("{place} {form}"));
}

/// Puts a variable into a text: often for a piece of it that a key has.
pub fn with_variable(
    dice: &mut Dice,
    report: &mut Report,
    place: &str,
    text: &str,
    case: &Case,
) -> String {
    let (kind, made) = variable(dice, text, case);
    report.count("variable", format!("{place} {kind}"));
    made
}

fn variable(dice: &mut Dice, text: &str, case: &Case) -> (&'static str, String) {
    let special = [("*", "${*}"), ("?", "${?}"), ("$", "${$}")];
    if dice.percent(35) {
        let (letter, variable) = dice.pick(&special);
        let made = match text.contains(letter) && !text.contains("${") {
            true => text.replacen(letter, variable, 1),
            false => inserted(dice, text, variable),
        };
        return (variable, made);
    }
    let held = KEYS
        .iter()
        .filter_map(|key| match case.context.get(key.name) {
            Some(Given::One(value)) if text.contains(value.as_str()) => Some((key.name, value)),
            _ => None,
        });
    let held: Vec<(&str, &String)> = held.collect();
    if !held.is_empty() && dice.percent(75) {
        let (key, value) = dice.pick(&held);
        let key = in_some_case(dice, key);
        return match dice.percent(25) {
            true => {
                let variable = format!("${{{key}, 'x'}}");
                ("default not used", replaced(text, value, &variable))
            }
            false => ("key", replaced(text, value, &format!("${{{key}}}"))),
        };
    }
    let missing = KEYS
        .iter()
        .filter(|key| !case.context.contains_key(key.name));
    let missing: Vec<&str> = missing.map(|key| key.name).collect();
    let several = KEYS.iter().filter(|key| key.multi && key.of == Type::Text);
    let several: Vec<&str> = several.map(|key| key.name).collect();
    match dice.below(3) {
        0 if !missing.is_empty() => {
            let key = dice.pick(&missing);
            let pieces: Vec<&str> = text.split(['/', ':']).collect();
            let piece = dice.pick(&pieces);
            let plain = !piece.is_empty() && !piece.contains(['$', '{', '}', ',', '\'']);
            let piece = if plain { piece } else { "x" };
            let variable = format!("${{{key}, '{piece}'}}");
            let made = match text.contains(piece) {
                true => replaced(text, piece, &variable),
                false => inserted(dice, text, &variable),
            };
            ("default used", made)
        }
        1 if !missing.is_empty() => {
            let variable = format!("${{{}}}", dice.pick(&missing));
            ("missing", inserted(dice, text, &variable))
        }
        _ => {
            let variable = format!("${{{}}}", dice.pick(&several));
            ("multivalued", inserted(dice, text, &variable))
        }
    }
}

/// Replaces a piece, unless that would put a variable into a variable.
fn replaced(text: &str, piece: &str, variable: &str) -> String {
    if text.contains("${") && !piece.contains("${") {
        return format!("{text}{variable}");
    }
    text.replacen(piece, variable, 1)
}

fn inserted(dice: &mut Dice, text: &str, variable: &str) -> String {
    match text.contains("${") || dice.percent(50) {
        true => format!("{text}{variable}"),
        false => format!("{variable}{text}"),
    }
}

/// A name as it is, or in another case.
pub fn in_some_case(dice: &mut Dice, name: &str) -> String {
    match dice.below(8) {
        0 => name.to_ascii_lowercase(),
        1 => name.to_ascii_uppercase(),
        _ => name.to_string(),
    }
}
