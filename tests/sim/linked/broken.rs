//! Builds that are broken on purpose: the simulation must catch each by the right invariant.

use consensus::Broken::{FenceUnchecked, ImportUnchecked, SendsToNonMembers};
use consensus::Danger;

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A position is taken as reached when its number is, whatever history it is of.
    ComparesNumbers,
    /// The nodes themselves leave something out.
    Node(consensus::Broken),
}

const NAMES: &[(Broken, &str)] = &[
    (Broken::ComparesNumbers, "compares-numbers"),
    (Broken::Node(FenceUnchecked), "fence-unchecked"),
    (Broken::Node(ImportUnchecked), "import-unchecked"),
    (Broken::Node(SendsToNonMembers), "sends-to-non-members"),
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
            Broken::ComparesNumbers => Danger::NONE,
        }
    }
}
