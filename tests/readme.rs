//! Every command block of the README, and of the pages for operators, as a reader would type it.
//!
//! A document's blocks run one after the other in one shell, in an empty folder that looks like the
//! checkout. `cargo run --release` is the binary under test; scripts are only looked at, because
//! they run these tests.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use strongroom_tests::{binary, root};

#[test]
fn the_shell_commands_of_the_readme_work() {
    let blocks = blocks("README.md");
    let needs_python = |block: &Block| block.language != "sh" || block.text.contains("python");
    let blocks: Vec<Block> = blocks
        .into_iter()
        .filter(|block| !needs_python(block))
        .collect();
    run(&blocks);
}

#[test]
#[ignore = "installs the packages of tests/requirements.txt; scripts/test runs it"]
fn the_commands_of_the_readme_work_with_python_too() {
    run(&blocks("README.md"));
}

#[test]
fn the_commands_of_the_page_for_operators_work() {
    run_in(77, &blocks("docs/operations.md"));
}

#[test]
fn the_commands_of_the_page_for_regions_work() {
    // It goes on where the other page has a region.
    let page = fs::read_to_string(root().join("docs/operations.md")).expect("the page is there");
    let first = page.split("## Taking a node down").next();
    let lines = first.map_or(0, |first| first.lines().count());
    let mut both = blocks("docs/operations.md");
    both.retain(|block| block.line <= lines);
    both.extend(blocks("docs/regions.md"));
    run_in(78, &both);
}

#[test]
fn the_commands_of_the_page_for_access_work() {
    // It goes on where the README has a cluster.
    let mut both = blocks("README.md");
    both.truncate(2);
    both.extend(blocks("docs/access.md"));
    run(&both);
}

struct Block {
    language: String,
    text: String,
    line: usize,
}

/// The blocks of a document that are to be run: `sh`, and `python`, which becomes `get.py`.
fn blocks(document: &str) -> Vec<Block> {
    let text = fs::read_to_string(root().join(document)).expect("the document is there");
    let (mut blocks, mut open): (Vec<Block>, Option<Block>) = (Vec::new(), None);
    for (at, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                let language = language.to_owned();
                open = Some(Block {
                    language,
                    text: String::new(),
                    line: at + 1,
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => writeln!(block.text, "{line}").expect("a string takes all"),
            (None, None) => {}
        }
    }
    blocks.retain(|block| ["sh", "python"].contains(&block.language.as_str()));
    assert!(!blocks.is_empty(), "{document} has no command");
    blocks
}

fn run(blocks: &[Block]) {
    run_in(0, blocks);
}

/// Runs blocks with the addresses of hosts in a network of their own: other tests may listen on
/// those that the page shows. Without hosts the network is 0.
fn run_in(network: u8, blocks: &[Block]) {
    // Each of them is up to six nodes: one after the other, as a reader would.
    static ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a temporary folder");
    lay_out(folder.path());
    let mut script = PROLOGUE.to_owned();
    for block in blocks {
        writeln!(
            script,
            "echo \"== line {}, after $SECONDS s\" >&2",
            block.line
        )
        .expect("a string takes all");
        script.push_str(&translated(network, block));
    }
    let path = std::env::var("PATH").expect("there is a path");
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env(
            "PATH",
            format!("{}:{path}", folder.path().join("shims").display()),
        )
        // Sessions are kept below it.
        .env("HOME", folder.path())
        .env_remove("XDG_STATE_HOME")
        .stdin(Stdio::null())
        .output()
        .expect("bash can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    assert!(
        output.status.success(),
        "a command failed:\n{said}\n{printed}\n{log}"
    );
}

/// What runs before the blocks: everything in the background ends with the shell, and a server is
/// waited for until it is ready.
const PROLOGUE: &str = r#"
set -Eeuo pipefail
trap 'echo "failed: $BASH_COMMAND" >&2' ERR
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
until_ready() {
    for _ in $(seq 600); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    echo "not ready: $*" >&2
    exit 1
}
probe() (
    exec 3<>"/dev/tcp/$1/9420"
    printf 'GET /ready HTTP/1.0\r\n\r\n' >&3
    grep -q '200 OK' <&3
)
"#;

/// A block as the shell runs it: what would not end runs in the background, and before a region is
/// promoted the one that is lost ends.
fn translated(network: u8, block: &Block) -> String {
    if block.language == "python" {
        return format!("cat >get.py <<'PYTHON'\n{}PYTHON\n", block.text);
    }
    let mut script = String::new();
    for line in block.text.lines() {
        let line = line.replace("127.0.0.", &format!("127.0.{network}."));
        if line.starts_with("scripts/") {
            let name = line.split(' ').next().unwrap_or_default();
            writeln!(script, "test -x {name}")
        } else if line == "cargo run --release -- dev" {
            writeln!(
                script,
                "{line} >>log 2>&1 &\nuntil_ready strongroom dev status"
            )
        } else if let Some(rest) = line.strip_prefix("strongroom server --config host-") {
            let node = rest.split('/').next().unwrap_or_default();
            let started = format!("{line} >>log 2>&1 &\nhosts[{node}]=$!");
            // One that is started again may be the first of its region.
            match line.split(' ').count() {
                4 => writeln!(script, "{started}"),
                _ => writeln!(
                    script,
                    "{started}\nuntil_ready probe 127.0.{network}.{node}"
                ),
            }
        } else if network > 0 && line.starts_with("strongroom region promote") {
            let lost = "${hosts[1]} ${hosts[2]} ${hosts[3]}";
            writeln!(script, "kill -9 {lost}; wait {lost} || true\n{line}")
        } else {
            writeln!(script, "{line}")
        }
        .expect("a string takes all");
    }
    script
}

/// A folder like the checkout, with the binary under test as its release build.
fn lay_out(folder: &Path) {
    for name in ["deploy", "examples", "proto", "scripts", "tests"] {
        symlink(root().join(name), folder.join(name)).expect("a link can be made");
    }
    for name in ["target/release", "shims"] {
        fs::create_dir_all(folder.join(name)).expect("a folder can be made");
    }
    for name in ["target/release/strongroom", "shims/strongroom"] {
        symlink(binary(), folder.join(name)).expect("a link can be made");
    }
    let cargo = folder.join("shims/cargo");
    // cargo run --release -- dev, on free ports
    let shim = "#!/bin/sh\nexec strongroom dev --port 0\n";
    fs::write(&cargo, shim).expect("a file can be written");
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&cargo, executable).expect("a file can be made executable");
}
