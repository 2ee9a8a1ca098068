//! Rows of identities as a region that lies would send them: of any form that has bytes.

use prost::Message as _;
use strongroom_machine::RowKey;

use crate::net::forge::{Forger, storage};
use crate::runner::{Arguments, forged};
use crate::support::{ACCOUNT, Failure, default_key, uid_named, wrap};

/// `lie identity r1 name spoilt`: a row of that kind with one thing wrong.
pub fn put(forger: &mut Forger, of: &Arguments<'_>) -> Result<(), Failure> {
    let key = forged::row_key(of, 0)?;
    let wrong = of.word(2).unwrap_or_default();
    let body = match key {
        RowKey::Identity(_) => identity(wrong).encode_to_vec(),
        RowKey::Policy(_) => policy(wrong).encode_to_vec(),
        RowKey::Credential(_) => credential(wrong)?.encode_to_vec(),
        RowKey::Provider(_) => provider(wrong).encode_to_vec(),
        RowKey::SessionKey(_) => session_key(wrong).encode_to_vec(),
        _ => revocation(wrong).encode_to_vec(),
    };
    if of.has("hidden") {
        forger.put_hidden(&key, &body);
        return Ok(());
    }
    let is_wrapped = key.seals_as().is_some() && !of.has("bare");
    forger.put(
        &key,
        &body,
        is_wrapped.then(|| wrap(default_key(&of.at), 1)),
    );
    Ok(())
}

fn identity(wrong: &str) -> storage::Identity {
    let kind = match wrong {
        "kind" => storage::IdentityKind::Unspecified,
        "role" | "short-session" | "no-trust" => storage::IdentityKind::Role,
        "group-disabled" => storage::IdentityKind::Group,
        _ => storage::IdentityKind::User,
    };
    let name = match wrong {
        "name" => "a b".to_owned(),
        "long-name" => "n".repeat(65),
        _ => "mallory".to_owned(),
    };
    let uids = |count: u8| (0..count).map(|n| vec![n; 16].into()).collect();
    let many = if wrong == "attached" { 21 } else { 0 };
    let inline = storage::InlinePolicy {
        name: "p".to_owned(),
        document: "d".to_owned(),
    };
    storage::Identity {
        account: ACCOUNT.to_owned(),
        kind: kind.into(),
        path: if wrong == "path" { "a/" } else { "/" }.to_owned(),
        name,
        created_ms: 1,
        changed_ms: if wrong == "late" { u64::MAX } else { 2 },
        attached: uids(many),
        groups: uids(if wrong == "groups" { 11 } else { 0 }),
        inline: vec![inline; if wrong == "inline" { 2 } else { 0 }],
        disabled: wrong == "group-disabled",
        trust: match wrong {
            "no-trust" => String::new(),
            "role" | "short-session" => "t".to_owned(),
            "user-trust" => "t".to_owned(),
            _ => String::new(),
        },
        session_seconds_max: match wrong {
            "short-session" => 1,
            "role" | "no-trust" => 900,
            _ => 0,
        },
        ..Default::default()
    }
}

fn session_key(wrong: &str) -> storage::SessionKey {
    let sealed = storage::Version {
        nonce: vec![4; if wrong == "nonce" { 11 } else { 12 }].into(),
        ciphertext: vec![5; if wrong == "long" { 257 } else { 49 }].into(),
        description: None,
    };
    storage::SessionKey {
        sealed: Some(sealed).filter(|_| wrong != "nothing"),
        created_ms: if wrong == "late" { u64::MAX } else { 2 },
    }
}

fn policy(wrong: &str) -> storage::ManagedPolicy {
    let chars = match wrong {
        "long" => 16_385,
        "empty" => 0,
        _ => 2,
    };
    storage::ManagedPolicy {
        account: ACCOUNT.to_owned(),
        path: "/".to_owned(),
        name: "lie".to_owned(),
        document: "d".repeat(chars),
        ..Default::default()
    }
}

fn credential(wrong: &str) -> Result<storage::Credential, Failure> {
    use storage::credential::Proof;
    let sealed = storage::Version {
        nonce: vec![4; 12].into(),
        ciphertext: vec![5; if wrong == "long" { 257 } else { 32 }].into(),
        description: None,
    };
    let key = |id: &str| {
        Proof::AccessKey(storage::AccessKey {
            id: id.to_owned(),
            sealed: Some(sealed.clone()),
        })
    };
    let proof = match wrong {
        "nothing" => None,
        "id" => Some(key("AKIA1")),
        "prefix" => Some(Proof::UriPrefix("spiffe://a*".to_owned())),
        "subject" => Some(Proof::Subject(String::new())),
        "other" => {
            let mut other = sealed.clone();
            other.ciphertext = vec![6; 32].into();
            Some(Proof::AccessKey(storage::AccessKey {
                id: "AKIA0000000000000001".to_owned(),
                sealed: Some(other),
            }))
        }
        "binding" => Some(Proof::Subject("mallory".to_owned())),
        _ => Some(key("AKIA0000000000000001")),
    };
    Ok(storage::Credential {
        identity: uid_named("r1")?.0.to_vec().into(),
        proof,
        ..Default::default()
    })
}

fn provider(wrong: &str) -> storage::Provider {
    let issuer = match wrong {
        "issuer" => "http://issuer.example",
        _ => "https://issuer.example",
    };
    let audiences = match wrong {
        "audiences" => Vec::new(),
        _ => vec!["a".to_owned()],
    };
    storage::Provider {
        account: ACCOUNT.to_owned(),
        issuer: issuer.to_owned(),
        audiences,
        keys: "k".repeat(if wrong == "long" { 65_537 } else { 0 }),
        ..Default::default()
    }
}

fn revocation(wrong: &str) -> storage::Revocation {
    use storage::revocation::What;
    let what = match wrong {
        "nothing" => None,
        "key" => Some(What::PublicKey(vec![1; 31].into())),
        "session" => Some(What::Session("a b".to_owned())),
        _ => Some(What::Session("s".to_owned())),
    };
    storage::Revocation {
        what,
        reason: "r".repeat(if wrong == "long" { 257 } else { 1 }),
        revoked_ms: 1,
        until_ms: 2,
    }
}
