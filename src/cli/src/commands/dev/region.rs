//! The nodes of a development region, all in this process.

use std::time::Duration;

use client::Client;
use client::admin::v1::{
    CreateJoinTokenRequest, GetStatusRequest, ListNodesRequest, NodeRole, PromoteNodeRequest,
};
use server::{Config, Node, Start};
use tokio::time::{Instant, sleep, timeout_at};
use zeroize::Zeroizing;

use super::control::NodeLine;
use super::credentials::{self, ADMINISTRATOR};
use super::directory::{Directory, Record};
use super::ports::{NODES, NodePorts};
use crate::commands::node::role;
use crate::limits::{DEV_CALL_MAX, DEV_SHUTDOWN_MAX, DEV_START_MAX};

/// How long to wait before looking again whether the region is ready.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Why the region is not there.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// A node did not start.
    #[error("node {node} did not start")]
    Start {
        /// The node's number.
        node: u64,
        /// Why.
        source: Box<server::StartError>,
    },
    /// A node did not answer.
    #[error("the nodes started, but {doing} failed; the log says more")]
    Call {
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: Box<client::Error>,
    },
    /// It took too long.
    #[error("the region was not ready in {} s; end what keeps this machine busy and start again",
        DEV_START_MAX.as_secs())]
    Slow,
    /// A node that runs was to be started.
    #[error("node {0} runs already")]
    Runs(u64),
    /// A node that does not run was to be stopped.
    #[error("node {0} is stopped already")]
    Stopped(u64),
    /// There is no such node.
    #[error("there is no node {0}")]
    NoNode(u64),
}

impl RegionError {
    fn call(doing: &'static str, source: client::Error) -> Self {
        Self::Call {
            doing,
            source: Box::new(source),
        }
    }
}

/// The running nodes.
pub struct Region {
    directory: Directory,
    record: Record,
    nodes: Vec<Option<Node>>,
}

impl Region {
    /// Makes a new region: one node founds it, the others join and become voters.
    pub async fn found(directory: &Directory, record: &Record) -> Result<Self, RegionError> {
        let deadline = Instant::now() + DEV_START_MAX;
        let mut region = Self::without_nodes(directory, record);
        let founded = Start::Bootstrap {
            administrator: ADMINISTRATOR.into(),
        };
        region.begin(1, founded).await?;
        let client = region.client(1)?;
        for node in 2..=NODES {
            region.admit(&client, node, deadline).await?;
        }
        region.ready(deadline).await?;
        Ok(region)
    }

    /// Starts the region that a former start left.
    pub async fn resume(directory: &Directory, record: &Record) -> Result<Self, RegionError> {
        let deadline = Instant::now() + DEV_START_MAX;
        let mut region = Self::without_nodes(directory, record);
        for node in 1..=NODES {
            region.begin(node, Start::Resume).await?;
        }
        region.ready(deadline).await?;
        Ok(region)
    }

    fn without_nodes(directory: &Directory, record: &Record) -> Self {
        let nodes = (0..NODES).map(|_| None).collect();
        Self {
            directory: directory.clone(),
            record: record.clone(),
            nodes,
        }
    }

    /// Starts one node that is stopped.
    pub async fn start(&mut self, node: u64) -> Result<(), RegionError> {
        if self.slot(node)?.is_some() {
            return Err(RegionError::Runs(node));
        }
        self.begin(node, Start::Resume).await
    }

    /// Stops one node that runs.
    pub async fn stop(&mut self, node: u64) -> Result<(), RegionError> {
        let running = self.slot(node)?.take().ok_or(RegionError::Stopped(node))?;
        running.shutdown().await;
        Ok(())
    }

    /// How each node stands, asked of itself.
    pub async fn status(&self) -> Vec<NodeLine> {
        let mut lines = Vec::new();
        for (id, ports) in (1..).zip(&self.record.nodes) {
            let runs = usize::try_from(id - 1)
                .ok()
                .and_then(|at| self.nodes.get(at)?.as_ref());
            let role = match runs {
                Some(_) => self.role(id).await.map_or("not answering", role),
                None => "stopped",
            };
            let readiness = match runs.map(Node::ready) {
                Some(Ok(())) => "ready",
                Some(Err(reason)) => reason.name(),
                None => "",
            };
            lines.push(NodeLine {
                id,
                role: role.to_owned(),
                readiness: readiness.to_owned(),
                api: ports.api_address().to_string(),
                peers: ports.peer_address().to_string(),
                operations: ports.operations_address().to_string(),
            });
        }
        lines
    }

