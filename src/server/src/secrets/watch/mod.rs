//! Watch: the journals of the home feeds told as states of secrets, with a token to go on from.
//!
//! A change is told from the newest view, so that several changes of one secret may be told as one;
//! the last state is never left out. The stream holds one view at a time and one message ahead: a
//! slow reader costs a cursor.
//!
//! A promotion goes on in the journal it finds, so a watch goes on over it. What comes here without
//! a change of its feed, as the rows of a secret that were withheld before, is found by comparing
//! states, now and then.

mod changes;
mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use audit::Outcome;
use consensus::Consensus;
use futures::Stream;
use machine::{AccountId, LogIndex, RegionName, SecretId, State};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Response, Status};
use wire::secrets::v1::watch_response::Item;
use wire::secrets::v1::{Heartbeat, SecretChange, SecretState, WatchRequest, WatchResponse};

use self::changes::{Told, changes, filled, is_all};
use self::place::Place;
use super::ask::Ask;
use super::describe::stages;
use super::get::Choice;
use super::{About, Secrets, parse};
use crate::authz::{Authz, Surroundings, Target};
use crate::door::{Call, record};
use crate::errors::{Reason, Refusal};
use crate::limits::{
    BATCH_ITEMS_MAX, WATCH_COMPARE_INTERVAL, WATCH_HEARTBEAT, WATCH_LOOK_PATIENCE, WATCH_PATIENCE,
};
use crate::metrics::Metrics;
use crate::times::timestamp;
use crate::trail::{Recorder, Subject};

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
        let resumed = place::resumed(&message.resume_token)?;
        if let Some(resumed) = &resumed {
            // Beside what else is asked for, and in no token that anybody is given.
            let positions = resumed.positions.iter().cloned();
            let held = reading.min_position.get_or_insert_default();
            held.positions.extend(positions);
        }
        let basis = self.view(&call, &reading, About::Everything).await?;
        let account = basis.who.account().clone();
        let after = Place::after(&basis, resumed.as_ref())?;
        let state = State::clone(&basis);
        let (sender, receiver) = mpsc::channel(1);
        let watcher = Watcher {
            applied: self.consensus.applied(),
            consensus: self.consensus.clone(),
            authz: Arc::clone(&self.authz),
            recorder: Arc::clone(&self.recorder),
            call,
            account,
            region: basis.into_region(),
            only,
            after,
            filling: None,
            state,
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
    authz: Arc<Authz>,
    recorder: Arc<Recorder>,
    /// The call that opened it: whose it is.
    call: Call,
    /// Whose names its reader means.
    account: AccountId,
    /// The region the request belongs to, which ARNs show.
    region: RegionName,
    only: Vec<SecretId>,
    /// What was told last.
    after: Place,
    /// Since when rows come that were withheld, and the state before them.
    filling: Option<(Instant, State)>,
    /// The state of the last look: it still names what was purged since. No view: that would keep
    /// every value it shows on disk for as long as the reader takes.
    state: State,
    sender: mpsc::Sender<Result<WatchResponse, Status>>,
    stop: CancellationToken,
}

impl Watcher {
    /// Runs until the reader is gone, the node stops, or the place in a feed is lost.
    async fn run(mut self, _open: Open) {
        let state = self.local_state();
        let mut ended = match self.heartbeat(&state).await {
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
        let began = self.filling.as_ref().map(|(began, _)| *began);
        let compare = async {
            match began {
                Some(began) => tokio::time::sleep_until(began + WATCH_COMPARE_INTERVAL).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.sender.closed() => return Err(None),
            () = self.stop.cancelled() => return Err(Some(stopped())),
            changed = self.applied.changed() => changed.map_err(|_| Some(stopped()))?,
            () = compare => return self.tell_filled().await,
            () = tokio::time::sleep(WATCH_HEARTBEAT) => {
                // A change may have come at the same moment: no message may stand beyond one that
                // is not told yet.
                self.tell(self.local_state()).await?;
                return match self.heartbeat(&self.state).await {
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
        let (changed, upto) = changes(&self.state, &state, &self.after).map_err(Some)?;
        let is_all = is_all(&self.state, &state, &changed);
        self.send(&state, changed, &upto).await?;
        if !is_all && self.filling.is_none() {
            self.filling = Some((Instant::now(), self.state.clone()));
        }
        self.after = upto;
        self.state = state;
        Ok(())
    }

    /// Tells what came here without a change of its feed.
    async fn tell_filled(&mut self) -> Result<(), Option<Refusal>> {
        let Some((_, before)) = self.filling.take() else {
            return Ok(());
        };
        let state = self.state.clone();
        let found = tokio::task::spawn_blocking(move || filled(&before, &state)).await;
        let found = found.map_err(|_| Some(Refusal::internal()))?;
        let (state, after) = (self.state.clone(), self.after.clone());
        self.send(&state, found, &after).await
    }

    async fn send(
        &self,
        state: &State,
        told: Vec<Told>,
        upto: &Place,
    ) -> Result<(), Option<Refusal>> {
        // Whoever was let in may be nobody by now, or may do less.
        let who = self.authz.caller(state, &self.call).map_err(Some)?;
        let around = Surroundings::of(&self.call, &self.region);
        let asked = Choice::Current.asked();
        let wanted = |told: &Told| {
            let mut only = self.only.iter();
            let is_named =
                self.only.is_empty() || only.any(|id| told.is_named(state, &self.account, id));
            is_named && {
                let arn = state.arn_of(&told.secret, &self.region).to_string();
                let target = Target::Secret(&told.secret, &arn);
                self.authz.allows(state, &who, &asked, &around, target)
            }
        };
        let told: Vec<Told> = told.into_iter().filter(wanted).collect();
        let mut left = told.len();
        let patience = Instant::now() + WATCH_LOOK_PATIENCE;
        for told in told {
            left -= 1;
            // Only the last message of a batch stands for all of it.
            let place = if left == 0 { upto } else { &self.after };
            let message = WatchResponse {
                resume_token: place.token(state).encode(),
                item: Some(Item::Change(self.change(state, &told))),
            };
            self.record(state, &told).await.map_err(Some)?;
            let is_late = Instant::now() > patience;
            if is_late || !sent(&self.sender, message).await {
                return Err(None);
            }
        }
        Ok(())
    }

    /// Records what is told next.
    async fn record(&self, state: &State, told: &Told) -> Result<(), Refusal> {
        let (caller, session, opened, _) = self.call.notes.seen();
        let subject = Subject {
            resource: state.arn_of(&told.secret, &self.region).to_string(),
            ..opened
        };
        let source = record::Told {
            caller: &caller,
            session: &session,
            address: self.call.source,
            listener: "api",
            request: self.call.request,
        };
        let record = source.record("Watch", &subject, Outcome::Allowed);
        let kept = self.recorder.keep(&[record]).await;
        kept.map_err(|_| record::unrecorded(false))
    }

    fn change(&self, state: &State, told: &Told) -> SecretChange {
        let secret = &told.secret;
        SecretChange {
            arn: state.arn_of(secret, &self.region).to_string(),
            name: secret.name.to_string(),
            state: told.state.into(),
            version_ids_to_stages: match told.state {
                SecretState::Purged => BTreeMap::new(),
                _ => stages(secret),
            },
            last_changed_date: Some(timestamp(secret.changed)),
        }
    }

    async fn heartbeat(&self, state: &State) -> bool {
        let item = Some(Item::Heartbeat(Heartbeat {}));
        let message = WatchResponse {
            resume_token: self.after.token(state).encode(),
            item,
        };
        sent(&self.sender, message).await
    }
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
