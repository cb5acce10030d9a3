//! What the exchange itself does with a caller before anybody else talks to him, or when nobody will: it waits, says
//! something, asks for a PIN or a number, and says why there is no call.
//!
//! A telephone on a jack hears it at once, and so does a SIP phone whose INVITE has brought an offer (183 with SDP). A
//! landline that rings in, and every caller who is asked for something, is answered first.
//!
//! Keys come as RFC 4733 events, as INFO, as tones on a board port, or as tones in RTP from a phone that offered none
//! of the others. An entry ends with `#` or with a pause. What was entered for a PIN stands in no event and no record.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ringtrip_media::sound::Sound;

use crate::call::Call;
use crate::call::hunt::Hunt;
use crate::call::legs::{Kind, LegStage};
use crate::call::machine::State;
use crate::emergency;
use crate::leg::LegCmd;
use crate::post::{Endpoint, MediaCommand, Post};
use crate::prompt;
use crate::route::{Keys, Prelude, Question, Stage, Verdict, Wanted};
use ringtrip_model::event::Event;
use ringtrip_model::party::{Cause, Digits, EndedBy, Key, Source};

/// What is done before the first stage.
#[derive(Debug)]
pub(super) struct Before {
    rest: VecDeque<Prelude>,
    /// When what is being done is over at the latest.
    pub(super) until: Instant,
    stages: Vec<Stage>,
}

/// A question and how often it was asked. It goes with the call while the route looks at the answer.
#[derive(Debug)]
pub(super) struct Asked {
    question: Question,
    tries: u8,
}

/// The caller is being asked.
#[derive(Debug)]
pub(super) struct Asking {
    asked: Asked,
    phase: Phase,
    keys: String,
    /// The last key that came as a tone by RTP.
    tone: Option<(Key, Instant)>,
    /// When the phase ends.
    pub(super) until: Instant,
    /// When the entry ends at the latest.
    by: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// What was entered before was wrong, and that is said.
    Wrong,
    /// The question is said.
    Prompt,
    /// Keys are awaited.
    Keys,
}

/// How a caller shall come to hear us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ear {
    /// Before the answer, if that is possible at all.
    Early,
    /// Before the answer if that is possible, else answered.
    Any,
    /// Answered: he shall be heard, too.
    Talk,
}

/// From the end of a question to the first key (SPA `PSTN_PIN_Digit_Timeout`).
const FIRST_KEY: Duration = Duration::from_secs(10);
/// A pause that ends an entry.
const NEXT_KEY: Duration = Duration::from_secs(4);
/// The longest entry. Nobody holds a line by pressing a key now and then.
const ENTRY: Duration = Duration::from_secs(60);
/// The longest announcement before a call or a question, should its end get lost.
pub(super) const PROMPT_WAIT: Duration = Duration::from_secs(90);
/// The longest announcement of a reason.
const REASON_WAIT: Duration = Duration::from_secs(20);
/// How long a caller hears busy tone before his answered call ends.
const BUSY_TONE: Duration = Duration::from_secs(4);
/// So much later than its tone an INFO may name a key: it is sent when the key is let go.
const ECHO: Duration = Duration::from_secs(1);
/// The longest PIN.
const LONGEST_PIN: usize = 32;
/// The most questions in one call: a script that asks for ever asks in vain.
const MOST_QUESTIONS: u8 = 16;

impl Asked {
    pub(super) fn wanted(&self) -> Wanted {
        self.question.wanted
    }
}

impl Call {
    /// Does what stands before the first stage, then hunts.
    pub(super) fn before(
        &mut self,
        now: Instant,
        steps: Vec<Prelude>,
        stages: Vec<Stage>,
        out: &mut Vec<Post>,
    ) {
        self.state = State::Before(Box::new(Before { rest: steps.into(), until: now, stages }));
        self.next_before(now, out);
    }

