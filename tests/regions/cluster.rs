//! Several regions of one cluster, of real processes, linked as an operator links them.
//!
//! Between them is a proxy before every node, or, on machines of their own, a router of packets:
//! both make late, hold back and count what goes from one region to another, and nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use client::admin::v1::{
    GetStatusRequest, ListRegionsRequest, ListRegionsResponse, RegionEntry, RegionFeed,
};
use client::{Client, Options};
use strongroom_tests::shell::{run, until_within};
use strongroom_tests::{Hosts, Network, Plan, Region, Roads, SMALL_STORAGE};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The regions of a test, by their order. The first one founds the cluster.
pub const A: usize = 0;
pub const B: usize = 1;
pub const C: usize = 2;

/// Their names.
pub const NAMES: [&str; 4] = ["eu-north-1", "eu-west-1", "eu-central-1", "eu-south-1"];

/// What one way takes between two regions, unless a test says otherwise: 80 ms there and back.
pub const ONE_WAY: Duration = Duration::from_millis(40);

/// How long regions may take to agree, on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What a region is.
#[derive(Clone, Copy)]
pub struct Site {
    /// Its nodes.
    pub nodes: u64,
    /// What it receives; of the first one nothing is said.
    pub scope: &'static str,
}

/// Three nodes that receive everything.
pub const ALL: Site = Site {
    nodes: 3,
    scope: "all",
};

/// Three nodes that receive what is shared with them.
pub const SELECTED: Site = Site {
    nodes: 3,
    scope: "selected",
};

/// The regions, and what is between them.
pub struct Cluster {
    pub regions: Vec<Region>,
    pub runtime: Runtime,
    sites: Vec<Site>,
    between: Between,
    folder: Option<TempDir>,
}

/// What is between regions.
enum Between {
    Proxies(Network),
    Roads(Roads),
}

/// A place in a feed, as `GetStatus` tells it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    pub epoch: u64,
    pub epoch_region: String,
    pub revision: u64,
    pub hash: Vec<u8>,
}

/// What a cluster is made with, beside its sites.
pub struct Settings {
    pub one_way: Duration,
    pub storage: &'static str,
    pub log_level: &'static str,
    /// Whether everything that passes is kept.
    pub is_recorded: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            one_way: ONE_WAY,
            storage: SMALL_STORAGE,
            log_level: "info",
            is_recorded: false,
        }
    }
}

impl Cluster {
    /// Regions on loopback, linked, with proxies between them.
    pub fn proxied(sites: &[Site], settings: &Settings) -> Self {
        let network = Network::new(settings.is_recorded);
        let folder = tempfile::tempdir().unwrap();
        let plans = sites.iter().enumerate().map(|(at, _)| Plan {
            network: Some(network.clone()),
            ..plan(folder.path(), at, settings)
        });
        let plans: Vec<Plan> = plans.collect();
        let mut cluster = Self::of(plans, sites, Between::Proxies(network), folder);
        cluster.delay(settings.one_way);
        cluster.link_all();
        cluster
    }

    /// Regions whose nodes have machines of their own, linked, with roads between them. Needs root.
    pub fn on_hosts(sites: &[Site], settings: &Settings, seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut hosts: Vec<Hosts> = sites.iter().map(|_| Hosts::new()).collect();
        let roads = Roads::between(folder.path(), seed, &mut hosts);
        let plans = hosts.into_iter().enumerate().map(|(at, hosts)| Plan {
            hosts: Some(hosts),
            ..plan(folder.path(), at, settings)
        });
        let plans: Vec<Plan> = plans.collect();
        let mut cluster = Self::of(plans, sites, Between::Roads(roads), folder);
        cluster.delay(settings.one_way);
        cluster.link_all();
        cluster
    }

    fn of(plans: Vec<Plan>, sites: &[Site], between: Between, folder: TempDir) -> Self {
        let planned = plans.into_iter().zip(sites);
        let regions = planned.map(|(plan, site)| Region::of_cluster(plan, site.nodes));
        Self {
            regions: regions.collect(),
            runtime: Runtime::new().unwrap(),
            sites: sites.to_vec(),
            between,
            folder: Some(folder),
        }
    }

    fn link_all(&mut self) {
        self.regions[A].grow(1);
        for at in 1..self.regions.len() {
            self.link(at, A);
        }
        // What they do meanwhile is mostly to wait.
        let sites = self.regions.iter_mut().zip(&self.sites);
        std::thread::scope(|threads| {
            for (region, site) in sites {
                threads.spawn(|| (2..=site.nodes).for_each(|node| region.join(node)));
            }
        });
        self.wait_for_directory();
        self.wait_until_equal();
    }

