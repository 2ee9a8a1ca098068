//! Rows: what the state is made of, the store keeps and feeds carry (R1). A row keeps the exact
//! bytes it was made with; they are never encoded again.

mod issuer;
mod key;
mod region;

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::change::Header;
use crate::codec::{Body, DecodeError, feed_row};
use crate::command::{KmsKey, Node, StagedRow};
use crate::hash::local_commitment;
use crate::identity::{Account, Credential, Identity, Policy, Provider, Revocation};
use crate::ids::{
    ClusterId, Hash, KeyId, LogIndex, MachineVersion, NodeId, Ordinal, Revision, Stamp, Uid,
};
use crate::names::{AccountId, RegionName};
use crate::position::{Epoch, FeedId};
use crate::region::{Region, ReplicaStatus};
use crate::secret::{SealedValue, Secret, StoredVersion, Wrap};
use crate::session::{SessionKey, SigningKey};
use crate::storage;

pub use issuer::{Issuer, IssuerCertificate, Issuers};
pub use key::RowKey;
pub use region::{
    Detached, Fence, Introduction, KeptLabel, KeptLabels, LinkToken, Problem, ProblemKind,
    Resealed, Staging, Withheld,
};

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
    /// See [`RowKey::Wrap`] and [`RowKey::RootWrap`].
    Wrap(Arc<Kept<Wrap>>),
    /// See [`RowKey::Access`].
    Access(Arc<Kept<Access>>),
    /// See [`RowKey::Epoch`].
    Epoch(Arc<Kept<BeginEpoch>>),
    /// See [`RowKey::Checkpoint`].
    Checkpoint(Arc<Kept<FeedCheckpoint>>),
    /// See [`RowKey::Account`].
    Account(Arc<Kept<Account>>),
    /// See [`RowKey::Region`].
    Region(Arc<Kept<Region>>),
    /// See [`RowKey::Principal`].
    Principal(Arc<Kept<Principal>>),
    /// See [`RowKey::Identity`].
    Identity(Arc<Kept<Identity>>),
    /// See [`RowKey::Policy`].
    Policy(Arc<Kept<Policy>>),
    /// See [`RowKey::Credential`].
    Credential(Arc<Kept<Credential>>),
    /// See [`RowKey::Provider`].
    Provider(Arc<Kept<Provider>>),
    /// See [`RowKey::Revocation`].
    Revocation(Arc<Kept<Revocation>>),
    /// See [`RowKey::SessionKey`].
    SessionKey(Arc<Kept<SessionKey>>),
    /// See [`RowKey::SigningKey`].
    SigningKey(Arc<Kept<SigningKey>>),
    /// See [`RowKey::Secret`].
    Secret(Arc<Kept<Secret>>),
    /// See [`RowKey::Version`].
    Version(Arc<Kept<StoredVersion>>),
    /// See [`RowKey::Tombstone`].
    Tombstone(Arc<Kept<Tombstone>>),
    /// See [`RowKey::Journal`].
    Journal(Arc<Kept<JournalRow>>),
    /// See [`RowKey::LinkToken`].
    LinkToken(Arc<Kept<LinkToken>>),
    /// See [`RowKey::Introduction`].
    Introduction(Arc<Kept<Introduction>>),
    /// See [`RowKey::Fence`].
    Fence(Arc<Kept<Fence>>),
    /// See [`RowKey::Replica`].
    Replica(Arc<Kept<ReplicaStatus>>),
    /// See [`RowKey::Problem`].
    Problem(Arc<Kept<Problem>>),
    /// See [`RowKey::Detached`].
    Detached(Arc<Kept<Detached>>),
    /// See [`RowKey::Staging`].
    Staging(Arc<Kept<Staging>>),
    /// See [`RowKey::Staged`].
    Staged(Arc<Kept<StagedRow>>),
    /// See [`RowKey::Resealed`].
    Resealed(Arc<Kept<Resealed>>),
    /// See [`RowKey::KeptLabels`].
    KeptLabels(Arc<Kept<KeptLabels>>),
    /// See [`RowKey::Issuers`].
    Issuers(Arc<Kept<Issuers>>),
    /// A feed row of any kind whose body is kept from this region.
    Withheld(Arc<Kept<Withheld>>),
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
    /// What hides the body behind the commitment; none when the row was deleted, and of a row of a
    /// secret that came from another region.
    pub blind: Option<Hash>,
    /// The chain hash after this change.
    pub chain: Hash,
    /// The body of a mutable row; an immutable one is found under its key. None of a row of a
    /// secret that came from another region: the name would stay in the journal when the copy is
    /// gone.
    pub body: Option<Bytes>,
}

