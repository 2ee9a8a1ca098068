//! Every bound of this crate.

use std::time::Duration;

/// Connections one listener holds at a time; one more is closed at once.
pub const CONNECTIONS_MAX: usize = 4_096;

/// Time from accepting a connection to the end of its TLS handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Silence after which a listener cuts a connection: more than the pings below need to find out
/// that a caller is gone, and more than any call over HTTP/1.1 takes.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(90);

/// What a caller says first: the preface of HTTP/2, or as much of a request over HTTP/1.1. It has
/// the time of a handshake once more for all of it.
pub const OPENING_BYTES: usize = 24;

/// Time that open calls get to finish after a listener was told to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Handshaken connections that wait to be served.
pub const ACCEPTED_QUEUE_MAX: usize = 128;

/// Pause after the system refused to accept, for lack of descriptors for example.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Calls under way at a time on one connection.
pub const STREAMS_MAX: u32 = 1_024;

/// Size of the headers of one call.
pub const HEADERS_BYTES_MAX: u32 = 16 * 1024;

/// HTTP/2 window of one call: two sealed values and their envelope, with room.
pub const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;

/// HTTP/2 window of one connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// Silence after which a listener asks whether a connection is alive.
pub const SERVER_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Time to answer that question.
pub const SERVER_KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time to reach a caller's endpoint: TCP and TLS.
pub const CALLER_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Silence after which a caller asks whether its connection is alive, and the time to answer.
pub const CALLER_KEEPALIVE: Duration = Duration::from_secs(5);

/// Time to reach a peer: TCP and TLS.
pub const PEER_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Silence after which a node asks whether a peer is alive, and the time to answer. A stream of
/// appends has no time-out of its own, so this is what ends one whose peer vanished.
pub const PEER_KEEPALIVE: Duration = Duration::from_secs(1);

/// Size of one certificate, key or bundle file.
pub const PEM_BYTES_MAX: u64 = 1024 * 1024;

/// Characters of a client's name.
pub const CLIENT_NAME_CHARS_MAX: usize = 128;

/// Characters of a region's name.
pub const REGION_CHARS_MAX: usize = 128;

/// Connections that the nodes of one linked region hold to a listener at a time: more than they
/// use, with those that a line which comes and goes has left behind.
pub const LINKED_CONNECTIONS_MAX: usize = 64;

/// Other regions whose nodes are accepted.
pub const LINKED_REGIONS_MAX: usize = 64;

/// Issuers of one region at a time: one, and while it is replaced the next, with room.
pub const ISSUERS_PER_REGION_MAX: usize = 4;

/// Size of the certificate of an issuer, DER.
pub const ISSUER_BYTES_MAX: usize = 16 * 1024;
