//! The region directory: a row of the root feed for each region, with the keys of its nodes (R17).

use crate::answer::Outcome;
use crate::command::{IssueLinkToken, LinkRegion, UnlinkRegion, UpdateRegion};
use crate::decide::draft::Draft;
use crate::decide::{ACCESS, writable};
use crate::ids::Ordinal;
use crate::limits::{
    AUTHORITIES_MAX, AUTHORITY_BYTES_MAX, IDENTITY_CHARS_MAX, LINK_TOKENS_MAX, REGION_NODES_MAX,
    REGIONS_MAX,
};
use crate::names::RegionName;
use crate::position::FeedId;
use crate::region::{Region, Scope};
use crate::rejection::Rejection;
use crate::row::{LinkToken, RowKey};
use crate::state::State;

pub(super) fn issue_token(
    draft: &mut Draft<'_>,
    issue: &IssueLinkToken,
) -> Result<Outcome, Rejection> {
    let (state, now) = (draft.state, draft.stamp);
    writable(state, &FeedId::Root)?;
    linkable(state, &issue.region)?;
    if issue.expires <= now {
        return Err(Rejection::LinkTokenExpired(issue.expires));
    }
    if issue.scope == Scope::Founder {
        return Err(Rejection::RegionInvalid(issue.region.clone()));
    }
    if state.link_token(&issue.digest).is_some() {
        return Err(Rejection::LinkTokenExists);
    }
    let (expired, kept): (Vec<_>, Vec<_>) = state
        .link_tokens()
        .partition(|(_, token)| token.expires <= now);
    if kept.len() >= LINK_TOKENS_MAX {
        return Err(Rejection::LinkTokenLimit);
    }
    expired
        .iter()
        .for_each(|(digest, _)| draft.delete(RowKey::LinkToken(**digest)));
    let token = LinkToken {
        expires: issue.expires,
        region: issue.region.clone(),
        scope: issue.scope,
        used: false,
    };
    draft.put(RowKey::LinkToken(issue.digest), &token);
    Ok(Outcome::None)
}

/// Rejects a region that cannot be linked: a new one for want of room, one that was lost while it
/// still leads.
fn linkable(state: &State, name: &RegionName) -> Result<(), Rejection> {
    if state.region() == Some(name) {
        return Err(Rejection::RegionExists(name.clone()));
    }
    match state.entry(name) {
        Some((_, region)) if !region.is_linked() => Err(Rejection::RegionUnlinked(name.clone())),
        Some(_) => leads_nothing(state, name).map_err(|_| Rejection::RegionExists(name.clone())),
        None if state.directory().count() >= REGIONS_MAX => Err(Rejection::RegionLimit),
        None => usable(state, name),
    }
}

/// Rejects a new name if its feed would give out uids like those of another one.
fn usable(state: &State, name: &RegionName) -> Result<(), Rejection> {
    let feed = FeedId::Home(name.clone());
    let first = feed.uid_of([0; 16]);
    let others = state.directory().map(|(_, region)| &region.name);
    let mut others = others.map(|name| FeedId::Home(name.clone()));
    let is_of_root = state.machine_version() >= Some(ACCESS) && FeedId::Root.gives(&first);
    let is_used = is_of_root || state.gives_used(&feed);
    match is_used || others.any(|other| other.gives(&first)) {
        true => Err(Rejection::RegionNameUnusable(name.clone())),
        false => Ok(()),
    }
}

fn leads_nothing(state: &State, name: &RegionName) -> Result<(), Rejection> {
    let feeds = state.feeds().filter_map(|feed| feed.state());
    let mut led = feeds.filter(|feed| feed.epoch.region == *name);
    match led.next() {
        None => Ok(()),
        Some(led) => Err(Rejection::RegionIsPrimary {
            region: name.clone(),
            feed: led.feed.clone(),
        }),
    }
}

/// Uses up the token in the same entry. A region that asks again, because its first answer was
/// lost, is answered as the first time.
pub(super) fn link(draft: &mut Draft<'_>, link: &LinkRegion) -> Result<Outcome, Rejection> {
    let (state, name) = (draft.state, &link.region.name);
    writable(state, &FeedId::Root)?;
    let token = state
        .link_token(&link.token_digest)
        .ok_or(Rejection::LinkTokenUnknown)?;
    if token.region != *name {
        return Err(Rejection::LinkTokenUsed);
    }
    let region = Region {
        scope: token.scope,
        unlinked: None,
        signing_key: link.region.signing_key.filter(|_| knows_sessions(state)),
        ..link.region.clone()
    };
    if token.used {
        let known = state.linked(name);
        return match known {
            Some(known) if *known == region => Ok(Outcome::Region(region)),
            _ => Err(Rejection::LinkTokenUsed),
        };
    }
    if token.expires <= draft.stamp {
        return Err(Rejection::LinkTokenExpired(token.expires));
    }
    described(std::slice::from_ref(&region))?;
    linkable(state, name)?;
    let used = LinkToken {
        used: true,
        ..token.clone()
    };
    draft.put(RowKey::LinkToken(link.token_digest), &used);
    let number = state.region_number(name).unwrap_or_else(|| next(state));
    draft.feed_put(&FeedId::Root, RowKey::Region(number), region.clone());
    Ok(Outcome::Region(region))
}

