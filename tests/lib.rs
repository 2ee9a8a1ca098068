//! What tests of more than one crate share: the built binary, and the programs around it.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "it is part of the tests, and should end them"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub use faults::Order;
pub use hosts::Hosts;
pub use process::{Process, processor_time};
pub use region::{Plan, REGION, Region, SMALL_STORAGE};
pub use roads::Roads;
pub use tap::{Network, Place, source};

pub mod dev;
mod faults;
pub mod gaps;
mod hosts;
mod process;
mod region;
mod roads;
pub mod shell;
pub mod stalls;
mod tap;

/// The `strongroom` binary, built once per test process unless `STRONGROOM_BINARY` names one.
///
/// # Panics
///
/// When it does not build.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("STRONGROOM_BINARY") {
        Some(path) => root().join(path),
        None => build(),
    })
}

/// The Python that `scripts/test` installs, with the packages of `tests/requirements.txt`.
pub fn python() -> PathBuf {
    root().join("target/venv/bin/python")
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--locked",
        "--quiet",
        "--package",
        "strongroom-cli",
    ]);
    let built = command
        .current_dir(root())
        .status()
        .is_ok_and(|status| status.success());
    assert!(built, "cargo build --package strongroom-cli failed");
    root().join("target/debug/strongroom")
}
