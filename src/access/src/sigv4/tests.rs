use super::{Authorization, Denied, Request, SecretKey, Why, canonical};

/// 2015-08-30T12:36:00Z, when the published requests were signed.
const SIGNED_MS: i64 = 1_440_938_160_000;
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const HOST: (&str, &str) = ("Host", "example.amazonaws.com");
const DATE: (&str, &str) = ("X-Amz-Date", "20150830T123600Z");
const UNRESERVED: &str = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const FORM: &[u8] = b"Param1=value1";
const TOKEN: &str = "\
    AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwA\
    eMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8p\
    hUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT\
    38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabI\
    Qwj2ICCR/oLxBA==";

/// Verifies at a time; `None` if it is signed at all is a failure of the test.
fn verify(request: &Request<'_>, service: &str, now_ms: i64) -> Result<(), Why> {
    let read = Authorization::read(request).map_err(|denied| denied.why())?;
    let secret = SecretKey::new(SECRET.to_owned().into());
    let verified = read
        .expect("it is signed")
        .verify(request, service, &secret, now_ms);
    verified.map_err(|denied| denied.why())
}

fn authorization(signed: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders={signed}, Signature={signature}"
    )
}

/// One request of AWS's Signature Version 4 test suite: method, path, query, headers besides host
/// and date, body, signed headers and signature.
type Vector<'a> = (
    &'a str,
    &'a str,
    &'a str,
    &'a [(&'a str, &'a str)],
    &'a [u8],
    &'a str,
    &'a str,
);

const PLAIN: &str = "host;x-amz-date";
const WITH_HEADER: &str = "host;my-header1;x-amz-date";
const EMPTY_GET: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
const EMPTY_POST: &str = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";

