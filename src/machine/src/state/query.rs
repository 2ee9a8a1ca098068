//! What may be asked of a state. Nothing here changes it, but for [`State::evict`].

use std::sync::Arc;

use crate::arn::{Arn, SecretId};
use crate::command::{KmsKey, Node};
use crate::hash::BucketSums;
use crate::ids::{ClusterId, Hash, KeyId, MachineVersion, NodeId, Ordinal, Revision, Stamp, Uid};
use crate::limits::FORGOTTEN_MAX;
use crate::names::{AccountId, ArnSuffix, RegionName, SecretName, VersionId};
use crate::position::FeedId;
use crate::row::{
    Access, Issuers, JoinToken, Kept, Machine, Origin, ProblemKind, RowKey, Tombstone,
};
use crate::secret::{Secret, Value, VersionDescription, Wrap};
use crate::state::slot::Held;
use crate::state::{Counts, Feed, State};

impl State {
    /// Says whether the region was founded.
    pub fn is_founded(&self) -> bool {
        self.machine.is_some()
    }

    /// Gives what the region knows of itself; none before it is founded.
    pub fn machine(&self) -> Option<&Machine> {
        self.machine.as_ref().map(|kept| kept.body.as_ref())
    }

    /// Gives the cluster.
    pub fn cluster(&self) -> Option<ClusterId> {
        self.machine().map(|machine| machine.cluster)
    }

    /// Gives the region.
    pub fn region(&self) -> Option<&RegionName> {
        self.machine().map(|machine| &machine.region)
    }

    /// Gives the default account.
    pub fn account(&self) -> Option<&AccountId> {
        self.machine().map(|machine| &machine.account)
    }

    /// Gives the rules in force.
    pub fn machine_version(&self) -> Option<MachineVersion> {
        self.machine().map(|machine| machine.version)
    }

    /// Gives the home feed of this region.
    pub fn home(&self) -> Option<FeedId> {
        self.region().cloned().map(FeedId::Home)
    }

    /// Gives the client name that may do everything.
    pub fn administrator(&self) -> Option<&str> {
        let principals = self.principals.values();
        let mut administrators = principals.filter(|kept| kept.body.administrator);
        administrators.next().map(|kept| kept.body.client.as_str())
    }

    /// Gives the last stamp a decision used; 0 before the first.
    pub fn last_stamp(&self) -> Stamp {
        self.clock
            .as_ref()
            .map(|kept| kept.body.stamp)
            .unwrap_or_default()
    }

    /// Gives the hash of all rows: equal on every node at an equal log index (R4).
    pub fn node_hash(&self) -> Hash {
        let feeds = self.feeds.values().map(Feed::sums);
        let parts: Vec<&BucketSums> = std::iter::once(&self.derived.local_sums)
            .chain(feeds)
            .collect();
        BucketSums::hash_together(&parts)
    }

    /// Finds a secret.
    pub fn secret(&self, uid: &Uid) -> Option<&Arc<Secret>> {
        self.slots.get(uid)?.secret()
    }

    /// Finds the secret a caller means. An ARN is taken as full first, then as one without suffix;
    /// a name is one of the caller's account.
    pub fn resolve(&self, account: &AccountId, id: &SecretId) -> Option<&Arc<Secret>> {
        let arn = match id {
            SecretId::Name(name) => return self.named(account, name),
            SecretId::Arn(arn) => arn,
        };
        if !self.knows_region(&arn.region) {
            return None;
        }
        // Of several with one name the one whose ARN it is, else the one the name alone means.
        let among = |name: &SecretName, suffix: Option<ArnSuffix>| {
            let is_meant =
                |secret: &&Arc<Secret>| suffix.is_none_or(|suffix| secret.arn_suffix == suffix);
            let all = self.namesakes(&arn.account, name).filter(is_meant);
            all.min_by_key(|secret| (secret.region != arn.region, self.rank(secret)))
        };
        let full = arn.split();
        let full = full.and_then(|(name, suffix)| among(&name, Some(suffix)));
        full.or_else(|| among(&arn.whole()?, None))
    }

