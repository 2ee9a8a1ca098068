//! Callers that write all the time, and what they know of it: which numbers they sent, which were
//! acknowledged, when, and at which place of the feed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use client::{Client, Error};
use machine::{FeedId, Position};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::callers::{Number, put_wide};

/// Callers that write at once, each to secrets of its own.
const WRITERS: usize = 12;

/// A write that was acknowledged.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    pub secret: usize,
    pub number: Number,
    /// A place of the feed that has it.
    pub position: Position,
    pub ended: Instant,
}

/// What callers know.
pub struct Ledger {
    pub home: FeedId,
    pub names: Vec<String>,
    /// Characters of a value.
    width: usize,
    state: Mutex<State>,
    stop: AtomicBool,
}

#[derive(Default)]
struct State {
    /// The last number sent of each secret that was written to.
    sent: BTreeMap<usize, Number>,
    acknowledged: Vec<Acknowledged>,
}

impl Ledger {
    /// Of secrets whose last number is 1. Values have so many characters at least.
    pub fn new(home: FeedId, names: Vec<String>, width: usize) -> Arc<Self> {
        Arc::new(Self {
            home,
            names,
            width,
            state: Mutex::default(),
            stop: AtomicBool::new(false),
        })
    }

    /// Lets callers begin, until `stop`; those of a client of several nodes begin at any.
    pub fn start(self: &Arc<Self>, clients: &[Client], random: &mut StdRng) -> JoinSet<()> {
        self.stop.store(false, Ordering::SeqCst);
        let mut callers = JoinSet::new();
        for writer in 0..WRITERS {
            let client = clients[writer % clients.len()].clone();
            let random = StdRng::seed_from_u64(random.random());
            callers.spawn(Arc::clone(self).write(client, writer, random));
        }
        callers
    }

    /// Lets the callers end; those that wait for an answer wait on.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    async fn write(self: Arc<Self>, client: Client, writer: usize, mut random: StdRng) {
        let own = self.names.len() / WRITERS;
        while !self.stop.load(Ordering::SeqCst) {
            let secret = random.random_range(0..own) * WRITERS + writer;
            let number = self.next(secret);
            match self.put(&client, secret, number).await {
                Ok(position) => self.acknowledge(secret, number, position),
                // It may be there or not; the next number goes on after it.
                Err(_error) => {}
            }
        }
    }

    async fn put(&self, client: &Client, secret: usize, number: Number) -> Result<Position, Error> {
        put_wide(client, &self.home, &self.names[secret], number, self.width).await
    }

    fn next(&self, secret: usize) -> Number {
        let mut state = self.state.lock().unwrap();
        let sent = state.sent.entry(secret).or_insert(1);
        *sent += 1;
        *sent
    }

    fn acknowledge(&self, secret: usize, number: Number, position: Position) {
        let acknowledged = Acknowledged {
            secret,
            number,
            position,
            ended: Instant::now(),
        };
        self.state.lock().unwrap().acknowledged.push(acknowledged);
    }

    /// Everything that was acknowledged.
    pub fn acknowledged(&self) -> Vec<Acknowledged> {
        self.state.lock().unwrap().acknowledged.clone()
    }

    /// How many writes were acknowledged.
    pub fn count(&self) -> usize {
        self.state.lock().unwrap().acknowledged.len()
    }

    /// The last number that was sent of a secret.
    pub fn sent(&self, secret: usize) -> Number {
        self.state
            .lock()
            .unwrap()
            .sent
            .get(&secret)
            .copied()
            .unwrap_or(1)
    }

    /// The last number that was acknowledged of each secret that was written to.
    pub fn last_acknowledged(&self) -> BTreeMap<usize, Number> {
        let state = self.state.lock().unwrap();
        let mut last: BTreeMap<usize, Number> = state.sent.keys().map(|key| (*key, 1)).collect();
        for write in &state.acknowledged {
            let number = last.entry(write.secret).or_insert(1);
            *number = write.number.max(*number);
        }
        last
    }
}
