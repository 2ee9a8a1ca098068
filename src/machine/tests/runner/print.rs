//! Prints answers and changes, one to a line.

use std::fmt::Write as _;

use strongroom_machine::{
    Applied, Change, Epoch, Hash, Issuers, KeptLabel, Op, Ordinal, Outcome, Region, Rejection, Row,
    RowKey, Scope, Secret, Staging, Uid, Version,
};

use crate::runner::identities;
use crate::support::uid_name;

pub fn applied(applied: &Applied) -> String {
    let mut output = match &applied.answer {
        Ok(outcome) => format!("accepted{}\n", self::outcome(outcome)),
        Err(rejection) => rejected(rejection),
    };
    applied
        .changes
        .iter()
        .filter_map(change)
        .for_each(|line| output.push_str(&line));
    output
}

pub fn rejected(rejection: &Rejection) -> String {
    let debug = format!("{rejection:?}");
    let name: String = debug
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    format!("rejected {name}, {}: {rejection}\n", rejection.aws_name())
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::None => String::new(),
        Outcome::Node(node) => format!(": node {}", node.id),
        Outcome::Secret {
            secret,
            version,
            unchanged,
        } => {
            let mut text = format!(": secret {}", uid_name(secret.uid));
            if let Some(version) = version {
                let _ = write!(text, " version {version}");
            }
            if *unchanged {
                text.push_str(" unchanged");
            }
            text
        }
        Outcome::Region(entry) => format!(": region {}", region(entry)),
        Outcome::Entity(entity) => format!(": {}", identities::named(entity)),
        Outcome::TakenOver(taken) => {
            let mut text = String::new();
            for taken in &taken.feeds {
                let (last, epoch) = (&taken.last, &taken.epoch);
                let _ = write!(text, ": {last} taken over in {epoch}");
            }
            for feed in &taken.left {
                let _ = write!(text, ": {feed} left");
            }
            text
        }
    }
}

fn change(change: &Change) -> Option<String> {
    if matches!(change.key, RowKey::Feed(_) | RowKey::Clock) {
        return None;
    }
    let place = change.header.as_ref().map(|header| {
        let op = match header.op {
            Op::Put => "put",
            Op::Delete => "delete",
        };
        format!("{} {} {op}", header.feed, header.revision)
    });
    let local = if change.row.is_some() {
        "local put"
    } else {
        "local delete"
    };
    let place = place.unwrap_or_else(|| local.to_owned());
    let row = change.row.as_ref().map(row).unwrap_or_default();
    match (&change.key, &change.row) {
        (RowKey::Journal(..), Some(_)) => None,
        (key, _) => Some(format!("  {place} {}{row}\n", self::key(key))),
    }
}

