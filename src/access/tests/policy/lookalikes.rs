//! Names that look alike are different names: a pattern matches by its characters alone. Nothing is
//! decoded, normalised, folded or cleaned.

use serde_json::json;

use crate::case::{Caller, CallerKind, Case, Outcome};
use crate::generate::Dice;
use crate::{engine, number, seed, spec};

/// Pairs of names unless the environment says otherwise.
const COUNT: u64 = 4_000;

/// Pieces of names, in groups that a reader, a file system or a library might take for one another.
const ALIKE: &[&[&str]] = &[
    &["a", "A", "\u{430}", "\u{ff41}", "a\u{200b}"],
    &["/", "//", "%2f", "%2F", "\u{ff0f}", "\\", "/./"],
    &["..", ".", "", "%2e%2e", "\u{2025}"],
    &["\u{e9}", "e\u{301}", "e", "%C3%A9"],
    &["k", "K", "\u{212a}"],
    &["i", "I", "\u{131}", "\u{130}"],
    &["s", "\u{17f}", "S"],
    &["fi", "\u{fb01}"],
    &[" ", "\u{a0}", "+", "%20", ""],
    &["-AbCdEf", "-abcdef", "-AbCdEf.", "-AbCdEf/", "-AbCdEf "],
];

#[test]
fn names_that_look_alike_are_matched_only_by_their_own_characters() {
    let first = seed();
    let count = number("STRONGROOM_COUNT").unwrap_or(COUNT);
    println!("STRONGROOM_SEED={first} STRONGROOM_COUNT={count}");
    let mut equal = 0;
    for seed in (0..count).map(|at| first.wrapping_add(at)) {
        let mut dice = Dice::new(seed);
        let (name, other) = pair(&mut dice);
        equal += u64::from(name == other);
        let case = case(&name, &other);
        let wanted = if name == other {
            Outcome::Allow
        } else {
            Outcome::ImplicitDeny
        };
        let (by_spec, by_engine) = (spec::outcome(&case), engine::answer(&case).outcome);
        assert_eq!(
            by_spec, wanted,
            "STRONGROOM_SEED={seed}: {name:?} by {other:?}"
        );
        assert_eq!(
            by_engine, wanted,
            "STRONGROOM_SEED={seed}: {name:?} by {other:?}"
        );
    }
    let few = count >= COUNT && equal * 10 < count;
    assert!(!few, "only {equal} pairs were equal");
}

#[test]
fn a_pattern_matches_names_that_look_alike_as_the_specification_says() {
    let first = seed();
    let count = number("STRONGROOM_COUNT").unwrap_or(COUNT);
    println!("STRONGROOM_SEED={first} STRONGROOM_COUNT={count}");
    let mut allowed = 0;
    for seed in (0..count).map(|at| first.wrapping_add(at)) {
        let mut dice = Dice::new(seed);
        let (name, other) = pair(&mut dice);
        let pattern = with_wildcards(&mut dice, &other);
        let case = case(&name, &pattern);
        let wanted = spec::outcome(&case);
        allowed += u64::from(wanted == Outcome::Allow);
        let found = engine::answer(&case);
        let outcome = found.outcome;
        assert_eq!(
            outcome, wanted,
            "STRONGROOM_SEED={seed}: {name:?} by {pattern:?}"
        );
    }
    let few = count >= COUNT && allowed * 10 < count;
    assert!(!few, "only {allowed} patterns matched");
}

/// Two names of the same pieces; about half of the time of the very same.
fn pair(dice: &mut Dice) -> (String, String) {
    let same = dice.percent(40);
    let (mut name, mut other) = (String::new(), String::new());
    for _ in 0..1 + dice.below(5) {
        let group = dice.pick(ALIKE);
        let piece = dice.pick(group);
        name.push_str(piece);
        other.push_str(if same { piece } else { dice.pick(group) });
    }
    (name, other)
}

fn with_wildcards(dice: &mut Dice, name: &str) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    for _ in 0..1 + dice.below(2) {
        if letters.is_empty() {
            return "*".into();
        }
        let at = dice.below(letters.len());
        match dice.below(3) {
            0 => letters[at] = '?',
            1 => letters[at] = '*',
            _ => letters.insert(at, '*'),
        }
    }
    letters.into_iter().collect()
}

/// May a user read the secret of this name by a policy with that pattern?
fn case(name: &str, pattern: &str) -> Case {
    let arn = |name: &str| format!("arn:aws:secretsmanager:eu-west-1:111122223333:secret:{name}");
    let statement = json!({ "Effect": "Allow", "Action": "*", "Resource": arn(pattern) });
    Case {
        principal: Caller {
            kind: CallerKind::User,
            account: "111122223333".into(),
            arn: "arn:aws:iam::111122223333:user/alice".into(),
            ..Caller::default()
        },
        action: "secretsmanager:GetSecretValue".into(),
        resource: arn(name),
        resource_account: "111122223333".into(),
        identity: vec![json!({ "Version": "2012-10-17", "Statement": statement })],
        ..Case::default()
    }
}
