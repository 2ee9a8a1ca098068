//! The bounds of this crate, units last. What an operator may move is in `config` instead.

/// Refusals of callers that nobody vouches for that are recorded one by one at once.
pub const STRANGER_RECORDS_BURST: u32 = 100;
/// Time in which one more is; what is above that is counted.
pub const STRANGER_RECORDS_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);
/// Records on a page of a search of the audit trail when no number is given.
pub const AUDIT_PAGE_DEFAULT: usize = 100;
/// Streams of audit records open at once.
pub const AUDIT_TAILS_MAX: usize = 16;
/// Pause between two looks for records to stream.
pub const AUDIT_TAIL_PAUSE: std::time::Duration = std::time::Duration::from_millis(200);
/// Longest silence of such a stream: then an empty message says that it goes on.
pub const AUDIT_TAIL_SILENCE: std::time::Duration = std::time::Duration::from_secs(5);
/// Longest time for which audit records are said to be kept.
pub const AUDIT_KEPT_MAX: std::time::Duration =
    std::time::Duration::from_secs(20 * 366 * 24 * 60 * 60);
/// Items on a page of a list of identities, or of what belongs to them, when none are named.
pub const ENTITY_PAGE_ITEMS_DEFAULT: usize = 100;
/// Most items on such a page.
pub const ENTITY_PAGE_ITEMS_MAX: usize = 1000;
/// Most identities that are looked at for one page.
pub const LOOKS_PER_PAGE_MAX: usize = 5000;
/// Most identities of which one page says what they may do.
pub const JUDGED_PER_PAGE_MAX: usize = 1000;
/// Longest path of an identity, or beginning of one, in characters.
pub const PATH_CHARS_MAX: usize = machine::limits::ENTITY_PATH_CHARS_MAX;
/// Longest description of a managed policy, in characters.
pub const POLICY_DESCRIPTION_CHARS_MAX: usize = 1000;
/// Most regions in which an identity or a credential is said to count.
pub const COUNTED_REGIONS_MAX: usize = machine::limits::REGIONS_MAX;
/// Longest session of a role that is said nothing else of.
pub const SESSION_DEFAULT: std::time::Duration = std::time::Duration::from_secs(60 * 60);
/// Longest session there is: so long is one kept in mind that was revoked.
pub const SESSION_LONGEST: std::time::Duration = std::time::Duration::from_secs(12 * 60 * 60);
/// Time for which a certificate is kept in mind that was revoked, if nobody says when it expires.
pub const CERTIFICATE_REVOKED: std::time::Duration =
    std::time::Duration::from_secs(3653 * 24 * 60 * 60);
