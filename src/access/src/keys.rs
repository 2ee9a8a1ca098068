//! The catalogue of condition keys: what each holds, and how many of it.

/// A condition key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name as AWS writes it. One that ends in a slash is followed by the key of a tag.
    pub name: &'static str,
    /// What its values are.
    pub kind: KeyKind,
    /// It holds a set, which needs a set operator.
    pub is_many: bool,
}

/// What the values of a key are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Strings.
    Text,
    /// ARNs.
    Arn,
    /// Decimal numbers.
    Number,
    /// Moments, in ISO 8601.
    Date,
    /// Moments, as seconds since 1970: numbers and dates compare with them.
    Epoch,
    /// `true` or `false`.
    Bool,
    /// IP addresses.
    Ip,
}

impl Key {
    /// Finds a key by its name in any case, with the key of a tag where it has one.
    pub fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.is_named(name))
    }

    /// Whether a name, in any case, is this key's.
    pub fn is_named(&self, name: &str) -> bool {
        match name.split_at_checked(self.name.len()) {
            Some((front, tag)) if front.eq_ignore_ascii_case(self.name) => {
                tag.is_empty() != self.name.ends_with('/')
            }
            _ => false,
        }
    }
}

const fn one(name: &'static str, kind: KeyKind) -> Key {
    Key {
        name,
        kind,
        is_many: false,
    }
}

const fn many(name: &'static str) -> Key {
    Key {
        name,
        kind: KeyKind::Text,
        is_many: true,
    }
}

/// Every key that we know: those of all services, of secrets, and of roles that are assumed. Keys
/// of identity providers begin with the name of their issuer and are not here.
pub const KEYS: &[Key] = &[
    // Who calls.
    one("aws:PrincipalArn", KeyKind::Arn),
    one("aws:PrincipalAccount", KeyKind::Text),
    one("aws:PrincipalOrgID", KeyKind::Text),
    many("aws:PrincipalOrgPaths"),
    one("aws:PrincipalTag/", KeyKind::Text),
    one("aws:PrincipalType", KeyKind::Text),
    one("aws:PrincipalIsAWSService", KeyKind::Bool),
    one("aws:PrincipalServiceName", KeyKind::Text),
    many("aws:PrincipalServiceNamesList"),
    one("aws:userid", KeyKind::Text),
    one("aws:username", KeyKind::Text),
    // The session.
    one("aws:FederatedProvider", KeyKind::Text),
    one("aws:TokenIssueTime", KeyKind::Date),
    one("aws:MultiFactorAuthAge", KeyKind::Number),
    one("aws:MultiFactorAuthPresent", KeyKind::Bool),
    one("aws:SourceIdentity", KeyKind::Text),
    // Where from.
    one("aws:SourceIp", KeyKind::Ip),
    one("aws:VpcSourceIp", KeyKind::Ip),
    one("aws:SourceVpc", KeyKind::Text),
    one("aws:SourceVpcArn", KeyKind::Arn),
    one("aws:SourceVpce", KeyKind::Text),
    one("aws:VpceAccount", KeyKind::Text),
    one("aws:VpceOrgID", KeyKind::Text),
    many("aws:VpceOrgPaths"),
    // The resource.
    one("aws:ResourceAccount", KeyKind::Text),
    one("aws:ResourceOrgID", KeyKind::Text),
    many("aws:ResourceOrgPaths"),
    one("aws:ResourceTag/", KeyKind::Text),
    // The request.
    many("aws:CalledVia"),
    one("aws:CalledViaFirst", KeyKind::Text),
    one("aws:CalledViaLast", KeyKind::Text),
    one("aws:ViaAWSService", KeyKind::Bool),
    one("aws:CurrentTime", KeyKind::Date),
    one("aws:EpochTime", KeyKind::Epoch),
    one("aws:referer", KeyKind::Text),
    one("aws:RequestedRegion", KeyKind::Text),
    one("aws:RequestTag/", KeyKind::Text),
    many("aws:TagKeys"),
    one("aws:SecureTransport", KeyKind::Bool),
    one("aws:SourceAccount", KeyKind::Text),
    one("aws:SourceArn", KeyKind::Arn),
    one("aws:SourceOrgID", KeyKind::Text),
    many("aws:SourceOrgPaths"),
    one("aws:UserAgent", KeyKind::Text),
    // Secrets.
    many("secretsmanager:AddReplicaRegions"),
    one("secretsmanager:BlockPublicPolicy", KeyKind::Bool),
    one("secretsmanager:Description", KeyKind::Text),
    one("secretsmanager:ExternalSecretRotationRoleArn", KeyKind::Arn),
    one("secretsmanager:ForceDeleteWithoutRecovery", KeyKind::Bool),
    one("secretsmanager:ForceOverwriteReplicaSecret", KeyKind::Bool),
    one("secretsmanager:KmsKeyArn", KeyKind::Arn),
    one("secretsmanager:KmsKeyId", KeyKind::Text),
    one("secretsmanager:ModifyRotationRules", KeyKind::Bool),
    one("secretsmanager:Name", KeyKind::Text),
    one("secretsmanager:RecoveryWindowInDays", KeyKind::Number),
    one("secretsmanager:ResourceTag/", KeyKind::Text),
    one("secretsmanager:RotateImmediately", KeyKind::Bool),
    one("secretsmanager:RotationLambdaARN", KeyKind::Arn),
    one("secretsmanager:SecretId", KeyKind::Arn),
    one("secretsmanager:SecretPrimaryRegion", KeyKind::Text),
    one("secretsmanager:Type", KeyKind::Text),
    one("secretsmanager:VersionId", KeyKind::Text),
    one("secretsmanager:VersionStage", KeyKind::Text),
    one(
        "secretsmanager:resource/AllowRotationLambdaArn",
        KeyKind::Arn,
    ),
    one("secretsmanager:resource/Type", KeyKind::Text),
    // Roles that are assumed.
    one("sts:DurationSeconds", KeyKind::Number),
    one("sts:ExternalId", KeyKind::Text),
    one("sts:RoleSessionName", KeyKind::Text),
    one("sts:SourceIdentity", KeyKind::Text),
    many("sts:TransitiveTagKeys"),
];

#[cfg(test)]
mod tests {
    use super::{KEYS, Key};

    #[test]
    fn a_key_is_found_in_any_case_and_with_the_key_of_a_tag_only_where_it_has_one() {
        let name = |key: &str| Key::find(key).map(|key| key.name);
        assert_eq!(name("AWS:sourceip"), Some("aws:SourceIp"));
        assert_eq!(name("aws:ResourceTag/Team"), Some("aws:ResourceTag/"));
        assert_eq!(name("aws:ResourceTag/"), None);
        assert_eq!(name("aws:ResourceTag"), None);
        assert_eq!(name("aws:SourceIp/x"), None);
        assert_eq!(name("aws:SourceVpcArn"), Some("aws:SourceVpcArn"));
    }

    #[test]
    fn no_key_is_listed_twice() {
        for (at, key) in KEYS.iter().enumerate() {
            let tagged = format!("{}x", key.name);
            let name = if key.name.ends_with('/') {
                tagged.as_str()
            } else {
                key.name
            };
            let found: Vec<usize> = (0..KEYS.len())
                .filter(|at| KEYS[*at].is_named(name))
                .collect();
            assert_eq!(found, [at], "{}", key.name);
        }
    }
}
