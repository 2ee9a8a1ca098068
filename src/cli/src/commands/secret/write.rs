//! The verbs that change secrets.

use client::secrets::v1::{
    CreateSecretRequest, DeleteSecretRequest, PutSecretValueRequest, ReplicationStatus,
    RestoreSecretRequest, Tag, TagResourceRequest, UntagResourceRequest, UpdateSecretRequest,
    UpdateSecretVersionStageRequest, create_secret_request, put_secret_value_request,
    update_secret_request,
};
use serde_json::json;

use super::show::{date, object, replica, replicas_json};
use super::{Session, replicas};
use crate::arguments::secret::{
    Create, Delete, Name, Put, Stage, Tag as TagOptions, Untag, Update,
};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::Answer;
use crate::value::Value;

pub async fn create(
    session: &Session,
    create: &Create,
    value: Option<Value>,
) -> Result<(), Failure> {
    type Kind = create_secret_request::Value;
    let request = CreateSecretRequest {
        name: create.name.clone(),
        client_request_token: create
            .token
            .client_request_token
            .clone()
            .unwrap_or_default(),
        description: create.description.clone().unwrap_or_default(),
        kms_key_id: create.kms_key_id.clone(),
        value: value.map(|value| value.into_kind(Kind::SecretString, Kind::SecretBinary)),
        tags: create.tag.iter().map(tag_of).collect(),
        add_replica_regions: replicas::wanted(&create.replicas.replica_region),
        force_overwrite_replica_secret: create.replicas.overwrite.force_overwrite,
        ..CreateSecretRequest::default()
    };
    let answer = session.client.create_secret(request).await?;
    let version = answer.version_id.as_deref();
    let replicas = &answer.replication_status;
    session.created(&answer.arn, &answer.name, version, replicas)
}

pub async fn put(session: &Session, put: &Put, value: Option<Value>) -> Result<(), Failure> {
    type Kind = put_secret_value_request::Value;
    let request = PutSecretValueRequest {
        secret_id: put.name.clone(),
        client_request_token: put.token.client_request_token.clone().unwrap_or_default(),
        value: value.map(|value| value.into_kind(Kind::SecretString, Kind::SecretBinary)),
        version_stages: put.stage.clone(),
        ..PutSecretValueRequest::default()
    };
    let answer = session.client.put_secret_value(request).await?;
    session.written(
        &answer.arn,
        &answer.name,
        Some(&answer.version_id),
        &answer.version_stages,
    )
}

pub async fn update(
    session: &Session,
    update: &Update,
    value: Option<Value>,
) -> Result<(), Failure> {
    type Kind = update_secret_request::Value;
    let request = UpdateSecretRequest {
        secret_id: update.name.clone(),
        client_request_token: update
            .token
            .client_request_token
            .clone()
            .unwrap_or_default(),
        description: update.description.clone(),
        kms_key_id: update.kms_key_id.clone(),
        value: value.map(|value| value.into_kind(Kind::SecretString, Kind::SecretBinary)),
        ..UpdateSecretRequest::default()
    };
    let answer = session.client.update_secret(request).await?;
    session.written(&answer.arn, &answer.name, answer.version_id.as_deref(), &[])
}

pub async fn stage(session: &Session, stage: &Stage) -> Result<(), Failure> {
    let request = UpdateSecretVersionStageRequest {
        secret_id: stage.name.clone(),
        version_stage: stage.label.clone(),
        remove_from_version_id: stage.remove_from.clone(),
        move_to_version_id: stage.move_to.clone(),
    };
    let answer = session.client.update_secret_version_stage(request).await?;
    session.written(&answer.arn, &answer.name, None, &[])
}

/// Asks whether to delete; what can be restored needs no question.
pub fn confirm_delete(delete: &Delete) -> Result<(), Failure> {
    let question = if delete.force {
        format!(
            "Delete {} at once, with all its versions? It cannot be restored.",
            delete.name
        )
    } else {
        let days = delete.recovery_window_days.unwrap_or(30);
        format!(
            "Delete {}? It can be restored for {days} days.",
            delete.name
        )
    };
    Ok(confirm(&question, delete.yes.yes)?)
}

pub async fn delete(session: &Session, delete: &Delete) -> Result<(), Failure> {
    let request = DeleteSecretRequest {
        secret_id: delete.name.clone(),
        recovery_window_in_days: delete.recovery_window_days.map(i64::from),
        force_delete_without_recovery: delete.force,
    };
    let answer = session.client.delete_secret(request).await?;
    let deletion = answer
        .deletion_date
        .map(|at| date(at.seconds, at.nanos))
        .unwrap_or_default();
    let json = object(vec![
        ("ARN", json!(answer.arn)),
        ("Name", json!(answer.name)),
        ("DeletionDate", json!(deletion)),
    ]);
    let fields = vec![
        ("Name", answer.name),
        ("ARN", answer.arn),
        ("Deletion date", deletion),
    ];
    Answer::fields(fields, json).print(session.format)
}

pub async fn restore(session: &Session, secret: &Name) -> Result<(), Failure> {
    let request = RestoreSecretRequest {
        secret_id: secret.name.clone(),
    };
    let answer = session.client.restore_secret(request).await?;
    session.written(&answer.arn, &answer.name, None, &[])
}

pub async fn tag(session: &Session, tag: &TagOptions) -> Result<(), Failure> {
    let tags = tag.tags.iter().map(tag_of).collect();
    let request = TagResourceRequest {
        secret_id: tag.name.clone(),
        tags,
    };
    session.client.tag_resource(request).await?;
    Answer::line(format!("tagged {}", tag.name), json!({})).print(session.format)
}

pub async fn untag(session: &Session, untag: &Untag) -> Result<(), Failure> {
    let request = UntagResourceRequest {
        secret_id: untag.name.clone(),
        tag_keys: untag.keys.clone(),
    };
    session.client.untag_resource(request).await?;
    Answer::line(format!("untagged {}", untag.name), json!({})).print(session.format)
}

impl Session {
    /// Prints what was created, and the replicas that are being made.
    fn created(
        &self,
        arn: &str,
        name: &str,
        version: Option<&str>,
        replicas: &[ReplicationStatus],
    ) -> Result<(), Failure> {
        let json = object(vec![
            ("ARN", json!(arn)),
            ("Name", json!(name)),
            ("VersionId", json!(version)),
            ("ReplicationStatus", replicas_json(replicas)),
        ]);
        let mut fields = vec![
            ("Name", name.to_owned()),
            ("ARN", arn.to_owned()),
            ("Version", version.unwrap_or_default().to_owned()),
        ];
        fields.extend(replicas.iter().map(|status| ("Replica", replica(status))));
        Answer::fields(fields, json).print(self.format)
    }

    /// Prints what a write left.
    fn written(
        &self,
        arn: &str,
        name: &str,
        version: Option<&str>,
        stages: &[String],
    ) -> Result<(), Failure> {
        let json = object(vec![
            ("ARN", json!(arn)),
            ("Name", json!(name)),
            ("VersionId", json!(version)),
            ("VersionStages", json!(stages)),
        ]);
        let fields = vec![
            ("Name", name.to_owned()),
            ("ARN", arn.to_owned()),
            ("Version", version.unwrap_or_default().to_owned()),
            ("Labels", stages.join(" ")),
        ];
        Answer::fields(fields, json).print(self.format)
    }
}

fn tag_of((key, value): &(String, String)) -> Tag {
    Tag {
        key: key.clone(),
        value: value.clone(),
    }
}
