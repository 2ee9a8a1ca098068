//! `strongroom credential` and `strongroom access-key`.

use client::Client;
use client::access::v1::{
    CertificateBinding, CreateCredentialRequest, Credential, DeleteCredentialRequest,
    ListCredentialsRequest, PrincipalName, UpdateCredentialRequest, certificate_binding::Match,
    update_credential_request::Change,
};
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use super::connect;
use super::principal::show::when;
use super::principal::{chosen, named};
use super::secret::show::object;
use crate::arguments::Connection;
use crate::arguments::credential::{
    AccessKey, Bind, CreateKey, Credential as Options, Id, IdYes, KeyVerb, Verb,
};
use crate::arguments::principal::{Kind, Principal};
use crate::confirm::{ConfirmError, confirm};
use crate::failure::Failure;
use crate::new_file::NewFile;
use crate::output::{Answer, Format};

/// What both nouns ask of a node.
enum Task<'a> {
    /// Bind certificates.
    Bind(CreateCredentialRequest),
    /// Make an access key.
    Create(PrincipalName, &'a CreateKey),
    /// List all credentials of one, or its access keys alone.
    List(PrincipalName, Listed),
    /// Change one.
    Change(&'a Id, Change),
    /// Delete one.
    Delete(&'a Id),
}

/// Which credentials are listed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    All,
    AccessKeys,
}

/// Carries out one verb of `credential`.
pub fn run(options: &Options, format: Format) -> Result<(), Failure> {
    let account = options.account.digits();
    let task = match &options.verb {
        Verb::Bind(bind) => Task::Bind(binding(bind, &account)),
        Verb::Unbind(unbind) => deletion(unbind, "Delete the binding")?,
        Verb::List(list) => Task::List(named(&list.principal, &account), Listed::All),
        Verb::Enable(id) => Task::Change(id, Change::Active(true)),
        Verb::Disable(id) => Task::Change(id, Change::Active(false)),
        Verb::Regions(regions) => {
            Task::Change(&regions.id, Change::Regions(chosen(&regions.choice)))
        }
    };
    carry_out(&options.connection, task, format)
}

/// Carries out one verb of `access-key`.
pub fn run_key(options: &AccessKey, format: Format) -> Result<(), Failure> {
    let account = options.account.digits();
    let user = |name: &str| {
        let user = Principal {
            kind: Kind::User,
            account: None,
            name: name.to_owned(),
        };
        named(&user, &account)
    };
    let task = match &options.verb {
        KeyVerb::Create(create) => Task::Create(user(&create.owner.user), create),
        KeyVerb::List(list) => Task::List(user(&list.user), Listed::AccessKeys),
        KeyVerb::Enable(id) => Task::Change(id, Change::Active(true)),
        KeyVerb::Disable(id) => Task::Change(id, Change::Active(false)),
        KeyVerb::Regions(regions) => {
            Task::Change(&regions.id, Change::Regions(chosen(&regions.choice)))
        }
        KeyVerb::Delete(delete) => deletion(delete, "Delete the access key")?,
    };
    carry_out(&options.connection, task, format)
}

fn binding(bind: &Bind, account: &str) -> CreateCredentialRequest {
    let subject = bind.subject.clone().map(Match::Subject);
    let r#match = subject.or_else(|| bind.uri.clone().map(Match::Uri));
    CreateCredentialRequest {
        principal: Some(named(&bind.principal, account)),
        regions: bind.region.clone(),
        certificate: Some(CertificateBinding { r#match }),
    }
}

fn deletion<'a>(delete: &'a IdYes, question: &str) -> Result<Task<'a>, ConfirmError> {
    let question = format!("{question} {}? What was opened with it ends.", delete.id.id);
    confirm(&question, delete.yes.yes)?;
    Ok(Task::Delete(&delete.id))
}

fn carry_out(connection: &Connection, task: Task<'_>, format: Format) -> Result<(), Failure> {
    super::block_on(async {
        let client = connect::client(connection)?;
        perform(&client, task).await?.print(format)
    })
}

async fn perform(client: &Client, task: Task<'_>) -> Result<Answer, Failure> {
    match task {
        Task::Bind(request) => {
            let mut answer = client.create_credential(request).await?;
            Ok(one(&answer.credential.take().unwrap_or_default()))
        }
        Task::Create(user, options) => create(client, user, options).await,
        Task::List(principal, listed) => {
            let principal = Some(principal);
            let request = ListCredentialsRequest { principal };
            let mut credentials = client.list_credentials(request).await?.credentials;
            credentials.retain(|one| listed == Listed::All || one.certificate.is_none());
            Ok(all(&credentials, listed))
        }
        Task::Change(Id { id }, change) => {
            let request = UpdateCredentialRequest {
                id: id.clone(),
                change: Some(change),
            };
            let answer = client.update_credential(request).await?;
            Ok(one(&answer.credential.unwrap_or_default()))
        }
        Task::Delete(Id { id }) => {
            let request = DeleteCredentialRequest { id: id.clone() };
            client.delete_credential(request).await?;
            Ok(Answer::line(format!("deleted {id}"), json!({})))
        }
    }
}

async fn create(
    client: &Client,
    user: PrincipalName,
    options: &CreateKey,
) -> Result<Answer, Failure> {
    // Before the key is made: one that cannot be kept must not be good for anything.
    let path = options.output_file.as_deref();
    let file = path.map(NewFile::create).transpose()?;
    let name = user.name.clone();
    let request = CreateCredentialRequest {
        principal: Some(user),
        regions: options.region.clone(),
        certificate: None,
    };
    let mut answer = client.create_credential(request).await?;
    let secret = Zeroizing::new(std::mem::take(&mut answer.secret_access_key));
    let key = answer.credential.take().unwrap_or_default();
    let (created, regions) = (when(key.created), key.regions.join(" "));
    if let (Some(file), Some(path)) = (file, path) {
        file.fill(credentials_file(&key.id, &secret).as_bytes())?;
        let json = json!({ "UserName": name, "AccessKeyId": key.id, "file": path });
        let line = format!("access key {}, written to {}", key.id, path.display());
        return Ok(Answer::line(line, json));
    }
    let json = object(vec![
        ("UserName", json!(name)),
        ("AccessKeyId", json!(key.id)),
        ("SecretAccessKey", json!(secret.as_str())),
        ("CreateDate", json!(created)),
        ("Regions", json!(key.regions)),
    ]);
    let fields = vec![
        ("User", name),
        ("Access key", key.id),
        ("Secret", secret.to_string()),
        ("Regions", regions),
        ("Created", created),
    ];
    Ok(Answer::fields(fields, json).noted("The secret is not shown again."))
}

/// A key as AWS SDKs read it from a file.
fn credentials_file(id: &str, secret: &str) -> Zeroizing<String> {
    Zeroizing::new(format!(
        "[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"
    ))
}

fn one(credential: &Credential) -> Answer {
    let fields = vec![
        ("Id", credential.id.clone()),
        ("Certificates", certificates(credential)),
        ("State", state(credential).to_owned()),
        ("Regions", credential.regions.join(" ")),
        ("Created", when(credential.created)),
    ];
    Answer::fields(fields, credential_json(credential))
}

fn all(credentials: &[Credential], listed: Listed) -> Answer {
    let row = |credential: &Credential| {
        let mut row = vec![credential.id.clone()];
        if listed == Listed::All {
            row.push(match credential.certificate {
                Some(_) => certificates(credential),
                None => "access key".to_owned(),
            });
        }
        row.extend([
            state(credential).to_owned(),
            credential.regions.join(" "),
            when(credential.created),
        ]);
        row
    };
    let rows = credentials.iter().map(row).collect();
    let heading = match listed {
        Listed::All => vec!["ID", "PROOF", "STATE", "REGIONS", "CREATED"],
        Listed::AccessKeys => vec!["ID", "STATE", "REGIONS", "CREATED"],
    };
    let json: Vec<Json> = credentials.iter().map(credential_json).collect();
    Answer::rows(heading, rows, json!({ "Credentials": json }))
}

fn credential_json(credential: &Credential) -> Json {
    let (name, id) = match credential.certificate {
        Some(_) => ("Id", json!(credential.id)),
        None => ("AccessKeyId", json!(credential.id)),
    };
    object(vec![
        (name, id),
        ("Status", json!(state(credential))),
        ("Subject", json!(subject(credential))),
        ("Uri", json!(uri(credential))),
        ("Regions", json!(credential.regions)),
        ("CreateDate", json!(when(credential.created))),
    ])
}

/// Whether a credential counts, in the word of AWS.
fn state(credential: &Credential) -> &'static str {
    match credential.active {
        true => "Active",
        false => "Inactive",
    }
}

