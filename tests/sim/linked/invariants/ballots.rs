//! I5: no two regions acknowledge writes to one feed in one epoch, and none answers for a feed once
//! it has heard that another one has taken it over.

use crate::history::{Answer, Operation};
use crate::region;
use crate::violation::{Violation, violation};

pub const NAME: &str = "I5 one region at a time answers for a feed";

pub fn check(history: &[Operation]) -> Result<(), Violation> {
    for operation in history {
        let Some(answered) = &operation.answered else {
            continue;
        };
        let heard = match &answered.answer {
            Answer::Written(position, heard) => {
                if position.epoch.region != region::name(operation.region) {
                    let how = format!("a write in another region's epoch: {operation:?}");
                    return Err(violation(NAME, how));
                }
                heard
            }
            Answer::Saw(seen) => &seen.heard,
            Answer::Lost(..) => &None,
        };
        if let Some(heard) = heard {
            let how = format!("answered although ballot {heard} was heard: {operation:?}");
            return Err(violation(NAME, how));
        }
    }
    Ok(())
}
