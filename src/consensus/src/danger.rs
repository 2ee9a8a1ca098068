//! What a build for tests may leave out, so that the tests can show that they would notice.
//!
//! A release build cannot leave anything out: without debug assertions [`Danger`] holds nothing,
//! and nothing but [`Danger::NONE`] makes one. No configuration reaches it in any build.

/// A guard that is left out, or a wrong way that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// Reads show what is applied here, without a barrier.
    NoBarrier,
    /// Reads use openraft's read index, measured stale after a pause of the leader.
    OpenraftReadIndex,
    /// Reads use openraft's lease, measured stale after a restart of a follower.
    OpenraftLease,
    /// A node votes, and asks for votes, during its promise.
    NoVoteGuard,
    /// A promise may be made while a vote is on its way to the core.
    NoPromiseLock,
    /// A node votes as soon as it starts, whatever it promised before.
    NoStartRefusal,
    /// The leader counts the whole promise, as if all clocks ran alike.
    NoLeaseMargin,
    /// The leader counts the promise from the answers, not from before it asked.
    CountsFromAnswer,
    /// Promises and leases are counted by the wall clock, which can be set.
    LeaseByWallClock,
    /// A node promises whoever asks, whichever leader it voted for.
    PromisesAnyLeader,
    /// The leader does not make the promise it asks of the others.
    NoOwnPromise,
    /// A lease outlives the membership it was granted under.
    NoCloseOnMembership,
    /// A lease outlives the wish to hand leadership over.
    NoCloseOnTransfer,
    /// A yes is counted though its round was closed in the meantime.
    LateYesCounts,
    /// The lease is looked at before the reads have come that it is to answer.
    IndexAfterCheck,
    /// A release cancels promises of later rounds as well.
    ReleaseCancelsAll,
    /// A confirmation that a release has overtaken is promised again.
    ReleasedIsPromised,
    /// Entries are applied at the time of the node's own clock, not of the leader's stamp.
    AppliesByOwnClock,
    /// What was heard of other regions' ballots is looked at neither before an entry is appended
    /// nor before a call is answered.
    FenceUnchecked,
    /// Changes of another region are taken in wherever its feed stands here.
    ImportUnchecked,
    /// Another region is sent the bodies of secrets that it does not hold.
    SendsToNonMembers,
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
    pub const fn of(broken: Broken) -> Danger {
        Danger {
            broken: Some(broken),
        }
    }

    /// Whether that is broken in this build.
    #[cfg(any(test, debug_assertions))]
    pub fn is(self, broken: Broken) -> bool {
        self.broken == Some(broken)
    }

    /// Whether that is broken in this build: it is not.
    #[cfg(not(any(test, debug_assertions)))]
    pub const fn is(self, _broken: Broken) -> bool {
        false
    }
}
