//! Keys of sessions: what seals them everywhere, and what signs those of this region. Each is a few
//! bytes, sealed as the one version of a secret that there is not; opened once, and kept in memory
//! for as long as the state has it.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use envelope::{SessionKey, SigningKey};
use machine::{
    FeedId, KeepSigningKey, RotateSessionKey, SealedValue, Stamp, State, Uid, ValueKind,
    VerifyingKey, VersionId,
};

use super::{Address, Vault, seal_failed};
use crate::errors::Refusal;
use crate::limits::SESSION_KEY_SETTLES;

/// The keys that were opened.
#[derive(Default)]
pub(super) struct Opened {
    /// Those that seal sessions; two, or a few more for a moment.
    sealing: ArcSwap<Vec<Sealing>>,
    /// The one by which this region signs.
    signing: ArcSwapOption<Signing>,
}

#[derive(Clone)]
struct Sealing {
    uid: Uid,
    /// What it was opened from: another row of that uid is another key.
    sealed: Arc<SealedValue>,
    key: Arc<SessionKey>,
}

struct Signing {
    public_key: VerifyingKey,
    key: Arc<SigningKey>,
}

impl Vault {
    /// The cluster whose keys it opens.
    #[must_use]
    pub fn cluster(&self) -> [u8; 16] {
        self.cluster
    }

    /// Makes a session key, to be proposed where the newest one is at least so old.
    ///
    /// # Errors
    /// `EncryptionFailure` when the default key does not unwrap, or without random bytes.
    pub fn make_session_key(
        &self,
        state: &State,
        age_min_ms: u64,
    ) -> Result<RotateSessionKey, Refusal> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| seal_failed())?;
        let uid = FeedId::Root.uid_of(random);
        let version = VersionId::of_session_key();
        let at = Address {
            uid: &uid,
            version: &version,
        };
        let seed = envelope::random_seed().map_err(|_| seal_failed())?;
        let sealed = self.seal(state, None, at, ValueKind::Binary, seed.as_slice())?;
        Ok(RotateSessionKey {
            uid,
            sealed: sealed.sealed,
            wrap: sealed.wrap,
            age_min_ms,
        })
    }

    /// Makes a key by which this region signs, to be proposed where there is none.
    ///
    /// # Errors
    /// As [`Vault::make_session_key`].
    pub fn make_signing_key(&self, state: &State) -> Result<KeepSigningKey, Refusal> {
        let seed = envelope::random_seed().map_err(|_| seal_failed())?;
        let key = SigningKey::from_seed(seed.as_slice()).ok_or_else(seal_failed)?;
        let (uid, version) = (
            home(state).ok_or_else(seal_failed)?,
            VersionId::of_signing_key(),
        );
        let at = Address {
            uid: &uid,
            version: &version,
        };
        let sealed = self.seal(state, None, at, ValueKind::Binary, seed.as_slice())?;
        Ok(KeepSigningKey {
            key: machine::SigningKey {
                public_key: VerifyingKey(key.public_key()),
                sealed: sealed.sealed,
                wrap: sealed.wrap,
                // That of the entry counts.
                created: state.last_stamp(),
            },
        })
    }

    /// The number of this region in the directory, and the key by which it signs; none unless the
    /// directory tells others of that very key.
    #[must_use]
    pub fn signer(&self, state: &State) -> Option<(u32, Arc<SigningKey>)> {
        let row = state.signing_key()?;
        let (number, entry) = state.entry(state.region()?)?;
        if !entry.is_linked() || entry.signing_key != Some(row.public_key) {
            return None;
        }
        let number = u32::try_from(number.0).ok()?;
        let opened = self.sessions.signing.load_full();
        if let Some(held) = opened.filter(|held| held.public_key == row.public_key) {
            return Some((number, Arc::clone(&held.key)));
        }
        let (uid, version) = (home(state)?, VersionId::of_signing_key());
        let at = Address {
            uid: &uid,
            version: &version,
        };
        let seed = self.open_under(state, at, &row.sealed, &row.wrap).ok()?;
        let key = SigningKey::from_seed(&seed)?;
        if key.public_key() != row.public_key.0 {
            tracing::error!("the key by which this region signs sessions is not what it says");
            return None;
        }
        let key = Arc::new(key);
        self.sessions.signing.store(Some(Arc::new(Signing {
            public_key: row.public_key,
            key: Arc::clone(&key),
        })));
        Some((number, key))
    }

    /// The session key that seals what is issued at a time, with its id: the newest of those that
    /// have had the time to come to every region, else the oldest. One that does not open here,
    /// because its wrap has not come yet, seals nothing.
    #[must_use]
    pub fn sealing_key(&self, state: &State, at: Stamp) -> Option<([u8; 16], Arc<SessionKey>)> {
        let settles_ms = u64::try_from(SESSION_KEY_SETTLES.as_millis()).unwrap_or(u64::MAX);
        let is_settled = |created: Stamp| created.plus_ms(settles_ms) <= at;
        let mut keys: Vec<_> = state
            .session_keys()
            .map(|key| (key.created, key.uid))
            .collect();
        // Those that are settled, the newest first; then the others, the oldest first.
        keys.sort_unstable();
        let settled = keys.partition_point(|(created, _)| is_settled(*created));
        let (settled, others) = keys.split_at(settled);
        let mut all = settled.iter().rev().chain(others);
        all.find_map(|(_, uid)| Some((uid.0, self.session_key(state, &uid.0)?)))
    }

    /// The session key of an id, as long as the state has it.
    #[must_use]
    pub fn session_key(&self, state: &State, id: &[u8; 16]) -> Option<Arc<SessionKey>> {
        let uid = Uid(*id);
        let row = state.session_key(&uid)?;
        let is_asked = |held: &&Sealing| held.uid == uid && held.sealed == row.sealed;
        if let Some(held) = self.sessions.sealing.load().iter().find(is_asked) {
            return Some(Arc::clone(&held.key));
        }
        let wrap = state.root_wrap(&uid)?;
        let version = VersionId::of_session_key();
        let at = Address {
            uid: &uid,
            version: &version,
        };
        let opened = self.open_under(state, at, &row.sealed, wrap).ok()?;
        let key = Arc::new(SessionKey::new(&opened)?);
        let new = Sealing {
            uid,
            sealed: Arc::clone(&row.sealed),
            key: Arc::clone(&key),
        };
        self.sessions.sealing.rcu(|held| {
            // What the state has no more is wiped from memory when its last user lets it go.
            let is_kept = |held: &&Sealing| state.session_key(&held.uid).is_some();
            let others = held.iter().filter(|held| held.uid != uid).filter(is_kept);
            others.cloned().chain([new.clone()]).collect::<Vec<_>>()
        });
        Some(key)
    }
}

/// The uid of this region's home feed, as which its signing key is sealed.
fn home(state: &State) -> Option<Uid> {
    state.home().map(|home| home.uid())
}