    /// Ends all nodes, the leader last: until then it has nobody to hand over to who stays.
    pub async fn shutdown(mut self) {
        let nodes: Vec<Node> = self.nodes.iter_mut().filter_map(Option::take).collect();
        let (leaders, others): (Vec<Node>, Vec<Node>) = nodes.into_iter().partition(Node::leads);
        for nodes in [others, leaders] {
            let deadline = Instant::now() + DEV_SHUTDOWN_MAX;
            let ending: Vec<_> = nodes
                .into_iter()
                .map(|node| tokio::spawn(node.shutdown()))
                .collect();
            for node in ending {
                if timeout_at(deadline, node).await.is_err() {
                    tracing::debug!("a node is cut off; nothing acknowledged depends on its end");
                }
            }
        }
    }

    async fn begin(&mut self, node: u64, start: Start) -> Result<(), RegionError> {
        let config = self.config(node)?;
        let started = Node::start(config, start)
            .await
            .map_err(|source| RegionError::Start {
                node,
                source: Box::new(source),
            })?;
        *self.slot(node)? = Some(started);
        Ok(())
    }

    /// Lets a new node join by a token and makes it a voter.
    async fn admit(
        &mut self,
        client: &Client,
        node: u64,
        deadline: Instant,
    ) -> Result<(), RegionError> {
        let mut answer = client
            .create_join_token(CreateJoinTokenRequest::default())
            .await
            .map_err(|error| RegionError::call("making a join token", error))?;
        let token = Zeroizing::new(std::mem::take(&mut answer.token));
        let address = self.ports(1)?.api_address().to_string();
        self.begin(node, Start::Join { address, token }).await?;
        loop {
            let Err(source) = client.promote_node(PromoteNodeRequest { node }).await else {
                return Ok(());
            };
            // A learner that has not caught up yet is refused; it will have in a moment.
            if Instant::now() >= deadline {
                return Err(RegionError::call("making a node a voter", source));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until a leader answers for the region and every node knows it.
    async fn ready(&self, deadline: Instant) -> Result<(), RegionError> {
        for node in 1..=NODES {
            let client = self.client(node)?;
            loop {
                // The list is a linearizable read: who answers it can serve secrets.
                if client.list_nodes(ListNodesRequest {}).await.is_ok() {
                    break;
                }
                if Instant::now() >= deadline {
                    return Err(RegionError::Slow);
                }
                sleep(LOOK_AGAIN).await;
            }
        }
        Ok(())
    }

    async fn role(&self, node: u64) -> Option<NodeRole> {
        let answer = self
            .client(node)
            .ok()?
            .get_status(GetStatusRequest {})
            .await
            .ok()?;
        Some(answer.node?.role())
    }

    fn client(&self, node: u64) -> Result<Client, RegionError> {
        let mut options = credentials::administrator(&self.directory, &self.record, DEV_CALL_MAX);
        options.endpoints = vec![self.ports(node)?.api_address().to_string()];
        Client::connect(options).map_err(|error| RegionError::call("connecting to a node", error))
    }

    fn config(&self, node: u64) -> Result<Config, RegionError> {
        let ports = self.ports(node)?;
        Ok(credentials::config(&self.directory, node, ports))
    }

    fn ports(&self, node: u64) -> Result<NodePorts, RegionError> {
        let at = usize::try_from(node.wrapping_sub(1)).unwrap_or(usize::MAX);
        self.record
            .nodes
            .get(at)
            .copied()
            .ok_or(RegionError::NoNode(node))
    }

    fn slot(&mut self, node: u64) -> Result<&mut Option<Node>, RegionError> {
        let at = usize::try_from(node.wrapping_sub(1)).unwrap_or(usize::MAX);
        self.nodes.get_mut(at).ok_or(RegionError::NoNode(node))
    }
}
