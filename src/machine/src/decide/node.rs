//! Founding a region, and the nodes that may take part in it: their keys are pinned here (R17).

use crate::answer::Outcome;
use crate::command::{AdmitNode, Found, IssueJoinToken, Node, RemoveNode};
use crate::decide::draft::Draft;
use crate::decide::{BOUNDED_REMAINS, REGIONS, bounded, is_known, key, link};
use crate::identity::Account;
use crate::ids::{Hash, Ordinal, Revision};
use crate::limits::{IDENTITY_CHARS_MAX, JOIN_TOKENS_MAX, NODES_EVER_MAX, NODES_MAX};
use crate::position::{Epoch, FeedId};
use crate::region::Region;
use crate::rejection::{Field, Rejection};
use crate::row::{
    BeginEpoch, FeedState, Introduction, JoinToken, Machine, Principal, RetiredNode, RowKey,
};
use crate::state::State;

/// The first of its kind: of accounts, regions, principals and epochs.
const FIRST: Ordinal = Ordinal(1);

pub(super) fn found(draft: &mut Draft<'_>, found: &Found) -> Result<Outcome, Rejection> {
    if !is_known(found.machine_version) {
        return Err(Rejection::MachineVersionUnknown(found.machine_version));
    }
    let administrator = found.administrator.chars().count();
    bounded(Field::Administrator, administrator, IDENTITY_CHARS_MAX)?;
    key::checked(&found.default_key)?;
    addressed(&found.node)?;
    draft.put(
        RowKey::Machine,
        &Machine {
            cluster: found.cluster,
            region: found.region.clone(),
            account: found.account.clone(),
            default_key: found.default_key.id,
            version: found.machine_version,
        },
    );
    draft.put(RowKey::KmsKey(found.default_key.id), &found.default_key);
    draft.put(RowKey::Node(found.node.id), &found.node);
    if let Some(introduction) = &found.introduction {
        return linked(draft, found, introduction);
    }
    let root = FeedId::Root;
    begin(draft, found, &root);
    begin(draft, found, &FeedId::Home(found.region.clone()));
    let region = Region::founder(found.region.clone());
    draft.feed_put(&root, RowKey::Region(FIRST), region);
    let account = Account {
        id: found.account.clone(),
        name: String::new(),
    };
    draft.feed_put(&root, RowKey::Account(FIRST), account);
    let client = found.administrator.clone();
    let administrator = Principal {
        client,
        administrator: true,
    };
    draft.feed_put(&root, RowKey::Principal(FIRST), administrator);
    Ok(Outcome::Node(found.node.clone()))
}

/// Founds a region that is linked to others: the root feed is another's, and its own home feed may
/// be there already, if a region of this name was lost.
fn linked(
    draft: &mut Draft<'_>,
    found: &Found,
    introduction: &Introduction,
) -> Result<Outcome, Rejection> {
    if found.machine_version < REGIONS {
        return Err(Rejection::MachineVersionNeeded(REGIONS));
    }
    link::described(&introduction.regions)?;
    draft.put(RowKey::Introduction, introduction);
    if !introduction.home_exists {
        begin(draft, found, &FeedId::Home(found.region.clone()));
    }
    Ok(Outcome::Node(found.node.clone()))
}

/// The first change of an epoch says so (R6).
fn begin(draft: &mut Draft<'_>, found: &Found, feed: &FeedId) {
    let epoch = Epoch {
        number: FIRST.0,
        region: found.region.clone(),
    };
    draft.begin(FeedState {
        feed: feed.clone(),
        epoch: epoch.clone(),
        revision: Revision(0),
        chain: Hash::ZERO,
        journal_first: Revision(1),
        journal_bytes: 0,
    });
    let begun = BeginEpoch {
        epoch,
        primary: found.region.clone(),
        previous: None,
        last_revision: Revision(0),
        chain: Hash::ZERO,
    };
    draft.feed_put(feed, RowKey::Epoch(feed.uid(), FIRST), begun);
}

