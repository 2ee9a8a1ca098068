//! A table that stays in place on a terminal while what it shows changes.

use std::io::{IsTerminal, Write};

use rustix::termios::tcgetwinsize;

use crate::failure::Failure;
use crate::output::{heading, styled};

/// Columns and rows of a terminal that does not say.
const SIZE_DEFAULT: (usize, usize) = (80, 24);

/// The part of a terminal that was drawn last.
#[derive(Default)]
pub struct Live {
    lines: usize,
}

impl Live {
    /// Standard output, if it is a terminal.
    pub fn on_terminal() -> Option<Self> {
        std::io::stdout().is_terminal().then(Self::default)
    }

    /// Draws a text over the one before. What does not fit is cut, so that a line is a line.
    pub fn draw(&mut self, text: &str) -> Result<(), Failure> {
        let mut output = std::io::stdout().lock();
        let (columns, rows) = size(&output);
        let shown: Vec<String> = cut(text, columns, rows);
        let mut frame = String::new();
        if self.lines > 0 {
            // Up to the first line of before, then nothing of it is left.
            frame.push_str(&format!("\u{1b}[{}A\r\u{1b}[J", self.lines));
        }
        let bold = styled(&output);
        for (at, line) in shown.iter().enumerate() {
            frame.push_str(&heading(line, bold && at == 0));
            frame.push('\n');
        }
        self.lines = shown.len();
        output
            .write_all(frame.as_bytes())
            .and_then(|()| output.flush())
            .map_err(Failure::Output)
    }
}

fn size(output: &impl std::os::fd::AsFd) -> (usize, usize) {
    match tcgetwinsize(output) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 1 => {
            (usize::from(size.ws_col), usize::from(size.ws_row))
        }
        _ => SIZE_DEFAULT,
    }
}

/// What of a text fits, with one row left for the cursor.
fn cut(text: &str, columns: usize, rows: usize) -> Vec<String> {
    let lines = text.lines().take(rows.saturating_sub(1).max(1));
    lines
        .map(|line| line.chars().take(columns).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut() {
        assert_eq!(cut("abcd\ne\nf", 3, 3), ["abc", "e"]);
        assert_eq!(cut("abcd", 80, 0), ["abcd"]);
    }
}
