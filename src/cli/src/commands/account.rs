//! `strongroom account` and `strongroom whoami`.

use client::access::v1::{
    Account, CreateAccountRequest, GetCallerIdentityRequest, ListAccountsRequest,
};
use serde_json::{Value as Json, json};

use super::connect;
use super::principal::show::when;
use super::secret::show::object;
use crate::arguments::account::{Account as Options, Verb, WhoAmI};
use crate::failure::Failure;
use crate::output::{Answer, Format};

/// Carries out one verb of `account`.
pub fn run(options: &Options, format: Format) -> Result<(), Failure> {
    super::block_on(async {
        let client = connect::client(&options.connection)?;
        let answer = match &options.verb {
            Verb::Create(new) => {
                let request = CreateAccountRequest {
                    account: new.account.clone(),
                    name: new.name.clone(),
                };
                client.create_account(request).await?;
                let json = json!({ "Id": new.account, "Name": new.name });
                Answer::line(format!("created account {}", new.account), json)
            }
            Verb::List => all(&client.list_accounts(ListAccountsRequest {}).await?.accounts),
        };
        answer.print(format)
    })
}

/// Says who the caller is.
pub fn whoami(options: &WhoAmI, format: Format) -> Result<(), Failure> {
    super::block_on(async {
        let client = connect::client(&options.connection)?;
        let request = GetCallerIdentityRequest {};
        let answer = client.get_caller_identity(request).await?;
        let expires = when(answer.session_expires);
        let json = object(vec![
            ("UserId", json!(answer.user_id)),
            ("Account", json!(answer.account)),
            ("Arn", json!(answer.arn)),
            ("SessionExpires", json!(expires)),
            ("SessionId", json!(answer.session_id)),
        ]);
        let fields = vec![
            ("ARN", answer.arn),
            ("Account", answer.account),
            ("Id", answer.user_id),
            ("Session", answer.session_id),
            ("Session expires", expires),
        ];
        Answer::fields(fields, json).print(format)
    })
}

fn all(accounts: &[Account]) -> Answer {
    let row = |account: &Account| vec![account.account.clone(), account.name.clone()];
    let rows = accounts.iter().map(row).collect();
    let account = |account: &Account| json!({ "Id": account.account, "Name": account.name });
    let json: Vec<Json> = accounts.iter().map(account).collect();
    Answer::rows(vec!["ACCOUNT", "NAME"], rows, json!({ "Accounts": json }))
}
