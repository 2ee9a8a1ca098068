//! Answers cases with the engine that it was built with: a line of JSON each on standard input, a
//! line with the outcome each on standard output. The test of the mutants copies this file.

mod case;
mod engine;

use std::error::Error;
use std::io::{self, BufRead as _, BufWriter, Write as _};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let case: case::Case = serde_json::from_str(&line?)?;
        writeln!(out, "{:?}", engine::answer(&case).outcome)?;
    }
    out.flush()?;
    Ok(())
}
