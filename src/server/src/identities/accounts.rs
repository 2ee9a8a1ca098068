//! Accounts.

use machine::limits::ACCOUNT_NAME_CHARS_MAX;
use machine::{Command, CreateAccount, Seen};
use wire::access::v1 as api;

use super::basis::On;
use super::{Identities, parse, shown};
use crate::authz::Asked;
use crate::errors::Refusal;
use crate::secrets::ask::{Answer, Ask};
use crate::secrets::parse::at_most;

impl Identities {
    pub(super) async fn create_account(
        &self,
        ask: Ask<api::CreateAccountRequest>,
    ) -> Result<Answer<api::CreateAccountResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let id = parse::account("account", &message.account)?;
        let id = id.ok_or_else(|| Refusal::parameter("You must provide an account."))?;
        if message.name.is_empty() {
            return Err(Refusal::parameter("You must provide a name."));
        }
        at_most("name", &message.name, ACCOUNT_NAME_CHARS_MAX)?;
        let view = self.view_to_change(&call, &reading).await?;
        let command = Command::CreateAccount(CreateAccount {
            id,
            name: message.name,
            seen: Seen::default(),
        });
        let asked = Asked::of("strongroom:CreateAccount");
        let write = view.grant(asked, On::Cluster, command)?;
        let done = self.change(&call, &reading, write).await?;
        Ok(done.answer(api::CreateAccountResponse {}))
    }

    pub(super) async fn list_accounts(
        &self,
        ask: Ask<api::ListAccountsRequest>,
    ) -> Result<Answer<api::ListAccountsResponse>, Refusal> {
        let view = self.view(&ask.call, &ask.reading).await?;
        view.permit(&Asked::of("strongroom:ListAccounts"), &On::Cluster)?;
        let accounts = view.accounts().map(|(_, account)| shown::account(account));
        view.answer(api::ListAccountsResponse {
            accounts: accounts.collect(),
        })
    }
}
