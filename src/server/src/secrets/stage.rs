//! UpdateSecretVersionStage.

use machine::{Command, UpdateSecretVersionStage};
use wire::secrets::v1::{UpdateSecretVersionStageRequest, UpdateSecretVersionStageResponse};

use super::ask::{Answer, Ask};
use super::permit::{Granted, Write};
use super::{About, Secrets, parse};
use crate::authz::Asked;
use crate::errors::Refusal;

impl Secrets {
    pub(super) async fn update_stage(
        &self,
        ask: Ask<UpdateSecretVersionStageRequest>,
    ) -> Result<Answer<UpdateSecretVersionStageResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let id = parse::secret_id(&message.secret_id)?;
        let label = parse::label(&message.version_stage)?;
        let version =
            |place, text: Option<&str>| text.map(|text| parse::version_id(place, text)).transpose();
        let remove_from = version(
            "removeFromVersionId",
            message.remove_from_version_id.as_deref(),
        )?;
        let move_to = version("moveToVersionId", message.move_to_version_id.as_deref())?;
        let view = self.view(&call, &reading, About::Change).await?;
        let asked = Asked::of("secretsmanager:UpdateSecretVersionStage")
            .with("secretsmanager:VersionStage", label.as_str());
        let Granted { secret, grant } = view.find_live_led(asked, &id)?;
        let uid = secret.uid;
        let region = view.into_region();
        let command = Command::UpdateSecretVersionStage(UpdateSecretVersionStage {
            uid,
            label,
            remove_from,
            move_to,
            seen: grant.seen(),
        });
        let write = Write {
            region,
            grant,
            command,
        };
        let changed = self.change(&call, &reading, write).await?;
        let message = UpdateSecretVersionStageResponse {
            arn: changed.arn.clone(),
            name: changed.secret.name.to_string(),
        };
        Ok(changed.answer(message))
    }
}
