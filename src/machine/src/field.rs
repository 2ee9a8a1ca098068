//! The members of requests and rows that rejections name.

/// A member whose length or form is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// A description.
    Description,
    /// A value.
    Value,
    /// A wrapped key.
    WrappedKey,
    /// A key's alias.
    KeyAlias,
    /// The versions of a key.
    KeyVersions,
    /// A caller's identity.
    Caller,
    /// The administrator's client name.
    Administrator,
    /// A node's address.
    Address,
    /// The rows a decision has seen.
    Seen,
    /// The versions a request names.
    Versions,
    /// The labels a request names.
    VersionStages,
    /// The tags or tag keys a request names.
    Tags,
    /// The replica regions a request names.
    Replicas,
    /// The rows or changes another region sent.
    Rows,
    /// A reason in words.
    Message,
    /// The name of an identity.
    EntityName,
    /// A policy document.
    PolicyDocument,
    /// A trust policy.
    TrustPolicy,
    /// The longest session of a role.
    SessionLength,
    /// A permissions boundary.
    Boundary,
    /// The regions in which something is taken.
    Regions,
    /// Whether an identity may act.
    Enabled,
    /// The groups of a user.
    Groups,
    /// The inline policies of an identity.
    InlinePolicies,
    /// The managed policies of an identity.
    AttachedPolicies,
    /// The audiences of a provider.
    Audiences,
    /// The keys of a provider.
    KeySet,
    /// The authority of a provider's server.
    ProviderAuthority,
    /// What a credential presents.
    Proof,
    /// The name of an account.
    AccountName,
    /// Why something is revoked.
    Reason,
    /// The id of a session.
    Session,
    /// A resource policy.
    ResourcePolicy,
    /// What is to change.
    Change,
}

impl Field {
    /// Gives the name AWS has for it, or ours.
    pub fn as_str(self) -> &'static str {
        match self {
            Field::Description => "description",
            Field::Value => "secretString",
            Field::WrappedKey => "wrappedKey",
            Field::KeyAlias => "aliasName",
            Field::KeyVersions => "keyVersions",
            Field::Caller => "caller",
            Field::Administrator => "administrator",
            Field::Address => "address",
            Field::Seen => "seen",
            Field::Versions => "versions",
            Field::VersionStages => "versionStages",
            Field::Tags => "tags",
            Field::Replicas => "replicaRegions",
            Field::Rows => "rows",
            Field::Message => "message",
            Field::EntityName => "name",
            Field::PolicyDocument => "policyDocument",
            Field::TrustPolicy => "assumeRolePolicyDocument",
            Field::SessionLength => "maxSessionDuration",
            Field::Boundary => "permissionsBoundary",
            Field::Regions => "regions",
            Field::Enabled => "enabled",
            Field::Groups => "groups",
            Field::InlinePolicies => "inlinePolicies",
            Field::AttachedPolicies => "attachedPolicies",
            Field::Audiences => "clientIDList",
            Field::KeySet => "jwks",
            Field::ProviderAuthority => "authority",
            Field::Proof => "proof",
            Field::AccountName => "accountName",
            Field::Reason => "reason",
            Field::Session => "sessionId",
            Field::ResourcePolicy => "resourcePolicy",
            Field::Change => "change",
        }
    }
}
