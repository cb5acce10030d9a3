//! What follows the answer of a call that a gateway plugin prepared: pauses and keys, such as the PIN of a calling card
//! and the number behind it. The caller hears the called side meanwhile; what he says or presses does not get there.
//!
//! Only for SIP: a landline does not tell of the answer, and dials on by itself.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::call::Call;
use crate::call::legs::Kind;
use crate::call::machine::State;
use crate::leg::LegCmd;
use crate::post::{MediaCommand, Post};
use crate::route::AfterAnswer;
use ringtrip_model::ids::LegId;
use ringtrip_model::party::{Key, KeyForm};

/// What is still to be sent.
#[derive(Debug)]
pub(super) struct After {
    rest: VecDeque<AfterAnswer>,
    /// Keys of the part under way.
    keys: VecDeque<Key>,
    /// When the next thing is done.
    pub(super) until: Instant,
}

/// Key time, ms: card platforms are old, and take 100 ms for granted.
const KEY_MS: u16 = 120;
/// From the beginning of a key to that of the next.
const PACE: Duration = Duration::from_millis(240);

impl Call {
    /// The leg that has just answered was prepared: begins with what follows its answer.
    pub(super) fn begin_after(&mut self, now: Instant, n: LegId, out: &mut Vec<Post>) {
        let leg = self.legs.iter().find(|l| l.id == n && matches!(l.kind, Kind::Sip(_)));
        let prepared = leg.and_then(|l| l.attempt.as_ref()?.prepared.clone());
        let parts = prepared.map(|p| p.after_answer.clone()).unwrap_or_default();
        let (false, Some(end)) = (parts.is_empty(), self.end_of(n)) else {
            return self.begin_recording(out);
        };
        out.push(Post::Media(MediaCommand::Mute { endpoint: end, on: true }));
        if let State::Up { after, .. } = &mut self.state {
            *after = Some(Box::new(After { rest: parts.into(), keys: VecDeque::new(), until: now }));
        }
        self.go_on_after(now, out);
    }

    /// Does what is due.
    pub(super) fn go_on_after(&mut self, now: Instant, out: &mut Vec<Post>) {
        loop {
            let State::Up { b, after: slot @ Some(_), .. } = &mut self.state else { return };
            let (b, Some(after)) = (*b, slot.as_mut()) else { return };
            if after.until > now {
                return;
            }
            if let Some(key) = after.keys.pop_front() {
                after.until = now + PACE;
                self.tell(now, b, LegCmd::Digit { key, ms: KEY_MS, form: KeyForm::Signalled }, out);
                continue;
            }
            match after.rest.pop_front() {
                Some(AfterAnswer::Pause(time)) => after.until = now + time,
                Some(AfterAnswer::Keys(keys)) => after.keys = keys.0.chars().filter_map(Key::new).collect(),
                None => {
                    *slot = None;
                    out.extend(
                        self.end_of(b)
                            .map(|end| Post::Media(MediaCommand::Mute { endpoint: end, on: false })),
                    );
                    return self.begin_recording(out);
                }
            }
        }
    }

    /// Is the called side still being dialled through? Then nobody else presses keys there.
    pub(super) fn is_shielded(&self) -> bool {
        matches!(self.state, State::Up { after: Some(_), .. })
    }
}
