//! Keys of rows: identifiers only, never a name, so that a key may be seen by anyone.

use crate::codec::DecodeError;
use crate::ids::{Hash, KeyId, NodeId, Ordinal, Revision, Uid};
use crate::names::VersionId;

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
    /// A link token, by its digest.
    LinkToken(Hash),
    /// The regions a new one was told of.
    Introduction,
    /// The highest ballot heard of, by the feed's uid.
    Fence(Uid),
    /// What a region said of its copy, by the region's number in the directory.
    Replica(Uid, Ordinal),
    /// Why a secret of another region is not whole.
    Problem(Uid),
    /// A copy that became a secret of its own.
    Detached(Uid),
    /// How much of a feed's snapshot is kept, by the feed's uid.
    Staging(Uid),
    /// A row of such a snapshot, by its place.
    Staged(Uid, Ordinal),
    /// A version of a copy, sealed anew, by the copy's uid and the version's number there.
    Resealed(Uid, Ordinal),
    /// Where labels of a copy stood before they moved on to what is not here.
    KeptLabels(Uid),
    /// The wrapped key of what a row of the root feed seals, by its uid: an access key's secret, or
    /// a session key.
    RootWrap(Uid),
    /// The key by which this region signs sessions.
    SigningKey,
    /// Who signs the certificates of the region's nodes.
    Issuers,
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
    /// A user, a group or a role.
    Identity(Uid),
    /// A managed policy.
    Policy(Uid),
    /// One way to prove an identity.
    Credential(Uid),
    /// A secret's metadata.
    Secret(Uid),
    /// A sealed value.
    Version(Uid, Ordinal),
    /// What is left of a purged secret.
    Tombstone(Uid),
    /// An OpenID Connect provider.
    Provider(Uid),
    /// A session or a certificate's key that is void.
    Revocation(Uid),
    /// A key that seals sessions.
    SessionKey(Uid),
    /// A journal row, by the feed's uid.
    Journal(Uid, Revision),
}

impl RowKey {
    /// What the keys of journal rows begin with.
    pub const JOURNAL_KIND: u8 = 0x70;
    /// How long they are. They end in the revision, the highest byte first.
    pub const JOURNAL_BYTES: usize = 1 + 16 + 8;

