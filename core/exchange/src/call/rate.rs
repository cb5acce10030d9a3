//! What the call tells the rating of its attempts. Nobody charges for a call for help, so of that it says nothing.

use crate::call::Call;
use crate::call::machine::State;
use crate::post::Post;
use crate::rating::RatingInput;
use crate::route::Attempt;
use ringtrip_model::ids::LegId;

impl Call {
    /// The number of what a leg tries, if somebody may charge for it.
    fn rated(&self, n: LegId) -> Option<u8> {
        self.leg(n)?.attempt.as_ref()?.rated
    }

    /// A leg rings.
    pub(super) fn rate_ringing(&self, n: LegId, out: &mut Vec<Post>) {
        let call = self.id;
        self.rate(self.rated(n).map(|attempt| RatingInput::Ringing { call, attempt }), out);
    }

    /// A leg answers while others may still be tried.
    pub(super) fn rate_answered(&self, n: LegId, out: &mut Vec<Post>) {
        if let State::Hunting(hunt) = &self.state
            && hunt.is_rated()
        {
            self.rate(Some(RatingInput::Answered { call: self.id, attempt: self.rated(n) }), out);
        }
    }

    /// What was tried has failed, and the call goes on without it.
    pub(super) fn rate_failed(&self, attempt: &Attempt, out: &mut Vec<Post>) {
        let call = self.id;
        self.rate(attempt.rated.map(|attempt| RatingInput::Failed { call, attempt }), out);
    }

    /// The record is closed, and all is in it that there will be.
    pub(super) fn keep_closed(&self, out: &mut Vec<Post>) {
        out.push(Post::Keep(self.cdr.clone()));
        self.rate(RatingInput::ended(&self.cdr), out);
    }

    fn rate(&self, input: Option<RatingInput>, out: &mut Vec<Post>) {
        out.extend(input.filter(|_| !self.cdr.emergency).map(Post::Rate));
    }
}
