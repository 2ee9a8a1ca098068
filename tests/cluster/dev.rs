//! `strongroom dev`: what it prints can be pasted, its data is kept, and its refusals are
//! sentences.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::Value as Json;

use strongroom_tests::Process;
use strongroom_tests::shell::{Environment, command, shell, strongroom, until};

struct Dev {
    process: Process,
    output: PathBuf,
    directory: String,
}

impl Dev {
    /// Starts a region in a directory and waits until it is ready.
    fn start(parent: &Path, name: &str, more: &[&str]) -> Self {
        let dev = Self::begin(parent, name, more);
        dev.wait();
        dev
    }

    fn begin(parent: &Path, name: &str, more: &[&str]) -> Self {
        let directory = parent.join("dev").display().to_string();
        let output = parent.join(format!("{name}.out"));
        let arguments = [&["dev", "--dir", &directory][..], more].concat();
        let mut command = command(strongroom_tests::binary(), &Environment::new(), &arguments);
        command.current_dir(parent);
        let process = Process::start(&mut command, &output, &parent.join(format!("{name}.err")));
        Self {
            process,
            output,
            directory,
        }
    }

    fn wait(&self) {
        until("the region is ready", || {
            let printed = self.printed();
            let ready = printed.contains("Ctrl-C") || printed.ends_with("}\n");
            assert!(
                self.process.errors().is_empty(),
                "{}",
                self.process.errors()
            );
            ready.then_some(())
        });
    }

    fn printed(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    fn ask(&self, verb: &[&str]) -> Json {
        let arguments = [
            &["dev"][..],
            verb,
            &["--dir", &self.directory, "-o", "json"],
        ]
        .concat();
        strongroom(&Environment::new(), &arguments).done().json()
    }

    fn environment(&self) -> Environment {
        let variables = self.ask(&["env"]);
        let variables = variables.as_object().unwrap().iter();
        variables
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().into()))
            .collect()
    }
}

#[test]
fn the_printed_lines_run_and_a_restart_keeps_what_they_made() {
    let parent = tempfile::tempdir().unwrap();
    let dev = Dev::start(parent.path(), "first", &["--port", "0"]);
    let printed = dev.printed();
    let lines: Vec<&str> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with("grpcurl") && !line.starts_with("examples/"))
        .collect();
    assert!(lines.len() >= 12, "{printed}");
    // One shell runs all of them, as one terminal would.
    let script = format!("set -e\n{}", lines.join("\n"));
    let run = shell(&Environment::new(), parent.path(), &script).done();
    assert!(run.output.contains("two"), "{run:?}");

    // As the example's own page says, whose packages the system's Python does not have.
    assert!(
        printed.contains("  examples/grpc/python/venv/bin/python "),
        "{printed}"
    );
    assert_eq!(dev.process.terminate().code(), Some(0));
    let printed = std::fs::read_to_string(&dev.output).unwrap();
    assert!(
        printed
            .trim_end()
            .ends_with(&format!("are kept in {}.", dev.directory)),
        "{printed}"
    );
    let again = Dev::start(parent.path(), "second", &["-o", "json"]);
    let get = ["secret", "get", "demo/db", "--raw"];
    assert_eq!(strongroom(&again.environment(), &get).done().output, "two");
    let here: Environment = vec![("STRONGROOM_DEV_DIR".into(), again.directory.clone())];
    assert_eq!(
        strongroom(&here, &get).done().output,
        "two",
        "found without being told"
    );
}

