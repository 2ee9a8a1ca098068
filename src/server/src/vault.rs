//! Values in and out of their envelopes: the only place of the server that sees key material.

use std::sync::Arc;

use arc_swap::ArcSwap;
use envelope::{EncryptionContext, Kek, RootKey};
use machine::{
    KeyId, KeyState, KeyVersion, KmsKey, NewVersion, SealedValue, Stamp, State, Uid, ValueKind,
    VersionId, Wrap,
};
use zeroize::Zeroizing;

use crate::errors::{Reason, Refusal};

/// The alias of the key that seals what names no key.
pub const DEFAULT_KEY_ALIAS: &str = "alias/aws/secretsmanager";

/// Holds the root key and the KEKs unwrapped so far.
pub struct Vault {
    root: RootKey,
    cluster: [u8; 16],
    region: String,
    keks: ArcSwap<Vec<Arc<Kek>>>,
}

/// What a value is sealed for: the secret and the version, which its AAD binds.
#[derive(Clone, Copy)]
pub struct Address<'a> {
    /// The secret.
    pub uid: &'a Uid,
    /// The version.
    pub version: &'a VersionId,
}

impl Vault {
    /// A vault of this cluster and region.
    #[must_use]
    pub fn new(root: RootKey, cluster: [u8; 16], region: String) -> Self {
        Self {
            root,
            cluster,
            region,
            keks: ArcSwap::default(),
        }
    }

    /// Makes the default key of a new region, wrapped by the root key.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn make_default_key(&self, created: Stamp) -> Result<KmsKey, envelope::SealFailed> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(envelope::SealFailed::Randomness)?;
        let kek = Kek::generate(id, 1)?;
        let wrapped = self.root.wrap_kek(&kek, &self.cluster, &self.region)?;
        Ok(KmsKey {
            id: KeyId(id),
            alias: DEFAULT_KEY_ALIAS.to_owned(),
            state: KeyState::Enabled,
            versions: vec![KeyVersion {
                version: 1,
                wrapped: wrapped.into(),
                created,
            }],
        })
    }

    /// Seals a value for its address under the newest version of a key.
    ///
    /// # Errors
    /// `EncryptionFailure` when there is no such key or it does not unwrap.
    pub fn seal(
        &self,
        state: &State,
        key: Option<&KeyId>,
        at: Address<'_>,
        kind: ValueKind,
        plain: &[u8],
    ) -> Result<NewVersion, Refusal> {
        let kek = self.newest(state, key)?;
        let sealed = kek
            .seal(&self.context(at), &self.region, plain)
            .map_err(|error| {
                tracing::error!(%error, "a value could not be sealed");
                seal_failed()
            })?;
        let wrap = Wrap {
            key_id: KeyId(kek.id()),
            key_version: kek.version(),
            wrapped_dek: sealed.wrapped_dek.into(),
        };
        let value = SealedValue {
            nonce: sealed.nonce,
            ciphertext: sealed.ciphertext.into(),
        };
        Ok(NewVersion {
            id: at.version.clone(),
            kind,
            sealed: Arc::new(value),
            wrap,
        })
    }

    /// Opens a sealed value that stands at this address.
    ///
    /// # Errors
    /// `DecryptionFailure` when it does not authenticate there.
    pub fn open(
        &self,
        state: &State,
        at: Address<'_>,
        sealed: &SealedValue,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let wrap = state.wrap(at.uid, at.version).ok_or_else(open_failed)?;
        let kek = self
            .kek(state, &wrap.key_id, wrap.key_version)
            .ok_or_else(open_failed)?;
        let (nonce, ciphertext) = (&sealed.nonce, &sealed.ciphertext);
        let context = self.context(at);
        kek.open(&context, &self.region, nonce, ciphertext, &wrap.wrapped_dek)
            .map_err(|error| {
                tracing::error!(%error, uid = %at.uid, "a value did not open");
                open_failed()
            })
    }

    fn context<'a>(&self, at: Address<'a>) -> EncryptionContext<'a> {
        EncryptionContext {
            cluster: self.cluster,
            uid: at.uid.0,
            version_id: at.version.as_str(),
        }
    }

    fn newest(&self, state: &State, key: Option<&KeyId>) -> Result<Arc<Kek>, Refusal> {
        let row = match key {
            None => state.default_key(),
            Some(id) => state.kms_key(id),
        };
        let row = row
            .filter(|key| key.state == KeyState::Enabled)
            .ok_or_else(seal_failed)?;
        let newest = row.versions.iter().max_by_key(|version| version.version);
        let newest = newest.ok_or_else(seal_failed)?;
        self.kek(state, &row.id, newest.version)
            .ok_or_else(seal_failed)
    }

    /// The KEK, unwrapped on first use.
    fn kek(&self, state: &State, id: &KeyId, version: u32) -> Option<Arc<Kek>> {
        let is_asked = |kek: &&Arc<Kek>| kek.id() == id.0 && kek.version() == version;
        if let Some(kek) = self.keks.load().iter().find(is_asked) {
            return Some(Arc::clone(kek));
        }
        let row = state.kms_key(id)?;
        let wrapped = &row
            .versions
            .iter()
            .find(|known| known.version == version)?
            .wrapped;
        let unwrapped = self
            .root
            .unwrap_kek(&self.cluster, &self.region, id.0, version, wrapped);
        let kek = unwrapped
            .inspect_err(|error| tracing::error!(%error, key = %id, "a key did not unwrap"))
            .ok()?;
        let kek = Arc::new(kek);
        self.keks.rcu(|known| {
            let mut keks = Vec::clone(known);
            if !keks.iter().any(|known| is_asked(&known)) {
                keks.push(Arc::clone(&kek));
            }
            keks
        });
        Some(kek)
    }
}

fn seal_failed() -> Refusal {
    Refusal::new(
        Reason::EncryptionFailure,
        "Secrets Manager can't encrypt the protected secret text using the specified KMS key.",
    )
}

fn open_failed() -> Refusal {
    Refusal::new(
        Reason::DecryptionFailure,
        "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
    )
}
