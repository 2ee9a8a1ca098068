//! The network between test nodes: pipes on a runtime that no node shares.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint};
use wire::{Caller, PeerIdentity};

use crate::{Peer, PeerError, Peers};

const PIPE_BYTES: usize = 1 << 20;

/// How a direction of a link behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Up,
    /// Connections break, and new ones are refused.
    Cut,
    /// Nothing arrives, and nobody is told.
    Silent,
}

/// Which bytes of the connections between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// Those that the node which connected sends.
    Asks,
    /// Those that the node which was connected to sends.
    Replies,
}

/// A connection as its server sees it.
pub(super) struct Incoming {
    io: DuplexStream,
    caller: Caller,
}

pub(super) struct Fabric {
    runtime: Option<Runtime>,
    links: Mutex<HashMap<(u64, u64, Way), watch::Sender<Link>>>,
    listeners: Mutex<HashMap<u64, mpsc::Sender<Incoming>>>,
    identities: Mutex<HashMap<u64, PeerIdentity>>,
    delay: watch::Sender<Duration>,
    /// Silence after which a node asks whether a connection lives, and the time to answer.
    keepalive: Mutex<Duration>,
    /// Connections a node has tried in vain because a link was not up.
    refused: Mutex<HashMap<u64, usize>>,
}

impl Fabric {
    pub(super) fn new() -> Arc<Fabric> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("fabric")
            .enable_all()
            .build()
            .expect("a runtime");
        Arc::new(Fabric {
            runtime: Some(runtime),
            links: Mutex::default(),
            listeners: Mutex::default(),
            identities: Mutex::default(),
            delay: watch::Sender::new(Duration::ZERO),
            keepalive: Mutex::new(Duration::from_millis(500)),
            refused: Mutex::default(),
        })
    }

    /// How many connections of `node` links that were not up have refused.
    pub(super) fn refused(&self, node: u64) -> usize {
        let refused = self.refused.lock().unwrap();
        refused.get(&node).copied().unwrap_or(0)
    }

    /// Each byte takes this long.
    pub(super) fn delay(&self, delay: Duration) {
        self.delay.send_replace(delay);
    }

    /// Channels made from now on wait this long twice before they give a silent link up.
    pub(super) fn notice_silence_after(&self, keepalive: Duration) {
        *self.keepalive.lock().unwrap() = keepalive;
    }

    /// Sets what `from` sends to `to` on connections of one way.
    pub(super) fn set(&self, from: u64, to: u64, way: Way, link: Link) {
        self.link(from, to, way).send_replace(link);
    }

    /// Sets all links between `node` and the others, both ways.
    pub(super) fn isolate(&self, node: u64, others: &[u64], link: Link) {
        for other in others.iter().filter(|other| **other != node) {
            for way in [Way::Asks, Way::Replies] {
                self.set(node, *other, way, link);
                self.set(*other, node, way, link);
            }
        }
    }

    /// Whom `node` proves to be.
    pub(super) fn identify(&self, node: u64, identity: PeerIdentity) {
        self.identities.lock().unwrap().insert(node, identity);
    }

    pub(super) fn listen(&self, node: u64) -> mpsc::Receiver<Incoming> {
        let (sender, receiver) = mpsc::channel(64);
        self.listeners.lock().unwrap().insert(node, sender);
        receiver
    }

    pub(super) fn hang_up(&self, node: u64) {
        self.listeners.lock().unwrap().remove(&node);
    }

    fn link(&self, from: u64, to: u64, way: Way) -> watch::Sender<Link> {
        let mut links = self.links.lock().unwrap();
        let link = links.entry((from, to, way));
        link.or_insert_with(|| watch::Sender::new(Link::Up)).clone()
    }

    async fn connect(self: Arc<Fabric>, from: u64, to: u64) -> std::io::Result<DuplexStream> {
        let refused = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let there = self.link(from, to, Way::Asks).subscribe();
        let back = self.link(to, from, Way::Replies).subscribe();
        if *there.borrow() != Link::Up || *back.borrow() != Link::Up {
            *self.refused.lock().unwrap().entry(from).or_default() += 1;
            return Err(refused());
        }
        let caller = self.identities.lock().unwrap().get(&from).cloned();
        let caller = caller.map_or(Caller::Anonymous, Caller::Peer);
        let listener = self.listeners.lock().unwrap().get(&to).cloned();
        let (near, near_end) = tokio::io::duplex(PIPE_BYTES);
        let (far, far_end) = tokio::io::duplex(PIPE_BYTES);
        let incoming = Incoming { io: far, caller };
        let listener = listener.ok_or_else(refused)?;
        listener.send(incoming).await.map_err(|_gone| refused())?;
        let (near_read, near_write) = tokio::io::split(near_end);
        let (far_read, far_write) = tokio::io::split(far_end);
        let delay = self.delay.subscribe();
        let runtime = self.runtime.as_ref().ok_or_else(refused)?;
        runtime.spawn(carry(near_read, far_write, there, delay.clone()));
        runtime.spawn(carry(far_read, near_write, back, delay));
        Ok(near)
    }
}

impl Drop for Fabric {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Carries bytes one way until either end closes or the link is cut.
async fn carry(
    mut from: impl AsyncRead + Unpin + Send + 'static,
    mut to: impl AsyncWrite + Unpin,
    mut link: watch::Receiver<Link>,
    delay: watch::Receiver<Duration>,
) {
    let (sender, mut under_way) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = tokio::spawn(async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let at = Instant::now() + *delay.borrow();
            if sender.send((at, buffer[..count].to_vec())).is_err() {
                return;
            }
        }
    });
    let mut cut = link.clone();
    let writing = async {
        while let Some((at, bytes)) = under_way.recv().await {
            tokio::time::sleep_until(at).await;
            if link.wait_for(|link| *link == Link::Up).await.is_err() {
                return;
            }
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = writing => {}
        _ = cut.wait_for(|link| *link == Link::Cut) => {}
    }
    reading.abort();
}

/// One node's way into the fabric.
pub(super) struct FabricPeers {
    pub(super) node: u64,
    pub(super) fabric: Arc<Fabric>,
}

impl Peers for FabricPeers {
    fn channel(&self, peer: &Peer) -> Result<Channel, PeerError> {
        let (fabric, from, to) = (Arc::clone(&self.fabric), self.node, peer.node.0);
        let keepalive = *self.fabric.keepalive.lock().unwrap();
        let endpoint = Endpoint::from_static("http://peer")
            .http2_keep_alive_interval(keepalive)
            .keep_alive_timeout(keepalive)
            .keep_alive_while_idle(true);
        Ok(endpoint.connect_with_connector_lazy(tower::service_fn(
            move |_uri: tonic::codegen::http::Uri| {
                let connecting = Arc::clone(&fabric).connect(from, to);
                async move { connecting.await.map(TokioIo::new) }
            },
        )))
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
