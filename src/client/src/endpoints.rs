//! The nodes a client knows, and which one it asks next.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use wire::{Channel, Credentials, DialError, Dialer, Expected, StrangerDialer};

use crate::{error::Error, limits::DEFAULT_PORT, retry};

/// The nodes, the one that answered last first.
pub(crate) struct Endpoints {
    nodes: Vec<Endpoint>,
    preferred: AtomicUsize,
}

/// One node.
pub(crate) struct Endpoint {
    pub(crate) address: String,
    pub(crate) channel: Channel,
    index: usize,
}

/// Who connects.
pub(crate) enum Holder {
    /// The holder of a certificate.
    Certificate(Arc<Credentials>),
    /// Somebody without one.
    Nobody(StrangerDialer),
}

impl Holder {
    fn channel(&self, address: &str, name: &str) -> Result<Channel, DialError> {
        match self {
            Self::Certificate(credentials) => {
                let expected = Expected::Server {
                    name: name.to_owned(),
                };
                Dialer::for_callers(Arc::clone(credentials)).channel(address, expected)
            }
            Self::Nobody(dialer) => dialer.channel(address, name),
        }
    }
}

impl Endpoints {
    /// Makes a channel to each; connects to none.
    pub(crate) fn new(
        names: &[String],
        server_name: Option<&str>,
        holder: &Holder,
    ) -> Result<Self, Error> {
        let mut nodes = Vec::new();
        for name in names
            .iter()
            .map(|name| name.trim())
            .filter(|name| !name.is_empty())
        {
            let (host, address) = split(name)?;
            let channel = holder
                .channel(&address, server_name.unwrap_or(host))
                .map_err(|source| Error::Endpoint {
                    endpoint: name.to_owned(),
                    source: Some(source),
                })?;
            nodes.push(Endpoint {
                address,
                channel,
                index: nodes.len(),
            });
        }
        if nodes.is_empty() {
            return Err(Error::NoEndpoint);
        }
        // Clients that begin at the same time must not all begin with the same node.
        let first = usize::try_from(retry::chance()).unwrap_or(0) % nodes.len();
        Ok(Self {
            nodes,
            preferred: AtomicUsize::new(first),
        })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// The node to ask.
    pub(crate) fn preferred(&self) -> Result<&Endpoint, Error> {
        let index = self.preferred.load(Ordering::Relaxed);
        self.nodes.get(index).ok_or(Error::NoEndpoint)
    }

    /// The node for the next attempt of a call: of those that are not being asked the one that was
    /// tried least, from the preferred one on; `None` when all are being asked.
    pub(crate) fn next(&self, asked: &[&Endpoint], tried: &[&Endpoint]) -> Option<&Endpoint> {
        let first = self.preferred.load(Ordering::Relaxed);
        let (before, from) = self.nodes.split_at(first.min(self.nodes.len()));
        let count = |nodes: &[&Endpoint], of: &Endpoint| {
            let times = nodes.iter().filter(|node| node.is(of));
            times.count()
        };
        let in_turn = from.iter().chain(before);
        let free = in_turn.filter(|node| count(asked, node) == 0);
        free.min_by_key(|node| count(tried, node))
    }

    /// Turns to the next node, unless somebody has turned away from this one already.
    pub(crate) fn turn_from(&self, node: &Endpoint) {
        let next = node.index.wrapping_add(1) % self.nodes.len().max(1);
        let order = Ordering::Relaxed;
        let _ = self
            .preferred
            .compare_exchange(node.index, next, order, order);
    }
}

impl Endpoint {
    /// Whether it is this one.
    pub(crate) fn is(&self, other: &Endpoint) -> bool {
        self.index == other.index
    }
}

/// Splits `https://host:port`, `host:port` or `host` into its host and `host:port`.
fn split(name: &str) -> Result<(&str, String), Error> {
    let bad = || Error::Endpoint {
        endpoint: name.to_owned(),
        source: None,
    };
    let address = name.strip_prefix("https://").unwrap_or(name);
    let address = address.strip_suffix('/').unwrap_or(address);
    if address.contains('/') {
        return Err(bad());
    }
    let (host, port) = match address.rsplit_once(':') {
        // The colon may be one inside of a bracketed IPv6 address.
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| bad())?),
        _ => (address, DEFAULT_PORT),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.is_empty() || (host.contains(':') && !bracketed) {
        return Err(bad());
    }
    Ok((host, format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_with_a_port_of_its_own_or_ours() {
        for (name, host, address) in [
            ("localhost:17420", "localhost", "localhost:17420"),
            ("https://a.example:1/", "a.example", "a.example:1"),
            ("a.example", "a.example", "a.example:7420"),
            ("[::1]", "[::1]", "[::1]:7420"),
            ("https://[::1]:9", "[::1]", "[::1]:9"),
        ] {
            assert_eq!(split(name).expect(name), (host, address.to_owned()));
        }
        for name in ["http://a:1", "a:b", "a:1/x", ":1", "::1:9", "a:70000"] {
            assert!(matches!(split(name), Err(Error::Endpoint { .. })), "{name}");
        }
    }
}
