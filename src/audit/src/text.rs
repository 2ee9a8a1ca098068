//! Text as a line holds it: cut at its bound, and with nothing in it that acts on a terminal.

use std::fmt::Write;

/// What ends a text that was cut.
const MARK: &str = "\u{2026}";

/// Cuts `text` where more than `bytes_max` bytes would be shown; says whether it did.
fn bounded(text: &str, bytes_max: usize) -> (&str, bool) {
    if text.len() <= bytes_max {
        return (text, false);
    }
    let end = text.floor_char_boundary(bytes_max.saturating_sub(MARK.len()));
    (text.get(..end).unwrap_or_default(), true)
}

/// The text as a line shows it: what a filter has to be compared as.
pub(crate) fn shown(text: &str, bytes_max: usize) -> String {
    let (text, is_cut) = bounded(text, bytes_max);
    let mark = if is_cut { MARK } else { "" };
    format!("{text}{mark}")
}

/// Writes `text` as a JSON string. Control characters, and those that change the direction or the
/// breaking of lines, are escaped: a line is one line wherever it is shown.
pub(crate) fn put(line: &mut String, text: &str, bytes_max: usize) {
    let (text, is_cut) = bounded(text, bytes_max);
    line.push('"');
    if text.bytes().all(is_plain) {
        line.push_str(text);
    } else {
        text.chars().for_each(|char| put_char(line, char));
    }
    if is_cut {
        line.push_str(MARK);
    }
    line.push('"');
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn put_char(line: &mut String, char: char) {
    match char {
        '"' => line.push_str("\\\""),
        '\\' => line.push_str("\\\\"),
        char if acts(char) => {
            let mut units = [0; 2];
            for unit in char.encode_utf16(&mut units) {
                // Writing to a string cannot fail.
                let _ = write!(line, "\\u{unit:04x}");
            }
        }
        char => line.push(char),
    }
}

/// Whether a character does something else than being seen.
fn acts(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{61c}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn put_alone(text: &str, bytes_max: usize) -> String {
        let mut line = String::new();
        put(&mut line, text, bytes_max);
        line
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_marked() {
        assert_eq!(put_alone("abcdefgh", 8), "\"abcdefgh\"");
        assert_eq!(put_alone("abcdefghi", 8), "\"abcde\u{2026}\"");
        assert_eq!(put_alone("abcd\u{e9}fghi", 8), "\"abcd\u{2026}\"");
        assert_eq!(shown("abcd\u{e9}fghi", 8), "abcd\u{2026}");
    }

    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        let text = "a\u{1b}[2J\n\"\\\u{9b}\u{202e}\u{7f}\u{e0001}\u{e9}";
        let wanted = r#""a\u001b[2J\u000a\"\\\u009b\u202e\u007f\udb40\udc01é""#;
        assert_eq!(put_alone(text, 99), wanted);
    }

    proptest! {
        #[test]
        fn a_text_reads_back_as_it_is_shown(text in any::<String>(), bytes_max in 3..200usize) {
            let line = put_alone(&text, bytes_max);
            prop_assert!(line.len() <= 6 * bytes_max + 2);
            prop_assert!(!line.chars().any(acts));
            let read: String = serde_json::from_str(&line).unwrap();
            prop_assert!(read.len() <= bytes_max);
            prop_assert_eq!(read, shown(&text, bytes_max));
        }
    }
}