    /// Waits until the directory of every region names every node.
    pub fn wait_for_directory(&self) {
        let nodes = self
            .regions
            .iter()
            .map(|region| (region.name().to_owned(), region.nodes()));
        let wanted: BTreeMap<String, Vec<u64>> = nodes.collect();
        for at in 0..self.regions.len() {
            until_within(PATIENCE, "the directory names all nodes", || {
                let entries = self.listed(at).regions.into_iter();
                let named = entries.filter(|entry| !entry.unlinked).map(|entry| {
                    let mut ids: Vec<u64> = entry.nodes.iter().map(|node| node.id).collect();
                    ids.sort_unstable();
                    (entry.name, ids)
                });
                (named.collect::<BTreeMap<_, _>>() == wanted).then_some(())
            });
        }
    }

    /// Founds a region with its first node, by a token of one that leads the root feed.
    pub fn link(&mut self, at: usize, by: usize) {
        self.link_with(at, by, 1);
    }

    /// Likewise with another node: a region that is rebuilt has no id that it had before.
    pub fn link_with(&mut self, at: usize, by: usize, node: u64) {
        let name = self.regions[at].name();
        let token = self.regions[at].path("link-token");
        // A region that is linked again has one of the last time.
        let _ = std::fs::remove_file(&token);
        let scope = ["--scope", self.sites[at].scope, "--output-file", &token];
        let make = [&["region", "link", name][..], &scope].concat();
        self.regions[by].call(&make).done();
        let via = self.regions[by].endpoints().swap_remove(0);
        self.regions[at].start(node, &["--link", &via, "--token-file", &token]);
        self.regions[at].wait_for(node);
    }

    /// Makes everything late between any two regions.
    pub fn delay(&self, one_way: Duration) {
        for (from, to) in self.pairs() {
            match &self.between {
                Between::Proxies(network) => network.delay(number(from), number(to), one_way),
                Between::Roads(roads) => roads.delay(from, to, one_way),
            }
        }
    }

    /// Holds back everything between two regions, or one way only, or lets it pass.
    pub fn cut_one_way(&self, from: usize, to: usize, is_cut: bool) {
        match &self.between {
            Between::Proxies(network) => network.sever(number(from), number(to), is_cut),
            Between::Roads(roads) => roads.cut(from, to, is_cut),
        }
    }

    /// Holds back everything between two regions, or lets it pass.
    pub fn cut(&self, one: usize, other: usize, is_cut: bool) {
        self.cut_one_way(one, other, is_cut);
        self.cut_one_way(other, one, is_cut);
    }

    /// The bytes that went from one region to another so far.
    pub fn crossed(&self, from: usize, to: usize) -> u64 {
        match &self.between {
            Between::Proxies(network) => network.crossed(number(from), number(to)),
            Between::Roads(roads) => roads.crossed(from, to),
        }
    }

    /// The roads of regions that are `on_hosts`.
    pub fn roads(&self) -> &Roads {
        match &self.between {
            Between::Roads(roads) => roads,
            Between::Proxies(_) => panic!("proxies are between the regions"),
        }
    }

