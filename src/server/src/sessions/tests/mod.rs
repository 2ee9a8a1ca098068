//! Tokens between two regions.

mod regions;

use access::session::{Frame, Holder, Origin, Session, SessionId, Tags};
use machine::{
    AccessKeyId, Command, CreateCredential, CreateIdentity, EntityName, EntityPath, FeedId, Nature,
    Proof, Seen, Uid, UnlinkRegion,
};

use self::regions::{FIRST, Rig, ready, two};
use super::Unknown;
use crate::errors::{Reason, Refusal};
use crate::limits::{SESSION_KEY_PERIOD, SESSION_KEY_SETTLES};

const HOUR_MS: i64 = 3_600_000;
const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A session that a region issues now.
fn session(rig: &Rig) -> Session {
    let issued_ms = i64::try_from(rig.now_ms).unwrap();
    Session {
        id: SessionId([7; 16]),
        holder: Holder::User {
            account: "111122223333".to_owned(),
            arn: "arn:aws:iam::111122223333:user/robot".to_owned(),
            id: "AIDA1".to_owned(),
        },
        origin: Origin::Certificate {
            credential: "CERT1".to_owned(),
            key_hash: [9; 32],
        },
        chain: Vec::new(),
        issued_ms,
        expires_ms: issued_ms + 12 * HOUR_MS,
        region: rig.name.to_string(),
        regions: Vec::new(),
        policy: None,
        policy_arns: Vec::new(),
        tags: Tags::default(),
        source_identity: None,
    }
}

fn issue(rig: &Rig) -> String {
    let issued = rig.sessions.issue(&rig.state, &session(rig));
    issued.unwrap().as_str().to_owned()
}

fn opens(rig: &Rig, token: &str) -> Result<(), Unknown> {
    rig.sessions.open(&rig.state, token).map(drop)
}

fn ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

#[test]
fn a_token_issued_in_one_region_opens_in_the_other() {
    let (first, second) = ready();
    for (issuer, other) in [(&first, &second), (&second, &first)] {
        let token = issue(issuer);
        for rig in [issuer, other] {
            let opened = rig.sessions.open(&rig.state, &token).unwrap();
            assert_eq!(opened.session, session(issuer));
            assert_eq!(opened.issued_in, issuer.name);
        }
    }
}

#[test]
fn no_token_is_issued_before_there_are_keys_that_others_know() {
    let (mut first, mut second) = two();
    let why = |refusal: Refusal| (refusal.reason(), refusal.message().to_owned());
    let missing = (
        Reason::ServiceUnavailable,
        "This region has no keys for sessions yet.".to_owned(),
    );
    let is_missing = |rig: &Rig| {
        let refused = rig.sessions.issue(&rig.state, &session(rig)).map(drop);
        refused.map_err(why) == Err(missing.clone())
    };
    assert!(is_missing(&first));
    first.rotate();
    first.sign();
    assert!(is_missing(&first), "the directory does not tell of its key");
    first.tell(&first.entry());
    let token = issue(&first);
    // The other region has not heard of any of it.
    assert_eq!(opens(&second, &token), Err(Unknown::Region));
    second.follow(&first);
    assert_eq!(opens(&second, &token), Ok(()));
    assert!(is_missing(&second), "it has no key to sign by");
}

#[test]
fn after_a_rotation_the_older_key_opens_and_after_two_it_does_not() {
    let (mut first, mut second) = ready();
    let token = issue(&second);
    for expected in [Ok(()), Err(Unknown::Key)] {
        first.rotate();
        second.follow(&first);
        assert_eq!(opens(&first, &token), expected);
        assert_eq!(opens(&second, &token), expected);
    }
}

#[test]
fn a_new_key_seals_when_it_has_had_the_time_to_come_everywhere() {
    let (mut first, second) = ready();
    let key = |rig: &Rig| Frame::parse(&issue(rig)).unwrap().key_id;
    let before = key(&first);
    first.now_ms += ms(SESSION_KEY_PERIOD);
    first.rotate();
    first.now_ms += ms(SESSION_KEY_SETTLES) - 10;
    assert_eq!(key(&first), before);
    // A region that is so far behind still takes what is issued.
    assert_eq!(opens(&second, &issue(&first)), Ok(()));
    first.now_ms += 10;
    assert_ne!(key(&first), before);
    assert_eq!(opens(&second, &issue(&first)), Err(Unknown::Key));
}

#[test]
fn a_key_that_did_not_come_seals_and_opens_nothing_until_it_does() {
    let (mut first, mut second) = ready();
    first.now_ms += ms(SESSION_KEY_PERIOD);
    first.rotate();
    let newest = first.state.newest_session_key().unwrap().uid;
    second.follow_but(&first, &[newest.0]);
    first.now_ms += ms(SESSION_KEY_SETTLES);
    second.now_ms = first.now_ms;
    assert_eq!(opens(&second, &issue(&first)), Err(Unknown::Key));
    let token = issue(&second);
    assert_ne!(Frame::parse(&token).unwrap().key_id, newest.0);
    assert_eq!(opens(&first, &token), Ok(()));
}

