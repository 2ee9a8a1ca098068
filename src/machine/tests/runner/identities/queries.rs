//! What a script may ask about identities.

use std::sync::Arc;

use strongroom_machine::{
    AccessKeyId, AccountId, EntityKind, EntityName, Identity, IssuerUrl, State,
};

use crate::runner::Arguments;
use crate::runner::identities::{commands, print};
use crate::support::{ACCOUNT, Failure, uid_name};

/// Answers a question; none if it is none.
pub fn answer(state: &State, name: &str, of: &Arguments<'_>) -> Result<Option<String>, Failure> {
    let account = AccountId::new(of.keyed("account").unwrap_or(ACCOUNT))?;
    let after = of.keyed("after").map(EntityName::new).transpose()?;
    Ok(Some(match name {
        "accounts" => {
            let accounts = state.accounts();
            let lines = accounts.map(|(number, held)| format!("{number}{}", print::account(held)));
            lines.collect::<Vec<String>>().join("\n")
        }
        "find" => {
            let entity = EntityName::new(of.word(1)?)?;
            match of.word(0)? {
                "policy" => shown(state.policy_named(&account, &entity), |held| held.uid),
                kind => {
                    let found = state.identity_named(&account, self::kind(kind)?, &entity);
                    shown(found, |held| held.uid)
                }
            }
        }
        "list-identities" => match of.word(0)? {
            "policies" => {
                let policies = state.policies_after(&account, after.as_ref());
                joined(policies.map(|held| held.name.to_string()))
            }
            "providers" => joined(
                state
                    .providers(&account)
                    .map(|held| held.issuer.to_string()),
            ),
            kind => {
                let held = state.identities_after(&account, self::kind(kind)?, after.as_ref());
                joined(held.map(|held| held.name.to_string()))
            }
        },
        "members" => joined(state.members(&of.uid()?).map(of_identity)),
        "referrers" => joined(state.referrers(&of.uid()?).map(of_identity)),
        "credentials" => {
            let held = state.credentials_of(&of.uid()?);
            joined(held.map(|held| format!("{}{}", uid_name(held.uid), print::credential(held))))
        }
        "proves" => proves(state, of)?,
        "provider-of" => {
            let issuer = IssuerUrl::new(of.word(0)?)?;
            shown(state.provider_of(&account, &issuer), |held| held.uid)
        }
        "is-revoked" => {
            let held = state.revocation_of(&commands::revoked(of)?);
            shown(held, |held| held.uid)
        }
        "revocations" => joined(state.revocations().map(|held| uid_name(held.uid))),
        "wraps" => wraps(state),
        "session-keys" => session_keys(state),
        "policy-of" => {
            let secret = state.secret(&of.uid()?).ok_or("no such secret")?;
            let policy = secret.policy.as_ref().map(print::document);
            policy.unwrap_or("none".to_owned())
        }
        _ => return Ok(None),
    }))
}

fn wraps(state: &State) -> String {
    let wraps = state.root_wraps();
    let wraps =
        wraps.map(|(uid, wrap)| format!("{} under key {}", uid_name(*uid), wrap.key_id.0[0]));
    let lacking = state.without_root_wrap();
    let lacking = lacking.map(|key| format!("{} without", uid_name(key.uid())));
    joined(wraps.chain(lacking))
}

fn session_keys(state: &State) -> String {
    let newest = state.newest_session_key().map(|key| key.uid);
    let mark = |uid| match newest == Some(uid) {
        true => " newest",
        false => "",
    };
    let keys = state.session_keys();
    joined(keys.map(|key| format!("{}{}", uid_name(key.uid), mark(key.uid))))
}

fn proves(state: &State, of: &Arguments<'_>) -> Result<String, Failure> {
    let found = match (of.keyed("subject"), of.keyed("uri")) {
        (Some(name), _) => state.credential_of_subject(name),
        (None, Some(uri)) => state.credential_of_uri(uri),
        (None, None) => {
            let number = of.keyed_number("key")?.ok_or("what is presented?")?;
            state.credential_of_key(&AccessKeyId::new(&format!("AKIA{number:016}"))?)
        }
    };
    Ok(shown(found, |held| held.uid))
}

fn kind(word: &str) -> Result<EntityKind, Failure> {
    Ok(match word {
        "user" | "users" => EntityKind::User,
        "group" | "groups" => EntityKind::Group,
        "role" | "roles" => EntityKind::Role,
        other => return Err(format!("no kind {other}").into()),
    })
}

fn of_identity(identity: &Arc<Identity>) -> String {
    format!("{} {}", uid_name(identity.uid), identity.name)
}

fn shown<T>(found: Option<&Arc<T>>, uid: impl Fn(&T) -> strongroom_machine::Uid) -> String {
    found.map_or("nobody".to_owned(), |found| uid_name(uid(found)))
}

fn joined(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    match words.is_empty() {
        true => "none".to_owned(),
        false => words.join(", "),
    }
}
