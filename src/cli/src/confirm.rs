//! Asking before destructive work.

use std::io::{BufRead, IsTerminal, Read, Write};

use crate::limits::ANSWER_BYTES_MAX;

/// Why destructive work was not begun.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// The answer was not yes.
    #[error("not confirmed, nothing was changed")]
    Declined,
    /// There is nobody to ask.
    #[error("there is no terminal to ask for confirmation; add --yes")]
    NoTerminal,
    /// The terminal failed.
    #[error("cannot ask for confirmation")]
    Ask(#[source] std::io::Error),
}

/// Asks on the terminal whether to go on, unless the caller said `--yes`.
pub fn confirm(question: &str, yes: bool) -> Result<(), ConfirmError> {
    if yes {
        return Ok(());
    }
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(ConfirmError::NoTerminal);
    }
    let mut terminal = std::io::stderr();
    write!(terminal, "{question} [y/N] ").map_err(ConfirmError::Ask)?;
    terminal.flush().map_err(ConfirmError::Ask)?;
    let mut answer = String::new();
    input
        .lock()
        .take(ANSWER_BYTES_MAX)
        .read_line(&mut answer)
        .map_err(ConfirmError::Ask)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(ConfirmError::Declined),
    }
}
