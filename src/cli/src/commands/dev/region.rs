//! The nodes of one development region.

use std::time::Duration;

use client::Client;
use client::admin::v1::{
    CreateJoinTokenRequest, CreateLinkTokenRequest, GetStatusRequest, InstallIssuerRequest,
    ListNodesRequest, NodeRole, PromoteNodeRequest, RegionScope,
};
use client::certs::CertsError;
use server::{Config, Node, Start};
use tokio::time::{Instant, sleep, timeout_at};
use zeroize::Zeroizing;

use super::control::NodeLine;
use super::credentials::{self, ADMINISTRATOR};
use super::directory::{Directory, Record, RegionRecord};
use super::ports::{NODES, NodePorts};
use crate::commands::node::role;
use crate::limits::{DEV_CALL_MAX, DEV_SHUTDOWN_MAX, DEV_START_MAX};

/// How long to wait before looking again whether the region is ready.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Why a region is not there.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// A node did not start.
    #[error("node {node} of {region} did not start")]
    Start {
        /// The region.
        region: String,
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
    /// The issuer of its certificates cannot be read.
    #[error("the issuer of {region} cannot be installed")]
    Issuer {
        /// The region.
        region: String,
        /// Why.
        source: CertsError,
    },
    /// It took too long.
    #[error("{region} was not ready in {} s; end what keeps this machine busy and start again",
        DEV_START_MAX.as_secs())]
    Slow {
        /// The region.
        region: String,
    },
    /// A node that runs was to be started.
    #[error("node {node} of {region} runs already")]
    Runs {
        /// The region.
        region: String,
        /// The node's number.
        node: u64,
    },
    /// A node that does not run was to be stopped.
    #[error("node {node} of {region} is stopped already")]
    Stopped {
        /// The region.
        region: String,
        /// The node's number.
        node: u64,
    },
    /// There is no such node.
    #[error("there is no node {0}")]
    NoNode(u64),
    /// There is no such region.
    #[error("there is no region {region} here; there is {known}")]
    NoRegion {
        /// As it was named.
        region: String,
        /// Those that are.
        known: String,
    },
}

impl RegionError {
    fn call(doing: &'static str, source: client::Error) -> Self {
        Self::Call {
            doing,
            source: Box::new(source),
        }
    }
}

/// The nodes of a region, those that run among them.
pub struct Region {
    directory: Directory,
    record: Record,
    region: RegionRecord,
    nodes: Vec<Option<Node>>,
}

