//! Wildcards and variables.

use super::{Case, Dialect, Pattern};
use crate::context::Context;
use crate::document::Flaw;

const LIKE: Dialect = Dialect {
    wildcards: true,
    variables: true,
    case: Case::Exact,
};

fn parse(text: &str, dialect: Dialect) -> Pattern {
    Pattern::parse(text, dialect).expect("a pattern")
}

fn like(pattern: &str, text: &str) -> bool {
    parse(pattern, LIKE).matches(text, &Context::new()) == Some(true)
}

fn like_arn(pattern: &str, text: &str) -> bool {
    parse(pattern, LIKE).matches_arn(text, &Context::new()) == Some(true)
}

#[test]
fn a_star_stands_for_any_run_and_a_question_mark_for_one_character() {
    assert!(like("*", "") && like("*", "a:b/c") && like("a*", "a") && like("*a", "ba"));
    assert!(like("a*b*c", "a--b--b--c") && !like("a*b*c", "a--c--b"));
    assert!(like("a?c", "abc") && !like("a?c", "ac") && !like("?", ""));
    assert!(like("db-??????", "db-AbCdEf") && !like("db-??????", "db-AbCdE"));
    assert!(like("*ab", "aab") && like("*?b*", "ab") && !like("*?b*", "b"));
    assert!(like("a**b", "ab") && !like("ab*ba", "aba"));
    assert!(like("s?hne", "söhne") && like("*?", "ö") && !like("??", "ö"));
}

#[test]
fn without_wildcards_stars_are_stars() {
    let exact = parse(
        "a*",
        Dialect {
            wildcards: false,
            ..LIKE
        },
    );
    assert_eq!(exact.matches("a*", &Context::new()), Some(true));
    assert_eq!(exact.matches("ab", &Context::new()), Some(false));
}

#[test]
fn case_counts_or_not_as_the_dialect_says() {
    let with = |case| parse("Get*Ü", Dialect { case, ..LIKE });
    let matches = |case, text| with(case).matches(text, &Context::new()) == Some(true);
    assert!(matches(Case::Exact, "GetxÜ") && !matches(Case::Exact, "getxÜ"));
    assert!(matches(Case::Ascii, "gEtXÜ") && !matches(Case::Ascii, "getxü"));
    assert!(matches(Case::Folded, "gEtXü") && !matches(Case::Folded, "getxu"));
}

#[test]
fn a_variable_stands_for_its_value_as_it_is() {
    let mut context = Context::new();
    context.set("aws:username", "a*");
    context.set("aws:PrincipalTag/Team", "");
    let is = |pattern, text| parse(pattern, LIKE).matches(text, &context);
    assert_eq!(is("home/${aws:username}/*", "home/a*/x"), Some(true));
    assert_eq!(is("home/${aws:username}/*", "home/ab/x"), Some(false));
    assert_eq!(is("*${AWS:UserName}", "xa*"), Some(true));
    assert_eq!(is("*${aws:username}*b", "--a*--b"), Some(true));
    assert_eq!(is("x${aws:PrincipalTag/team}y", "xy"), Some(true));
}

#[test]
fn a_variable_without_a_single_value_matches_nothing_unless_it_has_a_default() {
    let mut context = Context::new();
    context.set_many("aws:TagKeys", ["a"]);
    let is = |pattern, text| parse(pattern, LIKE).matches(text, &context);
    assert_eq!(is("${aws:username}", ""), None);
    assert_eq!(is("${aws:TagKeys}", "a"), None);
    assert_eq!(is("${aws:username, 'all}*'}", "all}*"), Some(true));
    assert_eq!(is("${aws:username,''}x", "x"), Some(true));
    assert_eq!(
        parse("${aws:username}", LIKE).matches_arn("no arn", &context),
        None
    );
}

#[test]
fn quoted_wildcards_are_literal() {
    assert!(like("a${*}", "a*") && !like("a${*}", "ab"));
    assert!(like("${?}", "?") && !like("${?}", "a") && like("${$}{x}", "${x}"));
    assert!(like("$x$", "$x$"));
}

#[test]
fn a_variable_that_is_not_well_formed_is_refused() {
    for text in [
        "${",
        "${}",
        "${aws:username",
        "${username}",
        "${aws:a*}",
        "${ }",
        "${aws:a b}",
        "${aws:a, b}",
        "${aws:a, 'b}",
        "${aws:a, 'b'c'}",
        "${${aws:a}}",
        "${,'x'}",
    ] {
        let refused = Pattern::parse(text, LIKE);
        assert!(matches!(refused, Err(Flaw::Variable(_))), "{text}");
        let literal = parse(
            text,
            Dialect {
                variables: false,
                wildcards: false,
                ..LIKE
            },
        );
        assert_eq!(literal.matches(text, &Context::new()), Some(true), "{text}");
    }
    let many = "${aws:a}".repeat(17);
    assert!(matches!(
        Pattern::parse(&many, LIKE),
        Err(Flaw::TooMany { .. })
    ));
}

