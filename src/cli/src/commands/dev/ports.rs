//! The ports of development regions.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::REGIONS;

/// How many nodes a development region has.
pub const NODES: u64 = 3;
/// How many nodes all of them have.
const NODES_OF_ALL: u16 = NODES as u16 * REGIONS.len() as u16;
/// How many ports those have.
const PORTS_OF_ALL: u16 = 3 * NODES_OF_ALL;

/// The first node's API port, unless the caller says otherwise.
const PORT_DEFAULT: u16 = 7420;
/// From one node's ports to the next one's.
const NODE_STEP: u16 = 10;
/// From a node's API port to its operations port.
const OPERATIONS_STEP: u16 = 2000;
/// The largest first port whose last node still has ports.
const PORT_MAX: u16 = u16::MAX - OPERATIONS_STEP - NODE_STEP * (NODES_OF_ALL - 1);

/// Where free ports are looked for.
const FREE_PORTS: Range<u16> = 10_000..30_000;

/// Why there are no ports to listen on.
#[derive(Debug, thiserror::Error)]
pub enum PortsError {
    /// The ports would run past the last one.
    #[error("the first port must be 0 or 1 to {PORT_MAX}")]
    Range,
    /// Another process listens there.
    #[error(
        "port {port} is taken; end the process that listens there, or start with --port 0 \
        in a new directory"
    )]
    Taken {
        /// The port.
        port: u16,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The operating system does not let this process listen there.
    #[error("cannot listen on port {port}; choose another with --port")]
    Refused {
        /// The port.
        port: u16,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// All ports are taken.
    #[error("no port between {} and {} is free; end what listens there, or choose with --port",
        FREE_PORTS.start, FREE_PORTS.end)]
    NoneFree,
    /// The region was made with other ports, which its nodes remember.
    #[error(
        "the regions were made with port {made}; start them without --port, or make a new one \
        with --dir, or after `strongroom dev reset`"
    )]
    Fixed {
        /// The first node's API port.
        made: u16,
    },
}

/// The ports of one node.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct NodePorts {
    /// For callers.
    pub api: u16,
    /// For peers.
    pub peers: u16,
    /// For probes and metrics.
    pub operations: u16,
}

impl NodePorts {
    /// The address for callers.
    pub fn api_address(self) -> SocketAddr {
        loopback(self.api)
    }

    /// The address for peers.
    pub fn peer_address(self) -> SocketAddr {
        loopback(self.peers)
    }

    /// The address for probes and metrics.
    pub fn operations_address(self) -> SocketAddr {
        loopback(self.operations)
    }
}

/// Chooses the ports of all nodes of new regions: from `first` on, or free ones if it is 0.
pub fn choose(first: Option<u16>) -> Result<Vec<NodePorts>, PortsError> {
    match first.unwrap_or(PORT_DEFAULT) {
        0 => free(),
        first if first > PORT_MAX => Err(PortsError::Range),
        first => Ok((0..NODES_OF_ALL)
            .map(|node| first + node * NODE_STEP)
            .map(|api| NodePorts {
                api,
                peers: api + 1,
                operations: api + OPERATIONS_STEP,
            })
            .collect()),
    }
}

/// Checks that the caller asks for the ports that kept regions have.
pub fn same(asked: Option<u16>, kept: &[NodePorts]) -> Result<(), PortsError> {
    match (asked, kept.first()) {
        (Some(asked), Some(first)) if asked != 0 && asked != first.api => {
            Err(PortsError::Fixed { made: first.api })
        }
        _ => Ok(()),
    }
}

/// Checks that nobody listens on any of the ports.
pub fn probe(nodes: &[NodePorts]) -> Result<(), PortsError> {
    for port in nodes
        .iter()
        .flat_map(|node| [node.api, node.peers, node.operations])
    {
        TcpListener::bind(loopback(port)).map_err(|source| match source.kind() {
            std::io::ErrorKind::AddrInUse => PortsError::Taken { port, source },
            _ => PortsError::Refused { port, source },
        })?;
    }
    Ok(())
}

/// Looks for ports that nobody listens on, below those that the operating system gives to outgoing
/// connections: the regions keep their ports, and must find them free at their next start.
fn free() -> Result<Vec<NodePorts>, PortsError> {
    let (first, count) = (FREE_PORTS.start, FREE_PORTS.end - FREE_PORTS.start);
    // Two processes that begin at the same time look at different ports: the last of them are
    // listened on seconds after they were found free.
    let begin = std::process::id().wrapping_mul(PORTS_OF_ALL.into()) % u32::from(count);
    let begin = u16::try_from(begin).unwrap_or_default();
    let mut ports = (0..count)
        .map(|step| first + (begin + step) % count)
        .filter(|port| TcpListener::bind(loopback(*port)).is_ok());
    let mut port = || ports.next().ok_or(PortsError::NoneFree);
    (0..NODES_OF_ALL)
        .map(|_| {
            Ok(NodePorts {
                api: port()?,
                peers: port()?,
                operations: port()?,
            })
        })
        .collect()
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn nodes_follow_in_steps_of_ten() {
        let nodes = choose(None).unwrap();
        let api: Vec<u16> = nodes.iter().map(|node| node.api).collect();
        assert_eq!(api, [7420, 7430, 7440, 7450, 7460, 7470]);
        assert_eq!((nodes[0].peers, nodes[0].operations), (7421, 9420));
        assert!(choose(Some(PORT_MAX)).is_ok());
        assert!(matches!(choose(Some(PORT_MAX + 1)), Err(PortsError::Range)));
    }

    #[test]
    fn free_ports_are_three_different_ones_a_node() {
        let nodes = choose(Some(0)).unwrap();
        let ports: BTreeSet<u16> = nodes
            .iter()
            .flat_map(|node| [node.api, node.peers, node.operations])
            .collect();
        assert_eq!(ports.len(), usize::from(PORTS_OF_ALL));
        probe(&nodes).unwrap();
    }

    #[test]
    fn a_taken_port_is_named() {
        let nodes = choose(Some(0)).unwrap();
        let _taken = TcpListener::bind(nodes[1].peer_address()).unwrap();
        let refused = probe(&nodes).unwrap_err().to_string();
        assert!(refused.contains(&nodes[1].peers.to_string()), "{refused}");
    }

    #[test]
    fn kept_regions_keep_their_ports() {
        let kept = choose(Some(8000)).unwrap();
        assert!(same(None, &kept).is_ok());
        assert!(same(Some(0), &kept).is_ok());
        assert!(same(Some(8000), &kept).is_ok());
        assert!(matches!(
            same(Some(7420), &kept),
            Err(PortsError::Fixed { made: 8000 })
        ));
    }
}