    fn next_before(&mut self, now: Instant, out: &mut Vec<Post>) {
        loop {
            let State::Before(before) = &mut self.state else { return };
            match before.rest.pop_front() {
                Some(Prelude::Delay(time)) => {
                    before.until = now + time;
                    return;
                }
                Some(Prelude::Play(prompt)) => {
                    before.until = now + PROMPT_WAIT;
                    if let Some(end) = self.attend(now, Ear::Any, out) {
                        out.push(Post::Media(MediaCommand::PlayPrompt {
                            call: self.id(),
                            endpoint: end,
                            prompt,
                        }));
                        return;
                    }
                }
                None => {
                    let stages = std::mem::take(&mut before.stages);
                    return self.hunt(now, Hunt::new(stages), out);
                }
            }
        }
    }

    /// Asks the caller for something.
    pub(super) fn ask(&mut self, now: Instant, question: Question, out: &mut Vec<Post>) {
        if self.questions >= MOST_QUESTIONS {
            return self.finish(now, Cause::Barred, EndedBy::Exchange, out);
        }
        self.ask_again(now, Asked { question, tries: 0 }, None, out);
    }

    /// Asks, after it was said what was wrong before.
    fn ask_again(&mut self, now: Instant, asked: Asked, wrong: Option<&str>, out: &mut Vec<Post>) {
        self.questions = self.questions.saturating_add(1);
        let Some(end) = self.attend(now, Ear::Talk, out) else {
            return self.finish(now, Cause::Incompatible, EndedBy::Exchange, out);
        };
        if let (Endpoint::Rtp(port), false) = (&end, self.speaks_events(self.a)) {
            out.push(Post::Media(MediaCommand::DetectDtmf { port: *port, on: true }));
        }
        let phase = if wrong.is_some() { Phase::Wrong } else { Phase::Prompt };
        let (until, by) = (now + PROMPT_WAIT, now + PROMPT_WAIT + ENTRY);
        self.state =
            State::Asking(Box::new(Asking { asked, phase, keys: String::new(), tone: None, until, by }));
        match wrong {
            Some(prompt) => {
                let prompt = prompt.to_owned();
                out.push(Post::Media(MediaCommand::PlayPrompt { call: self.id(), endpoint: end, prompt }));
            }
            None => self.say_question(now, end, out),
        }
    }

    fn say_question(&mut self, now: Instant, end: Endpoint, out: &mut Vec<Post>) {
        let call = self.id();
        let State::Asking(asking) = &mut self.state else { return };
        match asking.asked.question.prompt.clone() {
            Some(prompt) => {
                asking.phase = Phase::Prompt;
                asking.until = now + PROMPT_WAIT;
                out.push(Post::Media(MediaCommand::PlayPrompt { call, endpoint: end, prompt }));
            }
            None => {
                asking.phase = Phase::Keys;
                (asking.until, asking.by) = (now + FIRST_KEY, now + ENTRY);
                out.push(Post::Media(MediaCommand::PlayTone {
                    endpoint: end,
                    tone: self.setup.prompt.clone(),
                }));
            }
        }
    }

    /// Is the caller being asked?
    pub(super) fn asks(&self) -> bool {
        matches!(self.state, State::Asking(_))
    }

    /// A key of the caller that came in words: from a telephone, or in INFO. Who says his keys in INFO is not listened to
    /// any more, for they may sound as well; the first one has been heard already then.
    pub(super) fn key_in_words(&mut self, now: Instant, key: Key, out: &mut Vec<Post>) {
        let port = match self.end_of(self.a) {
            Some(Endpoint::Rtp(port)) if !self.speaks_events(self.a) => Some(port),
            _ => None,
        };
        out.extend(port.map(|port| Post::Media(MediaCommand::DetectDtmf { port, on: false })));
        let State::Asking(asking) = &mut self.state else { return };
        let heard = asking.tone.take().is_some_and(|(tone, at)| tone == key && now < at + ECHO);
        if !heard {
            self.entered(now, key, out);
        }
    }

    /// A key of the caller that the media engine heard.
    pub(super) fn key_in_sound(&mut self, now: Instant, key: Key, out: &mut Vec<Post>) {
        if let State::Asking(asking) = &mut self.state {
            asking.tone = Some((key, now));
        }
        self.entered(now, key, out);
    }

