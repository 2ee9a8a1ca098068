use std::time::Duration;

use super::{
    Denied, DurationError, Frame, FrameError, Holder, Origin, Revocable, RoleArn, Session,
    SessionError, SessionId, Tag, TagError, Tags, Verifier, Why, duration_seconds, is_session_name,
};
use crate::context::Context;
use crate::principal::Principal;

const HOUR_MS: i64 = 3_600_000;
/// 2026-11-30T12:00:00Z.
const ISSUED_MS: i64 = 1_796_040_000_000;

fn tag(key: &str, value: &str, transitive: bool) -> Tag {
    Tag {
        key: key.to_owned(),
        value: value.to_owned(),
        transitive,
    }
}

fn session() -> Session {
    Session {
        id: SessionId([7; 16]),
        holder: Holder::Role {
            arn: "arn:aws:iam::111122223333:role/apps/till".parse().unwrap(),
            id: "AROA1".to_owned(),
            name: "me@home".to_owned(),
        },
        origin: Origin::Certificate {
            credential: "CERT1".to_owned(),
            key_hash: [9; 32],
        },
        chain: Vec::new(),
        issued_ms: ISSUED_MS,
        expires_ms: ISSUED_MS + 12 * HOUR_MS,
        region: "eu-west-1".to_owned(),
        regions: Vec::new(),
        policy: None,
        policy_arns: Vec::new(),
        tags: Tags::default(),
        source_identity: None,
    }
}

/// With every field in use.
fn full() -> Session {
    Session {
        origin: Origin::Provider {
            id: "OIDC1".to_owned(),
            issuer: "https://a.example".to_owned(),
            subject: "s".to_owned(),
        },
        chain: vec![SessionId([1; 16]), SessionId([2; 16])],
        expires_ms: ISSUED_MS + HOUR_MS,
        regions: vec!["eu-west-1".to_owned(), "eu-west-2".to_owned()],
        policy: Some("{}".to_owned()),
        policy_arns: vec!["arn:aws:iam::111122223333:policy/p".to_owned()],
        tags: Tags::new(vec![tag("b", "2", false), tag("A", "1", true)]).unwrap(),
        source_identity: Some("me".to_owned()),
        ..session()
    }
}

fn user() -> Session {
    Session {
        holder: Holder::User {
            account: "111122223333".to_owned(),
            arn: "arn:aws:iam::111122223333:user/me".to_owned(),
            id: "AIDA1".to_owned(),
        },
        origin: Origin::AccessKey {
            id: "AKIA1".to_owned(),
        },
        ..session()
    }
}

/// A change of these is a new version.
#[test]
fn the_bytes_of_a_session_are_what_they_were() {
    let head = "01 07070707070707070707070707070707";
    let role = "01 0028 \
        61726e3a6177733a69616d3a3a3131313132323232333333333a726f6c652f617070732f74696c6c \
        0005 41524f4131 0007 6d6540686f6d65";
    let region = "0009 65752d776573742d31";
    let issued = "000001a22c538200";
    let golden = [
        (
            session(),
            format!(
                "{head} {role} 02 0005 4345525431 {} 00 {issued} 000001a22ee6b000 {region} \
                00 00 00 00 00",
                "09".repeat(32)
            ),
        ),
        (
            user(),
            format!(
                "{head} 02 000c 313131313232323233333333 0021 \
                61726e3a6177733a69616d3a3a3131313132323232333333333a757365722f6d65 \
                0005 4149444131 01 0005 414b494131 00 {issued} 000001a22ee6b000 {region} \
                00 00 00 00 00"
            ),
        ),
        (
            full(),
            format!(
                "{head} {role} 03 0005 4f49444331 0011 68747470733a2f2f612e6578616d706c65 0001 73 \
                02 {} {} {issued} 000001a22c8a7080 {region} 02 {region} 0009 65752d776573742d32 \
                01 0002 7b7d 01 0022 \
                61726e3a6177733a69616d3a3a3131313132323232333333333a706f6c6963792f70 \
                02 0001 41 0001 31 01 0001 62 0001 32 00 01 0002 6d65",
                "01".repeat(16),
                "02".repeat(16)
            ),
        ),
    ];
    for (session, golden) in golden {
        let golden: String = golden.split_whitespace().collect();
        let bytes = session.encode().unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, golden);
        assert_eq!(Session::decode(&bytes).unwrap(), session);
    }
}

