//! Keys of SRTP in offer and answer (RFC 4568), by the policy of the peer (RFC 8643 where plain RTP will do too).
//!
//! Each side names the keys of what it sends. Ours stay as long as the peer keeps its own: when those change, somebody
//! else may answer at the far end, who knows nothing of how far our packets have counted.

use ringtrip_media::sdp::sdes::Crypto;
use ringtrip_media::sdp::{SdpSession, Security, SrtpPolicy};
use ringtrip_media::srtp::{KEY_AND_SALT, Keys, Suite};
use ringtrip_media::transform::{Protection, SrtpKeys};
use ringtrip_sip::random::Random;

/// What was agreed on keys, and what comes next.
#[derive(Debug)]
pub(super) struct Keying {
    policy: SrtpPolicy,
    random: Random,
    /// The line of the peer's offer that is to be answered; none: it offers plain RTP.
    pub(super) theirs: Option<Crypto>,
    agreed: Option<SrtpKeys>,
    /// Was anything agreed yet, be it plain RTP?
    settled: bool,
    /// A call for help: it is answered however the peer speaks.
    help: bool,
}

/// Our suites, best first.
const SUITES: [Suite; 2] = [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];

impl Default for Keying {
    fn default() -> Keying {
        Keying::new(SrtpPolicy::Off, [0; 32])
    }
}

impl Keying {
    /// Nothing is agreed yet. Keys come from this seed, which must be secret unless the policy is [`SrtpPolicy::Off`].
    pub(super) fn new(policy: SrtpPolicy, seed: [u8; 32]) -> Keying {
        let random = Random::new(seed);
        Keying { policy, random, theirs: None, agreed: None, settled: false, help: false }
    }

    /// It is a call for help, which no policy stops.
    pub(super) fn help(&mut self) {
        self.help = true;
    }

    /// By which policy a body of the peer is read: as an offer, or as the answer to ours.
    pub(super) fn policy(&self, session: &SdpSession, answers: bool) -> SrtpPolicy {
        match (answers, session.security()) {
            (true, Security::Plain) => SrtpPolicy::Off,
            _ if self.help => SrtpPolicy::Offer,
            (false, _) => self.policy,
            (true, Security::Opportunistic(_)) => SrtpPolicy::Offer,
            (true, Security::Required(_)) => SrtpPolicy::Require,
        }
    }

    /// What was agreed on, for the media engine.
    pub(super) fn protection(&self) -> Protection {
        self.agreed.clone().map_or(Protection::None, |keys| Protection::Srtp(Box::new(keys)))
    }

    /// The next offer may be answered by somebody else than the last one: our keys are not good for it.
    pub(super) fn renew(&mut self) {
        self.settled = false;
    }

    /// Puts our lines into the next offer.
    pub(super) fn offer(&mut self, session: &mut SdpSession) {
        if self.settled {
            return;
        }
        let lines =
            |random: &mut Random| (1..).zip(SUITES).map(|(tag, suite)| line(random, tag, suite)).collect();
        session.secure(match self.policy {
            SrtpPolicy::Off => Security::Plain,
            SrtpPolicy::Offer => Security::Opportunistic(lines(&mut self.random)),
            SrtpPolicy::Require => Security::Required(lines(&mut self.random)),
        });
    }

    /// Puts our line into the answer to the peer's offer.
    pub(super) fn answer(&mut self, session: &mut SdpSession) {
        self.settled = true;
        let Some(theirs) = &self.theirs else {
            self.agreed = None;
            return session.secure(Security::Plain);
        };
        let ours = match &self.agreed {
            Some(agreed) if agreed.receive == theirs.keys => {
                Crypto { tag: theirs.tag, keys: agreed.send.clone(), lifetime: None }
            }
            _ => line(&mut self.random, theirs.tag, theirs.keys.suite),
        };
        self.agreed = Some(SrtpKeys { send: ours.keys.clone(), receive: theirs.keys.clone() });
        session.secure(match self.policy {
            SrtpPolicy::Require => Security::Required(vec![ours]),
            SrtpPolicy::Off | SrtpPolicy::Offer => Security::Opportunistic(vec![ours]),
        });
    }

    /// Takes the line of the peer's answer to our offer. False if it is none of ours.
    pub(super) fn accept(&mut self, session: &mut SdpSession, theirs: Option<&Crypto>) -> bool {
        let Some(theirs) = theirs else {
            // Whoever was offered SRTP alone has not been read as an answer without it.
            (self.agreed, self.settled) = (None, true);
            session.secure(Security::Plain);
            return true;
        };
        let of_ours = |line: &&Crypto| line.tag == theirs.tag && line.keys.suite == theirs.keys.suite;
        let Some(ours) = session.security().lines().iter().find(of_ours).cloned() else { return false };
        self.agreed = Some(SrtpKeys { send: ours.keys.clone(), receive: theirs.keys.clone() });
        self.settled = true;
        let lines = vec![ours];
        session.secure(match session.security() {
            Security::Required(_) => Security::Required(lines),
            Security::Plain | Security::Opportunistic(_) => Security::Opportunistic(lines),
        });
        true
    }
}