impl JournalRow {
    /// Decodes the secret this change put, as it is in its row; none for a deletion, for rows of
    /// another kind, and for what came from another region.
    pub fn secret(&self) -> Option<Secret> {
        let key = RowKey::Secret(self.header.uid);
        let body = self
            .body
            .as_ref()
            .filter(|_| self.header.kind == key.kind())?;
        Secret::from_bytes(&key, body).ok()
    }
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

/// What rows have, whatever is in them.
trait Stored {
    fn stored(&self) -> &Bytes;
    fn commitment(&self) -> Hash;
    fn origin(&self) -> Option<&Origin>;
}

impl<T> Stored for Kept<T> {
    fn stored(&self) -> &Bytes {
        self.stored()
    }

    fn commitment(&self) -> Hash {
        self.commitment()
    }

    fn origin(&self) -> Option<&Origin> {
        self.origin()
    }
}

impl<T: Body> Kept<T> {
    /// Makes a local row.
    pub(crate) fn local(body: &T) -> Kept<T> {
        let stored = Bytes::from(body.message().encode_to_vec());
        let commitment = local_commitment(&stored);
        Kept {
            body: Arc::new(body.clone().settled(&stored)),
            stored,
            commitment,
            origin: None,
        }
    }

    /// Makes a journal row, which no hash covers.
    pub(crate) fn unhashed(body: T) -> Kept<T> {
        let stored = Bytes::from(body.message().encode_to_vec());
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
        body: T,
        feed: &FeedId,
        feed_uid: Uid,
        revision: Revision,
        blind: &Hash,
    ) -> Kept<T> {
        let (stored, bytes, commitment) = feed_row(&body, feed, revision, blind);
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

impl Row {
    /// Gives the bytes to store.
    pub fn encode(&self) -> Vec<u8> {
        self.stored().to_vec()
    }

    /// Gives the bytes to store without copying them.
    pub fn stored(&self) -> &Bytes {
        self.kept().stored()
    }

    fn kept(&self) -> &dyn Stored {
        match self {
            Row::Machine(kept) => kept.as_ref(),
            Row::Clock(kept) => kept.as_ref(),
            Row::Feed(kept) => kept.as_ref(),
            Row::Node(kept) => kept.as_ref(),
            Row::RetiredNode(kept) => kept.as_ref(),
            Row::JoinToken(kept) => kept.as_ref(),
            Row::KmsKey(kept) => kept.as_ref(),
            Row::Wrap(kept) => kept.as_ref(),
            Row::Access(kept) => kept.as_ref(),
            Row::Epoch(kept) => kept.as_ref(),
            Row::Checkpoint(kept) => kept.as_ref(),
            Row::Account(kept) => kept.as_ref(),
            Row::Region(kept) => kept.as_ref(),
            Row::Principal(kept) => kept.as_ref(),
            Row::Identity(kept) => kept.as_ref(),
            Row::Policy(kept) => kept.as_ref(),
            Row::Credential(kept) => kept.as_ref(),
            Row::Provider(kept) => kept.as_ref(),
            Row::Revocation(kept) => kept.as_ref(),
            Row::SessionKey(kept) => kept.as_ref(),
            Row::SigningKey(kept) => kept.as_ref(),
            Row::Secret(kept) => kept.as_ref(),
            Row::Version(kept) => kept.as_ref(),
            Row::Tombstone(kept) => kept.as_ref(),
            Row::Journal(kept) => kept.as_ref(),
            Row::LinkToken(kept) => kept.as_ref(),
            Row::Introduction(kept) => kept.as_ref(),
            Row::Fence(kept) => kept.as_ref(),
            Row::Replica(kept) => kept.as_ref(),
            Row::Problem(kept) => kept.as_ref(),
            Row::Detached(kept) => kept.as_ref(),
            Row::Staging(kept) => kept.as_ref(),
            Row::Staged(kept) => kept.as_ref(),
            Row::Resealed(kept) => kept.as_ref(),
            Row::KeptLabels(kept) => kept.as_ref(),
            Row::Issuers(kept) => kept.as_ref(),
            Row::Withheld(kept) => kept.as_ref(),
        }
    }

    /// Decodes a stored row.
    pub fn decode(key: &RowKey, bytes: &[u8]) -> Result<Row, DecodeError> {
        Row::decode_bytes(key, Bytes::copy_from_slice(bytes))
    }

    /// Decodes a stored row without copying it.
    pub fn decode_bytes(key: &RowKey, bytes: Bytes) -> Result<Row, DecodeError> {
        if key.is_fed() {
            return Row::decode_fed(key, bytes);
        }
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
            RowKey::LinkToken(_) => Kept::decode_local(key, bytes).map(Row::LinkToken),
            RowKey::Introduction => Kept::decode_local(key, bytes).map(Row::Introduction),
            RowKey::Fence(_) => Kept::decode_local(key, bytes).map(Row::Fence),
            RowKey::Replica(..) => Kept::decode_local(key, bytes).map(Row::Replica),
            RowKey::Problem(_) => Kept::decode_local(key, bytes).map(Row::Problem),
            RowKey::Detached(_) => Kept::decode_local(key, bytes).map(Row::Detached),
            RowKey::Staging(_) => Kept::decode_local(key, bytes).map(Row::Staging),
            RowKey::Staged(..) => Kept::decode_local(key, bytes).map(Row::Staged),
            RowKey::Resealed(..) => Kept::decode_local(key, bytes).map(Row::Resealed),
            RowKey::KeptLabels(_) => Kept::decode_local(key, bytes).map(Row::KeptLabels),
            RowKey::RootWrap(_) => Kept::decode_local(key, bytes).map(Row::Wrap),
            RowKey::SigningKey => Kept::decode_local(key, bytes).map(Row::SigningKey),
            RowKey::Issuers => Kept::decode_local(key, bytes).map(Row::Issuers),
            RowKey::Journal(..) => Kept::decode_unhashed(key, bytes).map(Row::Journal),
            _ => Err(DecodeError::UnknownRow(key.kind())),
        }
    }

    /// Decodes the frame of a feed row, and what is in it.
    fn decode_fed(key: &RowKey, bytes: Bytes) -> Result<Row, DecodeError> {
        let frame = storage::FeedRow::decode(bytes.clone())?;
        if frame.withheld {
            return Kept::withheld(bytes, &frame).map(Row::Withheld);
        }
        match key {
            RowKey::Epoch(..) => Kept::decode_fed(key, bytes, frame).map(Row::Epoch),
            RowKey::Checkpoint(_) => Kept::decode_fed(key, bytes, frame).map(Row::Checkpoint),
            RowKey::Account(_) => Kept::decode_fed(key, bytes, frame).map(Row::Account),
            RowKey::Region(_) => Kept::decode_fed(key, bytes, frame).map(Row::Region),
            RowKey::Principal(_) => Kept::decode_fed(key, bytes, frame).map(Row::Principal),
            RowKey::Identity(_) => Kept::decode_fed(key, bytes, frame).map(Row::Identity),
            RowKey::Policy(_) => Kept::decode_fed(key, bytes, frame).map(Row::Policy),
            RowKey::Credential(_) => Kept::decode_fed(key, bytes, frame).map(Row::Credential),
            RowKey::Provider(_) => Kept::decode_fed(key, bytes, frame).map(Row::Provider),
            RowKey::Revocation(_) => Kept::decode_fed(key, bytes, frame).map(Row::Revocation),
            RowKey::SessionKey(_) => Kept::decode_fed(key, bytes, frame).map(Row::SessionKey),
            RowKey::Secret(_) => Kept::decode_fed(key, bytes, frame).map(Row::Secret),
            RowKey::Version(..) => Kept::decode_fed(key, bytes, frame).map(Row::Version),
            RowKey::Tombstone(_) => Kept::decode_fed(key, bytes, frame).map(Row::Tombstone),
            _ => Err(DecodeError::UnknownRow(key.kind())),
        }
    }

    /// Makes a feed row of another region's exact bytes, which must be what was committed to.
    pub(crate) fn framed(
        key: &RowKey,
        feed: &FeedId,
        revision: Revision,
        commitment: Hash,
        blind: &Hash,
        body: &Bytes,
    ) -> Result<Row, DecodeError> {
        let frame = storage::FeedRow {
            body: body.clone(),
            feed: feed.to_string(),
            revision: revision.0,
            blind: Bytes::copy_from_slice(&blind.0),
            commitment: Bytes::copy_from_slice(&commitment.0),
            withheld: false,
        };
        Row::decode_fed(key, frame.encode_to_vec().into())
    }

    /// Makes what stands for a feed row whose body is kept from this region.
    pub fn hidden(feed: &FeedId, revision: Revision, commitment: Hash) -> Row {
        Row::Withheld(Arc::new(Kept::hidden(feed, revision, commitment)))
    }

    /// Gives what stands for the row in every hash.
    pub fn commitment(&self) -> Hash {
        self.kept().commitment()
    }

    /// Gives the feed a feed row comes from; none for local rows.
    pub fn origin(&self) -> Option<&Origin> {
        self.kept().origin()
    }

    /// Gives what a row of the root feed seals, the key of which each region wraps by itself.
    pub fn sealed(&self) -> Option<&Arc<SealedValue>> {
        match self {
            Row::Credential(kept) => kept.body().proof.sealed(),
            Row::SessionKey(kept) => Some(&kept.body().sealed),
            _ => None,
        }
    }

    /// Says whether the body is kept from this region.
    pub fn is_withheld(&self) -> bool {
        matches!(self, Row::Withheld(_))
    }
}
