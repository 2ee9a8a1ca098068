//! Key bytes in memory: locked against swapping, left out of core dumps, wiped when dropped.
//!
//! The only file with unsafe code: mlock(2), munlock(2) and madvise(2) on memory that it owns.

use std::fmt;

use zeroize::Zeroize;

use crate::aead::KEY_BYTES;

/// A page of its own, so that unlocking one key never unlocks a neighbour on the same page.
#[repr(C, align(4096))]
struct Page {
    key: [u8; KEY_BYTES],
}

const PAGE_BYTES: usize = size_of::<Page>();

/// One 256-bit key. Debug prints nothing of it.
pub(crate) struct KeyBytes {
    page: Box<Page>,
    locked: bool,
}

impl KeyBytes {
    /// A page with the key that `fill` writes straight into it, so that no copy is left elsewhere.
    pub(crate) fn fill<E>(
        fill: impl FnOnce(&mut [u8; KEY_BYTES]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut page = Box::new(Page {
            key: [0; KEY_BYTES],
        });
        let locked = lock(&mut page);
        let mut key = Self { page, locked };
        fill(&mut key.page.key)?;
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
        &self.page.key
    }

    /// Whether the system took the lock. It refuses beyond RLIMIT_MEMLOCK.
    pub(crate) fn is_locked(&self) -> bool {
        self.locked
    }
}

impl Drop for KeyBytes {
    fn drop(&mut self) {
        self.page.key.zeroize();
        unlock(&mut self.page, self.locked);
    }
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