    /// The caller pressed a key. The first one ends what is being said.
    pub(super) fn entered(&mut self, now: Instant, key: Key, out: &mut Vec<Post>) {
        let Some(end) = self.end_of(self.a) else { return };
        let State::Asking(asking) = &mut self.state else { return };
        if asking.keys.is_empty() {
            out.push(Post::Media(MediaCommand::StopPlayback { endpoint: end }));
        }
        if asking.phase != Phase::Keys {
            asking.phase = Phase::Keys;
            asking.by = now + ENTRY;
        }
        asking.until = now + NEXT_KEY;
        let number = asking.asked.wanted() == Wanted::Number;
        match key.as_char() {
            '#' => return self.entry_ends(now, out),
            // A slip of the finger: from the beginning.
            '*' if !number => asking.keys.clear(),
            key => asking.keys.push(key),
        }
        let full = asking.keys.len() >= if number { Digits::MAX } else { LONGEST_PIN };
        // No further key, and no pause, stands between a caller and help.
        let help = number && emergency::is_whole(&self.setup.config.emergency, &asking.keys);
        if full || help {
            self.entry_ends(now, out);
        }
    }

    /// The entry is whole: the route is asked again.
    fn entry_ends(&mut self, now: Instant, out: &mut Vec<Post>) {
        let end = self.end_of(self.a);
        let inside = self.is_inside();
        let State::Asking(asking) = &mut self.state else { return };
        let keys = std::mem::take(&mut asking.keys);
        let mut asked = Asked { question: asking.asked.question.clone(), tries: asking.asked.tries };
        asked.tries = asked.tries.saturating_add(1);
        out.extend(end.map(|end| Post::Media(MediaCommand::StopPlayback { endpoint: end })));
        if let Some(Endpoint::Rtp(port)) = self.end_of(self.a)
            && !self.speaks_events(self.a)
        {
            out.push(Post::Media(MediaCommand::DetectDtmf { port, on: false }));
        }
        if keys.is_empty() {
            return self.ask_or_give_up(now, asked, None, Cause::Invalid, out);
        }
        // Somebody in the house who needs help does not look what he is asked for. From outside the number of a
        // stranger's control room is no PIN.
        let help = inside && emergency::is_exact(&self.setup.config.emergency, &keys);
        let entered = match asked.wanted() {
            Wanted::Pin if !help => Some(Keys(keys)),
            Wanted::Pin | Wanted::Number => {
                self.cdr.dialled = Digits::new(&keys);
                self.planned = None;
                self.number_asked = true;
                None
            }
        };
        self.ask_route(now, entered, Some(Box::new(asked)), out);
    }

    /// The route has looked at the answer and says no. True if the caller is asked again.
    pub(super) fn wrong(&mut self, now: Instant, asked: Asked, cause: Cause, out: &mut Vec<Post>) {
        match asked.wanted() {
            Wanted::Pin => {
                // Once a call: who tries on and on does not flood those who watch.
                if !std::mem::replace(&mut self.pin_was_wrong, true) {
                    let who = match self.caller().number.as_str() {
                        "" => "unknown".to_owned(),
                        number => number.to_owned(),
                    };
                    let from = self.source_word();
                    out.push(Post::Tell(Event::AuthFailed { what: "pin", who, from }));
                }
                self.ask_or_give_up(now, asked, Some(prompt::WRONG_PIN), Cause::Barred, out);
            }
            Wanted::Number => {
                self.ask_or_give_up(now, asked, Some(prompt::CANNOT_COMPLETE), cause, out);
            }
        }
    }

    fn ask_or_give_up(
        &mut self,
        now: Instant,
        asked: Asked,
        wrong: Option<&str>,
        cause: Cause,
        out: &mut Vec<Post>,
    ) {
        if asked.tries < asked.question.tries.max(1) && self.questions < MOST_QUESTIONS {
            return self.ask_again(now, asked, wrong, out);
        }
        match wrong {
            Some(prompt) => self.say_and_finish(now, cause, prompt, out),
            None => self.finish(now, cause, EndedBy::Exchange, out),
        }
    }

