//! The keys of all regions, and what the server does with values: sealed before they are proposed,
//! opened from a view, their data keys wrapped anew on their way to another region.
//!
//! Every name and every version id begins with a mark and the number of its secret, so that what a
//! region must not be sent is found among the bytes that it is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use consensus::{ValueError, View};
use envelope::{EncryptionContext, Kek, LinkKey};
use machine::{NewVersion, SealedValue, SecretName, State, Uid, ValueKind, VersionId, Wrap};
use replication::{Keys, TakeFailed};

use crate::network::Guard;
use crate::region::{self, CLUSTER};

/// Every value begins so: on the wire it must not be seen.
pub const PLAINTEXT: &str = "plaintext of write ";
/// Every name and version id begins so: only those who hold the secret may see it.
const MARK: &str = "canary-";

pub struct Vault {
    /// By region, from 1.
    keks: Vec<Kek>,
    /// Regions that receive every secret.
    receive_all: BTreeSet<u64>,
    /// The regions that each secret was ever made in or shared with, by its number.
    allowed: Mutex<BTreeMap<u64, BTreeSet<u64>>>,
}

/// What one region does with data keys.
pub struct RegionKeys {
    pub vault: Arc<Vault>,
    pub region: u64,
}

impl Vault {
    pub fn new(regions: u64, receive_all: BTreeSet<u64>) -> Vault {
        let keks = (1..=regions).map(|region| Kek::generate(region::key(region).0, 1));
        Vault {
            keks: keks.map(|kek| kek.expect("randomness")).collect(),
            receive_all,
            allowed: Mutex::default(),
        }
    }

    fn kek(&self, region: u64) -> &Kek {
        &self.keks[usize::try_from(region - 1).expect("a small number")]
    }

    /// Takes that a region may come to hold a secret of a number from now on.
    pub fn allow(&self, secret: u64, region: u64) {
        let allowed = self.allowed.lock();
        let mut allowed = allowed.unwrap_or_else(PoisonError::into_inner);
        allowed.entry(secret).or_default().insert(region);
    }

    fn may_have(&self, secret: u64, region: u64) -> bool {
        let allowed = self.allowed.lock();
        let allowed = allowed.unwrap_or_else(PoisonError::into_inner);
        let is_listed = allowed.get(&secret).is_some_and(|of| of.contains(&region));
        is_listed || self.receive_all.contains(&region)
    }

    /// Finds a plaintext in what is sent, or the mark of a secret that the receiver may not have.
    pub fn guard(self: &Arc<Self>) -> Guard {
        let vault = Arc::clone(self);
        Arc::new(move |from, to, bytes| {
            if let Some(at) = memchr::memmem::find(bytes, PLAINTEXT.as_bytes()) {
                return Some(format!("{from} sent {to} `{}`", excerpt(bytes, at)));
            }
            if region::of(from) == region::of(to) {
                return None;
            }
            let mut marks = memchr::memmem::find_iter(bytes, MARK.as_bytes());
            let foreign = marks.find(|at| {
                let digits = bytes.get(at + MARK.len()..at + MARK.len() + 6);
                let secret =
                    digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
                secret.is_some_and(|secret| !self_may(&vault, secret, to))
            })?;
            Some(format!("{from} sent {to} `{}`", excerpt(bytes, foreign)))
        })
    }

    /// The version that write `number` adds to a secret.
    pub fn seal(&self, region: u64, uid: Uid, id: VersionId) -> NewVersion {
        let plain = format!("{PLAINTEXT}{}", number(&id));
        let context = context(uid, &id);
        let name = region::name(region);
        let sealed = self
            .kek(region)
            .seal(&context, name.as_str(), plain.as_bytes());
        let sealed = sealed.expect("randomness");
        NewVersion {
            sealed: Arc::new(SealedValue {
                nonce: sealed.nonce,
                ciphertext: sealed.ciphertext.into(),
            }),
            id,
            kind: ValueKind::String,
            wrap: Wrap {
                key_id: region::key(region),
                key_version: 1,
                wrapped_dek: sealed.wrapped_dek.into(),
            },
        }
    }

    /// Opens a version in a region; false when its value is not there yet, or not any more.
    pub fn open(&self, region: u64, view: &View, uid: Uid, id: &VersionId) -> Result<bool, String> {
        let value = match view.value(&uid, id) {
            Err(ValueError::Superseded) | Ok(None) => return Ok(false),
            Err(error) => return Err(format!("no value: {error}")),
            Ok(Some(value)) => value,
        };
        let wrap = view.wrap(&uid, id).ok_or("a value without a wrap")?;
        let opened = self.kek(region).open(
            &context(uid, id),
            region::name(region).as_str(),
            &value.nonce,
            &value.ciphertext,
            &wrap.wrapped_dek,
        );
        let plain = opened.map_err(|_| "the value does not open")?;
        let number = number(id);
        match *plain == format!("{PLAINTEXT}{number}").into_bytes() {
            true => Ok(true),
            false => Err(format!("write {number} has another's value")),
        }
    }
}

fn self_may(vault: &Vault, secret: u64, host: u64) -> bool {
    vault.may_have(secret, region::of(host))
}

fn excerpt(bytes: &[u8], at: usize) -> String {
    let end = (at + 40).min(bytes.len());
    String::from_utf8_lossy(&bytes[at..end]).into_owned()
}

impl Keys for RegionKeys {
    fn send(
        &self,
        _: &State,
        uid: &Uid,
        version: &VersionId,
        wrap: &Wrap,
        link: &LinkKey,
    ) -> Option<Vec<u8>> {
        let kek = self.vault.kek(self.region);
        let name = region::name(self.region);
        let context = context(*uid, version);
        link.rewrap_out(kek, &context, name.as_str(), &wrap.wrapped_dek)
            .ok()
    }

    fn take(
        &self,
        _: &State,
        _: Option<&str>,
        uid: &Uid,
        version: &VersionId,
        link: &LinkKey,
        wrapped: &[u8],
    ) -> Result<Wrap, TakeFailed> {
        let kek = self.vault.kek(self.region);
        let name = region::name(self.region);
        let context = context(*uid, version);
        let wrapped = link.rewrap_in(kek, &context, name.as_str(), wrapped);
        let wrapped = wrapped.map_err(|_| TakeFailed::Link)?;
        Ok(Wrap {
            key_id: region::key(self.region),
            key_version: 1,
            wrapped_dek: wrapped.into(),
        })
    }

    fn rewrap(
        &self,
        _: &State,
        _: Option<&str>,
        _: &Uid,
        _: &VersionId,
        _: &Wrap,
    ) -> Result<Option<Wrap>, String> {
        Ok(None)
    }
}

fn context(uid: Uid, version: &VersionId) -> EncryptionContext<'_> {
    EncryptionContext {
        cluster: CLUSTER.0,
        uid: uid.0,
        version_id: version.as_str(),
    }
}

/// The name of a secret of a number.
pub fn secret_name(secret: u64) -> SecretName {
    SecretName::new(&format!("{MARK}{secret:06}")).expect("a name")
}

/// The version that write `number` adds to a secret of a number.
pub fn version_id(secret: u64, number: u64) -> VersionId {
    VersionId::new(&format!("{MARK}{secret:06}-{number:018}")).expect("a version id")
}

/// The number of the write that added a version.
pub fn number(version: &VersionId) -> u64 {
    let digits = version.as_str().rsplit('-').next();
    digits
        .and_then(|digits| digits.parse().ok())
        .expect("a number")
}
