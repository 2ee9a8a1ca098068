//! `strongroom dev` in a process of its own: two regions in one call.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::Process;
use crate::shell::{Environment, Finished, command, strongroom, until};

/// A running `strongroom dev`; killed when dropped.
pub struct Dev {
    /// The process.
    pub process: Process,
    /// Where everything is.
    pub directory: String,
    /// What it writes to standard output.
    pub output: PathBuf,
}

impl Dev {
    /// Starts regions in the directory `dev` of another one and waits until they are ready.
    #[track_caller]
    pub fn start(parent: &Path, name: &str, more: &[&str]) -> Self {
        let dev = Self::begin(parent, name, more);
        dev.wait();
        dev
    }

    fn begin(parent: &Path, name: &str, more: &[&str]) -> Self {
        let directory = parent.join("dev").display().to_string();
        let output = parent.join(format!("{name}.out"));
        let arguments = [&["dev", "--dir", &directory][..], more].concat();
        let mut command = command(crate::binary(), &Environment::new(), &arguments);
        command.current_dir(parent);
        let process = Process::start(&mut command, &output, &parent.join(format!("{name}.err")));
        Self {
            process,
            directory,
            output,
        }
    }

    #[track_caller]
    fn wait(&self) {
        until("the regions are ready", || {
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

    /// What it wrote to standard output.
    pub fn printed(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Asks it something and takes the answer as JSON.
    #[track_caller]
    pub fn ask(&self, verb: &[&str]) -> Json {
        let arguments = [
            &["dev"][..],
            verb,
            &["--dir", &self.directory, "-o", "json"],
        ]
        .concat();
        strongroom(&Environment::new(), &arguments).done().json()
    }

    /// What a caller of a region has in its environment.
    #[track_caller]
    pub fn environment(&self, region: &str) -> Environment {
        let variables = self.ask(&["env", "--region", region]);
        let variables = variables.as_object().unwrap().iter();
        variables
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().into()))
            .collect()
    }

    /// Stops or starts all nodes of a region.
    #[track_caller]
    pub fn all_nodes(&self, verb: &str, region: &str) {
        for node in ["1", "2", "3"] {
            self.ask(&[verb, node, "--region", region]);
        }
    }

    /// Runs a command in a region.
    #[track_caller]
    pub fn within(&self, region: &str, arguments: &[&str]) -> Finished {
        strongroom(&self.environment(region), arguments)
    }
}