    /// The answer to a question was refused: does it make sense to ask again?
    pub(super) fn may_ask_again(asked: &Asked, verdict: &Verdict) -> Option<Cause> {
        match verdict {
            Verdict::Refuse(cause @ (Cause::Unallocated | Cause::Invalid)) => Some(*cause),
            Verdict::Refuse(cause) if asked.wanted() == Wanted::Pin => Some(*cause),
            _ => None,
        }
    }

    /// Ends the call, and says why before, if the caller can hear it.
    pub(super) fn say_and_finish(&mut self, now: Instant, cause: Cause, prompt: &str, out: &mut Vec<Post>) {
        if self.hunts_for_transfer() {
            return self.transfer_failed(now, cause, out);
        }
        match self.attend(now, Ear::Early, out) {
            Some(end) => {
                let prompt = prompt.to_owned();
                out.push(Post::Media(MediaCommand::PlayPrompt { call: self.id(), endpoint: end, prompt }));
                self.state =
                    State::Saying { until: now + REASON_WAIT, cause, by: EndedBy::Exchange, talked: None };
            }
            None => self.finish(now, cause, EndedBy::Exchange, out),
        }
    }

    /// Ends a call that came to nothing. A caller whom the exchange has answered has no phone that says so to him: he
    /// hears the reason.
    pub(super) fn give_up(&mut self, now: Instant, cause: Cause, out: &mut Vec<Post>) {
        if self.hunts_for_transfer() {
            return self.transfer_failed(now, cause, out);
        }
        let leg = self.legs.iter().find(|l| l.id == self.a && l.stage.lives());
        let answered = leg.is_some_and(|leg| match &leg.kind {
            Kind::Sip(_) => leg.stage == LegStage::Up && self.path.attended(),
            Kind::Application(_) => false,
            Kind::Line(line) => {
                let fxo = self.setup.config.line(line).is_some_and(|l| l.fxo().is_some());
                fxo && self.path.attended()
            }
        });
        if cause == Cause::Spent {
            return self.say_and_finish(now, cause, prompt::TOO_EXPENSIVE, out);
        }
        if !answered {
            return self.finish(now, cause, EndedBy::Exchange, out);
        }
        match cause {
            Cause::Busy | Cause::Declined | Cause::NoAnswer => {
                let Some(end) = self.end_of(self.a) else {
                    return self.finish(now, cause, EndedBy::Exchange, out);
                };
                let tone = self.setup.busy.clone();
                out.push(Post::Media(MediaCommand::PlayTone { endpoint: end, tone }));
                self.state =
                    State::Saying { until: now + BUSY_TONE, cause, by: EndedBy::Exchange, talked: None };
            }
            Cause::Barred => self.say_and_finish(now, cause, prompt::NOT_ALLOWED, out),
            Cause::Congestion => self.say_and_finish(now, cause, prompt::CONGESTION, out),
            _ => self.say_and_finish(now, cause, prompt::CANNOT_COMPLETE, out),
        }
    }

    /// The same without a word to the caller.
    pub(super) fn give_up_silently(&mut self, now: Instant, cause: Cause, out: &mut Vec<Post>) {
        match self.hunts_for_transfer() {
            true => self.transfer_failed(now, cause, out),
            false => self.finish(now, cause, EndedBy::Exchange, out),
        }
    }

    /// A money limit is reached. No call for help has a price.
    pub(super) fn spent(&mut self, now: Instant, out: &mut Vec<Post>) {
        if self.cdr.emergency {
            return;
        }
        self.transfer_ends(now, Cause::Spent, out);
        let talked = match self.state {
            State::Up { .. } => Some(now),
            State::Hunting(_) | State::Before(_) => None,
            State::Saying { .. } | State::Closing { .. } | State::Over => return,
            State::Summoning { .. } | State::Routing { .. } | State::Asking(_) => {
                return self.finish(now, Cause::Spent, EndedBy::Exchange, out);
            }
        };
        for n in self.living(|l| l.id != self.a) {
            self.end_leg(now, n, Cause::Spent, out);
        }
        if self.path.joined().is_some() {
            self.disconnect(out);
            // Two parties may have agreed on a codec that we do not speak ourselves.
            self.tell(now, self.a, LegCmd::Change(Sound::analog()), out);
        }
        self.say_and_finish(now, Cause::Spent, prompt::TOO_EXPENSIVE, out);
        if let State::Saying { talked: until, .. } = &mut self.state {
            *until = talked;
        }
    }