/// Random bytes of an access key's secret: 40 characters.
pub const ACCESS_KEY_SECRET_BYTES: usize = 30;
/// Characters of an access key's id behind `AKIA`.
pub const ACCESS_KEY_DIGITS: usize = 16;
/// Most actions that one question about policies is of.
pub const ASKED_ACTIONS_MAX: usize = 100;
/// Most resources that it is of.
pub const ASKED_RESOURCES_MAX: usize = 100;
/// Most pairs of an action and a resource that it is of.
pub const ASKED_PAIRS_MAX: usize = 1000;
/// Most condition keys that it gives, and most values of one.
pub const ASKED_KEYS_MAX: usize = 100;
/// Longest action, resource, condition key or value that it gives, in bytes.
pub const ASKED_BYTES_MAX: usize = 2048;
/// Most documents that it gives.
pub const ASKED_POLICIES_MAX: usize = 10;
/// Longest name of a resource policy, in characters.
pub const POLICY_NAME_CHARS_MAX: usize = 64;
/// Most items on a page of a list.
pub const PAGE_ITEMS_MAX: usize = 100;
/// Most secrets in one batch.
pub const BATCH_ITEMS_MAX: usize = 20;
/// Times that a write is granted, whose grounds move while it is made.
pub const AUTHORIZATIONS_MAX: usize = 3;
/// Longest token of a session, in characters, with room.
pub const BEARER_CHARS_MAX: usize = 7168;
/// Tokens of sessions remembered at once as they were opened.
pub const TOKENS_MAX: usize = 10_000;
/// Callers remembered at once.
pub const CALLERS_MAX: usize = 10_000;
/// Parsed policies remembered at once.
pub const DOCUMENTS_MAX: usize = 10_000;
/// Most filters in one call.
pub const FILTERS_MAX: usize = 10;
/// Most values of one filter.
pub const FILTER_VALUES_MAX: usize = 10;
/// Longest value of a filter, in characters.
pub const FILTER_VALUE_CHARS_MAX: usize = 512;
/// Longest paging token, in characters.
pub const NEXT_TOKEN_CHARS_MAX: usize = 4096;
/// Longest description, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 2048;
/// Longest way to name a key, in characters.
pub const KMS_KEY_ID_CHARS_MAX: usize = 2048;
/// Largest value of a secret.
pub const VALUE_BYTES_MAX: usize = 65_536;
/// Most labels named in one call.
pub const LABELS_MAX: usize = 20;
/// Shortest and longest idempotency token, in characters.
pub const TOKEN_CHARS: std::ops::RangeInclusive<usize> = 32..=64;
/// Most tags, or tag keys, named in one call.
pub const TAGS_MAX: usize = 50;
/// Longest tag key, in characters.
pub const TAG_KEY_CHARS_MAX: usize = 128;
/// Longest tag value, in characters.
pub const TAG_VALUE_CHARS_MAX: usize = 256;
/// Shortest and longest recovery window.
pub const RECOVERY_WINDOW_DAYS: std::ops::RangeInclusive<i64> = 7..=30;
/// Recovery window of a delete that names none.
pub const RECOVERY_WINDOW_DAYS_DEFAULT: u32 = 30;
/// Longest generated password, in characters.
pub const PASSWORD_CHARS_MAX: i64 = 4096;
/// Length of a generated password when none is named, in characters.
pub const PASSWORD_CHARS_DEFAULT: i64 = 32;
/// Longest list of characters to leave out of a password.
pub const PASSWORD_EXCLUDED_CHARS_MAX: usize = 4096;
/// Calls of strangers worked on at once.
pub const STRANGER_REQUESTS_MAX: usize = 64;
/// Longest deadline of a call that anybody may make.
pub const STRANGER_DEADLINE: std::time::Duration = std::time::Duration::from_secs(1);
/// Connections to the operations port at once; more wait.
pub const PROBES_MAX: usize = 256;
/// Time one connection to the operations port has for its request and the answer.
pub const PROBE_DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);
/// Pause after which a watch without a change says that it lives.
pub const WATCH_HEARTBEAT: std::time::Duration = std::time::Duration::from_secs(15);
/// Time a watch waits for its reader to take a message; then the stream ends.
pub const WATCH_PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
/// Time a watch gives its reader for all changes between two states, however many there are.
pub const WATCH_LOOK_PATIENCE: std::time::Duration = std::time::Duration::from_secs(600);
/// Views one call is answered from, if a change came between two looks at the one before.
pub const VIEWS_MAX: usize = 3;
/// Secrets purged between two looks for more.
pub const PURGES_MAX: usize = 100;
/// Highest number of calls, connections or watches that can be configured.
pub const COUNT_MAX: usize = 1_000_000;
/// Longest duration that can be configured: a year.
pub const DURATION_MAX: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 60 * 60);
/// Pause of a background task after a failure.
pub const TASK_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);
/// Time one proposal of a background task may take.
pub const TASK_DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);
/// Bytes of versions of a copy that one entry holds sealed anew, their keys counted: well below the
/// limit of an entry.
pub const RESEALED_STEP_BYTES: usize = 3 << 20;
/// Entries by which one call has a copy's versions kept; a copy has fewer.
pub const RESEALED_STEPS_MAX: usize = 32;
/// Time after which versions that were kept for a copy to be detached are forgotten: whoever wanted
/// it has given up.
pub const RESEALED_KEPT: std::time::Duration = std::time::Duration::from_secs(10 * 60);
/// Pause between two looks for such versions.
pub const RESEALED_INTERVAL: std::time::Duration = std::time::Duration::from_secs(60);
/// Pause between two looks whether a key for sessions is to be made.
pub const SESSION_KEY_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);
/// Time for which one session key seals, before the next one is made. It opens for as long again:
/// no session lasts longer, less the time below.
pub const SESSION_KEY_PERIOD: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);
/// Time after which a new session key seals, if there is one before it: as long a region may follow
/// the root feed behind, and still take the sessions of others.
pub const SESSION_KEY_SETTLES: std::time::Duration = std::time::Duration::from_secs(60 * 60);
/// Pause between two looks for learners that have caught up.
pub const PROMOTE_INTERVAL: std::time::Duration = std::time::Duration::from_millis(500);
/// Pause between two looks whether a feed wants a checkpoint (R4).
pub const CHECKPOINT_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);
/// Pause between two looks at the free space of the disk.
pub const SPACE_WATCH_INTERVAL: std::time::Duration = std::time::Duration::from_millis(500);
/// Pause between two confirmations that the local state is current.
pub const CONFIRM_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);
/// First reads of a day that wait to be recorded; more are recorded only if read again.
pub const ACCESSES_WAITING_MAX: usize = 100_000;
/// First reads recorded by one entry.
pub const ACCESSES_BATCH_MAX: usize = 1_000;
/// Sources whose attempts with tokens are counted; others are refused meanwhile.
pub const ATTEMPTS_SOURCES_MAX: usize = 1024;
/// Attempts to join of one source in the time below.
pub const JOIN_ATTEMPTS_MAX: u32 = 20;
/// Time after which the attempts of a source are counted anew.
pub const ATTEMPTS_WINDOW: std::time::Duration = std::time::Duration::from_secs(60);
/// Attempts of one source to log in with the token of an issuer, in that time.
pub const LOGIN_ATTEMPTS_MAX: u32 = 600;
/// Calls with tokens of issuers worked on at once.
pub const LOGIN_REQUESTS_MAX: usize = 64;
/// Of these, those of one source.
pub const SOURCE_LOGINS_MAX: usize = 16;
/// Longest external id of an AssumeRole, in characters, and the shortest.
pub const EXTERNAL_ID_CHARS: std::ops::RangeInclusive<usize> = 2..=1224;
/// Key sets of issuers remembered at once as they were parsed.
pub const ISSUERS_MAX: usize = 1000;
/// Issuers whose keys wait to be fetched because a token named one that is not known.
pub const ISSUERS_WANTED_MAX: usize = 1000;
/// Shortest time between two fetches of the keys of one issuer.
pub const ISSUER_PAUSE: std::time::Duration = std::time::Duration::from_secs(60);
/// Pause between two looks for issuers whose keys are to be fetched.
pub const ISSUERS_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);
/// Issuers whose keys are fetched at once.
pub const ISSUERS_AT_ONCE: usize = 8;
/// Time that one document of an issuer has to come.
pub const ISSUER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
/// Largest document of an issuer that says where its keys are.
pub const DISCOVERY_BYTES_MAX: usize = 64 << 10;
/// Longest and shortest pause between two questions of how old the root feed is.
pub const IDENTITY_AGE_INTERVAL: std::ops::RangeInclusive<std::time::Duration> =
    std::time::Duration::from_millis(100)..=std::time::Duration::from_secs(30);
