//! What the machine under a test did meanwhile: syncs that took long, a thread that woke late.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a stall is remembered.
const MEMORY: Duration = Duration::from_secs(30);
/// What a sleeper sleeps at a time.
const NAP: Duration = Duration::from_millis(1);
/// What a scribe waits between two syncs.
const BREATH: Duration = Duration::from_millis(10);

/// Stalls by their ends, of the last half minute.
#[derive(Default)]
pub struct Stalls(Mutex<VecDeque<(Instant, Duration)>>);

impl Stalls {
    /// Notes one that ends now.
    pub fn note(&self, took: Duration) {
        let now = Instant::now();
        let mut stalls = self.0.lock().unwrap();
        while stalls.front().is_some_and(|(end, _)| *end + MEMORY < now) {
            stalls.pop_front();
        }
        stalls.push_back((now, took));
    }

    /// The longest that has a part in this time, in milliseconds.
    pub fn longest_ms(&self, from: Instant, to: Instant) -> f64 {
        let stalls = self.0.lock().unwrap();
        let has_part = |end: Instant, took: Duration| end >= from && end <= to + took;
        let within = stalls.iter().filter(|(end, took)| has_part(*end, *took));
        let longest = within.map(|(_, took)| *took).max().unwrap_or_default();
        longest.as_secs_f64() * 1e3
    }
}

/// A thread that notes its stalls until it is dropped.
pub struct Watcher {
    stalls: Arc<Stalls>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Naps for a millisecond at a time, and notes by how much it overslept.
    pub fn of_scheduling() -> Self {
        Self::repeat(|stalls| {
            let began = Instant::now();
            std::thread::sleep(NAP);
            stalls.note(began.elapsed().saturating_sub(NAP));
        })
    }

    /// Writes to a file of its own in a folder, and notes how long each `fdatasync` took.
    pub fn of_disk(folder: &Path) -> Self {
        let file = File::create(folder.join("scribble")).unwrap();
        let mut number = 0_u64;
        Self::repeat(move |stalls| {
            number += 1;
            file.write_all_at(&number.to_le_bytes(), number % 512 * 8)
                .unwrap();
            let began = Instant::now();
            file.sync_data().unwrap();
            stalls.note(began.elapsed());
            std::thread::sleep(BREATH);
        })
    }

    /// What it has noted.
    pub fn stalls(&self) -> &Stalls {
        &self.stalls
    }

    fn repeat(mut turn: impl FnMut(&Stalls) + Send + 'static) -> Self {
        let (stalls, is_over) = (Arc::<Stalls>::default(), Arc::<AtomicBool>::default());
        let (notes, over) = (Arc::clone(&stalls), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                turn(&notes);
            }
        });
        Self {
            stalls,
            is_over,
            thread: Some(thread),
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