#[rustfmt::skip]
const SUITE: &[Vector<'_>] = &[
    ("GET", "/", "", &[], b"", PLAIN, EMPTY_GET),
    ("GET", "/", "", &[("My-Header1", "value2"), ("My-Header1", "value2"),
        ("My-Header1", "value1")],
        b"", WITH_HEADER, "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
    ("GET", "/", "", &[("My-Header1", "value4"), ("My-Header1", "value1"), ("My-Header1", "value3"),
        ("My-Header1", "value2")],
        b"", WITH_HEADER, "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"),
    ("GET", "/", "", &[("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
        b"", "host;my-header1;my-header2;x-amz-date",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
    ("GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", &[],
        b"", PLAIN, "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
    ("GET", "/", "Param1=value1", &[],
        b"", PLAIN, "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
    ("GET", "/", "Param1=value2&Param1=Value1", &[],
        b"", PLAIN, "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1"),
    ("GET", "/", "Param2=value2&Param1=value1", &[],
        b"", PLAIN, "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ("GET", "/", "Param1=value2&Param1=value1", &[],
        b"", PLAIN, "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"),
    ("GET", "/", "ሴ=bar", &[],
        b"", PLAIN, "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
    ("GET", "/", "%E1%88%B4=bar", &[],
        b"", PLAIN, "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
    ("POST", "/", "", &[], b"", PLAIN, EMPTY_POST),
    ("POST", "/", "", &[("my-header1", "value1")],
        b"", WITH_HEADER, "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
    ("POST", "/", "", &[("My-Header1", "VALUE1")],
        b"", WITH_HEADER, "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
    ("POST", "/", "Param1=value1", &[],
        b"", PLAIN, "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
    ("POST", "/", "", &[("Content-Type", "application/x-www-form-urlencoded"),
        ("Content-Length", "13")],
        FORM, "content-type;host;x-amz-date",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
    ("POST", "/", "", &[("Content-Type", "application/x-www-form-urlencoded; charset=utf8")],
        FORM, "content-type;host;x-amz-date",
        "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"),
    ("GET", "/example/..", "", &[], b"", PLAIN, EMPTY_GET),
    ("GET", "/example1/example2/../..", "", &[], b"", PLAIN, EMPTY_GET),
    ("GET", "//", "", &[], b"", PLAIN, EMPTY_GET),
    ("GET", "/./", "", &[], b"", PLAIN, EMPTY_GET),
    ("GET", "/./example", "", &[],
        b"", PLAIN, "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"),
    ("GET", "//example//", "", &[],
        b"", PLAIN, "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
    ("GET", "/example space/", "", &[],
        b"", PLAIN, "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
    ("POST", "/", "", &[("X-Amz-Security-Token", TOKEN)],
        b"", "host;x-amz-date;x-amz-security-token",
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
];

#[test]
fn the_requests_of_the_published_suite_verify() {
    let unreserved = format!("{UNRESERVED}={UNRESERVED}");
    let extra: Vector<'_> = (
        "GET",
        "/",
        &unreserved,
        &[],
        b"",
        PLAIN,
        "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
    );
    for vector in SUITE.iter().chain([&extra]) {
        let (method, path, query, more, body, signed, signature) = *vector;
        let authorization = authorization(signed, signature);
        let mut headers = vec![HOST, DATE, ("Authorization", &authorization)];
        headers.extend(more);
        let request = Request {
            method,
            path,
            query,
            headers: &headers,
            body,
        };
        assert_eq!(
            verify(&request, "service", SIGNED_MS),
            Ok(()),
            "{method} {path}?{query}"
        );
        let other = Request {
            body: b"x",
            ..request
        };
        assert_eq!(verify(&other, "service", SIGNED_MS), Err(Why::Signature));
        let other = Request {
            method: "PUT",
            ..request
        };
        assert_eq!(verify(&other, "service", SIGNED_MS), Err(Why::Signature));
        let query = format!("{query}&a=b");
        let other = Request {
            query: &query,
            ..request
        };
        assert_eq!(verify(&other, "service", SIGNED_MS), Err(Why::Signature));
    }
}

#[test]
fn the_canonical_request_is_the_published_one() {
    let headers = [HOST, DATE, ("Content-Type", "text/plain")];
    let request = Request {
        method: "POST",
        path: "/a/../b%20c",
        query: "b=2&a=%7e&c",
        headers: &headers,
        body: FORM,
    };
    let signed = super::SignedHeaders::parse("content-type;host;x-amz-date").unwrap();
    let payload = canonical::Payload::of(&request).unwrap();
    let canonical = canonical::request(&request, &signed, &payload).unwrap();
    let expected = "POST\n/b%2520c\na=~&b=2&c=\ncontent-type:text/plain\n\
        host:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\n\
        content-type;host;x-amz-date\n\
        9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";
    assert_eq!(canonical, expected);
}

/// From the IAM user guide, and from the suite that the SDKs of AWS share.
#[test]
fn presigned_requests_that_are_published_verify_until_they_expire() {
    let content_type = (
        "Content-Type",
        "application/x-www-form-urlencoded; charset=utf-8",
    );
    let iam = [("host", "iam.amazonaws.com"), content_type];
    let twice = ("My-Header1", "value2");
    type Presigned<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, i64);
    let cases: [Presigned<'_>; 3] = [
        (
            "Action=ListUsers&Version=2010-05-08&X-Amz-Algorithm=AWS4-HMAC-SHA256&\
            X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fiam%2Faws4_request&\
            X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=content-type%3Bhost&\
            X-Amz-Signature=37ac2f4fde00b0ac9bd9eadeb459b1bbee224158d66e7ae5fcadb70b2d181d02",
            &iam,
            "iam",
            60,
        ),
        (
            "Param-3=Value3&Param=Value2&%E1%88%B4=Value1&X-Amz-Algorithm=AWS4-HMAC-SHA256&\
            X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request&\
            X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=3600&\
            X-Amz-Signature=c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787",
            &[HOST],
            "service",
            3600,
        ),
        (
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&\
            X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request&\
            X-Amz-Date=20150830T123600Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host%3Bmy-header1&\
            X-Amz-Signature=3349ee0b81b4b589da0ff28a395c3591e04de515651dd74f298fa992d1507a97",
            &[HOST, twice, twice, ("My-Header1", "value1")],
            "service",
            3600,
        ),
    ];
    for (query, headers, service, seconds) in cases {
        let request = Request {
            method: "GET",
            path: "/",
            query,
            headers,
            body: b"",
        };
        for (offset_ms, expected) in [
            (0, Ok(())),
            (-300_000, Ok(())),
            (-300_001, Err(Why::Skewed)),
            (seconds * 1000 - 1, Ok(())),
            (seconds * 1000, Err(Why::Expired)),
        ] {
            let verified = verify(&request, service, SIGNED_MS + offset_ms);
            assert_eq!(verified, expected, "{query} at {offset_ms}");
        }
        assert_eq!(verify(&request, "sts", SIGNED_MS), Err(Why::Service));
    }
}

#[test]
fn five_minutes_are_the_most_that_clocks_may_differ() {
    let authorization = authorization(PLAIN, EMPTY_GET);
    let headers = [HOST, DATE, ("authorization", authorization.as_str())];
    let request = get(&headers);
    for (now_ms, expected) in [
        (SIGNED_MS - 300_000, Ok(())),
        (SIGNED_MS + 300_000, Ok(())),
        (SIGNED_MS - 300_001, Err(Why::Skewed)),
        (SIGNED_MS + 300_001, Err(Why::Skewed)),
        (i64::MIN, Err(Why::Skewed)),
        (i64::MAX, Err(Why::Skewed)),
    ] {
        assert_eq!(verify(&request, "service", now_ms), expected, "{now_ms}");
    }
    let other = SecretKey::new("another".to_owned().into());
    let read = Authorization::read(&request).unwrap().unwrap();
    let denied = read
        .verify(&request, "service", &other, SIGNED_MS)
        .unwrap_err();
    assert_eq!(denied, Denied::from(Why::Signature));
    assert_eq!(
        denied.to_string(),
        "the signature of the request is not accepted"
    );
    assert_eq!(
        (read.access_key(), read.region()),
        ("AKIDEXAMPLE", "us-east-1")
    );
    assert_eq!(format!("{other:?}"), "SecretKey(redacted)");
}

#[test]
fn what_has_to_be_signed_is_signed_or_the_request_refused() {
    let plain = authorization(PLAIN, EMPTY_GET);
    let no_host = authorization("x-amz-date", EMPTY_GET);
    let absent = authorization("host;missing;x-amz-date", EMPTY_GET);
    let base = [HOST, DATE];
    let hash = ("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD");
    for (authorization, more, body, expected) in [
        (&plain, None, "", Ok(())),
        (
            &plain,
            Some(("X-Amz-Security-Token", "t")),
            "",
            Err(Why::Unsigned),
        ),
        (
            &plain,
            Some(("x-amz-target", "secretsmanager.ListSecrets")),
            "",
            Err(Why::Unsigned),
        ),
        (&plain, Some(("X-Amzn-Trace-Id", "t")), "", Ok(())),
        (&no_host, None, "", Err(Why::Unsigned)),
        (&absent, None, "", Err(Why::Unsigned)),
        (&plain, Some(hash), "", Err(Why::Unsigned)),
        (&plain, Some(hash), "x", Err(Why::Payload)),
        (
            &plain,
            Some(("X-Amz-Content-Sha256", "00")),
            "",
            Err(Why::Payload),
        ),
    ] {
        let mut headers = base.to_vec();
        headers.push(("authorization", authorization));
        headers.extend(more);
        let request = Request {
            body: body.as_bytes(),
            ..get(&headers)
        };
        assert_eq!(
            verify(&request, "service", SIGNED_MS),
            expected,
            "{more:?} {body}"
        );
    }
}

#[test]
fn authorizations_of_another_form_are_refused() {
    let good = authorization(PLAIN, EMPTY_GET);
    let read = |authorization: &str, time: &str| {
        let headers = [HOST, ("X-Amz-Date", time), ("Authorization", authorization)];
        Authorization::read(&get(&headers)).map_err(|denied| denied.why())
    };
    assert!(read(&good, DATE.1).unwrap().is_some());
    for (old, new) in [
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
        ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256"),
        ("Credential=", "credential="),
        ("/aws4_request", "/aws5_request"),
        ("/service/", "/"),
        ("/service/", "/service/x/"),
        ("/us-east-1/", "//"),
        ("AKIDEXAMPLE", ""),
        ("AKIDEXAMPLE", "AKID EXAMPLE"),
        ("/20150830/", "/20150831/"),
        ("/20150830/", "/2015083/"),
        ("host;x-amz-date", "x-amz-date;host"),
        ("host;x-amz-date", "host;host"),
        ("host;x-amz-date", "Host;x-amz-date"),
        ("host;x-amz-date", ""),
        ("SignedHeaders=", "SignedHeaders=host, SignedHeaders="),
        ("Signature=5f", "Signature=5F"),
        ("Signature=5f", "Signature="),
        (", Signature=", ", Extra=1, Signature="),
    ] {
        let refused = read(&good.replace(old, new), DATE.1);
        assert!(
            matches!(refused, Err(Why::Form(_))),
            "{old} to {new}: {refused:?}"
        );
    }
    for time in [
        "",
        "20150830T123600",
        "20150830T126000Z",
        "20150830t123600z",
        "2015830T123600Z",
    ] {
        assert_eq!(read(&good, time), Err(Why::Form("the time")), "{time}");
    }
    let headers = [
        HOST,
        DATE,
        ("Authorization", &good),
        ("authorization", &good),
    ];
    let twice = Authorization::read(&get(&headers)).unwrap_err();
    assert_eq!(twice.why(), Why::Twice);
    let presigned = Request {
        query: "X-Amz-Signature=00",
        ..get(&headers[..3])
    };
    assert_eq!(
        Authorization::read(&presigned).unwrap_err().why(),
        Why::Twice
    );
    assert!(Authorization::read(&get(&[HOST])).unwrap().is_none());
}

#[test]
fn presigned_queries_of_another_form_are_refused() {
    let good = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20150830%2Fr%2Fs%2F\
        aws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=604800&X-Amz-SignedHeaders=host&\
        X-Amz-Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let read = |query: &str| {
        let headers = [HOST];
        let request = Request {
            query,
            ..get(&headers)
        };
        Authorization::read(&request).map_err(|denied| denied.why())
    };
    let token = format!("{good}&X-Amz-Security-Token=a%2Bb");
    let token = read(&token).unwrap().unwrap();
    assert_eq!(token.security_token(), Some("a+b"));
    for (old, new) in [
        ("Expires=604800", "Expires=604801"),
        ("Expires=604800", "Expires=0"),
        ("Expires=604800", "Expires=+1"),
        ("Expires=604800", "Expires="),
        ("Expires=604800", "Expires=99999999999999999999"),
        ("&X-Amz-Expires=604800", ""),
        ("&X-Amz-Date=20150830T123600Z", ""),
        (
            "Algorithm=AWS4-HMAC-SHA256",
            "Algorithm=AWS4-ECDSA-P256-SHA256",
        ),
        ("&X-Amz-Date", "&X-Amz-Date=20150830T123600Z&X-Amz-Date"),
        ("%2F", "%2"),
        ("%2F", "%FF"),
    ] {
        let refused = read(&good.replace(old, new));
        assert!(
            matches!(refused, Err(Why::Form(_))),
            "{old} to {new}: {refused:?}"
        );
    }
    let headers = [HOST, ("X-Amz-Security-Token", "t")];
    let request = Request {
        query: good,
        ..get(&headers)
    };
    let refused = Authorization::read(&request).unwrap_err();
    assert_eq!(refused.why(), Why::Form("the security token"));
}

#[test]
fn a_request_keeps_its_bounds() {
    let many = vec![("a", "b"); 101];
    let long = "a".repeat(65_537);
    let parameters = "a&".repeat(101);
    for (request, expected) in [
        (get(&many), Why::TooLong),
        (
            Request {
                path: &long,
                ..get(&[])
            },
            Why::TooLong,
        ),
        (
            Request {
                query: &long,
                ..get(&[])
            },
            Why::TooLong,
        ),
        (get(&[("a", &long)]), Why::TooLong),
        (
            Request {
                query: &parameters,
                ..get(&[])
            },
            Why::Form("the query"),
        ),
    ] {
        assert_eq!(Authorization::read(&request).unwrap_err().why(), expected);
    }
}

fn get<'a>(headers: &'a [(&'a str, &'a str)]) -> Request<'a> {
    Request {
        method: "GET",
        path: "/",
        query: "",
        headers,
        body: b"",
    }
}