/// Which certificates are bound; nothing for an access key.
fn certificates(credential: &Credential) -> String {
    let subject = subject(credential).map(|name| format!("subject {name}"));
    let uri = uri(credential).map(|uri| format!("uri {uri}"));
    subject.or(uri).unwrap_or_default()
}

fn subject(credential: &Credential) -> Option<&str> {
    match credential.certificate.as_ref()?.r#match.as_ref()? {
        Match::Subject(name) => Some(name),
        Match::Uri(_) => None,
    }
}

fn uri(credential: &Credential) -> Option<&str> {
    match credential.certificate.as_ref()?.r#match.as_ref()? {
        Match::Uri(uri) => Some(uri),
        Match::Subject(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_what_each_credential_is_and_nothing_of_secrets() {
        let bound = |r#match| Credential {
            id: "5f0c".to_owned(),
            active: true,
            certificate: Some(CertificateBinding {
                r#match: Some(r#match),
            }),
            ..Default::default()
        };
        let key = Credential {
            id: "AKIA".to_owned(),
            regions: vec!["eu-west-1".to_owned()],
            ..Default::default()
        };
        let uri = "spiffe://example.org/*".to_owned();
        let listed = [
            bound(Match::Subject("alice".to_owned())),
            bound(Match::Uri(uri)),
            key,
        ];
        let answer = all(&listed, Listed::All);
        let expected = json!({ "Credentials": [
            { "Id": "5f0c", "Status": "Active", "Subject": "alice" },
            { "Id": "5f0c", "Status": "Active", "Uri": "spiffe://example.org/*" },
            { "AccessKeyId": "AKIA", "Status": "Inactive", "Regions": ["eu-west-1"] },
        ]});
        assert_eq!(answer.json, expected);
        let text = answer.text.render(false);
        for word in ["subject alice", "uri spiffe://example.org/*", "access key"] {
            assert!(text.contains(word), "{text}");
        }
    }

    #[test]
    fn a_key_is_written_as_sdks_read_it() {
        let text = credentials_file("AKIA", "s3cr3t");
        let expected = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = s3cr3t\n";
        assert_eq!(text.as_str(), expected);
    }
}
