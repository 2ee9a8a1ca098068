//! Records what passes between a node and those who dial it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A port on loopback that passes every connection on and keeps a copy of both directions.
///
/// It listens until the test process ends.
pub struct Tap {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<u8>>>,
    held: Arc<AtomicBool>,
}

impl Tap {
    /// Listens, and passes connections on to a port of loopback.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let held = Arc::new(AtomicBool::new(false));
        let (copy, gate) = (Arc::clone(&taken), Arc::clone(&held));
        std::thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                // A node that is down refuses; so does its tap.
                if let Ok(node) = TcpStream::connect(("127.0.0.1", port)) {
                    pass(&caller, &node, &copy, &gate);
                    pass(&node, &caller, &copy, &gate);
                }
            }
        });
        Self {
            address,
            taken,
            held,
        }
    }

    /// Where to dial.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds everything back, new connections too, as a network that loses every packet; or lets it
    /// pass again, as the retransmissions after it.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Release);
    }

    /// Everything that passed so far.
    pub fn taken(&self) -> Vec<u8> {
        self.taken.lock().unwrap().clone()
    }
}

fn pass(from: &TcpStream, to: &TcpStream, copy: &Arc<Mutex<Vec<u8>>>, held: &Arc<AtomicBool>) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let (copy, held) = (Arc::clone(copy), Arc::clone(held));
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            while held.load(Ordering::Acquire) {
                std::thread::park_timeout(Duration::from_millis(2));
            }
            copy.lock().unwrap().extend_from_slice(&buffer[..count]);
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // The other side may be gone already.
        let _ = to.shutdown(Shutdown::Write);
    });
}
