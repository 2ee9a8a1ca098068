//! Random commands. Few secrets, names and versions, so that callers meet.

use proptest::prelude::{BoxedStrategy, Strategy, any};
use proptest::{collection, option, prop_oneof, sample};
use strongroom_machine::{
    AdmitNode, ArnSuffix, Checkpoint, Command, CreateSecret, DeleteResourcePolicy, DeleteSecret,
    Document, FeedId, Hash, IssueJoinToken, Label, NewVersion, NodeId, PurgeSecret,
    PutResourcePolicy, PutSecretValue, RecordAccess, RegionName, RemoveNode, RestoreSecret,
    Revision, RowKey, SecretName, Seen, SeenAs, SeenRow, Stamp, State, Tag, TagResource, TrimFeed,
    Uid, UntagResource, UpdateSecret, UpdateSecretVersionStage, VersionId, limits,
};

use crate::identities::identity_commands;
use crate::support::{DEFAULT_KEY, Failure, REGION, account, new, node, uid, version, wrap};

const DAY_MS: u64 = limits::DAY_MS;

/// What a random caller asks.
#[derive(Debug, Clone)]
pub enum Ask {
    /// A command.
    Command(Box<Command>),
    /// A purge of what is scheduled, at its time or a little off.
    Purge(Uid, u64),
}

impl Ask {
    pub fn command(&self, state: &State) -> Command {
        match self {
            Ask::Command(command) => Command::clone(command),
            Ask::Purge(uid, off_by_ms) => {
                let deletion = state.secret(uid).and_then(|secret| secret.deletion);
                let due = deletion.map_or(Stamp(0), |deletion| deletion.due.plus_ms(*off_by_ms));
                Command::PurgeSecret(PurgeSecret {
                    uid: *uid,
                    deletion_date: due,
                })
            }
        }
    }
}

pub fn asks() -> impl Strategy<Value = Ask> {
    let purge = (uids(), 0..2u64).prop_map(|(uid, off_by_ms)| Ask::Purge(uid, off_by_ms));
    prop_oneof![
        3 => creates().prop_map(asked),
        6 => puts().prop_map(asked),
        3 => updates().prop_map(asked),
        4 => stages().prop_map(asked),
        3 => lives().prop_map(asked),
        1 => purge,
        2 => tags_and_reads().prop_map(asked),
        1 => nodes().prop_map(asked),
        1 => feeds().prop_map(asked),
        8 => identity_commands().prop_map(asked),
        1 => resource_policies().prop_map(asked),
    ]
}

fn creates() -> BoxedStrategy<Command> {
    let command = |(uid, name, new, tags): (Uid, u8, Option<NewVersion>, Vec<Tag>)| {
        Ok::<_, Failure>(Command::CreateSecret(CreateSecret {
            uid,
            account: account()?,
            name: SecretName::new(&format!("n{name}"))?,
            arn_suffix: ArnSuffix::new("AbC123")?,
            description: String::new(),
            kms_key: None,
            tags,
            new,
            region: None,
            replicas: Vec::new(),
            seen: Seen::default(),
        }))
    };
    let of = (uids(), 0..4u8, option::of(values()), tags());
    of.prop_filter_map("names are names", move |of| command(of).ok())
        .boxed()
}

fn puts() -> BoxedStrategy<Command> {
    let labels = collection::vec(labels(), 0..4);
    let of = (uids(), values(), labels, 0..3u64, option::of(0..40u64));
    of.prop_map(|(uid, new, labels, young_days, seen)| {
        let key = RowKey::Secret(uid);
        let seen = seen.map(|revision| SeenRow {
            key,
            seen: SeenAs::Revision(Revision(revision)),
        });
        Command::PutSecretValue(PutSecretValue {
            uid,
            new,
            labels,
            young_protection_ms: young_days * DAY_MS,
            seen: Seen(seen.into_iter().collect()),
        })
    })
    .boxed()
}

fn updates() -> BoxedStrategy<Command> {
    let rewrapped = versions().prop_map(|version| (version, wrap(DEFAULT_KEY, 1)));
    let rewrapped = collection::vec(rewrapped, 0..3);
    let key = option::of(sample::select(vec![None, Some(DEFAULT_KEY)]));
    let of = (
        uids(),
        option::of("[a-z]{0,9}"),
        key,
        rewrapped,
        option::of(values()),
    );
    of.prop_map(|(uid, description, kms_key, rewrapped, new)| {
        Command::UpdateSecret(UpdateSecret {
            uid,
            description,
            kms_key,
            rewrapped,
            new,
            young_protection_ms: 0,
            seen: Seen::default(),
        })
    })
    .boxed()
}

