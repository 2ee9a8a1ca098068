//! What an issuer may sign, and what becomes of it.

use std::sync::LazyLock;

use strongroom_access::jwt::{Jwks, Provider, Why, unverified_issuer, verify};
use strongroom_access::session::TagError;
use strongroom_access::{Context, Value};

use super::signer::{AUDIENCE, ISSUER, NOW_MS, NOW_S, Signer, base64, claims, provider, why};

#[test]
fn tokens_signed_by_each_kind_of_key_are_accepted() {
    let signers = [Signer::p256(), Signer::p384(), Signer::ed25519()];
    for signer in &signers {
        let token = signer.usual(&claims(""));
        let accepted = verify(&token, &signer.provider(), NOW_MS).unwrap();
        assert_eq!(
            (accepted.subject.as_str(), accepted.audience.as_str()),
            ("me", AUDIENCE)
        );
        assert_eq!(accepted.expires_ms, (NOW_S + 600) * 1000);
        assert_eq!(unverified_issuer(&token).unwrap(), ISSUER);
    }
    let rsa = Signer::shared_rsa();
    for algorithm in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
        let header = format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#);
        let token = rsa.token(algorithm, &header, &claims(""));
        verify(&token, &rsa.provider(), NOW_MS).unwrap();
    }
    let header = r#"{"alg":"Ed25519","typ":"at+jwt"}"#;
    let [_, _, ed25519] = &signers;
    let token = ed25519.token("EdDSA", header, &claims(""));
    verify(&token, &ed25519.provider(), NOW_MS).unwrap();
}

/// Their claims lack an audience, or are no claims: that is told only of a right signature.
#[test]
fn the_examples_of_rfc_7515_and_8037_have_right_signatures() {
    const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvb\
        S9pc19yb290Ijp0cnVlfQ";
    let a2 = (
        r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddx
        HmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo
        9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4
        uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9g
        b54h4FRWyuXpoQ"}"#,
        format!("eyJhbGciOiJSUzI1NiJ9.{JOE}"),
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2F\
        p5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBM\
        Hlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2\
        w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        Why::Missing("aud"),
    );
    let a3 = (
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
        format!("eyJhbGciOiJFUzI1NiJ9.{JOE}"),
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        Why::Missing("aud"),
    );
    let ed25519 = (
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".to_owned(),
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        Why::Claims,
    );
    for (key, signed, signature, expected) in [a2, a3, ed25519] {
        let key: String = key.split_whitespace().collect();
        let mut joe = provider(&[key]);
        joe.issuer = "joe".to_owned();
        let token = format!("{signed}.{signature}");
        assert_eq!(why(verify(&token, &joe, 1_300_819_379_000)), expected);
        let other = format!("{signed}.A{}", &signature[1..]);
        assert_eq!(why(verify(&other, &joe, 1_300_819_379_000)), Why::Signature);
    }
}

/// Issues these claims, and says why they are refused.
fn refused(claims: &str) -> Why {
    static SIGNER: LazyLock<Signer> = LazyLock::new(Signer::ed25519);
    why(verify(&SIGNER.usual(claims), &SIGNER.provider(), NOW_MS))
}

