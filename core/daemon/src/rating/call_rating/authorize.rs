//! A plan is looked at before it is carried out: attempts that a limit cannot pay are taken out of it.

use std::sync::Arc;

use ringtrip_config::Config;
use ringtrip_exchange::prompt;
use ringtrip_exchange::route::{RoutePlan, Step, StepKind, Verdict};
use ringtrip_model::ids::CallId;
use ringtrip_model::party::{Cause, Source};
use ringtrip_rating::limiter::{AttemptKey, LimiterOutput, SpendDecision, SpendLimiter, SpendRequest};
use ringtrip_rating::money::Money as Amount;
use ringtrip_rating::prefix::Prefix;
use ringtrip_rating::rate::FOREVER;

use super::{RatedCall, RatingEffects, ReservedAttempt, State, bundle_key};
use crate::exchange::wall;
use crate::rating::charging_party::{extension_of, gateway_of, number_of};
use crate::rating::{Rating, at};

/// A bundle's seconds are kept for a call up to this length, so that calls at the same time do not count on the same ones.
const LONGEST_HELD: u32 = 3600;

/// Why a plan is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// It is carried out: seconds of bundles are kept for it.
    Call,
    /// Somebody asks.
    DryRun,
}

impl Rating {
    /// A plan is about to be carried out: what a limit cannot pay is taken out of it.
    pub fn routed(&self, call: CallId, source: &Source, plan: &mut RoutePlan) -> RatingEffects {
        let mut effects = RatingEffects::default();
        let mut call_rating = self.call_rating();
        // A call that is handed on goes on with whom it has called already.
        let talking = call_rating.take_talking(call);
        self.drop_call(&mut call_rating, call, &mut effects);
        let mut out = Vec::new();
        let config = self.config();
        if let Some(calling) = self.authorize(
            &config,
            &mut call_rating.limiter,
            Purpose::Call,
            call,
            source,
            plan,
            talking,
            &mut out,
        ) {
            call_rating.calls.insert(call, calling);
        }
        effects.absorb(out);
        drop(call_rating);
        self.mark_changed();
        effects
    }

    /// What would become of a plan now, by the limits of this configuration. Nothing is set aside, and nobody is told.
    pub fn dry_run(&self, config: &Config, source: &Source, plan: &mut RoutePlan) {
        let mut limiter = self.call_rating().limiter.clone();
        if *limiter.settings() != config.rates.limiter {
            limiter.set(config.rates.limiter.clone());
        }
        let calling = self.authorize(
            config,
            &mut limiter,
            Purpose::DryRun,
            CallId(0),
            source,
            plan,
            Vec::new(),
            &mut Vec::new(),
        );
        let call_rating = self.call_rating();
        for gateway in calling.iter().flat_map(|c| &c.attempts).flat_map(ReservedAttempt::gateways) {
            if let Some(why) = call_rating.full(config, &gateway) {
                let said = format!("{why}: it is skipped while that is so");
                plan.provenance.step(StepKind::Rejected, gateway.to_string(), said);
            }
        }
    }

    /// Takes out of a plan what a limit cannot pay; the attempts that are left.
    #[allow(clippy::too_many_arguments)]
    fn authorize(
        &self,
        config: &Config,
        limiter: &mut SpendLimiter,
        purpose: Purpose,
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
        let now = at(&wall::now());
        let (steps, mut refused) = (&mut plan.provenance.steps, None);
        for (n, stage) in stages.iter_mut().enumerate() {
            stage.targets.retain_mut(|attempt| {
                let Some(gateway) = gateway_of(config, attempt) else { return true };
                // No plan of people has as many; what cannot be counted is not tried.
                let Ok(leg) = u8::try_from(calling.attempts.len()) else { return false };
                let number = number_of(config, attempt);
                if let Some(quote) = &mut attempt.quote {
                    if purpose == Purpose::Call && quote.price.free > 0 {
                        let (most, prefix) = (quote.price.free.min(LONGEST_HELD), Prefix::leading(&number));
                        let held = self.least_cost_mut().bundles.reserve(
                            bundle_key(call, leg),
                            &gateway,
                            prefix,
                            now,
                            most,
                        );
                        Arc::make_mut(quote).price.free = held;
                    }
                    let (key, price) = (AttemptKey { call: call.0, leg }, quote.price);
                    let extension = &calling.extension;
                    let ask = SpendRequest { key, extension, gateway: &gateway, number: &number, price };
                    match limiter.admit(now, &ask, out) {
                        SpendDecision::Allow { max_seconds } => {
                            limiter.end(now, key, Amount::ZERO, out);
                            if max_seconds != FOREVER {
                                steps.push(step(
                                    &gateway,
                                    format!("the limits leave money for {max_seconds} s"),
                                ));
                            }
                        }
                        SpendDecision::Refuse { sentence, .. } => {
                            if purpose == Purpose::Call {
                                self.least_cost_mut().bundles.commit(bundle_key(call, leg), 0);
                            }
                            steps.push(step(&gateway, sentence.clone()));
                            refused = Some(sentence);
                            return false;
                        }
                    }
                }
                calling.attempts.push(ReservedAttempt {
                    stage: n,
                    asked: None,
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
}

pub(super) fn step(gateway: &str, said: String) -> Step {
    Step { kind: StepKind::Money, subject: gateway.to_owned(), said }
}

pub(super) fn rejected(gateway: &str, said: String) -> Step {
    Step { kind: StepKind::Rejected, subject: gateway.to_owned(), said }
}
