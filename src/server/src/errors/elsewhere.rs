//! Refusals that name the region to call instead.

use machine::{Epoch, NotHeld, RegionName, State};

use super::{Reason, Refusal};
use crate::limits::ADDRESSES_TOLD_MAX;

const PRIMARY_REGION: &str = "primary_region";
const PRIMARY_ADDRESSES: &str = "primary_addresses";

impl Refusal {
    /// `NotPrimary`: another region has taken over by this ballot, and this one has heard of it.
    #[must_use]
    pub fn taken_over(epoch: &Epoch) -> Self {
        let message = format!(
            "Region {} has taken over in epoch {epoch}: call that region.",
            epoch.region
        );
        Self::new(Reason::NotPrimary, message).with_primary(&epoch.region)
    }

    /// `OutcomeUnknown` for a write that was committed after another region took over: whether it
    /// stays is decided there.
    #[must_use]
    pub fn overtaken(epoch: &Epoch) -> Self {
        let message = format!(
            "The outcome is unknown: region {} has taken over in epoch {epoch}.",
            epoch.region
        );
        Self::new(Reason::OutcomeUnknown, message).with_primary(&epoch.region)
    }

    /// Names the region that is primary of what the call is about.
    #[must_use]
    pub fn with_primary(self, region: &RegionName) -> Self {
        self.with_hint(PRIMARY_REGION, region.to_string())
    }

    /// The region to make the call in, if that is why it was refused and nothing was done.
    #[must_use]
    pub fn led_by(&self) -> Option<RegionName> {
        let is_elsewhere = matches!(self.reason, Reason::InvalidParameter | Reason::NotPrimary);
        let mut hints = self.hints.iter().filter(|_| is_elsewhere);
        let (_, region) = hints.find(|(name, _)| *name == PRIMARY_REGION)?;
        region.parse().ok()
    }

    /// Adds where the region that is named as primary is called, if this state knows.
    #[must_use]
    pub fn with_addresses(self, state: &State) -> Self {
        let hint = |name| self.hints.iter().find(|(known, _)| *known == name);
        let named = match (hint(PRIMARY_REGION), hint(PRIMARY_ADDRESSES)) {
            (Some((_, region)), None) => region.parse().ok(),
            _ => None,
        };
        let addresses = named.map(|region| addresses(state, &region));
        match addresses.filter(|addresses| !addresses.is_empty()) {
            None => self,
            Some(addresses) => self.with_hint(PRIMARY_ADDRESSES, addresses),
        }
    }

    /// A position that is not served: lost ones name the promotion that set them aside.
    #[must_use]
    pub fn not_held(state: &State, not_held: &NotHeld) -> Self {
        match not_held {
            NotHeld::Ahead { .. } => Self::new(Reason::ServiceUnavailable, not_held.to_string()),
            NotHeld::FeedUnknown(_) => Self::new(Reason::PositionLost, not_held.to_string()),
            NotHeld::PositionLost { position, .. } => {
                let feed = state.feed(&position.feed);
                let mut begun = feed.into_iter().flat_map(machine::Feed::epochs);
                let after = begun.find(|begun| {
                    begun.epoch.number >= position.epoch.number && begun.epoch != position.epoch
                });
                match after {
                    None => Self::new(Reason::PositionLost, not_held.to_string()),
                    Some(begun) => {
                        let message = format!(
                            "{not_held}: epoch {} began after revision {}",
                            begun.epoch, begun.last_revision
                        );
                        Self::new(Reason::PositionLost, message)
                            .with_hint("epoch", begun.epoch.to_string())
                    }
                }
            }
        }
    }
}

/// Hosts and ports under which a region's nodes are called, with commas between.
fn addresses(state: &State, region: &RegionName) -> String {
    let linked = state.linked(region);
    let nodes = linked.into_iter().flat_map(|linked| &linked.nodes);
    let addresses = nodes.map(|node| node.api_address.as_str());
    let told: Vec<&str> = addresses.take(ADDRESSES_TOLD_MAX).collect();
    told.join(",")
}
