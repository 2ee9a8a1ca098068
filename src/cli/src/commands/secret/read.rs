//! The verbs that read values.

use std::io::Write;

use client::secrets::v1::{
    ApiError, BatchGetSecretValueRequest, GetRandomPasswordRequest, GetSecretValueRequest,
    SecretValueEntry, get_secret_value_response, secret_value_entry,
};
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use super::show::{date, hidden, object, shown, shown_json};
use super::{Session, list};
use crate::arguments::secret::{BatchGet, Get, RandomPassword};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Answer, Format};
use crate::value::Value;

pub async fn get(session: &Session, get: &Get) -> Result<(), Failure> {
    let request = GetSecretValueRequest {
        secret_id: get.name.clone(),
        version_id: get.version_id.clone(),
        version_stage: get.stage.clone(),
    };
    let mut answer = session.client.get_secret_value(request).await?;
    let value = answer.value.take().map(|value| match value {
        get_secret_value_response::Value::SecretString(text) => Value::Text(Zeroizing::new(text)),
        get_secret_value_response::Value::SecretBinary(bytes) => {
            Value::Binary(Zeroizing::new(bytes))
        }
    });
    if let (true, Some(value)) = (get.destination.raw, &value) {
        return value.write_to_output();
    }
    if let (Some(path), Some(value)) = (&get.destination.output_file, &value) {
        value.write_to_file(path)?;
    }
    let entry = Entry {
        arn: answer.arn.clone(),
        name: answer.name.clone(),
        version: answer.version_id.clone(),
        stages: answer.version_stages.clone(),
        created: answer
            .created_date
            .map(|at| date(at.seconds, at.nanos))
            .unwrap_or_default(),
        value,
    };
    let text = entry
        .value
        .as_ref()
        .map(|value| match &get.destination.output_file {
            Some(path) => format!("written to {}", path.display()),
            None if get.destination.show => shown(value),
            None => format!("{} (--show, --raw or --output-file)", hidden(value)),
        });
    let fields = vec![
        ("Name", entry.name.clone()),
        ("ARN", entry.arn.clone()),
        ("Version", entry.version.clone()),
        ("Labels", entry.stages.join(" ")),
        ("Created", entry.created.clone()),
        ("Value", text.unwrap_or_default()),
    ];
    Answer::fields(fields, entry.json(get.destination.show)).print(session.format)
}

pub async fn batch_get(session: &Session, batch: &BatchGet) -> Result<(), Failure> {
    let mut entries = Vec::new();
    let mut errors = Vec::new();
    let mut next_token = String::new();
    loop {
        let request = BatchGetSecretValueRequest {
            secret_id_list: batch.names.clone(),
            filters: list::filters(&batch.filters)?,
            max_results: None,
            next_token,
        };
        let mut page = session.client.batch_get_secret_value(request).await?;
        entries.extend(
            std::mem::take(&mut page.secret_values)
                .into_iter()
                .map(Entry::from),
        );
        errors.extend(std::mem::take(&mut page.errors));
        next_token = std::mem::take(&mut page.next_token);
        if next_token.is_empty() {
            break;
        }
    }
    let values: Vec<Json> = entries.iter().map(|entry| entry.json(batch.show)).collect();
    let failed: Vec<Json> = errors
        .iter()
        .map(|error| {
            json!({ "SecretId": error.secret_id, "ErrorCode": error.error_code,
                    "Message": error.message })
        })
        .collect();
    let json = json!({ "SecretValues": values, "Errors": failed });
    let incomplete = incomplete(&errors, entries.len());
    let mut rows: Vec<Vec<String>> = entries.iter().map(|entry| entry.row(batch.show)).collect();
    rows.extend(errors.into_iter().map(|error| {
        vec![
            error.secret_id,
            String::new(),
            format!("{}: {}", error.error_code, error.message),
        ]
    }));
    Answer::rows(vec!["NAME", "VERSION", "VALUE"], rows, json).print(session.format)?;
    incomplete.map_or(Ok(()), Err)
}

/// Why a batch of which so many were read is not complete, if it is not.
fn incomplete(errors: &[ApiError], read: usize) -> Option<Failure> {
    let is_missing = |error: &ApiError| error.error_code == "ResourceNotFoundException";
    let exit = match errors.iter().all(is_missing) {
        true => Exit::Missing,
        false => Exit::Refused,
    };
    let (failed, count) = (errors.len(), errors.len() + read);
    (failed > 0).then_some(Failure::Batch {
        failed,
        count,
        exit,
    })
}

pub async fn random_password(session: &Session, options: &RandomPassword) -> Result<(), Failure> {
    let request = GetRandomPasswordRequest {
        password_length: Some(i64::from(options.length)),
        exclude_characters: options.exclude_characters.clone(),
        exclude_numbers: options.exclude_numbers,
        exclude_punctuation: options.exclude_punctuation,
        exclude_uppercase: options.exclude_uppercase,
        exclude_lowercase: options.exclude_lowercase,
        include_space: options.include_space,
        require_each_included_type: Some(!options.any_types),
    };
    let mut answer = session.client.get_random_password(request).await?;
    let password = Zeroizing::new(std::mem::take(&mut answer.random_password));
    match session.format {
        Format::Json => {
            let json = json!({ "RandomPassword": password.as_str() });
            Answer::line(String::new(), json).print(session.format)
        }
        // Printing it is what was asked for; the line goes out without another copy.
        Format::Table => {
            let mut output = std::io::stdout().lock();
            output
                .write_all(password.as_bytes())
                .and_then(|()| output.write_all(b"\n"))
                .map_err(Failure::Output)
        }
    }
}

/// One secret that was read.
struct Entry {
    arn: String,
    name: String,
    version: String,
    stages: Vec<String>,
    created: String,
    value: Option<Value>,
}

impl Entry {
    fn json(&self, show: bool) -> Json {
        let mut members = vec![
            ("ARN", json!(self.arn)),
            ("Name", json!(self.name)),
            ("VersionId", json!(self.version)),
            ("VersionStages", json!(self.stages)),
            ("CreatedDate", json!(self.created)),
        ];
        members.extend(self.value.iter().filter(|_| show).map(shown_json));
        object(members)
    }

    fn row(&self, show: bool) -> Vec<String> {
        let value = self.value.as_ref();
        let text = value.map(|value| if show { shown(value) } else { hidden(value) });
        vec![
            self.name.clone(),
            self.version.clone(),
            text.unwrap_or_default(),
        ]
    }
}

impl From<SecretValueEntry> for Entry {
    fn from(mut entry: SecretValueEntry) -> Self {
        let value = entry.value.take().map(|value| match value {
            secret_value_entry::Value::SecretString(text) => Value::Text(Zeroizing::new(text)),
            secret_value_entry::Value::SecretBinary(bytes) => Value::Binary(Zeroizing::new(bytes)),
        });
        Self {
            arn: std::mem::take(&mut entry.arn),
            name: std::mem::take(&mut entry.name),
            version: std::mem::take(&mut entry.version_id),
            stages: std::mem::take(&mut entry.version_stages),
            created: entry
                .created_date
                .map(|at| date(at.seconds, at.nanos))
                .unwrap_or_default(),
            value,
        }
    }
}
