//! What may be asked of a state about regions: who leads which feed, who holds which secret.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::ids::{Hash, Ordinal, Uid};
use crate::names::RegionName;
use crate::position::{Epoch, FeedId};
use crate::region::{Region, ReplicaStatus, Scope};
use crate::row::{Detached, Kept, KeptLabel, LinkToken, Problem, Resealed, Row, RowKey, Withheld};
use crate::secret::Secret;
use crate::state::State;

impl State {
    /// Gives every region of the directory by its number there, unlinked ones included; of a new
    /// region that has no directory yet, nothing.
    pub fn directory(&self) -> impl Iterator<Item = (Ordinal, &Arc<Region>)> {
        self.regions
            .iter()
            .map(|(number, kept)| (*number, &kept.body))
    }

    /// Gives the linked regions, this one included, in the order they were linked. A new region
    /// goes by what it was told until the directory names it with a node that it has: what comes
    /// of the root feed before is how the regions were once.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        let told = self.introduction.as_ref();
        let known = self.regions.values().map(|kept| kept.body.as_ref());
        let known = known.filter(move |_| told.is_none());
        let told = told.into_iter().flat_map(|kept| &kept.body.regions);
        known.chain(told).filter(|region| region.is_linked())
    }

    /// Says whether an entry of the directory is that of this region as it is now, so that what it
    /// was told when it was new is of no use any more.
    pub(crate) fn ends_introduction(&self, entry: &Region) -> bool {
        let is_member = |key: Hash| self.nodes.values().any(|node| node.body.public_key == key);
        self.introduction.is_some()
            && self.region() == Some(&entry.name)
            && entry.nodes.iter().any(|node| is_member(node.public_key))
    }

    /// Finds a linked region.
    pub fn linked(&self, name: &RegionName) -> Option<&Region> {
        self.regions().find(|region| region.name == *name)
    }

    /// Finds a region's entry in the directory, linked or not, with its number there.
    pub fn entry(&self, name: &RegionName) -> Option<(Ordinal, &Arc<Region>)> {
        self.directory().find(|(_, region)| region.name == *name)
    }

    /// Finds a region's number in the directory, linked or not.
    pub fn region_number(&self, name: &RegionName) -> Option<Ordinal> {
        self.entry(name).map(|(number, _)| number)
    }

    /// Says whether a region is, or was, one of the cluster: an ARN may name it.
    pub fn knows_region(&self, name: &RegionName) -> bool {
        self.region() == Some(name)
            || self.region_number(name).is_some()
            || self.linked(name).is_some()
    }

    /// Gives the region that founded the cluster; none before the root feed is here.
    pub fn founder(&self) -> Option<&RegionName> {
        let first = self.feed(&FeedId::Root)?.epochs().next()?;
        Some(&first.epoch.region)
    }

    /// Gives the region that is primary of a feed, as far as this one knows.
    pub fn primary_of(&self, feed: &FeedId) -> Option<&RegionName> {
        Some(&self.feed(feed)?.state()?.epoch.region)
    }

    /// Says whether this region is primary of a feed by its own table.
    pub fn is_primary(&self, feed: &FeedId) -> bool {
        self.region().is_some() && self.primary_of(feed) == self.region()
    }

    /// Gives the higher ballot that was heard of for a feed, while its change is not here.
    pub fn fence(&self, feed: &FeedId) -> Option<&Epoch> {
        let heard = &self.fences.get(&feed.uid())?.body.epoch;
        let held = &self.feed(feed)?.state()?.epoch;
        (heard > held).then_some(heard)
    }

    /// Gives the region that leads a feed: the one whose higher ballot was heard of, else the
    /// primary.
    pub fn leader_of(&self, feed: &FeedId) -> Option<&RegionName> {
        let heard = self.fence(feed).map(|epoch| &epoch.region);
        heard.or_else(|| self.primary_of(feed))
    }

    /// Says whether a region may lead a feed. The root feed names all regions and callers: only
    /// the founder leads it, or a region that receives every secret.
    pub fn may_lead(&self, region: &RegionName, feed: &FeedId) -> bool {
        if *feed != FeedId::Root {
            return true;
        }
        // Whoever led once may receive less by now: at each place of the feed the directory there
        // counts, and not what a new region was told.
        let entry = self.entry(region).map(|(_, entry)| entry.as_ref());
        let entry = entry.or_else(|| self.linked(region));
        let has_all = entry.is_some_and(|entry| entry.is_linked() && entry.scope == Scope::All);
        has_all || self.may_have_founded(region)
    }

    /// Says whether a region may have founded the cluster: it did, or nobody knows who did.
    pub(crate) fn may_have_founded(&self, region: &RegionName) -> bool {
        let first = self.first();
        first.is_none_or(|first| first == region)
    }

    /// Says whether a region is known to have founded the cluster.
    pub(crate) fn is_first(&self, region: &RegionName) -> bool {
        self.first() == Some(region)
    }

    /// Before the root feed is here, what this region was told of the others says who founded the
    /// cluster; a founder whose scope was changed it does not tell.
    fn first(&self) -> Option<&RegionName> {
        self.founder().or_else(|| {
            let mut told = self.regions();
            let founder = told.find(|entry| entry.scope == Scope::Founder)?;
            Some(&founder.name)
        })
    }

    /// Gives the regions that hold a secret with its body: the one whose feed it is, the feed's
    /// primary, those that receive everything, and those it was shared with.
    pub fn holders(&self, feed: &FeedId, secret: &Secret) -> Vec<RegionName> {
        let holds = |region: &&Region| self.is_holder(region, feed, secret);
        let holders = self.regions().filter(holds);
        let mut names: Vec<RegionName> = holders.map(|region| region.name.clone()).collect();
        // A region whose directory does not name it yet still leads its own feed.
        if let Some(primary) = self.primary_of(feed)
            && !names.contains(primary)
        {
            names.push(primary.clone());
        }
        names
    }

    /// Says whether a region holds a secret with its body.
    pub fn is_holder(&self, region: &Region, feed: &FeedId, secret: &Secret) -> bool {
        let name = &region.name;
        region.scope == Scope::All
            || matches!(feed, FeedId::Home(home) if home == name)
            || self.primary_of(feed) == Some(name)
            || secret.replica(name).is_some()
    }

    /// Says whether this region receives a feed with all its bodies, whoever they are shared with.
    pub fn receives_all(&self, feed: &FeedId) -> bool {
        let Some(own) = self.region() else {
            return false;
        };
        let is_home = matches!(feed, FeedId::Home(home) if home == own);
        is_home || self.linked(own).map(|entry| entry.scope) == Some(Scope::All)
    }

    /// Says whether this region holds a secret with its body.
    pub fn holds_secret(&self, feed: &FeedId, secret: &Secret) -> bool {
        let own = self.region();
        self.receives_all(feed)
            || self.is_primary(feed)
            || own.is_some_and(|own| secret.replica(own).is_some())
    }

    /// Finds the feed a secret belongs to, also of one whose body is kept from this region.
    pub fn feed_of_secret(&self, uid: &Uid) -> Option<&FeedId> {
        let key = RowKey::Secret(*uid);
        let full = self.secret_row(uid).and_then(|kept| kept.origin.as_ref());
        let origin = full.or_else(|| self.withheld.get(&key)?.origin.as_ref());
        origin.map(|origin| &origin.feed)
    }

    /// Says whether a row is known by its commitment only.
    pub fn is_withheld(&self, key: &RowKey) -> bool {
        self.withheld.contains_key(key)
    }

    /// Gives the numbers of versions that came without the secret that counts them: the rest of
    /// their entry was lost with the region that wrote it.
    pub(crate) fn strays(&self, uid: Uid, next: Ordinal) -> BTreeSet<Ordinal> {
        let held = self.held_versions(uid).into_iter();
        let held = held.map(|(ordinal, ..)| ordinal);
        let lacking = self.withheld_versions(uid).map(|key| key.ordinal());
        held.chain(lacking)
            .filter(|ordinal| *ordinal >= next)
            .collect()
    }

    /// Says whether so many versions of a secret are known, here or by their commitments only.
    pub(crate) fn knows_versions(&self, uid: Uid, count: usize) -> bool {
        let here = self.held_count(uid);
        let lacking = self.withheld_versions(uid);
        lacking.take(count).count().saturating_add(here) >= count
    }

    /// Says whether a region of that name would give out uids that are in use: the first release
    /// made them at random.
    pub(crate) fn gives_used(&self, feed: &FeedId) -> bool {
        let (first, last) = (feed.uid_of([0; 16]), feed.uid_of([u8::MAX; 16]));
        let mut slots = self.slots.range(first..=last);
        let mut tombstones = self.tombstones.range(first..=last);
        let withheld = RowKey::Secret(first)..=RowKey::Secret(last);
        slots.next().is_some()
            || tombstones.next().is_some()
            || self.withheld.range(withheld).next().is_some()
    }

    /// Finds what stands for a row that is known by its commitment only.
    pub(crate) fn withheld_row(&self, key: &RowKey) -> Option<&Arc<Kept<Withheld>>> {
        self.withheld.get(key)
    }

    /// Gives the keys of rows known by their commitments only, from one on.
    pub fn withheld_from(&self, key: &RowKey) -> impl Iterator<Item = (&RowKey, &FeedId)> {
        let rows = self.withheld.range(*key..);
        rows.filter_map(|(key, kept)| Some((key, &kept.origin.as_ref()?.feed)))
    }

    /// Gives the rows of a secret that are known by their commitments only, its own first.
    pub fn lacking(&self, uid: Uid) -> impl Iterator<Item = RowKey> + '_ {
        let own = RowKey::Secret(uid);
        let own = Some(own).filter(|own| self.is_withheld(own));
        own.into_iter().chain(self.withheld_versions(uid))
    }

    pub(super) fn withheld_versions(&self, uid: Uid) -> impl Iterator<Item = RowKey> + '_ {
        let all = RowKey::Version(uid, Ordinal(0))..=RowKey::Version(uid, Ordinal(u64::MAX));
        self.withheld.range(all).map(|(key, _)| *key)
    }

    /// Gives the secrets that are here, but for a part: the values of some versions, or all but
    /// such values.
    pub fn incomplete(&self) -> impl Iterator<Item = &Uid> {
        self.derived.incomplete.iter()
    }

    /// Says whether a part of a secret that is here is missing.
    pub fn is_incomplete(&self, uid: &Uid) -> bool {
        self.derived.incomplete.contains(uid)
    }

    /// Finds why a secret of another region is not kept, or not whole; under a feed's uid, that
    /// its rows are not what its primary has.
    pub fn problem(&self, uid: &Uid) -> Option<&Problem> {
        self.problems.get(uid).map(|kept| kept.body.as_ref())
    }

    /// Gives all problems, by uid.
    pub fn problems(&self) -> impl Iterator<Item = (&Uid, &Problem)> {
        let problems = self.problems.iter();
        problems.map(|(uid, kept)| (uid, kept.body.as_ref()))
    }

    /// Finds what became of a copy that is a secret of its own now.
    pub fn detached(&self, uid: &Uid) -> Option<&Detached> {
        self.detached.get(uid).map(|kept| kept.body.as_ref())
    }

    /// Gives all copies that became secrets of their own, by the uid they had.
    pub fn all_detached(&self) -> impl Iterator<Item = &Uid> {
        self.detached.keys()
    }

    /// Gives the versions of a copy that are kept, sealed anew, until it is detached, by their
    /// numbers in the copy.
    pub fn resealed(&self, uid: &Uid) -> impl Iterator<Item = (Ordinal, &Resealed)> {
        let rows = self
            .resealed
            .range((*uid, Ordinal(0))..=(*uid, Ordinal(u64::MAX)));
        rows.map(|((_, ordinal), kept)| (*ordinal, kept.body().as_ref()))
    }

    /// Gives where labels of a copy stood before they moved on to versions whose values are not
    /// here.
    pub fn kept_labels(&self, uid: &Uid) -> &[KeptLabel] {
        let kept = self.labels.get(uid);
        kept.map_or(&[], |kept| &kept.body().labels)
    }

    /// Gives all versions that are kept so, by their copies' uids.
    pub fn all_resealed(&self) -> impl Iterator<Item = (&Uid, &Resealed)> {
        let rows = self.resealed.iter();
        rows.map(|((uid, _), kept)| (uid, kept.body().as_ref()))
    }

    /// Finds what a region last said of its copy of a secret.
    pub fn replica_status(&self, uid: &Uid, region: &RegionName) -> Option<&ReplicaStatus> {
        let number = self.region_number(region)?;
        let kept = self.replicas.get(&(*uid, number))?;
        Some(kept.body.as_ref())
    }

    /// Gives the keys of what regions said of their copies of a secret.
    pub(crate) fn replica_keys(&self, uid: Uid) -> impl Iterator<Item = RowKey> + '_ {
        let all: RangeInclusive<(Uid, Ordinal)> = (uid, Ordinal(0))..=(uid, Ordinal(u64::MAX));
        let rows = self.replicas.range(all);
        rows.map(|((uid, number), _)| RowKey::Replica(*uid, *number))
    }

    /// Finds a link token by its digest, used or not.
    pub fn link_token(&self, digest: &Hash) -> Option<&LinkToken> {
        self.link_tokens.get(digest).map(|kept| kept.body.as_ref())
    }

    /// Gives all link tokens by digest, used or not.
    pub fn link_tokens(&self) -> impl Iterator<Item = (&Hash, &LinkToken)> {
        let tokens = self.link_tokens.iter();
        tokens.map(|(digest, kept)| (digest, kept.body.as_ref()))
    }

    /// Gives the epoch of each feed: what every message between nodes carries.
    pub fn epochs(&self) -> impl Iterator<Item = (&FeedId, &Epoch)> {
        let states = self.feeds().filter_map(|feed| feed.state());
        states.map(|state| (&state.feed, &state.epoch))
    }

    /// Gives every row of a feed with the exact bytes that are kept, in the order of the keys;
    /// none in place of a value that left memory.
    pub fn rows_of<'a>(
        &'a self,
        feed: &'a FeedId,
        from: Option<RowKey>,
    ) -> impl Iterator<Item = (RowKey, Option<Row>)> + 'a {
        let uid = feed.uid();
        self.fed_rows().filter_map(move |(key, row, owner)| {
            let is_later = from.is_none_or(|from| key >= from);
            (owner == Some(uid) && is_later).then_some((key, row))
        })
    }
}
