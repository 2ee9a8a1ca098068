//! Two linked regions: the founded one, which leads, and another one, which follows it.

use std::sync::LazyLock;

use bytes::Bytes;
use machine::{
    Body, Command, Cursor, FeedId, Hash, ImportChanges, ImportedChange, Introduction,
    IssueLinkToken, LinkRegion, LogIndex, Region, RegionName, Revision, RowKey, Scope, SentBody,
    StagedRow, Stamp, State, UpdateRegion, Wrap,
};

use crate::{KEY, REGION, entry, found, founded, node};

/// The region that follows.
pub const FOLLOWER: &str = "eu-west-1";

/// The region that follows, which has taken in nothing yet; made once, then cloned.
pub fn follower() -> State {
    static STATE: LazyLock<State> = LazyLock::new(|| {
        let introduction = Introduction {
            regions: leader().regions().cloned().collect(),
            home_exists: false,
        };
        let mut state = State::new();
        surely(&mut state, 1, found(FOLLOWER, Some(introduction)));
        state
    });
    STATE.clone()
}

/// The region that leads, which has no secret yet.
pub fn leader() -> State {
    let mut state = founded();
    for (index, command) in (2..).zip(linking()) {
        surely(&mut state, index, command);
    }
    state
}

/// What links the regions, in the one that leads.
pub fn linking() -> [Command; 3] {
    let described = |name, scope| Region {
        name: region(name),
        scope,
        authorities: vec![Bytes::from_static(b"issuer")],
        nodes: vec![node()],
        unlinked: None,
        signing_key: None,
    };
    let token_digest = Hash([6; 32]);
    [
        Command::UpdateRegion(UpdateRegion {
            region: described(REGION, Scope::Founder),
        }),
        Command::IssueLinkToken(IssueLinkToken {
            digest: token_digest,
            expires: Stamp(1 << 40),
            region: region(FOLLOWER),
            scope: Scope::Selected,
        }),
        Command::LinkRegion(LinkRegion {
            token_digest,
            region: described(FOLLOWER, Scope::Selected),
        }),
    ]
}

/// What the follower is sent of a feed, and does not have; with the bodies of secrets or without.
pub fn import(from: &State, to: &State, feed: &FeedId, with_bodies: bool) -> Command {
    let none = Cursor {
        epoch: None,
        revision: Revision(0),
        chain: Hash::ZERO,
    };
    let after = to.feed(feed).map_or(none, |feed| feed.cursor());
    let sent = from.outgoing(feed, &after, &region(FOLLOWER));
    let changes = sent.expect("the feed is served").map(|sent| {
        let body = match sent.body {
            Body::Here(framed) if with_bodies || !is_secret(&sent.key) => Some(SentBody {
                blind: framed.blind,
                bytes: framed.bytes,
                wrap: wrap(&sent.key),
                problem: String::new(),
            }),
            _ => None,
        };
        ImportedChange {
            header: sent.header,
            body,
        }
    });
    Command::ImportChanges(ImportChanges {
        feed: feed.clone(),
        changes: changes.collect(),
        after,
    })
}

/// The rows of a feed as the follower is sent them.
pub fn rows(from: &State, feed: &FeedId) -> Vec<StagedRow> {
    let follower = from.linked(&region(FOLLOWER)).expect("it is linked");
    let rows = from.rows_of(feed, None).map(|(key, row)| {
        let row = row.expect("nothing is evicted here");
        let is_sent = from.is_for(follower, &key);
        StagedRow {
            wrap: wrap(&key).filter(|_| is_sent),
            row: match is_sent {
                true => row,
                false => row.without_body().expect("a row of a feed"),
            },
            key,
            problem: String::new(),
        }
    });
    rows.collect()
}

/// A region's name.
pub fn region(name: &str) -> RegionName {
    RegionName::new(name).expect("a region")
}

/// Applies a command that must not be refused.
pub fn surely(state: &mut State, index: u64, command: Command) {
    let applied = machine::apply(state, LogIndex(index), &entry(index, command));
    assert!(applied.answer.is_ok(), "{index}: {:?}", applied.answer);
}

fn is_secret(key: &RowKey) -> bool {
    matches!(key, RowKey::Secret(_) | RowKey::Version(..))
}

fn wrap(key: &RowKey) -> Option<Wrap> {
    matches!(key, RowKey::Version(..)).then(|| Wrap {
        key_id: KEY,
        key_version: 1,
        wrapped_dek: Bytes::from_static(&[6; 48]),
    })
}
