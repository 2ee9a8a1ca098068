//! Answers. Rejections have numbers that never change; 0 is none.

use std::sync::Arc;

use crate::answer::{Answer, Outcome};
use crate::codec::feed::feed;
use crate::codec::follow::region;
use crate::codec::{DecodeError, copied, hash, identity_answers, key_id, parsed, required, uid};
use crate::ids::{MachineVersion, NodeId, Revision, Stamp};
use crate::names::{AccountId, Label, RegionName, SecretName, VersionId};
use crate::position::{Epoch, FeedId};
use crate::region::{TakenFeed, TakenOver};
use crate::rejection::{ArnShown, Field, Flaw, Rejection};
use crate::storage;
use crate::storage::answer::Answer as WireAnswer;
use crate::storage::outcome::Outcome as WireOutcome;

impl From<&Answer> for storage::Answer {
    fn from(Answer(answer): &Answer) -> storage::Answer {
        let answer = match answer {
            Ok(outcome) => WireAnswer::Outcome(outcome.into()),
            Err(rejection) => WireAnswer::Rejection(rejection.into()),
        };
        storage::Answer {
            answer: Some(answer),
        }
    }
}

impl TryFrom<storage::Answer> for Answer {
    type Error = DecodeError;

    fn try_from(answer: storage::Answer) -> Result<Answer, DecodeError> {
        Ok(Answer(match required("answer", answer.answer)? {
            WireAnswer::Outcome(outcome) => Ok(outcome.try_into()?),
            WireAnswer::Rejection(rejection) => Err(rejection.try_into()?),
        }))
    }
}

impl From<&Outcome> for storage::Outcome {
    fn from(outcome: &Outcome) -> storage::Outcome {
        let outcome = match outcome {
            Outcome::None => WireOutcome::None(storage::NoOutcome {}),
            Outcome::Secret {
                secret,
                version,
                unchanged,
            } => WireOutcome::Secret(storage::SecretOutcome {
                uid: copied(&secret.uid.0),
                secret: Some(secret.as_ref().into()),
                version_id: version.as_ref().map(VersionId::to_string),
                unchanged: *unchanged,
            }),
            Outcome::Node(node) => WireOutcome::Node(storage::NodeOutcome {
                node_id: node.id.0,
                node: Some(node.into()),
            }),
            Outcome::Region(region) => WireOutcome::Region(region.into()),
            Outcome::TakenOver(taken) => WireOutcome::TakenOver(taken.into()),
            Outcome::Entity(entity) => WireOutcome::Entity(entity.into()),
        };
        storage::Outcome {
            outcome: Some(outcome),
        }
    }
}

impl TryFrom<storage::Outcome> for Outcome {
    type Error = DecodeError;

    fn try_from(outcome: storage::Outcome) -> Result<Outcome, DecodeError> {
        Ok(match required("outcome", outcome.outcome)? {
            WireOutcome::None(_) => Outcome::None,
            WireOutcome::Secret(secret) => Outcome::Secret {
                version: secret.version_id.map(|id| version(&id)).transpose()?,
                unchanged: secret.unchanged,
                secret: Arc::new(required("secret", secret.secret)?.with_uid(uid(&secret.uid)?)?),
            },
            WireOutcome::Node(node) => {
                Outcome::Node(required("node", node.node)?.with_id(NodeId(node.node_id))?)
            }
            WireOutcome::Region(region) => Outcome::Region(region.try_into()?),
            WireOutcome::TakenOver(taken) => Outcome::TakenOver(taken.try_into()?),
            WireOutcome::Entity(entity) => Outcome::Entity(entity.try_into()?),
        })
    }
}

impl From<&TakenOver> for storage::TakenOver {
    fn from(taken: &TakenOver) -> storage::TakenOver {
        let feeds = taken.feeds.iter().map(|taken| storage::TakenFeed {
            last: Some((&taken.last).into()),
            epoch: Some((&taken.epoch).into()),
        });
        storage::TakenOver {
            feeds: feeds.collect(),
            left: taken.left.iter().map(FeedId::to_string).collect(),
        }
    }
}

impl TryFrom<storage::TakenOver> for TakenOver {
    type Error = DecodeError;

