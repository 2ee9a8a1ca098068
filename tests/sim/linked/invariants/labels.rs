//! I6: a secret with versions has one AWSCURRENT, and at most one AWSPREVIOUS.

use machine::{Label, Secret};

use crate::violation::{Violation, violation};

pub const NAME: &str = "I6 one version is current";

pub fn check(secret: &Secret) -> Result<(), Violation> {
    let holders = |label: &str| {
        let versions = secret.versions.iter();
        versions.filter(|version| version.holds(label)).count()
    };
    let (current, previous) = (holders(Label::CURRENT), holders(Label::PREVIOUS));
    let versions = secret.versions.len();
    if current == versions.min(1) && previous <= 1 {
        return Ok(());
    }
    let how = format!("{versions} versions, {current} current, {previous} previous");
    Err(violation(NAME, how))
}
