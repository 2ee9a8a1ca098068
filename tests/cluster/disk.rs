//! Nodes whose disks are full or fail, under load: who leads, what is told, and that no
//! acknowledged write is lost.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::secrets::v1::{
    CreateSecretRequest, GetSecretValueRequest, PutSecretValueRequest, create_secret_request,
    get_secret_value_response, put_secret_value_request,
};
use client::{Client, Error, Options};
use serde_json::Value as Json;
use strongroom_tests::shell::until;
use strongroom_tests::{Order, Region};

/// The disk of one node in memory: a few segments of the log, rows and snapshots.
const DISK: &str = "size=160m,mode=700";
/// Writers at once, each with a secret of its own.
const WRITERS: usize = 6;
/// Long enough for segments of the log to fill soon.
const VALUE_CHARS: usize = 8_000;
/// Acknowledged writes that show that writes go on.
const MORE_WRITES: usize = 60;

const EIO: i64 = 5;
const EROFS: i64 = 30;

/// A file system mounted for a test.
struct Mount(PathBuf);

impl Mount {
    fn at(path: PathBuf) -> Self {
        std::fs::create_dir_all(&path).unwrap();
        let arguments = ["-t", "tmpfs", "-o", DISK, "strongroom-test"];
        let mounted = Command::new("mount").args(arguments).arg(&path).status();
        assert!(mounted.unwrap().success(), "mount needs root");
        Self(path)
    }

    /// Takes all the space there is; what was removed before may come back later.
    fn fill(&self) {
        let ballast = File::options()
            .create(true)
            .append(true)
            .open(self.0.join("ballast"));
        let mut ballast = ballast.unwrap();
        while ballast.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(unmounted.unwrap().success());
    }
}

/// Writers, and what was acknowledged to each.
struct Load {
    runtime: tokio::runtime::Runtime,
    client: Client,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    acknowledged: Mutex<BTreeMap<usize, u64>>,
    count: AtomicUsize,
    stopped: AtomicBool,
}

impl Load {
    fn start(region: &Region) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let client = runtime.block_on(async { connect(region, region.endpoints()) });
        let shared = Arc::<Shared>::default();
        for writer in 0..WRITERS {
            runtime.spawn(write(client.clone(), writer, Arc::clone(&shared)));
        }
        let load = Self {
            runtime,
            client,
            shared,
        };
        load.goes_on();
        load
    }

    /// Waits until more writes were acknowledged.
    #[track_caller]
    fn goes_on(&self) {
        let before = self.count();
        until("writes go on", || {
            (self.count() >= before + MORE_WRITES).then_some(())
        });
    }

    fn count(&self) -> usize {
        self.shared.count.load(Ordering::Acquire)
    }

    /// Ends the load.
    fn end(&self) {
        self.shared.stopped.store(true, Ordering::Release);
    }

    /// Ends the load, and reads from each node what was acknowledged. Answers how much that was.
    fn verify(self, region: &Region) -> usize {
        self.end();
        region.wait_for_equal_hashes();
        let acknowledged = self.shared.acknowledged.lock().unwrap().clone();
        for node in region.nodes() {
            for (writer, number) in &acknowledged {
                let found = self.runtime.block_on(async {
                    let client = connect(region, vec![region.api(node)]);
                    read(&client, *writer).await
                });
                assert!(found.unwrap() >= *number, "node {node} has lost writes");
            }
        }
        self.count()
    }
}

/// Writes until it is stopped; a write without an answer is repeated with its token.
async fn write(client: Client, writer: usize, shared: Arc<Shared>) {
    for number in 1.. {
        while send(&client, writer, number).await.is_err() {
            if shared.stopped.load(Ordering::Acquire) {
                return;
            }
        }
        shared.acknowledged.lock().unwrap().insert(writer, number);
        shared.count.fetch_add(1, Ordering::Release);
        if shared.stopped.load(Ordering::Acquire) {
            return;
        }
    }
}

async fn send(client: &Client, writer: usize, number: u64) -> Result<(), Error> {
    let name = format!("disk/{writer}");
    let client_request_token = format!("{:0>32}", format!("{writer}-{number}"));
    let value = format!("{number:0>VALUE_CHARS$}");
    if number == 1 {
        let request = CreateSecretRequest {
            name,
            client_request_token,
            value: Some(create_secret_request::Value::SecretString(value)),
            ..CreateSecretRequest::default()
        };
        client.create_secret(request).await.map(drop)
    } else {
        let request = PutSecretValueRequest {
            secret_id: name,
            client_request_token,
            value: Some(put_secret_value_request::Value::SecretString(value)),
            ..PutSecretValueRequest::default()
        };
        client.put_secret_value(request).await.map(drop)
    }
}

async fn read(client: &Client, writer: usize) -> Result<u64, Error> {
    let request = GetSecretValueRequest {
        secret_id: format!("disk/{writer}"),
        ..Default::default()
    };
    let answer = client.get_secret_value(request).await?;
    match &answer.value {
        Some(get_secret_value_response::Value::SecretString(number)) => {
            Ok(number.trim_start_matches('0').parse().unwrap())
        }
        other => panic!("disk/{writer}: {other:?}"),
    }
}

fn connect(region: &Region, endpoints: Vec<String>) -> Client {
    let [cert, key] = Region::certificate(region.folder(), "client-administrator");
    let ca = region.folder().join("certs/root.pem");
    let mut options = Options::new(endpoints, ca, cert, key);
    options.timeout = Duration::from_secs(5);
    Client::connect(options).unwrap()
}

