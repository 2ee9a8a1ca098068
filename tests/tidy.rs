//! The style of the house, as a test: what two people would otherwise argue about in a review.
//!
//! Each rule prints every place that breaks it, as `path:line: sentence`.

use std::path::{Path, PathBuf};

mod tidy {
    pub mod catalogue;
    pub mod documents;
    pub mod edges;
    pub mod limits;
    pub mod rust;
    pub mod text;
}

use tidy::{catalogue, documents, edges, limits, rust, text};

#[test]
fn crates_depend_only_as_the_design_says() {
    report(&edges::turned_back(&edges::metadata(&root())));
}

#[test]
fn foreign_crates_are_reached_only_through_their_owner() {
    report(&edges::foreign(&edges::metadata(&root())));
}

#[test]
fn dependencies_are_permissive_and_come_from_one_registry() {
    report(&edges::licences_and_sources(&edges::metadata(&root())));
}

#[test]
fn lines_and_files_keep_their_limits() {
    report(&text::too_long(&sources()));
}

#[test]
fn text_files_are_clean() {
    report(&text::unclean(&sources()));
}

#[test]
fn names_say_what_a_file_holds() {
    report(&text::empty_names(&sources()));
}

#[test]
fn functions_keep_their_limit_and_nothing_unwraps_outside_tests() {
    report(&rust::check(&sources()));
}

#[test]
fn foreign_words_stay_with_their_owner() {
    report(&rust::foreign_words(&sources()));
}

#[test]
fn specifications_do_not_reach_what_they_specify() {
    report(&rust::second_opinions(&sources()));
}

#[test]
fn every_rpc_is_in_the_method_table() {
    report(&catalogue::methods(&sources()));
}

#[test]
fn every_metric_is_in_its_catalogue() {
    report(&catalogue::metrics(&sources()));
}

#[test]
fn every_error_is_explained() {
    report(&catalogue::errors(&sources()));
}

#[test]
fn scripts_are_executable_and_strict() {
    report(&documents::scripts(&root()));
}

#[test]
fn documents_name_only_what_exists() {
    report(&documents::references(&root(), &sources()));
}

#[test]
fn the_page_of_limits_says_what_the_code_says() {
    report(&limits::page(&root(), &sources()));
}

#[test]
fn everything_that_grows_has_a_cap_and_a_metric() {
    report(&limits::growth(&sources()));
}

#[test]
fn documents_and_code_hold_no_path_of_a_machine() {
    report(&documents::machine_paths(&sources()));
}

/// One file under version control, by its path from the root.
pub struct Source {
    /// Its path from the root of the workspace.
    pub path: String,
    /// All of it.
    pub text: String,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// A breach of a rule at a line.
pub fn breach(path: &str, line: usize, sentence: impl AsRef<str>) -> String {
    format!("{path}:{line}: {}", sentence.as_ref())
}

/// The root of the workspace.
fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("tests is a folder of the workspace")
        .to_path_buf()
}

/// Every text file of ours; what is built, and what is golden, is not.
fn sources() -> Vec<Source> {
    let root = root();
    let skipped = ["target", ".git", "node_modules", "__pycache__", ".venv"];
    let entries = walkdir::WalkDir::new(&root).sort_by_file_name().into_iter();
    entries
        .filter_entry(|entry| !skipped.iter().any(|name| entry.file_name() == *name))
        .map(|entry| entry.expect("the workspace can be listed"))
        .filter(|entry| entry.file_type().is_file())
        .filter_map(|entry| {
            let text = std::fs::read_to_string(entry.path()).ok()?;
            let path = entry.path().strip_prefix(&root).expect("below the root");
            Some(Source {
                path: path.to_string_lossy().into_owned(),
                text,
            })
        })
        .collect()
}

#[track_caller]
fn report(breaches: &[String]) {
    let count = breaches.len();
    assert!(
        breaches.is_empty(),
        "{count} to tidy:\n{}\n",
        breaches.join("\n")
    );
}
