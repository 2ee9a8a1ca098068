//! I6: a secret with versions has one AWSCURRENT, and the labels move together.

use machine::{Label, Secret};

use crate::history::{Violation, violation};

pub const NAME: &str = "I6 one version is current and labels move together";

pub fn check(secret: &Secret) -> Result<(), Violation> {
    let holders = |label: &str| {
        let holds = secret
            .versions
            .iter()
            .filter(|version| version.holds(label));
        holds.count()
    };
    let (current, previous) = (holders(Label::CURRENT), holders(Label::PREVIOUS));
    let versions = secret.versions.len();
    if current == versions.min(1) && previous == usize::from(versions > 1) {
        return Ok(());
    }
    let how = format!("{versions} versions, {current} current, {previous} previous");
    Err(violation(NAME, how))
}
