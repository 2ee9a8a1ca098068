//! What the server's handlers do on a node: propose, read, look at ballots before an answer, wait
//! for the positions a caller has seen.

use std::sync::Arc;
use std::time::Duration;

use consensus::{Committed, Consensus, Epochs, Proposal, Unavailable, View};
use machine::{
    Command, Cursor, Epoch, FeedId, Hash, NotHeld, Position, Rejection, RowKey, State, Token, Uid,
};
use replication::Replication;
use tokio::time::Instant;

use crate::broken::Broken;
use crate::invariants::labels;
use crate::region;
use crate::vault::{self, Vault};
use crate::violation::{Violation, violation};

/// What handlers work with.
#[derive(Clone)]
pub struct Node {
    pub consensus: Consensus,
    pub replication: Replication,
    pub epochs: Arc<Epochs>,
    pub region: u64,
    pub vault: Arc<Vault>,
    pub broken: Option<Broken>,
}

/// What came of a write.
#[derive(Debug, Clone)]
#[expect(dead_code, reason = "the reason is for whoever reads a trace")]
pub enum Wrote {
    /// It was accepted, and is at that place.
    Done(Accepted),
    /// The rules refused it.
    Rejected(Rejection),
    /// It may be there, or come.
    Unknown,
    /// It was not even tried, or is not there.
    Refused,
}

/// A write that was acknowledged.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub position: Position,
    /// A higher ballot that the node had heard of when it answered.
    pub heard: Option<Epoch>,
}

/// What came of a read.
#[derive(Debug, Clone)]
pub enum Read {
    Saw(Seen),
    /// A position the caller brought is not part of what the region holds.
    Lost {
        position: Position,
        now: Position,
    },
    Refused,
    Broken(Violation),
}

/// What a read showed of one secret.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Where the secret's feed stood.
    pub cursor: Cursor,
    /// Whether the region answered for the feed.
    pub is_led: bool,
    /// What stands for the secret's row, and the write whose version is current; none if the
    /// region does not have the secret.
    pub secret: Option<(Hash, u64)>,
    /// How old it was at most by the region's word; none of what it leads, and if it did not know.
    pub age: Option<Duration>,
    pub token: Token,
    /// A higher ballot that the node had heard of when it answered, of a feed it answered for.
    pub heard: Option<Epoch>,
}

/// What a reader asks for.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub uid: Uid,
    pub feed: FeedId,
    pub token: Option<Token>,
    pub patience: Duration,
}

/// Proposes a command on behalf of a caller.
pub async fn write(node: Node, command: Command, patience: Duration) -> Wrote {
    let Some(feed) = command.feed(&node.consensus.local_view()) else {
        return Wrote::Refused;
    };
    let deadline = Instant::now() + patience;
    let proposal = Proposal {
        command,
        audit: region::audit(),
        deadline,
    };
    let committed = match node.consensus.propose(proposal).await {
        Ok(committed) => committed,
        Err(Unavailable::OutcomeUnknown) => return Wrote::Unknown,
        Err(_) => return Wrote::Refused,
    };
    let mut positions = committed.positions.iter();
    let position = positions.find(|position| position.feed == feed).cloned();
    let is_passed = match &position {
        Some(position) => node.pass(&committed, position, deadline).await,
        None => Ok(true),
    };
    match (committed.answer, position, is_passed) {
        (Err(rejection), ..) => Wrote::Rejected(rejection),
        (Ok(_), Some(position), Ok(true)) => {
            let heard = node.above(&position.feed, &position.epoch);
            Wrote::Done(Accepted { position, heard })
        }
        (Ok(_), ..) => Wrote::Unknown,
    }
}

/// Reads a secret behind the region's barrier.
pub async fn read(node: Node, wanted: Wanted) -> Read {
    let deadline = Instant::now() + wanted.patience;
    // Before the view, which then has what they are of.
    let ages = node.consensus.ask_ages(deadline).await.unwrap_or_default();
    let asked = Instant::now();
    let Ok(mut view) = node.consensus.read(deadline).await else {
        return Read::Refused;
    };
    if let Some(token) = &wanted.token {
        view = match node.holding(view, token, deadline).await {
            Ok(view) => view,
            Err(read) => return read,
        };
    }
    let Some(held) = view
        .feed(&wanted.feed)
        .filter(|held| held.state().is_some())
    else {
        return Read::Refused;
    };
    let (cursor, is_led) = (held.cursor(), view.is_primary(&wanted.feed));
    let secret = match node.open(&view, wanted.uid) {
        Ok(secret) => secret,
        Err(violation) => return Read::Broken(violation),
    };
    let mut ages = ages.into_iter();
    let age = ages.find(|(feed, _)| *feed == wanted.feed);
    let age = age.map(|(_, age)| age + asked.elapsed());
    if node.over(&view, &wanted.feed).is_some() {
        return Read::Refused;
    }
    let epoch = cursor.epoch.clone().filter(|_| is_led);
    Read::Saw(Seen {
        is_led,
        secret,
        age: age.filter(|_| !is_led),
        token: view.token(),
        heard: epoch.and_then(|epoch| node.above(&wanted.feed, &epoch)),
        cursor,
    })
}

