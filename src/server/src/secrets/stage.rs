//! UpdateSecretVersionStage.

use machine::{Command, Seen, UpdateSecretVersionStage};
use wire::secrets::v1::{UpdateSecretVersionStageRequest, UpdateSecretVersionStageResponse};

use super::ask::{Answer, Ask};
use super::{About, Secrets, parse};
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
        let uid = view.find_live_led(&id)?.uid;
        let region = view.into_region();
        let command = Command::UpdateSecretVersionStage(UpdateSecretVersionStage {
            uid,
            label,
            remove_from,
            move_to,
            seen: Seen::default(),
        });
        let changed = self.change(&call, region, command).await?;
        let message = UpdateSecretVersionStageResponse {
            arn: changed.arn.clone(),
            name: changed.secret.name.to_string(),
        };
        Ok(changed.answer(message))
    }
}