#[test]
fn in_an_arn_no_wildcard_reaches_beyond_the_first_five_colons() {
    let value = "arn:aws:some:us-east-2:999999999999:store/abc:111122223333:finance/x";
    assert!(like("arn:aws:some:*:111122223333:finance/*", value));
    assert!(!like_arn("arn:aws:some:*:111122223333:finance/*", value));
    assert!(like_arn("arn:aws:some:*:*:store/*", value));
    assert!(like_arn("arn:*:some:us*2:9?9*:*:finance/?", value));
    assert!(like_arn(
        "arn:aws:iam::*:role/*",
        "arn:aws:iam::111122223333:role/a/b:c"
    ));
    assert!(!like_arn(
        "arn:aws:iam:*:role/*",
        "arn:aws:iam::111122223333:role/a"
    ));
    assert!(!like_arn(
        "arn:aws:iam::?????????????role/a",
        "arn:aws:iam::111122223333:role/a"
    ));
    assert!(!like_arn("*", value) && !like_arn("arn:aws:some:*", value));
    assert!(!like_arn("*x", value) && !like_arn("arn:aws", "arn:aws") && !like_arn("*", "a:b"));
    assert!(!like_arn("arn:aws:iam::1?root", "arn:aws:iam::1:root"));
}

#[test]
fn in_an_arn_a_question_mark_behind_a_star_is_no_colon() {
    assert!(!like_arn("arn:aws:iam::*?root", "arn:aws:iam::1:root"));
    assert!(like_arn("arn:aws:iam::*?:root", "arn:aws:iam::12:root"));
}

#[test]
fn a_variable_may_be_a_whole_arn() {
    let mut context = Context::new();
    context.set("aws:PrincipalArn", "arn:aws:iam::111122223333:user/a");
    let pattern = parse("${aws:PrincipalArn}", LIKE);
    let same = pattern.matches_arn("arn:aws:iam::111122223333:user/a", &context);
    let other = pattern.matches_arn("arn:aws:iam::111122223333:user/b", &context);
    assert_eq!((same, other), (Some(true), Some(false)));
}

#[test]
fn only_what_has_neither_wildcard_nor_variable_is_fixed() {
    let is_fixed = |text| parse(text, LIKE).is_fixed();
    assert!(is_fixed("abc") && is_fixed("") && is_fixed("a${*}"));
    assert!(!is_fixed("a*") && !is_fixed("a?") && !is_fixed("${aws:username}"));
}

#[test]
fn matching_agrees_with_a_table_of_all_prefixes() {
    let number = |name: &str, default: u64| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let seed = number("STRONGROOM_SEED", 7);
    println!("STRONGROOM_SEED={seed}");
    let mut state = seed;
    let mut draw = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963);
        (state >> 33) % below
    };
    let letters = [':', 'a', '*', '?', 'b', 'ö'];
    for round in 0..number("STRONGROOM_COUNT", 40_000) {
        // In every other round mostly colons, or hardly a text would be an ARN.
        let first = if round % 2 == 0 { 3 } else { 0 };
        let mut word = |of: &[usize], longest: u64| -> String {
            let length = draw(longest + 1);
            let mut letter = || letters[of[draw(of.len() as u64) as usize]];
            (0..length).map(|_| letter()).collect()
        };
        let pattern = word(&[0, 0, 0, 0, 1, 2, 2, 3, 4, 5][first..], 9);
        let text = word(&[0, 0, 0, 0, 1, 4, 5][first..], 9);
        assert_eq!(
            like(&pattern, &text),
            table(&pattern, &text, 0),
            "{pattern} {text}"
        );
        let head = text.match_indices(':').nth(4).map(|(at, _)| at + 1);
        let expected = head.is_some_and(|head| table(&pattern, &text, head));
        assert_eq!(like_arn(&pattern, &text), expected, "ARN {pattern} {text}");
    }
}

/// Which prefixes of the pattern match which of the text, the slow and plain way.
fn table(pattern: &str, text: &str, head: usize) -> bool {
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let mut row: Vec<bool> = (0..=chars.len()).map(|at| at == 0).collect();
    for wanted in pattern.chars() {
        let mut next = vec![false; row.len()];
        next[0] = wanted == '*' && row[0];
        for (at, (byte, c)) in chars.iter().enumerate() {
            let barred = *c == ':' && *byte < head;
            next[at + 1] = match wanted {
                '*' => row[at + 1] || (next[at] && !barred),
                '?' => row[at] && !barred,
                letter => row[at] && letter == *c,
            };
        }
        row = next;
    }
    row.last() == Some(&true)
}

#[test]
fn a_pattern_made_to_be_slow_takes_time_in_proportion() {
    let text = "a".repeat(100_000);
    let pattern = format!("*{}b*{}b*", "a".repeat(1000), "a".repeat(1000));
    assert!(!like(&pattern, &text));
    assert!(like(&"*a".repeat(1000), &text));
}
