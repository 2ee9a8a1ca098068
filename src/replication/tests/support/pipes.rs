//! Pipes between nodes, by address.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use consensus::{Peer, PeerError, Peers};
use hyper_util::rt::TokioIo;
use machine::{Node, RegionName};
use strongroom_replication::{DialFailed, Regions};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint};
use wire::{Caller, PeerIdentity};

const PIPE_BYTES: usize = 64 << 10;

/// A connection as its server sees it.
pub struct Incoming {
    io: DuplexStream,
    caller: Caller,
}

/// Who listens where.
#[derive(Default)]
pub struct Pipes {
    listeners: Mutex<HashMap<String, mpsc::Sender<Incoming>>>,
    /// Whether regions keep their entries of the directory true.
    pub is_told_of: AtomicBool,
}

impl Pipes {
    pub fn listen(&self, address: &str) -> ReceiverStream<Incoming> {
        let (sender, receiver) = mpsc::channel(64);
        let mut listeners = self.listeners.lock().unwrap();
        listeners.insert(address.to_owned(), sender);
        ReceiverStream::new(receiver)
    }

    /// Nobody gets through to an address any more.
    pub fn hang_up(&self, address: &str) {
        self.listeners.lock().unwrap().remove(address);
    }

    /// A channel to whoever listens at an address when it is used.
    pub fn channel(self: &Arc<Pipes>, caller: Caller, address: &str) -> Channel {
        let (pipes, address) = (Arc::clone(self), address.to_owned());
        let endpoint = Endpoint::from_static("http://node")
            .initial_stream_window_size(64 << 10)
            .initial_connection_window_size(64 << 10);
        endpoint.connect_with_connector_lazy(tower::service_fn(
            move |_uri: tonic::codegen::http::Uri| {
                let (pipes, address, caller) =
                    (Arc::clone(&pipes), address.clone(), caller.clone());
                async move { pipes.connect(caller, &address).await.map(TokioIo::new) }
            },
        ))
    }

    async fn connect(&self, caller: Caller, address: &str) -> std::io::Result<DuplexStream> {
        let refused = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let listener = self.listeners.lock().unwrap().get(address).cloned();
        let (near, io) = tokio::io::duplex(PIPE_BYTES);
        let listener = listener.ok_or_else(refused)?;
        let incoming = Incoming { io, caller };
        listener.send(incoming).await.map_err(|_gone| refused())?;
        Ok(near)
    }
}

/// One node's way to others.
pub struct Ways {
    pub pipes: Arc<Pipes>,
    pub own: PeerIdentity,
}

impl Peers for Ways {
    fn channel(&self, peer: &Peer) -> Result<Channel, PeerError> {
        let caller = Caller::Peer(self.own.clone());
        Ok(self.pipes.channel(caller, &peer.address))
    }
}

impl Regions for Ways {
    fn channel(&self, _region: &RegionName, node: &Node) -> Result<Channel, DialFailed> {
        let caller = Caller::Peer(self.own.clone());
        Ok(self.pipes.channel(caller, &node.peer_address))
    }
}

impl Connected for Incoming {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Incoming {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Incoming {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
