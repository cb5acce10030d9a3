//! Which call has which leg. A dialog names its leg in our tag, a line knows its leg, and both are older than the call that
//! the leg may belong to next: whoever delivers to legs looks here.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::desk::DeskInput;
use crate::post::{CallInput, LegInput, ReplacingInvite};
use ringtrip_model::ids::{CallId, LegId};
use ringtrip_model::party::Cause;

/// The index. A leg stays in it until its call is over, since a far end may speak longer than the leg lives.
#[derive(Debug, Default)]
pub struct LegIndex {
    calls: HashMap<LegId, CallId>,
    legs: HashMap<CallId, SmallVec<[LegId; 2]>>,
}

impl LegIndex {
    /// The leg belongs to this call from now on, and to no other.
    pub fn put(&mut self, call: CallId, leg: LegId) {
        if let Some(before) = self.calls.insert(leg, call) {
            self.take(before, leg);
        }
        self.legs.entry(call).or_default().push(leg);
    }

    /// The call that has this leg.
    pub fn call_of(&self, leg: LegId) -> Option<CallId> {
        self.calls.get(&leg).copied()
    }

    /// The call is over, and with it the legs that it still has.
    pub fn forget(&mut self, call: CallId) {
        for leg in self.legs.remove(&call).unwrap_or_default() {
            self.calls.remove(&leg);
        }
    }

    /// How many legs there are.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    fn take(&mut self, call: CallId, leg: LegId) {
        let Some(legs) = self.legs.get_mut(&call) else { return };
        legs.retain(|other| *other != leg);
        if legs.is_empty() {
            self.legs.remove(&call);
        }
    }
}

/// What becomes of what is said to a leg that no call has: the asker, or the far end, must hear that it is so.
pub fn undelivered(input: LegInput) -> Option<Undelivered> {
    match input {
        // A request in its dialog is answered (481), and an INVITE that is answered now is ended.
        LegInput::Sip(told) => Some(Undelivered::Desk(DeskInput::Stray(Box::new(told)))),
        LegInput::TakeOver(ask) => {
            let input = CallInput::NotGiven(Cause::Unallocated);
            Some(Undelivered::Call(ask.call, input))
        }
        LegInput::Replace(invite) => {
            let ReplacingInvite { tx, request, .. } = *invite;
            Some(Undelivered::Desk(DeskInput::NothingToReplace { tx, request }))
        }
        LegInput::Said(_) | LegInput::Lookup { .. } | LegInput::LocalAddress(_) => None,
    }
}

/// See [`undelivered`].
#[derive(Debug)]
pub enum Undelivered {
    /// To the desk.
    Desk(DeskInput),
    /// To a call.
    Call(CallId, CallInput),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_that_moved_outlives_its_first_call() {
        let (mut index, first, second) = (LegIndex::default(), CallId(1), CallId(2));
        index.put(first, LegId(10));
        index.put(first, LegId(11));
        index.put(second, LegId(20));
        index.put(second, LegId(11));
        index.forget(first);
        let of = |n| index.call_of(LegId(n));
        assert_eq!((of(10), of(11), of(20)), (None, Some(second), Some(second)));
        index.forget(second);
        assert!(index.is_empty() && index.legs.is_empty());
    }
}
