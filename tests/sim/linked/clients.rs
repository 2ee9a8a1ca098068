//! Clients: each works on secrets of all feeds through any node of any region, mostly of those that
//! lead, and notes what it was answered and the positions it has seen.

use std::sync::Arc;
use std::time::Duration;

use machine::{FeedId, Position, Token, Uid};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::call::Call;
use crate::history::{Answer, Answered, Kind, Operation};
use crate::host::Host;
use crate::ops::{self, Order, What};
use crate::region;
use crate::service::{self, Read, Wanted, Wrote};
use crate::vault::Vault;
use crate::violation::Violation;

/// Secrets that are ever created.
const SECRETS_MAX: usize = 30;

const WHATS: &[(Option<What>, u32)] = &[
    (None, 30),
    (Some(What::Create), 6),
    (Some(What::Put), 26),
    (Some(What::Stage), 8),
    (Some(What::Tag), 8),
    (Some(What::Share), 10),
    (Some(What::Unshare), 3),
    (Some(What::Delete), 2),
    (Some(What::Purge), 1),
    (Some(What::Restore), 2),
    (Some(What::Detach), 2),
];

pub struct Clients {
    pub history: Vec<Operation>,
    clients: Vec<Client>,
    secrets: Vec<Known>,
    vault: Arc<Vault>,
    regions: u64,
    rng: StdRng,
    stopped: bool,
    /// Grows with each question and answer.
    moment: u64,
    writes: u64,
}

/// A secret that a client asked for once.
#[derive(Debug, Clone)]
struct Known {
    /// The number in its name.
    secret: u64,
    uid: Uid,
    feed: FeedId,
}

struct Client {
    busy: Option<Busy>,
    idle_until: Duration,
    token: Vec<Position>,
}

struct Busy {
    operation: usize,
    answer: Asked,
}

enum Asked {
    Write(Call<Wrote>),
    Read(Call<Read>),
}

impl Clients {
    pub fn new(count: usize, regions: u64, vault: Arc<Vault>, rng: StdRng) -> Clients {
        let client = || Client {
            busy: None,
            idle_until: Duration::ZERO,
            token: Vec::new(),
        };
        Clients {
            history: Vec::new(),
            clients: std::iter::repeat_with(client).take(count).collect(),
            secrets: Vec::new(),
            vault,
            regions,
            rng,
            stopped: false,
            moment: 0,
            writes: 0,
        }
    }

    /// Takes what was answered, and asks anew.
    pub fn step(&mut self, now: Duration, hosts: &[Host]) -> Result<(), Violation> {
        for at in 0..self.clients.len() {
            if let Some(busy) = self.clients[at].busy.take() {
                self.clients[at].busy = self.take(at, busy, now)?;
                if self.clients[at].busy.is_none() {
                    let idle = self.rng.random_range(0..100);
                    self.clients[at].idle_until = now + Duration::from_millis(idle);
                }
            } else if self.clients[at].idle_until <= now && !self.stopped {
                self.clients[at].busy = self.ask(at, now, hosts);
            }
        }
        Ok(())
    }

