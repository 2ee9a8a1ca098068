//! `strongroom upgrade`.

use client::admin::v1::{FinalizeUpgradeRequest, FinalizeUpgradeResponse};
use serde_json::json;

use super::connect;
use crate::arguments::upgrade::{Upgrade, Verb};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Answer, Format};

/// Carries out one verb.
pub fn run(upgrade: &Upgrade, format: Format) -> Result<(), Failure> {
    let Verb::Finalize(yes) = &upgrade.verb;
    super::block_on(async {
        let question =
            "Turn on the newest rules? Afterwards no older release can run in this region.";
        confirm(question, yes.yes)?;
        let client = connect::client(&upgrade.connection)?;
        let answer = client.finalize_upgrade(FinalizeUpgradeRequest {}).await?;
        finalized(&answer).print(format)
    })
}

fn finalized(answer: &FinalizeUpgradeResponse) -> Answer {
    let FinalizeUpgradeResponse { before, now } = *answer;
    let json = json!({ "machine_version_before": before, "machine_version": now });
    let line = match before == now {
        true => format!("machine version {now} was in force already; nothing was changed"),
        false => format!("machine version {now} is in force, it was {before}"),
    };
    Answer::line(line, json)
}