    /// The ARN by which callers of a region mean a secret: that of the region itself, but of one
    /// whose name and suffix another has that comes before.
    pub fn arn_of(&self, secret: &Secret, region: &RegionName) -> Arn {
        let all = self.namesakes(&secret.account, &secret.name);
        let same = all.filter(|other| other.arn_suffix == secret.arn_suffix);
        let meant = same.min_by_key(|other| (other.region != *region, self.rank(other)));
        match meant.is_none_or(|meant| meant.uid == secret.uid) {
            true => secret.arn_in(region),
            false => secret.arn(),
        }
    }

    /// Finds a secret by its name. Where every secret of other regions is received, a name may be
    /// that of several: this region's own goes before.
    pub fn named(&self, account: &AccountId, name: &SecretName) -> Option<&Arc<Secret>> {
        let all = self.namesakes(account, name);
        all.min_by_key(|secret| self.rank(secret))
    }

    /// Gives all secrets that have a name.
    pub fn namesakes(
        &self,
        account: &AccountId,
        name: &SecretName,
    ) -> impl Iterator<Item = &Arc<Secret>> {
        let uids = self.derived.names.all(account, name);
        uids.iter().filter_map(|uid| self.secret(uid))
    }

    /// Orders secrets of one name: this region's own, then what had the name first here.
    pub(crate) fn rank(&self, secret: &Secret) -> (bool, Option<Stamp>, Stamp, Uid) {
        let is_foreign = self.feed_of_secret(&secret.uid) != self.home().as_ref();
        let late = self.late_since(&secret.uid);
        (is_foreign, late, secret.created, secret.uid)
    }

    /// Says since when a secret is here whose name another one had before it; none of others.
    pub(crate) fn late_since(&self, uid: &Uid) -> Option<Stamp> {
        let problem = self.problem(uid)?;
        (problem.kind == ProblemKind::NameTaken).then_some(problem.since)
    }

