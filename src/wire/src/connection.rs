//! One accepted connection: TLS over TCP, who is at the other end, and what cuts it: a stop, that
//! its region is linked no more, or too long a silence.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep},
};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::connections::Entered;
use crate::identity::Caller;
use crate::limits::OPENING_BYTES;
use crate::listen::Presented;

/// A connection after its handshake. Holds its place among the listener's connections until it
/// is dropped.
pub(crate) struct Connection {
    pub(crate) stream: TlsStream<TcpStream>,
    pub(crate) accepted: Accepted,
    pub(crate) cut: Pin<Box<dyn Future<Output = ()> + Send>>,
    pub(crate) silence: Silence,
    pub(crate) _place: OwnedSemaphorePermit,
    /// Its place among those of its region, if that is a linked one.
    pub(crate) _tied: Option<OwnedSemaphorePermit>,
    /// Its place among those of callers with a certificate.
    pub(crate) _entered: Option<Entered>,
}

/// How long the other end has said nothing. A caller that is alive answers the pings of HTTP/2;
/// one that shook hands and never began to speak would hold its place for ever.
pub(crate) struct Silence {
    allowed: Duration,
    opening_bytes_left: usize,
    heard: Option<Instant>,
    deadline: Pin<Box<Sleep>>,
}

/// What is known of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) caller: Caller,
    /// The certificate of a node.
    pub(crate) presented: Option<Presented>,
    pub(crate) local: Option<SocketAddr>,
    pub(crate) remote: Option<SocketAddr>,
}

impl Silence {
    /// Allows one time for the opening, however slowly it comes, and a silence after each byte
    /// behind it: what the opening asks for has bounds of its own.
    pub(crate) fn new(first: Duration, allowed: Duration) -> Self {
        Self {
            allowed,
            opening_bytes_left: OPENING_BYTES,
            heard: None,
            deadline: Box::pin(sleep(first)),
        }
    }

    /// Takes note of bytes. The deadline is moved when it is reached, not on every read.
    fn heard(&mut self, bytes: usize) {
        self.opening_bytes_left = self.opening_bytes_left.saturating_sub(bytes);
        if self.opening_bytes_left == 0 {
            self.heard = Some(Instant::now());
        }
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.deadline.as_mut().poll(cx).is_ready() {
            let next = self.heard.map(|heard| heard + self.allowed);
            match next.filter(|next| *next > self.deadline.deadline()) {
                Some(next) => self.deadline.as_mut().reset(next),
                None => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }
}

impl Connected for Connection {
    type ConnectInfo = Accepted;

    fn connect_info(&self) -> Accepted {
        self.accepted.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A connection always waits to read, so this is where a cut is noticed.
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let bytes = buffer.filled().len() - before;
        if bytes > 0 {
            self.silence.heard(bytes);
        }
        if read.is_pending() && self.silence.poll_over(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
