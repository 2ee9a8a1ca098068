//! What a build for tests may leave out, so that the tests can show that they would notice.
//!
//! A release build cannot leave anything out: without debug assertions [`Danger`] holds nothing,
//! and nothing but [`Danger::NONE`] makes one. No configuration reaches it in any build.

/// A guard that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// Answers leave without a look whether another region has taken over.
    FenceUnchecked,
    /// Who calls is looked up before the barrier, not in the view that the answer is from.
    AuthorizesBeforeBarrier,
}

/// What this build leaves out: nothing, but in tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Danger {
    #[cfg(any(test, debug_assertions))]
    broken: Option<Broken>,
}

impl Danger {
    /// A whole build.
    pub const NONE: Danger = Danger {
        #[cfg(any(test, debug_assertions))]
        broken: None,
    };

    /// A broken build. Not there in a release build.
    #[cfg(any(test, debug_assertions))]
    #[must_use]
    pub const fn of(broken: Broken) -> Danger {
        Danger {
            broken: Some(broken),
        }
    }

    #[cfg(any(test, debug_assertions))]
    pub(crate) fn is(self, broken: Broken) -> bool {
        self.broken == Some(broken)
    }

    #[cfg(not(any(test, debug_assertions)))]
    pub(crate) const fn is(self, _broken: Broken) -> bool {
        false
    }
}
