//! Trimming: changes that all regions have are not kept (R5), but for the newest, from which those
//! who watch secrets go on. A region that was not heard since this node leads keeps all that the
//! machine keeps by itself.

use std::sync::Arc;

use consensus::Role;
use machine::{Command, FeedId, RegionName, Revision, State, TrimFeed};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::context::Context;
use crate::followers::Followers;
use crate::limits::{JOURNAL_KEPT, TRIM_CHANGES_MIN, TRIM_INTERVAL, TRIMS_MAX};

/// Runs until the node stops; acts while it leads.
pub(super) async fn run(context: Arc<Context>) {
    let stop = context.options.stop.clone();
    tokio::select! {
        () = stop.cancelled() => {}
        () = look(&context) => {}
    }
}

async fn look(context: &Context) {
    let mut looks = interval(TRIM_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut leads_since: Option<(u64, Instant)> = None;
    loop {
        looks.tick().await;
        let view = context.options.consensus.local_view();
        context
            .followers
            .keep(|region| view.linked(region).is_some());
        let status = context.options.consensus.status();
        if status.role != Role::Leader {
            leads_since = None;
            continue;
        }
        let known = leads_since.filter(|(term, _)| *term == status.term);
        let (term, since) = known.unwrap_or_else(|| (status.term, Instant::now()));
        leads_since = Some((term, since));
        for feed in view.feeds().filter_map(|feed| feed.state()) {
            if context.leads(&view, &feed.feed).is_ok() {
                trim(context, &feed.feed, since).await;
            }
        }
    }
}

/// Trims a feed until enough is gone.
async fn trim(context: &Context, feed: &FeedId, since: Instant) {
    for _ in 0..TRIMS_MAX {
        let view = context.options.consensus.local_view();
        let followers = &context.followers;
        let Some(upto) = dispensable(&view, followers, feed, since, JOURNAL_KEPT) else {
            return;
        };
        let feed = feed.clone();
        let command = Command::TrimFeed(TrimFeed { feed, upto });
        let trimmed = context.propose_as_task("trim", command).await;
        if !trimmed.is_ok_and(|committed| committed.answer.is_ok()) {
            tracing::debug!("did not trim a feed");
            return;
        }
    }
}

/// Finds the last change that nobody needs, the newest `kept` aside; none if too few are to go.
fn dispensable(
    state: &State,
    followers: &Followers,
    feed: &FeedId,
    since: Instant,
    kept: u64,
) -> Option<Revision> {
    let held = state.feed(feed)?.state()?;
    let own = state.region()?;
    let others: Vec<&RegionName> = state
        .regions()
        .map(|region| &region.name)
        .filter(|region| *region != own)
        .collect();
    if others.is_empty() {
        return None;
    }
    let has = |region: &&RegionName| {
        let follower = followers.of(region)?;
        let acknowledged = follower.feeds.get(feed)?;
        (acknowledged.at > since).then_some(acknowledged.cursor.revision)
    };
    let all: Option<Vec<Revision>> = others.iter().map(has).collect();
    let had_by_all = all?.into_iter().min()?;
    let before_kept = Revision(held.revision.0.saturating_sub(kept));
    let upto = had_by_all.min(before_kept);
    let next = upto.0.saturating_add(1);
    let gone = next.saturating_sub(held.journal_first.0);
    (gone >= TRIM_CHANGES_MIN).then_some(upto)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use machine::{
        AccountId, ArnSuffix, Audit, ClusterId, CreateSecret, Cursor, Entry, Found, Hash,
        IssueLinkToken, KeyId, KeyState, KeyVersion, KmsKey, LinkRegion, LogIndex, MACHINE_VERSION,
        Node, NodeId, Region, RequestId, Scope, SecretName, Seen, Stamp,
    };

    use super::*;

    fn name(region: &str) -> RegionName {
        RegionName::new(region).unwrap()
    }

    fn apply(state: &mut State, command: Command) {
        let index = state.last_stamp().0 + 1;
        let entry = Entry {
            stamp: Stamp(index),
            audit: Audit {
                caller: "admin".to_owned(),
                request_id: RequestId([0; 16]),
            },
            seed: [1; 32],
            command,
        };
        let applied = machine::apply(state, LogIndex(index), &entry);
        applied.answer.expect("accepted");
    }

    fn node() -> Node {
        Node {
            id: NodeId(1),
            peer_address: "h:1".to_owned(),
            api_address: "h:2".to_owned(),
            public_key: Hash([1; 32]),
        }
    }

    fn found() -> Command {
        Command::Found(Found {
            cluster: ClusterId([1; 16]),
            region: name("eu-north-1"),
            account: AccountId::new("000000000001").unwrap(),
            administrator: "admin".to_owned(),
            default_key: KmsKey {
                id: KeyId([1; 16]),
                alias: String::new(),
                state: KeyState::Enabled,
                versions: vec![KeyVersion {
                    version: 1,
                    wrapped: Bytes::from_static(b"kek"),
                    created: Stamp(1),
                }],
            },
            node: node(),
            machine_version: MACHINE_VERSION,
            introduction: None,
        })
    }

    fn link(state: &mut State, region: &str) {
        let digest = Hash([region.as_bytes()[3]; 32]);
        apply(
            state,
            Command::IssueLinkToken(IssueLinkToken {
                digest,
                expires: Stamp(u64::MAX),
                region: name(region),
                scope: Scope::Selected,
            }),
        );
        let region = Region {
            name: name(region),
            scope: Scope::Selected,
            authorities: vec![Bytes::from_static(b"authority")],
            nodes: vec![node()],
            unlinked: None,
        };
        let token_digest = digest;
        let link = LinkRegion {
            token_digest,
            region,
        };
        apply(state, Command::LinkRegion(link));
    }

    fn create(state: &mut State, number: u128) {
        let home = state.home().unwrap();
        apply(
            state,
            Command::CreateSecret(CreateSecret {
                uid: home.uid_of(number.to_be_bytes()),
                account: AccountId::new("000000000001").unwrap(),
                name: SecretName::new(&format!("secret/{number}")).unwrap(),
                arn_suffix: ArnSuffix::new("AbC123").unwrap(),
                description: String::new(),
                kms_key: None,
                tags: Vec::new(),
                new: None,
                region: None,
                replicas: Vec::new(),
                seen: Seen::default(),
            }),
        );
    }

    /// A region with changes of 1,000 secrets, and the home feed.
    fn filled() -> (State, FeedId) {
        let mut state = State::new();
        apply(&mut state, found());
        (0..1_000).for_each(|number| create(&mut state, number));
        let home = state.home().unwrap();
        (state, home)
    }

    fn at(revision: u64) -> Cursor {
        Cursor {
            epoch: None,
            revision: Revision(revision),
            chain: Hash::ZERO,
        }
    }

    #[tokio::test]
    async fn only_what_all_linked_regions_have_is_dispensable() {
        let (mut state, home) = filled();
        let (followers, since) = (Followers::default(), Instant::now());
        let find = |state: &State, kept| dispensable(state, &followers, &home, since, kept);
        assert_eq!(
            find(&state, 0),
            None,
            "nobody follows: the machine's bounds are enough"
        );
        link(&mut state, "eu-west-1");
        link(&mut state, "eu-south-1");
        tokio::time::sleep(Duration::from_millis(1)).await;
        followers.acknowledge(&name("eu-west-1"), vec![(home.clone(), at(900))]);
        assert_eq!(find(&state, 0), None, "one was not heard yet");
        followers.acknowledge(&name("eu-south-1"), vec![(home.clone(), at(600))]);
        assert_eq!(find(&state, 0), Some(Revision(600)));
        assert_eq!(
            find(&state, 500),
            Some(Revision(501)),
            "the newest stay, whoever has them"
        );
        assert_eq!(find(&state, 900), None, "too few for an entry");
        let later = Instant::now() + Duration::from_secs(1);
        let heard = dispensable(&state, &followers, &home, later, 0);
        assert_eq!(
            heard, None,
            "what was said to another leader's time does not count"
        );
    }
}
