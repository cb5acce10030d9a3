//! Emergency calls reach their gateway in the first stage from every place at every hour, and nothing in plans, scripts,
//! plugins or the configuration would bar, rewrite, redirect or delay them: not even what the router never asks, because
//! what stands there was meant to be asked by somebody.

use crate::router::{Facts, PolicyAnswer, PolicyCall, PolicyItem, PolicyVerdict, Router};
use ringtrip_dialplan::Outcome;
use ringtrip_exchange::emergency;
use ringtrip_exchange::route::{Attempt, Extras, Provenance, RoutePlan, Stage, Target, Verdict, WallTime};
use ringtrip_model::party::{CallerId, Digits, Source};

use super::{Finding, Place, Prover, Rule};
use crate::coverage::{Probe, is_outside};

impl Prover<'_> {
    pub(super) fn emergency(&mut self, hours: &[WallTime]) {
        self.reaches(hours);
        self.redirected();
        self.plans_let_them_pass();
        self.others_let_them_pass(hours);
    }

    /// The numbers of the country and those of the configuration.
    fn emergency_numbers(&self) -> Vec<Digits> {
        let emergency = &self.engine.router().config().emergency;
        let country = emergency.country.numbers.iter().map(|n| Digits::new(n));
        country.chain(emergency.extra.iter().map(|e| e.dialled.clone())).collect()
    }

    /// The first stage of an emergency call from each place inside is a gateway that exists.
    fn reaches(&mut self, hours: &[WallTime]) {
        let config = self.engine.router().config().clone();
        let (had, has) = (self.given.live.is_none_or(|live| ways(live.router())), ways(self.engine.router()));
        if !has {
            self.found(Finding {
                rule: Rule::Emergency,
                stops: had && self.given.live.is_some(),
                place: Place::document("emergency.providers"),
                what: "emergency calls cannot leave the exchange: there is no landline and no provider"
                    .to_owned(),
                hint: "add an FXO line, or name a provider that carries emergency calls".to_owned(),
                example: None,
            });
            return;
        }
        let sources: Vec<Source> =
            self.probes.sources.iter().filter(|s| !is_outside(&config, s)).cloned().collect();
        for number in self.emergency_numbers() {
            for at in hours {
                for source in &sources {
                    if !self.go_on() {
                        return;
                    }
                    let probe = Probe { source: source.clone(), number: number.clone(), at: *at };
                    self.proof.decisions += 1;
                    let plan = self.engine.decide(probe.query()).plan;
                    if let Err(what) = first_stage(self.engine.router(), &plan) {
                        let from = probe.from();
                        self.found(Finding {
                            rule: Rule::Emergency,
                            stops: true,
                            place: Place::document("emergency"),
                            what: format!("{number} from {from} does not reach its gateway: {what}"),
                            hint: "look at [emergency], the landlines and the providers".to_owned(),
                            example: Some(probe),
                        });
                        return;
                    }
                }
            }
        }
    }

    /// A number of the country's is not sent elsewhere by the configuration.
    fn redirected(&mut self) {
        let config = self.engine.router().config().clone();
        let numbers = config.emergency.country.numbers;
        for extra in &config.emergency.extra {
            let (dialled, send) = (extra.dialled.as_str(), extra.send.as_str());
            if numbers.contains(&dialled) && !numbers.contains(&send) {
                self.found(Finding {
                    rule: Rule::Emergency,
                    stops: true,
                    place: Place::document("emergency.extra"),
                    what: format!("{dialled} is an emergency number, and it would be sent as {send}"),
                    hint: format!("remove {dialled} from emergency.extra"),
                    example: None,
                });
            }
        }
        for extension in &config.extensions {
            let id = extension.id.as_str();
            if emergency::is_exact(&config.emergency, id) {
                self.found(Finding {
                    rule: Rule::Emergency,
                    stops: true,
                    place: Place::document(format!("extension.{id}")),
                    what: format!("{id} is an emergency number and cannot be an extension"),
                    hint: "give the extension another number".to_owned(),
                    example: None,
                });
            }
        }
    }

    /// No plan bars, rewrites or delays them. Telephones and the router look at the emergency table first; but a plan that
    /// says otherwise was written by somebody who believes it, and is read by the next one.
    fn plans_let_them_pass(&mut self) {
        let config = self.engine.router().config().clone();
        for (name, plan) in &config.plans {
            for number in config.emergency.country.numbers.iter().map(|n| Digits::new(n)) {
                let mut wrong = Vec::new();
                match plan.whole(&number, &config.dialling) {
                    Outcome::Blocked { alternative, .. } => {
                        wrong.push(format!("{alternative} bars {number}"));
                    }
                    Outcome::Send { number: sent, alternative, .. }
                        if emergency::decide(&config, &CallerId::default(), &sent).is_none() =>
                    {
                        wrong.push(format!("{alternative} makes {sent} of {number}"));
                    }
                    Outcome::Vsc { code, .. } => wrong.push(format!("{code} is a star code")),
                    Outcome::Send { .. } | Outcome::Reject { .. } => {}
                }
                let delays = plan.delays(number.as_str()).into_iter();
                wrong
                    .extend(delays.map(|(alternative, why)| format!("{alternative} delays {number}: {why}")));
                for what in wrong {
                    self.found(Finding {
                        rule: Rule::Emergency,
                        stops: true,
                        place: Place::document(format!("plans.{name}")),
                        what: format!("{what}, an emergency number"),
                        hint: format!("remove it, or put {number}S0 before it"),
                        example: None,
                    });
                }
            }
        }
    }

    /// Scripts and plugins, asked directly.
    fn others_let_them_pass(&mut self, hours: &[WallTime]) {
        let config = self.engine.router().config().clone();
        let numbers = config.emergency.country.numbers;
        let hint = format!("let it begin with: if {numbers:?}.contains(c.number) {{ return pass(); }}");
        let asked = self.asked_inside();
        for number in config.emergency.country.numbers.iter().map(|n| Digits::new(n)) {
            for at in hours {
                for (source, script) in &asked {
                    if !self.go_on() {
                        return;
                    }
                    let probe = Probe { source: source.clone(), number: number.clone(), at: *at };
                    let call = PolicyCall { script: script.clone(), ..question(&probe) };
                    self.proof.decisions += 1;
                    for (who, answer) in self.engine.opinions(&call) {
                        let who = Place::from(who);
                        let answer = match answer {
                            Ok(answer) => answer,
                            Err(why) => {
                                self.found(Finding {
                                    rule: Rule::Terminates,
                                    stops: true,
                                    place: who,
                                    what: format!("it fails when it is asked about {number}: {why}"),
                                    hint: "a call would take the plan's own route; correct it first"
                                        .to_owned(),
                                    example: Some(probe),
                                });
                                return;
                            }
                        };
                        let Some(what) = harm(self.engine.router(), &answer, &number) else { continue };
                        let line = Some(answer.decided_at).filter(|at| !at.is_empty());
                        let line = line.map(|at| format!(" ({at})")).unwrap_or_default();
                        self.found(Finding {
                            rule: Rule::Emergency,
                            stops: true,
                            place: who.clone(),
                            what: format!("asked about {number}, an emergency number, it {what}{line}"),
                            hint: hint.clone(),
                            example: Some(probe.clone()),
                        });
                    }
                }
            }
        }
    }
}