    fn try_from(taken: storage::TakenOver) -> Result<TakenOver, DecodeError> {
        let feeds = taken.feeds.into_iter().map(|taken| {
            Ok(TakenFeed {
                last: required("last", taken.last)?.try_into()?,
                epoch: required("epoch", taken.epoch)?.try_into()?,
            })
        });
        let left = taken.left.iter().map(|name| feed(name));
        Ok(TakenOver {
            feeds: feeds.collect::<Result<_, DecodeError>>()?,
            left: left.collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Rejection> for storage::Rejection {
    fn from(rejection: &Rejection) -> storage::Rejection {
        let mut wire = storage::Rejection {
            code: code(rejection),
            ..Default::default()
        };
        match rejection {
            Rejection::MachineVersionUnknown(MachineVersion(number))
            | Rejection::MachineVersionPassed(MachineVersion(number))
            | Rejection::DayAhead(number) => wire.number = u64::from(*number),
            Rejection::TooLong { field, max } => {
                (wire.number, wire.other) = (*max, field_code(*field));
            }
            Rejection::AccountUnknown(account) => wire.text = account.to_string(),
            Rejection::UidTaken(uid) => wire.id = copied(&uid.0),
            Rejection::NameTaken(name) => wire.text = name.to_string(),
            Rejection::VersionExists { uid, version, arn } => {
                wire.id = copied(&uid.0);
                wire.version_id = version.to_string();
                wire.text.clone_from(&arn.0);
            }
            Rejection::VersionNotFound(version) => wire.version_id = version.to_string(),
            Rejection::LabelNotFound(label) => wire.label = label.to_string(),
            Rejection::LabelElsewhere { label, version }
            | Rejection::LabelNotAttached { label, version } => {
                wire.label = label.to_string();
                wire.version_id = version.to_string();
            }
            Rejection::KeyNotFound(key)
            | Rejection::KeyUnavailable(key)
            | Rejection::KeyEmpty(key) => wire.id = copied(&key.0),
            Rejection::JoinTokenExpired(Stamp(number))
            | Rejection::JoinTokenUsed(NodeId(number))
            | Rejection::NodeNotFound(NodeId(number))
            | Rejection::NodeExists(NodeId(number))
            | Rejection::NodeRetired(NodeId(number))
            | Rejection::NodeLast(NodeId(number)) => wire.number = *number,
            Rejection::NodeKeyTaken(key) => wire.id = copied(&key.0),
            Rejection::FieldInvalid(field) => wire.other = field_code(*field),
            Rejection::FeedNotFound(feed) => wire.text = feed.to_string(),
            other => between_regions(other, &mut wire),
        }
        wire
    }
}

/// Fills in what rejections about regions say.
fn between_regions(rejection: &Rejection, wire: &mut storage::Rejection) {
    match rejection {
        Rejection::NotPrimary { feed, region } => {
            (wire.text, wire.region) = (feed.to_string(), region.to_string());
        }
        Rejection::Fenced { feed, epoch } => {
            (wire.text, wire.region) = (feed.to_string(), epoch.region.to_string());
            wire.number = epoch.number;
        }
        Rejection::ReplicasRemain { arn, regions } => {
            wire.text.clone_from(&arn.0);
            let names: Vec<&str> = regions.iter().map(RegionName::as_str).collect();
            wire.region = names.join(",");
        }
        Rejection::SecretWithheld(uid) => wire.id = copied(&uid.0),
        Rejection::CursorMoved { feed, now } => {
            (wire.text, wire.number) = (feed.to_string(), now.0);
        }
        Rejection::StreamBroken { feed, at, flaw } => {
            (wire.text, wire.number) = (feed.to_string(), at.0);
            wire.other = flaw_code(*flaw);
        }
        Rejection::FeedIsOurs(feed)
        | Rejection::SnapshotMoved(feed)
        | Rejection::SnapshotForeign(feed)
        | Rejection::ScopeNeeded(feed)
        | Rejection::FeedLimit(feed) => wire.text = feed.to_string(),
        Rejection::LinkTokenExpired(Stamp(number)) | Rejection::SessionKeyYoung(Stamp(number)) => {
            wire.number = *number
        }
        Rejection::MachineVersionNeeded(MachineVersion(number)) => {
            wire.number = u64::from(*number);
        }
        Rejection::RegionIsPrimary { region, feed } => {
            (wire.text, wire.region) = (feed.to_string(), region.to_string());
        }
        Rejection::ReplicaRegionInvalid(region)
        | Rejection::RegionUnknown(region)
        | Rejection::RegionExists(region)
        | Rejection::RegionUnlinked(region)
        | Rejection::RegionInvalid(region)
        | Rejection::RegionNameUnusable(region)
        | Rejection::NothingToTakeOver(region) => wire.region = region.to_string(),
        other => identity_answers::fill(other, wire),
    }
}

impl TryFrom<storage::Rejection> for Rejection {
    type Error = DecodeError;

    fn try_from(wire: storage::Rejection) -> Result<Rejection, DecodeError> {
        let number = u32::try_from(wire.number).unwrap_or(u32::MAX);
        Ok(match wire.code {
            1 => Rejection::NotFounded,
            2 => Rejection::AlreadyFounded,
            3 => Rejection::MachineVersionUnknown(MachineVersion(number)),
            4 => Rejection::MachineVersionPassed(MachineVersion(number)),
            5 => Rejection::StampOutOfRange,
            6 => Rejection::AuthorizationMoved,
            7 => Rejection::TooLong {
                field: field(wire.other)?,
                max: wire.number,
            },
            8 => Rejection::AccountUnknown(parsed("account", AccountId::new(&wire.text))?),
            9 => Rejection::SecretLimit,
            10 => Rejection::UidTaken(uid(&wire.id)?),
            11 => Rejection::NameTaken(parsed("name", SecretName::new(&wire.text))?),
            12 => Rejection::NameScheduled,
            13 => Rejection::SecretNotFound,
            14 => Rejection::SecretPurged,
            15 => Rejection::SecretScheduled,
            16 => Rejection::VersionExists {
                uid: uid(&wire.id)?,
                version: version(&wire.version_id)?,
                arn: ArnShown(wire.text),
            },
            17 => Rejection::VersionNotFound(version(&wire.version_id)?),
            18 => Rejection::LabelNotFound(label(&wire.label)?),
            19 => Rejection::LabelMismatch,
            20 => Rejection::VersionLimit,
            21 => Rejection::LabelLimit,
            22 => Rejection::LabelElsewhere {
                label: label(&wire.label)?,
                version: version(&wire.version_id)?,
            },
            23 => Rejection::LabelNotAttached {
                label: label(&wire.label)?,
                version: version(&wire.version_id)?,
            },
            24 => Rejection::CurrentNotRemovable,
            25 => Rejection::NothingToMove,
            26 => Rejection::WindowInvalid,
            27 => Rejection::TagInvalid,
            28 => Rejection::TagReserved,
            29 => Rejection::TagDuplicate,
            30 => Rejection::TagLimit,
            31 => Rejection::KeyNotFound(key_id(&wire.id)?),
            32 => Rejection::KeyUnavailable(key_id(&wire.id)?),
            33 => Rejection::KeyEmpty(key_id(&wire.id)?),
            other => return node_rejection(other, &wire),
        })
    }
}

fn node_rejection(code: u32, wire: &storage::Rejection) -> Result<Rejection, DecodeError> {
    let node = NodeId(wire.number);
    Ok(match code {
        34 => Rejection::JoinTokenUnknown,
        35 => Rejection::JoinTokenExpired(Stamp(wire.number)),
        36 => Rejection::JoinTokenUsed(node),
        37 => Rejection::JoinTokenExists,
        38 => Rejection::JoinTokenLimit,
        39 => Rejection::NodeNotFound(node),
        40 => Rejection::NodeExists(node),
        41 => Rejection::NodeRetired(node),
        42 => Rejection::NodeKeyTaken(hash("public key", &wire.id)?),
        43 => Rejection::NodeLast(node),
        44 => Rejection::NodeLimit,
        45 => Rejection::FeedNotFound(feed(&wire.text)?),
        46 => Rejection::DayAhead(u32::try_from(wire.number).unwrap_or(u32::MAX)),
        other => return region_rejection(other, wire),
    })
}

fn region_rejection(code: u32, wire: &storage::Rejection) -> Result<Rejection, DecodeError> {
    let about = || feed(&wire.text);
    let region = || region(&wire.region);
    Ok(match code {
        47 => Rejection::NotPrimary {
            feed: about()?,
            region: region()?,
        },
        48 => Rejection::Fenced {
            feed: about()?,
            epoch: Epoch {
                number: wire.number,
                region: region()?,
            },
        },
        49 => Rejection::ReplicaRegionInvalid(region()?),
        50 => Rejection::ReplicasRemain {
            arn: ArnShown(wire.text.clone()),
            regions: regions(&wire.region)?,
        },
        51 => Rejection::NotAReplica,
        52 => Rejection::SecretWithheld(uid(&wire.id)?),
        53 => Rejection::CursorMoved {
            feed: about()?,
            now: Revision(wire.number),
        },
        54 => Rejection::StreamBroken {
            feed: about()?,
            at: Revision(wire.number),
            flaw: flaw(wire.other)?,
        },
        55 => Rejection::FeedIsOurs(about()?),
        56 => Rejection::SnapshotMoved(about()?),
        57 => Rejection::SnapshotForeign(about()?),
        58 => Rejection::LinkTokenUnknown,
        59 => Rejection::LinkTokenExpired(Stamp(wire.number)),
        60 => Rejection::LinkTokenUsed,
        61 => Rejection::LinkTokenExists,
        62 => Rejection::LinkTokenLimit,
        63 => Rejection::RegionUnknown(region()?),
        64 => Rejection::RegionExists(region()?),
        65 => Rejection::RegionUnlinked(region()?),
        66 => Rejection::RegionLimit,
        67 => Rejection::RegionIsPrimary {
            region: region()?,
            feed: about()?,
        },
        68 => Rejection::NothingToTakeOver(region()?),
        69 => Rejection::ScopeNeeded(about()?),
        70 => Rejection::RegionInvalid(region()?),
        71 => {
            let number = u32::try_from(wire.number).unwrap_or(u32::MAX);
            Rejection::MachineVersionNeeded(MachineVersion(number))
        }
        72 => Rejection::VersionsMissing,
        73 => Rejection::FeedLimit(about()?),
        74 => Rejection::RegionNameUnusable(region()?),
        75 => Rejection::DetachLimit,
        80 => Rejection::FieldInvalid(field(wire.other)?),
        81 => Rejection::SessionKeyYoung(Stamp(wire.number)),
        82 => Rejection::IssuerMoved,
        83 => Rejection::IssuerInvalid,
        84 => Rejection::IssuerLimit,
        other => return identity_answers::rejection(other, wire),
    })
}

fn regions(names: &str) -> Result<Vec<RegionName>, DecodeError> {
    let names = names.split(',').filter(|name| !name.is_empty());
    names.map(region).collect()
}

fn flaw_code(flaw: Flaw) -> u64 {
    match flaw {
        Flaw::Malformed => 1,
        Flaw::OtherFeed => 2,
        Flaw::Gap => 3,
        Flaw::Epoch => 4,
        Flaw::Kind => 5,
        Flaw::Commitment => 6,
        Flaw::Foreign => 7,
        Flaw::Checkpoint => 8,
        Flaw::Order => 9,
        Flaw::Repeated => 10,
    }
}

fn flaw(code: u64) -> Result<Flaw, DecodeError> {
    let all = [
        Flaw::Malformed,
        Flaw::OtherFeed,
        Flaw::Gap,
        Flaw::Epoch,
        Flaw::Kind,
        Flaw::Commitment,
        Flaw::Foreign,
        Flaw::Checkpoint,
        Flaw::Order,
        Flaw::Repeated,
    ];
    let found = all.into_iter().find(|flaw| flaw_code(*flaw) == code);
    found.ok_or(DecodeError::Field("flaw code"))
}

// One table, which is seen as a whole.
#[rustfmt::skip]
fn code(rejection: &Rejection) -> u32 {
    match rejection {
        Rejection::NotFounded => 1, Rejection::AlreadyFounded => 2,
        Rejection::MachineVersionUnknown(_) => 3, Rejection::MachineVersionPassed(_) => 4,
        Rejection::StampOutOfRange => 5, Rejection::AuthorizationMoved => 6,
        Rejection::TooLong { .. } => 7, Rejection::AccountUnknown(_) => 8,
        Rejection::SecretLimit => 9, Rejection::UidTaken(_) => 10, Rejection::NameTaken(_) => 11,
        Rejection::NameScheduled => 12, Rejection::SecretNotFound => 13,
        Rejection::SecretPurged => 14, Rejection::SecretScheduled => 15,
        Rejection::VersionExists { .. } => 16, Rejection::VersionNotFound(_) => 17,
        Rejection::LabelNotFound(_) => 18, Rejection::LabelMismatch => 19,
        Rejection::VersionLimit => 20, Rejection::LabelLimit => 21,
        Rejection::LabelElsewhere { .. } => 22, Rejection::LabelNotAttached { .. } => 23,
        Rejection::CurrentNotRemovable => 24, Rejection::NothingToMove => 25,
        Rejection::WindowInvalid => 26, Rejection::TagInvalid => 27, Rejection::TagReserved => 28,
        Rejection::TagDuplicate => 29, Rejection::TagLimit => 30, Rejection::KeyNotFound(_) => 31,
        Rejection::KeyUnavailable(_) => 32, Rejection::KeyEmpty(_) => 33,
        Rejection::JoinTokenUnknown => 34, Rejection::JoinTokenExpired(_) => 35,
        Rejection::JoinTokenUsed(_) => 36, Rejection::JoinTokenExists => 37,
        Rejection::JoinTokenLimit => 38, Rejection::NodeNotFound(_) => 39,
        Rejection::NodeExists(_) => 40, Rejection::NodeRetired(_) => 41,
        Rejection::NodeKeyTaken(_) => 42, Rejection::NodeLast(_) => 43, Rejection::NodeLimit => 44,
        Rejection::FeedNotFound(_) => 45, Rejection::DayAhead(_) => 46,
        Rejection::NotPrimary { .. } => 47, Rejection::Fenced { .. } => 48,
        Rejection::ReplicaRegionInvalid(_) => 49, Rejection::ReplicasRemain { .. } => 50,
        Rejection::NotAReplica => 51, Rejection::SecretWithheld(_) => 52,
        Rejection::CursorMoved { .. } => 53, Rejection::StreamBroken { .. } => 54,
        Rejection::FeedIsOurs(_) => 55, Rejection::SnapshotMoved(_) => 56,
        Rejection::SnapshotForeign(_) => 57, Rejection::LinkTokenUnknown => 58,
        Rejection::LinkTokenExpired(_) => 59, Rejection::LinkTokenUsed => 60,
        Rejection::LinkTokenExists => 61, Rejection::LinkTokenLimit => 62,
        Rejection::RegionUnknown(_) => 63, Rejection::RegionExists(_) => 64,
        Rejection::RegionUnlinked(_) => 65, Rejection::RegionLimit => 66,
        Rejection::RegionIsPrimary { .. } => 67, Rejection::NothingToTakeOver(_) => 68,
        Rejection::ScopeNeeded(_) => 69, Rejection::RegionInvalid(_) => 70,
        Rejection::MachineVersionNeeded(_) => 71, Rejection::VersionsMissing => 72,
        Rejection::FeedLimit(_) => 73, Rejection::RegionNameUnusable(_) => 74,
        Rejection::DetachLimit => 75, Rejection::EntityAlreadyExists(..) => 76,
        Rejection::NoSuchEntity(_) => 77, Rejection::DeleteConflict(_) => 78,
        Rejection::LimitExceeded(..) => 79, Rejection::FieldInvalid(_) => 80,
        Rejection::SessionKeyYoung(_) => 81, Rejection::IssuerMoved => 82,
        Rejection::IssuerInvalid => 83, Rejection::IssuerLimit => 84,
    }
}

fn field_code(field: Field) -> u64 {
    match field {
        Field::Description => 1,
        Field::Value => 2,
        Field::WrappedKey => 3,
        Field::KeyAlias => 4,
        Field::KeyVersions => 5,
        Field::Caller => 6,
        Field::Administrator => 7,
        Field::Address => 8,
        Field::Seen => 9,
        Field::Versions => 10,
        Field::VersionStages => 11,
        Field::Tags => 12,
        Field::Replicas => 13,
        Field::Rows => 14,
        Field::Message => 15,
        Field::EntityName => 16,
        Field::PolicyDocument => 17,
        Field::TrustPolicy => 18,
        Field::SessionLength => 19,
        Field::Boundary => 20,
        Field::Regions => 21,
        Field::Enabled => 22,
        Field::Groups => 23,
        Field::InlinePolicies => 24,
        Field::AttachedPolicies => 25,
        Field::Audiences => 26,
        Field::KeySet => 27,
        Field::Proof => 28,
        Field::AccountName => 29,
        Field::Reason => 30,
        Field::Session => 31,
        Field::ResourcePolicy => 32,
        Field::Change => 33,
        Field::ProviderAuthority => 34,
    }
}

fn field(code: u64) -> Result<Field, DecodeError> {
    let all = [
        Field::Description,
        Field::Value,
        Field::WrappedKey,
        Field::KeyAlias,
        Field::KeyVersions,
        Field::Caller,
        Field::Administrator,
        Field::Address,
        Field::Seen,
        Field::Versions,
        Field::VersionStages,
        Field::Tags,
        Field::Replicas,
        Field::Rows,
        Field::Message,
        Field::EntityName,
        Field::PolicyDocument,
        Field::TrustPolicy,
        Field::SessionLength,
        Field::Boundary,
        Field::Regions,
        Field::Enabled,
        Field::Groups,
        Field::InlinePolicies,
        Field::AttachedPolicies,
        Field::Audiences,
        Field::KeySet,
        Field::Proof,
        Field::AccountName,
        Field::Reason,
        Field::Session,
        Field::ResourcePolicy,
        Field::Change,
        Field::ProviderAuthority,
    ];
    let found = all.into_iter().find(|field| field_code(*field) == code);
    found.ok_or(DecodeError::Field("field code"))
}

fn version(text: &str) -> Result<VersionId, DecodeError> {
    parsed("version id", VersionId::new(text))
}

fn label(text: &str) -> Result<Label, DecodeError> {
    parsed("label", Label::new(text))
}
