//! The network between nodes: what passes on it can be recorded, and held back by direction.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// A port before each node that passes every connection on. It listens until the test ends.
pub struct Network {
    addresses: BTreeMap<u64, SocketAddr>,
    wire: Arc<Wire>,
}

/// What all connections share.
struct Wire {
    /// Pairs of nodes: what the first sends does not get to the second.
    cuts: Mutex<BTreeSet<(u64, u64)>>,
    changed: Condvar,
    taken: Option<Mutex<Vec<u8>>>,
}

/// One direction of a connection.
struct Way {
    wire: Arc<Wire>,
    from: u64,
    to: u64,
}

impl Network {
    /// A network without nodes, which keeps a copy of everything or not.
    pub fn new(is_recorded: bool) -> Self {
        Self {
            addresses: BTreeMap::new(),
            wire: Arc::new(Wire {
                cuts: Mutex::default(),
                changed: Condvar::new(),
                taken: is_recorded.then(Mutex::default),
            }),
        }
    }

    /// Listens for those who dial a node, and passes them on to its port of loopback.
    pub fn add(&mut self, node: u64, port: u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        self.addresses.insert(node, listener.local_addr().unwrap());
        let wire = Arc::clone(&self.wire);
        std::thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                let way = Way {
                    wire: Arc::clone(&wire),
                    from: caller_of(&caller),
                    to: node,
                };
                std::thread::spawn(move || way.open(caller, port));
            }
        });
    }

    /// Where to dial a node.
    pub fn address(&self, node: u64) -> SocketAddr {
        self.addresses[&node]
    }

    /// Holds back what one node sends to another, on every connection between them, new ones too,
    /// as a network that loses every packet one way; or lets it pass again, as the retransmissions
    /// after it.
    pub fn cut(&self, from: u64, to: u64, is_cut: bool) {
        let mut cuts = self.wire.cuts.lock().unwrap();
        if is_cut {
            cuts.insert((from, to));
        } else {
            cuts.remove(&(from, to));
        }
        self.wire.changed.notify_all();
    }

    /// Everything that passed so far, if it is recorded.
    pub fn taken(&self) -> Vec<u8> {
        let taken = self.wire.taken.as_ref();
        taken.map_or_else(Vec::new, |taken| taken.lock().unwrap().clone())
    }
}

/// Where a node dials from, so that the network knows it.
pub fn source(node: u64) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, u8::try_from(node).unwrap(), 1)
}

/// The node that dials, or 0 if it does not say.
fn caller_of(caller: &TcpStream) -> u64 {
    match caller.peer_addr().map(|address| address.ip()) {
        Ok(IpAddr::V4(address)) => u64::from(address.octets()[2]),
        _ => 0,
    }
}

impl Way {
    fn open(self, caller: TcpStream, port: u16) {
        self.wait();
        // A node that is down refuses; so does what stands before it.
        let Ok(node) = TcpStream::connect(("127.0.0.1", port)) else {
            return;
        };
        let back = Self {
            wire: Arc::clone(&self.wire),
            from: self.to,
            to: self.from,
        };
        let (answers, asker) = (node.try_clone().unwrap(), caller.try_clone().unwrap());
        std::thread::spawn(move || back.pass(answers, asker));
        self.pass(caller, node);
    }

    /// Waits while this direction is cut.
    fn wait(&self) {
        let cuts = self.wire.cuts.lock().unwrap();
        let is_cut = |cuts: &mut BTreeSet<_>| cuts.contains(&(self.from, self.to));
        drop(self.wire.changed.wait_while(cuts, is_cut).unwrap());
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            // The end of a connection is a packet too.
            let count = from.read(&mut buffer).unwrap_or(0);
            self.wait();
            if let Some(taken) = &self.wire.taken {
                taken.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
            if count == 0 || to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // The other side may be gone already.
        let _ = to.shutdown(Shutdown::Write);
    }
}