pub fn key(key: &RowKey) -> String {
    let versioned =
        |kind: &str, uid: &Uid, ordinal: &Ordinal| format!("{kind} {}/{ordinal}", uid_name(*uid));
    match key {
        RowKey::Machine => "machine".to_owned(),
        RowKey::Clock => "clock".to_owned(),
        RowKey::Feed(_) => "feed".to_owned(),
        RowKey::Node(id) => format!("node {id}"),
        RowKey::RetiredNode(id) => format!("retired node {id}"),
        RowKey::JoinToken(digest) => format!("join token {}", digest.0[31]),
        RowKey::KmsKey(id) => format!("kms key {}", id.0[0]),
        RowKey::Wrap(uid, ordinal) => versioned("wrap", uid, ordinal),
        RowKey::Access(uid) => format!("access {}", uid_name(*uid)),
        RowKey::Epoch(_, number) => format!("epoch {number}"),
        RowKey::Checkpoint(_) => "checkpoint".to_owned(),
        RowKey::Account(number) => format!("account {number}"),
        RowKey::Region(number) => format!("region {number}"),
        RowKey::Principal(number) => format!("principal {number}"),
        RowKey::Secret(uid) => format!("secret {}", uid_name(*uid)),
        RowKey::Version(uid, ordinal) => versioned("version", uid, ordinal),
        RowKey::Tombstone(uid) => format!("tombstone {}", uid_name(*uid)),
        RowKey::Journal(_, revision) => format!("journal {revision}"),
        RowKey::LinkToken(digest) => format!("link token {}", digest.0[31]),
        RowKey::Introduction => "introduction".to_owned(),
        RowKey::Fence(_) => "fence".to_owned(),
        RowKey::Replica(uid, region) => versioned("replica", uid, region),
        RowKey::Problem(uid) => format!("problem {}", uid_name(*uid)),
        RowKey::Detached(uid) => format!("detached {}", uid_name(*uid)),
        RowKey::Staging(_) => "staging".to_owned(),
        RowKey::Staged(_, at) => format!("staged {at}"),
        RowKey::Resealed(uid, ordinal) => versioned("resealed", uid, ordinal),
        RowKey::KeptLabels(uid) => format!("labels {}", uid_name(*uid)),
        RowKey::RootWrap(uid) => format!("root wrap {}", uid_name(*uid)),
        RowKey::Issuers => "issuers".to_owned(),
        RowKey::Identity(uid) => format!("identity {}", uid_name(*uid)),
        RowKey::Policy(uid) => format!("policy {}", uid_name(*uid)),
        RowKey::Credential(uid) => format!("credential {}", uid_name(*uid)),
        RowKey::Provider(uid) => format!("provider {}", uid_name(*uid)),
        RowKey::Revocation(uid) => format!("revocation {}", uid_name(*uid)),
        RowKey::SessionKey(uid) => format!("session key {}", uid_name(*uid)),
        RowKey::SigningKey => "signing key".to_owned(),
    }
}

fn issuers(issuers: &Issuers) -> String {
    let numbers = |keys: &mut dyn Iterator<Item = &Hash>| {
        let numbers: Vec<String> = keys.map(|key| key.0[31].to_string()).collect();
        numbers.join(" ")
    };
    let active = issuers.active.certificate.public_key.0[31];
    let former = numbers(&mut issuers.former.iter().map(|one| &one.public_key));
    let retired = numbers(&mut issuers.retired.iter());
    format!(": {active} signs, before [{former}], retired [{retired}]")
}

fn row(row: &Row) -> String {
    match row {
        Row::Issuers(kept) => issuers(kept.body()),
        Row::Machine(kept) => format!(": version {}", kept.body().version),
        Row::JoinToken(kept) => match kept.body().used_by {
            Some(node) => format!(": used by node {node}"),
            None => ": unused".to_owned(),
        },
        Row::Wrap(kept) => {
            let wrap = kept.body();
            format!(": key {} version {}", wrap.key_id.0[0], wrap.key_version)
        }
        Row::Access(kept) => {
            let day = kept.body().day;
            let versions = kept.body().versions.iter();
            let versions: Vec<String> = versions.map(|(n, day)| format!("{n} on {day}")).collect();
            format!(": day {day}, versions {}", versions.join(", "))
        }
        Row::Epoch(kept) => format!(
            ": {} begins, primary {}",
            kept.body().epoch,
            kept.body().primary
        ),
        Row::Checkpoint(kept) => format!(": at revision {}", kept.body().revision),
        Row::Region(kept) => format!(": {}", region(kept.body())),
        Row::Principal(kept) => format!(": {}", kept.body().client),
        Row::Secret(kept) => format!(": {}", secret(kept.body())),
        Row::Version(kept) => {
            let of = kept.body().description.as_ref();
            let of = of.map(|of| format!(" of {}", of.id.as_str().trim_end_matches('-')));
            let bytes = kept.body().sealed.ciphertext.len();
            format!(": {bytes} bytes{}", of.unwrap_or_default())
        }
        Row::LinkToken(kept) => {
            let token = kept.body();
            let used = if token.used { ", used" } else { "" };
            format!(": {} {:?}{used}", token.region, token.scope)
        }
        Row::Introduction(kept) => {
            let regions: Vec<String> = kept.body().regions.iter().map(region).collect();
            format!(": {}", regions.join(", "))
        }
        Row::Fence(kept) => format!(": {} by {}", kept.body().feed, kept.body().epoch),
        Row::Replica(kept) => {
            let status = kept.body();
            format!(
                ": {:?} {:?} read on day {}",
                status.state, status.message, status.access_day
            )
        }
        Row::Problem(kept) => {
            let problem = kept.body();
            format!(": {:?} {:?}", problem.kind, problem.message)
        }
        Row::KeptLabels(kept) => labels(&kept.body().labels),
        Row::Detached(kept) => format!(": is secret {}", uid_name(kept.body().new_uid)),
        Row::Staging(kept) => staging(kept.body()),
        Row::Staged(kept) if kept.body().row.is_withheld() => {
            format!(": {} withheld", key(&kept.body().key))
        }
        Row::Staged(kept) => format!(": {}", key(&kept.body().key)),
        Row::Resealed(kept) => {
            let kept = kept.body();
            let id = kept.version.id.as_str().trim_end_matches('-');
            format!(": {id} for secret {}", uid_name(kept.new_uid))
        }
        Row::Withheld(_) => ": withheld".to_owned(),
        other => identities::row(other),
    }
}

