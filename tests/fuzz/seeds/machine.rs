//! Every command of a region on its own as an entry, and the rows that come of them.

use std::sync::Arc;

use bytes::Bytes;
use machine::{
    AccountId, AdmitNode, ArnSuffix, Checkpoint, Command, CreateSecret, DeleteSecret, FeedId, Hash,
    IssueJoinToken, Label, LogIndex, MACHINE_VERSION, NewVersion, Node, NodeId, PurgeSecret,
    PutSecretValue, RecordAccess, RemoveNode, RestoreSecret, Revision, SealedValue, SecretName,
    Seen, SetMachineVersion, Stamp, State, Tag, TagResource, TrimFeed, Uid, UntagResource,
    UpdateSecret, UpdateSecretVersionStage, ValueKind, VersionId, Wrap,
};
use strongroom_fuzz::pair::region;
use strongroom_fuzz::{ACCOUNT, KEY, REGION, entry, founded, join};

use crate::{Corpus, Failure};

/// A secret of the founded region.
pub fn secret() -> Uid {
    FeedId::Home(region(REGION)).uid_of([5; 16])
}

pub fn machine(corpus: &Corpus) -> Result<(), Failure> {
    let mut state = founded();
    let mut entries = Vec::new();
    for (index, (name, command)) in (2..).zip(commands(&state)?) {
        let entry = entry(index, command);
        machine::apply(&mut state, LogIndex(index), &entry);
        entries.push(entry.encode());
        corpus.add("entries", name, &join([&entry.encode()]))?;
        if matches!(name, "put" | "tag") {
            rows(corpus, name, &state)?;
        }
    }
    rows(corpus, "all", &state)?;
    corpus.add("entries", "all", &join(&entries))
}

pub fn rows(corpus: &Corpus, name: &str, state: &State) -> Result<(), Failure> {
    let parts = state.rows().filter_map(|(key, row)| match row {
        machine::RowRef::Here(row) => Some([key.encode(), row.encode()]),
        machine::RowRef::Evicted => None,
    });
    corpus.add("rows", name, &join(parts.flatten()))
}

fn commands(state: &State) -> Result<Vec<(&'static str, Command)>, Failure> {
    let mut commands = secret_commands()?;
    commands.extend(secret_ends());
    let feed = state.home().ok_or("no home feed")?;
    let node = Node {
        id: NodeId(2),
        peer_address: "127.0.0.1:7431".to_owned(),
        api_address: "127.0.0.1:7430".to_owned(),
        public_key: Hash([4; 32]),
    };
    let digest = Hash([6; 32]);
    let expires = Stamp(1 << 40);
    let touched = vec![(secret(), version(2)?)];
    let upto = Revision(3);
    commands.extend([
        (
            "access",
            Command::RecordAccess(RecordAccess { day: 0, touched }),
        ),
        (
            "token",
            Command::IssueJoinToken(IssueJoinToken { digest, expires }),
        ),
        (
            "admit",
            Command::AdmitNode(AdmitNode {
                token_digest: digest,
                node,
            }),
        ),
        (
            "remove",
            Command::RemoveNode(RemoveNode { node: NodeId(2) }),
        ),
        (
            "version",
            Command::SetMachineVersion(SetMachineVersion {
                version: MACHINE_VERSION,
            }),
        ),
        (
            "checkpoint",
            Command::Checkpoint(Checkpoint { feed: feed.clone() }),
        ),
        ("trim", Command::TrimFeed(TrimFeed { feed, upto })),
    ]);
    Ok(commands)
}

pub fn secret_commands() -> Result<Vec<(&'static str, Command)>, Failure> {
    let (uid, seen) = (secret(), Seen::default());
    let create = CreateSecret {
        uid,
        account: AccountId::new(ACCOUNT)?,
        name: SecretName::new("prod/db")?,
        arn_suffix: ArnSuffix::new("AbC123")?,
        description: "a description".to_owned(),
        kms_key: None,
        tags: vec![tag()],
        new: Some(new(1)?),
        region: None,
        replicas: Vec::new(),
        seen: seen.clone(),
    };
    let put = PutSecretValue {
        uid,
        new: new(2)?,
        labels: vec![Label::new("AWSCURRENT")?],
        young_protection_ms: 0,
        seen: seen.clone(),
    };
    let update = UpdateSecret {
        uid,
        description: Some("another".to_owned()),
        kms_key: Some(Some(KEY)),
        rewrapped: vec![(version(2)?, wrap())],
        new: Some(new(3)?),
        young_protection_ms: 0,
        seen: seen.clone(),
    };
    let stage = UpdateSecretVersionStage {
        uid,
        label: Label::new("AWSCURRENT")?,
        remove_from: Some(version(3)?),
        move_to: Some(version(2)?),
        seen: seen.clone(),
    };
    Ok(vec![
        ("create", Command::CreateSecret(create)),
        ("put", Command::PutSecretValue(put)),
        ("update", Command::UpdateSecret(update)),
        ("stage", Command::UpdateSecretVersionStage(stage)),
    ])
}

fn secret_ends() -> Vec<(&'static str, Command)> {
    let (uid, seen) = (secret(), Seen::default());
    let delete = DeleteSecret {
        uid,
        window_days: Some(7),
        seen: seen.clone(),
    };
    let purge = PurgeSecret {
        uid,
        deletion_date: Stamp(0),
    };
    let keys = vec!["team".to_owned()];
    let tags = vec![tag()];
    vec![
        (
            "tag",
            Command::TagResource(TagResource {
                uid,
                tags,
                seen: seen.clone(),
            }),
        ),
        (
            "untag",
            Command::UntagResource(UntagResource {
                uid,
                keys,
                seen: seen.clone(),
            }),
        ),
        ("delete", Command::DeleteSecret(delete)),
        (
            "restore",
            Command::RestoreSecret(RestoreSecret { uid, seen }),
        ),
        ("purge", Command::PurgeSecret(purge)),
    ]
}

fn tag() -> Tag {
    Tag {
        key: "team".into(),
        value: "core".into(),
    }
}

pub fn version(number: u32) -> Result<VersionId, Failure> {
    Ok(VersionId::new(&format!("{number:032}"))?)
}

pub fn wrap() -> Wrap {
    Wrap {
        key_id: KEY,
        key_version: 1,
        wrapped_dek: Bytes::from_static(&[6; 48]),
    }
}

pub fn new(number: u32) -> Result<NewVersion, Failure> {
    Ok(NewVersion {
        id: version(number)?,
        kind: ValueKind::String,
        sealed: Arc::new(SealedValue {
            nonce: [4; 12],
            ciphertext: Bytes::from_static(b"sealed"),
        }),
        wrap: wrap(),
    })
}
