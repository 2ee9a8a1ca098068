//! Builds that are broken on purpose: the simulation must catch each by the right invariant.

use consensus::Danger;

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The log says durable before the sync.
    AcknowledgesBeforeSync,
    /// What is proposed, and so forwarded and replicated, is not sealed.
    ForwardsUnsealed,
    /// The nodes themselves leave something out.
    Node(consensus::Broken),
}

const NAMES: &[(Broken, &str)] = &[
    (Broken::AcknowledgesBeforeSync, "acknowledge-before-sync"),
    (Broken::ForwardsUnsealed, "forward-unsealed"),
    (Broken::Node(consensus::Broken::NoBarrier), "no-barrier"),
    (
        Broken::Node(consensus::Broken::AppliesByOwnClock),
        "applies-by-own-clock",
    ),
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

    /// What the nodes leave out.
    pub fn danger(self) -> Danger {
        match self {
            Broken::Node(broken) => Danger::of(broken),
            Broken::AcknowledgesBeforeSync | Broken::ForwardsUnsealed => Danger::NONE,
        }
    }
}