fn staging(staging: &Staging) -> String {
    let at = &staging.at;
    let epoch = at.epoch.as_ref().map(Epoch::to_string);
    let epoch = epoch.unwrap_or_default();
    format!(": {} rows at {epoch} {}", staging.rows, at.revision)
}

fn labels(labels: &[KeptLabel]) -> String {
    let labels = labels.iter();
    let labels = labels.map(|kept| format!("{} stays at {}", kept.label, kept.ordinal));
    format!(": {}", labels.collect::<Vec<_>>().join(", "))
}

pub fn region(region: &Region) -> String {
    let mut text = region.name.to_string();
    if region.scope != Scope::Founder {
        let _ = write!(text, " {:?}", region.scope);
    }
    if !region.nodes.is_empty() {
        let nodes = region.nodes.iter().map(|node| node.id.to_string());
        let _ = write!(text, " nodes {}", nodes.collect::<Vec<_>>().join(","));
    }
    if let Some(key) = region.signing_key {
        let _ = write!(text, " signs with {}", key.0[0]);
    }
    if region.unlinked.is_some() {
        text.push_str(" unlinked");
    }
    text
}

pub fn secret(secret: &Secret) -> String {
    let versions: Vec<String> = secret.versions.iter().map(version).collect();
    let mut text = format!(
        "{} changed {} [{}]",
        secret.name,
        secret.changed,
        versions.join(" ")
    );
    if !secret.description.is_empty() {
        let described: String = secret.description.chars().take(40).collect();
        let _ = write!(text, " described {described:?}");
    }
    if let Some(key) = secret.kms_key {
        let _ = write!(text, " key {}", key.0[0]);
    }
    if secret.tagged {
        let tags = secret
            .tags
            .iter()
            .map(|tag| format!("{}={}", tag.key, tag.value));
        let _ = write!(text, " tagged [{}]", tags.collect::<Vec<_>>().join(" "));
    }
    if let Some(deletion) = secret.deletion {
        let _ = write!(text, " due {}", deletion.due);
    }
    if let Some(policy) = &secret.policy {
        let _ = write!(text, " policy {}", identities::document(policy));
    }
    if !secret.replicas.is_empty() {
        let replicas = secret.replicas.iter().map(|replica| {
            let key = replica.kms_key.as_deref();
            let key = key.map(|key| format!("={key}")).unwrap_or_default();
            let force = if replica.force { "!" } else { "" };
            format!("{}{key}{force}", replica.region)
        });
        let _ = write!(text, " in [{}]", replicas.collect::<Vec<_>>().join(" "));
    }
    text
}

pub fn version(version: &Version) -> String {
    let labels: Vec<&str> = version.labels.iter().map(|label| label.as_str()).collect();
    let id = version.id.as_str().trim_end_matches('-');
    if labels.is_empty() {
        id.to_owned()
    } else {
        format!("{id}:{}", labels.join(","))
    }
}
