//! Regions as the directory of the root feed has them, and what they say of their copies.

use bytes::Bytes;

use crate::command::Node;
use crate::ids::{Stamp, Uid};
use crate::names::RegionName;
use crate::position::{Epoch, FeedId};
use crate::session::VerifyingKey;

/// An entry of the region directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Its name.
    pub name: RegionName,
    /// What it receives.
    pub scope: Scope,
    /// The certificates, in DER, that issue those of its nodes.
    pub authorities: Vec<Bytes>,
    /// Its nodes, by id; the keys are pinned.
    pub nodes: Vec<Node>,
    /// When it was unlinked; none while it is linked.
    pub unlinked: Option<Stamp>,
    /// The key of its signatures under sessions; none while it has none, and once it is unlinked.
    pub signing_key: Option<VerifyingKey>,
}

/// What a region receives of the feeds of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The first region of a cluster: what is shared with it.
    Founder,
    /// What is shared with it.
    Selected,
    /// Every secret.
    All,
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaState {
    /// Something is still on the way.
    InProgress,
    /// The region has all of it.
    InSync,
    /// The region cannot take it.
    Failed,
    /// It is a secret of its own now.
    Detached,
}

/// What a region last said of its copy of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// How far the copy is.
    pub state: ReplicaState,
    /// Why it failed; empty unless it did.
    pub message: String,
    /// The day it was last read, since the Unix epoch; 0 for never.
    pub access_day: u32,
}

/// A feed as its new primary took it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenFeed {
    /// Where it stood, in the epoch before.
    pub last: crate::position::Position,
    /// The new epoch.
    pub epoch: Epoch,
}

/// What a promotion did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// The feeds it took over.
    pub feeds: Vec<TakenFeed>,
    /// Feeds of the lost region that this one may not lead.
    pub left: Vec<FeedId>,
}

impl Region {
    /// Makes the entry of a cluster's first region, as it is before anything else is known of it.
    pub(crate) fn founder(name: RegionName) -> Region {
        Region {
            name,
            scope: Scope::Founder,
            authorities: Vec::new(),
            nodes: Vec::new(),
            unlinked: None,
            signing_key: None,
        }
    }

    /// Says whether the region is linked.
    pub fn is_linked(&self) -> bool {
        self.unlinked.is_none()
    }
}

impl FeedId {
    /// Says whether a secret's uid is one that this feed gives out: it begins as the feed's own,
    /// so that no region can write under the uid of another one's secret.
    pub fn gives(&self, uid: &Uid) -> bool {
        uid.0.starts_with(&self.prefix())
    }

    /// Makes a secret's uid of random bytes.
    pub fn uid_of(&self, random: [u8; 16]) -> Uid {
        let mut uid = random;
        uid.iter_mut()
            .zip(self.prefix())
            .for_each(|(to, from)| *to = from);
        Uid(uid)
    }

    /// Gives what all of its secrets' uids begin with.
    pub(crate) fn prefix(&self) -> [u8; 4] {
        let Uid([a, b, c, d, ..]) = self.uid();
        [a, b, c, d]
    }
}
