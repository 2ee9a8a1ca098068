//! Manual pages and shell completions, made from the command line's own description.

use std::io::Write;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::arguments::Arguments;
use crate::failure::Failure;

/// Prints the completion script of a shell.
pub fn completion(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "strongroom", &mut script);
    std::io::stdout()
        .write_all(&script)
        .map_err(Failure::Output)
}

/// Writes one page per command into a directory, or prints the first page.
pub fn pages(directory: Option<&Path>) -> Result<(), Failure> {
    let mut command = Arguments::command();
    command.build();
    let Some(directory) = directory else {
        let mut text = Vec::new();
        page(&command).render(&mut text).map_err(Failure::Output)?;
        return std::io::stdout().write_all(&text).map_err(Failure::Output);
    };
    std::fs::create_dir_all(directory)
        .and_then(|()| write_pages(&command, directory))
        .map_err(|source| Failure::Manual {
            directory: directory.to_owned(),
            source,
        })
}

fn write_pages(command: &Command, directory: &Path) -> std::io::Result<()> {
    page(command).generate_to(directory)?;
    command
        .get_subcommands()
        .try_for_each(|below| write_pages(below, directory))
}

fn page(command: &Command) -> Man {
    Man::new(command.clone())
        .source("strongroom")
        .manual("Strongroom")
}
