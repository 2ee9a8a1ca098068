//! The key of a stream, as long as it has not shown that it is the other end's too.
//!
//! Two ends of which one took something else for the encapsulated key have different keys, and no
//! error: that shows at the first data key, which does not open. A stream whose key does not fit
//! brings nothing, and would leave a problem behind with every secret; so it is ended. But one bad
//! row must not stop a feed (R22): when one stream after the other ends so, the next one goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use envelope::LinkKey;
use machine::{State, Uid, VersionId, Wrap};

use crate::follow::failed::Failed;
use crate::follow::wraps::short;
use crate::limits::DOUBTS_MAX;
use crate::options::{Keys, TakeFailed};

/// Streams of one region, one after the other, of which no data key opened.
pub(crate) type Doubts = AtomicU32;

/// What a caller sees of a value whose key came, and does not open.
const DOES_NOT_OPEN: &str = "Replication failed: the value's key does not open in this region.";

/// The key of one stream.
pub(crate) struct StreamKey {
    link: LinkKey,
    doubts: Arc<Doubts>,
    /// Whether a data key opened.
    fits: AtomicBool,
    /// Whether one did not open before.
    is_doubted: AtomicBool,
}

impl StreamKey {
    pub(crate) fn new(link: LinkKey, doubts: &Arc<Doubts>) -> StreamKey {
        // One stream that goes on all the same has to be enough.
        let is_excused = doubts.load(Ordering::Acquire) >= DOUBTS_MAX;
        StreamKey {
            link,
            doubts: Arc::clone(doubts),
            fits: AtomicBool::new(is_excused),
            is_doubted: AtomicBool::new(false),
        }
    }

    /// Takes a data key in, or says in words why not.
    pub(crate) fn take(
        &self,
        keys: &dyn Keys,
        state: &State,
        key_name: Option<&str>,
        (uid, version): (&Uid, &VersionId),
        wrapped: &[u8],
    ) -> Result<Wrap, String> {
        match keys.take(state, key_name, uid, version, &self.link, wrapped) {
            Ok(wrap) => {
                self.fits.store(true, Ordering::Release);
                self.doubts.store(0, Ordering::Release);
                Ok(wrap)
            }
            Err(TakeFailed::Link) => {
                self.is_doubted.store(true, Ordering::Release);
                Err(DOES_NOT_OPEN.to_owned())
            }
            Err(TakeFailed::Key(reason)) => Err(short(&reason)),
        }
    }

    /// Fails if some data key did not open, and none did.
    pub(crate) fn check(&self) -> Result<(), Failed> {
        let is_doubted = self.is_doubted.load(Ordering::Acquire);
        if self.fits.load(Ordering::Acquire) || !is_doubted {
            return Ok(());
        }
        self.doubts.fetch_add(1, Ordering::AcqRel);
        Err(Failed::KeyUnfit)
    }
}
