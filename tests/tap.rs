//! The network between nodes: what passes on it can be recorded, counted, made late, held back by
//! direction, and led to somebody else.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Pieces that are under way in one direction of a connection, at most 64 KiB each.
const UNDER_WAY_MAX: usize = 256;

/// A node, by the number of its region and its own. A region that is alone has the number 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of its region.
    pub region: u8,
    /// Its id, below 256.
    pub node: u64,
}

/// A port before each node that passes every connection on. It listens until the test ends. Clones
/// are handles of the same network.
#[derive(Clone)]
pub struct Network(Arc<Wire>);

/// What all connections share.
struct Wire {
    /// Where each node is dialled, and the port of loopback where it listens.
    ports: Mutex<BTreeMap<Place, (SocketAddr, u16)>>,
    shape: Mutex<Shape>,
    changed: Condvar,
    /// Bytes that went from one region to another.
    crossed: Mutex<BTreeMap<(u8, u8), u64>>,
    taken: Option<Mutex<Vec<u8>>>,
}

/// How what passes is treated.
#[derive(Default)]
struct Shape {
    /// Pairs of nodes: what the first sends does not get to the second.
    cuts: BTreeSet<(Place, Place)>,
    /// Pairs of regions: likewise.
    severed: BTreeSet<(u8, u8)>,
    /// How late everything is between two regions.
    delays: BTreeMap<(u8, u8), Duration>,
    /// Bytes a second that pass in one direction of a connection between two regions.
    rates: BTreeMap<(u8, u8), u64>,
}

/// One direction of a connection.
struct Way {
    wire: Arc<Wire>,
    from: Place,
    to: Place,
}

/// A piece of what passes, and when it is there. An empty one is the end.
type Piece = (Instant, Vec<u8>);

impl Network {
    /// A network without nodes, which keeps a copy of everything or not.
    pub fn new(is_recorded: bool) -> Self {
        Self(Arc::new(Wire {
            ports: Mutex::default(),
            shape: Mutex::default(),
            changed: Condvar::new(),
            crossed: Mutex::default(),
            taken: is_recorded.then(Mutex::default),
        }))
    }

    /// Listens for those who dial a node, and passes them on to its port of loopback.
    pub fn add(&self, place: Place, port: u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut ports = self.0.ports.lock().unwrap();
        ports.insert(place, (address, port));
        let wire = Arc::clone(&self.0);
        std::thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                let way = Way {
                    wire: Arc::clone(&wire),
                    from: caller_of(&caller),
                    to: place,
                };
                std::thread::spawn(move || way.open(&caller));
            }
        });
    }

    /// Where to dial a node.
    pub fn address(&self, place: Place) -> SocketAddr {
        self.0.ports.lock().unwrap()[&place].0
    }

    /// Passes those who dial a node from now on to another port, and gives the one before.
    pub fn divert(&self, place: Place, port: u16) -> u16 {
        let mut ports = self.0.ports.lock().unwrap();
        std::mem::replace(&mut ports.get_mut(&place).unwrap().1, port)
    }

    /// Holds back what one node sends to another, on every connection between them, new ones too,
    /// as a network that loses every packet one way; or lets it pass again, as the retransmissions
    /// after it.
    pub fn cut(&self, from: Place, to: Place, is_cut: bool) {
        self.reshape(|shape| set(&mut shape.cuts, (from, to), is_cut));
    }

    /// As `cut`, between all nodes of two regions.
    pub fn sever(&self, from: u8, to: u8, is_severed: bool) {
        self.reshape(|shape| set(&mut shape.severed, (from, to), is_severed));
    }

    /// Makes everything late that goes from one region to another.
    pub fn delay(&self, from: u8, to: u8, delay: Duration) {
        self.reshape(|shape| {
            shape.delays.insert((from, to), delay);
        });
    }

    /// Lets so many bytes a second pass from one region to another, on each connection; 0 is no
    /// bound.
    pub fn throttle(&self, from: u8, to: u8, rate: u64) {
        self.reshape(|shape| {
            shape.rates.insert((from, to), rate);
        });
    }

    /// The bytes that went from one region to another so far.
    pub fn crossed(&self, from: u8, to: u8) -> u64 {
        let crossed = self.0.crossed.lock().unwrap();
        crossed.get(&(from, to)).copied().unwrap_or_default()
    }

    /// Everything that passed so far, if it is recorded.
    pub fn taken(&self) -> Vec<u8> {
        let taken = self.0.taken.as_ref();
        taken.map_or_else(Vec::new, |taken| taken.lock().unwrap().clone())
    }

    fn reshape(&self, change: impl FnOnce(&mut Shape)) {
        change(&mut self.0.shape.lock().unwrap());
        self.0.changed.notify_all();
    }
}