#[test]
fn whatever_decodes_encodes_to_the_same_bytes() {
    for honest in [session(), user(), full()] {
        let honest = honest.encode().unwrap();
        for at in 0..honest.len() {
            assert!(Session::decode(&honest[..at]).is_err(), "cut at {at}");
            for change in 1..=255 {
                let mut bytes = honest.clone();
                bytes[at] ^= change;
                if let Ok(session) = Session::decode(&bytes) {
                    assert_eq!(session.encode().unwrap(), bytes, "byte {at}");
                }
            }
        }
        let longer = [honest.as_slice(), &[0]].concat();
        assert_eq!(Session::decode(&longer), Err(SessionError::Length));
    }
    assert_eq!(Session::decode(&[2; 100]), Err(SessionError::Version(2)));
    assert_eq!(Session::decode(&[]), Err(SessionError::Length));
    let long = vec![1; 5121];
    assert_eq!(
        Session::decode(&long),
        Err(SessionError::TooLong { bytes: 5121 })
    );
}

type Spoil = fn(&mut Session);

/// What is changed about a session within its bounds, and what is told of it.
const OUT_OF_BOUNDS: &[(SessionError, Spoil)] = &[
    (SessionError::Lifetime, |s| s.expires_ms += 1),
    (SessionError::Lifetime, |s| s.expires_ms = s.issued_ms),
    (SessionError::Lifetime, |s| s.expires_ms = i64::MIN),
    (SessionError::Lifetime, |s| s.expires_ms = i64::MAX),
    (SessionError::Lifetime, |s| {
        s.chain.push(SessionId([1; 16]));
        s.expires_ms = s.issued_ms + HOUR_MS + 1;
    }),
    (SessionError::Field("the time of issue"), |s| {
        s.issued_ms = -1
    }),
    (SessionError::Field("the time of issue"), |s| {
        s.issued_ms = i64::MAX
    }),
    (SessionError::Field("the chain"), |s| {
        s.expires_ms = s.issued_ms + HOUR_MS;
        s.chain = (0..9).map(|n| SessionId([n; 16])).collect();
    }),
    (SessionError::Field("the chain"), |s| {
        s.expires_ms = s.issued_ms + HOUR_MS;
        s.chain.push(s.id);
    }),
    (SessionError::Field("the regions"), |s| {
        s.region = "eu-west".to_owned()
    }),
    (SessionError::Field("the regions"), |s| {
        s.regions.push("us-east-1".to_owned())
    }),
    (SessionError::Field("the regions"), |s| {
        s.regions = vec![s.region.clone(); 33];
    }),
    (SessionError::Field("the policy"), |s| {
        s.policy = Some("é".repeat(2049))
    }),
    (SessionError::Field("the policy"), |s| {
        s.policy = Some(String::new())
    }),
    (SessionError::Field("the ARNs of the policies"), |s| {
        s.policy_arns = vec!["arn:aws:iam::aws:policy/p".to_owned(); 11];
    }),
    (SessionError::Field("the ARNs of the policies"), |s| {
        s.policy_arns
            .push("arn:aws:iam::111122223333:role/p".to_owned());
    }),
    (SessionError::Field("the source identity"), |s| {
        s.source_identity = Some("a b".to_owned());
    }),
    (SessionError::Field("the origin"), |s| {
        s.origin = Origin::AccessKey { id: String::new() };
    }),
    (SessionError::Field("the origin"), |s| {
        s.origin = Origin::Certificate {
            credential: "a b".to_owned(),
            key_hash: [9; 32],
        };
    }),
    (SessionError::Field("the holder"), |s| {
        if let Holder::Role { name, .. } = &mut s.holder {
            name.push('/');
        }
    }),
];

#[test]
fn a_session_keeps_its_bounds() {
    for (error, change) in OUT_OF_BOUNDS {
        let mut session = session();
        session.encode().unwrap();
        change(&mut session);
        assert_eq!(session.encode(), Err(*error));
    }
    let mut other = user();
    if let Holder::User { account, .. } = &mut other.holder {
        *account = "999999999999".to_owned();
    }
    assert_eq!(other.encode(), Err(SessionError::Field("the holder")));
    let mut long = session();
    long.policy = Some("x".repeat(2048));
    long.encode().unwrap();
    let tags = (0..50).map(|n| tag(&format!("k{n}"), &"v".repeat(100), false));
    long.tags = Tags::new(tags.collect()).unwrap();
    assert!(matches!(long.encode(), Err(SessionError::TooLong { .. })));
}

