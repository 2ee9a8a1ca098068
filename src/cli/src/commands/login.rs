//! `strongroom login`, `strongroom logout` and `strongroom role assume`.

use std::path::PathBuf;

use client::access::v1::{
    AssumeRoleRequest, AssumeRoleWithWebIdentityRequest, GetSessionTokenRequest, Session, Tag,
};
use serde_json::json;
use zeroize::Zeroizing;

use super::connect;
use super::principal::change::seconds;
use super::principal::show::when;
use super::secret::show::object;
use crate::arguments::Connection;
use crate::arguments::login::{Assume, Kept, Login, Logout};
use crate::document;
use crate::failure::Failure;
use crate::output::{Answer, Format};
use crate::session::{self, SessionError};

/// Opens a session and keeps it for the commands that follow.
pub fn login(options: &Login, format: Format) -> Result<(), Failure> {
    let duration = options.duration.map(seconds);
    let opened = match (&options.role, &options.web_identity_token_file) {
        (Some(role), Some(file)) => {
            let text = Zeroizing::new(document::read(file)?);
            let mut token = Zeroizing::new(text.trim().to_owned());
            super::block_on(async {
                let client = connect::stranger(&options.connection)?;
                let request = AssumeRoleWithWebIdentityRequest {
                    role_arn: role.clone(),
                    role_session_name: options.session_name.clone(),
                    web_identity_token: std::mem::take(&mut *token),
                    duration,
                    ..Default::default()
                };
                let answer = client.assume_role_with_web_identity(request).await?;
                Ok(answer.session)
            })?
        }
        _ => super::block_on(async {
            let client = connect::certificate(&options.connection)?;
            let request = GetSessionTokenRequest { duration };
            Ok(client.get_session_token(request).await?.session)
        })?,
    };
    opened_as(opened, &options.connection, &options.kept, format)
}

/// Becomes a role for the commands that follow.
pub fn assume(connection: &Connection, options: &Assume, format: Format) -> Result<(), Failure> {
    let policy = options.policy_file.as_deref().map(document::read);
    let tags = options.tag.iter().map(|(key, value)| Tag {
        key: key.clone(),
        value: value.clone(),
    });
    let request = AssumeRoleRequest {
        role_arn: options.role.clone(),
        role_session_name: options.session_name.clone(),
        duration: options.duration.map(seconds),
        policy: policy.transpose()?.unwrap_or_default(),
        policy_arns: options.policy.clone(),
        tags: tags.collect(),
        external_id: options.external_id.clone().unwrap_or_default(),
        transitive_tag_keys: options.transitive_tag.clone(),
        source_identity: options.source_identity.clone().unwrap_or_default(),
    };
    let opened = super::block_on(async {
        let client = connect::client(connection)?;
        Ok(client.assume_role(request).await?.session)
    })?;
    opened_as(opened, connection, &options.kept, format)
}

/// Forgets the session, which goes on to its end: `revoke` ends it before.
pub fn logout(options: &Logout, format: Format) -> Result<(), Failure> {
    let path = place(&options.connection)?;
    let line = match session::forget(&path)? {
        true => format!(
            "removed {}; revoke the session to end it now",
            path.display()
        ),
        false => "there is no session here".to_owned(),
    };
    Answer::line(line, json!({ "File": path })).print(format)
}

/// Keeps or prints a session that was opened.
fn opened_as(
    opened: Option<Session>,
    connection: &Connection,
    kept: &Kept,
    format: Format,
) -> Result<(), Failure> {
    let mut opened = opened.unwrap_or_default();
    let token = Zeroizing::new(std::mem::take(&mut opened.token));
    let (arn, expires) = (opened.arn.clone(), when(opened.expires));
    let described = vec![
        ("Arn", json!(arn)),
        ("SessionId", json!(opened.id)),
        ("SessionExpires", json!(expires)),
    ];
    if kept.print {
        let with_token = [described, vec![("Token", json!(*token))]].concat();
        return Answer::line(token.as_str(), object(with_token)).print(format);
    }
    let path = place(connection)?;
    session::keep(&path, &token)?;
    let fields = vec![
        ("ARN", arn),
        ("Session", opened.id.clone()),
        ("Session expires", expires),
        ("Kept in", path.display().to_string()),
    ];
    Answer::fields(fields, object(described)).print(format)
}

fn place(connection: &Connection) -> Result<PathBuf, SessionError> {
    match &connection.session {
        Some(path) => Ok(path.clone()),
        None => session::usual(),
    }
}