/// Addresses of a primary region's nodes that a refusal tells.
pub const ADDRESSES_TOLD_MAX: usize = 8;
/// Calls of regions that would be linked worked on at once.
pub const LINK_REQUESTS_MAX: usize = 8;
/// Longest deadline of such a call.
pub const LINK_DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);
/// Calls of one linked region that are read, or not yet answered, at once: more than it makes. Each
/// may take the memory of a whole message before its service sees it.
pub const REGION_CALLS_MAX: usize = 24;
/// Most regions named in one call.
pub const REPLICA_REGIONS_MAX: usize = machine::limits::REGIONS_MAX;
/// Longest way to name a key of another region, in characters.
pub const KEY_NAME_CHARS_MAX: usize = machine::limits::KEY_NAME_CHARS_MAX;
/// Time for which what the leader said of the age of feeds is used again.
pub const AGES_KEPT: std::time::Duration = std::time::Duration::from_millis(100);
/// Longest wait for the leader to say how old feeds are.
pub const AGES_TIMEOUT: std::time::Duration = std::time::Duration::from_millis(250);
/// Pause between two looks whether a state is as fresh as was asked for.
pub const FRESH_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
/// Streams of regions open at once.
pub const REGION_WATCHES_MAX: usize = 16;
/// Shortest pause between two messages of one of them, and the longest pause.
pub const REGION_WATCH_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);
/// Longest wait for the state of one node before the rules of an upgrade are turned on.
pub const NODE_STATUS_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(3);
/// Pause between two looks for secrets that came here without a change of their feed.
pub const WATCH_COMPARE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(2);
/// Calls handed on to other regions, or taken from them, at once.
pub const FORWARDS_MAX: usize = 64;
/// Largest message of a call that is handed on: a request, sealed, with room.
pub const FORWARD_BYTES_MAX: usize = 320 << 10;
/// Most bytes of words and details of another region's refusal: they are headers of the answer.
pub const FORWARD_REFUSAL_BYTES_MAX: usize = 6 << 10;
/// Longest wait for each message of a call that is handed on.
pub const FORWARD_OPEN_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
/// Time before its deadline at which a call for a fresher state is told how old it is.
pub const FRESH_MARGIN: std::time::Duration = std::time::Duration::from_millis(100);
/// Pause between two looks whether this node's certificate is to be renewed.
pub const RENEWAL_LOOK_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);
/// Longest pause before a renewal that failed is tried again.
pub const RENEWAL_PAUSE_MAX: std::time::Duration = std::time::Duration::from_secs(600);
/// Longest wait for the leader to sign.
pub const RENEWAL_CALL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(3);
/// Time for which a node knows of a new issuer before it has that one sign for it: by then the
/// others know it too.
pub const ISSUER_SETTLE: std::time::Duration = std::time::Duration::from_secs(5);
/// Pause before connections are looked through for those whose callers have lost their right.
pub const SEVER_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);
/// Pause between two looks at how long certificates last.
pub const EXPIRY_LOOK_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);
/// Shortest life of a renewed certificate that can be configured.
pub const CERTIFICATE_LIFETIME_MIN: std::time::Duration = std::time::Duration::from_secs(30);
