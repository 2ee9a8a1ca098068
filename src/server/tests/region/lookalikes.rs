//! Names that look alike: whatever a caller writes in place of a secret, it reaches the one secret
//! that its policy allows, or none. `STRONGROOM_SEED` and `STRONGROOM_COUNT` choose the mutations.

use std::collections::BTreeSet;

use tonic::{Code, Status};

use super::harness::{OTHER, REGION, Region, SecretsClient, refusal};
use super::principals::{ACCOUNT, change, inline, known, policy, secrets_like};
use super::requests::{create, describe, put, read};

/// Mutated ids, unless `STRONGROOM_COUNT` says otherwise.
const COUNT: u64 = 600;

/// Names that differ, and might be taken for one another.
const NAMES: &[&str] = &[
    "a/b",
    "A/b",
    "a/B",
    "a/b.",
    "a/b/",
    "/a/b",
    "a//b",
    "a/./b",
    "a/../b",
    "../a/b",
    "a/b/..",
    "a-b",
    "a_b",
    "a+b",
    "a/b-",
    "a/b-AbCdEf",
    "db",
    "db-AbCdEf",
    "db-abcdef",
];

/// Those that somebody may use, each in its turn, and one more: the end of an ARN as a name.
const ALLOWED: &[&str] = &["a/b", "a/../b", "db", "db-AbCdEf"];

/// Pieces that a mutation puts into an id.
const PIECES: &[&str] = &[
    "/", "//", "/./", "/../", "..", ".", "-", "%2f", "%2F", "%252f", "\u{2215}", "\u{ff0f}", "\\",
    "\u{430}", "\u{200b}", "\u{301}", " ", "\u{a0}", "+", "*", "?", ":", "\0", "\n", "a", "A", "b",
    "AbCdEf", "-??????", "arn:aws:",
];

/// A secret that is there. Its value is its name.
struct Known {
    name: String,
    arn: String,
}

impl Known {
    /// The ARN without the six characters that end it.
    fn partial(&self) -> &str {
        &self.arn[..self.arn.len() - 7]
    }

    /// The six characters.
    fn suffix(&self) -> &str {
        &self.arn[self.arn.len() - 6..]
    }
}

/// A small generator, so that a failing seed can be run again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize % bound
    }

    /// An id with up to three changes.
    fn mutated(&mut self, id: &str) -> String {
        let mut chars: Vec<char> = id.chars().collect();
        for _ in 0..=self.below(3) {
            let at = self.below(chars.len() + 1);
            match self.below(4) {
                0 if at < chars.len() => {
                    chars.remove(at);
                }
                1 if at < chars.len() => chars[at] = swapped(chars[at]),
                2 => chars.truncate(at),
                _ => {
                    let piece = PIECES[self.below(PIECES.len())];
                    drop(chars.splice(at..at, piece.chars()));
                }
            }
        }
        chars.into_iter().collect()
    }
}

