//! The simulated network: connections that keep their order, and links that may hold back what is
//! sent on them, each way on its own.
//!
//! What is sent arrives after a latency drawn from the seed; what is sent on a blocked link waits
//! until it is free again, as TCP would send it again. A process that dies resets its connections;
//! a host that loses power does not, and its peers must find out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use consensus::{Peer, PeerError, Peers};
use hyper_util::rt::TokioIo;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::{mpsc, oneshot};
use tonic::transport::{Channel, Endpoint};

use crate::pipe::{Inbox, Incoming, Pipe};
use crate::trace::Trace;

/// The end of a connection that dialled, and the one that was called.
pub const DIALLER: usize = 0;
pub const CALLED: usize = 1;

/// Clones are the same network.
#[derive(Clone)]
pub struct Network(Arc<Mutex<Links>>);

struct Links {
    now: Duration,
    rng: StdRng,
    latency: Latency,
    blocked: BTreeSet<(u64, u64)>,
    /// Hosts without power: they reset nothing.
    dark: BTreeSet<u64>,
    listeners: BTreeMap<u64, mpsc::UnboundedSender<Incoming>>,
    connections: BTreeMap<u64, Connection>,
    last: u64,
    trace: Trace,
    guard: Guard,
    /// What was sent and must never be.
    forbidden: Option<String>,
}

/// Looks at what a node sends to another one; gives what must not be there.
pub type Guard = Arc<dyn Fn(u64, u64, &[u8]) -> Option<String> + Send + Sync>;

/// How long parcels take.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    pub min: Duration,
    pub max: Duration,
    /// One in so many parcels takes ten times as long.
    pub late_one_in: u32,
}

impl Default for Latency {
    fn default() -> Latency {
        Latency {
            min: Duration::from_micros(100),
            max: Duration::from_millis(4),
            late_one_in: 100,
        }
    }
}

struct Connection {
    nodes: [u64; 2],
    inboxes: [Arc<Mutex<Inbox>>; 2],
    /// Whether the program at the end still holds it.
    held: [bool; 2],
    /// What is on its way to each end, in order.
    under_way: [VecDeque<(Duration, Parcel)>; 2],
    opened: Option<oneshot::Sender<()>>,
}

enum Parcel {
    Open,
    Accept,
    Bytes(Vec<u8>),
    Close,
}

/// What a delivery leaves to do once the network is no longer borrowed.
enum After {
    Nothing,
    Wake(Option<Waker>),
    Opened(Option<oneshot::Sender<()>>),
    Serve(mpsc::UnboundedSender<Incoming>, Incoming),
}

