//! Measures the group commit of the log: `cargo run --release --example log_throughput [DIR]`.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use strongroom_store::{Cipher, CipherFault, Log, Place, Record, Stamped, Wal, WalOptions};

/// Leaves blocks as they are: the disk is measured, not the cipher.
struct Clear;

impl Cipher for Clear {
    fn seal(&self, _: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
        Ok(plain.to_vec())
    }

    fn open(&self, _: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, CipherFault> {
        Ok(sealed.to_vec())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let dir = std::env::args()
        .nth(1)
        .map_or(scratch.path().to_path_buf(), PathBuf::from);
    let stamped = Stamped {
        cluster: [0; 16],
        region: "eu-west-1".into(),
        node: 1,
    };
    let wal = Wal::open(
        &dir.join("log"),
        &stamped,
        Arc::new(Clear),
        WalOptions::default(),
    )?;
    let mut next = 0;
    for pending_max in [1, 8, 64, 512] {
        let (answer, answered) = sync_channel(pending_max);
        let start = Instant::now();
        let (mut pending, mut count) = (0, 0);
        while start.elapsed() < Duration::from_secs(2) {
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