#[test]
fn nodes_stop_and_start_by_command_and_an_interrupt_ends_all() {
    let parent = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(parent.path(), "dev", &["--port", "0", "-o", "json"]);
    let role = |nodes: &Json, id: u64| {
        let nodes = nodes["nodes"].as_array().unwrap();
        nodes.iter().find(|node| node["id"] == id).unwrap()["role"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let leads = |nodes: &Json| (1..=3).find(|id| role(nodes, *id) == "leader");
    let leader = until("a leader", || leads(&dev.ask(&["status"])));
    let stopped = dev.ask(&["stop-node", &leader.to_string()]);
    assert_eq!(role(&stopped, leader), "stopped");
    until("another leader", || leads(&dev.ask(&["status"])));
    let environment = dev.environment();
    let value = parent.path().join("value").display().to_string();
    std::fs::write(&value, "one").unwrap();
    let create = ["secret", "create", "without-the-leader", "--value-file"];
    strongroom(&environment, &[&create[..], &[&value]].concat()).done();
    dev.ask(&["start-node", &leader.to_string()]);
    until("it is back", || {
        (role(&dev.ask(&["status"]), leader) == "follower").then_some(())
    });

    // One node alone asks nobody, and has nobody to hand over to when it ends.
    let others = (1..=3).filter(|id| *id != leader);
    others.for_each(|id| {
        dev.ask(&["stop-node", &id.to_string()]);
    });
    let get = ["secret", "get", "without-the-leader", "--raw", "--eventual"];
    assert_eq!(strongroom(&environment, &get).done().output, "one");
    check_without_quorum(&dev, leader);

    // openraft calls every peer that stops an error, many times a minute.
    let log = std::fs::read_to_string(Path::new(&dev.directory).join("dev.log")).unwrap();
    assert!(
        log.contains("node started") && !log.contains("openraft"),
        "{log}"
    );
    let socket = Path::new(&dev.directory).join("control.sock");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let asked = Instant::now();
    dev.process.signal("INT");
    assert_eq!(dev.process.ended().code(), Some(0));
    println!("ended {:?} after the interrupt", asked.elapsed());
    assert!(!socket.exists());
    let status = strongroom(
        &Environment::new(),
        &["dev", "status", "--dir", &dev.directory],
    );
    assert_eq!(status.code, Some(69));
    let reset = ["dev", "reset", "--yes", "--dir", &dev.directory];
    strongroom(&Environment::new(), &reset).done();
    assert!(!Path::new(&dev.directory).exists());
}

/// What is said of a region of which one node alone runs, which may still take itself for the
/// leader.
fn check_without_quorum(dev: &Dev, alone: u64) {
    let of = |nodes: &Json, id: u64| nodes[usize::try_from(id).unwrap() - 1].clone();
    let nodes = until("it says that it has no quorum", || {
        let nodes = dev.ask(&["status"])["nodes"].clone();
        (of(&nodes, alone)["readiness"] == "no-quorum").then_some(nodes)
    });
    let mut others = (1..=3).filter(|id| *id != alone);
    assert!(
        others.all(|id| of(&nodes, id)["readiness"] == ""),
        "{nodes}"
    );
    let environment = dev.environment();
    let api = of(&nodes, alone)["api"].as_str().unwrap().to_owned();
    let status = ["node", "status", "--endpoint", &api];
    let status = strongroom(&environment, &status).done().output;
    assert!(status.contains("no-quorum"), "{status}");
    // Its word counts, and not the refused connections of the others; on a busy machine it may
    // come too late.
    let read = ["secret", "get", "without-the-leader", "--timeout", "3"];
    let read = until("the node that runs is heard", || {
        let read = strongroom(&environment, &read);
        assert!(!read.errors.contains("a write"), "{read:?}");
        (read.code == Some(69)).then_some(read)
    });
    assert!(!read.errors.contains("no answer"), "{read:?}");
}

#[test]
fn each_obstacle_is_one_sentence_with_its_cure() {
    let parent = tempfile::tempdir().unwrap();
    let dev = Dev::start(parent.path(), "dev", &["--port", "0", "-o", "json"]);
    let refused = |arguments: &[&str], code: i32, cure: &str| {
        let finished = strongroom(&Environment::new(), &[&["dev"][..], arguments].concat());
        assert_eq!(finished.code, Some(code), "{finished:?}");
        assert_eq!(
            finished.errors.trim_end().lines().count(),
            1,
            "{finished:?}"
        );
        assert!(finished.errors.contains(cure), "{finished:?}");
    };
    refused(&["--dir", &dev.directory], 69, "kill ");
    refused(&["reset", "--yes", "--dir", &dev.directory], 69, "kill ");
    let other = parent.path().join("other").display().to_string();
    let nodes = dev.ask(&["status"]);
    let api = nodes["nodes"][0]["api"].as_str().unwrap();
    let port = api.rsplit(':').next().unwrap();
    refused(&["--dir", &other, "--port", port], 69, "--port 0");
    assert!(!Path::new(&other).exists(), "nothing is left of it");
    refused(&["env", "--dir", &other], 66, "strongroom dev");
    drop(dev);

    let kept = parent.path().join("dev");
    let record = kept.join("dev.toml");
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, text.replace("format = 1", "format = 7")).unwrap();
    refused(&["--dir", &kept.display().to_string()], 65, "later release");
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("mine"), "").unwrap();
    refused(&["--dir", &files.path().display().to_string()], 65, "--dir");
    refused(&["--dir", "/proc/strongroom-dev"], 66, "--dir");
}

#[test]
#[ignore = "needs Python"]
fn the_python_example_runs_while_one_node_is_stopped() {
    let parent = tempfile::tempdir().unwrap();
    let dev = Dev::start(parent.path(), "dev", &["--port", "0", "-o", "json"]);
    dev.ask(&["stop-node", "1"]);
    let root = strongroom_tests::root();
    let python = strongroom_tests::python();
    let made = Command::new(&python)
        .args(["-m", "grpc_tools.protoc", "-I"])
        .arg(root.join("proto"))
        .arg(format!("--python_out={}", parent.path().display()))
        .arg(format!("--grpc_python_out={}", parent.path().display()))
        .arg("strongroom/secrets/v1/secrets.proto")
        .status()
        .unwrap();
    assert!(made.success());
    let example = Command::new(&python)
        .arg(root.join("examples/grpc/python/example.py"))
        .env("PYTHONPATH", parent.path())
        .envs(dev.environment())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&example.stdout);
    let errors = String::from_utf8_lossy(&example.stderr);
    assert!(example.status.success(), "{output}{errors}");
    for said in ["read 5 characters", "batch:", "changed:", "no such secret"] {
        assert!(output.contains(said), "{output}{errors}");
    }
}