    /// An announcement to the caller while the call goes on.
    pub(super) fn say(&mut self, prompt: String, out: &mut Vec<Post>) {
        if let (State::Up { .. }, Some(end)) = (&self.state, self.end_of(self.a)) {
            out.push(Post::Media(MediaCommand::PlayPrompt { call: self.id(), endpoint: end, prompt }));
        }
    }

    /// An announcement has ended.
    pub(super) fn played(&mut self, now: Instant, end: &Endpoint, out: &mut Vec<Post>) {
        if self.end_of(self.a).as_ref() != Some(end) {
            return;
        }
        match &mut self.state {
            State::Before(before) => {
                before.until = now;
                self.next_before(now, out);
            }
            State::Saying { cause, by, .. } => {
                let (cause, by) = (*cause, *by);
                self.finish(now, cause, by, out);
            }
            State::Asking(asking) => match asking.phase {
                Phase::Wrong => self.say_question(now, end.clone(), out),
                Phase::Prompt => {
                    asking.phase = Phase::Keys;
                    (asking.until, asking.by) = (now + FIRST_KEY, now + ENTRY);
                }
                Phase::Keys => {}
            },
            _ => {}
        }
    }

    /// The time of one of these states has come.
    pub(super) fn attend_timeout(&mut self, now: Instant, out: &mut Vec<Post>) {
        match &mut self.state {
            State::Before(before) if before.until <= now => self.next_before(now, out),
            State::Saying { until, cause, by, .. } if *until <= now => {
                let (cause, by) = (*cause, *by);
                self.finish(now, cause, by, out);
            }
            State::Asking(asking) if asking.until.min(asking.by) <= now => match asking.phase {
                // The word that it was said got lost.
                Phase::Wrong | Phase::Prompt => {
                    asking.phase = Phase::Keys;
                    (asking.until, asking.by) = (now + FIRST_KEY, now + ENTRY);
                }
                Phase::Keys => self.entry_ends(now, out),
            },
            _ => {}
        }
    }

    pub(super) fn attend_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Before(before) => Some(before.until),
            State::Saying { until, .. } => Some(*until),
            State::Asking(asking) => Some(asking.until.min(asking.by)),
            _ => None,
        }
    }

    /// Makes that the caller hears us; where he does.
    fn attend(&mut self, now: Instant, ear: Ear, out: &mut Vec<Post>) -> Option<Endpoint> {
        let leg = self.legs.iter_mut().find(|l| l.id == self.a && l.stage.lives())?;
        let cmd = match &leg.kind {
            Kind::Sip(_) if leg.stage == LegStage::Up => None,
            Kind::Sip(sip) if ear != Ear::Talk && sip.offer().is_some() => {
                (!self.path.is_early()).then(|| LegCmd::Progress(Sound::analog()))
            }
            Kind::Sip(_) if ear == Ear::Early => return None,
            Kind::Sip(_) => {
                leg.stage = LegStage::Up;
                Some(LegCmd::Attend)
            }
            Kind::Application(_) => return None,
            Kind::Line(_) if leg.stage == LegStage::Up => None,
            Kind::Line(_) => (!self.path.attended()).then_some(LegCmd::Attend),
        };
        self.path.attend(matches!(cmd, Some(LegCmd::Progress(_))));
        if let Some(cmd) = cmd {
            self.tell(now, self.a, cmd, out);
        }
        self.sync_parameters(out);
        self.end_of(self.a)
    }

    /// Is the caller one of the house?
    fn is_inside(&self) -> bool {
        match &self.cdr.source {
            Source::Extension(_) | Source::Operator => true,
            Source::Line(line) => self.setup.config.line(line).is_some_and(|l| l.fxs().is_some()),
            Source::Gateway(_) => false,
        }
    }
}
