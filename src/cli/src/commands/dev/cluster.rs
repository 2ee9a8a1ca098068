//! The regions of a development directory, all in this process.

use futures::future::{join_all, try_join_all};
use tokio::time::Instant;

use super::control::NodeLine;
use super::directory::{Directory, Record};
use super::region::{Region, RegionError};
use crate::limits::DEV_START_MAX;

/// The regions, the founding one first.
pub struct Cluster {
    regions: Vec<Region>,
}

impl Cluster {
    /// Makes new regions: one founds the cluster, the others are linked to it and receive
    /// everything.
    pub async fn found(directory: &Directory, record: &Record) -> Result<Self, RegionError> {
        let deadline = Instant::now() + DEV_START_MAX;
        let mut cluster = Self::without_nodes(directory, record);
        if let Some((first, others)) = cluster.regions.split_first_mut() {
            first.found().await?;
            let linking = first.linking()?;
            // They are linked while the first one grows.
            let others = others.iter_mut().map(|region| async {
                region.link(&linking, deadline).await?;
                region.grow(deadline).await
            });
            tokio::try_join!(first.grow(deadline), try_join_all(others))?;
        }
        Ok(cluster)
    }

    /// Starts the regions that a former start left.
    pub async fn resume(directory: &Directory, record: &Record) -> Result<Self, RegionError> {
        let deadline = Instant::now() + DEV_START_MAX;
        let mut cluster = Self::without_nodes(directory, record);
        let regions = cluster.regions.iter_mut();
        try_join_all(regions.map(|region| region.resume(deadline))).await?;
        Ok(cluster)
    }

    fn without_nodes(directory: &Directory, record: &Record) -> Self {
        let regions = record.regions.iter();
        Self {
            regions: regions
                .map(|region| Region::without_nodes(directory, record, region))
                .collect(),
        }
    }

    /// Starts one node that is stopped, of the founding region if none is named.
    pub async fn start(&mut self, region: Option<&str>, node: u64) -> Result<(), RegionError> {
        self.region(region)?.start(node).await
    }

    /// Stops one node that runs, of the founding region if none is named.
    pub async fn stop(&mut self, region: Option<&str>, node: u64) -> Result<(), RegionError> {
        self.region(region)?.stop(node).await
    }

    /// How each node of each region stands.
    pub async fn status(&self) -> Vec<NodeLine> {
        join_all(self.regions.iter().map(Region::status))
            .await
            .concat()
    }

    /// Ends all nodes.
    pub async fn shutdown(self) {
        join_all(self.regions.into_iter().map(Region::shutdown)).await;
    }

    fn region(&mut self, name: Option<&str>) -> Result<&mut Region, RegionError> {
        let known: Vec<&str> = self.regions.iter().map(Region::name).collect();
        let missing = RegionError::NoRegion {
            region: name.unwrap_or_default().to_owned(),
            known: known.join(", "),
        };
        let mut regions = self.regions.iter_mut();
        let found = match name {
            Some(name) => regions.find(|region| region.name() == name),
            None => regions.next(),
        };
        found.ok_or(missing)
    }
}
