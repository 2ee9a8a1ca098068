//! Measures what recording costs: records per second and CPU per record, beside a bare `write(2)`
//! of as many bytes into a file that is set aside in the same way, and synced as often.
//!
//! `cargo run --release -p strongroom-audit --example recording [DIR]`; without a directory it
//! measures the one for temporary files, which may lie in memory.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use envelope::StorageKeyring;
use rustix::time::{ClockId, clock_gettime};
use strongroom_audit::{
    Cipher, CipherFault, Disk, Fault, Kind, Options, Outcome, Owner, Position, Record, Room,
    Syncing, SystemDisk, Time, Trail, Watcher, verify,
};

const SPAN: Duration = Duration::from_secs(2);
const FILE_BYTES: u64 = 64 << 20;
const SYNC_EACH: Duration = Duration::from_millis(100);

type Failure = Box<dyn Error + Send + Sync>;

/// The cipher of nodes.
struct Sealing(StorageKeyring);

impl Cipher for Sealing {
    fn seal(&self, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
        let sealed = self.0.seal("audit", place, plain);
        sealed.map_err(|error| CipherFault::Seal(error.into()))
    }

    fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CipherFault> {
        let opened = self.0.open("audit", place, sealed);
        opened.map_err(|_| CipherFault::Open)
    }
}

/// Prints what a node would act on.
struct Printing;

impl Watcher for Printing {
    fn room_changed(&self, room: Room) {
        println!("room is {room:?} now");
    }

    fn failed(&self, fault: &Fault) {
        println!("the trail failed: {fault}");
    }
}

fn main() -> Result<(), Failure> {
    let scratch = tempfile::tempdir()?;
    let dir = std::env::args()
        .nth(1)
        .map_or(scratch.path().to_path_buf(), PathBuf::from);
    for threads in [1, 2, 8] {
        let bytes = recorded(&dir, threads, Syncing::Interval(SYNC_EACH))?;
        written(&dir, threads, bytes)?;
    }
    for threads in [1, 8, 64] {
        recorded(&dir, threads, Syncing::Each)?;
    }
    Ok(())
}

fn record(at: u64) -> Record<'static> {
    Record {
        time: Time(1_796_030_999_000_000_000 + at * 1000),
        kind: Kind::Call,
        caller: "arn:aws:sts::123456789012:assumed-role/deploy/ci-4711",
        session: "ci-4711",
        address: Some([192, 0, 2, 7].into()),
        listener: "api",
        method: "GetSecretValue",
        resource: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db/password-a1b2c3",
        version: "0f0e0d0c-0b0a-0908-0706-050403020100",
        stage: "AWSCURRENT",
        outcome: Outcome::Allowed,
        statement: "policy readers, statement AllowDeploy",
        request: u128::from(at).to_be_bytes(),
        position: Some(Position {
            feed: "home:eu-west-1",
            epoch: 3,
            epoch_region: "eu-west-1",
            revision: at,
        }),
    }
}

/// Records from several threads; answers how many bytes a record has.
fn recorded(dir: &Path, threads: u64, syncing: Syncing) -> Result<usize, Failure> {
    let dir = tempfile::tempdir_in(dir)?;
    let owner = Owner {
        cluster: [7; 16],
        region: "eu-west-1".into(),
        node: 1,
    };
    let options = Options {
        file_bytes: FILE_BYTES,
        syncing,
        ..Options::default()
    };
    let (disk, watcher) = (Arc::new(SystemDisk), Arc::new(Printing));
    let (cipher, now) = (Sealing(StorageKeyring::generate([7; 16])?), record(0).time);
    let cipher = Arc::new(cipher);
    let trail = Trail::open(dir.path(), owner, options, cipher, disk, watcher, now)?;
    let what = match syncing {
        Syncing::Interval(_) => "recorded, synced each 100 ms",
        Syncing::Each => "recorded, each synced",
    };
    let count = measure(what, threads, |at| {
        let ticket = trail.record(&record(at))?;
        trail.wait(ticket)?;
        Ok(())
    })?;
    let held = trail.held();
    drop(trail);
    let begun = Instant::now();
    let verified = verify(dir.path())?;
    let rate = verified.bytes as f64 / begun.elapsed().as_secs_f64() / f64::from(1 << 20);
    println!(
        "    {} verified, {} breaks, {rate:.0} MiB/s",
        verified.records, verified.breaks
    );
    Ok(usize::try_from(held.bytes / count.max(1))?)
}

/// Writes as many bytes with nothing around it.
fn written(dir: &Path, threads: u64, bytes: usize) -> Result<(), Failure> {
    let dir = tempfile::tempdir_in(dir)?;
    let file = SystemDisk.open(&dir.path().join("bare"))?;
    file.reserve(FILE_BYTES)?;
    let (line, offset) = (vec![b'a'; bytes], AtomicU64::new(0));
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let syncing = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                std::thread::park_timeout(SYNC_EACH);
                file.sync()?;
            }
            std::io::Result::Ok(())
        });
        let what = format!("bare writes of {bytes} bytes, synced each 100 ms");
        let measured = measure(&what, threads, |_| {
            let at = offset.fetch_add(bytes as u64, Ordering::Relaxed);
            file.write_at(&line, at % (FILE_BYTES - bytes as u64))?;
            Ok(())
        });
        is_over.store(true, Ordering::Relaxed);
        syncing
            .join()
            .map_err(|_| "the syncing thread panicked")??;
        measured.map(drop)
    })
}

/// Calls for a while from several threads, and prints what it took.
fn measure(
    what: &str,
    threads: u64,
    call: impl Fn(u64) -> Result<(), Failure> + Sync,
) -> Result<u64, Failure> {
    let count = AtomicU64::new(0);
    let (begun, cpu) = (Instant::now(), cpu());
    let results: Vec<Result<(), Failure>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    while begun.elapsed() < SPAN {
                        call(count.fetch_add(1, Ordering::Relaxed))?;
                    }
                    Ok(())
                })
            })
            .collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined
            .map(|joined| joined.unwrap_or_else(|_| Err("a thread panicked".into())))
            .collect()
    });
    let (took, cpu) = (begun.elapsed(), self::cpu() - cpu);
    results.into_iter().collect::<Result<(), Failure>>()?;
    let count = count.into_inner();
    let rate = count as f64 / took.as_secs_f64();
    let cost = cpu.as_secs_f64() * 1e6 / count as f64;
    println!("{threads:>3} threads: {rate:>8.0}/s, {cost:>6.2} us CPU each: {what}");
    Ok(count)
}

/// What the process has used.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let whole = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
    whole + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}