/// Where a node dials from, so that the network knows it.
pub fn source(place: Place) -> Ipv4Addr {
    Ipv4Addr::new(127, place.region, u8::try_from(place.node).unwrap(), 1)
}

fn set<T: Ord>(all: &mut BTreeSet<T>, one: T, is_there: bool) {
    if is_there {
        all.insert(one);
    } else {
        all.remove(&one);
    }
}

/// The node that dials, or node 0 of region 0 if it does not say.
fn caller_of(caller: &TcpStream) -> Place {
    let octets = match caller.peer_addr().map(|address| address.ip()) {
        Ok(IpAddr::V4(address)) => address.octets(),
        _ => [0; 4],
    };
    Place {
        region: octets[1],
        node: u64::from(octets[2]),
    }
}

impl Way {
    fn open(self, caller: &TcpStream) {
        self.wait();
        let back = Self {
            wire: Arc::clone(&self.wire),
            from: self.to,
            to: self.from,
        };
        // What a handshake takes: the caller has connected to its end of the network only.
        std::thread::sleep(self.delay() + back.delay());
        let port = self.wire.ports.lock().unwrap()[&self.to].1;
        // A node that is down refuses; so does what stands before it.
        let Ok(node) = TcpStream::connect(("127.0.0.1", port)) else {
            return;
        };
        // Who ends while it is dialled has no options any more.
        let _ = (caller.set_nodelay(true), node.set_nodelay(true));
        let (answers, asker) = (node.try_clone().unwrap(), caller.try_clone().unwrap());
        std::thread::spawn(move || back.pass(&answers, &asker));
        self.pass(caller, &node);
    }

    fn pass(self, from: &TcpStream, to: &TcpStream) {
        let (sender, pieces) = sync_channel(UNDER_WAY_MAX);
        let taken = from.try_clone().unwrap();
        let way = Self {
            wire: Arc::clone(&self.wire),
            ..self
        };
        std::thread::spawn(move || way.take(taken, &sender));
        self.deliver(&pieces, to);
        // It is read no more: who sends on is told so, unless it is gone already.
        let _ = from.shutdown(Shutdown::Read);
    }

    fn take(&self, mut from: TcpStream, pieces: &SyncSender<Piece>) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            // A slow road takes little at a time, so that what waits for it waits where it is sent.
            let rate = self.rate();
            let most = rate.map_or(buffer.len(), |rate| usize::try_from(rate / 100).unwrap());
            // The end of a connection is a packet too.
            let count = from.read(&mut buffer[..most]).unwrap_or(0);
            let piece = (Instant::now() + self.delay(), buffer[..count].to_vec());
            if pieces.send(piece).is_err() || count == 0 {
                return;
            }
            if let Some(rate) = rate {
                std::thread::sleep(Duration::from_secs_f64(count as f64 / rate as f64));
            }
        }
    }

    fn deliver(&self, pieces: &Receiver<Piece>, mut to: &TcpStream) {
        for (due, piece) in pieces {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.wait();
            self.note(&piece);
            if piece.is_empty() || to.write_all(&piece).is_err() {
                break;
            }
        }
        // The other side may be gone already.
        let _ = to.shutdown(Shutdown::Write);
    }

    /// Waits while this direction is cut.
    fn wait(&self) {
        let shape = self.wire.shape.lock().unwrap();
        let regions = (self.from.region, self.to.region);
        let is_cut = |shape: &mut Shape| {
            shape.severed.contains(&regions) || shape.cuts.contains(&(self.from, self.to))
        };
        drop(self.wire.changed.wait_while(shape, is_cut).unwrap());
    }

    fn delay(&self) -> Duration {
        let shape = self.wire.shape.lock().unwrap();
        let regions = (self.from.region, self.to.region);
        shape.delays.get(&regions).copied().unwrap_or_default()
    }

    fn rate(&self) -> Option<u64> {
        let shape = self.wire.shape.lock().unwrap();
        let rate = shape.rates.get(&(self.from.region, self.to.region));
        rate.copied().filter(|rate| *rate > 0)
    }

    fn note(&self, piece: &[u8]) {
        let regions = (self.from.region, self.to.region);
        if regions.0 != regions.1 {
            let mut crossed = self.wire.crossed.lock().unwrap();
            *crossed.entry(regions).or_default() += piece.len() as u64;
        }
        if let Some(taken) = &self.wire.taken {
            taken.lock().unwrap().extend_from_slice(piece);
        }
    }
}
