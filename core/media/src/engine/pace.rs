//! How many of our frames wait for a board. One more than needed makes all its telephones hear everybody that much later;
//! it gathers each time that this thread is late, and is given back here: a frame is left out while one waits, so the
//! board does not notice, and what it would have held is still with the ports. Each of them deals with that as it can: a
//! tone goes on 10 ms later, the jitter buffer leaves out a pitch period at a good moment.

use std::time::Duration;

/// Frames in which one must have waited all the time before it counts as too many: half a second.
const ROUND: u32 = 50;
/// Rounds that lateness is remembered: 5 s.
const ROUNDS: u32 = 10;
/// This late is late: nothing is left to ride it out. A frame that waits covers the rest.
const LATE: Duration = Duration::from_micros(1500);
/// More frames than this are of no use to anybody.
const MOST: u64 = 2;

/// So many frames wait for the board while a burst of data is sent: it may be late, and one hole in it spoils it.
const AHEAD: u64 = 2;

/// Watches the frames of one board.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// A burst is being sent, and frames were put ahead of it or not.
    burst: Option<u64>,
    /// The fewest that waited in this round, and how far it is.
    least: Option<u64>,
    frames: u32,
    /// Rounds since this thread was late.
    calm: u32,
    /// So many of our own frames are still to be noticed as left out.
    settling: u32,
}

impl Pace {
    /// Is a burst of data sent to a port of the board in this frame, and is anybody else there who would hear a pause? Answers
    /// how many silent frames to put ahead of this one.
    pub fn put_ahead(&mut self, sends_burst: bool, others_talk: impl FnOnce() -> bool, queued: u64) -> u64 {
        if !sends_burst {
            self.burst = None;
            return 0;
        }
        // Only ahead of its first frame: in the midst of it they would be the hole.
        if self.burst.is_some() {
            return 0;
        }
        let ahead = if others_talk() { 0 } else { AHEAD };
        self.burst = Some(ahead);
        ahead.saturating_sub(queued)
    }

    /// A frame came, this late; the last one that the board took had waited for so many frames. Answers whether the answer to
    /// it is to be left out.
    pub fn leave_out(&mut self, age: u64, late: Duration) -> bool {
        if late > LATE {
            self.calm = 0;
        }
        if self.settling > 0 {
            self.settling -= 1;
            return false;
        }
        self.least = Some(self.least.map_or(age, |least| least.min(age)));
        self.frames += 1;
        let needed = u64::from(self.calm < ROUNDS).max(self.burst.unwrap_or(0));
        let least = self.least.unwrap_or_default();
        let most = MOST.max(needed);
        let far = age > most && self.frames >= 5 && least > most;
        if self.frames < ROUND && !far {
            return false;
        }
        self.calm += 1;
        (self.least, self.frames) = (None, 0);
        let out = least > needed;
        if out {
            self.settling = 4;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A board whose queue grows when we are late, for so many frames; answers how long its queue is in the end, and how
    /// often a frame was left out.
    fn run(frames: u32, late: impl Fn(u32) -> bool) -> (u64, u32) {
        let (mut pace, mut age, mut out) = (Pace::default(), 0, 0);
        for n in 0..frames {
            let is_late = late(n);
            age += u64::from(is_late);
            if pace.leave_out(age, Duration::from_millis(if is_late { 12 } else { 0 })) {
                age -= 1;
                out += 1;
            }
        }
        (age, out)
    }

    #[test]
    fn late_wakes_leave_nothing_behind() {
        assert_eq!(run(1000, |_| false), (0, 0));
        assert_eq!(run(3000, |n| n % 1000 == 100), (0, 3), "three, and each is forgotten");
        // Five at once: down to one in a second, to none when it has been calm for a while.
        let (age, _) = run(250, |n| (10..15).contains(&n));
        assert!(age <= 2, "{age} wait after 2.5 s");
        assert_eq!(run(2000, |n| (10..15).contains(&n)).0, 0);
    }

    #[test]
    fn frames_wait_while_a_burst_is_sent() {
        let mut pace = Pace::default();
        // It has been punctual for long: nothing waits.
        (0..1000).for_each(|_| assert!(!pace.leave_out(0, Duration::ZERO)));
        assert_eq!(pace.put_ahead(false, || false, 0), 0);
        assert_eq!(pace.put_ahead(true, || false, 0), AHEAD);
        for _ in 0..300 {
            assert_eq!(pace.put_ahead(true, || false, AHEAD), 0, "once");
            assert!(!pace.leave_out(AHEAD, Duration::ZERO), "they are needed");
        }
        assert_eq!(pace.put_ahead(false, || false, AHEAD), 0);
        let left_out = (0..300).filter(|_| pace.leave_out(AHEAD, Duration::ZERO)).count();
        assert!(left_out > 0, "they are given back");
        // One waits already; and nobody who talks hears a pause.
        assert_eq!(pace.put_ahead(true, || false, 1), AHEAD - 1);
        assert_eq!((pace.put_ahead(false, || true, 0), pace.put_ahead(true, || true, 0)), (0, 0));
    }

    #[test]
    fn who_is_late_all_the_time_keeps_one_frame() {
        // Late twice a second: the frame that waits is needed.
        let (mut pace, mut out) = (Pace::default(), 0);
        for n in 0..2000 {
            let late = Duration::from_millis(if n % 50 == 7 { 5 } else { 0 });
            out += u32::from(pace.leave_out(1, late));
        }
        assert_eq!(out, 0);
    }
}
