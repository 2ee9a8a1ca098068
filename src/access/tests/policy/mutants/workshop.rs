//! Where mutants are built: a small workspace with a copy of the engine and the program that
//! judges, below the target directory. All builds share what they have in common.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Mutant;

/// The judge's manifest; versions are those of the workspace.
const JUDGE: &str = "[package]
name = \"judge\"
version = \"0.0.0\"
edition.workspace = true
publish = false

[dependencies]
serde.workspace = true
serde_json.workspace = true
strongroom-access = { path = \"../src/access\" }
";

/// The manifest of the engine alone.
const ENGINE: &str = "[package]
name = \"strongroom-access\"
version = \"0.0.0\"
edition.workspace = true
publish = false

[dependencies]
base64.workspace = true
serde.workspace = true
serde_json.workspace = true
thiserror.workspace = true
";
/// Modules of the package that policies know nothing of: they would only be built again and again.
const OTHERS: &[&str] = &["jwt", "session", "sigv4"];

/// A copy of the engine to change.
pub struct Workshop(PathBuf);

impl Workshop {
    /// Makes the workspace anew, but for what was built in it before.
    pub fn new() -> Workshop {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants");
        for folder in ["src", "judge"] {
            if root.join(folder).exists() {
                fs::remove_dir_all(root.join(folder)).expect("the old copy can be removed");
            }
        }
        let ours = package();
        let workspace = ours.join("../..");
        fs::create_dir_all(root.join("judge/src")).expect("a folder can be made");
        write(
            &root.join("Cargo.toml"),
            &manifest(&read(&workspace.join("Cargo.toml"))),
        );
        write(
            &root.join("Cargo.lock"),
            &read(&workspace.join("Cargo.lock")),
        );
        write(&root.join("judge/Cargo.toml"), JUDGE);
        let tests = ours.join("tests/policy");
        for (from, to) in [
            ("mutants/judge.rs", "main.rs"),
            ("case.rs", "case.rs"),
            ("engine.rs", "engine.rs"),
        ] {
            let to = root.join("judge/src").join(to);
            write(&to, &read(&tests.join(from)));
        }
        let engine = root.join("src/access");
        copy(&ours.join("src"), &engine.join("src"));
        let head = engine.join("src/lib.rs");
        let lines = OTHERS.iter().fold(read(&head), |text, other| {
            text.replace(&format!("pub mod {other};\n"), "")
        });
        write(&head, &lines);
        write(&engine.join("Cargo.toml"), ENGINE);
        Workshop(root)
    }

    /// Judges cases, a line each, with the engine as it is here now; nothing if it ends early.
    pub fn judge(&self, cases: &str) -> Option<Vec<String>> {
        let target = self.0.join("target");
        let built = Command::new(std::env::var("CARGO").unwrap_or("cargo".into()))
            .args(["build", "--offline", "--quiet", "--package", "judge"])
            .current_dir(&self.0)
            .env("CARGO_TARGET_DIR", &target)
            // Judging takes longer than building does without.
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .output()
            .expect("cargo can be run");
        let errors = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "it does not build:\n{errors}");
        let input = self.0.join("cases.jsonl");
        write(&input, cases);
        let judged = Command::new(target.join("debug/judge"))
            .stdin(File::open(&input).expect("the cases can be read"))
            .stderr(Stdio::null())
            .output()
            .expect("the judge can be run");
        let outcomes = String::from_utf8_lossy(&judged.stdout);
        let outcomes = outcomes.lines().map(str::to_string).collect();
        judged.status.success().then_some(outcomes)
    }

    /// Changes the copy as a mutant says.
    pub fn change(&self, mutant: &Mutant) {
        let original = read(&package().join("src").join(mutant.file));
        let changed = original.replacen(mutant.text, mutant.replacement, 1);
        write(&self.0.join("src/access/src").join(mutant.file), &changed);
    }

    /// Takes the change back.
    pub fn restore(&self, mutant: &Mutant) {
        let original = read(&package().join("src").join(mutant.file));
        write(&self.0.join("src/access/src").join(mutant.file), &original);
    }
}

/// How often a mutant's text is in its file.
pub fn occurrences(mutant: &Mutant) -> usize {
    let path = package().join("src").join(mutant.file);
    read(&path).matches(mutant.text).count()
}

fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The manifest of the workspace, of these two members.
fn manifest(ours: &str) -> String {
    let (head, rest) = ours
        .split_once("members = [")
        .expect("a workspace has members");
    let (_, tail) = rest.split_once(']').expect("a list ends");
    format!("{head}members = [\"src/access\", \"judge\"]{tail}")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("a folder can be listed") {
        let path = entry.expect("an entry can be read").path();
        let to = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).expect("a file can be copied");
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
