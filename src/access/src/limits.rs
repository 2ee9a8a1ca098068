//! Every bound on policies. A document is held to them when it is parsed; deciding over parsed
//! ones then takes bounded time.

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