type Change = fn(&mut Session, &mut Verifier<'_>, &mut i64);
/// One row for each rule of R20: what is changed about a session that is good, and what follows.
const RULES: &[(&str, Option<Why>, Change)] = &[
    ("as it is", None, |_, _, _| {}),
    ("at the last moment", None, |s, _, now| {
        *now = s.expires_ms - 1
    }),
    ("at its end", Some(Why::Expired), |s, _, now| {
        *now = s.expires_ms
    }),
    ("for ever after", Some(Why::Expired), |_, _, now| {
        *now = i64::MAX
    }),
    ("a minute early", None, |s, _, now| {
        *now = s.issued_ms - 60_000
    }),
    ("earlier", Some(Why::NotYet), |s, _, now| {
        *now = s.issued_ms - 60_001
    }),
    ("before all time", Some(Why::NotYet), |_, _, now| {
        *now = i64::MIN
    }),
    ("in a region of its list", None, |s, v, _| {
        s.regions = vec!["eu-west-1".to_owned(), "eu-west-2".to_owned()];
        v.here = "eu-west-2";
    }),
    ("in another", Some(Why::Region), |s, v, _| {
        s.regions = vec!["eu-west-1".to_owned()];
        v.here = "eu-west-2";
    }),
    (
        "signed elsewhere than it says",
        Some(Why::Signer),
        |_, v, _| v.signed_by = "eu-west-2",
    ),
    ("elsewhere, as fresh as need be", None, |_, v, _| {
        v.here = "eu-west-2";
        v.root_feed_age = v.identity_staleness_max;
    }),
    ("elsewhere, staler", Some(Why::Stale), |_, v, _| {
        v.here = "eu-west-2";
        v.root_feed_age = v.identity_staleness_max + Duration::from_nanos(1);
    }),
    ("elsewhere, nothing known", Some(Why::Stale), |_, v, _| {
        v.here = "eu-west-2";
        v.root_feed_age = Duration::MAX;
    }),
    ("at home, however stale", None, |_, v, _| {
        v.root_feed_age = Duration::MAX
    }),
    ("issued at the revocation", None, |s, v, _| {
        v.revoked_before_ms = Some(s.issued_ms)
    }),
    ("issued before it", Some(Why::RevokedBefore), |s, v, _| {
        v.revoked_before_ms = Some(s.issued_ms + 1);
    }),
    ("revoked", Some(Why::RevokedSession), |s, _, _| {
        s.id = SessionId([0xee; 16])
    }),
    (
        "made from a revoked one",
        Some(Why::RevokedSession),
        |s, _, _| {
            s.chain = vec![SessionId([0xee; 16]), SessionId([1; 16])];
        },
    ),
    (
        "of a revoked certificate",
        Some(Why::RevokedCertificate),
        |s, _, _| {
            s.origin = Origin::Certificate {
                credential: "CERT1".to_owned(),
                key_hash: [0xee; 32],
            };
        },
    ),
];

#[test]
fn each_rule_of_time_region_staleness_and_revocation_decides() {
    let is_revoked = |what: Revocable<'_>| match what {
        Revocable::Session(id) => id.0 == [0xee; 16],
        Revocable::Certificate(hash) => *hash == [0xee; 32],
    };
    for (name, expected, change) in RULES {
        let (mut session, mut now_ms) = (session(), ISSUED_MS + 1000);
        let mut verifier = Verifier {
            here: "eu-west-1",
            signed_by: "eu-west-1",
            root_feed_age: Duration::ZERO,
            identity_staleness_max: Duration::from_secs(3600),
            revoked_before_ms: None,
        };
        change(&mut session, &mut verifier, &mut now_ms);
        let checked = session.check(now_ms, &verifier, is_revoked);
        assert_eq!(
            checked.map_err(|denied| denied.why()).err(),
            *expected,
            "{name}"
        );
    }
    let told = Denied::from(Why::Stale).to_string();
    assert_eq!(told, "the session token is not accepted");
}

