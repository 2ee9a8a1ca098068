//! Every bound on policies and tokens. A document is held to them when it is parsed; deciding over
//! parsed ones then takes bounded time.

/// Bytes of a document's text, white space included, whatever it is attached to.
pub const POLICY_TEXT_BYTES_MAX: usize = 131_072;
/// Characters of an identity policy or a boundary that are not white space.
pub const IDENTITY_POLICY_CHARS_MAX: usize = 6144;
/// Characters of a resource policy, white space included.
pub const RESOURCE_POLICY_CHARS_MAX: usize = 20_480;
/// Characters of a session policy, white space included.
pub const SESSION_POLICY_CHARS_MAX: usize = 2048;
/// Characters of a trust policy that are not white space: as many as AWS lets its quota be raised
/// to from 2,048.
pub const TRUST_POLICY_CHARS_MAX: usize = 4096;
/// Characters of an endpoint policy, white space included.
pub const ENDPOINT_POLICY_CHARS_MAX: usize = 20_480;
/// Condition keys of one statement, over all its operators.
pub const CONDITIONS_MAX: usize = 128;
/// Values of one list: of actions, resources, principals, or of a condition key.
pub const VALUES_MAX: usize = 1024;
/// Bytes of one value: an action, a resource, a principal, a condition's key or value, a Sid.
pub const VALUE_BYTES_MAX: usize = 2048;
/// Variables in one value.
pub const VARIABLES_MAX: usize = 16;
/// How deep the JSON of a document may be nested: a policy itself needs six.
pub const JSON_DEPTH_MAX: usize = 16;
/// Findings that the validation of one document names; it stops there.
pub const FINDINGS_MAX: usize = 100;

/// Bytes of a token of an OpenID Connect issuer.
pub const JWT_BYTES_MAX: usize = 16_384;
/// Milliseconds by which the clock of an issuer may differ from ours. An expiry has no leeway.
pub const JWT_LEEWAY_MS: i64 = 60_000;
/// Milliseconds for which a token may be valid, besides the leeway: a day.
pub const JWT_LIFETIME_MS_MAX: i64 = 86_400_000;
/// Bytes of an issuer.
pub const JWT_ISSUER_BYTES_MAX: usize = 255;
/// Bytes of a token's subject: those of Kubernetes have up to 339.
pub const JWT_SUBJECT_BYTES_MAX: usize = 512;
/// Audiences that one token may name.
pub const JWT_AUDIENCES_MAX: usize = 64;
/// Methods of authentication that one token may name.
pub const JWT_METHODS_MAX: usize = 16;
/// Bytes of an issuer's key set.
pub const JWKS_BYTES_MAX: usize = 65_536;
/// Keys of an issuer, those of unknown kinds included.
pub const JWKS_KEYS_MAX: usize = 64;
/// Bytes of the id of an issuer's key.
pub const JWKS_KEY_ID_BYTES_MAX: usize = 256;
/// Bits of an RSA key, at least.
pub const JWKS_RSA_BITS_MIN: usize = 2048;
/// Bits of an RSA key, at most.
pub const JWKS_RSA_BITS_MAX: usize = 8192;

/// Milliseconds that a session may last: twelve hours.
pub const SESSION_MS_MAX: i64 = 43_200_000;
/// Milliseconds that a session may last which was made from another session: an hour.
pub const SESSION_CHAINED_MS_MAX: i64 = 3_600_000;
/// Seconds that a session has to last, at least.
pub const SESSION_SECONDS_MIN: u32 = 900;
/// Seconds that a session lasts if nobody says how long.
pub const SESSION_SECONDS_DEFAULT: u32 = 3600;
/// Milliseconds by which the clock of the region that issued a session may be ahead.
pub const SESSION_LEEWAY_MS: i64 = 60_000;
/// Bytes of the content of a session. Its token has then up to 7,003 characters, which fits
/// the 8 KiB that proxies allow a header.
pub const SESSION_BYTES_MAX: usize = 5_120;
/// Bytes by which the sealed content may be longer than the content.
pub const SESSION_SEAL_BYTES_MAX: usize = 32;
/// Sessions that a session was made from, one from another.
pub const SESSION_CHAIN_MAX: usize = 8;
/// Regions that a session may be confined to.
pub const SESSION_REGIONS_MAX: usize = 32;
/// Characters of a region's name.
pub const SESSION_REGION_CHARS_MAX: usize = 128;
/// Managed policies that a session may be confined by.
pub const SESSION_POLICY_ARNS_MAX: usize = 10;
/// Bytes of an ARN in a session.
pub const SESSION_ARN_BYTES_MAX: usize = 2048;
/// Characters of the unique id of a user, role or access key.
pub const SESSION_UNIQUE_ID_CHARS_MAX: usize = 128;
/// Characters of the name of a session, and of a source identity, at least.
pub const SESSION_NAME_CHARS_MIN: usize = 2;
/// Characters of the name of a session, of a source identity, and of a role.
pub const SESSION_NAME_CHARS_MAX: usize = 64;
/// Session tags.
pub const SESSION_TAGS_MAX: usize = 50;
/// Characters of the key of a session tag.
pub const SESSION_TAG_KEY_CHARS_MAX: usize = 128;
/// Characters of the value of a session tag.
pub const SESSION_TAG_VALUE_CHARS_MAX: usize = 256;
/// Milliseconds since 1970 that there are: the year 9999 is the last with four digits.
pub const SESSION_TIME_MS_MAX: i64 = 253_402_207_200_000;

/// Milliseconds by which the clock of a caller that signs may differ from ours: five minutes.
pub const SIGV4_SKEW_MS_MAX: i64 = 300_000;
/// Seconds for which a presigned request may be good: seven days.
pub const SIGV4_EXPIRY_SECONDS_MAX: i64 = 604_800;
/// Headers of a signed request.
pub const SIGV4_HEADERS_MAX: usize = 100;
/// Parameters in the query of a signed request.
pub const SIGV4_PARAMETERS_MAX: usize = 100;
/// Bytes of a signed request without its body.
pub const SIGV4_REQUEST_BYTES_MAX: usize = 65_536;
/// Characters of the id of an access key.
pub const SIGV4_ACCESS_KEY_CHARS_MAX: usize = 128;
/// Bytes of the region, and of the service, in a credential scope.
pub const SIGV4_SCOPE_BYTES_MAX: usize = 128;