#[test]
fn claims_that_name_others_or_are_not_of_their_form_are_refused() {
    let with = |old: &str, new: &str| claims("").replace(old, new);
    let (issuer, audience) = (format!(r#""{ISSUER}""#), format!(r#""{AUDIENCE}""#));
    let long = format!(r#""{}""#, "x".repeat(513));
    let identity = "https://aws.amazon.com/source_identity";
    for (case, expected) in [
        (
            with(ISSUER, "https://oidc.example.com/cluster/"),
            Why::Issuer,
        ),
        (
            with(ISSUER, "https://OIDC.example.com/cluster"),
            Why::Issuer,
        ),
        (with("iss", "is"), Why::Missing("iss")),
        (with(&issuer, "7"), Why::Claim("iss")),
        (with(AUDIENCE, "Strongroom"), Why::Audience),
        (with(&audience, "[]"), Why::Missing("aud")),
        (with(&audience, r#"["a",1]"#), Why::Claim("aud")),
        (with(&audience, &audiences(65)), Why::Claim("aud")),
        (with("sub", "su"), Why::Missing("sub")),
        (with(r#""me""#, r#""""#), Why::Claim("sub")),
        (with(r#""me""#, &long), Why::Claim("sub")),
        (claims(r#","sub":"me""#), Why::Claims),
        (claims(r#","x":{"a":1,"a":1}"#), Why::Claims),
        (claims(r#","x":{"\u0061":1,"a":1}"#), Why::Claims),
        (format!("[{}]", claims("")), Why::Claims),
        (format!("{} {{}}", claims("")), Why::Claims),
        (
            claims(&format!(r#","x":{}{}"#, "[".repeat(17), "]".repeat(17))),
            Why::Claims,
        ),
        (claims(r#","azp":[]"#), Why::Claim("azp")),
        (
            claims(r#","kubernetes.io":{"namespace":"a"}"#),
            Why::Claim("kubernetes.io"),
        ),
        (
            claims(&format!(r#","{identity}":"a""#)),
            Why::Claim(identity),
        ),
    ] {
        assert_eq!(refused(&case), expected, "{case}");
    }
}

#[test]
fn claims_out_of_their_time_are_refused() {
    let with = |old: &str, new: &str| claims("").replace(old, new);
    let member = |name: &str, offset: i64| format!(r#""{name}":{}"#, NOW_S + offset);
    let (exp, iat) = (member("exp", 600), member("iat", -10));
    let both = format!("{iat},{exp}");
    let day = 86_400;
    for (case, expected) in [
        (with("exp", "ex"), Why::Missing("exp")),
        (with(&exp, r#""exp":"1900000000""#), Why::Claim("exp")),
        (with(&exp, r#""exp":1e300"#), Why::Claim("exp")),
        (with(&exp, &member("exp", 0)), Why::Expired),
        (with(&exp, r#""exp":-1"#), Why::Expired),
        (claims(&format!(",{}", member("nbf", 61))), Why::NotYet),
        (with(&iat, &member("iat", 61)), Why::NotYet),
        (with(&exp, &member("exp", day + 51)), Why::Lifetime),
        (with(&iat, &member("iat", 600 - day - 61)), Why::Lifetime),
        (with(&both, &member("exp", day + 61)), Why::Lifetime),
    ] {
        assert_eq!(refused(&case), expected, "{case}");
    }
}

#[test]
fn clocks_may_differ_by_a_minute_but_no_token_outlives_its_expiry() {
    let signer = Signer::ed25519();
    let trusted = signer.provider();
    let expires_ms = (NOW_S + 600) * 1000;
    let token = signer.usual(&claims(&format!(r#","nbf":{}"#, NOW_S + 60)));
    verify(&token, &trusted, NOW_MS).unwrap();
    verify(&token, &trusted, expires_ms - 1).unwrap();
    assert_eq!(why(verify(&token, &trusted, expires_ms)), Why::Expired);
    assert_eq!(why(verify(&token, &trusted, NOW_MS - 1)), Why::NotYet);
    // A fraction of a second is cut off.
    let exp = format!(r#""exp":{}"#, NOW_S + 600);
    let token = signer.usual(&claims("").replace(&exp, &format!("{exp}.9")));
    let accepted = verify(&token, &trusted, NOW_MS).unwrap();
    assert_eq!(accepted.expires_ms, expires_ms);
}

#[test]
fn no_time_that_an_integer_can_hold_overflows() {
    let signer = Signer::ed25519();
    let trusted = signer.provider();
    let edges = [
        i64::MIN,
        i64::MIN / 1000,
        -1,
        0,
        1,
        NOW_S,
        i64::MAX / 1000,
        i64::MAX,
    ];
    for exp in edges {
        for start in edges {
            let token = signer.usual(&format!(
                r#"{{"iss":"{ISSUER}","sub":"me","aud":"{AUDIENCE}","iat":{start},"nbf":{start},
                "exp":{exp}}}"#
            ));
            for now_ms in edges
                .iter()
                .flat_map(|edge| [*edge, edge.saturating_mul(1000)])
            {
                if let Ok(claims) = verify(&token, &trusted, now_ms) {
                    assert!(claims.expires_ms > now_ms);
                    assert!(claims.expires_ms - now_ms <= 86_400_000 + 2 * 60_000);
                }
            }
        }
    }
    let huge = format!(r#""exp":{}"#, u64::MAX);
    let token = claims("").replace(&format!(r#""exp":{}"#, NOW_S + 600), &huge);
    assert_eq!(
        why(verify(&signer.usual(&token), &trusted, NOW_MS)),
        Why::Claim("exp")
    );
}

#[test]
fn the_key_decides_the_algorithm() {
    let (p256, ed25519) = (Signer::p256(), Signer::ed25519());
    let rsa = Signer::shared_rsa();
    let claims = claims("");
    let none = format!(
        "{}.{}.",
        base64(br#"{"alg":"none"}"#),
        base64(claims.as_bytes())
    );
    for trusted in [p256.provider(), rsa.provider(), ed25519.provider()] {
        assert_eq!(why(verify(&none, &trusted, NOW_MS)), Why::Algorithm);
        for name in ["HS256", "HS512", "NONE", "rs256", "ES512", "ES256K", ""] {
            let token = p256.token("ES256", &format!(r#"{{"alg":"{name}"}}"#), &claims);
            assert_eq!(
                why(verify(&token, &trusted, NOW_MS)),
                Why::Algorithm,
                "{name}"
            );
        }
    }
    for (signer, name) in [
        (&p256, "ES384"),
        (&p256, "RS256"),
        (&ed25519, "ES256"),
        (rsa, "EdDSA"),
    ] {
        let token = signer.token(
            signer.algorithm(),
            &format!(r#"{{"alg":"{name}"}}"#),
            &claims,
        );
        assert_eq!(
            why(verify(&token, &signer.provider(), NOW_MS)),
            Why::Algorithm,
            "{name}"
        );
    }
    // A key may name the only one that it is for.
    let only = provider(&[rsa.jwk(r#","alg":"PS256""#)]);
    let token = rsa.token("PS256", r#"{"alg":"PS256"}"#, &claims);
    verify(&token, &only, NOW_MS).unwrap();
    assert_eq!(
        why(verify(&rsa.usual(&claims), &only, NOW_MS)),
        Why::Algorithm
    );
}

#[test]
fn headers_that_ask_for_more_are_refused() {
    let signer = Signer::ed25519();
    let trusted = signer.provider();
    let long_id = format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, "k".repeat(257));
    let cases = [
        (
            r#"{"alg":"EdDSA","crit":["b64"],"b64":false}"#,
            Why::Critical,
        ),
        (r#"{"alg":"EdDSA","crit":[]}"#, Why::Critical),
        (r#"{"alg":"EdDSA","typ":"logout+jwt"}"#, Why::Type),
        (r#"{"alg":"EdDSA","typ":1}"#, Why::Header),
        (r#"{"alg":"EdDSA","alg":"EdDSA"}"#, Why::Header),
        (r#"{"alg":["EdDSA"]}"#, Why::Header),
        (r#"{"alg":"EdDSA","kid":7}"#, Why::Header),
        (r#"{}"#, Why::Algorithm),
        (r#"[]"#, Why::Header),
        (r#""#, Why::Header),
        (long_id.as_str(), Why::Key),
    ];
    for (header, expected) in cases {
        let token = signer.token("EdDSA", header, &claims(""));
        assert_eq!(why(verify(&token, &trusted, NOW_MS)), expected, "{header}");
    }
}

#[test]
fn only_the_compact_form_in_canonical_base64url_is_taken() {
    let signer = Signer::ed25519();
    let trusted = signer.provider();
    let token = signer.usual(&claims(""));
    let [header, body, signature]: [&str; 3] =
        token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let forms = [
        String::new(),
        "..".to_owned(),
        format!("{header}.{body}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{header}.{body}.{signature}=="),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{header}.{body}.{}+", &signature[..85]),
        format!(r#"{{"protected":"{header}","payload":"{body}","signature":"{signature}"}}"#),
    ];
    for form in forms {
        let refused = why(verify(&form, &trusted, NOW_MS));
        assert!(
            matches!(refused, Why::Form | Why::Header),
            "{form}: {refused:?}"
        );
    }
    // 64 bytes leave four bits of the last character unused; others than zeros are another text.
    let last = signature.chars().last().unwrap();
    for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
        let form = format!("{header}.{body}.{}{other}", &signature[..85]);
        assert_eq!(
            verify(&form, &trusted, NOW_MS).is_ok(),
            other == last,
            "{other}"
        );
    }
    let long = signer.usual(&claims(&format!(r#","x":"{}""#, "x".repeat(16_384))));
    assert_eq!(why(verify(&long, &trusted, NOW_MS)), Why::TooLong);
    assert_eq!(why(unverified_issuer(&long)), Why::TooLong);
}

#[test]
fn claims_become_the_keys_that_trust_policies_ask_for() {
    let signer = Signer::p256();
    let token = signer.usual(&claims(
        r#","azp":"cli","amr":["pwd","otp"],"kubernetes.io":{"namespace":"shop",
        "serviceaccount":{"name":"till","uid":"u1"},"pod":{"name":"till-0","uid":"u2"},
        "node":{"name":"n1"},"warnafter":1}"#,
    ));
    let accepted = verify(&token, &signer.provider(), NOW_MS).unwrap();
    let mut context = Context::new();
    accepted.describe(&mut context);
    let one = |claim: &str| {
        let key = format!("oidc.example.com/cluster:{claim}");
        context.get(&key).map(|value| value.as_slice().join(","))
    };
    for (claim, value) in [
        ("sub", "me"),
        ("aud", AUDIENCE),
        ("azp", "cli"),
        ("amr", "pwd,otp"),
        ("kubernetes.io/namespace", "shop"),
        ("kubernetes.io/serviceaccount/name", "till"),
        ("kubernetes.io/serviceaccount/uid", "u1"),
        ("kubernetes.io/pod/name", "till-0"),
        ("kubernetes.io/pod/uid", "u2"),
        ("kubernetes.io/node/name", "n1"),
    ] {
        assert_eq!(one(claim).as_deref(), Some(value), "{claim}");
    }
    assert_eq!(one("iss"), None);
    assert_eq!(context.get("aws:TagKeys"), None);
}

#[test]
fn of_several_audiences_the_first_that_is_ours_counts() {
    let signer = Signer::ed25519();
    let several = claims("").replace(
        &format!(r#""{AUDIENCE}""#),
        &format!(r#"["else","{AUDIENCE}","other"]"#),
    );
    let accepted = verify(&signer.usual(&several), &signer.provider(), NOW_MS).unwrap();
    assert_eq!(accepted.audience, AUDIENCE);
    let nobody = Provider {
        issuer: ISSUER.to_owned(),
        audiences: Vec::new(),
        jwks: Jwks::parse(&super::signer::key_set(&[signer.jwk("")])).unwrap(),
    };
    let refused = verify(&signer.usual(&claims("")), &nobody, NOW_MS);
    assert_eq!(why(refused), Why::Audience);
}

#[test]
fn session_tags_are_taken_nested_or_flat_within_the_bounds_of_iam() {
    let signer = Signer::ed25519();
    let trusted = signer.provider();
    let accepted = |more: &str| verify(&signer.usual(&claims(more)), &trusted, NOW_MS);
    let nested = r#","https://aws.amazon.com/tags":{"principal_tags":{"Team":["a b"],"x":"1"},
        "transitive_tag_keys":["Team"]},"https://aws.amazon.com/source_identity":"me@home""#;
    let flat = r#","https://aws.amazon.com/tags/principal_tags/Team":"a b",
        "https://aws.amazon.com/tags/principal_tags/x":"1",
        "https://aws.amazon.com/tags/transitive_tag_keys":"Team",
        "https://aws.amazon.com/source_identity":"me@home""#;
    for form in [nested, flat] {
        let mut context = Context::new();
        accepted(form).unwrap().describe(&mut context);
        let one = |key: &str| context.get(key).map(|value| value.as_slice().join(","));
        assert_eq!(one("aws:RequestTag/Team").as_deref(), Some("a b"));
        assert_eq!(one("aws:TagKeys").as_deref(), Some("Team,x"));
        assert_eq!(one("sts:SourceIdentity").as_deref(), Some("me@home"));
        let transitive = context.get("sts:TransitiveTagKeys");
        assert_eq!(transitive, Some(&Value::Many(vec!["Team".to_owned()])));
    }
    let tag = |key: &str, value: &str| {
        let tags = format!(r#"{{"principal_tags":{{"{key}":"{value}"}}}}"#);
        accepted(&format!(r#","https://aws.amazon.com/tags":{tags}"#))
    };
    let (long_key, long_value) = ("k".repeat(129), "v".repeat(257));
    for (key, value, error) in [
        ("", "v", TagError::Key),
        ("a*", "v", TagError::Key),
        (long_key.as_str(), "v", TagError::Key),
        ("AWS:x", "v", TagError::Reserved),
        ("k", "a\\nb", TagError::Value),
        ("k", long_value.as_str(), TagError::Value),
    ] {
        assert_eq!(why(tag(key, value)), Why::Tags(error), "{key}: {value}");
    }
    tag(&long_key[1..], &long_value[1..]).unwrap();
    let many: Vec<String> = (0..51).map(|n| format!(r#""k{n}":"v""#)).collect();
    let many = |count: usize| {
        let tags = many[..count].join(",");
        accepted(&format!(
            r#","https://aws.amazon.com/tags":{{"principal_tags":{{{tags}}}}}"#
        ))
    };
    many(50).unwrap();
    assert_eq!(why(many(51)), Why::Tags(TagError::TooMany { found: 51 }));
    let twice = r#","https://aws.amazon.com/tags/principal_tags/TEAM":"b""#;
    assert_eq!(
        why(accepted(&format!("{nested}{twice}"))),
        Why::Tags(TagError::Twice)
    );
    let stray = r#","https://aws.amazon.com/tags":{"transitive_tag_keys":["no"]}"#;
    assert_eq!(why(accepted(stray)), Why::Tags(TagError::Transitive));
    let values = r#","https://aws.amazon.com/tags":{"principal_tags":{"a":["b","c"]}}"#;
    assert_eq!(
        why(accepted(values)),
        Why::Claim("https://aws.amazon.com/tags")
    );
}

/// A list of so many audiences, with ours at its end.
fn audiences(count: usize) -> String {
    let mut names: Vec<String> = (1..count).map(|n| format!(r#""a{n}""#)).collect();
    names.push(format!(r#""{AUDIENCE}""#));
    format!("[{}]", names.join(","))
}