    /// Gives the secrets of an account in the order they were created.
    pub fn secrets<'a>(
        &'a self,
        account: &'a AccountId,
    ) -> impl Iterator<Item = &'a Arc<Secret>> + 'a {
        self.secrets_after(account, None)
    }

    /// Gives the secrets of an account created after one of them, in the order of creation.
    pub fn secrets_after<'a>(
        &'a self,
        account: &'a AccountId,
        after: Option<(Stamp, Uid)>,
    ) -> impl Iterator<Item = &'a Arc<Secret>> + 'a {
        let (stamp, uid) = after.unwrap_or((Stamp(0), Uid([0; 16])));
        let from = self
            .derived
            .by_creation
            .range((account.clone(), stamp, uid)..);
        let own = from.take_while(move |(owner, ..)| owner == account);
        let later = own.filter(move |(_, created, id)| after != Some((*created, *id)));
        later.filter_map(|(_, _, uid)| self.secret(uid))
    }

    /// Counts the secrets of an account in a feed: what other regions send counts for theirs.
    pub fn secrets_owned(&self, feed: &FeedId, account: &AccountId) -> usize {
        let owner = (feed.uid(), account.clone());
        self.derived.owned.get(&owner).copied().unwrap_or_default()
    }

    /// Gives the secrets whose recovery window ended at a stamp or before, longest ago first: those
    /// that this region may purge.
    pub fn due(&self, now: Stamp) -> impl Iterator<Item = &Arc<Secret>> {
        let due = self
            .derived
            .by_deletion
            .iter()
            .take_while(move |(due, _)| *due <= now);
        let ours = due.filter(|(_, uid)| {
            let feed = self.feed_of_secret(uid);
            feed.is_some_and(|feed| self.is_primary(feed))
        });
        ours.filter_map(|(_, uid)| self.secret(uid))
    }

    /// Finds what is left of a purged secret.
    pub fn tombstone(&self, uid: &Uid) -> Option<&Tombstone> {
        self.tombstones.get(uid).map(|kept| kept.body.as_ref())
    }

    /// Gives the tombstones of a feed that are too many, the oldest first; no more than
    /// [`FORGOTTEN_MAX`], because there may be any number from before they were counted.
    pub(crate) fn tombstones_above(&self, feed: &FeedId, max: usize) -> Vec<Uid> {
        let Some(feed) = self.feed(feed) else {
            return Vec::new();
        };
        let excess = feed.by_purge.len().saturating_sub(max);
        let oldest = feed.by_purge.iter().take(excess.min(FORGOTTEN_MAX));
        oldest.map(|(_, uid)| *uid).collect()
    }

    /// Counts the nodes there are and ever were.
    pub(crate) fn nodes_ever(&self) -> usize {
        self.nodes.len().saturating_add(self.retired_nodes.len())
    }

    /// Finds a version's value.
    pub fn value(&self, uid: &Uid, version: &VersionId) -> Option<Value> {
        let held = self.held(uid, version)?;
        let here = held
            .row
            .as_ref()
            .map(|kept| Value::Here(Arc::clone(&kept.body.sealed)));
        Some(here.unwrap_or(Value::Evicted))
    }

    /// Names the row that holds a version's value.
    pub fn value_key(&self, uid: &Uid, version: &VersionId) -> Option<RowKey> {
        let ordinal = self.secret(uid)?.version(version)?.ordinal;
        Some(RowKey::Version(*uid, ordinal))
    }

    /// Finds a version's wrapped key.
    pub fn wrap(&self, uid: &Uid, version: &VersionId) -> Option<&Arc<Wrap>> {
        let ordinal = self.secret(uid)?.version(version)?.ordinal;
        self.slots.get(uid)?.wrap(ordinal).map(|kept| &kept.body)
    }

    /// Finds a KMS key.
    pub fn kms_key(&self, id: &KeyId) -> Option<&Arc<KmsKey>> {
        self.kms_keys.get(id).map(|kept| &kept.body)
    }

    /// Gives the key for secrets that name no other.
    pub fn default_key(&self) -> Option<&Arc<KmsKey>> {
        self.kms_key(&self.machine()?.default_key)
    }

    /// Gives all KMS keys.
    pub fn kms_keys(&self) -> impl Iterator<Item = &Arc<KmsKey>> {
        self.kms_keys.values().map(|kept| &kept.body)
    }

    /// Finds a member node.
    pub fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.nodes.get(&id).map(|kept| &kept.body)
    }

    /// Gives the member nodes.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values().map(|kept| &kept.body)
    }

    /// Says whether a node of that id was removed.
    pub fn is_retired(&self, id: NodeId) -> bool {
        self.retired_nodes.contains_key(&id)
    }

    /// Gives who signs the certificates of this region's nodes; none unless it is of the cluster's
    /// own making, and installed.
    pub fn issuers(&self) -> Option<&Arc<Issuers>> {
        self.issuers.as_ref().map(|kept| &kept.body)
    }

    /// Gives the uid for which the private key of an issuer is sealed, by SHA-256 of its public
    /// key: of this region's home feed, and no secret's, whose uids are random.
    pub fn issuer_uid(&self, public_key: &Hash) -> Option<Uid> {
        let (random, _) = public_key.0.split_first_chunk()?;
        Some(self.home()?.uid_of(*random))
    }

    /// Finds a join token by its digest, used or not.
    pub fn join_token(&self, digest: &Hash) -> Option<&JoinToken> {
        self.join_tokens.get(digest).map(|kept| kept.body.as_ref())
    }

    /// Gives all join tokens by digest, used or not.
    pub fn join_tokens(&self) -> impl Iterator<Item = (&Hash, &JoinToken)> {
        self.join_tokens
            .iter()
            .map(|(digest, kept)| (digest, kept.body.as_ref()))
    }

    /// Finds when a secret was last read.
    pub fn access(&self, uid: &Uid) -> Option<&Arc<Access>> {
        self.slots.get(uid)?.access.as_ref().map(|kept| &kept.body)
    }

    /// Finds the revision that last wrote a feed row: what a command says it has seen.
    pub fn revision_of(&self, key: &RowKey) -> Option<Revision> {
        let revision = |origin: &Option<Origin>| origin.as_ref().map(|origin| origin.revision);
        match key {
            RowKey::Region(number) => revision(&self.regions.get(number)?.origin),
            RowKey::Principal(number) => revision(&self.principals.get(number)?.origin),
            RowKey::Secret(uid) => revision(&self.secret_row(uid)?.origin),
            RowKey::Version(uid, n) => self.slots.get(uid)?.held(*n).map(|held| held.revision),
            RowKey::Tombstone(uid) => revision(&self.tombstones.get(uid)?.origin),
            key => self.entity_revision(key),
        }
    }

    /// Counts what the state holds; cheap.
    pub fn counts(&self) -> Counts {
        let journals = self.feeds.values().filter_map(Feed::state);
        Counts {
            secrets: self.derived.secrets,
            versions: self.derived.versions,
            scheduled: self.derived.by_deletion.len() as u64,
            tombstones: self.tombstones.len() as u64,
            withheld: self.withheld.len() as u64,
            problems: self.problems.len() as u64,
            value_bytes: self.derived.value_bytes,
            resident_value_bytes: self.derived.resident_value_bytes,
            journal_bytes: journals.map(|state| state.journal_bytes).sum(),
        }
    }

    /// Drops a value from memory, and gives the bytes that frees. The hashes stay as they are: the
    /// store must have the row. A value that is not here frees nothing.
    pub fn evict(&mut self, uid: &Uid, version: &VersionId) -> u64 {
        let ordinal = self.secret(uid).and_then(|secret| secret.version(version));
        let ordinal = ordinal.map(|version| version.ordinal);
        ordinal
            .map(|ordinal| self.evict_value(*uid, ordinal))
            .unwrap_or_default()
    }

    /// Finds the row of a version's wrapped key.
    pub(crate) fn wrap_row(&self, uid: Uid, ordinal: Ordinal) -> Option<&Arc<Kept<Wrap>>> {
        self.slots.get(&uid)?.wrap(ordinal)
    }

    /// Gives the versions of a secret that are here, with what stands for them in the hashes.
    pub(crate) fn held_versions(&self, uid: Uid) -> Vec<(Ordinal, Revision, Hash)> {
        let slot = self.slots.get(&uid).into_iter();
        let held = slot.flat_map(|slot| slot.all_held());
        held.map(|(ordinal, held)| (ordinal, held.revision, held.commitment))
            .collect()
    }

    /// Counts the versions of a secret that are here.
    pub(crate) fn held_count(&self, uid: Uid) -> usize {
        let slot = self.slots.get(&uid);
        slot.map_or(0, |slot| slot.all_held().count())
    }

    fn held(&self, uid: &Uid, version: &VersionId) -> Option<&Arc<Held>> {
        let ordinal = self.secret(uid)?.version(version)?.ordinal;
        self.slots.get(uid)?.held(ordinal)
    }

    /// Gives the versions of a secret, in their order, whose own rows say all there is to say of
    /// them, but for labels.
    pub(crate) fn described(
        &self,
        uid: &Uid,
    ) -> impl Iterator<Item = (Ordinal, &VersionDescription)> {
        let slot = self.slots.get(uid).into_iter();
        slot.flat_map(|slot| slot.described())
    }

    /// Takes a secret as a decision left it: what the state would say of it.
    pub(crate) fn show(&self, secret: &Arc<Secret>) {
        if let Some(slot) = self.slots.get(&secret.uid) {
            slot.show(secret);
        }
    }

    /// Gives a secret's row with where it comes from.
    pub(crate) fn secret_row(&self, uid: &Uid) -> Option<&Arc<Kept<Secret>>> {
        self.slots.get(uid)?.secret_row()
    }
}