    /// Encodes the key: a kind byte, then identifiers of fixed length.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(33);
        bytes.push(self.kind());
        match self {
            RowKey::Machine | RowKey::Clock | RowKey::Introduction => {}
            RowKey::SigningKey | RowKey::Issuers => {}
            RowKey::Feed(uid)
            | RowKey::Access(uid)
            | RowKey::Fence(uid)
            | RowKey::Problem(uid)
            | RowKey::Detached(uid)
            | RowKey::Staging(uid)
            | RowKey::KeptLabels(uid)
            | RowKey::RootWrap(uid)
            | RowKey::Checkpoint(uid)
            | RowKey::Secret(uid)
            | RowKey::Identity(uid)
            | RowKey::Policy(uid)
            | RowKey::Credential(uid)
            | RowKey::Provider(uid)
            | RowKey::Revocation(uid)
            | RowKey::SessionKey(uid)
            | RowKey::Tombstone(uid) => bytes.extend(uid.0),
            RowKey::Node(node) | RowKey::RetiredNode(node) => bytes.extend(node.0.to_be_bytes()),
            RowKey::JoinToken(digest) | RowKey::LinkToken(digest) => bytes.extend(digest.0),
            RowKey::KmsKey(key) => bytes.extend(key.0),
            RowKey::Wrap(uid, Ordinal(number))
            | RowKey::Replica(uid, Ordinal(number))
            | RowKey::Staged(uid, Ordinal(number))
            | RowKey::Resealed(uid, Ordinal(number))
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
        let key = match *kind {
            0x01 => RowKey::Machine,
            0x02 => RowKey::Clock,
            0x03 => RowKey::Feed(rest.uid()?),
            0x04 => RowKey::Node(NodeId(rest.number()?)),
            0x05 => RowKey::RetiredNode(NodeId(rest.number()?)),
            0x06 => RowKey::JoinToken(Hash(rest.take()?)),
            0x07 => RowKey::KmsKey(KeyId(rest.take()?)),
            0x08 => RowKey::Wrap(rest.uid()?, Ordinal(rest.number()?)),
            0x09 => RowKey::Access(rest.uid()?),
            0x0a => RowKey::LinkToken(Hash(rest.take()?)),
            0x0b => RowKey::Introduction,
            0x0c => RowKey::Fence(rest.uid()?),
            0x0d => RowKey::Replica(rest.uid()?, Ordinal(rest.number()?)),
            0x0e => RowKey::Problem(rest.uid()?),
            0x0f => RowKey::Detached(rest.uid()?),
            0x10 => RowKey::Staging(rest.uid()?),
            0x11 => RowKey::Staged(rest.uid()?, Ordinal(rest.number()?)),
            0x12 => RowKey::Resealed(rest.uid()?, Ordinal(rest.number()?)),
            0x13 => RowKey::KeptLabels(rest.uid()?),
            0x14 => RowKey::RootWrap(rest.uid()?),
            0x15 => RowKey::SigningKey,
            0x16 => RowKey::Issuers,
            0x40 => RowKey::Epoch(rest.uid()?, Ordinal(rest.number()?)),
            0x41 => RowKey::Checkpoint(rest.uid()?),
            0x42 => RowKey::Account(Ordinal(rest.number()?)),
            0x43 => RowKey::Region(Ordinal(rest.number()?)),
            0x44 => RowKey::Principal(Ordinal(rest.number()?)),
            0x45 => RowKey::Identity(rest.uid()?),
            0x46 => RowKey::Policy(rest.uid()?),
            0x47 => RowKey::Credential(rest.uid()?),
            0x48 => RowKey::Secret(rest.uid()?),
            0x49 => RowKey::Version(rest.uid()?, Ordinal(rest.number()?)),
            0x4a => RowKey::Tombstone(rest.uid()?),
            0x4b => RowKey::Provider(rest.uid()?),
            0x4c => RowKey::Revocation(rest.uid()?),
            0x4d => RowKey::SessionKey(rest.uid()?),
            RowKey::JOURNAL_KIND => RowKey::Journal(rest.uid()?, Revision(rest.number()?)),
            unknown => return Err(DecodeError::UnknownRow(unknown)),
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
            RowKey::LinkToken(_) => 0x0a,
            RowKey::Introduction => 0x0b,
            RowKey::Fence(_) => 0x0c,
            RowKey::Replica(..) => 0x0d,
            RowKey::Problem(_) => 0x0e,
            RowKey::Detached(_) => 0x0f,
            RowKey::Staging(_) => 0x10,
            RowKey::Staged(..) => 0x11,
            RowKey::Resealed(..) => 0x12,
            RowKey::KeptLabels(_) => 0x13,
            RowKey::RootWrap(_) => 0x14,
            RowKey::SigningKey => 0x15,
            RowKey::Issuers => 0x16,
            RowKey::Epoch(..) => 0x40,
            RowKey::Checkpoint(_) => 0x41,
            RowKey::Account(_) => 0x42,
            RowKey::Region(_) => 0x43,
            RowKey::Principal(_) => 0x44,
            RowKey::Identity(_) => 0x45,
            RowKey::Policy(_) => 0x46,
            RowKey::Credential(_) => 0x47,
            RowKey::Secret(_) => 0x48,
            RowKey::Version(..) => 0x49,
            RowKey::Tombstone(_) => 0x4a,
            RowKey::Provider(_) => 0x4b,
            RowKey::Revocation(_) => 0x4c,
            RowKey::SessionKey(_) => 0x4d,
            RowKey::Journal(..) => RowKey::JOURNAL_KIND,
        }
    }

