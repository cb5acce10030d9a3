//! Which TCP connection is taken, and which gives way to it: a pure decision. A connection is unproven until somebody
//! proved by it who they are (or we opened it ourselves). Only unproven ones are counted by address: behind one router there
//! may be a hundred phones. The oldest unproven connection of the address that has most of them gives way.

use std::collections::HashMap;
use std::net::IpAddr;

/// An open connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    /// Its number: greater ones are younger.
    pub id: u32,
    /// Who has it.
    pub ip: IpAddr,
    pub proven: bool,
}

/// What becomes of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Take,
    /// Take it, and close this one.
    InPlaceOf(u32),
    Refuse,
}

/// Most unproven connections from one address: what a slow-loris can hold.
const MOST_FROM_ONE: usize = 32;

/// A connection from `ip` comes while these are open, of `most` that may be.
pub(super) fn decide(open: impl Iterator<Item = Seat>, most: usize, ip: IpAddr) -> Decision {
    let (mut all, mut unproven) = (0, HashMap::<IpAddr, (usize, u32)>::new());
    for seat in open {
        all += 1;
        if !seat.proven {
            let (n, oldest) = unproven.entry(seat.ip).or_insert((0, seat.id));
            *n += 1;
            *oldest = (*oldest).min(seat.id);
        }
    }
    let from_one = MOST_FROM_ONE.min(most / 4).max(1);
    if let Some((n, oldest)) = unproven.get(&ip)
        && *n >= from_one
    {
        return Decision::InPlaceOf(*oldest);
    }
    let strangers: usize = unproven.values().map(|(n, _)| n).sum();
    // Half of all are for those who have proven themselves.
    if all < most && strangers < (most / 2).max(1) {
        return Decision::Take;
    }
    match unproven.values().max_by_key(|(n, oldest)| (*n, std::cmp::Reverse(*oldest))) {
        Some((_, oldest)) => Decision::InPlaceOf(*oldest),
        None => Decision::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn seats(parts: &[(u8, usize, bool)]) -> Vec<Seat> {
        let all = parts.iter().flat_map(|(last, n, proven)| std::iter::repeat_n((ip(*last), *proven), *n));
        all.enumerate().map(|(id, (ip, proven))| Seat { id: id as u32 + 1, ip, proven }).collect()
    }

    #[track_caller]
    fn check(parts: &[(u8, usize, bool)], from: u8, expected: Decision) {
        assert_eq!(decide(seats(parts).into_iter(), 512, ip(from)), expected, "{parts:?}");
    }

    #[test]
    fn only_unproven_connections_are_counted_by_address() {
        check(&[(1, 300, true)], 1, Decision::Take);
        check(&[(1, 300, true), (1, 31, false)], 1, Decision::Take);
        // The oldest of its own gives way.
        check(&[(1, 300, true), (1, 32, false)], 1, Decision::InPlaceOf(301));
        check(&[(1, 300, true), (1, 32, false)], 2, Decision::Take);
    }

    #[test]
    fn strangers_give_way_to_strangers_and_to_nobody_else() {
        // 16 addresses with all that they may have: half of all.
        let strangers: Vec<(u8, usize, bool)> = (1..=8).map(|last| (last, 32, false)).collect();
        check(&strangers, 100, Decision::InPlaceOf(1));
        // The one with most loses, however young.
        check(&[(1, 226, true), (2, 20, false), (3, 30, false), (4, 236, true)], 9, Decision::InPlaceOf(247));
        check(&[(1, 512, true)], 9, Decision::Refuse);
    }
}
