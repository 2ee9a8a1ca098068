//! I2: no acknowledged write is lost, and nothing is there that nobody wrote.

use std::collections::BTreeSet;

use crate::history::{Kind, Operation, Violation, violation};

pub const NAME: &str = "I2 an acknowledged write is never lost";

/// `order` is, per secret, every version that is there in the end, oldest first.
pub fn check(history: &[Operation], order: &[Vec<u64>]) -> Result<(), Violation> {
    let mut written = BTreeSet::new();
    for operation in history {
        let Kind::Write(number) = operation.kind else {
            continue;
        };
        written.insert((operation.secret, number));
        let is_there = order[operation.secret].contains(&number);
        if operation.answered.is_some() && !is_there {
            let how = format!("secret {} lost write {number}", operation.secret);
            return Err(violation(NAME, how));
        }
    }
    for (secret, numbers) in order.iter().enumerate() {
        let strange = |number: &&u64| !written.contains(&(secret, **number));
        if let Some(number) = numbers.iter().find(strange) {
            let how = format!("secret {secret} has version {number}, which nobody wrote");
            return Err(violation(NAME, how));
        }
    }
    Ok(())
}
