//! The words of a text, as the filters `all` and `description` see them.

/// Splits a text at punctuation, at spaces, and where small letters begin or end, in lower case.
///
/// A run of small letters belongs to the one character before it: `COMPANYthings` gives `compan`
/// and `ythings`, `abc12def` gives `abc`, `1` and `2def`.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for chunk in text.split(|char: char| !char.is_alphanumeric()) {
        split_chunk(chunk, &mut words);
    }
    words
}

fn split_chunk(chunk: &str, words: &mut Vec<String>) {
    let mut word = String::new();
    let mut before_is_small = false;
    let mut chars = chunk.chars().peekable();
    while let Some(char) = chars.next() {
        let is_small = char.is_lowercase();
        let next_is_small = chars.peek().is_some_and(|next| next.is_lowercase());
        if !is_small && (before_is_small || next_is_small) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        word.extend(char.to_lowercase());
        before_is_small = is_small;
    }
    if !word.is_empty() {
        words.push(word);
    }
}

/// Whether every word asked for begins some word of the texts; asking for no word matches nothing.
pub fn matches_words<'a>(asked: &[String], texts: impl Iterator<Item = &'a str>) -> bool {
    if asked.is_empty() {
        return false;
    }
    let mut missing: Vec<&String> = asked.iter().collect();
    for text in texts {
        let present = words(text);
        missing.retain(|word| !present.iter().any(|found| found.starts_with(word.as_str())));
        if missing.is_empty() {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{matches_words, words};

    #[test]
    fn a_text_is_split_where_the_service_splits_it() {
        for (text, expected) in [
            ("COMPANYthings", vec!["compan", "ythings"]),
            ("prod/db_password-1", vec!["prod", "db", "password", "1"]),
            ("myBigSecret", vec!["my", "big", "secret"]),
            ("abc12def", vec!["abc", "1", "2def"]),
            ("a secret", vec!["a", "secret"]),
            ("ABC", vec!["abc"]),
            ("+", vec![]),
            ("", vec![]),
            ("a+", vec!["a"]),
            ("Straße", vec!["straße"]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn every_word_asked_for_must_begin_a_word_of_the_text() {
        let matched = |asked: &str, text: &str| matches_words(&words(asked), [text].into_iter());
        assert!(matched("a secret", "an secret"));
        assert!(!matched("a secret", "asecret"));
        assert!(matched("SEC an", "an Secret"));
        assert!(!matched("ecret", "secret"));
        assert!(!matched("+", "a+b"));
        assert!(!matched("", "anything"));
    }

    #[test]
    fn the_words_may_stand_in_several_texts() {
        assert!(matches_words(
            &words("prod billing"),
            ["prod", "x", "billing"].into_iter()
        ));
        assert!(!matches_words(
            &words("prod billing"),
            ["prod", "x"].into_iter()
        ));
    }
}