impl Prover<'_> {
    /// The scripts that are asked about calls from inside, or about calls that leave, each once with somebody who calls;
    /// without any script, plugins are asked all the same.
    fn asked_inside(&self) -> Vec<(Source, Option<String>)> {
        let config = self.engine.router().config();
        let mut asked: Vec<(Source, Option<String>)> = Vec::new();
        let mut add = |source: &Source, script: Option<&str>| {
            let script = script.map(str::to_owned);
            if !asked.iter().any(|(_, known)| *known == script) {
                asked.push((source.clone(), script));
            }
        };
        let inside: Vec<&Source> = self.probes.sources.iter().filter(|s| !is_outside(config, s)).collect();
        for source in &inside {
            let probe =
                Probe { source: (*source).clone(), number: Digits::default(), at: WallTime::default() };
            add(source, config.script_for(&probe.query()));
        }
        if let Some(first) = inside.first() {
            config
                .pins
                .iter()
                .filter_map(|p| p.script.as_deref())
                .for_each(|script| add(first, Some(script)));
            let outbound = config.gateways.iter().filter_map(|g| g.outbound_script.as_deref());
            outbound.for_each(|script| add(first, Some(script)));
        }
        asked
    }
}

fn ways(router: &Router) -> bool {
    let config = router.config();
    config.landlines().next().is_some() || !config.gateways.is_empty()
}

