//! Rows: what the state is made of, the store keeps and feeds carry (R1). Keys hold identifiers
//! only, never a name. A row keeps the exact bytes it was made with; they are never encoded again.

use std::sync::Arc;

use bytes::Bytes;

use crate::change::Header;
use crate::codec::{Body, DecodeError};
use crate::command::{KmsKey, Node};
use crate::hash::{commitment, local_commitment};
use crate::ids::{
    ClusterId, Hash, KeyId, LogIndex, MachineVersion, NodeId, Ordinal, Revision, Stamp, Uid,
};
use crate::names::{AccountId, RegionName};
use crate::position::{Epoch, FeedId};
use crate::secret::{SealedValue, Secret, Wrap};

/// Names a row. The order of keys is the order of their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// What the region knows of itself.
    Machine,
    /// The last entry that changed something.
    Clock,
    /// Where a feed stands, by the feed's uid.
    Feed(Uid),
    /// A member node.
    Node(NodeId),
    /// A removed node.
    RetiredNode(NodeId),
    /// A join token, by its digest.
    JoinToken(Hash),
    /// A KMS key.
    KmsKey(KeyId),
    /// A version's wrapped key.
    Wrap(Uid, Ordinal),
    /// When a secret was last read.
    Access(Uid),
    /// The start of an epoch, by the feed's uid and the epoch's number.
    Epoch(Uid, Ordinal),
    /// A feed's checkpoint, by the feed's uid.
    Checkpoint(Uid),
    /// An account.
    Account(Ordinal),
    /// An entry of the region directory.
    Region(Ordinal),
    /// A principal.
    Principal(Ordinal),
    /// A secret's metadata.
    Secret(Uid),
    /// A sealed value.
    Version(Uid, Ordinal),
    /// What is left of a purged secret.
    Tombstone(Uid),
    /// A journal row, by the feed's uid.
    Journal(Uid, Revision),
}

/// A row's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// See [`RowKey::Machine`].
    Machine(Arc<Kept<Machine>>),
    /// See [`RowKey::Clock`].
    Clock(Arc<Kept<Clock>>),
    /// See [`RowKey::Feed`].
    Feed(Arc<Kept<FeedState>>),
    /// See [`RowKey::Node`].
    Node(Arc<Kept<Node>>),
    /// See [`RowKey::RetiredNode`].
    RetiredNode(Arc<Kept<RetiredNode>>),
    /// See [`RowKey::JoinToken`].
    JoinToken(Arc<Kept<JoinToken>>),
    /// See [`RowKey::KmsKey`].
    KmsKey(Arc<Kept<KmsKey>>),
    /// See [`RowKey::Wrap`].
    Wrap(Arc<Kept<Wrap>>),
    /// See [`RowKey::Access`].
    Access(Arc<Kept<Access>>),
    /// See [`RowKey::Epoch`].
    Epoch(Arc<Kept<BeginEpoch>>),
    /// See [`RowKey::Checkpoint`].
    Checkpoint(Arc<Kept<FeedCheckpoint>>),
    /// See [`RowKey::Account`].
    Account(Arc<Kept<AccountId>>),
    /// See [`RowKey::Region`].
    Region(Arc<Kept<RegionName>>),
    /// See [`RowKey::Principal`].
    Principal(Arc<Kept<Principal>>),
    /// See [`RowKey::Secret`].
    Secret(Arc<Kept<Secret>>),
    /// See [`RowKey::Version`].
    Version(Arc<Kept<SealedValue>>),
    /// See [`RowKey::Tombstone`].
    Tombstone(Arc<Kept<Tombstone>>),
    /// See [`RowKey::Journal`].
    Journal(Arc<Kept<JournalRow>>),
}

/// A row's body with the exact bytes that are stored and hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept<T> {
    pub(crate) body: Arc<T>,
    pub(crate) stored: Bytes,
    pub(crate) commitment: Hash,
    pub(crate) origin: Option<Origin>,
}

/// Where a feed row comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The feed that owns the row.
    pub feed: FeedId,
    /// That feed's uid.
    pub feed_uid: Uid,
    /// The revision that last wrote it.
    pub revision: Revision,
    /// The exact bytes of the body, a slice of what is stored.
    pub bytes: Bytes,
}

/// What a region knows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its name.
    pub region: RegionName,
    /// The default account.
    pub account: AccountId,
    /// The default key.
    pub default_key: KeyId,
    /// The rules in force.
    pub version: MachineVersion,
}

