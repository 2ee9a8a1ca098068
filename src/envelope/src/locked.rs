//! Key bytes in memory: locked against swapping, left out of core dumps, wiped when dropped.
//!
//! The only file with unsafe code: mlock(2), munlock(2) and madvise(2) on memory that it owns, and
//! a page that outlives its key.

use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroize;

use crate::aead::KEY_BYTES;
use crate::limits::SPARE_KEY_PAGES_MAX;

/// A page of its own, so that unlocking one key never unlocks a neighbour on the same page.
#[repr(C, align(4096))]
struct Page {
    key: [u8; KEY_BYTES],
}

const PAGE_BYTES: usize = size_of::<Page>();

/// Pages that wait for their next key, wiped and still locked: most keys live for one call, and to
/// lock a page takes longer than all that is done with its key.
static SPARE: Mutex<Vec<LockedPage>> = Mutex::new(Vec::new());

/// A page that the system does not swap, if it took the lock.
struct LockedPage {
    page: Box<Page>,
    locked: bool,
}

impl LockedPage {
    /// One that waited, else a new one; without a key in it either way.
    fn empty() -> Self {
        let waited = spare().pop();
        waited.unwrap_or_else(|| {
            let mut page = Box::new(Page {
                key: [0; KEY_BYTES],
            });
            let locked = lock(&mut page);
            Self { page, locked }
        })
    }
}

impl Drop for LockedPage {
    fn drop(&mut self) {
        unlock(&mut self.page, self.locked);
    }
}

/// One 256-bit key. Debug prints nothing of it.
pub(crate) struct KeyBytes {
    page: ManuallyDrop<LockedPage>,
}

impl KeyBytes {
    /// A page with the key that `fill` writes straight into it, so that no copy is left elsewhere.
    pub(crate) fn fill<E>(
        fill: impl FnOnce(&mut [u8; KEY_BYTES]) -> Result<(), E>,
    ) -> Result<Self, E> {
        // Wiped by its end, whatever `fill` left in it.
        let mut key = Self {
            page: ManuallyDrop::new(LockedPage::empty()),
        };
        fill(&mut key.page.page.key)?;
        Ok(key)
    }

    /// A copy of `bytes`; the caller wipes its own.
    pub(crate) fn copy_of(bytes: &[u8; KEY_BYTES]) -> Self {
        let filled = Self::fill(|key| {
            key.copy_from_slice(bytes);
            Ok::<(), std::convert::Infallible>(())
        });
        match filled {
            Ok(key) => key,
            Err(never) => match never {},
        }
    }

    /// The key.
    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.page.page.key
    }

    /// Whether the system took the lock. It refuses beyond RLIMIT_MEMLOCK.
    pub(crate) fn is_locked(&self) -> bool {
        self.page.locked
    }
}

impl Drop for KeyBytes {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        self.page.page.key.zeroize();
        // SAFETY: it is taken here only, and not used after.
        let at = unsafe { ManuallyDrop::take(&mut self.page) };
        let mut spare = spare();
        // One that is not locked may be when it is asked for again.
        if at.locked && spare.len() < SPARE_KEY_PAGES_MAX {
            spare.push(at);
        }
    }
}

fn spare() -> MutexGuard<'static, Vec<LockedPage>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyBytes(redacted)")
    }
}

#[allow(unsafe_code)]
fn lock(page: &mut Page) -> bool {
    let address = std::ptr::from_mut(page).cast();
    // SAFETY: the range is one page-aligned allocation that we own. Neither call changes what it
    // holds: one keeps it in memory, the other leaves it out of core dumps.
    unsafe {
        // A kernel without the advice still locks; the process turns core dumps off besides.
        let _ = rustix::mm::madvise(address, PAGE_BYTES, rustix::mm::Advice::LinuxDontDump);
        rustix::mm::mlock(address, PAGE_BYTES).is_ok()
    }
}

#[allow(unsafe_code)]
fn unlock(page: &mut Page, locked: bool) {
    let address = std::ptr::from_mut(page).cast();
    // SAFETY: as in `lock`; the memory goes back to the allocator as it came.
    unsafe {
        let _ = rustix::mm::madvise(address, PAGE_BYTES, rustix::mm::Advice::LinuxDoDump);
        if locked {
            let _ = rustix::mm::munlock(address, PAGE_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::KeyBytes;

    #[test]
    fn a_key_is_kept_whole_and_never_printed() {
        let key = KeyBytes::copy_of(&[7; 32]);
        assert_eq!(key.bytes(), &[7; 32]);
        assert_eq!(format!("{key:?}"), "KeyBytes(redacted)");
    }

    #[test]
    fn a_page_is_wiped_before_it_waits_for_its_next_key() {
        drop(KeyBytes::copy_of(&[7; 32]));
        assert!(super::spare().iter().all(|at| at.page.key == [0; 32]));
        let failed = KeyBytes::fill(|key| {
            assert_eq!(*key, [0; 32]);
            key.fill(9);
            Err::<(), ()>(())
        });
        assert!(failed.is_err());
        assert!(super::spare().iter().all(|at| at.page.key == [0; 32]));
    }

    #[test]
    fn keys_lie_on_pages_of_their_own() {
        let (a, b) = (KeyBytes::copy_of(&[1; 32]), KeyBytes::copy_of(&[2; 32]));
        let distance = a
            .bytes()
            .as_ptr()
            .addr()
            .abs_diff(b.bytes().as_ptr().addr());
        assert!(distance >= super::PAGE_BYTES);
    }
}