/// A line of ours with a new key.
fn line(random: &mut Random, tag: u32, suite: Suite) -> Crypto {
    let mut master = [0; KEY_AND_SALT];
    for octets in master.chunks_mut(8) {
        octets.copy_from_slice(&random.number().to_be_bytes()[..octets.len()]);
    }
    Crypto { tag, keys: Keys { suite, master }, lifetime: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A side with this policy, and its session.
    fn side(policy: SrtpPolicy, seed: u8) -> (Keying, SdpSession) {
        (Keying::new(policy, [seed; 32]), SdpSession::new(1))
    }

    /// One side offers, the other takes its first usable line. What each has agreed on.
    fn agree(a: &mut (Keying, SdpSession), b: &mut (Keying, SdpSession)) -> [Protection; 2] {
        a.0.offer(&mut a.1);
        b.0.theirs = a.1.security().lines().first().cloned();
        b.0.answer(&mut b.1);
        assert!(a.0.accept(&mut a.1, b.1.security().lines().first()));
        [a.0.protection(), b.0.protection()]
    }

    fn keys(protection: &Protection) -> (Keys, Keys) {
        let Protection::Srtp(keys) = protection else { panic!("plain RTP") };
        (keys.send.clone(), keys.receive.clone())
    }

    #[test]
    fn both_sides_have_the_same_two_keys() {
        let (mut a, mut b) = (side(SrtpPolicy::Require, 1), side(SrtpPolicy::Offer, 2));
        let [a, b] = agree(&mut a, &mut b);
        let ((a_sends, a_receives), (b_sends, b_receives)) = (keys(&a), keys(&b));
        assert_eq!((&a_sends, &a_receives), (&b_receives, &b_sends));
        assert_ne!(a_sends.master, b_sends.master);
    }

    #[test]
    fn keys_stay_over_a_hold_and_change_with_the_peers() {
        let (mut a, mut b) = (side(SrtpPolicy::Offer, 1), side(SrtpPolicy::Offer, 2));
        let first = agree(&mut a, &mut b);
        assert_eq!(agree(&mut a, &mut b), first, "offered again");
        let [of_a, of_b] = first.clone();
        assert_eq!(agree(&mut b, &mut a), [of_b, of_a], "offered by the other side");
        let before = agree(&mut a, &mut b);
        // Somebody else answers at a's end: b's key is another too.
        a.0.renew();
        let after = agree(&mut a, &mut b);
        for (before, after) in before.iter().zip(&after) {
            assert_ne!(keys(before).0, keys(after).0);
            assert_ne!(keys(before).1, keys(after).1);
        }
    }

    #[test]
    fn every_line_has_a_key_of_its_own() {
        let (mut keying, mut session) = side(SrtpPolicy::Require, 3);
        keying.offer(&mut session);
        let [first, second] = session.security().lines() else { panic!("two lines") };
        assert_ne!(first.keys.master, second.keys.master);
        assert_eq!((first.tag, second.tag), (1, 2));
        assert_eq!([first.keys.suite, second.keys.suite], SUITES);
    }

    #[test]
    fn an_answer_must_name_a_line_of_ours() {
        let (mut keying, mut session) = side(SrtpPolicy::Offer, 3);
        keying.offer(&mut session);
        let theirs = Crypto { tag: 3, ..session.security().lines()[0].clone() };
        assert!(!keying.accept(&mut session, Some(&theirs)), "another tag");
        let theirs = Crypto { tag: 2, ..theirs };
        assert!(!keying.accept(&mut session, Some(&theirs)), "another suite than that of the tag");
        assert_eq!(keying.protection(), Protection::None);
        // Whoever does not know keys talks plainly.
        assert!(keying.accept(&mut session, None));
        assert_eq!((keying.protection(), session.security()), (Protection::None, &Security::Plain));
    }

    #[test]
    fn how_bodies_are_read() {
        let check = |policy, help: bool, offers: SrtpPolicy, answers: SrtpPolicy| {
            let (mut keying, mut session) = side(policy, 4);
            if help {
                keying.help();
            }
            assert_eq!(keying.policy(&session, false), offers, "{policy:?}, help {help}: an offer");
            keying.offer(&mut session);
            assert_eq!(keying.policy(&session, true), answers, "{policy:?}, help {help}: an answer");
        };
        use SrtpPolicy::*;
        check(Off, false, Off, Off);
        check(Offer, false, Offer, Offer);
        check(Require, false, Require, Require);
        check(Off, true, Offer, Off);
        check(Require, true, Offer, Offer);
    }
}