/// The last entry that changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The stamp its decision used.
    pub stamp: Stamp,
    /// Its index.
    pub index: LogIndex,
}

/// Where a feed stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedState {
    /// The feed.
    pub feed: FeedId,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its last revision.
    pub revision: Revision,
    /// The chain hash there.
    pub chain: Hash,
    /// The first revision the journal holds.
    pub journal_first: Revision,
    /// The journal's size.
    pub journal_bytes: u64,
}

/// A removed node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetiredNode {
    /// When it was removed.
    pub retired: Stamp,
}

/// A one-time join token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinToken {
    /// When it stops working.
    pub expires: Stamp,
    /// The node it admitted.
    pub used_by: Option<NodeId>,
}

/// When a secret and its versions were last read, in days since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// The secret, by any version, kept or pruned.
    pub day: u32,
    /// The versions that are kept, by ordinal.
    pub versions: Vec<(Ordinal, u32)>,
}

/// The start of an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeginEpoch {
    /// The epoch.
    pub epoch: Epoch,
    /// The region that is primary in it.
    pub primary: RegionName,
    /// The epoch before.
    pub previous: Option<Epoch>,
    /// The last revision of the epoch before.
    pub last_revision: Revision,
    /// The chain hash there.
    pub chain: Hash,
}

/// What a follower must have computed when it reaches a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedCheckpoint {
    /// The revision described, just before the checkpoint's own.
    pub revision: Revision,
    /// The chain hash there.
    pub chain: Hash,
    /// The feed hash there.
    pub feed_hash: Hash,
}

/// A principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The client name in its certificate.
    pub client: String,
    /// Whether it may do everything.
    pub administrator: bool,
}

/// What is left of a purged secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tombstone {
    /// When it was purged.
    pub purged: Stamp,
}

/// A change as a follower will ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// The change's header.
    pub header: Arc<Header>,
    /// The header's exact bytes.
    pub header_bytes: Bytes,
    /// What hides the body behind the commitment; none when the row was deleted.
    pub blind: Option<Hash>,
    /// The chain hash after this change.
    pub chain: Hash,
    /// The body of a mutable row; an immutable one is found under its key.
    pub body: Option<Bytes>,
}

impl<T> Kept<T> {
    /// Gives the body.
    pub fn body(&self) -> &Arc<T> {
        &self.body
    }

    /// Gives the bytes that are stored.
    pub fn stored(&self) -> &Bytes {
        &self.stored
    }

    /// Gives what stands for the row in every hash.
    pub fn commitment(&self) -> Hash {
        self.commitment
    }

    /// Gives the feed a feed row comes from; none for local rows.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }
}

impl<T: Body> Kept<T> {
    /// Makes a local row.
    pub(crate) fn local(body: &T) -> Kept<T> {
        let stored = Bytes::from(body.to_bytes());
        let commitment = local_commitment(&stored);
        Kept {
            body: Arc::new(body.settled(&stored)),
            stored,
            commitment,
            origin: None,
        }
    }

    /// Makes a journal row, which no hash covers.
    pub(crate) fn unhashed(body: &T) -> Kept<T> {
        let stored = Bytes::from(body.to_bytes());
        let body = Arc::new(body.settled(&stored));
        Kept {
            body,
            stored,
            commitment: Hash::ZERO,
            origin: None,
        }
    }

    /// Makes a feed row.
    pub(crate) fn fed(
        body: &T,
        feed: &FeedId,
        feed_uid: Uid,
        revision: Revision,
        blind: &Hash,
    ) -> Kept<T> {
        let bytes = body.to_bytes();
        let commitment = commitment(blind, &bytes);
        let (stored, bytes) = crate::codec::feed_row(feed, revision, blind, &commitment, bytes);
        let body = Arc::new(body.settled(&bytes));
        let origin = Some(Origin {
            feed: feed.clone(),
            feed_uid,
            revision,
            bytes,
        });
        Kept {
            body,
            stored,
            commitment,
            origin,
        }
    }
}

