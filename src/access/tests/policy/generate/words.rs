//! The words that cases are made of: few, so that they meet.

/// The account that owns what is asked for, and another.
pub const ACCOUNTS: &[&str] = &["111122223333", "444455556666"];

/// Names of secrets with their suffix; several look alike.
pub const SECRETS: &[&str] = &[
    "app/db-AbCdEf",
    "app/db-AbCdEg",
    "app/DB-AbCdEf",
    "app/dbx-AbCdEf",
    "app//db-AbCdEf",
    "app/../db-AbCdEf",
    "app%2fdb-AbCdEf",
    "app/db.-AbCdEf",
    "users/alice/key-a1b2c3",
    "users/bob/key-a1b2c3",
    "teams/pay/key-a1b2c3",
    "a*b-a1b2c3",
    "a?b-a1b2c3",
    "a:b-a1b2c3",
    "na\u{ef}ve-a1b2c3",
    "nai\u{308}ve-a1b2c3",
    "users/${aws:username}/key-a1b2c3",
];

/// Regions of ARNs.
pub const REGIONS: &[&str] = &["eu-west-1", "eu-west-2"];

/// Actions on a secret.
pub const ON_SECRETS: &[&str] = &[
    "secretsmanager:GetSecretValue",
    "secretsmanager:DescribeSecret",
    "secretsmanager:PutSecretValue",
    "secretsmanager:DeleteSecret",
    "secretsmanager:TagResource",
    "strongroom:Promote",
    "kms:Decrypt",
];

/// Actions without a resource.
pub const ON_NOTHING: &[&str] = &[
    "secretsmanager:ListSecrets",
    "secretsmanager:GetRandomPassword",
    "iam:ListUsers",
];

/// Names of users, of roles and of sessions.
pub const USERS: &[&str] = &["alice", "bob", "team/alice"];
/// Roles, one with a path.
pub const ROLES: &[&str] = &["reader", "writer", "team/reader"];
/// Sessions of roles.
pub const SESSIONS: &[&str] = &["s1", "s2"];
/// Services.
pub const SERVICES: &[&str] = &["rotation.strongroom.internal", "audit.strongroom.internal"];
/// Identity providers.
pub const PROVIDERS: &[&str] = &[
    "accounts.example.com",
    "arn:aws:iam::111122223333:saml-provider/corp",
];

/// The type of a key's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Text,
    Number,
    Time,
    Truth,
    Bytes,
    Address,
    Arn,
}

impl Type {
    /// What the report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Type::Text => "text",
            Type::Number => "number",
            Type::Time => "time",
            Type::Truth => "truth",
            Type::Bytes => "bytes",
            Type::Address => "address",
            Type::Arn => "arn",
        }
    }

    /// Values that a request may give.
    pub fn given(self) -> &'static [&'static str] {
        match self {
            Type::Text => &[
                "pay",
                "Pay",
                "core",
                "alice",
                "bob",
                "*",
                "p?y",
                "a*b",
                "${aws:username}",
                "app/db",
                "na\u{ef}ve",
            ],
            Type::Number => &[
                "0", "1", "7", "7.0", "9", "10", "30", "-3", "-10", "0.5", "10.25", "100",
            ],
            Type::Time => &[
                "2026-12-01T00:00:00Z",
                "2026-12-01T01:00:00+01:00",
                "2026-11-30T23:59:59Z",
                "2026-12-01",
                "1796083200",
                "1796083199",
                "2026-12-01T00:00:00.5Z",
                "2028-02-29T12:30Z",
                "999999999",
            ],
            Type::Truth => &["true", "false"],
            Type::Bytes => &["AAAA", "AAAB", "aaaa", "QUJD", "QQ==", "QUI="],
            Type::Address => &[
                "10.1.2.3",
                "10.1.2.127",
                "10.1.2.128",
                "10.1.3.0",
                "203.0.113.255",
                "203.0.114.0",
                "2001:db8::1",
                "2001:DB8:0:1::1",
                "::1",
            ],
            Type::Arn => &[
                "arn:aws:iam::111122223333:user/alice",
                "arn:aws:iam::111122223333:role/reader",
                "arn:aws:iam::444455556666:role/team/reader",
                "arn:aws:sns:eu-west-1:111122223333:topic/a/b",
                "arn:aws:sns:eu-west-1:111122223333:store:topic/a",
                "arn:aws:lambda:eu-west-1:111122223333:function:rotate",
            ],
        }
    }

    /// Values that only a policy has.
    pub fn wanted(self) -> &'static [&'static str] {
        match self {
            Type::Address => &[
                "10.1.2.0/24",
                "10.1.2.128/25",
                "10.1.2.3/31",
                "10.0.0.0/8",
                "203.0.113.0/24",
                "203.0.112.0/23",
                "0.0.0.0/0",
                "::/0",
                "2001:db8::/64",
                "2001:db8::/32",
                "10.1.2.3",
                "2001:db8::1",
                "2001:db8::2",
            ],
            Type::Arn => &[
                "arn:aws:iam::*:role/*",
                "arn:aws:*:*:*:*",
                "arn:aws:s*:eu-west-?:111122223333:topic/*",
                "arn:aws:sns:*:topic/a",
                "arn:aws:lambda:*:111122223333:function:*",
            ],
            other => other.given(),
        }
    }
}

/// A request key.
#[derive(Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub of: Type,
    pub multi: bool,
}

const fn one(name: &'static str, of: Type) -> Key {
    let multi = false;
    Key { name, of, multi }
}

const fn many(name: &'static str, of: Type) -> Key {
    let multi = true;
    Key { name, of, multi }
}

/// The keys: of every type, with one value and with several.
pub const KEYS: &[Key] = &[
    one("aws:username", Type::Text),
    one("aws:PrincipalTag/team", Type::Text),
    one("aws:ResourceTag/team", Type::Text),
    one("secretsmanager:VersionStage", Type::Text),
    one("secretsmanager:RecoveryWindowInDays", Type::Number),
    one("aws:MultiFactorAuthAge", Type::Number),
    one("aws:CurrentTime", Type::Time),
    one("aws:TokenIssueTime", Type::Time),
    one("aws:SecureTransport", Type::Truth),
    one("aws:MultiFactorAuthPresent", Type::Truth),
    one("strongroom:Digest", Type::Bytes),
    one("aws:SourceIp", Type::Address),
    one("aws:PrincipalArn", Type::Arn),
    one("aws:SourceArn", Type::Arn),
    many("aws:TagKeys", Type::Text),
    many("secretsmanager:AddReplicaRegions", Type::Text),
    many("strongroom:Numbers", Type::Number),
    many("strongroom:Times", Type::Time),
    many("strongroom:Truths", Type::Truth),
    many("strongroom:Digests", Type::Bytes),
    many("strongroom:Addresses", Type::Address),
    many("strongroom:Arns", Type::Arn),
];
