//! A plan is looked at before it is carried out: attempts that a limit cannot pay are taken out of it, and those that are left
//! are numbered.

use std::sync::Arc;
use std::time::Instant;

use ringtrip_config::Config;
use ringtrip_rating::bundle::Bundles;
use ringtrip_rating::limiter::{AttemptKey, LimiterOutput, SpendDecision, SpendLimiter, SpendRequest};
use ringtrip_rating::money::Money;
use ringtrip_rating::prefix::Prefix;
use ringtrip_rating::rate::FOREVER;
use ringtrip_rating::time::At;

use super::charging_party::{extension_of, gateway_of, number_of};
use super::{CallRating, RatedCall, RatingOutput, ReservedAttempt, State, bundle_key};
use crate::prompt;
use crate::route::{RoutePlan, Step, StepKind, Verdict};
use ringtrip_model::event::Event;
use ringtrip_model::ids::CallId;
use ringtrip_model::party::{Cause, Source};

/// A bundle's seconds are kept for a call up to this length, so that calls at the same time do not count on the same ones.
const LONGEST_HELD: u32 = 3600;

impl CallRating {
    /// A plan is about to be carried out: what a limit cannot pay is taken out of it.
    pub fn routed(
        &mut self,
        now: Instant,
        at: At,
        call: CallId,
        source: &Source,
        plan: &mut RoutePlan,
        out: &mut Vec<RatingOutput>,
    ) {
        // A call that is handed on goes on with whom it has called already.
        let talking = self.take_talking(call);
        self.drop_call(now, at, call, out);
        let mut said = Vec::new();
        let bundles = Some(&mut self.least_cost.bundles);
        let (config, limiter) = (&self.config, &mut self.limiter);
        let calling = authorize(config, limiter, bundles, at, call, source, plan, talking, &mut said);
        if let Some(calling) = calling {
            self.calls.insert(call, calling);
        }
        self.changed = true;
        absorb(said, out);
    }

    /// What would become of a plan now, by the limits of this configuration. Nothing is set aside, and nobody is told.
    pub fn dry_run(&self, at: At, config: &Config, source: &Source, plan: &mut RoutePlan) {
        let mut limiter = self.limiter.clone();
        if *limiter.settings() != config.rates.limiter {
            limiter.set(config.rates.limiter.clone());
        }
        let call = CallId(0);
        let none = Vec::new();
        let calling = authorize(config, &mut limiter, None, at, call, source, plan, none, &mut Vec::new());
        for gateway in calling.iter().flat_map(|c| &c.attempts).flat_map(ReservedAttempt::gateways) {
            if let Some(why) = self.full(config, &gateway) {
                let said = format!("{why}: it is skipped while that is so");
                plan.provenance.step(StepKind::Rejected, gateway.to_string(), said);
            }
        }
    }
}

/// Takes out of a plan what a limit cannot pay; the attempts that are left. `bundles`: they keep seconds for the call, since the
/// plan is carried out; `None`: somebody only asks.
#[allow(clippy::too_many_arguments)] // Parts of the machine, borrowed apart.
fn authorize(
    config: &Config,
    limiter: &mut SpendLimiter,
    mut bundles: Option<&mut Bundles>,
    now: At,
    call: CallId,
    source: &Source,
    plan: &mut RoutePlan,
    talking: Vec<ReservedAttempt>,
    out: &mut Vec<LimiterOutput>,
) -> Option<RatedCall> {
    let mut calling = RatedCall { extension: extension_of(config, source), attempts: talking };
    let Verdict::Stages(stages) = &mut plan.verdict else {
        return (!calling.attempts.is_empty()).then_some(calling);
    };
    let (steps, mut refused) = (&mut plan.provenance.steps, None);
    for (n, stage) in stages.iter_mut().enumerate() {
        stage.targets.retain_mut(|attempt| {
            let Some(gateway) = gateway_of(config, attempt) else { return true };
            // No plan of people has as many; what cannot be counted is not tried.
            let Ok(leg) = u8::try_from(calling.attempts.len()) else { return false };
            let number = number_of(config, attempt);
            if let Some(quote) = &mut attempt.quote {
                if let Some(bundles) = bundles.as_deref_mut().filter(|_| quote.price.free > 0) {
                    let (most, prefix) = (quote.price.free.min(LONGEST_HELD), Prefix::leading(&number));
                    let held = bundles.reserve(bundle_key(call, leg), &gateway, prefix, now, most);
                    Arc::make_mut(quote).price.free = held;
                }
                let (key, price) = (AttemptKey { call: call.0, leg }, quote.price);
                let extension = &calling.extension;
                let ask = SpendRequest { key, extension, gateway: &gateway, number: &number, price };
                match limiter.admit(now, &ask, out) {
                    SpendDecision::Allow { max_seconds } => {
                        limiter.end(now, key, Money::ZERO, out);
                        if max_seconds != FOREVER {
                            let said = format!("the limits leave money for {max_seconds} s");
                            steps.push(step(&gateway, said));
                        }
                    }
                    SpendDecision::Refuse { sentence, .. } => {
                        if let Some(bundles) = bundles.as_deref_mut() {
                            bundles.commit(bundle_key(call, leg), 0);
                        }
                        steps.push(step(&gateway, sentence.clone()));
                        refused = Some(sentence);
                        return false;
                    }
                }
            }
            attempt.rated = Some(leg);
            calling.attempts.push(ReservedAttempt {
                stage: n,
                tried: false,
                target: attempt.target.clone(),
                gateway,
                number,
                price: attempt.quote.as_ref().map(|q| q.price),
                state: State::Waiting,
            });
            true
        });
    }
    stages.retain(|stage| !stage.targets.is_empty());
    if let Some(sentence) = refused
        && stages.is_empty()
    {
        plan.verdict = Verdict::Refuse(Cause::Spent);
        plan.provenance.because = sentence;
        plan.extras.say = Some(prompt::TOO_EXPENSIVE.to_owned());
    }
    (!calling.attempts.is_empty()).then_some(calling)
}

pub(super) fn step(gateway: &str, said: String) -> Step {
    Step { kind: StepKind::Money, subject: gateway.to_owned(), said }
}

pub(super) fn rejected(gateway: &str, said: String) -> Step {
    Step { kind: StepKind::Rejected, subject: gateway.to_owned(), said }
}

/// What the limits say becomes what is to be done.
pub(super) fn absorb(said: Vec<LimiterOutput>, out: &mut Vec<RatingOutput>) {
    out.extend(said.into_iter().map(|output| match output {
        LimiterOutput::End { key, sentence, .. } => {
            RatingOutput::End { call: CallId(key.call), because: sentence }
        }
        LimiterOutput::Alarm(alarm) => {
            let text = match alarm.percent {
                // It may be far from spent: what is left is not enough for the call.
                100.. => format!("a limit refuses or ends calls: {}", alarm.sentence),
                percent => format!("{percent} % of a limit: {}", alarm.sentence),
            };
            RatingOutput::Tell(Event::Alarm { what: "money", text })
        }
    }));
}
