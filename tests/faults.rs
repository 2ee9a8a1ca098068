//! Faults of the machine below a node, by a library that stands before the C library's calls.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tap::{self, Place};

/// What can be ordered of a node's machine; zero is health. In the order of `orders` in `faults.c`.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// What every sync of a file waits before it begins, in microseconds.
    SyncDelay,
    /// The error that every sync answers.
    SyncError,
    /// The error of every change that takes more space.
    SpaceError,
    /// The error of every change.
    ChangeError,
    /// What the wall clock is ahead, in milliseconds.
    WallClock,
    /// What the other clocks run faster, in millionths.
    ClockRate,
}

const ORDERS: usize = 6;

/// The library, built once, and the orders of each node, in one folder.
pub struct Faults {
    folder: PathBuf,
}

impl Faults {
    /// Builds the library; a C compiler is there wherever Rust links.
    pub fn new(folder: &Path) -> Self {
        let faults = Self {
            folder: folder.into(),
        };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("faults.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .args([&faults.library(), &source])
            .args(["-ldl", "-lpthread"])
            .status();
        assert!(built.unwrap().success(), "faults.c does not compile");
        faults
    }

    /// What a node is started with, for its data directory to be below `root`.
    pub fn environment(&self, place: Place, root: &Path) -> Vec<(String, String)> {
        let path = |path: &Path| path.display().to_string();
        let orders = self.orders(place.node);
        if !orders.exists() {
            std::fs::write(&orders, [0; ORDERS * size_of::<i64>()]).unwrap();
        }
        vec![
            ("LD_PRELOAD".into(), path(&self.library())),
            ("FAULTS_ORDERS".into(), path(&orders)),
            ("FAULTS_ROOT".into(), path(root)),
            ("FAULTS_SOURCE".into(), tap::source(place).to_string()),
        ]
    }

    /// Orders something of a node's machine, from now on.
    pub fn order(&self, node: u64, order: Order, value: i64) {
        let orders = File::options().write(true).open(self.orders(node)).unwrap();
        let place = order as u64 * size_of::<i64>() as u64;
        orders.write_all_at(&value.to_ne_bytes(), place).unwrap();
    }

    fn library(&self) -> PathBuf {
        self.folder.join("faults.so")
    }

    fn orders(&self, node: u64) -> PathBuf {
        self.folder.join(format!("node-{node}.orders"))
    }
}