#[test]
fn a_session_stands_for_its_holder() {
    let role = session().principal();
    let expected = Principal::Session {
        account: "111122223333".to_owned(),
        role: "arn:aws:iam::111122223333:role/apps/till".to_owned(),
        arn: "arn:aws:sts::111122223333:assumed-role/till/me@home".to_owned(),
        id: "AROA1:me@home".to_owned(),
    };
    assert_eq!(role, expected);
    assert_eq!(user().principal().account(), Some("111122223333"));
    let mut context = Context::new();
    full().describe(&mut context);
    let one = |key: &str| context.get(key).map(|value| value.as_slice().join(","));
    assert_eq!(one("aws:PrincipalTag/A").as_deref(), Some("1"));
    assert_eq!(one("aws:SourceIdentity").as_deref(), Some("me"));
    assert_eq!(
        one("aws:TokenIssueTime").as_deref(),
        Some("2026-11-30T12:00:00Z")
    );
    assert_eq!(one("aws:MultiFactorAuthPresent").as_deref(), Some("false"));
    // Only the first session of a chain was issued for a token of the provider.
    assert_eq!(one("aws:FederatedProvider"), None);
    let mut first = full();
    first.chain.clear();
    first.describe(&mut context);
    let provider = context
        .get("aws:FederatedProvider")
        .map(|value| value.as_slice().join(","));
    assert_eq!(provider.as_deref(), Some("https://a.example"));
}

#[test]
fn names_and_arns_have_their_forms() {
    for good in ["me", "a.b", "me@home", "x=1,y+2-_", &"n".repeat(64)] {
        assert!(is_session_name(good), "{good}");
    }
    for bad in ["", "m", "a b", "a/b", "a:b", "mé", "a\n", &"n".repeat(65)] {
        assert!(!is_session_name(bad), "{bad}");
    }
    for good in ["role/till", "role/a/b/till", "role/!path~/till"] {
        let arn = format!("arn:aws:iam::111122223333:{good}");
        let parsed: RoleArn = arn.parse().unwrap();
        assert_eq!((parsed.account(), parsed.name()), ("111122223333", "till"));
        assert_eq!(parsed.to_string(), arn);
        let session = parsed.session_arn("me");
        assert_eq!(session, "arn:aws:sts::111122223333:assumed-role/till/me");
    }
    for bad in [
        "",
        "arn:aws:iam::111122223333:role/",
        "arn:aws:iam::111122223333:role",
        "arn:aws:iam::111122223333:user/till",
        "arn:aws:iam::11112222333:role/till",
        "arn:aws:iam::111122223333:role/a b/till",
        "arn:aws:iam::111122223333:role/a:b",
        "arn:aws:iam::111122223333:role/*",
        "arn:aws-cn:iam::111122223333:role/till",
        "arn:aws:sts::111122223333:assumed-role/till/me",
    ] {
        assert!(bad.parse::<RoleArn>().is_err(), "{bad}");
    }
    let long = format!("arn:aws:iam::111122223333:role/{}/till", "p".repeat(2048));
    assert!(long.parse::<RoleArn>().is_err());
}

#[test]
fn a_session_lasts_as_long_as_role_and_chain_allow() {
    let cases = [
        ((None, 43_200, false), Ok(3600)),
        ((None, 900, false), Ok(900)),
        ((None, 43_200, true), Ok(3600)),
        ((Some(899), 43_200, false), Err(DurationError::TooShort)),
        ((Some(0), 43_200, true), Err(DurationError::TooShort)),
        ((Some(900), 43_200, false), Ok(900)),
        ((Some(43_200), 43_200, false), Ok(43_200)),
        (
            (Some(43_201), u32::MAX, false),
            Err(DurationError::TooLong { max: 43_200 }),
        ),
        (
            (Some(7201), 7200, false),
            Err(DurationError::TooLong { max: 7200 }),
        ),
        ((Some(3600), 43_200, true), Ok(3600)),
        ((Some(3601), 43_200, true), Err(DurationError::Chained)),
        (
            (Some(u32::MAX), 43_200, true),
            Err(DurationError::TooLong { max: 43_200 }),
        ),
    ];
    for ((requested, role_max, chained), expected) in cases {
        let lasts = duration_seconds(requested, role_max, chained);
        assert_eq!(
            lasts, expected,
            "{requested:?} of {role_max}, chained {chained}"
        );
    }
}

