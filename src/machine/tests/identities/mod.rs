//! Random commands about identities. Few uids and names, so that callers meet.
#![allow(dead_code)]

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::{BoxedStrategy, Strategy, any};
use proptest::{collection, option, prop_oneof};
use strongroom_machine::{
    AccessKeyId, AccountId, Command, CreateAccount, CreateCredential, CreateIdentity, CreatePolicy,
    CreateProvider, CredentialChange, DeleteCredential, DeleteIdentity, DeletePolicy,
    DeleteProvider, Document, EntityKind, EntityName, EntityPath, ForgetRevocations, Identity,
    IdentityChange, InlinePolicy, IssuerUrl, Nature, Proof, RegionName, Revision, Revoke, Revoked,
    RewrapCredential, RowKey, SealedValue, Seen, SeenAs, SeenRow, Stamp, State, Tag, Uid,
    UpdateCredential, UpdateIdentity, UpdatePolicy, UpdateProvider, limits,
};

use crate::support::{DEFAULT_KEY, Failure, REGION, account, root_uid, wrap};

/// Gives any command about identities. Access keys are wrapped by the first region's default key.
pub fn identity_commands() -> BoxedStrategy<Command> {
    prop_oneof![
        4 => creates(),
        8 => changes(),
        2 => policies(),
        4 => credentials(),
        1 => providers(),
        1 => revocations(),
        2 => deletions(),
    ]
    .boxed()
}

fn creates() -> BoxedStrategy<Command> {
    let of = (
        uids(),
        accounts(),
        names(),
        natures(),
        option::of(uids()),
        seen(),
    );
    let identity = of.prop_map(|(uid, account, name, nature, boundary, seen)| {
        Command::CreateIdentity(CreateIdentity {
            uid,
            account,
            path: EntityPath::root(),
            name,
            nature,
            tags: Vec::new(),
            boundary,
            regions: Vec::new(),
            seen,
        })
    });
    let account = accounts().prop_map(|id| {
        Command::CreateAccount(CreateAccount {
            id,
            name: "other".to_owned(),
            seen: Seen::default(),
        })
    });
    prop_oneof![6 => identity, 1 => account].boxed()
}

fn natures() -> BoxedStrategy<Nature> {
    let user = collection::vec(uids(), 0..2).prop_map(|groups| Nature::User { groups });
    let role = (800..1000u32).prop_map(|session_seconds_max| Nature::Role {
        trust: Document::new("{}"),
        session_seconds_max,
    });
    prop_oneof![2 => user, 1 => proptest::strategy::Just(Nature::Group), 1 => role].boxed()
}

fn changes() -> BoxedStrategy<Command> {
    let tag = ("k[0-3]", "[a-z]{0,2}").prop_map(|(key, value)| Tag { key, value });
    let inline = (names(), document()).prop_map(|(name, document)| InlinePolicy { name, document });
    let change = prop_oneof![
        1 => document().prop_map(IdentityChange::Trust),
        1 => option::of(uids()).prop_map(IdentityChange::Boundary),
        1 => regions().prop_map(IdentityChange::Regions),
        1 => collection::vec(tag, 0..3).prop_map(IdentityChange::Tag),
        1 => collection::vec("k[0-3]", 0..3).prop_map(IdentityChange::Untag),
        1 => any::<bool>().prop_map(IdentityChange::Enabled),
        1 => (800..1000u32).prop_map(IdentityChange::SessionSecondsMax),
        3 => uids().prop_map(IdentityChange::Attach),
        2 => uids().prop_map(IdentityChange::Detach),
        1 => inline.prop_map(IdentityChange::PutInline),
        1 => names().prop_map(IdentityChange::DeleteInline),
        3 => uids().prop_map(IdentityChange::Join),
        2 => uids().prop_map(IdentityChange::Leave),
        1 => proptest::strategy::Just(IdentityChange::RevokeSessions),
    ];
    let of = (uids(), change, seen());
    of.prop_map(|(uid, change, seen)| Command::UpdateIdentity(UpdateIdentity { uid, change, seen }))
        .boxed()
}

