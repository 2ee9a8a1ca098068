//! Every bound of the machine. `decide` checks them all, whatever an entry claims to hold.

/// A day, in milliseconds.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// The highest stamp, the end of the year 9999.
pub const STAMP_MS_MAX: u64 = 253_402_300_799_999;

/// Characters of a secret's name.
pub const NAME_CHARS_MAX: usize = 512;
/// Characters of a `SecretId`.
pub const SECRET_ID_CHARS_MAX: usize = 2048;
/// Characters of a description.
pub const DESCRIPTION_CHARS_MAX: usize = 2048;
/// Fewest characters of a version id.
pub const VERSION_ID_CHARS_MIN: usize = 32;
/// Characters of a version id.
pub const VERSION_ID_CHARS_MAX: usize = 64;
/// Characters of a staging label.
pub const LABEL_CHARS_MAX: usize = 256;
/// Staging labels of one secret, over all its versions.
pub const LABELS_MAX: usize = 20;
/// Versions without a label that a secret keeps; above it the oldest are pruned.
pub const UNLABELLED_VERSIONS_MAX: usize = 100;
/// Bytes of a value before it is sealed.
pub const VALUE_BYTES_MAX: usize = 65_536;
/// Bytes that sealing adds to a value.
pub const SEAL_BYTES_MAX: usize = 64;
/// Bytes of a wrapped key.
pub const WRAPPED_KEY_BYTES_MAX: usize = 4096;
/// Tags of one secret.
pub const TAGS_MAX: usize = 50;
/// Characters of a tag's key.
pub const TAG_KEY_CHARS_MAX: usize = 128;
/// Characters of a tag's value.
pub const TAG_VALUE_CHARS_MAX: usize = 256;
/// Secrets of one account in one region.
pub const SECRETS_MAX: usize = 500_000;
/// Shortest recovery window, in days.
pub const RECOVERY_WINDOW_DAYS_MIN: u32 = 7;
/// Longest recovery window, in days.
pub const RECOVERY_WINDOW_DAYS_MAX: u32 = 30;

/// Rows one decision may say it has seen.
pub const SEEN_ROWS_MAX: usize = 256;
/// The same of a command to a machine before version 4.
pub const SEEN_ROWS_BEFORE_ACCESS_MAX: usize = 64;
/// Versions one `RecordAccess` may name.
pub const TOUCHED_MAX: usize = 10_000;
/// Characters of a caller's identity, a client name or an address.
pub const IDENTITY_CHARS_MAX: usize = 512;
/// Characters of a key's alias.
pub const KEY_ALIAS_CHARS_MAX: usize = 256;
/// Versions of one KMS key.
pub const KEY_VERSIONS_MAX: usize = 1024;
/// Join tokens, used or not, that have not expired.
pub const JOIN_TOKENS_MAX: usize = 256;
/// Member nodes of a region.
pub const NODES_MAX: usize = 64;
/// Tombstones of purged secrets in a feed; above it the oldest are forgotten.
pub const TOMBSTONES_MAX: usize = 100_000;
/// Nodes that are members or were removed: so many are ever admitted to a region.
pub const NODES_EVER_MAX: usize = 65_536;
/// Tombstones that one entry may forget.
pub const FORGOTTEN_MAX: usize = 64;
/// Characters of a region's name.
pub const REGION_CHARS_MAX: usize = 128;
/// Positions in one token: of the home feed of every region, and of the root feed.
pub const TOKEN_POSITIONS_MAX: usize = REGIONS_MAX + 1;
/// Characters of an encoded token.
pub const TOKEN_CHARS_MAX: usize = 16_384;

/// Journal rows a feed keeps; above it the oldest go, whoever follows.
pub const JOURNAL_ROWS_MAX: u64 = 65_536;
/// Journal bytes a feed keeps; above it the oldest rows go, whoever follows.
pub const JOURNAL_BYTES_MAX: u64 = 64 << 20;
/// Journal rows one entry may drop.
pub const TRIM_ROWS_MAX: u64 = 4096;

