//! Measures the log's group commit, and the rows' batches and checkpoints.
//!
//! `cargo run --release -p strongroom-store --example throughput [DIR]`; without a directory it
//! measures the one for temporary files, which may lie in memory.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use strongroom_store::{
    Batch, Cipher, CipherFault, Log, Place, Record, Rows, RowsOptions, SledRows, Stamped, Wal,
    WalOptions,
};

const SPAN: Duration = Duration::from_secs(2);

/// Leaves blocks as they are: the disk is measured, not the cipher.
struct Clear;

impl Cipher for Clear {
    fn seal(&self, _: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
        Ok(plain.to_vec())
    }

    fn open(&self, _: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, CipherFault> {
        Ok(sealed.to_vec())
    }

    fn is_current(&self, _: &[u8]) -> bool {
        true
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let dir = std::env::args()
        .nth(1)
        .map_or(scratch.path().to_path_buf(), PathBuf::from);
    log(&dir.join("log"))?;
    rows(&dir.join("rows"))
}

fn stamped() -> Stamped {
    Stamped {
        cluster: [0; 16],
        region: "eu-west-1".into(),
        node: 1,
    }
}

fn log(dir: &Path) -> Result<(), Box<dyn Error>> {
    let wal = Wal::open(dir, &stamped(), Arc::new(Clear), WalOptions::default())?;
    let mut next = 0;
    for pending_max in [1, 8, 64, 512] {
        let (answer, answered) = sync_channel(pending_max);
        let start = Instant::now();
        let (mut pending, mut count) = (0, 0);
        while start.elapsed() < SPAN {
            while pending < pending_max {
                let answer = answer.clone();
                let record = Record {
                    index: next,
                    mark: vec![0; 24],
                    body: vec![7; 1024],
                };
                wal.append(vec![record], Box::new(move |done| drop(answer.send(done))));
                next += 1;
                pending += 1;
            }
            answered.recv()??;
            pending -= 1;
            count += 1;
        }
        let rate = f64::from(count) / start.elapsed().as_secs_f64();
        println!("{pending_max:>4} appends of 1 KiB pending: {rate:>8.0} durable appends/s");
        for _ in 0..pending {
            answered.recv()??;
        }
    }
    Ok(())
}

fn rows(dir: &Path) -> Result<(), Box<dyn Error>> {
    let rows = SledRows::open(dir, &stamped(), Arc::new(Clear), RowsOptions::default())?.rows;
    for batch_rows in [1, 10, 100, 1000] {
        let (start, mut count) = (Instant::now(), 0u64);
        while start.elapsed() < SPAN {
            let row = |at: u64| {
                // An odd factor visits all of 2^17 keys, in no order.
                let key = (count + at).wrapping_mul(0x9e37_79b9) % (1 << 17);
                (key.to_be_bytes().to_vec(), vec![7; 1024])
            };
            let puts = (0..batch_rows).map(row).collect();
            rows.write(Batch {
                puts,
                deletes: Vec::new(),
                meta: vec![0; 200],
            })?;
            count += batch_rows;
        }
        let written = start.elapsed();
        rows.checkpoint()?;
        let checkpoint = start.elapsed() - written;
        let rate = count as f64 / written.as_secs_f64();
        println!(
            "{batch_rows:>4} rows of 1 KiB a batch: {rate:>8.0} rows/s, then {checkpoint:.0?}"
        );
    }
    println!("{:?}", rows.space()?);
    drop(rows);
    let start = Instant::now();
    let rows = SledRows::open(dir, &stamped(), Arc::new(Clear), RowsOptions::default())?.rows;
    println!("opened and verified in {:.0?}", start.elapsed());
    let start = Instant::now();
    println!(
        "scanned {} rows in {:.0?}",
        rows.scan().count(),
        start.elapsed()
    );
    Ok(())
}
