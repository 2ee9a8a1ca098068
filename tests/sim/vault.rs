//! What the server's handlers do with values: sealed before they are proposed, opened from a view.

use std::sync::Arc;

use consensus::View;
use envelope::{EncryptionContext, Kek};
use machine::{NewVersion, SealedValue, Uid, ValueKind, VersionId, Wrap};

use crate::network::Guard;
use crate::region::{CLUSTER, KEY, REGION};

/// Every value begins so: on the wire it must not be seen.
pub const PLAINTEXT: &str = "plaintext of write ";

pub struct Vault {
    kek: Kek,
    /// A broken build: what is proposed is not sealed.
    leaks: bool,
}

impl Vault {
    pub fn new(leaks: bool) -> Vault {
        let kek = Kek::generate(KEY.0, 1).expect("randomness");
        Vault { kek, leaks }
    }

    /// The version that write `number` adds.
    pub fn seal(&self, uid: Uid, number: u64) -> NewVersion {
        let id = version_id(number);
        let plain = format!("{PLAINTEXT}{number}");
        let context = context(uid, &id);
        let sealed = self.kek.seal(&context, REGION, plain.as_bytes());
        let sealed = sealed.expect("randomness");
        let ciphertext = if self.leaks {
            plain.into_bytes()
        } else {
            sealed.ciphertext
        };
        NewVersion {
            sealed: Arc::new(SealedValue {
                nonce: sealed.nonce,
                ciphertext: ciphertext.into(),
            }),
            id: id.clone(),
            kind: ValueKind::String,
            wrap: Wrap {
                key_id: KEY,
                key_version: 1,
                wrapped_dek: sealed.wrapped_dek.into(),
            },
        }
    }

    /// The number of the write whose value is current, from its plaintext; zero when there is none.
    pub fn open(&self, view: &View, uid: Uid) -> Result<u64, String> {
        let secret = view.secret(&uid).ok_or("the secret is gone")?;
        let Some(current) = secret.current() else {
            return Ok(0);
        };
        let value = view.value(&uid, &current.id);
        let value = value.map_err(|error| format!("no value: {error}"))?;
        let value = value.ok_or("the current version has no value")?;
        let wrap = view.wrap(&uid, &current.id).ok_or("no wrap")?;
        if self.leaks {
            return Ok(number(&current.id));
        }
        let context = context(uid, &current.id);
        let opened = self.kek.open(
            &context,
            REGION,
            &value.nonce,
            &value.ciphertext,
            &wrap.wrapped_dek,
        );
        let plain = opened.map_err(|_| "the value does not open")?;
        let number = number(&current.id);
        if *plain != format!("{PLAINTEXT}{number}").into_bytes() {
            return Err(format!("write {number} has another's value"));
        }
        Ok(number)
    }
}

/// Finds a plaintext in what is sent.
pub fn guard() -> Guard {
    Arc::new(|_, _, bytes| {
        let mark = PLAINTEXT.as_bytes();
        let at = memchr::memmem::find(bytes, mark)?;
        let end = (at + mark.len() + 8).min(bytes.len());
        Some(String::from_utf8_lossy(&bytes[at..end]).into_owned())
    })
}

fn context(uid: Uid, version: &VersionId) -> EncryptionContext<'_> {
    EncryptionContext {
        cluster: CLUSTER.0,
        uid: uid.0,
        version_id: version.as_str(),
    }
}

pub fn version_id(number: u64) -> VersionId {
    VersionId::new(&format!("{number:032}")).expect("a version id")
}

pub fn number(version: &VersionId) -> u64 {
    version.as_str().parse().expect("a number")
}
