//! `strongroom config`.

use std::path::{Path, PathBuf};

use serde_json::json;
use server::Config;

use crate::arguments::server::ConfigVerb;
use crate::failure::Failure;
use crate::output::{self, Answer, Format};

/// Why a configuration that can be read cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFailure {
    /// The configuration is not valid.
    #[error(transparent)]
    Load(#[from] server::config::ConfigError),
    /// A file it names cannot be read.
    #[error("the option {option} names {}, which cannot be read", .path.display())]
    File {
        /// Section and option.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A path is not UTF-8.
    #[error("the configuration cannot be written as TOML")]
    Show(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Carries out one verb.
pub fn run(verb: &ConfigVerb, format: Format) -> Result<(), Failure> {
    match verb {
        ConfigVerb::Validate(file) => {
            validate(&file.config)?;
            let path = file.config.display();
            let line = format!("{path} is valid");
            Answer::line(line, json!({ "valid": true })).print(format)
        }
        ConfigVerb::Show(file) => show(&file.config, format),
    }
}

/// Reads the configuration and the files it names.
fn validate(path: &Path) -> Result<(), ConfigFailure> {
    let config = Config::load(Some(path))?;
    let files = [
        ("tls.certificate", config.tls.certificate),
        ("tls.key", config.tls.key),
        ("tls.authority", config.tls.authority),
        ("seal.root_key", config.seal.root_key),
    ];
    for (option, path) in files {
        std::fs::File::open(&path).map_err(|source| ConfigFailure::File {
            option,
            path,
            source,
        })?;
    }
    Ok(())
}

fn show(path: &Path, format: Format) -> Result<(), Failure> {
    let config = Config::load(Some(path)).map_err(ConfigFailure::from)?;
    match format {
        Format::Json => {
            let json = serde_json::to_value(&config)
                .map_err(|error| ConfigFailure::Show(Box::new(error)))?;
            output::print_line(&format!("{json:#}"))
        }
        Format::Table => {
            let toml = config
                .to_toml()
                .map_err(|error| ConfigFailure::Show(Box::new(error)))?;
            output::print_line(toml.trim_end())
        }
    }
}