fn first_stage(router: &Router, plan: &RoutePlan) -> Result<(), String> {
    let Verdict::Emergency(call) = &plan.verdict else { return Err(crate::replay::words(plan)) };
    let first = call.ways().first().ok_or("it has no route")?;
    let [attempt] = first.targets.as_slice() else {
        return Err("its first stage is not one gateway".to_owned());
    };
    match &attempt.target {
        Target::Landline if router.config().landlines().next().is_some() => Ok(()),
        Target::Gateway(id) if router.config().gateway(id).is_some() => Ok(()),
        other => Err(format!("its first stage is {}", other.word())),
    }
}

/// The question that is never asked: an emergency number, with the way to the landline as the plan's own.
fn question(probe: &Probe) -> PolicyCall {
    let attempt = Attempt::new(Target::Landline, probe.number.clone(), CallerId::default());
    let stage = Stage { targets: vec![attempt], timeout: std::time::Duration::from_secs(180) };
    let default = RoutePlan {
        verdict: Verdict::Stages(vec![stage]),
        provenance: Provenance::default(),
        extras: Extras::default(),
    };
    let query = probe.query();
    PolicyCall {
        query,
        number: probe.number.clone(),
        default,
        script: None,
        holiday: None,
        e164: None,
        facts: Facts::default(),
    }
}

/// What an answer would do to an emergency call, if anything.
fn harm(router: &Router, answer: &PolicyAnswer, number: &Digits) -> Option<String> {
    let config = router.config();
    let other = |sent: &Option<Digits>| {
        let sent = sent.as_ref()?;
        emergency::decide(config, &CallerId::default(), sent).is_none().then(|| sent.clone())
    };
    if let Some(sent) = other(&answer.number) {
        return Some(format!("makes {sent} of it"));
    }
    if !answer.extras.before.is_empty() {
        return Some("lets it wait".to_owned());
    }
    match &answer.verdict {
        PolicyVerdict::Pass => None,
        PolicyVerdict::Refuse { because, .. } => Some(format!("blocks it: {because}")),
        PolicyVerdict::Ask(_) => Some("asks the caller for something first".to_owned()),
        PolicyVerdict::Stages(items) => items.iter().find_map(|item| match item {
            PolicyItem::Cheapest(request) => {
                other(&request.number).map(|sent| format!("sends {sent} instead"))
            }
            PolicyItem::Ring(stage) => stage.targets.iter().find_map(|target| {
                if let Some(sent) = other(&target.number) {
                    return Some(format!("sends {sent} instead"));
                }
                match Router::target_named(config, &target.name)? {
                    Target::Extension(id) => Some(format!("rings extension {id} for {number}")),
                    Target::Line(id) if config.line(&id)?.fxo().is_none() => {
                        Some(format!("rings {id} for {number}"))
                    }
                    _ => None,
                }
            }),
        }),
    }
}
