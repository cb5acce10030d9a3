//! The end of a call: its record closed with the cause, the figures of its sound, and what it cost. And the recording,
//! which ends with it.

use std::time::Instant;

use ringtrip_rating::money::Currency;
use ringtrip_rating::rate::Shown;

use crate::call::Call;
use crate::call::machine::{Awaited, State};
use crate::call::setup::{FIGURES_WAIT, LEGS_WAIT};
use crate::cdr::{Cost, Party};
use crate::post::{Endpoint, MediaCommand, Post, RtpStats};
use crate::route::Quote;
use ringtrip_model::event::Event;
use ringtrip_model::ids::LegId;
use ringtrip_model::party::{Cause, EndedBy};

impl Call {
    /// Ends the call.
    pub(super) fn finish(&mut self, now: Instant, cause: Cause, by: EndedBy, out: &mut Vec<Post>) {
        let talked = match &self.state {
            State::Closing { .. } | State::Over => return,
            State::Saying { talked, .. } => *talked,
            _ => None,
        };
        self.transfer_ends(now, cause, out);
        self.end_all(now, cause, None, out);
        self.close_record(now, talked.unwrap_or(now), cause, by, out);
        self.leave_room(out);
        out.push(Post::Media(MediaCommand::Close { call: self.id() }));
        let figures = if self.path.used() {
            Awaited::Until(now + FIGURES_WAIT)
        } else {
            self.keep_closed(out);
            Awaited::Done
        };
        self.state = State::Closing { figures, legs_by: now + LEGS_WAIT };
    }

    /// Closes the record. `talked`: until when two parties talked; no carrier bills what the exchange says after that.
    pub(super) fn close_record(
        &mut self,
        now: Instant,
        talked: Instant,
        cause: Cause,
        by: EndedBy,
        out: &mut Vec<Post>,
    ) {
        self.cdr.ended_after = Some(self.age(now));
        self.cdr.cause = Some(cause);
        self.cdr.ended_by = Some(by);
        for party in self.cdr.parties.iter_mut().filter(|party| party.left.is_none()) {
            party.left = self.cdr.ended_after;
        }
        let from = self.priced_from.or(self.cdr.answered_after);
        let micros = from.map_or(0, |from| self.age(talked).saturating_sub(from));
        // An answered call lasts a second at least: the carrier bills the answer.
        let seconds = match self.cdr.answered_after {
            Some(_) => u32::try_from(micros.div_ceil(1_000_000).max(1)).unwrap_or(u32::MAX),
            None => 0,
        };
        self.cdr.cost = self.cdr.quote.as_deref().map(|quote| cost(quote, seconds));
        out.push(Post::Tell(Event::CallEnded { call: self.id(), cause, by }));
    }

    /// A party as the record names it.
    pub(super) fn party_name(&self, n: LegId) -> String {
        match self.leg(n) {
            Some(leg) if !leg.target.is_empty() => leg.target.to_string(),
            _ => self.source_word(),
        }
    }

    /// The caller and this leg talk.
    pub(super) fn note_parties(&mut self, now: Instant, n: LegId) {
        for leg in [self.a, n] {
            let name = self.party_name(leg);
            self.party_joins(now, leg, name);
        }
    }

    /// A leg talks from now on, if it did not before.
    pub(super) fn party_joins(&mut self, now: Instant, leg: LegId, name: String) {
        if self.cdr.parties.iter().any(|party| party.leg == leg && party.left.is_none()) {
            return;
        }
        let joined = self.age(now);
        self.cdr.parties.push(Party { leg, name, joined, left: None });
    }

    /// A leg talks no more.
    pub(super) fn party_leaves(&mut self, now: Instant, leg: LegId) {
        let left = Some(self.age(now));
        for party in self.cdr.parties.iter_mut().filter(|party| party.leg == leg && party.left.is_none()) {
            party.left = left;
        }
    }

    /// Two parties talk and nothing is dialled any more: from now on the call is recorded, if that was asked for.
    pub(super) fn begin_recording(&mut self, out: &mut Vec<Post>) {
        if !self.record || self.cdr.emergency || self.cdr.recording.is_some() {
            return;
        }
        let (Some(a), Some(b)) = (self.end_of(self.a), self.path.end_b().cloned()) else { return };
        let file = format!("{}.wav", self.id());
        self.cdr.recording = Some(file.clone());
        out.push(Post::Media(MediaCommand::Record { call: self.id(), a, b, file }));
    }

    /// The media engine says what an end has measured.
    pub(super) fn measured(&mut self, end: &Endpoint, figures: RtpStats, out: &mut Vec<Post>) {
        let b = self.path.end_b();
        if b == Some(end) {
            self.cdr.b = Some(figures)
        } else {
            self.cdr.a = Some(figures)
        }
        let is_measured = |end: bool, of: &Option<RtpStats>| !end || of.is_some();
        let whole =
            is_measured(self.end_of(self.a).is_some(), &self.cdr.a) && is_measured(b.is_some(), &self.cdr.b);
        if let State::Closing { figures, .. } = &mut self.state
            && *figures != Awaited::Done
            && whole
        {
            *figures = Awaited::Done;
            self.keep_closed(out);
        }
    }
}

/// What so many seconds cost, with the rule in words.
fn cost(quote: &Quote, seconds: u32) -> Cost {
    let price = &quote.price;
    let charged = match Currency::within(&quote.currency) {
        Some(currency) => Shown(&price.tariff, currency).to_string(),
        None => format!("{}/min", price.tariff.per_minute),
    };
    let free = match price.free.min(seconds) {
        0 => String::new(),
        free => format!(", {free} s of a bundle"),
    };
    Cost {
        micros: price.cost(seconds).0,
        currency: quote.currency.clone(),
        deck: quote.deck.clone(),
        rule: format!("{} {}: {seconds} s at {charged}{free}", quote.prefix, quote.destination),
    }
}