impl RowKey {
    /// Encodes the key: a kind byte, then identifiers of fixed length.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(33);
        bytes.push(self.kind());
        match self {
            RowKey::Machine | RowKey::Clock => {}
            RowKey::Feed(uid)
            | RowKey::Access(uid)
            | RowKey::Checkpoint(uid)
            | RowKey::Secret(uid)
            | RowKey::Tombstone(uid) => bytes.extend(uid.0),
            RowKey::Node(node) | RowKey::RetiredNode(node) => bytes.extend(node.0.to_be_bytes()),
            RowKey::JoinToken(digest) => bytes.extend(digest.0),
            RowKey::KmsKey(key) => bytes.extend(key.0),
            RowKey::Wrap(uid, Ordinal(number))
            | RowKey::Epoch(uid, Ordinal(number))
            | RowKey::Version(uid, Ordinal(number))
            | RowKey::Journal(uid, Revision(number)) => {
                bytes.extend(uid.0);
                bytes.extend(number.to_be_bytes());
            }
            RowKey::Account(Ordinal(number))
            | RowKey::Region(Ordinal(number))
            | RowKey::Principal(Ordinal(number)) => bytes.extend(number.to_be_bytes()),
        }
        bytes
    }

    /// Decodes a key. An unknown kind is an error, upon which a node stops (R13).
    pub fn decode(bytes: &[u8]) -> Result<RowKey, DecodeError> {
        let (kind, rest) = bytes.split_first().ok_or(DecodeError::Field("row key"))?;
        let mut rest = Reader(rest);
        let key = match kind {
            0x01 => RowKey::Machine,
            0x02 => RowKey::Clock,
            0x03 => RowKey::Feed(rest.uid()?),
            0x04 => RowKey::Node(NodeId(rest.number()?)),
            0x05 => RowKey::RetiredNode(NodeId(rest.number()?)),
            0x06 => RowKey::JoinToken(Hash(rest.take()?)),
            0x07 => RowKey::KmsKey(KeyId(rest.take()?)),
            0x08 => RowKey::Wrap(rest.uid()?, Ordinal(rest.number()?)),
            0x09 => RowKey::Access(rest.uid()?),
            0x40 => RowKey::Epoch(rest.uid()?, Ordinal(rest.number()?)),
            0x41 => RowKey::Checkpoint(rest.uid()?),
            0x42 => RowKey::Account(Ordinal(rest.number()?)),
            0x43 => RowKey::Region(Ordinal(rest.number()?)),
            0x44 => RowKey::Principal(Ordinal(rest.number()?)),
            0x48 => RowKey::Secret(rest.uid()?),
            0x49 => RowKey::Version(rest.uid()?, Ordinal(rest.number()?)),
            0x4a => RowKey::Tombstone(rest.uid()?),
            0x70 => RowKey::Journal(rest.uid()?, Revision(rest.number()?)),
            unknown => return Err(DecodeError::UnknownRow(*unknown)),
        };
        rest.0
            .is_empty()
            .then_some(key)
            .ok_or(DecodeError::Field("row key"))
    }

    /// Gives the row's kind: the first byte of its key.
    pub fn kind(&self) -> u8 {
        match self {
            RowKey::Machine => 0x01,
            RowKey::Clock => 0x02,
            RowKey::Feed(_) => 0x03,
            RowKey::Node(_) => 0x04,
            RowKey::RetiredNode(_) => 0x05,
            RowKey::JoinToken(_) => 0x06,
            RowKey::KmsKey(_) => 0x07,
            RowKey::Wrap(..) => 0x08,
            RowKey::Access(_) => 0x09,
            RowKey::Epoch(..) => 0x40,
            RowKey::Checkpoint(_) => 0x41,
            RowKey::Account(_) => 0x42,
            RowKey::Region(_) => 0x43,
            RowKey::Principal(_) => 0x44,
            RowKey::Secret(_) => 0x48,
            RowKey::Version(..) => 0x49,
            RowKey::Tombstone(_) => 0x4a,
            RowKey::Journal(..) => 0x70,
        }
    }

    /// Gives the uid a header shows; zero for rows that belong to none.
    pub fn uid(&self) -> Uid {
        match self {
            RowKey::Feed(uid)
            | RowKey::Wrap(uid, _)
            | RowKey::Access(uid)
            | RowKey::Epoch(uid, _)
            | RowKey::Checkpoint(uid)
            | RowKey::Secret(uid)
            | RowKey::Version(uid, _)
            | RowKey::Tombstone(uid)
            | RowKey::Journal(uid, _) => *uid,
            _ => Uid([0; 16]),
        }
    }

    /// Gives the ordinal a header shows; zero for kinds with one row for each uid.
    pub fn ordinal(&self) -> Ordinal {
        match self {
            RowKey::Wrap(_, ordinal)
            | RowKey::Epoch(_, ordinal)
            | RowKey::Account(ordinal)
            | RowKey::Region(ordinal)
            | RowKey::Principal(ordinal)
            | RowKey::Version(_, ordinal) => *ordinal,
            _ => Ordinal(0),
        }
    }

    /// Says whether rows of this kind, once written, are only ever deleted.
    pub fn is_immutable(&self) -> bool {
        matches!(self, RowKey::Version(..))
    }
}

