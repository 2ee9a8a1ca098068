//! I1: values, names and tags are searched for in every file, log line and metric of the nodes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;
use wire::admin::v1::TakeSnapshotRequest;
use wire::secrets::v1 as api;

use super::harness::{Region, eventually};
use super::requests::{create, delete, get, put, read, tag, update};

const CANARIES: [&str; 5] = [
    "canaryvalue7351",
    "canaryname7351",
    "canarytagkey7351",
    "canarytagvalue7351",
    "canarytext7351",
];

/// Log lines, kept in memory.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_name_or_tag_is_in_a_file_a_log_line_or_a_metric() {
    let lines = Lines::default();
    let logged = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
    // Other tests of this process may log too: that only makes the search wider.
    let _ = logged.with_writer(lines.clone()).try_init();
    let region = Region::start(3).await;
    let [value, name, key, tagged, text] = CANARIES;
    let mut client = region.secrets(1);
    let mut request = create(name, 1, value);
    request.description = text.to_owned();
    client.create_secret(request).await.unwrap();
    client
        .tag_resource(tag(name, &[(key, tagged)]))
        .await
        .unwrap();
    client
        .put_secret_value(put(name, 2, &format!("{value} again")))
        .await
        .unwrap();
    client
        .put_secret_value(put(name, 2, &format!("{value} other")))
        .await
        .unwrap_err();
    let request = api::UpdateSecretRequest {
        description: Some(text.to_owned()),
        ..update(name)
    };
    client.update_secret(request).await.unwrap();
    read(&mut client, name).await.unwrap();
    client
        .get_secret_value(get(&format!("{name}-missing")))
        .await
        .unwrap_err();
    client.delete_secret(delete(name)).await.unwrap();
    client.get_secret_value(get(name)).await.unwrap_err();
    for node in 0..3 {
        region
            .admin(node)
            .take_snapshot(TakeSnapshotRequest {})
            .await
            .unwrap();
    }
    let metrics = metrics(region.nodes[1].addresses().operations);
    assert!(metrics.contains("strongroom_server_requests_total"));
    search("the metrics", metrics.as_bytes());
    let files = region.stop().await;
    let mut searched = 0;
    for file in walkdir::WalkDir::new(files.dir.path())
        .into_iter()
        .map(Result::unwrap)
    {
        if file.file_type().is_file() {
            search(
                &file.path().display().to_string(),
                &std::fs::read(file.path()).unwrap(),
            );
            searched += 1;
        }
    }
    assert!(searched > 20, "{searched} files");
    let lines = lines.0.lock().unwrap();
    assert!(String::from_utf8_lossy(&lines).contains("node started"));
    search("the log", &lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_search_finds_a_canary_that_is_there() {
    assert!(std::panic::catch_unwind(|| search("a file", b"..canaryvalue7351..")).is_err());
    // A condition that holds at once needs no waiting.
    eventually("nothing", async || true).await;
}

/// Every metric of a node, by plain HTTP.
pub fn metrics(address: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

#[track_caller]
fn search(place: &str, bytes: &[u8]) {
    for canary in CANARIES {
        let found = bytes
            .windows(canary.len())
            .any(|window| window == canary.as_bytes());
        assert!(!found, "{canary} is in {place}");
    }
}