/// Every character, and every one it could be instead.
#[test]
fn a_token_with_any_character_changed_is_refused() {
    let (first, second) = ready();
    let token = issue(&first);
    for at in 0..token.len() {
        for other in ALPHABET.chars().chain(['.', '=', ' ', '\n', 'é']) {
            let mut changed = token.clone();
            changed.replace_range(at..=at, &other.to_string());
            if changed == token {
                continue;
            }
            let refused = opens(&second, &changed);
            assert!(refused.is_err(), "{other:?} at {at} of {}", token.len());
        }
    }
    for cut in 0..token.len() {
        assert!(opens(&second, &token[..cut]).is_err());
    }
    assert!(opens(&second, &format!("{token}A")).is_err());
    assert_eq!(opens(&second, &token), Ok(()));
}

#[test]
fn no_region_issues_in_the_name_of_another() {
    let (first, second) = ready();
    let mut in_anothers_name = session(&first);
    in_anothers_name.region = second.name.to_string();
    let refused = first.sessions.issue(&first.state, &in_anothers_name);
    assert_eq!(
        refused.map(drop).map_err(|refusal| refusal.reason()),
        Err(Reason::InternalService)
    );
    // What one region sealed and signed is not taken for the other's.
    let mut frame = Frame::parse(&issue(&second)).unwrap();
    assert_eq!(frame.region, 2);
    frame.region = 1;
    let moved = frame.to_text().unwrap();
    assert_eq!(opens(&second, &moved), Err(Unknown::Signature));
    let (_, signing) = second.vault.signer(&second.state).unwrap();
    frame.signature = signing.sign(&frame.signed_bytes(&second.vault.cluster()));
    let signed = frame.to_text().unwrap();
    assert_eq!(opens(&second, &signed), Err(Unknown::Signature));
    // A node of a region that signs anything for its own number cannot make the seal fit.
    frame.region = 2;
    frame.sealed.rotate_left(1);
    frame.signature = signing.sign(&frame.signed_bytes(&second.vault.cluster()));
    let sealed = frame.to_text().unwrap();
    assert_eq!(opens(&second, &sealed), Err(Unknown::Seal));
}

#[test]
fn what_a_region_signed_is_void_once_it_is_unlinked() {
    let (mut first, second) = ready();
    let token = issue(&second);
    assert_eq!(opens(&first, &token), Ok(()));
    first.done(Command::UnlinkRegion(UnlinkRegion {
        region: second.name.clone(),
    }));
    assert_eq!(opens(&first, &token), Err(Unknown::Region));
    // It does not hear of that any more.
    assert_eq!(opens(&second, &token), Ok(()));
}

#[test]
fn tokens_of_another_cluster_are_unknown() {
    let (first, _) = ready();
    let (other, _) = ready();
    assert_eq!(opens(&first, &issue(&other)), Err(Unknown::Signature));
    assert_eq!(first.name.as_str(), FIRST);
}

#[test]
fn the_secret_of_an_access_key_opens_in_both_regions_and_nowhere_without_its_key() {
    let uid = FeedId::Root.uid_of([2; 16]);
    let opened = |rig: &Rig| {
        let credential = rig.state.credential(&uid).unwrap();
        let opened = rig.vault.open_access_key(&rig.state, credential);
        let opened = opened.map(|secret| secret.to_vec());
        opened.map_err(|refusal| refusal.reason())
    };
    let secret = b"a secret of an access key";
    for (unsent, expected) in [
        (None, Ok(secret.to_vec())),
        (Some(uid.0), Err(Reason::DecryptionFailure)),
    ] {
        let (mut first, mut second) = two();
        make_access_key(&mut first, uid, secret);
        second.follow_but(&first, unsent.as_slice());
        assert_eq!(opened(&first), Ok(secret.to_vec()));
        assert_eq!(opened(&second), expected);
    }
}

fn make_access_key(rig: &mut Rig, uid: Uid, secret: &[u8]) {
    let user = FeedId::Root.uid_of([1; 16]);
    rig.done(Command::CreateIdentity(CreateIdentity {
        uid: user,
        account: rig.state.account().unwrap().clone(),
        path: EntityPath::root(),
        name: EntityName::new("robot").unwrap(),
        nature: Nature::User { groups: Vec::new() },
        tags: Vec::new(),
        boundary: None,
        regions: Vec::new(),
        seen: Seen::default(),
    }));
    let sealed = rig.vault.seal_access_key(&rig.state, &uid, secret);
    let (sealed, wrap) = sealed.unwrap();
    rig.done(Command::CreateCredential(CreateCredential {
        uid,
        identity: user,
        proof: Proof::AccessKey {
            id: AccessKeyId::new("AKIAIOSFODNN7EXAMPLE").unwrap(),
            sealed,
        },
        regions: Vec::new(),
        wrap: Some(wrap),
        seen: Seen::default(),
    }));
}
