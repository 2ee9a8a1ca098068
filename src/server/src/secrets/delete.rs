//! DeleteSecret and RestoreSecret.

use machine::{Arn, Command, DeleteSecret, RestoreSecret, SecretId};
use wire::secrets::v1::{
    DeleteSecretRequest, DeleteSecretResponse, RestoreSecretRequest, RestoreSecretResponse,
};

use super::ask::{Answer, Ask};
use super::create::arn_suffix;
use super::permit::{Granted, Write};
use super::{About, Basis, Secrets, parse};
use crate::authz::Asked;
use crate::clock;
use crate::errors::{Reason, Refusal};
use crate::limits::{RECOVERY_WINDOW_DAYS, RECOVERY_WINDOW_DAYS_DEFAULT};
use crate::times::timestamp;

impl Secrets {
    pub(super) async fn delete(
        &self,
        ask: Ask<DeleteSecretRequest>,
    ) -> Result<Answer<DeleteSecretResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let id = parse::secret_id(&message.secret_id)?;
        let window_days = window_days(&message)?;
        let view = self.view(&call, &reading, About::Change).await?;
        let mut asked = Asked::of("secretsmanager:DeleteSecret");
        asked = match window_days {
            Some(days) => asked.with("secretsmanager:RecoveryWindowInDays", days.to_string()),
            None => asked,
        };
        let forced = message.force_delete_without_recovery.to_string();
        let asked = asked.with("secretsmanager:ForceDeleteWithoutRecovery", forced);
        let (uid, grant) = match view.find_led(asked, &id) {
            Ok(Granted { secret, grant }) => (secret.uid, grant),
            // The service reports success for what is not there, when told to force.
            Err(refusal)
                if message.force_delete_without_recovery
                    && refusal.reason() == Reason::ResourceNotFound =>
            {
                return already_gone(&view, &id);
            }
            Err(refusal) => return Err(refusal),
        };
        let region = view.into_region();
        let command = Command::DeleteSecret(DeleteSecret {
            uid,
            window_days,
            seen: grant.seen(),
        });
        let write = Write {
            region,
            grant,
            command,
        };
        let changed = self.change(&call, &reading, write).await?;
        let deletion = changed.secret.deletion;
        let due = deletion.map_or_else(clock::now, |deletion| deletion.due);
        let message = DeleteSecretResponse {
            arn: changed.arn.clone(),
            name: changed.secret.name.to_string(),
            deletion_date: Some(timestamp(due)),
        };
        Ok(changed.answer(message))
    }

    pub(super) async fn restore(
        &self,
        ask: Ask<RestoreSecretRequest>,
    ) -> Result<Answer<RestoreSecretResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let id = parse::secret_id(&message.secret_id)?;
        let view = self.view(&call, &reading, About::Change).await?;
        let asked = Asked::of("secretsmanager:RestoreSecret");
        let Granted { secret, grant } = view.find_led(asked, &id)?;
        let uid = secret.uid;
        let region = view.into_region();
        let command = Command::RestoreSecret(RestoreSecret {
            uid,
            seen: grant.seen(),
        });
        let write = Write {
            region,
            grant,
            command,
        };
        let changed = self.change(&call, &reading, write).await?;
        let message = RestoreSecretResponse {
            arn: changed.arn.clone(),
            name: changed.secret.name.to_string(),
        };
        Ok(changed.answer(message))
    }
}

fn window_days(message: &DeleteSecretRequest) -> Result<Option<u32>, Refusal> {
    match (
        message.recovery_window_in_days,
        message.force_delete_without_recovery,
    ) {
        (Some(_), true) => Err(Refusal::parameter(
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        )),
        (None, true) => Ok(None),
        (None, false) => Ok(Some(RECOVERY_WINDOW_DAYS_DEFAULT)),
        (Some(days), false) if RECOVERY_WINDOW_DAYS.contains(&days) => Ok(u32::try_from(days).ok()),
        (Some(_), false) => Err(Refusal::parameter(
            "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
        )),
    }
}

fn already_gone(view: &Basis, id: &SecretId) -> Result<Answer<DeleteSecretResponse>, Refusal> {
    let account = view.who.account().clone();
    let (name, suffix) = match id {
        SecretId::Name(name) => (name.clone(), arn_suffix()?),
        SecretId::Arn(arn) => match (arn.split(), arn.whole()) {
            (Some((name, suffix)), _) => (name, suffix),
            (None, Some(name)) => (name, arn_suffix()?),
            (None, None) => return Err(Refusal::no_secret()),
        },
    };
    let arn = Arn {
        region: view.region.clone(),
        account,
        name: name.clone(),
        suffix,
    };
    let message = DeleteSecretResponse {
        arn: arn.to_string(),
        name: name.to_string(),
        deletion_date: Some(timestamp(clock::now())),
    };
    view.answer(message)
}
