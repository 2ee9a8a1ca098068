//! One end of a simulated connection, as hyper and tonic see it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;
use wire::Caller;

use crate::network::Network;
use crate::region;

/// What has arrived at an end and was not yet read.
#[derive(Default)]
pub struct Inbox {
    pub bytes: VecDeque<u8>,
    pub ended: bool,
    pub waker: Option<Waker>,
}

pub struct Pipe {
    network: Network,
    connection: u64,
    end: usize,
    inbox: Arc<Mutex<Inbox>>,
}

/// A connection as its server sees it.
pub struct Incoming {
    pipe: Pipe,
    caller: Caller,
}

impl Pipe {
    pub fn new(network: Network, connection: u64, end: usize, inbox: Arc<Mutex<Inbox>>) -> Pipe {
        Pipe {
            network,
            connection,
            end,
            inbox,
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.network.close(self.connection, self.end);
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        if inbox.bytes.is_empty() && !inbox.ended {
            inbox.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = inbox.bytes.len().min(buffer.remaining());
        let bytes: Vec<u8> = inbox.bytes.drain(..count).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.network.send(self.connection, self.end, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.network.close(self.connection, self.end);
        Poll::Ready(Ok(()))
    }
}

impl Incoming {
    pub fn new(pipe: Pipe, from: u64) -> Incoming {
        Incoming {
            pipe,
            caller: Caller::Peer(region::identity(from)),
        }
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
        Pin::new(&mut self.pipe).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Incoming {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}
