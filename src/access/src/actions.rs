//! The catalogue of actions on secrets. Actions of other services, ours too, are any name behind
//! `strongroom:`, `iam:` or `sts:`; who serves them knows them.

/// An action on secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// Its name, with the service before it.
    pub name: &'static str,
    /// What it does to what it is allowed on.
    pub level: AccessLevel,
    /// It is asked for one secret, by its ARN; the others are asked for `*`.
    pub is_of_secret: bool,
    /// The condition keys of its request, beside those of every request and of the secret.
    keys: &'static [&'static str],
}

/// What an action does, in the five levels of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessLevel {
    /// Sees which secrets there are.
    List,
    /// Sees what is in them.
    Read,
    /// Changes tags only.
    Tagging,
    /// Changes secrets.
    Write,
    /// Changes who may do what.
    Permissions,
}

/// The keys of every action that is asked for a secret.
const SECRET_KEYS: &[&str] = &[
    "secretsmanager:SecretId",
    "secretsmanager:SecretPrimaryRegion",
    "secretsmanager:ResourceTag/",
    "secretsmanager:resource/AllowRotationLambdaArn",
    "secretsmanager:resource/Type",
];

impl Action {
    /// Finds an action by its name in any case.
    pub fn find(name: &str) -> Option<&'static Action> {
        ACTIONS
            .iter()
            .find(|action| action.name.eq_ignore_ascii_case(name))
    }

    /// The condition keys that begin with `secretsmanager:` and that a request may have, and the
    /// keys of tags that it may send.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        let of_secret = if self.is_of_secret { SECRET_KEYS } else { &[] };
        of_secret.iter().chain(self.keys).copied()
    }
}

const fn of_secret(
    name: &'static str,
    level: AccessLevel,
    keys: &'static [&'static str],
) -> Action {
    Action {
        name,
        level,
        is_of_secret: true,
        keys,
    }
}

const fn of_all(name: &'static str, level: AccessLevel) -> Action {
    Action {
        name,
        level,
        is_of_secret: false,
        keys: &[],
    }
}

/// Every action on secrets.
pub const ACTIONS: &[Action] = &[
    of_secret(
        "secretsmanager:AcceptCrossAccountReplication",
        AccessLevel::Write,
        &[],
    ),
    of_secret(
        "secretsmanager:AssociateCrossAccountReplica",
        AccessLevel::Write,
        &[],
    ),
    of_all("secretsmanager:BatchGetSecretValue", AccessLevel::List),
    of_secret("secretsmanager:CancelRotateSecret", AccessLevel::Write, &[]),
    of_secret(
        "secretsmanager:CreateSecret",
        AccessLevel::Write,
        &[
            "secretsmanager:AddReplicaRegions",
            "secretsmanager:Description",
            "secretsmanager:ForceOverwriteReplicaSecret",
            "secretsmanager:KmsKeyArn",
            "secretsmanager:KmsKeyId",
            "secretsmanager:Name",
            "secretsmanager:Type",
            "aws:RequestTag/",
            "aws:TagKeys",
        ],
    ),
    of_secret(
        "secretsmanager:DeleteResourcePolicy",
        AccessLevel::Permissions,
        &[],
    ),
    of_secret(
        "secretsmanager:DeleteSecret",
        AccessLevel::Write,
        &[
            "secretsmanager:ForceDeleteWithoutRecovery",
            "secretsmanager:RecoveryWindowInDays",
        ],
    ),
    of_secret("secretsmanager:DescribeSecret", AccessLevel::Read, &[]),
    of_secret(
        "secretsmanager:DisassociateCrossAccountReplica",
        AccessLevel::Write,
        &[],
    ),
    of_all("secretsmanager:GetRandomPassword", AccessLevel::Read),
    of_secret("secretsmanager:GetResourcePolicy", AccessLevel::Read, &[]),
    of_secret(
        "secretsmanager:GetSecretValue",
        AccessLevel::Read,
        &["secretsmanager:VersionId", "secretsmanager:VersionStage"],
    ),
    of_secret(
        "secretsmanager:ListResourcePolicies",
        AccessLevel::Read,
        &[],
    ),
    of_secret(
        "secretsmanager:ListSecretVersionIds",
        AccessLevel::Read,
        &[],
    ),
    of_all("secretsmanager:ListSecrets", AccessLevel::List),
    of_secret(
        "secretsmanager:PutResourcePolicy",
        AccessLevel::Permissions,
        &["secretsmanager:BlockPublicPolicy"],
    ),
    of_secret("secretsmanager:PutSecretValue", AccessLevel::Write, &[]),
    of_secret(
        "secretsmanager:RemoveRegionsFromReplication",
        AccessLevel::Write,
        &[],
    ),
    of_secret(
        "secretsmanager:ReplicateSecretToRegions",
        AccessLevel::Write,
        &[
            "secretsmanager:AddReplicaRegions",
            "secretsmanager:ForceOverwriteReplicaSecret",
        ],
    ),
    of_secret("secretsmanager:RestoreSecret", AccessLevel::Write, &[]),
    of_secret(
        "secretsmanager:RotateSecret",
        AccessLevel::Write,
        &[
            "secretsmanager:ExternalSecretRotationRoleArn",
            "secretsmanager:ModifyRotationRules",
            "secretsmanager:RotateImmediately",
            "secretsmanager:RotationLambdaARN",
        ],
    ),
    of_secret(
        "secretsmanager:StopReplicationToReplica",
        AccessLevel::Write,
        &[],
    ),
    of_secret(
        "secretsmanager:TagResource",
        AccessLevel::Tagging,
        &["aws:RequestTag/", "aws:TagKeys"],
    ),
    of_secret(
        "secretsmanager:UntagResource",
        AccessLevel::Tagging,
        &["aws:TagKeys"],
    ),
    of_secret(
        "secretsmanager:UpdateSecret",
        AccessLevel::Write,
        &[
            "secretsmanager:Description",
            "secretsmanager:KmsKeyArn",
            "secretsmanager:KmsKeyId",
            "secretsmanager:Type",
        ],
    ),
    of_secret(
        "secretsmanager:UpdateSecretVersionStage",
        AccessLevel::Write,
        &["secretsmanager:VersionStage"],
    ),
    of_secret(
        "secretsmanager:ValidateResourcePolicy",
        AccessLevel::Permissions,
        &[],
    ),
];

#[cfg(test)]
mod tests {
    use super::{ACTIONS, Action};
    use crate::keys::KEYS;

    #[test]
    fn an_action_is_found_in_any_case() {
        let found = Action::find("SecretsManager:getsecretvalue").expect("it is listed");
        assert_eq!(found.name, "secretsmanager:GetSecretValue");
        assert_eq!(Action::find("secretsmanager:Get*"), None);
    }

    #[test]
    fn every_key_of_an_action_is_in_the_catalogue_of_keys() {
        for action in ACTIONS {
            for key in action.keys() {
                assert!(KEYS.iter().any(|known| known.name == key), "{key}");
            }
        }
    }

    #[test]
    fn every_key_of_secrets_is_a_key_of_some_action() {
        for key in KEYS
            .iter()
            .filter(|key| key.name.starts_with("secretsmanager:"))
        {
            let is_used = ACTIONS
                .iter()
                .any(|action| action.keys().any(|one| one == key.name));
            assert!(is_used, "{}", key.name);
        }
    }

    #[test]
    fn actions_are_listed_once_in_order() {
        assert!(ACTIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }
}