#[test]
fn transitive_tags_are_inherited_and_not_replaced() {
    let first = Tags::new(vec![tag("Team", "a", true), tag("Job", "1", false)]).unwrap();
    let added = Tags::new(vec![tag("job", "2", true)]).unwrap();
    let chained = first.chained(added).unwrap();
    assert_eq!(
        chained.as_slice(),
        [tag("job", "2", true), tag("Team", "a", true)]
    );
    let replacing = Tags::new(vec![tag("TEAM", "b", false)]).unwrap();
    assert_eq!(first.chained(replacing), Err(TagError::Inherited));
    let many = |count: usize, key: &str| {
        let tags = (0..count).map(|n| tag(&format!("{key}{n}"), "", true));
        Tags::new(tags.collect()).unwrap()
    };
    let refused = many(30, "a").chained(many(21, "b"));
    assert_eq!(refused, Err(TagError::TooMany { found: 51 }));
    assert_eq!(
        Tags::new(vec![tag("a b/ü", "日本\u{a0}", false)])
            .unwrap()
            .as_slice()
            .len(),
        1
    );
}

fn frame() -> Frame {
    Frame {
        key_id: [1; 16],
        nonce: [2; 12],
        sealed: vec![3; 17],
        region: 4,
        signature: [5; 64],
    }
}

/// A change of these is a new version.
#[test]
fn the_text_and_the_signed_bytes_of_a_frame_are_what_they_were() {
    let text = "srs1.AQEBAQEBAQEBAQEBAQEBAQICAgICAgICAgICAgMDAwMDAwMDAwMDAwMDAwMDAAAABAUFBQUFBQU\
        FBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU";
    assert_eq!(frame().to_text().unwrap().as_str(), text);
    assert_eq!(Frame::parse(text).unwrap(), frame());
    let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let cluster = [6; 16];
    let seal = "0000001a7374726f6e67726f6f6d2f73657373696f6e2d7365616c2f7631";
    let signature = "0000001f7374726f6e67726f6f6d2f73657373696f6e2d7369676e61747572652f7631";
    let (cluster_hex, key) = ("06".repeat(16), "01".repeat(16));
    assert_eq!(
        hex(Frame::aad(&cluster, &[1; 16], 4)),
        format!("{seal}00000010{cluster_hex}00000010{key}0000000400000004")
    );
    assert_eq!(
        hex(frame().signed_bytes(&cluster)),
        format!(
            "{signature}00000010{cluster_hex}00000010{key}0000000c{}00000011{}0000000400000004",
            "02".repeat(12),
            "03".repeat(17)
        )
    );
}

#[test]
fn a_frame_has_one_text_and_keeps_its_bounds() {
    for sealed in [1, 2, 3, 5152] {
        let mut frame = frame();
        frame.sealed = vec![3; sealed];
        let text = frame.to_text().unwrap();
        assert!(text.len() <= 7003);
        assert_eq!(Frame::parse(&text).unwrap(), frame);
        for other in [
            format!("{}=", text.as_str()),
            format!("{}A", text.as_str()),
            format!(" {}", text.as_str()),
            text.to_uppercase(),
        ] {
            assert_ne!(Frame::parse(&other).ok().as_ref(), Some(&frame), "{other}");
        }
    }
    for sealed in [0, 5153] {
        let mut frame = frame();
        frame.sealed = vec![3; sealed];
        assert_eq!(frame.to_text(), Err(FrameError::Length));
    }
    let short = |bytes: usize| format!("srs1.{}", "A".repeat(bytes.div_ceil(3) * 4));
    assert_eq!(Frame::parse(&short(96)), Err(FrameError::Length));
    assert_eq!(Frame::parse(&short(6000)), Err(FrameError::Length));
    assert_eq!(Frame::parse("srs1."), Err(FrameError::Length));
    assert_eq!(Frame::parse("srs2.AAAA"), Err(FrameError::Prefix));
    assert_eq!(Frame::parse("srs1.AAA*"), Err(FrameError::Base64));
    let seen = format!("{:?}", frame());
    assert_eq!(seen, "Frame { region: 4, .. }");
}
