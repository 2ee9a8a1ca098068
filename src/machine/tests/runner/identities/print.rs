//! Shows identities, one to a line.

use std::fmt::Write as _;

use strongroom_machine::{
    Account, Credential, Document, Entity, Identity, Nature, Policy, Proof, Provider, RegionName,
    Revocation, Revoked, Row, Stamp, Tag, Uid,
};

use crate::support::{letter, uid_name};

pub fn named(entity: &Entity) -> String {
    let kind = match entity {
        Entity::Identity(identity) => identity.kind().as_str(),
        Entity::Policy(_) => "policy",
        Entity::Credential(_) => "credential",
        Entity::Provider(_) => "provider",
        Entity::Revocation(_) => "revocation",
    };
    format!("{kind} {}", uid_name(entity.uid()))
}

pub fn account(account: &Account) -> String {
    match account.name.as_str() {
        "" => format!(": {}", account.id),
        name => format!(": {} {name}", account.id),
    }
}

pub fn row(row: &Row) -> String {
    match row {
        Row::Account(kept) => account(kept.body()),
        Row::Identity(kept) => identity(kept.body()),
        Row::Policy(kept) => policy(kept.body()),
        Row::Credential(kept) => credential(kept.body()),
        Row::Provider(kept) => provider(kept.body()),
        Row::Revocation(kept) => revocation(kept.body()),
        Row::SessionKey(kept) => {
            let key = kept.body();
            let bytes = key.sealed.ciphertext.len();
            format!(": {bytes} bytes made {}", key.created)
        }
        Row::SigningKey(kept) => {
            let (key, wrap) = (kept.body(), &kept.body().wrap);
            let (number, of) = (key.public_key.0[0], wrap.key_id.0[0]);
            format!(": {number} under key {of} made {}", key.created)
        }
        _ => String::new(),
    }
}

/// The text, or its length if that is more than a few characters.
pub fn document(document: &Document) -> String {
    match document.chars() {
        chars @ 40.. => format!("of {chars} characters"),
        _ => document.as_str().to_owned(),
    }
}

fn identity(identity: &Identity) -> String {
    let path = identity.path.as_str();
    let mut text = format!(": {} {path}{}", identity.kind().as_str(), identity.name);
    match &identity.nature {
        Nature::User { groups } => list(&mut text, "in", groups),
        Nature::Group => {}
        Nature::Role {
            trust,
            session_seconds_max,
        } => {
            let trust = document(trust);
            let _ = write!(text, " trusts {trust} for {session_seconds_max} s");
        }
    }
    list(&mut text, "attached", &identity.attached);
    for policy in &identity.inline {
        let _ = write!(
            text,
            " inline {} {}",
            policy.name,
            document(&policy.document)
        );
    }
    list(&mut text, "within", identity.boundary.as_slice());
    regions(&mut text, &identity.regions);
    tags(&mut text, &identity.tags);
    if !identity.enabled {
        text.push_str(" disabled");
    }
    if identity.revoked_before > Stamp(0) {
        let _ = write!(text, " sessions void before {}", identity.revoked_before);
    }
    let _ = write!(text, " changed {}", identity.changed);
    text
}

fn policy(policy: &Policy) -> String {
    let (path, name) = (policy.path.as_str(), &policy.name);
    let mut text = format!(": {path}{name} {}", document(&policy.document));
    if !policy.description.is_empty() {
        let _ = write!(text, " described {:?}", policy.description);
    }
    let _ = write!(text, " changed {}", policy.changed);
    text
}

pub fn credential(credential: &Credential) -> String {
    let kind = match &credential.proof {
        Proof::AccessKey { .. } => "access key",
        Proof::Subject(_) => "subject",
        Proof::Uri(_) => "uri",
        Proof::UriPrefix(_) => "uri prefix",
    };
    let proof: String = credential.proof.as_str().chars().take(60).collect();
    let mut text = format!(": {kind} {proof} of {}", uid_name(credential.identity));
    regions(&mut text, &credential.regions);
    if !credential.active {
        text.push_str(" inactive");
    }
    let _ = write!(text, " changed {}", credential.changed);
    text
}

fn provider(provider: &Provider) -> String {
    let (issuer, keys) = (&provider.issuer, document(&provider.keys));
    let keys = Some(keys).filter(|keys| !keys.is_empty());
    let fetched = document(&provider.fetched);
    let keys = keys.unwrap_or_else(|| match fetched.is_empty() {
        true => "fetched".to_owned(),
        false => format!("fetched {fetched}"),
    });
    let audiences = match provider.audiences.len() {
        count @ 5.. => format!("{count} audiences"),
        _ => provider.audiences.join(", "),
    };
    format!(
        ": {issuer} for {audiences} keys {keys} changed {}",
        provider.changed
    )
}

fn revocation(revocation: &Revocation) -> String {
    let what = match &revocation.what {
        Revoked::Session(id) => format!("session {id}"),
        Revoked::PublicKey(key) => format!("key {}", key.0[31]),
    };
    let reason: String = revocation.reason.chars().take(40).collect();
    let (since, until) = (revocation.revoked, revocation.until);
    format!(": {what} {reason:?} since {since} until {until}")
}

fn list(text: &mut String, word: &str, uids: &[Uid]) {
    let names: Vec<String> = uids.iter().map(|uid| uid_name(*uid)).collect();
    if !names.is_empty() {
        let _ = write!(text, " {word} [{}]", names.join(" "));
    }
}

fn regions(text: &mut String, regions: &[RegionName]) {
    let letters: Vec<&str> = regions.iter().map(letter).collect();
    if !letters.is_empty() {
        let _ = write!(text, " only in {}", letters.join(" "));
    }
}

fn tags(text: &mut String, tags: &[Tag]) {
    let words = tags.iter().map(|tag| format!("{}={}", tag.key, tag.value));
    let words: Vec<String> = words.collect();
    if !words.is_empty() {
        let _ = write!(text, " tagged [{}]", words.join(" "));
    }
}