fn policies() -> BoxedStrategy<Command> {
    let create =
        (uids(), accounts(), names(), document()).prop_map(|(uid, account, name, document)| {
            Command::CreatePolicy(CreatePolicy {
                uid,
                account,
                path: EntityPath::root(),
                name,
                document,
                description: String::new(),
                seen: Seen::default(),
            })
        });
    let update = (uids(), option::of(document())).prop_map(|(uid, document)| {
        Command::UpdatePolicy(UpdatePolicy {
            uid,
            document,
            description: None,
            seen: Seen::default(),
        })
    });
    prop_oneof![3 => create, 1 => update].boxed()
}

fn credentials() -> BoxedStrategy<Command> {
    let create = (uids(), uids(), proofs()).prop_map(|(uid, identity, proof)| {
        Command::CreateCredential(CreateCredential {
            uid,
            identity,
            wrap: proof.is_access_key().then(|| wrap(DEFAULT_KEY, 1)),
            proof,
            regions: Vec::new(),
            seen: Seen::default(),
        })
    });
    let change = prop_oneof![
        any::<bool>().prop_map(CredentialChange::Active),
        regions().prop_map(CredentialChange::Regions),
    ];
    let update = (uids(), change).prop_map(|(uid, change)| {
        let seen = Seen::default();
        Command::UpdateCredential(UpdateCredential { uid, change, seen })
    });
    let rewrap = uids().prop_map(|uid| {
        let wrap = wrap(DEFAULT_KEY, 1);
        Command::RewrapCredential(RewrapCredential { uid, wrap })
    });
    prop_oneof![4 => create, 1 => update, 1 => rewrap].boxed()
}

fn proofs() -> BoxedStrategy<Proof> {
    let key = (0..4u8).prop_filter_map("ids are ids", |n| {
        let sealed = SealedValue {
            nonce: [n; 12],
            ciphertext: Bytes::from(vec![n; 40]),
        };
        Some(Proof::AccessKey {
            id: AccessKeyId::new(&format!("AKIA{n:016}")).ok()?,
            sealed: Arc::new(sealed),
        })
    });
    let path = "(/[ab]{0,1}){0,3}";
    prop_oneof![
        2 => key,
        1 => "[ab]{0,1}".prop_map(Proof::Subject),
        1 => path.prop_map(|path| Proof::Uri(format!("spiffe://h{path}"))),
        1 => path.prop_map(|path| Proof::UriPrefix(format!("spiffe://h{path}*"))),
    ]
    .boxed()
}

fn providers() -> BoxedStrategy<Command> {
    let issuer = (0..3u8).prop_filter_map("issuers are issuers", |n| {
        IssuerUrl::new(&format!("https://issuer-{n}.example")).ok()
    });
    let create = (uids(), accounts(), issuer).prop_map(|(uid, account, issuer)| {
        Command::CreateProvider(CreateProvider {
            uid,
            account,
            issuer,
            audiences: vec!["a".to_owned()],
            keys: Document::new(""),
            seen: Seen::default(),
        })
    });
    let update = (uids(), "[a-c]{0,1}").prop_map(|(uid, keys)| {
        Command::UpdateProvider(UpdateProvider {
            uid,
            audiences: Vec::new(),
            keys: Some(Document::new(&keys)),
            seen: Seen::default(),
        })
    });
    prop_oneof![2 => create, 1 => update].boxed()
}

fn revocations() -> BoxedStrategy<Command> {
    let revoke = (uids(), 0..4u8, 99..140u64).prop_map(|(uid, session, day)| {
        Command::Revoke(Revoke {
            uid,
            what: Revoked::Session(format!("s{session}")),
            reason: String::new(),
            until: Stamp(day * limits::DAY_MS),
            seen: Seen::default(),
        })
    });
    let forget = proptest::strategy::Just(Command::ForgetRevocations(ForgetRevocations));
    prop_oneof![3 => revoke, 1 => forget].boxed()
}

fn deletions() -> BoxedStrategy<Command> {
    let of = (uids(), 0..4u8);
    of.prop_map(|(uid, kind)| {
        let seen = Seen::default();
        match kind {
            0 => Command::DeleteIdentity(DeleteIdentity { uid, seen }),
            1 => Command::DeletePolicy(DeletePolicy { uid, seen }),
            2 => Command::DeleteCredential(DeleteCredential { uid, seen }),
            _ => Command::DeleteProvider(DeleteProvider { uid, seen }),
        }
    })
    .boxed()
}

fn uids() -> impl Strategy<Value = Uid> {
    (1..12u64).prop_map(root_uid)
}