fn stages() -> BoxedStrategy<Command> {
    let of = (
        uids(),
        labels(),
        option::of(versions()),
        option::of(versions()),
    );
    of.prop_map(|(uid, label, remove_from, move_to)| {
        let seen = Seen::default();
        let update = UpdateSecretVersionStage {
            uid,
            label,
            remove_from,
            move_to,
            seen,
        };
        Command::UpdateSecretVersionStage(update)
    })
    .boxed()
}

fn lives() -> BoxedStrategy<Command> {
    let delete = (uids(), option::of(7..31u32)).prop_map(|(uid, window_days)| {
        Command::DeleteSecret(DeleteSecret {
            uid,
            window_days,
            seen: Seen::default(),
        })
    });
    let restore = uids().prop_map(|uid| {
        Command::RestoreSecret(RestoreSecret {
            uid,
            seen: Seen::default(),
        })
    });
    prop_oneof![delete, restore].boxed()
}

fn tags_and_reads() -> BoxedStrategy<Command> {
    let tag = (uids(), tags()).prop_map(|(uid, tags)| {
        Command::TagResource(TagResource {
            uid,
            tags,
            seen: Seen::default(),
        })
    });
    let keys = collection::vec("k[0-3]", 0..3);
    let untag = (uids(), keys).prop_map(|(uid, keys)| {
        Command::UntagResource(UntagResource {
            uid,
            keys,
            seen: Seen::default(),
        })
    });
    let touched = collection::vec((uids(), versions()), 0..4);
    let access = (100..140u32, touched)
        .prop_map(|(day, touched)| Command::RecordAccess(RecordAccess { day, touched }));
    prop_oneof![tag, untag, access].boxed()
}

fn nodes() -> BoxedStrategy<Command> {
    let token = (0..4u8, 100..200u64).prop_map(|(number, day)| {
        let (digest, expires) = (Hash([number; 32]), Stamp(day * DAY_MS));
        Command::IssueJoinToken(IssueJoinToken { digest, expires })
    });
    let admit = (0..4u8, 1..5u64, 1..5u8).prop_map(|(token, id, key)| {
        let (token_digest, node) = (Hash([token; 32]), node(id, key));
        Command::AdmitNode(AdmitNode { token_digest, node })
    });
    let remove = (1..5u64).prop_map(|id| Command::RemoveNode(RemoveNode { node: NodeId(id) }));
    prop_oneof![token, admit, remove].boxed()
}

fn resource_policies() -> BoxedStrategy<Command> {
    let put = (uids(), "[a-z]{0,2}").prop_map(|(uid, text)| {
        Command::PutResourcePolicy(PutResourcePolicy {
            uid,
            document: Document::new(&text),
            seen: Seen::default(),
        })
    });
    let delete = uids().prop_map(|uid| {
        let seen = Seen::default();
        Command::DeleteResourcePolicy(DeleteResourcePolicy { uid, seen })
    });
    prop_oneof![2 => put, 1 => delete].boxed()
}

fn feeds() -> BoxedStrategy<Command> {
    let feed = || {
        any::<bool>().prop_filter_map("regions are regions", |root| match root {
            true => Some(FeedId::Root),
            false => RegionName::new(REGION).ok().map(FeedId::Home),
        })
    };
    let checkpoint = feed().prop_map(|feed| Command::Checkpoint(Checkpoint { feed }));
    let trim = (feed(), 0..60u64).prop_map(|(feed, upto)| {
        Command::TrimFeed(TrimFeed {
            feed,
            upto: Revision(upto),
        })
    });
    prop_oneof![2 => checkpoint, 1 => trim].boxed()
}

fn uids() -> impl Strategy<Value = Uid> {
    (1..6u64).prop_map(uid)
}

fn versions() -> impl Strategy<Value = VersionId> {
    (0..12u8).prop_filter_map("ids are ids", |n| version(&n.to_string()).ok())
}

fn values() -> impl Strategy<Value = NewVersion> {
    (0..12u8).prop_filter_map("ids are ids", |n| new(&n.to_string(), 10).ok())
}

fn labels() -> impl Strategy<Value = Label> {
    let names = ["AWSCURRENT", "AWSPREVIOUS", "AWSPENDING", "A", "B"];
    sample::select(names.to_vec())
        .prop_filter_map("labels are labels", |name| Label::new(name).ok())
}

fn tags() -> impl Strategy<Value = Vec<Tag>> {
    let tag = ("k[0-3]", "[a-z]{0,2}").prop_map(|(key, value)| Tag { key, value });
    collection::vec(tag, 0..3)
}

fn asked(command: Command) -> Ask {
    Ask::Command(Box::new(command))
}
