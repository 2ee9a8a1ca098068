//! Watch: the journal of the home feed told as states of secrets, with a token to go on from.
//!
//! A change is told from the newest view, so that several changes of one secret may be told as one;
//! the last state is never left out. The stream holds one view at a time and one message ahead: a
//! slow reader costs a cursor.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use consensus::Consensus;
use futures::Stream;
use machine::{
    FeedId, LogIndex, NotHeld, Position, Revision, RowKey, Secret, SecretId, State, Token, Uid,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Response, Status};
use wire::secrets::v1::watch_response::Item;
use wire::secrets::v1::{Heartbeat, SecretChange, SecretState, WatchRequest, WatchResponse};

use super::ask::Ask;
use super::describe::stages;
use super::{Secrets, parse};
use crate::errors::{Reason, Refusal};
use crate::limits::{BATCH_ITEMS_MAX, WATCH_HEARTBEAT, WATCH_LOOK_PATIENCE, WATCH_PATIENCE};
use crate::metrics::Metrics;
use crate::times::timestamp;

type Messages = std::pin::Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

impl Secrets {
    pub(super) async fn open_watch(
        &self,
        ask: Ask<WatchRequest>,
    ) -> Result<Response<Messages>, Status> {
        let Ask {
            call,
            mut reading,
            message,
        } = ask;
        let only = names(&message.secret_ids)?;
        let room = Arc::clone(&self.watches).try_acquire_owned();
        let room = room.map_err(|_| Refusal::new(Reason::Throttling, "Rate exceeded"))?;
        let resumed = resumed(&message.resume_token)?;
        if reading.min_position.is_none() {
            reading.min_position.clone_from(&resumed);
        }
        let view = self.view(&call, &reading).await?.view;
        let after = after(&view, resumed.as_ref())?;
        let (sender, receiver) = mpsc::channel(1);
        let watcher = Watcher {
            applied: self.consensus.applied(),
            consensus: self.consensus.clone(),
            only,
            after,
            state: State::clone(&view),
            sender,
            stop: self.stop.clone(),
        };
        tokio::spawn(watcher.run(Open::new(self.metrics.clone(), room)));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// Counts a watch for as long as it is open.
struct Open {
    metrics: Metrics,
    _room: OwnedSemaphorePermit,
}

impl Open {
    fn new(metrics: Metrics, room: OwnedSemaphorePermit) -> Self {
        metrics.watches.inc();
        Self {
            metrics,
            _room: room,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.watches.dec();
    }
}

struct Watcher {
    consensus: Consensus,
    applied: watch::Receiver<LogIndex>,
    only: Vec<SecretId>,
    /// The last revision told.
    after: Revision,
    /// The state of the last look: it still names what was purged since. No view: that would keep
    /// every value it shows on disk for as long as the reader takes.
    state: State,
    sender: mpsc::Sender<Result<WatchResponse, Status>>,
    stop: CancellationToken,
}

/// What became of a secret.
struct Told {
    secret: Arc<Secret>,
    state: SecretState,
}

impl Watcher {
    /// Runs until the reader is gone, the node stops, or the place in the feed is lost.
    async fn run(mut self, _open: Open) {
        let state = self.local_state();
        let mut ended = match self
            .heartbeat(Token {
                positions: self.position(&state, self.after),
            })
            .await
        {
            true => self.tell(state).await,
            false => return,
        };
        while ended.is_ok() && !self.sender.is_closed() {
            ended = self.turn().await;
        }
        if let Err(Some(refusal)) = ended {
            let told = self
                .sender
                .send_timeout(Err(refusal.into()), WATCH_PATIENCE);
            // The reader may be gone; then nobody is left to tell.
            let _ = told.await;
        }
    }

    /// Waits for something to tell, or for the time of a heartbeat.
    async fn turn(&mut self) -> Result<(), Option<Refusal>> {
        let stopped = || Refusal::new(Reason::ServiceUnavailable, "This node is stopping.");
        tokio::select! {
            () = self.sender.closed() => return Err(None),
            () = self.stop.cancelled() => return Err(Some(stopped())),
            changed = self.applied.changed() => changed.map_err(|_| Some(stopped()))?,
            () = tokio::time::sleep(WATCH_HEARTBEAT) => {
                // A change may have come at the same moment: no message may stand beyond one that
                // is not told yet.
                self.tell(self.local_state()).await?;
                let positions = self.position(&self.state, self.after);
                return match self.heartbeat(Token { positions }).await {
                    true => Ok(()),
                    false => Err(None),
                };
            }
        }
        self.tell(self.local_state()).await
    }

    fn local_state(&self) -> State {
        State::clone(&self.consensus.local_view())
    }

    /// Tells what changed between the last state and this one.
    async fn tell(&mut self, state: State) -> Result<(), Option<Refusal>> {
        let (changed, upto) = self.changed(&state).map_err(Some)?;
        let mut left = changed.len();
        let patience = Instant::now() + WATCH_LOOK_PATIENCE;
        for told in changed {
            left -= 1;
            // Only the last message of a batch stands for all of it.
            let revision = if left == 0 { upto } else { self.after };
            let resume_token = Token {
                positions: self.position(&state, revision),
            }
            .encode();
            let change = SecretChange {
                arn: told.secret.arn().to_string(),
                name: told.secret.name.to_string(),
                state: told.state.into(),
                version_ids_to_stages: match told.state {
                    SecretState::Purged => BTreeMap::new(),
                    _ => stages(&told.secret),
                },
                last_changed_date: Some(timestamp(told.secret.changed)),
            };
            let message = WatchResponse {
                resume_token,
                item: Some(Item::Change(change)),
            };
            let is_late = Instant::now() > patience;
            if is_late || !sent(&self.sender, message).await {
                return Err(None);
            }
        }
        self.after = upto;
        self.state = state;
        Ok(())
    }

    /// The secrets that changed after the last revision told, in the order of their last change.
    fn changed(&self, state: &State) -> Result<(Vec<Told>, Revision), Refusal> {
        let Some(home) = state.home() else {
            return Ok((Vec::new(), self.after));
        };
        let upto = state
            .feed(&home)
            .map_or(self.after, machine::Feed::revision);
        let rows = state
            .journal(&home, self.after)
            .ok_or_else(|| lost(self.after))?;
        let mut last: BTreeMap<Uid, Revision> = BTreeMap::new();
        for row in rows {
            let header = &row.header;
            if header.kind == RowKey::Secret(header.uid).kind() {
                last.insert(header.uid, header.revision);
            }
        }
        let is_known = |uid: &Uid| state.secret(uid).is_some() || self.state.secret(uid).is_some();
        let gone = last.keys().filter(|uid| !is_known(uid)).copied();
        let journalled = journalled(state, &home, &gone.collect());
        let mut by_revision: Vec<(Revision, Told)> = Vec::new();
        for (uid, revision) in last {
            if let Some(told) = self.told(state, &journalled, &uid)? {
                by_revision.push((revision, told));
            }
        }
        by_revision.sort_by_key(|(revision, _)| *revision);
        Ok((
            by_revision.into_iter().map(|(_, told)| told).collect(),
            upto,
        ))
    }

    fn told(
        &self,
        state: &State,
        journalled: &BTreeMap<Uid, Arc<Secret>>,
        uid: &Uid,
    ) -> Result<Option<Told>, Refusal> {
        let told = match state.secret(uid) {
            Some(secret) if secret.is_scheduled() => Told {
                secret: Arc::clone(secret),
                state: SecretState::ScheduledForDeletion,
            },
            Some(secret) => Told {
                secret: Arc::clone(secret),
                state: SecretState::Active,
            },
            None => {
                let before = self
                    .state
                    .secret(uid)
                    .or_else(|| journalled.get(uid))
                    .cloned();
                // With its name trimmed away too, only a list tells what is gone.
                let secret = before.ok_or_else(|| lost(self.after))?;
                Told {
                    secret,
                    state: SecretState::Purged,
                }
            }
        };
        let wanted = self.only.is_empty() || self.only.iter().any(|id| names_it(id, &told.secret));
        Ok(wanted.then_some(told))
    }

    async fn heartbeat(&self, position: Token) -> bool {
        let item = Some(Item::Heartbeat(Heartbeat {}));
        let message = WatchResponse {
            resume_token: position.encode(),
            item,
        };
        sent(&self.sender, message).await
    }

    /// The positions of a state, with the home feed at this revision.
    fn position(&self, state: &State, revision: Revision) -> Vec<Position> {
        let home = state.home();
        let positions = state
            .positions()
            .into_iter()
            .filter(|at| Some(&at.feed) == home.as_ref());
        positions.map(|at| Position { revision, ..at }).collect()
    }
}

/// These secrets as the journal last had them: one walk, however many they are.
fn journalled(state: &State, home: &FeedId, uids: &BTreeSet<Uid>) -> BTreeMap<Uid, Arc<Secret>> {
    if uids.is_empty() {
        return BTreeMap::new();
    }
    let first = state.feed(home).and_then(|feed| feed.state());
    let first = first.map_or(0, |state| state.journal_first.0);
    let rows = state.journal(home, Revision(first.saturating_sub(1)));
    let rows = rows.into_iter().flatten();
    let rows = rows.filter(|row| uids.contains(&row.header.uid));
    let secrets = rows.filter_map(machine::JournalRow::secret);
    secrets
        .map(|secret| (secret.uid, Arc::new(secret)))
        .collect()
}

/// Whether the reader took the message. One that takes nothing for long is let go, and one that
/// takes all too little: meanwhile the state of its last look stays in memory.
async fn sent(
    sender: &mpsc::Sender<Result<WatchResponse, Status>>,
    message: WatchResponse,
) -> bool {
    sender
        .send_timeout(Ok(message), WATCH_PATIENCE)
        .await
        .is_ok()
}

/// Where a token says a watch goes on.
fn resumed(token: &str) -> Result<Option<Token>, Refusal> {
    if token.is_empty() {
        return Ok(None);
    }
    let refused =
        || Refusal::parameter("The resume_token must be one that a message of a watch carried.");
    let token = Token::decode(token).map_err(|_| refused())?;
    match token
        .positions
        .iter()
        .any(|position| matches!(position.feed, FeedId::Home(_)))
    {
        true => Ok(Some(token)),
        false => Err(refused()),
    }
}

fn after(view: &State, resumed: Option<&Token>) -> Result<Revision, Refusal> {
    let home = view.home().ok_or_else(Refusal::not_founded)?;
    let now = view
        .feed(&home)
        .map(machine::Feed::revision)
        .unwrap_or_default();
    let Some(token) = resumed else { return Ok(now) };
    let position = token
        .positions
        .iter()
        .find(|position| position.feed == home);
    let after = match position {
        Some(position) => position.revision,
        None => return Err(NotHeld::FeedUnknown(home).into()),
    };
    match view.journal(&home, after) {
        Some(_) => Ok(after),
        None => Err(lost(after)),
    }
}

fn lost(after: Revision) -> Refusal {
    Refusal::new(
        Reason::PositionLost,
        format!(
            "The changes after revision {after} are no longer kept: list the secrets, then watch \
             from now."
        ),
    )
}

fn names(ids: &[String]) -> Result<Vec<SecretId>, Refusal> {
    if ids.len() > BATCH_ITEMS_MAX {
        let constraint = format!("have length less than or equal to {BATCH_ITEMS_MAX}");
        return Err(Refusal::constraint("secretIds", &constraint));
    }
    let distinct: BTreeSet<&String> = ids.iter().collect();
    distinct
        .into_iter()
        .map(|id| parse::secret_id(id))
        .collect()
}

fn names_it(id: &SecretId, secret: &Secret) -> bool {
    match id {
        SecretId::Name(name) => *name == secret.name,
        SecretId::Arn(arn) => {
            let is_here = arn.region == secret.region && arn.account == secret.account;
            let is_full = || {
                let split = arn.split();
                split.is_some_and(|(name, suffix)| {
                    name == secret.name && suffix == secret.arn_suffix
                })
            };
            is_here && (is_full() || arn.whole().as_ref() == Some(&secret.name))
        }
    }
}