impl Network {
    pub fn new(seed: u64, trace: Trace, guard: Guard) -> Network {
        Network(Arc::new(Mutex::new(Links {
            now: Duration::ZERO,
            rng: StdRng::seed_from_u64(seed ^ 0x006e_6574),
            latency: Latency::default(),
            blocked: BTreeSet::new(),
            dark: BTreeSet::new(),
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            last: 0,
            trace,
            guard,
            forbidden: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Links> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_latency(&self, latency: Latency) {
        self.lock().latency = latency;
    }

    /// Blocks or frees what `from` sends to `to`.
    pub fn block(&self, from: u64, to: u64, blocked: bool) {
        let mut links = self.lock();
        if blocked {
            links.blocked.insert((from, to));
        } else {
            links.blocked.remove(&(from, to));
        }
    }

    pub fn free_all(&self) {
        let mut links = self.lock();
        links.blocked.clear();
        links.latency = Latency::default();
    }

    /// What was sent between nodes and must never be, if anything was.
    pub fn seen_forbidden(&self) -> Option<String> {
        self.lock().forbidden.clone()
    }

    pub fn listen(&self, node: u64) -> mpsc::UnboundedReceiver<Incoming> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut links = self.lock();
        links.dark.remove(&node);
        links.listeners.insert(node, sender);
        receiver
    }

    /// The node is about to end: by a power cut its peers are not told.
    pub fn hang_up(&self, node: u64, by_power_cut: bool) {
        let mut links = self.lock();
        if by_power_cut {
            links.dark.insert(node);
        }
        let listener = links.listeners.remove(&node);
        drop(links);
        drop(listener);
    }

    /// Delivers everything that is due at `now`.
    pub fn deliver(&self, now: Duration) {
        let ids: Vec<u64> = {
            let mut links = self.lock();
            links.now = now;
            links.connections.keys().copied().collect()
        };
        for id in ids {
            for end in [DIALLER, CALLED] {
                loop {
                    let mut links = self.lock();
                    let Some(parcel) = links.due(id, end) else {
                        break;
                    };
                    let after = links.arrive(self, id, end, parcel);
                    drop(links);
                    after.run();
                }
            }
        }
        self.lock().forget();
    }

    /// A channel from one node to another, which connects when it is first used.
    pub fn channel(&self, from: u64, to: u64) -> Channel {
        let network = self.clone();
        let endpoint = Endpoint::from_static("http://peer")
            .connect_timeout(Duration::from_millis(500))
            .http2_keep_alive_interval(Duration::from_millis(500))
            .keep_alive_timeout(Duration::from_millis(500))
            .keep_alive_while_idle(true);
        endpoint.connect_with_connector_lazy(tower::service_fn(
            move |_uri: tonic::codegen::http::Uri| network.clone().dial(from, to),
        ))
    }

    async fn dial(self, from: u64, to: u64) -> std::io::Result<TokioIo<Pipe>> {
        let refused = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let (opened, opening) = oneshot::channel();
        let (pipe, id) = {
            let mut links = self.lock();
            links.last += 1;
            let id = links.last;
            let inboxes = [Arc::default(), Arc::default()];
            let pipe = Pipe::new(self.clone(), id, DIALLER, Arc::clone(&inboxes[DIALLER]));
            let connection = Connection {
                nodes: [from, to],
                inboxes,
                held: [true, true],
                under_way: [VecDeque::new(), VecDeque::new()],
                opened: Some(opened),
            };
            links.connections.insert(id, connection);
            (pipe, id)
        };
        self.lock().send(id, CALLED, Parcel::Open);
        opening.await.map_err(|_dropped| refused())?;
        Ok(TokioIo::new(pipe))
    }

    /// Sends bytes to the other end.
    pub(crate) fn send(&self, id: u64, end: usize, bytes: &[u8]) {
        let mut links = self.lock();
        links.look_at(id, end, bytes);
        links.send(id, 1 - end, Parcel::Bytes(bytes.to_vec()));
    }

    /// The program let go of its end.
    pub(crate) fn close(&self, id: u64, end: usize) {
        let mut links = self.lock();
        let Some(connection) = links.connections.get_mut(&id) else {
            return;
        };
        let was_held = std::mem::replace(&mut connection.held[end], false);
        let node = connection.nodes[end];
        if was_held && !links.dark.contains(&node) {
            links.send(id, 1 - end, Parcel::Close);
        }
    }
}

impl Links {
    fn send(&mut self, id: u64, to: usize, parcel: Parcel) {
        let Latency {
            min,
            max,
            late_one_in,
        } = self.latency;
        let mut takes = self.rng.random_range(min..=max);
        if self.rng.random_ratio(1, late_one_in) {
            takes *= 10;
        }
        let due = self.now + takes;
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let queue = &mut connection.under_way[to];
        let due = queue.back().map_or(due, |(last, _)| due.max(*last));
        queue.push_back((due, parcel));
    }

    fn due(&mut self, id: u64, end: usize) -> Option<Parcel> {
        let connection = self.connections.get_mut(&id)?;
        let way = (connection.nodes[1 - end], connection.nodes[end]);
        let (due, _) = connection.under_way[end].front()?;
        if *due > self.now || self.blocked.contains(&way) {
            return None;
        }
        connection.under_way[end]
            .pop_front()
            .map(|(_, parcel)| parcel)
    }

    fn arrive(&mut self, network: &Network, id: u64, end: usize, parcel: Parcel) -> After {
        let Some(connection) = self.connections.get_mut(&id) else {
            return After::Nothing;
        };
        let nodes = connection.nodes;
        let size = match &parcel {
            Parcel::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        let (from, to) = (nodes[1 - end], nodes[end]);
        self.trace
            .note(self.now, format_args!("{from} to {to}: {id} {size} bytes"));
        if self.dark.contains(&nodes[end]) {
            return After::Nothing;
        }
        if !connection.held[end] {
            // Nobody knows this connection any more: reset.
            if matches!(parcel, Parcel::Bytes(_)) {
                self.send(id, 1 - end, Parcel::Close);
            }
            return After::Nothing;
        }
        match parcel {
            Parcel::Open => {
                let Some(listener) = self.listeners.get(&nodes[CALLED]).cloned() else {
                    connection.held[CALLED] = false;
                    self.send(id, DIALLER, Parcel::Close);
                    return After::Nothing;
                };
                let inbox = Arc::clone(&connection.inboxes[CALLED]);
                let pipe = Pipe::new(network.clone(), id, CALLED, inbox);
                self.send(id, DIALLER, Parcel::Accept);
                After::Serve(listener, Incoming::new(pipe, nodes[DIALLER]))
            }
            Parcel::Accept => After::Opened(connection.opened.take()),
            Parcel::Bytes(bytes) => {
                let mut inbox = lock(&connection.inboxes[end]);
                inbox.bytes.extend(bytes);
                After::Wake(inbox.waker.take())
            }
            Parcel::Close => {
                connection.opened = None;
                let mut inbox = lock(&connection.inboxes[end]);
                inbox.ended = true;
                After::Wake(inbox.waker.take())
            }
        }
    }

    /// Forgets connections that no program holds.
    fn forget(&mut self) {
        self.connections
            .retain(|_, connection| connection.held != [false, false]);
    }

    fn look_at(&mut self, id: u64, end: usize, bytes: &[u8]) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let (from, to) = (connection.nodes[end], connection.nodes[1 - end]);
        if self.forbidden.is_none() {
            self.forbidden = (self.guard)(from, to, bytes);
        }
    }
}

impl After {
    fn run(self) {
        match self {
            After::Wake(Some(waker)) => waker.wake(),
            After::Opened(Some(opened)) => {
                // The dialler may have given up.
                let _ = opened.send(());
            }
            After::Serve(listener, incoming) => {
                // A listener that is gone drops it, which closes it.
                let _ = listener.send(incoming);
            }
            After::Nothing | After::Wake(None) | After::Opened(None) => {}
        }
    }
}

fn lock(inbox: &Mutex<Inbox>) -> MutexGuard<'_, Inbox> {
    inbox.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One node's way into the network.
pub struct SimPeers {
    pub node: u64,
    pub network: Network,
}

impl Peers for SimPeers {
    fn channel(&self, peer: &Peer) -> Result<Channel, PeerError> {
        Ok(self.network.channel(self.node, peer.node.0))
    }
}