impl Row {
    /// Gives the bytes to store.
    pub fn encode(&self) -> Vec<u8> {
        self.stored().to_vec()
    }

    /// Gives the bytes to store without copying them.
    pub fn stored(&self) -> &Bytes {
        match self {
            Row::Machine(kept) => &kept.stored,
            Row::Clock(kept) => &kept.stored,
            Row::Feed(kept) => &kept.stored,
            Row::Node(kept) => &kept.stored,
            Row::RetiredNode(kept) => &kept.stored,
            Row::JoinToken(kept) => &kept.stored,
            Row::KmsKey(kept) => &kept.stored,
            Row::Wrap(kept) => &kept.stored,
            Row::Access(kept) => &kept.stored,
            Row::Epoch(kept) => &kept.stored,
            Row::Checkpoint(kept) => &kept.stored,
            Row::Account(kept) => &kept.stored,
            Row::Region(kept) => &kept.stored,
            Row::Principal(kept) => &kept.stored,
            Row::Secret(kept) => &kept.stored,
            Row::Version(kept) => &kept.stored,
            Row::Tombstone(kept) => &kept.stored,
            Row::Journal(kept) => &kept.stored,
        }
    }

    /// Decodes a stored row.
    pub fn decode(key: &RowKey, bytes: &[u8]) -> Result<Row, DecodeError> {
        Row::decode_bytes(key, Bytes::copy_from_slice(bytes))
    }

    /// Decodes a stored row without copying it.
    pub fn decode_bytes(key: &RowKey, bytes: Bytes) -> Result<Row, DecodeError> {
        match key {
            RowKey::Machine => Kept::decode_local(key, bytes).map(Row::Machine),
            RowKey::Clock => Kept::decode_local(key, bytes).map(Row::Clock),
            RowKey::Feed(_) => Kept::decode_local(key, bytes).map(Row::Feed),
            RowKey::Node(_) => Kept::decode_local(key, bytes).map(Row::Node),
            RowKey::RetiredNode(_) => Kept::decode_local(key, bytes).map(Row::RetiredNode),
            RowKey::JoinToken(_) => Kept::decode_local(key, bytes).map(Row::JoinToken),
            RowKey::KmsKey(_) => Kept::decode_local(key, bytes).map(Row::KmsKey),
            RowKey::Wrap(..) => Kept::decode_local(key, bytes).map(Row::Wrap),
            RowKey::Access(_) => Kept::decode_local(key, bytes).map(Row::Access),
            RowKey::Epoch(..) => Kept::decode_fed(key, bytes).map(Row::Epoch),
            RowKey::Checkpoint(_) => Kept::decode_fed(key, bytes).map(Row::Checkpoint),
            RowKey::Account(_) => Kept::decode_fed(key, bytes).map(Row::Account),
            RowKey::Region(_) => Kept::decode_fed(key, bytes).map(Row::Region),
            RowKey::Principal(_) => Kept::decode_fed(key, bytes).map(Row::Principal),
            RowKey::Secret(_) => Kept::decode_fed(key, bytes).map(Row::Secret),
            RowKey::Version(..) => Kept::decode_fed(key, bytes).map(Row::Version),
            RowKey::Tombstone(_) => Kept::decode_fed(key, bytes).map(Row::Tombstone),
            RowKey::Journal(..) => Kept::decode_unhashed(key, bytes).map(Row::Journal),
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self
            .0
            .split_first_chunk()
            .ok_or(DecodeError::Field("row key"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn uid(&mut self) -> Result<Uid, DecodeError> {
        self.take().map(Uid)
    }

    fn number(&mut self) -> Result<u64, DecodeError> {
        self.take().map(u64::from_be_bytes)
    }
}
