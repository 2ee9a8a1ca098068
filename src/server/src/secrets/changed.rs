//! What became of a command that changes a secret.

use std::sync::Arc;

use consensus::Committed;
use machine::{
    ArnShown, Command, KeyId, LogIndex, Outcome, RegionName, Rejection, Replica, Secret, State,
    Tag, Token, VersionId,
};

use super::ask::Answer;
use crate::errors::Refusal;

/// A secret after a command changed it.
pub(super) struct Changed {
    pub(super) secret: Arc<Secret>,
    /// Where a view shows it.
    pub(super) index: LogIndex,
    version: Option<VersionId>,
    position: Token,
    /// Its ARN, as the request is shown it.
    pub(super) arn: String,
}

impl Changed {
    /// What a command did; `view` shows it, and by which ARN the request's region means the secret.
    pub(super) fn of(
        committed: Committed,
        view: &State,
        region: &RegionName,
    ) -> Result<Self, Refusal> {
        let answer = committed
            .answer
            .map_err(|rejection| shown_in(rejection, region))?;
        let Outcome::Secret {
            secret, version, ..
        } = answer
        else {
            tracing::error!("a command on a secret answered without one");
            return Err(Refusal::internal());
        };
        Ok(Self {
            arn: view.arn_of(&secret, region).to_string(),
            secret,
            index: committed.index,
            version,
            position: Token {
                positions: committed.positions,
            },
        })
    }

    /// A secret that the same command had changed before.
    pub(super) fn again(
        committed: Committed,
        secret: Arc<Secret>,
        version: VersionId,
        view: &State,
        region: &RegionName,
    ) -> Self {
        Self {
            arn: view.arn_of(&secret, region).to_string(),
            secret,
            index: committed.index,
            version: Some(version),
            position: Token {
                positions: committed.positions,
            },
        }
    }

    /// The version that was added.
    pub(super) fn version_id(&self) -> Option<String> {
        self.version.as_ref().map(VersionId::to_string)
    }

    /// The answer to the call.
    pub(super) fn answer<T>(self, message: T) -> Answer<T> {
        Answer {
            message,
            position: self.position,
            age: None,
            staleness: None,
        }
    }
}

/// A rejection that shows an ARN, with the request's region in it.
fn shown_in(rejection: Rejection, region: &RegionName) -> Rejection {
    let moved = |ArnShown(arn): ArnShown| {
        let mut parts: Vec<&str> = arn.splitn(5, ':').collect();
        if let Some(shown) = parts.get_mut(3) {
            *shown = region.as_str();
        }
        ArnShown(parts.join(":"))
    };
    match rejection {
        Rejection::VersionExists { uid, version, arn } => {
            let arn = moved(arn);
            Rejection::VersionExists { uid, version, arn }
        }
        Rejection::ReplicasRemain { arn, regions } => {
            let arn = moved(arn);
            Rejection::ReplicasRemain { arn, regions }
        }
        rejection => rejection,
    }
}

/// What a command stores beside a new version. Labels are not among it: they move on by themselves.
pub(super) struct Others {
    description: Option<String>,
    kms_key: Option<Option<KeyId>>,
    tags: Option<Vec<Tag>>,
    replicas: Vec<Replica>,
}

impl Others {
    pub(super) fn of(command: &Command) -> Self {
        let (description, kms_key, tags, replicas) = match command {
            Command::CreateSecret(create) => (
                Some(create.description.clone()),
                Some(create.kms_key),
                Some(create.tags.clone()),
                create.replicas.clone(),
            ),
            Command::UpdateSecret(update) => {
                (update.description.clone(), update.kms_key, None, Vec::new())
            }
            _ => (None, None, None, Vec::new()),
        };
        Self {
            description,
            kms_key,
            tags,
            replicas,
        }
    }

    pub(super) fn are_in(&self, secret: &Secret) -> bool {
        let is = |asked: Option<bool>| asked.unwrap_or(true);
        let mut replicas = self.replicas.iter();
        is(self
            .description
            .as_ref()
            .map(|text| *text == secret.description))
            && is(self.kms_key.map(|key| key == secret.kms_key))
            && is(self.tags.as_ref().map(|tags| *tags == secret.tags))
            && replicas.all(|replica| secret.replicas.contains(replica))
    }
}

#[cfg(test)]
mod tests {
    use machine::{ArnShown, RegionName, Rejection};

    use super::shown_in;

    #[test]
    fn an_arn_in_a_rejection_shows_the_region_of_the_request() {
        let region = RegionName::new("us-east-2").unwrap();
        let arn = "arn:aws:secretsmanager:eu-west-1:000000000000:secret:a:b-AbCdEf";
        let rejection = Rejection::ReplicasRemain {
            arn: ArnShown(arn.to_owned()),
            regions: Vec::new(),
        };
        let Rejection::ReplicasRemain { arn, .. } = shown_in(rejection, &region) else {
            panic!("another rejection");
        };
        let moved = "arn:aws:secretsmanager:us-east-2:000000000000:secret:a:b-AbCdEf";
        assert_eq!(arn.0, moved);
    }
}
