//! IP addresses.

use std::net::IpAddr;

use crate::document::Flaw;

/// Addresses with a common prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    address: IpAddr,
    bits: u32,
}

/// The shortest prefixes that are no broad access, as Amazon S3 counts it.
const NARROW_BITS_V4: u32 = 8;
const NARROW_BITS_V6: u32 = 32;

impl Range {
    /// Parses an address, or one with a slash and a number of bits. Bits behind the prefix do not
    /// count.
    pub(super) fn parse(text: &str) -> Result<Range, Flaw> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let wanted = Flaw::ConditionValue("an IP address, or a range such as 10.0.0.0/8");
        let Ok(address) = address.parse::<IpAddr>() else {
            return Err(wanted);
        };
        let max = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => max,
            Some(bits) if bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit()) => {
                bits.parse().unwrap_or(max + 1)
            }
            Some(_) => return Err(wanted),
        };
        match bits <= max {
            true => Ok(Range { address, bits }),
            false => Err(wanted),
        }
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differing = ours.to_bits() ^ theirs.to_bits();
                differing.leading_zeros() >= self.bits
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differing = ours.to_bits() ^ theirs.to_bits();
                differing.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }

    /// Whether it is narrow enough to say who may call.
    pub(super) fn is_narrow(&self) -> bool {
        match self.address {
            IpAddr::V4(_) => self.bits >= NARROW_BITS_V4,
            IpAddr::V6(_) => self.bits >= NARROW_BITS_V6,
        }
    }
}

/// Parses the address of a caller. An IPv4 address that a listener for both kinds shows as an IPv6
/// one is the IPv4 address.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}