impl Node {
    fn is(&self, broken: Broken) -> bool {
        self.broken == Some(broken)
    }

    /// The ballot by which another region has taken over a feed that this state says is led here.
    fn over(&self, seen: &State, feed: &FeedId) -> Option<Epoch> {
        let epoch = &seen.feed(feed)?.state()?.epoch;
        let is_led_here = seen.region() == Some(&epoch.region);
        let leads = is_led_here && !self.leaves_fence_out();
        leads.then(|| self.above(feed, epoch))?
    }

    /// Whether what was written may be answered for: nobody has taken the feed over since.
    async fn pass(
        &self,
        committed: &Committed,
        written: &Position,
        deadline: Instant,
    ) -> Result<bool, Unavailable> {
        if self.leaves_fence_out() {
            return Ok(true);
        }
        let view = self.consensus.local_view();
        let held = view.feed(&written.feed).and_then(|feed| feed.position());
        // A node that lags may not know yet that this region is primary.
        if held.is_none_or(|held| held.epoch < written.epoch) {
            self.consensus.view_at(committed.index, deadline).await?;
        }
        Ok(self.above(&written.feed, &written.epoch).is_none())
    }

    fn leaves_fence_out(&self) -> bool {
        self.is(Broken::Node(consensus::Broken::FenceUnchecked))
    }

    /// The highest ballot of another region above one of this one, as far as this node heard.
    pub fn above(&self, feed: &FeedId, epoch: &Epoch) -> Option<Epoch> {
        let state = self.consensus.local_view();
        let heard = self.epochs.fenced(&state, feed);
        let held = state.feed(feed).and_then(|feed| feed.position());
        let held = held.map(|held| held.epoch);
        let held = held.filter(|held| Some(&held.region) != state.region());
        heard
            .into_iter()
            .chain(held)
            .filter(|known| known > epoch)
            .max()
    }

    /// Waits until a view has the positions that a caller has seen (R7).
    async fn holding(
        &self,
        mut view: View,
        token: &Token,
        deadline: Instant,
    ) -> Result<View, Read> {
        let mut applied = self.consensus.applied();
        loop {
            applied.borrow_and_update();
            match self.holds(&view, token) {
                Ok(()) => return Ok(view),
                Err(NotHeld::PositionLost { position, now }) => {
                    return Err(Read::Lost { position, now });
                }
                Err(_) => {}
            }
            let changed = tokio::time::timeout_at(deadline, applied.changed()).await;
            if !matches!(changed, Ok(Ok(()))) {
                return Err(Read::Refused);
            }
            view = self.consensus.local_view();
        }
    }

    fn holds(&self, view: &View, token: &Token) -> Result<(), NotHeld> {
        if !self.is(Broken::ComparesNumbers) {
            return view.holds(token);
        }
        let is_reached = |position: &&Position| {
            let held = view.feed(&position.feed);
            held.is_some_and(|held| held.revision() >= position.revision)
        };
        match token
            .positions
            .iter()
            .find(|position| !is_reached(position))
        {
            None => Ok(()),
            Some(position) => Err(NotHeld::Ahead {
                position: position.clone(),
            }),
        }
    }

    /// What a view shows of a secret.
    fn open(&self, view: &View, uid: Uid) -> Result<Option<(Hash, u64)>, Violation> {
        let Some(secret) = view.secret(&uid) else {
            return Ok(None);
        };
        labels::check(secret)?;
        let commitment = view.commitment_of(&RowKey::Secret(uid));
        let broken = |how: String| {
            let region = region::name(self.region);
            violation("a value opens", format!("{uid} in {region}: {how}"))
        };
        let commitment = commitment.ok_or_else(|| broken("a row without a commitment".into()))?;
        let Some(current) = secret.current() else {
            return Ok(Some((commitment, 0)));
        };
        let opened = self.vault.open(self.region, view, uid, &current.id);
        opened.map_err(broken)?;
        Ok(Some((commitment, vault::number(&current.id))))
    }
}