/// Says whether the rules in force know keys of sessions.
fn knows_sessions(state: &State) -> bool {
    state.machine_version() >= Some(ACCESS)
}

fn next(state: &State) -> Ordinal {
    let last = state.directory().map(|(Ordinal(number), _)| number).max();
    Ordinal(last.unwrap_or_default().saturating_add(1))
}

/// Changes keys, nodes or scope of a region.
pub(super) fn update(draft: &mut Draft<'_>, update: &UpdateRegion) -> Result<Outcome, Rejection> {
    let (state, said) = (draft.state, &update.region);
    let name = &said.name;
    writable(state, &FeedId::Root)?;
    let is_of_scope = said.authorities.is_empty() && said.nodes.is_empty();
    if !is_of_scope {
        described(std::slice::from_ref(said))?;
    }
    let (number, known) = entry(state, name)?;
    let scope = match said.scope {
        Scope::Founder => known.scope,
        scope => scope,
    };
    let narrows = known.scope == Scope::All && scope != Scope::All;
    let leads_root = state.primary_of(&FeedId::Root) == Some(name);
    if narrows && leads_root && state.founder() != Some(name) {
        return Err(Rejection::ScopeNeeded(FeedId::Root));
    }
    let described = if is_of_scope { known } else { said };
    // Who says nothing of it has none yet, or is built anew: then it tells its new one soon.
    let signing_key = described.signing_key.filter(|_| knows_sessions(state));
    let region = Region {
        scope,
        unlinked: None,
        signing_key: signing_key.or(known.signing_key),
        ..described.clone()
    };
    if *known != region {
        draft.feed_put(&FeedId::Root, RowKey::Region(number), region.clone());
    }
    Ok(Outcome::Region(region))
}

/// Takes a region out: its keys are forgotten, its name stays known, and is not used again.
pub(super) fn unlink(draft: &mut Draft<'_>, unlink: &UnlinkRegion) -> Result<Outcome, Rejection> {
    let (state, name) = (draft.state, &unlink.region);
    writable(state, &FeedId::Root)?;
    let (number, known) = match entry(state, name) {
        Err(Rejection::RegionUnlinked(_)) => return Ok(Outcome::None),
        found => found?,
    };
    leads_nothing(state, name)?;
    let region = Region {
        authorities: Vec::new(),
        nodes: Vec::new(),
        unlinked: Some(draft.stamp),
        // What it has signed is void at once.
        signing_key: None,
        ..known.clone()
    };
    draft.feed_put(&FeedId::Root, RowKey::Region(number), region.clone());
    Ok(Outcome::Region(region))
}

fn entry<'a>(state: &'a State, name: &RegionName) -> Result<(Ordinal, &'a Region), Rejection> {
    match state.entry(name) {
        None => Err(Rejection::RegionUnknown(name.clone())),
        Some((_, region)) if !region.is_linked() => Err(Rejection::RegionUnlinked(name.clone())),
        Some((number, region)) => Ok((number, region)),
    }
}

/// Rejects what is said of regions if it is out of its bounds, or leaves out how to reach one.
pub(super) fn described(regions: &[Region]) -> Result<(), Rejection> {
    if let Some(region) = regions.get(REGIONS_MAX) {
        return Err(Rejection::RegionInvalid(region.name.clone()));
    }
    let is_sound = |region: &&Region| {
        let (authorities, nodes) = (&region.authorities, &region.nodes);
        let is_short = |text: &str| text.chars().count() <= IDENTITY_CHARS_MAX;
        let counts = (1..=AUTHORITIES_MAX).contains(&authorities.len())
            && (1..=REGION_NODES_MAX).contains(&nodes.len());
        let bytes = authorities
            .iter()
            .all(|der| (1..=AUTHORITY_BYTES_MAX).contains(&der.len()));
        let addresses = nodes
            .iter()
            .all(|node| is_short(&node.peer_address) && is_short(&node.api_address));
        counts && bytes && addresses && nodes.is_sorted_by(|a, b| a.id < b.id)
    };
    match regions.iter().find(|region| !is_sound(region)) {
        None => Ok(()),
        Some(region) => Err(Rejection::RegionInvalid(region.name.clone())),
    }
}