pub(super) fn issue_token(
    draft: &mut Draft<'_>,
    issue: &IssueJoinToken,
) -> Result<Outcome, Rejection> {
    let (state, now) = (draft.state, draft.stamp);
    if issue.expires <= now {
        return Err(Rejection::JoinTokenExpired(issue.expires));
    }
    if state.join_token(&issue.digest).is_some() {
        return Err(Rejection::JoinTokenExists);
    }
    let (expired, kept): (Vec<_>, Vec<_>) = state
        .join_tokens()
        .partition(|(_, token)| token.expires <= now);
    if kept.len() >= JOIN_TOKENS_MAX {
        return Err(Rejection::JoinTokenLimit);
    }
    expired
        .iter()
        .for_each(|(digest, _)| draft.delete(RowKey::JoinToken(**digest)));
    let token = JoinToken {
        expires: issue.expires,
        used_by: None,
    };
    draft.put(RowKey::JoinToken(issue.digest), &token);
    Ok(Outcome::None)
}

/// Uses up the token in the same entry. A node that asks again with its own token is answered as
/// the first time.
pub(super) fn admit(draft: &mut Draft<'_>, admit: &AdmitNode) -> Result<Outcome, Rejection> {
    let (state, node) = (draft.state, &admit.node);
    let token = state
        .join_token(&admit.token_digest)
        .ok_or(Rejection::JoinTokenUnknown)?;
    if let Some(used_by) = token.used_by {
        let is_same = used_by == node.id && state.node(node.id).is_some_and(|held| **held == *node);
        let again = Outcome::Node(node.clone());
        return if is_same {
            Ok(again)
        } else {
            Err(Rejection::JoinTokenUsed(used_by))
        };
    }
    if token.expires <= draft.stamp {
        return Err(Rejection::JoinTokenExpired(token.expires));
    }
    addressed(node)?;
    admissible(state, node)?;
    let used = JoinToken {
        used_by: Some(node.id),
        ..*token
    };
    draft.put(RowKey::JoinToken(admit.token_digest), &used);
    draft.put(RowKey::Node(node.id), node);
    Ok(Outcome::Node(node.clone()))
}

pub(super) fn remove(draft: &mut Draft<'_>, remove: &RemoveNode) -> Result<Outcome, Rejection> {
    let state = draft.state;
    if state.is_retired(remove.node) {
        return Ok(Outcome::None);
    }
    let node = state
        .node(remove.node)
        .ok_or(Rejection::NodeNotFound(remove.node))?;
    if state.nodes().count() == 1 {
        return Err(Rejection::NodeLast(remove.node));
    }
    draft.delete(RowKey::Node(remove.node));
    draft.put(
        RowKey::RetiredNode(remove.node),
        &RetiredNode {
            retired: draft.stamp,
        },
    );
    Ok(Outcome::Node(Node::clone(node)))
}

fn admissible(state: &State, node: &Node) -> Result<(), Rejection> {
    if state.is_retired(node.id) {
        return Err(Rejection::NodeRetired(node.id));
    }
    if state.node(node.id).is_some() {
        return Err(Rejection::NodeExists(node.id));
    }
    if state.nodes().any(|held| held.public_key == node.public_key) {
        return Err(Rejection::NodeKeyTaken(node.public_key));
    }
    // A removed node is never forgotten: its certificate may still be valid.
    let is_counted = state.machine_version() >= Some(BOUNDED_REMAINS);
    let is_one_too_many = is_counted && state.nodes_ever() >= NODES_EVER_MAX;
    if state.nodes().count() >= NODES_MAX || is_one_too_many {
        return Err(Rejection::NodeLimit);
    }
    Ok(())
}

fn addressed(node: &Node) -> Result<(), Rejection> {
    bounded(
        Field::Address,
        node.peer_address.chars().count(),
        IDENTITY_CHARS_MAX,
    )?;
    bounded(
        Field::Address,
        node.api_address.chars().count(),
        IDENTITY_CHARS_MAX,
    )
}