/// Regions a cluster ever has, unlinked ones included.
pub const REGIONS_MAX: usize = 64;
/// Nodes the directory names of one region.
pub const REGION_NODES_MAX: usize = 16;
/// Issuer certificates the directory has of one region.
pub const AUTHORITIES_MAX: usize = 4;
/// Bytes of an issuer's private key once it is sealed: RSA of 4096 bits, with room.
pub const ISSUER_SEALED_BYTES_MAX: usize = 4096;
/// Keys of former issuers that are known to be trusted no more.
pub const ISSUERS_RETIRED_MAX: usize = 32;
/// Bytes of one issuer certificate.
pub const AUTHORITY_BYTES_MAX: usize = 4096;
/// Link tokens, used or not, that have not expired.
pub const LINK_TOKENS_MAX: usize = 64;
/// Characters of a key as a caller names it for another region.
pub const KEY_NAME_CHARS_MAX: usize = 2048;
/// Characters of a reason that a region gives.
pub const MESSAGE_CHARS_MAX: usize = 1024;
/// Changes or rows of another region in one entry.
pub const IMPORTED_MAX: usize = 1000;
/// Bytes of a feed row as another region sent it.
pub const IMPORTED_ROW_BYTES_MAX: usize = 256 * 1024;
/// How much higher a ballot may be than the one before: one region cannot use them all up.
pub const BALLOT_STEP_MAX: u64 = 1024;
/// The highest ordinal that another region may give a row.
pub const ORDINAL_MAX: u64 = u64::MAX >> 1;
/// Bytes of a snapshot that are kept beside the feed it will replace; the rest is fetched after.
pub const STAGED_BYTES_MAX: u64 = 64 << 20;
/// Rows that one entry removes of a snapshot that is given up.
pub const UNSTAGED_MAX: usize = 4096;
/// Copies of which versions are kept, sealed anew, until they are detached. One that has begun
/// always has room for the rest of its versions.
pub const RESEALED_COPIES_MAX: usize = 8;
/// Rows of one feed. Another region can bring no more here, whatever it sends.
pub const FEED_ROWS_MAX: u64 = 16_000_000;
/// Bytes of one feed's rows without its values, which may leave memory.
pub const FEED_BYTES_MAX: u64 = 4 << 30;
/// Versions that a region takes in of one secret of another's: more than any primary keeps, with
/// what promotions may have left.
pub const VERSIONS_TAKEN_MAX: usize = 512;
/// Versions that a region knows of one secret of another's, by their commitments too.
pub const VERSIONS_KNOWN_MAX: usize = 4096;
/// Secrets of one name in a region that receives every secret.
pub const NAMESAKES_MAX: usize = 256;
/// Bytes of a header as another region sent it.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Rows that one bucket of a feed hash is mended with.
pub const BUCKET_ROWS_MAX: usize = 8192;
/// Bytes of these rows, of which one entry has to hold all.
pub const BUCKET_BYTES_MAX: usize = 7 << 19;

/// Accounts of a cluster.
pub const ACCOUNTS_MAX: usize = 1000;
/// Characters of an account's name.
pub const ACCOUNT_NAME_CHARS_MAX: usize = 50;
/// Users of an account.
pub const USERS_MAX: usize = 5000;
/// Groups of an account.
pub const GROUPS_MAX: usize = 300;
/// Roles of an account.
pub const ROLES_MAX: usize = 1000;
/// Managed policies of an account.
pub const POLICIES_MAX: usize = 1500;
/// OpenID Connect providers of an account.
pub const PROVIDERS_MAX: usize = 100;
/// Characters of a policy's name.
pub const ENTITY_NAME_CHARS_MAX: usize = 128;
/// Characters of the name of a user, a group or a role.
pub const IDENTITY_NAME_CHARS_MAX: usize = 64;
/// Characters of the path of an identity or a policy.
pub const ENTITY_PATH_CHARS_MAX: usize = 512;
/// Managed policies that are attached to one identity.
pub const ATTACHED_POLICIES_MAX: usize = 20;
/// Inline policies of one identity.
pub const INLINE_POLICIES_MAX: usize = 20;
/// Characters of all inline policies of one identity together.
pub const INLINE_POLICY_CHARS_MAX: usize = 10_240;
/// Groups that one user is in.
pub const GROUPS_OF_USER_MAX: usize = 10;
/// Characters of a managed policy, white space included.
pub const POLICY_CHARS_MAX: usize = 16_384;
/// Characters of a role's trust policy.
pub const TRUST_POLICY_CHARS_MAX: usize = 4096;
/// Characters of a secret's resource policy.
pub const RESOURCE_POLICY_CHARS_MAX: usize = 20_480;
/// The shortest that the longest session of a role may be, in seconds.
pub const SESSION_SECONDS_MIN: u32 = 900;
/// The longest session of a role, in seconds.
pub const SESSION_SECONDS_MAX: u32 = 43_200;
/// Characters of an access key's id.
pub const ACCESS_KEY_ID_CHARS: usize = 20;
/// Bytes of what a row of the root feed seals, once it is sealed: an access key's secret, or a
/// session key; and of the key by which a region signs sessions.
pub const ROOT_SEALED_BYTES_MAX: usize = 256;
/// Access keys of one user.
pub const ACCESS_KEYS_MAX: usize = 2;
/// Certificate bindings of one user or role.
pub const BINDINGS_MAX: usize = 20;
/// Characters of a URI in a certificate that is bound to an identity.
pub const BOUND_URI_CHARS_MAX: usize = 2048;
/// Characters of an issuer's URL.
pub const ISSUER_CHARS_MAX: usize = 255;
/// Audiences of one provider.
pub const AUDIENCES_MAX: usize = 100;
/// Characters of an audience.
pub const AUDIENCE_CHARS_MAX: usize = 255;
/// Bytes of a provider's keys, pinned or fetched.
pub const KEY_SET_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the certificates that a provider's server chains to.
pub const PROVIDER_AUTHORITY_BYTES_MAX: usize = 32 * 1024;
/// Revocations of a cluster that are not forgotten.
pub const REVOCATIONS_MAX: usize = 100_000;
/// Characters of the reason for a revocation.
pub const REASON_CHARS_MAX: usize = 256;
/// Characters of a session's id.
pub const SESSION_ID_CHARS_MAX: usize = 128;
/// Session keys that are kept: the newest, and those before, which still open what they sealed.
pub const SESSION_KEYS_MAX: usize = 2;
