//! Values in and out of their envelopes: the only place of the server that sees key material, but
//! for the opened keys of sessions.

mod access_key;
mod between;
mod issuer;
mod sessions;

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
    sessions: sessions::Opened,
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
            sessions: sessions::Opened::default(),
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
        self.open_under(state, at, sealed, wrap)
    }

    /// Opens what is sealed for this address under a data key that is wrapped so.
    fn open_under(
        &self,
        state: &State,
        at: Address<'_>,
        sealed: &SealedValue,
        wrap: &Wrap,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
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

#[cfg(test)]
mod tests {
    use machine::{
        AccountId, ArnSuffix, Audit, Command, CreateSecret, Entry, FeedId, Found, Hash, KeyId,
        LogIndex, MACHINE_VERSION, NewVersion, Node, NodeId, RegionName, RequestId, SecretName,
        Seen, Stamp, State, Uid, ValueKind, VersionId,
    };

    use super::{Address, Vault};
    use crate::errors::Reason;

    const CLUSTER: [u8; 16] = [1; 16];
    const REGION: &str = "eu-west-1";

    struct Rig {
        vault: Vault,
        state: State,
        index: u64,
    }

    impl Rig {
        fn new() -> Self {
            let root = envelope::RootKey::generate().unwrap();
            let vault = Vault::new(root, CLUSTER, REGION.to_owned());
            let found = Found {
                cluster: machine::ClusterId(CLUSTER),
                region: RegionName::new(REGION).unwrap(),
                account: AccountId::new("000000000000").unwrap(),
                administrator: "admin".to_owned(),
                default_key: vault.make_default_key(Stamp(1)).unwrap(),
                node: Node {
                    id: NodeId(1),
                    peer_address: "a:1".to_owned(),
                    api_address: "a:2".to_owned(),
                    public_key: Hash([1; 32]),
                },
                machine_version: MACHINE_VERSION,
                introduction: None,
            };
            let mut rig = Self {
                vault,
                state: State::new(),
                index: 0,
            };
            rig.apply(Command::Found(found));
            rig
        }

        fn apply(&mut self, command: Command) {
            self.index += 1;
            let audit = Audit {
                caller: "test".to_owned(),
                request_id: RequestId([0; 16]),
            };
            let stamp = Stamp(1_000 + self.index);
            let entry = Entry {
                stamp,
                audit,
                seed: [0; 32],
                command,
            };
            machine::apply(&mut self.state, LogIndex(self.index), &entry)
                .answer
                .unwrap();
        }

        fn sealed(&self, uid: Uid, version: &VersionId, plain: &[u8]) -> NewVersion {
            let at = Address { uid: &uid, version };
            self.vault
                .seal(&self.state, None, at, ValueKind::String, plain)
                .unwrap()
        }

        fn create(&mut self, uid: Uid, name: &str, new: NewVersion) {
            self.apply(Command::CreateSecret(CreateSecret {
                uid,
                account: AccountId::new("000000000000").unwrap(),
                name: SecretName::new(name).unwrap(),
                arn_suffix: ArnSuffix::new("AbCdEf").unwrap(),
                description: String::new(),
                kms_key: None,
                tags: Vec::new(),
                new: Some(new),
                region: None,
                replicas: Vec::new(),
                seen: Seen::default(),
            }));
        }

        fn open(&self, uid: Uid, version: &VersionId) -> Result<Vec<u8>, Reason> {
            let Some(machine::Value::Here(sealed)) = self.state.value(&uid, version) else {
                panic!("the value is here");
            };
            let at = Address { uid: &uid, version };
            let opened = self.vault.open(&self.state, at, &sealed);
            opened
                .map(|plain| plain.to_vec())
                .map_err(|refusal| refusal.reason())
        }
    }

    fn uid(number: u8) -> Uid {
        FeedId::Home(RegionName::new(REGION).unwrap()).uid_of([number; 16])
    }

    fn version(number: u32) -> VersionId {
        VersionId::new(&format!("{number:032}")).unwrap()
    }

    #[test]
    fn a_value_opens_where_it_was_sealed_for_and_nowhere_else() {
        let mut rig = Rig::new();
        let (one, other) = (uid(1), uid(2));
        let sealed = rig.sealed(one, &version(1), b"value");
        rig.create(one, "one", sealed.clone());
        // The same bytes with their wrap, moved to another secret: AAD binds uid and version.
        rig.create(other, "other", sealed);
        assert_eq!(rig.open(one, &version(1)).unwrap(), b"value");
        assert_eq!(rig.open(other, &version(1)), Err(Reason::DecryptionFailure));
        let moved = NewVersion {
            id: version(2),
            ..rig.sealed(uid(3), &version(1), b"x")
        };
        rig.create(uid(3), "third", moved);
        assert_eq!(
            rig.open(uid(3), &version(2)),
            Err(Reason::DecryptionFailure)
        );
    }

    #[test]
    fn an_unknown_key_seals_nothing() {
        let rig = Rig::new();
        let (uid, version) = (uid(1), version(1));
        let at = Address {
            uid: &uid,
            version: &version,
        };
        let key = KeyId([9; 16]);
        let refused = rig
            .vault
            .seal(&rig.state, Some(&key), at, ValueKind::String, b"x");
        assert_eq!(refused.unwrap_err().reason(), Reason::EncryptionFailure);
    }

    #[test]
    fn another_root_key_opens_nothing() {
        let mut rig = Rig::new();
        let uid = uid(1);
        let sealed = rig.sealed(uid, &version(1), b"value");
        rig.create(uid, "one", sealed);
        let root = envelope::RootKey::generate().unwrap();
        rig.vault = Vault::new(root, CLUSTER, REGION.to_owned());
        assert_eq!(rig.open(uid, &version(1)), Err(Reason::DecryptionFailure));
    }
}