/// A region of three, each with a small disk of its own.
fn on_small_disks() -> (Region, Vec<Mount>) {
    let mut region = Region::prepared();
    let mounts = (1..=3).map(|node| Mount::at(region.data(node))).collect();
    region.start(1, &["--bootstrap"]);
    region.wait_for(1);
    region.join(2);
    region.join(3);
    (region, mounts)
}

#[track_caller]
fn wait_until_ready(region: &Region, node: u64) {
    until("the node is ready again", || {
        let answer = region.probe(node, "/ready");
        answer.starts_with("HTTP/1.1 200").then_some(())
    });
}

#[track_caller]
fn wait_until_disk_low(region: &Region, node: u64) {
    until("the node is not ready for its disk", || {
        region
            .probe(node, "/ready")
            .contains("disk-low")
            .then_some(())
    });
}

#[test]
#[ignore = "mounts file systems"]
fn a_full_disk_under_load_moves_leadership_loses_nothing_and_heals_without_a_restart() {
    let (mut region, mounts) = on_small_disks();
    let load = Load::start(&region);
    let full = region.leader();
    let mount = &mounts[full as usize - 1];
    mount.fill();
    wait_until_disk_low(&region, full);
    assert!(region.metrics(full).contains("strongroom_store_disk_low 1"));
    until("another node leads", || {
        (region.leader() != full).then_some(())
    });
    load.goes_on();
    // It follows until its log and its rows have met the full disk, and beyond.
    for line in ["the log lacks space", "the rows met a full disk"] {
        until(line, || {
            mount.fill();
            region.log(full).contains(line).then_some(())
        });
    }
    load.goes_on();
    assert!(region.process(full).runs());
    mount.free();
    wait_until_ready(&region, full);
    load.goes_on();
    let log = region.log(full);
    assert_eq!(told(&log, "the disk lacks space: not ready"), 1, "{log}");
    assert_eq!(told(&log, "the disk has space again"), 1, "{log}");
    assert_eq!(errors(&log), [Json::Null; 0]);
    // It also stops while its log waits, and starts again with space.
    until("the log waits again", || {
        mount.fill();
        (told(&region.log(full), "the log lacks space") > 1).then_some(())
    });
    region.stop(full);
    mount.free();
    load.goes_on();
    // It need not catch up with a load that takes all there is.
    load.end();
    region.start(full, &[]);
    region.wait_for(full);
    wait_until_ready(&region, full);
    let acknowledged = load.verify(&region);
    println!("{acknowledged} acknowledged writes, 0 lost");
}

#[test]
#[ignore = "mounts file systems"]
fn a_region_whose_disks_are_all_full_refuses_writes_reads_and_goes_on_by_itself() {
    let (mut region, mounts) = on_small_disks();
    let load = Load::start(&region);
    mounts.iter().for_each(Mount::fill);
    for node in region.nodes() {
        wait_until_disk_low(&region, node);
    }
    let refused = until("writes are refused for want of space", || {
        let number = load.count() as u64 + 1_000_000;
        let sent = load.runtime.block_on(send(&load.client, 0, number));
        let error = sent.err()?;
        error.to_string().contains("disk").then_some(error)
    });
    assert_eq!(refused.reason(), "ServiceUnavailable");
    assert_eq!(refused.retry(), client::Retry::Safe);
    let number = load.runtime.block_on(read(&load.client, 0));
    assert!(number.unwrap() > 0);
    mounts.iter().for_each(Mount::free);
    for node in region.nodes() {
        wait_until_ready(&region, node);
        assert!(region.process(node).runs());
    }
    load.goes_on();
    println!("{} acknowledged writes, 0 lost", load.verify(&region));
}

#[test]
#[ignore = "long"]
fn a_disk_that_fails_ends_its_node_with_one_line_and_the_others_go_on() {
    let mut region = Region::strained("lease");
    let load = Load::start(&region);
    for (order, error) in [(Order::SyncError, EIO), (Order::ChangeError, EROFS)] {
        let failed = region.leader();
        let logged = region.log(failed).len();
        region.order(failed, order, error);
        assert_eq!(region.ended(failed).code(), Some(74));
        check_last_words(&region.log(failed)[logged..], error);
        load.goes_on();
        assert_ne!(region.leader(), failed);
        region.order(failed, order, 0);
        region.start(failed, &[]);
        region.wait_for(failed);
    }
    println!("{} acknowledged writes, 0 lost", load.verify(&region));
}

/// One line of level ERROR: what failed, in which file, what the operating system said, what to do.
#[track_caller]
fn check_last_words(log: &str, error: i64) {
    let errors = errors(log);
    let [line] = &errors[..] else {
        panic!("not one line: {errors:?}");
    };
    let cause = line["cause"].as_str().unwrap();
    assert!(cause.contains(&format!("os error {error}")), "{line}");
    assert!(cause.contains("/node-"), "names the file: {line}");
    assert!(line["cure"].as_str().unwrap().contains("disk"), "{line}");
    assert_eq!(line["exit_code"], 74);
}

fn told(log: &str, line: &str) -> usize {
    log.matches(line).count()
}

/// Our lines of level ERROR; openraft, off by default, has its own.
fn errors(log: &str) -> Vec<Json> {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let is_ours = |line: &Json| line["target"].as_str().unwrap().starts_with("strongroom");
    lines
        .filter(|line: &Json| line["level"] == "ERROR" && is_ours(line))
        .collect()
}