    /// The network of regions that are `proxied`.
    pub fn network(&self) -> &Network {
        match &self.between {
            Between::Proxies(network) => network,
            Between::Roads(_) => panic!("roads are between the regions"),
        }
    }

    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let count = self.regions.len();
        let all = (0..count).flat_map(move |from| (0..count).map(move |to| (from, to)));
        all.filter(|(from, to)| from != to)
    }

    /// An administrator's client of the nodes of a region that run.
    pub fn client(&self, at: usize) -> Client {
        self.client_at(at, self.regions[at].endpoints())
    }

    /// An administrator's client of one node.
    pub fn client_of(&self, at: usize, node: u64) -> Client {
        self.client_at(at, vec![self.regions[at].api(node)])
    }

    fn client_at(&self, at: usize, endpoints: Vec<String>) -> Client {
        let _within = self.runtime.enter();
        let region = &self.regions[at];
        let [cert, key] = region.credentials("client-administrator");
        let [root, _] = region.authorities();
        Client::connect(Options::new(endpoints, root, cert, key)).unwrap()
    }

    /// What a region says of the others.
    pub fn listed(&self, at: usize) -> ListRegionsResponse {
        let client = self.client(at);
        until_within(PATIENCE, "a region lists the regions", || {
            let listed = client.list_regions(ListRegionsRequest {});
            self.runtime.block_on(listed).ok()
        })
    }

    /// What a region says of a feed that another region leads; none while it knows no leader.
    pub fn followed(&self, at: usize, feed: &str) -> Option<(RegionEntry, RegionFeed)> {
        let entries = self.listed(at).regions.into_iter();
        let mut found = entries.filter_map(|entry| {
            let of_feed = entry.leads.iter().find(|led| led.feed == feed).cloned();
            of_feed.map(|of_feed| (entry, of_feed))
        });
        found.next()
    }

    /// Where every feed is on a node; nothing if it does not answer.
    pub fn places(&self, client: &Client) -> BTreeMap<String, At> {
        let status = self
            .runtime
            .block_on(client.get_status(GetStatusRequest {}));
        let region = status.ok().and_then(|status| status.region);
        let positions = region.map(|region| region.positions).unwrap_or_default();
        let place = |position: client::admin::v1::FeedPosition| {
            let at = At {
                epoch: position.epoch,
                epoch_region: position.epoch_region,
                revision: position.revision,
                hash: position.feed_hash,
            };
            (position.feed, at)
        };
        positions.into_iter().map(place).collect()
    }

    /// Waits until every node of every region has every feed at the same place, with the same hash.
    #[track_caller]
    pub fn wait_until_equal(&self) -> BTreeMap<String, At> {
        let all: Vec<usize> = (0..self.regions.len()).collect();
        self.wait_until_equal_in(&all)
    }

    /// Likewise, of some regions.
    #[track_caller]
    pub fn wait_until_equal_in(&self, regions: &[usize]) -> BTreeMap<String, At> {
        let clients: Vec<Client> = regions
            .iter()
            .flat_map(|at| {
                self.regions[*at]
                    .nodes()
                    .into_iter()
                    .map(move |node| (*at, node))
            })
            .map(|(at, node)| self.client_of(at, node))
            .collect();
        let mut told = Instant::now();
        until_within(PATIENCE, "all regions have the same feeds", || {
            let seen: Vec<_> = clients.iter().map(|client| self.places(client)).collect();
            let is_equal = !seen[0].is_empty() && seen.windows(2).all(|pair| pair[0] == pair[1]);
            if !is_equal && told.elapsed() > Duration::from_secs(5) {
                println!("not yet: {}", places_line(&seen));
                told = Instant::now();
            }
            is_equal.then(|| seen[0].clone())
        })
    }

    /// Ends all nodes in order, and keeps copies of their data for `thaw`.
    pub fn freeze(&mut self) {
        for at in 0..self.regions.len() {
            for node in self.regions[at].nodes() {
                self.regions[at].stop(node);
            }
        }
        for (from, to) in self.frozen() {
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            copy(&from, &to);
        }
    }

    /// Kills whatever runs, gives all nodes the data of `freeze`, and starts them.
    pub fn thaw(&mut self) {
        self.regions.iter_mut().for_each(Region::kill_all);
        for (data, kept) in self.frozen() {
            let _ = std::fs::remove_dir_all(&data);
            copy(&kept, &data);
        }
        self.start_all();
    }

    /// Starts all nodes that do not run, and waits until they answer.
    pub fn start_all(&mut self) {
        std::thread::scope(|threads| {
            for region in &mut self.regions {
                threads.spawn(|| region.start_all());
            }
        });
    }

    fn frozen(&self) -> Vec<(PathBuf, PathBuf)> {
        let sites = self.regions.iter().zip(&self.sites);
        let nodes = sites.flat_map(|(region, site)| (1..=site.nodes).map(move |n| (region, n)));
        let pair = |(region, node): (&Region, u64)| {
            let name = format!("frozen/{}/node-{node}", region.name());
            (region.data(node), self.folder().join(name))
        };
        nodes.map(pair).collect()
    }

    /// Where everything is.
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kept = self.folder.take().unwrap().keep();
            println!("the folder of the regions is kept: {}", kept.display());
        }
    }
}

/// The number of a region in the network: 0 is nobody's.
pub fn number(at: usize) -> u8 {
    u8::try_from(at + 1).unwrap()
}

fn plan(folder: &Path, at: usize, settings: &Settings) -> Plan {
    Plan {
        folder: folder.join(NAMES[at]),
        certs: folder.join("certs"),
        name: NAMES[at],
        number: number(at),
        network: None,
        hosts: None,
        storage: settings.storage,
        log_level: settings.log_level,
    }
}

fn copy(from: &Path, to: &Path) {
    let mut copy = Command::new("cp");
    copy.arg("-a").arg(from).arg(to);
    run(&mut copy, None).done();
}

fn places_line(seen: &[BTreeMap<String, At>]) -> String {
    let of_node = |places: &BTreeMap<String, At>| {
        let feeds = places.iter().map(|(feed, at)| {
            let hash: String = at
                .hash
                .iter()
                .take(2)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            format!(
                "{feed} {}@{} {} {hash}",
                at.epoch, at.epoch_region, at.revision
            )
        });
        feeds.collect::<Vec<_>>().join(", ")
    };
    seen.iter().map(of_node).collect::<Vec<_>>().join(" | ")
}
