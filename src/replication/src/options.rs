//! What the server gives to this crate.

use std::sync::Arc;

use bytes::Bytes;
use consensus::{Consensus, Epochs};
use envelope::LinkKey;
use machine::{ClusterId, MachineVersion, Node, NodeId, RegionName, State, Uid, VersionId, Wrap};
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use wire::Channel;

use crate::follow::Staleness;

/// Who this node is, and what it works with.
#[derive(Clone)]
pub struct Options {
    /// The region's machine.
    pub consensus: Consensus,
    /// This node.
    pub node: NodeId,
    /// The cluster, part of every message.
    pub cluster: ClusterId,
    /// The region, part of every message.
    pub region: RegionName,
    /// Seals and opens data keys.
    pub keys: Arc<dyn Keys>,
    /// Channels to nodes of other regions.
    pub regions: Arc<dyn Regions>,
    /// The ballots heard of; the same ones that consensus has.
    pub epochs: Arc<Epochs>,
    /// What this region tells of itself.
    pub own: Arc<dyn Own>,
    /// How old the followed feeds are; the same one that consensus has as its ages.
    pub staleness: Arc<Staleness>,
    /// Cancelled when the node stops: all tasks and streams end.
    pub stop: CancellationToken,
}

/// Seals and opens data keys of versions on their way between regions. Implemented by the server
/// over its vault. May block for as long as a few sealings take, and is called where blocking is
/// allowed.
pub trait Keys: Send + Sync + 'static {
    /// Wraps the data key of a version that is here under a stream's key; none if it does not open,
    /// which the implementation logs.
    fn send(
        &self,
        state: &State,
        uid: &Uid,
        version: &VersionId,
        wrap: &Wrap,
        link: &LinkKey,
    ) -> Option<Vec<u8>>;

    /// Wraps a data key that came for this region under `key_name`, as the caller of
    /// ReplicateSecretToRegions named it; none means the default key.
    ///
    /// # Errors
    /// [`TakeFailed`] says whether it is the stream's key that does not fit.
    fn take(
        &self,
        state: &State,
        key_name: Option<&str>,
        uid: &Uid,
        version: &VersionId,
        link: &LinkKey,
        wrapped: &[u8],
    ) -> Result<Wrap, TakeFailed>;

    /// Wraps again under another key name what is here; none if it is under that key already.
    ///
    /// # Errors
    /// The reason in words.
    fn rewrap(
        &self,
        state: &State,
        key_name: Option<&str>,
        uid: &Uid,
        version: &VersionId,
        wrap: &Wrap,
    ) -> Result<Option<Wrap>, String>;
}

/// Why a data key that came was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TakeFailed {
    /// It does not open under the stream's key, which may not be the other end's.
    #[error("the data key does not open under the stream's key")]
    Link,
    /// No key of this region wraps it: why, in the words that are shown as StatusMessage.
    #[error("{0}")]
    Key(String),
}

/// Why there is no channel to a node.
pub type DialFailed = Box<dyn std::error::Error + Send + Sync>;

/// Channels to nodes of other regions. The server implements it over TLS, tests over pipes.
pub trait Regions: Send + Sync + 'static {
    /// Answers a channel that connects when it is first used, and talks only to a node that proves
    /// to be `node` of `region`, with the key pinned there.
    ///
    /// # Errors
    /// The address is none, or the region is not known to the dialler.
    fn channel(&self, region: &RegionName, node: &Node) -> Result<Channel, DialFailed>;
}

/// What this region tells others of itself, and does not keep in its rows.
pub trait Own: Send + Sync + 'static {
    /// The certificates, in DER, that issue those of its nodes; 1 to 4.
    fn authorities(&self) -> Vec<Bytes>;

    /// The newest machine version that all its nodes can run, as far as this one knows.
    fn machine_version(&self) -> MachineVersion;
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("node", &self.node)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}
