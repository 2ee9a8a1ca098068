//! The rules of Strongroom: a command and a state give a rejection, or changes.
//!
//! `apply = decide + evolve`. [`decide`] may reject and writes nothing; [`State::evolve`] takes the
//! changes and cannot fail. The same changes are what the store writes, another region follows and
//! watchers see. There is no clock, no randomness and no I/O here: the same log gives the same
//! state on every node (I4), down to its hash.
//!
//! Invariants kept here: a secret with versions has exactly one AWSCURRENT, and a label sits on at
//! most one version (I6); a revision follows each change of a feed without a gap, and its header is
//! chained (R3); a rejected entry changes nothing.

mod answer;
mod arn;
mod change;
mod codec;
mod command;
mod danger;
mod decide;
mod entity;
mod entry;
mod field;
mod hash;
mod identity;
mod ids;
pub mod limits;
mod names;
mod position;
mod region;
mod rejection;
mod row;
mod secret;
mod serve;
mod session;
mod state;
mod text;

pub use answer::{Answer, Applied, Outcome};
pub use arn::{Arn, SecretArn, SecretId};
pub use change::{Change, Header, Op};
pub use codec::DecodeError;
pub use command::{
    ActivateSnapshot, AdmitNode, Checkpoint, Command, CreateAccount, CreateCredential,
    CreateIdentity, CreatePolicy, CreateProvider, CreateSecret, CredentialChange, Cursor,
    DeleteCredential, DeleteIdentity, DeletePolicy, DeleteProvider, DeleteResourcePolicy,
    DeleteSecret, DetachSecret, FenceFeed, FillRows, ForgetRevocations, ForgetStaged, Found,
    IdentityChange, ImportChanges, ImportedChange, IssueJoinToken, IssueLinkToken, KeepSigningKey,
    KeyState, KeyVersion, KmsKey, LinkRegion, MendBucket, NewVersion, Node, PurgeSecret, PutIssuer,
    PutResourcePolicy, PutSecretValue, RecordAccess, RemoveNode, ReplicaReport, ReportReplicas,
    RestoreSecret, RetireIssuers, Revoke, RewrapRoot, RewrapSecret, RotateSessionKey, Seen, SeenAs,
    SeenRow, SentBody, SetMachineVersion, ShareSecret, StageDetach, StageRows, StagedRow,
    TagResource, TakeOver, TrimFeed, UnlinkRegion, UnshareSecret, UntagResource, UpdateCredential,
    UpdateIdentity, UpdatePolicy, UpdateProvider, UpdateRegion, UpdateSecret,
    UpdateSecretVersionStage,
};
pub use danger::danger_apply_wherever_it_stands;
pub use decide::{ACCESS, Decision, MACHINE_VERSION, decide};
pub use entity::{
    AccessKeyId, Document, EntityKind, EntityName, EntityPath, IssuerUrl, Quota, Reference,
};
pub use entry::{Audit, Entry};
pub use hash::{BUCKETS, Bucket, BucketSums};
pub use identity::{
    Account, Credential, Entity, Identity, InlinePolicy, Nature, Policy, Proof, Provider,
    Revocation, Revoked,
};
pub use ids::{
    ClusterId, Hash, IdError, KeyId, LogIndex, MachineVersion, NodeId, Ordinal, RequestId,
    Revision, Stamp, Uid,
};
pub use names::{AccountId, ArnSuffix, Label, NameError, RegionName, SecretName, VersionId};
pub use position::{Epoch, FeedId, Position, Token, TokenError};
pub use region::{Region, ReplicaState, ReplicaStatus, Scope, TakenFeed, TakenOver};
pub use rejection::{ArnShown, Field, Flaw, NameShown, Rejection};
pub use row::{
    Access, BeginEpoch, Clock, Detached, FeedCheckpoint, FeedState, Fence, Introduction, Issuer,
    IssuerCertificate, Issuers, JoinToken, JournalRow, Kept, KeptLabel, KeptLabels, LinkToken,
    Machine, Origin, Principal, Problem, ProblemKind, Resealed, RetiredNode, Row, RowKey, Staging,
    Tombstone, Withheld,
};
pub use secret::{
    Deletion, Replica, SealedValue, Secret, StoredVersion, Tag, Value, ValueKind, Version,
    VersionDescription, Wrap,
};
pub use serve::{Body, Framed, NotServed, Outgoing};
pub use session::{SessionKey, SigningKey, VerifyingKey};
pub use state::{Counts, Feed, LoadError, NotHeld, RowRef, State, Weight};

#[allow(missing_docs, clippy::all)]
mod storage {
    include!(concat!(env!("OUT_DIR"), "/strongroom.storage.v1.rs"));
}

/// Applies an entry: decides, and evolves the changes into the state. A rejected entry leaves the
/// state as it was.
pub fn apply(state: &mut State, index: LogIndex, entry: &Entry) -> Applied {
    let decided = decide(state, index, entry);
    evolved(state, decided)
}

fn evolved(state: &mut State, decided: Result<Decision, Rejection>) -> Applied {
    let (answer, changes) = match decided {
        Ok(decision) => (Ok(decision.outcome), decision.changes),
        Err(rejection) => (Err(rejection), Vec::new()),
    };
    changes.iter().for_each(|change| state.evolve(change));
    if let Ok(Outcome::Secret { secret, .. }) = &answer {
        state.show(secret);
    }
    Applied {
        answer,
        changes,
        positions: state.positions(),
    }
}
