//! Writes the inputs that fuzzing starts from into `corpus/`: every command and the rows that come
//! of them, texts in their proper forms, golden files, and a message of every kind. What is there
//! already stays.

mod files;
mod machine;
mod messages;
mod regions;
mod replication;
mod requests;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = Corpus(root.join("corpus"));
    let golden = root.join("../fixtures/storage/0.1.0");
    machine::machine(&corpus)?;
    regions::regions(&corpus)?;
    replication::replication(&corpus)?;
    files::names(&corpus)?;
    files::files(&corpus, &golden)?;
    files::directory(&corpus, &golden)?;
    files::certificates(&corpus)?;
    messages::messages(&corpus)?;
    requests::requests(&corpus)?;
    let config = fs::read(root.join("../../deploy/config/strongroom.toml"))?;
    corpus.add("config", "every-option", &config)
}

/// The directory of all corpora.
pub struct Corpus(PathBuf);

impl Corpus {
    fn add(&self, target: &str, name: &str, input: &[u8]) -> Result<(), Failure> {
        let dir = self.0.join(target);
        fs::create_dir_all(&dir)?;
        let path = dir.join(name);
        match path.exists() {
            true => Ok(()),
            false => Ok(fs::write(path, input)?),
        }
    }
}
