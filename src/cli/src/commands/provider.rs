//! `strongroom provider`.

use std::path::PathBuf;

use client::access::v1::{
    Audiences, CreateProviderRequest, DeleteProviderRequest, GetProviderRequest,
    ListProvidersRequest, Provider, UpdateProviderRequest,
};
use serde_json::{Value as Json, json};

use super::connect;
use super::principal::show::{document as document_json, when};
use super::secret::show::object;
use crate::arguments::provider::{Create, Provider as Options, Update, Verb};
use crate::confirm::confirm;
use crate::document::{self, DocumentError};
use crate::failure::Failure;
use crate::output::{Answer, Format};

/// Carries out one verb.
pub fn run(options: &Options, format: Format) -> Result<(), Failure> {
    super::block_on(async {
        let open = || connect::client(&options.connection);
        // A file that cannot be read is said, and a question asked, before any node is asked.
        let answer = match &options.verb {
            Verb::Create(new) => {
                let request = beginning(new)?;
                let answer = open()?.create_provider(request).await?;
                one(&answer.provider.unwrap_or_default())
            }
            Verb::Update(change) => {
                let request = update(change)?;
                let answer = open()?.update_provider(request).await?;
                one(&answer.provider.unwrap_or_default())
            }
            Verb::Get(it) => {
                let arn = it.arn.clone();
                let answer = open()?.get_provider(GetProviderRequest { arn }).await?;
                one(&answer.provider.unwrap_or_default())
            }
            Verb::List(list) => {
                let account = list.account.digits();
                let request = ListProvidersRequest { account };
                all(&open()?.list_providers(request).await?.providers)
            }
            Verb::Delete(delete) => {
                let arn = delete.arn.arn.clone();
                let question = format!("Trust {arn} no more? Sessions of its tokens end.");
                confirm(&question, delete.yes.yes)?;
                let line = format!("deleted {arn}");
                let request = DeleteProviderRequest { arn };
                open()?.delete_provider(request).await?;
                Answer::line(line, json!({}))
            }
        };
        answer.print(format)
    })
}

fn beginning(new: &Create) -> Result<CreateProviderRequest, DocumentError> {
    Ok(CreateProviderRequest {
        account: new.account.digits(),
        issuer: new.issuer.clone(),
        audiences: new.audience.clone(),
        jwks: keys(new.keys_file.as_ref())?.unwrap_or_default(),
    })
}

fn update(change: &Update) -> Result<UpdateProviderRequest, DocumentError> {
    let audiences = change.audience.clone();
    let fetched = change.fetch_keys.then(String::new);
    Ok(UpdateProviderRequest {
        arn: change.arn.arn.clone(),
        audiences: (!audiences.is_empty()).then_some(Audiences { audiences }),
        jwks: keys(change.keys_file.as_ref())?.or(fetched),
    })
}

fn keys(file: Option<&PathBuf>) -> Result<Option<String>, DocumentError> {
    file.map(|file| document::read(file)).transpose()
}

fn one(provider: &Provider) -> Answer {
    let fields = vec![
        ("Issuer", provider.issuer.clone()),
        ("ARN", provider.arn.clone()),
        ("Audiences", provider.audiences.join(" ")),
        ("Keys", keys_from(provider).to_owned()),
        ("Created", when(provider.created)),
    ];
    Answer::fields(fields, provider_json(provider))
}

fn all(providers: &[Provider]) -> Answer {
    let row = |provider: &Provider| {
        vec![
            provider.issuer.clone(),
            provider.arn.clone(),
            keys_from(provider).to_owned(),
            when(provider.created),
        ]
    };
    let rows = providers.iter().map(row).collect();
    let json: Vec<Json> = providers.iter().map(provider_json).collect();
    let heading = vec!["ISSUER", "ARN", "KEYS", "CREATED"];
    Answer::rows(heading, rows, json!({ "Providers": json }))
}

fn provider_json(provider: &Provider) -> Json {
    object(vec![
        ("Arn", json!(provider.arn)),
        ("Url", json!(provider.issuer)),
        ("ClientIDList", json!(provider.audiences)),
        ("Keys", json!(keys_from(provider))),
        ("Jwks", document_json(&provider.jwks)),
        ("CreateDate", json!(when(provider.created))),
    ])
}

/// Where the keys of an issuer come from, in one word.
fn keys_from(provider: &Provider) -> &'static str {
    match provider.keys_kept {
        true => "kept",
        false => "fetched",
    }
}
