//! Records what passes between a node and those who dial it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A port on loopback that passes every connection on and keeps a copy of both directions.
///
/// It listens until the test process ends.
pub struct Tap {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// Listens, and passes connections on to a port of loopback.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let copy = Arc::clone(&taken);
        std::thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                // A node that is down refuses; so does its tap.
                if let Ok(node) = TcpStream::connect(("127.0.0.1", port)) {
                    pass(&caller, &node, &copy);
                    pass(&node, &caller, &copy);
                }
            }
        });
        Self { address, taken }
    }

    /// Where to dial.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that passed so far.
    pub fn taken(&self) -> Vec<u8> {
        self.taken.lock().unwrap().clone()
    }
}

fn pass(from: &TcpStream, to: &TcpStream, copy: &Arc<Mutex<Vec<u8>>>) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let copy = Arc::clone(copy);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            copy.lock().unwrap().extend_from_slice(&buffer[..count]);
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // The other side may be gone already.
        let _ = to.shutdown(Shutdown::Write);
    });
}