impl Region {
    /// A region of which no node runs yet.
    pub fn without_nodes(directory: &Directory, record: &Record, region: &RegionRecord) -> Self {
        Self {
            directory: directory.clone(),
            record: record.clone(),
            region: region.clone(),
            nodes: (0..NODES).map(|_| None).collect(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.region.name
    }

    /// Makes the cluster, with one node of its first region.
    pub async fn found(&mut self) -> Result<(), RegionError> {
        let founded = Start::Bootstrap {
            administrator: ADMINISTRATOR.into(),
        };
        self.begin(1, founded).await
    }

    /// Makes another region, with one node that is linked to the first region by a token.
    pub async fn link(&mut self, first: &Linking, deadline: Instant) -> Result<(), RegionError> {
        let request = || CreateLinkTokenRequest {
            region: self.region.name.clone(),
            scope: RegionScope::All.into(),
            lifetime: None,
        };
        let answer = until_done("making a link token", deadline, || {
            first.client.create_link_token(request())
        });
        let token = Zeroizing::new(std::mem::take(&mut answer.await?.token));
        let address = first.address.clone();
        self.begin(1, Start::Link { address, token }).await
    }

    /// What another region needs to be linked to this one.
    pub fn linking(&self) -> Result<Linking, RegionError> {
        Ok(Linking {
            client: self.client(1)?,
            address: self.ports(1)?.api_address().to_string(),
        })
    }

    /// Lets the other nodes join the first and become voters, then waits until all are ready.
    pub async fn grow(&mut self, deadline: Instant) -> Result<(), RegionError> {
        let client = self.client(1)?;
        for node in 2..=NODES {
            self.admit(&client, node, deadline).await?;
        }
        self.ready(deadline).await?;
        self.install_issuer(&client, deadline).await
    }

    /// Starts all nodes that a former start left, then waits until they are ready.
    pub async fn resume(&mut self, deadline: Instant) -> Result<(), RegionError> {
        for node in 1..=NODES {
            self.begin(node, Start::Resume).await?;
        }
        self.ready(deadline).await
    }

    /// Starts one node that is stopped.
    pub async fn start(&mut self, node: u64) -> Result<(), RegionError> {
        if self.slot(node)?.is_some() {
            let region = self.region.name.clone();
            return Err(RegionError::Runs { region, node });
        }
        self.begin(node, Start::Resume).await
    }

    /// Stops one node that runs.
    pub async fn stop(&mut self, node: u64) -> Result<(), RegionError> {
        let region = self.region.name.clone();
        let running = self.slot(node)?.take();
        let running = running.ok_or(RegionError::Stopped { region, node })?;
        running.shutdown().await;
        Ok(())
    }

    /// How each node stands, asked of itself.
    pub async fn status(&self) -> Vec<NodeLine> {
        let mut lines = Vec::new();
        for (id, ports) in (1..).zip(&self.region.nodes) {
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
                region: self.region.name.clone(),
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
        let started = Node::start(config, start).await;
        let started = started.map_err(|source| RegionError::Start {
            region: self.region.name.clone(),
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
        // A region that was just linked answers nothing before it has the directory.
        let answer = until_done("making a join token", deadline, || {
            client.create_join_token(CreateJoinTokenRequest::default())
        });
        let token = Zeroizing::new(std::mem::take(&mut answer.await?.token));
        let address = self.ports(1)?.api_address().to_string();
        self.begin(node, Start::Join { address, token }).await?;
        // A learner that has not caught up yet is refused; it will have in a moment.
        let promoted = until_done("making a node a voter", deadline, || {
            client.promote_node(PromoteNodeRequest { node })
        });
        promoted.await.map(drop)
    }

    /// Has the region's nodes renew their certificates, as those of a real region do.
    async fn install_issuer(&self, client: &Client, deadline: Instant) -> Result<(), RegionError> {
        let issuer = credentials::issuer(&self.directory, &self.region.name);
        let issuer = issuer.map_err(|source| RegionError::Issuer {
            region: self.region.name.clone(),
            source,
        })?;
        let request = || InstallIssuerRequest {
            certificate: issuer.certificate.clone(),
            private_key: issuer.private_key.to_string(),
            replaces: None,
        };
        let installed = until_done("installing the issuer", deadline, || {
            client.install_issuer(request())
        });
        installed.await.map(drop)
    }

    /// Waits until a leader answers for the region and every node knows it.
    async fn ready(&self, deadline: Instant) -> Result<(), RegionError> {
        for node in 1..=NODES {
            let client = self.client(node)?;
            // The list is a linearizable read: who answers it can serve secrets.
            while client.list_nodes(ListNodesRequest {}).await.is_err() {
                if Instant::now() >= deadline {
                    let region = self.region.name.clone();
                    return Err(RegionError::Slow { region });
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
        let (directory, record) = (&self.directory, &self.record);
        let mut options = credentials::administrator(directory, record, &self.region, DEV_CALL_MAX);
        options.endpoints = vec![self.ports(node)?.api_address().to_string()];
        Client::connect(options).map_err(|error| RegionError::call("connecting to a node", error))
    }

    fn config(&self, node: u64) -> Result<Config, RegionError> {
        let (directory, name) = (&self.directory, &self.region.name);
        let home = directory.home(&self.record, name);
        let ports = self.ports(node)?;
        Ok(credentials::config(directory, &home, name, node, ports))
    }

    fn ports(&self, node: u64) -> Result<NodePorts, RegionError> {
        let at = usize::try_from(node.wrapping_sub(1)).unwrap_or(usize::MAX);
        self.region
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

/// What another region needs to be linked to one.
pub struct Linking {
    client: Client,
    address: String,
}

/// Asks until it is done, or the time of the start is over.
async fn until_done<A, F>(
    doing: &'static str,
    deadline: Instant,
    ask: impl Fn() -> F,
) -> Result<A, RegionError>
where
    F: Future<Output = Result<A, client::Error>>,
{
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() >= deadline => {
                return Err(RegionError::call(doing, error));
            }
            Err(_) => sleep(LOOK_AGAIN).await,
        }
    }
}
