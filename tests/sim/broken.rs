//! Builds that are broken on purpose: the simulation must catch each by the right invariant.

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The log says durable before the sync.
    AcknowledgesBeforeSync,
    /// Reads take the local view, without the barrier of R8.
    ReadsWithoutBarrier,
    /// What is proposed, and so forwarded and replicated, is not sealed.
    ForwardsUnsealed,
}

const NAMES: &[(Broken, &str)] = &[
    (Broken::AcknowledgesBeforeSync, "acknowledge-before-sync"),
    (Broken::ReadsWithoutBarrier, "read-without-barrier"),
    (Broken::ForwardsUnsealed, "forward-unsealed"),
];

impl Broken {
    pub fn name(self) -> &'static str {
        let name = NAMES.iter().find(|(broken, _)| *broken == self);
        name.map_or("", |(_, name)| name)
    }

    pub fn named(name: &str) -> Option<Broken> {
        let found = NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(broken, _)| *broken)
    }
}
