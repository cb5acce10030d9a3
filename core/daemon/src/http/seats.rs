//! Which connections are kept when there are too many. Clients that have identified themselves keep their seats; of the
//! others the oldest gives way to a newcomer. So a client that opens connections and says nothing, or half a request, takes
//! seats only from others that have said nothing either, and an honest client needs one for milliseconds.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use tokio::time::{Duration, Instant};

/// How many seats there are.
#[derive(Debug, Clone, Copy)]
pub struct SeatLimits {
    /// Unidentified connections from elsewhere.
    pub strangers: usize,
    /// Of these, from one address; an IPv6 network of 64 bits counts as one.
    pub per_address: usize,
    /// Unidentified connections from this machine and from trusted proxies.
    pub local: usize,
    /// Connections of identified clients.
    pub identified: usize,
    /// An unidentified connection ends after so long, whatever it does.
    pub unidentified_for: Duration,
}

impl Default for SeatLimits {
    fn default() -> SeatLimits {
        SeatLimits {
            strangers: 112,
            per_address: 24,
            local: 240,
            identified: 160,
            unidentified_for: Duration::from_secs(60),
        }
    }
}

impl SeatLimits {
    /// The usual limits, scaled down where fewer connections may be open at once.
    pub fn within(connections: usize) -> SeatLimits {
        let usual = SeatLimits::default();
        let all = usual.strangers + usual.local + usual.identified;
        if connections >= all {
            return usual;
        }
        let share = |seats: usize| (seats * connections / all).max(1);
        SeatLimits {
            strangers: share(usual.strangers),
            per_address: share(usual.per_address),
            local: share(usual.local),
            identified: share(usual.identified),
            ..usual
        }
    }
}

/// Names a connection.
pub type SeatId = u64;

/// The seats that are taken.
#[derive(Debug, Default)]
pub struct Seats {
    limits: SeatLimits,
    next: SeatId,
    taken: HashMap<SeatId, Seat>,
}

#[derive(Debug)]
struct Seat {
    from: IpAddr,
    is_local: bool,
    is_identified: bool,
}

impl Seats {
    /// No connection yet.
    pub fn new(limits: SeatLimits) -> Seats {
        Seats { limits, ..Seats::default() }
    }

    /// A seat for a new connection, and the connection that must end for it.
    pub fn take(&mut self, from: IpAddr, is_local: bool) -> (SeatId, Option<SeatId>) {
        let from = network(from);
        let SeatLimits { strangers, per_address, local, .. } = self.limits;
        let unproven = |s: &&Seat| !s.is_identified;
        let ends = if is_local {
            self.oldest_if_full(local, |s| unproven(&s) && s.is_local)
        } else {
            let of_one = self.oldest_if_full(per_address, |s| unproven(&s) && !s.is_local && s.from == from);
            of_one.or_else(|| self.oldest_if_full(strangers, |s| unproven(&s) && !s.is_local))
        };
        if let Some(id) = ends {
            self.taken.remove(&id);
        }
        // Numbers grow, so the lowest is the oldest.
        self.next += 1;
        self.taken.insert(self.next, Seat { from, is_local, is_identified: false });
        (self.next, ends)
    }

    /// The connection's client is known. When all seats for such clients are taken, it stays among the others.
    pub fn identify(&mut self, id: SeatId) {
        let identified = self.taken.values().filter(|s| s.is_identified).count();
        if identified < self.limits.identified
            && let Some(seat) = self.taken.get_mut(&id)
        {
            seat.is_identified = true;
        }
    }

    /// Has the connection's client been identified?
    pub fn is_identified(&self, id: SeatId) -> bool {
        self.taken.get(&id).is_some_and(|s| s.is_identified)
    }

    /// The connection has ended.
    pub fn leave(&mut self, id: SeatId) {
        self.taken.remove(&id);
    }

    /// Connections now.
    #[cfg(test)]
    pub fn taken(&self) -> usize {
        self.taken.len()
    }

    fn oldest_if_full(&self, limit: usize, counts: impl Fn(&Seat) -> bool) -> Option<SeatId> {
        let mut ids = self.taken.iter().filter(|(_, seat)| counts(seat)).map(|(id, _)| *id);
        let first = ids.next()?;
        let (n, oldest) = ids.fold((1, first), |(n, oldest), id| (n + 1, oldest.min(id)));
        (n >= limit).then_some(oldest)
    }
}

/// What counts as one address: a whole IPv6 network of 64 bits, since a host there takes as many addresses as it wants.
pub fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

/// Octets of a body that may take a second: slower ones are ended.
const BODY_RATE: u64 = 16 << 10;
/// A body's first octets, and any short body, have so long.
const BODY_TIME: Duration = Duration::from_secs(10);

/// When a body must be complete, given how much of it has come: a large one takes its time, a trickle does not.
pub fn body_deadline(began: Instant, octets: u64) -> Instant {
    began + BODY_TIME + Duration::from_millis(octets.saturating_mul(1000) / BODY_RATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats() -> Seats {
        Seats::new(SeatLimits { strangers: 6, per_address: 3, local: 2, identified: 2, ..Default::default() })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_oldest_stranger_gives_way() {
        let mut seats = seats();
        let mut all: Vec<SeatId> = Vec::new();
        for n in 1..=6 {
            let (id, ends) = seats.take(ip(&format!("192.0.2.{n}")), false);
            assert_eq!(ends, None);
            all.push(id);
        }
        let (_, ends) = seats.take(ip("192.0.2.7"), false);
        assert_eq!(ends, Some(all[0]));
        assert_eq!(seats.taken(), 6);
    }

    #[test]
    fn an_address_takes_seats_from_itself_alone() {
        let mut seats = seats();
        let (honest, _) = seats.take(ip("192.0.2.1"), false);
        let (first, _) = seats.take(ip("2001:db8::1"), false);
        for n in 2..40 {
            let (_, ends) = seats.take(ip(&format!("2001:db8::{n:x}:{n:x}")), false);
            assert_ne!(ends, Some(honest));
            if n == 4 {
                assert_eq!(ends, Some(first));
            }
        }
        assert_eq!(seats.taken(), 4);
        // An IPv4 address behind an IPv6 socket is the same address.
        assert_eq!(network(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }

    #[test]
    fn identified_and_local_clients_keep_their_seats() {
        let mut seats = seats();
        let (known, _) = seats.take(ip("192.0.2.1"), false);
        seats.identify(known);
        let (local, _) = seats.take(ip("127.0.0.1"), true);
        for n in 0..100 {
            let (_, ends) = seats.take(ip(&format!("192.0.2.{n}")), false);
            assert!(ends != Some(known) && ends != Some(local));
        }
        let (second, ends) = seats.take(ip("127.0.0.1"), true);
        assert_eq!(ends, None);
        let (third, ends) = seats.take(ip("127.0.0.1"), true);
        assert_eq!(ends, Some(local));
        seats.identify(second);
        seats.identify(third);
        assert!(seats.is_identified(second) && !seats.is_identified(third), "two seats are for such clients");
        seats.leave(known);
        seats.identify(third);
        assert!(seats.is_identified(third));
    }

    #[test]
    fn a_trickle_is_no_upload() {
        let began = Instant::now();
        assert_eq!(body_deadline(began, 100), began + Duration::from_millis(10_006));
        assert_eq!(body_deadline(began, 16 << 20), began + Duration::from_secs(10 + 1024));
    }
}