fn swapped(letter: char) -> char {
    match letter.is_ascii_lowercase() {
        true => letter.to_ascii_uppercase(),
        false => letter.to_ascii_lowercase(),
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Makes all secrets, and one whose name is what ends the ARN of the first.
async fn all(root: &mut SecretsClient) -> Vec<Known> {
    let mut secrets: Vec<Known> = Vec::new();
    let mut names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    let mut number = 0;
    while let Some(name) = names.get(secrets.len()).cloned() {
        number += 1;
        let made = root.create_secret(create(&name, number, &name)).await;
        let arn = made.unwrap().into_inner().arn.clone();
        secrets.push(Known { name, arn });
        if names.len() == NAMES.len() {
            names.push(format!("{}-{}", secrets[0].name, secrets[0].suffix()));
        }
    }
    secrets
}

/// What a caller might write for a secret, rightly or not.
fn variants(secret: &Known) -> Vec<String> {
    let (name, arn, partial) = (secret.name.as_str(), secret.arn.as_str(), secret.partial());
    let mut variants: Vec<String> = [name, arn, partial].map(str::to_owned).to_vec();
    let suffix = secret.suffix();
    for text in [name, arn, partial] {
        for (from, to) in [
            ("/", "%2f"),
            ("/", "%2F"),
            ("/", "%252f"),
            ("/", "\u{2215}"),
            ("/", "\u{ff0f}"),
            ("/", "\\"),
            ("/", "//"),
            ("/", "/./"),
            ("/", "/x/../"),
            ("a", "\u{430}"),
            ("b", "b\u{301}"),
            ("-", "\u{2011}"),
            (":", "%3a"),
        ] {
            variants.push(text.replace(from, to));
        }
        for end in [
            " ",
            "\t",
            "\n",
            "\0",
            "\u{a0}",
            "\u{200b}",
            ".",
            "/",
            "/.",
            "/..",
            "*",
            "?",
            "%20",
            "-??????",
            "-*",
            ":",
            "#",
            "?versionStage=AWSCURRENT",
        ] {
            variants.push(format!("{text}{end}"));
        }
        for begin in [" ", "/", "./", "../", "\u{feff}", "%2e%2e/", ":"] {
            variants.push(format!("{begin}{text}"));
        }
        variants.extend([text.to_uppercase(), text.to_lowercase()]);
        variants.push(format!("{text}-{suffix}"));
        variants.push(format!("{text}-{}", suffix.to_lowercase()));
    }
    variants.extend(elsewhere(secret));
    variants
}

/// Its ARN as if it were of another account, region, service or partition.
fn elsewhere(secret: &Known) -> Vec<String> {
    let mut variants = Vec::new();
    for text in [secret.arn.as_str(), secret.partial()] {
        for (from, to) in [
            (REGION, OTHER),
            (REGION, "EU-WEST-1"),
            (REGION, ""),
            (REGION, "*"),
            (ACCOUNT, "111111111111"),
            (ACCOUNT, "0"),
            (ACCOUNT, ""),
            (ACCOUNT, "*"),
            ("arn:aws:", "arn:aws-cn:"),
            ("arn:aws:", "arn::"),
            ("arn:aws:", "ARN:AWS:"),
            ("secretsmanager", "iam"),
            (":secret:", ":secret/"),
            (":secret:", ":secret:secret:"),
            (":secret:", ":Secret:"),
        ] {
            variants.push(text.replace(from, to));
        }
    }
    variants
}

/// Whether somebody is allowed this one in its turn.
fn is_allowed(secret: &Known) -> bool {
    let is_last = !NAMES.contains(&secret.name.as_str());
    is_last || ALLOWED.contains(&secret.name.as_str())
}

/// Every id that is asked for: each variant of what is allowed to somebody, and whatever else there
/// is by its name and ARN.
fn asked(secrets: &[Known]) -> Vec<String> {
    let plain = |secret: &Known| {
        let partial = secret.partial().to_owned();
        [secret.name.clone(), secret.arn.clone(), partial]
    };
    let allowed = secrets.iter().filter(|secret| is_allowed(secret));
    let mut ids: BTreeSet<String> = allowed.flat_map(variants).collect();
    ids.extend(secrets.iter().flat_map(plain));
    ids.into_iter().collect()
}

/// Asserts that a call had what was allowed, or a refusal by name.
#[track_caller]
fn judged(outcome: Result<String, Status>, allowed: &str, id: &str) -> bool {
    match outcome {
        Ok(had) => {
            assert_eq!(had, allowed, "{id:?} reaches another secret");
            true
        }
        Err(status) => {
            let (reason, code, _) = refusal(Err::<(), _>(status));
            let is_ours = code != Code::Internal && code != Code::Unknown;
            assert!(is_ours, "{id:?} gives {reason}");
            false
        }
    }
}

/// Reads and describes by an id, and says whether it was the secret that is allowed.
async fn looks(client: &mut SecretsClient, allowed: &Known, id: &str) -> bool {
    let described = client.describe_secret(describe(id)).await;
    let described = described.map(|reply| reply.into_inner().arn.clone());
    let is_described = judged(described, &allowed.arn, id);
    let is_read = judged(read(client, id).await, &allowed.name, id);
    assert_eq!(is_read, is_described, "{id:?}");
    is_read
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_reaches_the_secret_that_is_allowed_or_none_however_it_is_written() {
    let region = Region::start(1).await;
    let mut access = region.access();
    let alice = known(&mut access, "alice").await;
    let mut root = region.secrets(0);
    let secrets = all(&mut root).await;
    let mut client = region.secrets_as("alice");
    let ids = asked(&secrets);
    let mut token = 100;
    for allowed in secrets.iter().filter(|secret| is_allowed(secret)) {
        for resource in [secrets_like(&allowed.name), allowed.arn.clone()] {
            let one = policy("Allow", "secretsmanager:*", &resource);
            change(&mut access, &alice, inline("one", &one))
                .await
                .unwrap();
            assert!(looks(&mut client, allowed, &allowed.name).await);
            assert!(looks(&mut client, allowed, &allowed.arn).await);
        }
        // The policy names its ARN alone from here on.
        for id in &ids {
            looks(&mut client, allowed, id).await;
        }
        // A value that came elsewhere would be found there in the end.
        for id in variants(allowed) {
            token += 1;
            let stored = client
                .put_secret_value(put(&id, token, &allowed.name))
                .await;
            let stored = stored.map(|reply| reply.into_inner().arn.clone());
            judged(stored, &allowed.arn, &id);
        }
    }
    for secret in &secrets {
        assert_eq!(read(&mut root, &secret.arn).await.unwrap(), secret.name);
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mutation_of_an_id_reaches_another_secret_than_the_one_that_is_allowed() {
    let seed = number("STRONGROOM_SEED").unwrap_or(20_261_201);
    let count = number("STRONGROOM_COUNT").unwrap_or(COUNT);
    println!("STRONGROOM_SEED={seed} STRONGROOM_COUNT={count}");
    let region = Region::start(1).await;
    let mut access = region.access();
    let alice = known(&mut access, "alice").await;
    let secrets = all(&mut region.secrets(0)).await;
    let allowed = &secrets[0];
    let one = policy("Allow", "secretsmanager:*", &allowed.arn);
    change(&mut access, &alice, inline("one", &one))
        .await
        .unwrap();
    let mut client = region.secrets_as("alice");
    let ids = asked(&secrets);
    let mut reached = 0;
    for seed in (0..count).map(|at| seed.wrapping_add(at)) {
        let mut dice = Dice(seed);
        let id = match dice.below(3) {
            0 => &allowed.name,
            1 => &allowed.arn,
            _ => &ids[dice.below(ids.len())],
        };
        let id = dice.mutated(id);
        println!("STRONGROOM_SEED={seed}: {id:?}");
        reached += u64::from(looks(&mut client, allowed, &id).await);
    }
    // Some changes cancel out or change nothing: the loop asks for what is there, too.
    assert!(count < COUNT || reached > 0, "nothing was ever reached");
    region.stop().await;
}