fn accounts() -> impl Strategy<Value = AccountId> {
    (1..3u8).prop_filter_map("accounts are accounts", |n| {
        AccountId::new(&format!("{n:012}")).ok()
    })
}

fn names() -> impl Strategy<Value = EntityName> {
    "[aAbB]".prop_filter_map("names are names", |name| EntityName::new(&name).ok())
}

fn document() -> impl Strategy<Value = Document> {
    "[a-z]{0,3}".prop_map(|text| Document::new(&text))
}

fn regions() -> impl Strategy<Value = Vec<RegionName>> {
    any::<bool>().prop_map(|is_bound| {
        let regions = is_bound.then(|| RegionName::new(REGION).ok());
        regions.into_iter().flatten().collect()
    })
}

fn seen() -> impl Strategy<Value = Seen> {
    let row = (uids(), 0..40u64).prop_map(|(uid, revision)| SeenRow {
        key: RowKey::Identity(uid),
        seen: SeenAs::Revision(Revision(revision)),
    });
    option::weighted(0.1, row).prop_map(|row| Seen(row.into_iter().collect()))
}

/// What must hold of the identities of a region that made them all: names are unique, what is
/// referred to is there, and everything is found by what it says of itself.
pub fn identities_are_sound(state: &State) -> Result<(), Failure> {
    let accounts = [account()?, AccountId::new("000000000002")?];
    let kinds = [EntityKind::User, EntityKind::Group, EntityKind::Role];
    for account in &accounts {
        for kind in kinds {
            let held: Vec<&Arc<Identity>> = state.identities_after(account, kind, None).collect();
            let count = state.entities_owned(account, kind);
            let lower = |identity: &Identity| identity.name.as_str().to_ascii_lowercase();
            let is_sorted = held.is_sorted_by(|a, b| lower(a) < lower(b));
            if !is_sorted || held.len() != count {
                return Err("two identities have a name, or they are miscounted".into());
            }
            for identity in held {
                identity_is_sound(state, identity)?;
            }
        }
        for policy in state.policies_after(account, None) {
            let found = state.policy_named(account, &policy.name);
            same(found.map(|found| found.uid), policy.uid)?;
        }
        for provider in state.providers(account) {
            let found = state.provider_of(account, &provider.issuer);
            same(found.map(|found| found.uid), provider.uid)?;
        }
    }
    for revocation in state.revocations() {
        let found = state.revocation_of(&revocation.what);
        same(found.map(|found| found.uid), revocation.uid)?;
    }
    match state.credentials_without_wrap().next() {
        None => Ok(()),
        Some(uid) => Err(format!("the access key {uid} has no key").into()),
    }
}

fn identity_is_sound(state: &State, identity: &Identity) -> Result<(), Failure> {
    let (account, kind) = (&identity.account, identity.kind());
    let found = state.identity_named(account, kind, &identity.name);
    same(found.map(|found| found.uid), identity.uid)?;
    let policies = identity.attached.iter().chain(&identity.boundary);
    for policy in policies {
        let policy = state
            .policy(policy)
            .filter(|policy| policy.account == *account);
        let policy = policy.ok_or("an attached policy is not there")?;
        let mut referrers = state.referrers(&policy.uid);
        referrers
            .find(|referrer| referrer.uid == identity.uid)
            .ok_or("a policy does not know who refers to it")?;
    }
    for group in identity.groups() {
        let group = state
            .identity(group)
            .filter(|group| group.account == *account);
        let group = group.filter(|group| group.nature == Nature::Group);
        let group = group.ok_or("a group is not there")?;
        let mut members = state.members(&group.uid);
        members
            .find(|member| member.uid == identity.uid)
            .ok_or("a group does not know its member")?;
    }
    for credential in state.credentials_of(&identity.uid) {
        let found = match &credential.proof {
            Proof::AccessKey { id, .. } => state.credential_of_key(id),
            Proof::Subject(name) => state.credential_of_subject(name),
            Proof::Uri(uri) => state.credential_of_uri(uri),
            Proof::UriPrefix(prefix) => {
                let under = prefix.replace('*', "none-that-is-bound");
                state.credential_of_uri(&under)
            }
        };
        same(found.map(|found| found.uid), credential.uid)?;
    }
    Ok(())
}

fn same(found: Option<Uid>, uid: Uid) -> Result<(), Failure> {
    match found == Some(uid) {
        true => Ok(()),
        false => Err(format!("{uid} is not found by what it says of itself").into()),
    }
}
