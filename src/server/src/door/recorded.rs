//! R15 at the door itself: what leaves is recorded, and what cannot be recorded does not leave.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use audit::{Disk, DiskFile, Entry, SystemDisk};
use tempfile::tempdir;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};

use super::answer;
use super::tests::{CLUSTER, LINKED, REGION, call, client, door_with, node, recorder};
use crate::limits::STRANGER_RECORDS_BURST;
use crate::methods::{Audited, CallerClass, METHODS, Port};
use crate::trail::Recorder;

/// Handlers that answer, or fail as if something were lost.
fn routes(fails: bool) -> Routes {
    let reached = move || async move {
        match fails {
            true => Status::data_loss("reached").into_http::<Body>(),
            false => http::Response::new(Body::empty()),
        }
    };
    Routes::from(axum::Router::new().fallback(reached))
}

fn all(recorder: &Recorder) -> Vec<Entry> {
    let (mut entries, mut place) = (Vec::new(), None);
    loop {
        let page = recorder.reader().follow(place).unwrap();
        entries.extend(page.found.into_iter().map(|found| found.entry));
        place = page.next;
        if page.is_end {
            return entries;
        }
    }
}

#[tokio::test]
async fn every_rpc_that_the_table_says_so_of_leaves_a_record_before_its_answer() {
    let dir = tempdir().unwrap();
    let recorder = Arc::new(recorder(dir.path(), Arc::new(SystemDisk)));
    let mut count = 0;
    for method in METHODS {
        let caller = match method.caller {
            CallerClass::Client | CallerClass::ClientOrMember => client(CLUSTER, "admin"),
            CallerClass::Peer | CallerClass::PeerWithToken | CallerClass::Member => {
                node(CLUSTER, REGION)
            }
            CallerClass::LinkedRegion => node(CLUSTER, LINKED),
            CallerClass::Stranger
            | CallerClass::StrangerWithToken
            | CallerClass::StrangerWithIdentity => None,
        };
        let door = door_with(routes(false), method.port, 8, Arc::clone(&recorder), None);
        let code = answer::code(&call(&door, method.path, caller).await);
        assert_eq!(code, Code::Ok, "{}", method.path);
        let entries = all(&recorder);
        if method.audited == Audited::Never {
            assert_eq!(entries.len(), count, "{}", method.path);
            continue;
        }
        count += 1;
        assert_eq!(entries.len(), count, "{}", method.path);
        let last = entries.last().unwrap();
        assert_eq!(
            (last.method.as_str(), last.result.as_str()),
            (method.name(), "allowed")
        );
        assert_ne!(last.request, [0; 16], "{}", method.path);
        let listener = if method.port == Port::Api {
            "api"
        } else {
            "peers"
        };
        assert_eq!(last.listener, listener, "{}", method.path);
    }
    assert!(count > 70, "{count} records");
}

#[tokio::test]
async fn every_refusal_leaves_a_record_but_that_of_a_probe() {
    let dir = tempdir().unwrap();
    let recorder = Arc::new(recorder(dir.path(), Arc::new(SystemDisk)));
    let mut count = 0;
    // Fewer than strangers and nodes may leave at once.
    for method in METHODS.iter().filter(|method| method.port == Port::Api) {
        let door = door_with(routes(true), method.port, 8, Arc::clone(&recorder), None);
        let answered = call(&door, method.path, client("another", "admin")).await;
        assert_ne!(answer::code(&answered), Code::Ok, "{}", method.path);
        count += usize::from(method.caller != CallerClass::Stranger);
        let entries = all(&recorder);
        assert_eq!(entries.len(), count, "{}", method.path);
        let last = entries.last().unwrap();
        assert_eq!(last.caller, "client/admin", "{}", method.path);
        let is_open = matches!(
            method.caller,
            CallerClass::Stranger
                | CallerClass::StrangerWithToken
                | CallerClass::StrangerWithIdentity
        );
        assert!(is_open || last.result == "denied", "{}", method.path);
    }
    let door = door_with(routes(true), Port::Api, 8, Arc::clone(&recorder), None);
    call(&door, "/x/Nothing", client(CLUSTER, "admin")).await;
    let last = all(&recorder).pop().unwrap();
    assert_eq!(
        (last.method.as_str(), last.resource.as_str()),
        ("Unlisted", "/x/Nothing")
    );
    assert_eq!(last.result, "UnknownOperationException");
    let vote = "/strongroom.raft.v1.RaftService/Vote";
    let peers = door_with(routes(false), Port::Peers, 8, Arc::clone(&recorder), None);
    call(&peers, vote, node("another", REGION)).await;
    let last = all(&recorder).pop().unwrap();
    assert_eq!(
        (last.method.as_str(), last.result.as_str()),
        ("Vote", "denied")
    );
}

#[tokio::test]
async fn a_flood_of_strangers_leaves_few_records_and_their_number() {
    let dir = tempdir().unwrap();
    let recorder = Arc::new(recorder(dir.path(), Arc::new(SystemDisk)));
    let door = door_with(routes(false), Port::Api, 8, Arc::clone(&recorder), None);
    let get = "/strongroom.secrets.v1.SecretsService/GetSecretValue";
    let flood = 5 * u64::from(STRANGER_RECORDS_BURST);
    for _ in 0..flood {
        let code = answer::code(&call(&door, get, None).await);
        assert_eq!(code, Code::Unauthenticated);
    }
    let few = u64::from(STRANGER_RECORDS_BURST) * 2;
    let count = all(&recorder).len() as u64;
    assert!(
        count >= u64::from(STRANGER_RECORDS_BURST) && count < few,
        "{count} records"
    );
    // Who has a right is recorded all the same.
    call(&door, get, client(CLUSTER, "admin")).await;
    assert_eq!(all(&recorder).pop().unwrap().caller, "client/admin");
}

/// The system's disk until it is full.
struct Filling(Arc<AtomicBool>);

struct FillingFile(Box<dyn DiskFile>, Arc<AtomicBool>);

impl Disk for Filling {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = SystemDisk.open(path)?;
        Ok(Box::new(FillingFile(file, Arc::clone(&self.0))))
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        SystemDisk.free_bytes(dir)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }
}

impl DiskFile for FillingFile {
    fn reserve(&self, bytes: u64) -> io::Result<()> {
        self.0.reserve(bytes)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self.1.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => self.0.write_at(bytes, offset),
        }
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.truncate(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_answered() {
    let (dir, is_full) = (tempdir().unwrap(), Arc::new(AtomicBool::new(false)));
    let disk = Arc::new(Filling(Arc::clone(&is_full)));
    let recorder = Arc::new(recorder(dir.path(), disk));
    let door = door_with(routes(false), Port::Api, 8, Arc::clone(&recorder), None);
    let service = "/strongroom.secrets.v1.SecretsService/";
    for (is_full_now, name, expected) in [
        (false, "GetSecretValue", Code::Ok),
        (true, "GetSecretValue", Code::Unavailable),
        (true, "PutSecretValue", Code::Unavailable),
        (false, "GetSecretValue", Code::Ok),
    ] {
        is_full.store(is_full_now, Ordering::SeqCst);
        let path = format!("{service}{name}");
        let answered = call(&door, &path, client(CLUSTER, "admin")).await;
        assert_eq!(answer::code(&answered), expected, "{name}");
        if is_full_now {
            assert!(answered.headers().contains_key("grpc-status-details-bin"));
        }
    }
    assert_eq!(all(&recorder).len(), 2);
}
