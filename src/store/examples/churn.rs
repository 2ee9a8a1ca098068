//! Measures the space that rows take while they are overwritten, and how long renewing them takes.
//!
//! `cargo run --release -p strongroom-store --example churn [SECRETS] [PUTS] [RATIO]` writes the
//! rows of PUTS puts (400,000) to SECRETS secrets (1,000) that keep a hundred versions each, and
//! renews them past RATIO times what is alive (3); with 0 never, and then all of them lie in sled.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use strongroom_store::{
    Batch, Cipher, CipherFault, Packing, Place, Rows, RowsOptions, SledRows, Stamped,
};

type Failure = Box<dyn Error>;

/// Puts in one batch of rows, and batches between two checkpoints: about what a busy node writes in
/// a tenth of a second, and in five.
const BATCH_PUTS: u64 = 145;
const CHECKPOINT_BATCHES: u64 = 50;
const VERSIONS_KEPT: u64 = 102;
const JOURNAL_ROWS: u64 = 65_536;
const REPORTS: u64 = 10;
/// First bytes of keys, as in the machine.
const WRAP: u8 = 0x08;
const SECRET: u8 = 0x48;
const VERSION: u8 = 0x49;
const JOURNAL: u8 = 0x70;

/// Leaves blocks as they are: the space is measured, not the cipher.
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

/// Numbers that look random (xorshift), the same in each run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// What the machine would write.
struct Load {
    noise: Noise,
    /// A secret's uid, and the ordinal of its next version.
    secrets: Vec<([u8; 16], u64)>,
    journal: std::ops::Range<u64>,
}

type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

impl Load {
    fn new(secrets: u64) -> Load {
        let mut noise = Noise(88_172_645_463_325_252);
        let uids = (0..secrets).map(|_| {
            let halves = [noise.next().to_le_bytes(), noise.next().to_le_bytes()];
            let mut uid = [0; 16];
            uid.copy_from_slice(&halves.concat());
            (uid, 0)
        });
        Load {
            secrets: uids.collect(),
            noise: Noise(1),
            journal: 0..0,
        }
    }

    fn batch(&mut self) -> Batch {
        let mut changes = Changes::new();
        (0..BATCH_PUTS).for_each(|_| self.put(&mut changes));
        let mut batch = Batch {
            meta: self.noise.bytes(300),
            ..Batch::default()
        };
        for (key, row) in changes {
            match row {
                Some(row) => batch.puts.push((key, row)),
                None => batch.deletes.push(key),
            }
        }
        batch
    }

    fn put(&mut self, changes: &mut Changes) {
        let at = self.noise.next() as usize % self.secrets.len();
        let Some((uid, next)) = self.secrets.get_mut(at) else {
            return;
        };
        let (uid, ordinal) = (*uid, *next);
        *next += 1;
        changes.insert(
            key(VERSION, uid, Some(ordinal)),
            Some(self.noise.bytes(330)),
        );
        changes.insert(key(WRAP, uid, Some(ordinal)), Some(self.noise.bytes(115)));
        changes.insert(key(SECRET, uid, None), Some(self.noise.bytes(480)));
        self.journal(changes, 350);
        self.journal(changes, 680);
        if let Some(pruned) = ordinal.checked_sub(VERSIONS_KEPT) {
            changes.insert(key(VERSION, uid, Some(pruned)), None);
            changes.insert(key(WRAP, uid, Some(pruned)), None);
            self.journal(changes, 280);
        }
    }

    fn journal(&mut self, changes: &mut Changes, bytes: usize) {
        let feed = [1; 16];
        let row = self.noise.bytes(bytes);
        changes.insert(key(JOURNAL, feed, Some(self.journal.end)), Some(row));
        self.journal.end += 1;
        if self.journal.end - self.journal.start > JOURNAL_ROWS {
            changes.insert(key(JOURNAL, feed, Some(self.journal.start)), None);
            self.journal.start += 1;
        }
    }
}

fn key(kind: u8, uid: [u8; 16], number: Option<u64>) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend(uid);
    key.extend(number.into_iter().flat_map(u64::to_be_bytes));
    key
}

fn main() -> Result<(), Failure> {
    let argument = |at, usual: u64| {
        let text = std::env::args().nth(at);
        text.map_or(Ok(usual), |text| text.parse())
    };
    let (secrets, puts, ratio) = (argument(1, 1_000)?, argument(2, 400_000)?, argument(3, 3)?);
    let scratch = tempfile::tempdir()?;
    let stamped = Stamped {
        cluster: [1; 16],
        region: "eu-north-1".to_owned(),
        node: 1,
    };
    let options = RowsOptions {
        cache_bytes: 1 << 30,
        packing: Some(Packing {
            first_byte: JOURNAL,
            key_bytes: 25,
        }),
    };
    let dir = scratch.path().join("rows");
    let rows = SledRows::open(&dir, &stamped, Arc::new(Clear), options)?.rows;
    let mut load = Load::new(secrets.max(1));
    let (begun, batches) = (Instant::now(), (puts / BATCH_PUTS).max(1));
    let (mut renewals, mut took, mut most) = (0, Duration::ZERO, 0.0_f64);
    for number in 1..=batches {
        rows.write(load.batch())?;
        if number % CHECKPOINT_BATCHES == 0 {
            rows.checkpoint()?;
            let space = rows.space()?;
            most = most.max(space.disk_bytes as f64 / space.live_bytes.max(1) as f64);
            if ratio > 0 && space.disk_bytes > space.live_bytes * ratio {
                let since = Instant::now();
                rows.begin_renewal()?;
                rows.renew(&mut ())?;
                renewals += 1;
                took += since.elapsed();
            }
        }
        if number % (batches / REPORTS).max(1) == 0 {
            let (space, done) = (rows.space()?, number * BATCH_PUTS);
            println!(
                "{done} puts, {:.0}/s: {} MB alive, {} MB on disk, at most {most:.1} times what \
                 is alive; {renewals} renewals in {took:.1?}",
                done as f64 / begun.elapsed().as_secs_f64(),
                space.live_bytes >> 20,
                space.disk_bytes >> 20,
            );
        }
    }
    Ok(())
}
