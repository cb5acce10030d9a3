//! Tags of ours: each names the leg whose dialog it is of, so that a message finds its leg without a table.

use ringtrip_model::ids::LegId;

/// The leg that a tag of ours names: `<leg>-<random>`.
pub fn owner_of_tag(tag: &[u8]) -> Option<LegId> {
    let (leg, random) = std::str::from_utf8(tag).ok()?.split_once('-')?;
    let is_ours = leg.len() == 16 && !random.is_empty() && leg.bytes().all(|b| b.is_ascii_hexdigit());
    leg.parse().ok().filter(|_| is_ours)
}