    /// Gives the uid a header shows; zero for rows that belong to none.
    pub fn uid(&self) -> Uid {
        match self {
            RowKey::Feed(uid)
            | RowKey::Wrap(uid, _)
            | RowKey::Access(uid)
            | RowKey::Fence(uid)
            | RowKey::Replica(uid, _)
            | RowKey::Problem(uid)
            | RowKey::Detached(uid)
            | RowKey::Staging(uid)
            | RowKey::Staged(uid, _)
            | RowKey::Resealed(uid, _)
            | RowKey::KeptLabels(uid)
            | RowKey::Epoch(uid, _)
            | RowKey::Checkpoint(uid)
            | RowKey::Secret(uid)
            | RowKey::Version(uid, _)
            | RowKey::RootWrap(uid)
            | RowKey::Identity(uid)
            | RowKey::Policy(uid)
            | RowKey::Credential(uid)
            | RowKey::Provider(uid)
            | RowKey::Revocation(uid)
            | RowKey::SessionKey(uid)
            | RowKey::Tombstone(uid)
            | RowKey::Journal(uid, _) => *uid,
            _ => Uid([0; 16]),
        }
    }

    /// Gives the ordinal a header shows; zero for kinds with one row for each uid.
    pub fn ordinal(&self) -> Ordinal {
        match self {
            RowKey::Wrap(_, ordinal)
            | RowKey::Replica(_, ordinal)
            | RowKey::Staged(_, ordinal)
            | RowKey::Resealed(_, ordinal)
            | RowKey::Epoch(_, ordinal)
            | RowKey::Account(ordinal)
            | RowKey::Region(ordinal)
            | RowKey::Principal(ordinal)
            | RowKey::Version(_, ordinal) => *ordinal,
            _ => Ordinal(0),
        }
    }

    /// Finds the key of a feed row from what its header shows; none for rows no feed carries.
    pub(crate) fn of_header(kind: u8, uid: Uid, ordinal: Ordinal) -> Option<RowKey> {
        let key = match kind {
            0x40 => RowKey::Epoch(uid, ordinal),
            0x41 => RowKey::Checkpoint(uid),
            0x42 => RowKey::Account(ordinal),
            0x43 => RowKey::Region(ordinal),
            0x44 => RowKey::Principal(ordinal),
            0x45 => RowKey::Identity(uid),
            0x46 => RowKey::Policy(uid),
            0x47 => RowKey::Credential(uid),
            0x48 => RowKey::Secret(uid),
            0x49 => RowKey::Version(uid, ordinal),
            0x4a => RowKey::Tombstone(uid),
            0x4b => RowKey::Provider(uid),
            0x4c => RowKey::Revocation(uid),
            0x4d => RowKey::SessionKey(uid),
            _ => return None,
        };
        // What a kind has no room for must be zero: one row, one key.
        (key.uid() == uid && key.ordinal() == ordinal).then_some(key)
    }

    /// Says whether rows of this kind belong to a feed.
    pub fn is_fed(&self) -> bool {
        (0x40..RowKey::JOURNAL_KIND).contains(&self.kind())
    }

    /// Says whether a row of this kind is part of a secret that is there: not every region may have
    /// its body.
    pub fn is_of_secret(&self) -> bool {
        matches!(self, RowKey::Secret(_) | RowKey::Version(..))
    }

    /// Says whether rows of this kind are about identities: machine version 4 and later have them.
    pub fn is_of_identities(&self) -> bool {
        matches!(
            self,
            RowKey::Identity(_)
                | RowKey::Policy(_)
                | RowKey::Credential(_)
                | RowKey::Provider(_)
                | RowKey::Revocation(_)
                | RowKey::SessionKey(_)
        )
    }

    /// Gives the version as which a row of the root feed seals something, if it does: its key is
    /// wrapped as that of this version of a secret with the row's uid. None for other kinds.
    pub fn seals_as(&self) -> Option<VersionId> {
        match self {
            RowKey::Credential(_) => Some(VersionId::of_access_key()),
            RowKey::SessionKey(_) => Some(VersionId::of_session_key()),
            _ => None,
        }
    }

    /// Says whether rows of this kind, once written, are only ever deleted.
    pub fn is_immutable(&self) -> bool {
        matches!(self, RowKey::Version(..))
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