    /// No client asks anything new.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    pub fn is_busy(&self) -> bool {
        self.clients.iter().any(|client| client.busy.is_some())
    }

    /// Answered operations so far.
    pub fn answered(&self) -> usize {
        let answered = self.history.iter().filter(|one| one.answered.is_some());
        answered.count()
    }

    /// Orders that a secret be created in a feed and shared with a region; none with 0.
    pub fn creation(&mut self, region: u64, feed: &FeedId, other: u64) -> Order {
        self.writes += 1;
        let (number, secret) = (self.writes, self.secrets.len() as u64 + 1);
        let uid = ops::new_uid(feed, number);
        let order = Order {
            what: What::Create,
            secret,
            uid,
            feed: feed.clone(),
            number,
            other,
            force: false,
            draw: 0,
        };
        self.know(&order, region);
        order
    }

    fn ask(&mut self, at: usize, now: Duration, hosts: &[Host]) -> Option<Busy> {
        let total = WHATS.iter().map(|(_, weight)| weight).sum();
        let mut draw = self.rng.random_range(0..total);
        let mut what = None;
        for (drawn, weight) in WHATS {
            if draw < *weight {
                what = *drawn;
                break;
            }
            draw -= weight;
        }
        let is_first = self.secrets.is_empty();
        let create = is_first || (what == Some(What::Create) && self.secrets.len() < SECRETS_MAX);
        match what {
            _ if create => self.create(now, hosts),
            None | Some(What::Create) => self.read(at, now, hosts),
            Some(what) => self.write(what, now, hosts),
        }
    }

    fn create(&mut self, now: Duration, hosts: &[Host]) -> Option<Busy> {
        let home = self.rng.random_range(1..=self.regions);
        let feed = region::home(home);
        let host = self.host_for(&feed, What::Create, hosts)?;
        let other = match self.rng.random_ratio(1, 2) {
            true => self.rng.random_range(1..=self.regions),
            false => 0,
        };
        let mut order = self.creation(host.region(), &feed, other);
        // Of the name of another one, which may be there or not.
        if self.rng.random_ratio(1, 6)
            && let Some(namesake) = self.secrets.choose(&mut self.rng)
        {
            order.secret = namesake.secret;
            self.know(&order, host.region());
        }
        self.send(order, now, host)
    }

    /// Takes that a secret may come to be, and who may come to hold it.
    fn know(&mut self, order: &Order, region: u64) {
        let Order {
            secret, uid, other, ..
        } = *order;
        self.secrets.retain(|known| known.uid != uid);
        self.secrets.push(Known {
            secret,
            uid,
            feed: order.feed.clone(),
        });
        self.vault.allow(secret, region);
        if let FeedId::Home(home) = &order.feed {
            self.vault.allow(secret, region::number(home));
        }
        if other > 0 {
            self.vault.allow(secret, other);
        }
    }

    fn write(&mut self, what: What, now: Duration, hosts: &[Host]) -> Option<Busy> {
        let known = self.secrets.choose(&mut self.rng)?.clone();
        let host = self.host_for(&known.feed, what, hosts)?;
        self.writes += 1;
        let order = Order {
            what,
            secret: known.secret,
            uid: known.uid,
            feed: known.feed,
            number: self.writes,
            other: self.rng.random_range(1..=self.regions),
            force: self.rng.random_ratio(1, 5),
            draw: self.rng.random_range(0..64),
        };
        self.send(order, now, host)
    }

    fn send(&mut self, order: Order, now: Duration, host: &Host) -> Option<Busy> {
        let What::Detach = order.what else {
            if order.what == What::Share {
                self.vault.allow(order.secret, order.other);
            }
            let (feed, uid) = (order.feed.clone(), order.uid);
            return self.propose(order, feed, uid, now, host);
        };
        let region = host.region();
        let (feed, uid) = (region::home(region), order.detached(region));
        let copy = Order {
            uid,
            feed: feed.clone(),
            other: 0,
            ..order.clone()
        };
        self.know(&copy, region);
        self.propose(order, feed, uid, now, host)
    }

    fn propose(
        &mut self,
        order: Order,
        feed: FeedId,
        uid: Uid,
        now: Duration,
        host: &Host,
    ) -> Option<Busy> {
        let patience = self.patience();
        let has_version = matches!(order.what, What::Create | What::Put | What::Tag);
        let kind = Kind::Write {
            what: order.what,
            number: has_version.then_some(order.number),
        };
        let call = host.call(move |node| async move {
            match order.command(&node) {
                Some(command) => service::write(node, command, patience).await,
                None => Wrote::Refused,
            }
        })?;
        let operation = self.note(kind, feed, uid, now, host);
        Some(Busy {
            operation,
            answer: Asked::Write(call),
        })
    }

    fn read(&mut self, at: usize, now: Duration, hosts: &[Host]) -> Option<Busy> {
        let known = self.secrets.choose(&mut self.rng)?.clone();
        let host = any(&mut self.rng, hosts, |_| true)?;
        let has_token = self.rng.random_ratio(1, 2) && !self.clients[at].token.is_empty();
        let token = has_token.then(|| Token {
            positions: self.clients[at].token.clone(),
        });
        let wanted = Wanted {
            uid: known.uid,
            feed: known.feed.clone(),
            token: token.clone(),
            patience: self.patience(),
        };
        let call = host.call(move |node| service::read(node, wanted))?;
        let operation = self.note(Kind::Read { token }, known.feed, known.uid, now, host);
        Some(Busy {
            operation,
            answer: Asked::Read(call),
        })
    }

    fn note(&mut self, kind: Kind, feed: FeedId, uid: Uid, now: Duration, host: &Host) -> usize {
        self.moment += 1;
        self.history.push(Operation {
            region: host.region(),
            host: host.id,
            feed,
            uid,
            asked: self.moment,
            asked_at: now,
            kind,
            answered: None,
        });
        self.history.len() - 1
    }

    /// A node that is up: mostly of a region that leads the feed, of copies mostly of one that does
    /// not.
    fn host_for<'a>(&mut self, feed: &FeedId, what: What, hosts: &'a [Host]) -> Option<&'a Host> {
        if self.rng.random_ratio(1, 10) {
            return any(&mut self.rng, hosts, |_| true);
        }
        let leads = |host: &Host| host.view().is_some_and(|view| view.is_primary(feed));
        let leading: Vec<u64> = hosts
            .iter()
            .filter(|host| leads(host))
            .map(Host::region)
            .collect();
        any(&mut self.rng, hosts, |host| {
            leading.contains(&host.region()) == (what != What::Detach)
        })
    }

    fn patience(&mut self) -> Duration {
        Duration::from_millis(self.rng.random_range(200..2_000))
    }

    /// What became of a question; what is still open is given back.
    fn take(&mut self, at: usize, busy: Busy, now: Duration) -> Result<Option<Busy>, Violation> {
        let answer = match &busy.answer {
            Asked::Read(call) => match call.answer() {
                Some(Read::Saw(seen)) => {
                    self.clients[at].token.clone_from(&seen.token.positions);
                    Answer::Saw(seen)
                }
                Some(Read::Lost { position, now }) => {
                    self.clients[at].token.clear();
                    Answer::Lost(position, now)
                }
                Some(Read::Broken(violation)) => return Err(violation),
                None if !call.is_lost() => return Ok(Some(busy)),
                // A read without an answer says nothing.
                Some(Read::Refused) | None => return Ok(None),
            },
            Asked::Write(call) => match call.answer() {
                Some(Wrote::Done(accepted)) => {
                    let token = &mut self.clients[at].token;
                    token.retain(|known| known.feed != accepted.position.feed);
                    token.push(accepted.position.clone());
                    Answer::Written(accepted.position, accepted.heard)
                }
                None if !call.is_lost() => return Ok(Some(busy)),
                Some(Wrote::Rejected(_) | Wrote::Unknown | Wrote::Refused) | None => {
                    return Ok(None);
                }
            },
        };
        self.moment += 1;
        self.history[busy.operation].answered = Some(Answered {
            moment: self.moment,
            at: now,
            answer,
        });
        Ok(None)
    }
}

fn any<'a>(
    rng: &mut StdRng,
    hosts: &'a [Host],
    is_meant: impl Fn(&Host) -> bool,
) -> Option<&'a Host> {
    let up: Vec<&Host> = hosts
        .iter()
        .filter(|host| host.is_up() && is_meant(host))
        .collect();
    up.choose(rng).copied()
}
