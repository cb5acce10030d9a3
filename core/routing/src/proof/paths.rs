//! Where probe calls end: each is decided within limits, none goes round in a circle, and none from outside leaves at
//! our cost with a number of the caller's choice.

use ringtrip_config::{Config, External};
use ringtrip_exchange::route::{Attempt, RoutePlan, Target, Verdict};
use ringtrip_model::event::Event;
use ringtrip_model::party::{Digits, Source};

use super::shrink::shrink;
use super::{Finding, Place, Prover, Rule};
use crate::coverage::{self, Probe, is_outside};

/// A call that has been passed on so often is in a circle.
const HOPS: usize = 8;

/// A call from outside that leaves again at our cost: the first of its source and target.
struct Left {
    to: Target,
    number: Digits,
    probe: Probe,
}

impl Prover<'_> {
    /// Decides over the probes; with `all`, circles and costs are looked at too.
    pub(super) fn paths(&mut self, all: bool) {
        let config = self.engine.router().config().clone();
        if all {
            self.own_address(&config);
        }
        // The first number that left by each pair of outside source and paid target.
        let mut left: Vec<Left> = Vec::new();
        for probe in self.probes.spread(self.given.most, self.given.known.seed) {
            if !self.go_on() {
                return;
            }
            self.proof.decisions += 1;
            let decision = self.engine.decide(probe.query());
            if let Some(event) = decision.events.into_iter().next() {
                self.fails(probe, event);
                continue;
            }
            if all && is_outside(&config, &probe.source) {
                self.costs(&probe, &decision.plan, &mut left);
                self.circle(&probe, &decision.plan);
            }
        }
        left.sort_by_key(|left| (left.probe.from(), left.to.word()));
        for Left { to, number, probe } in left {
            let (from, to) = (probe.from(), to.word());
            self.found(Finding {
                rule: Rule::Toll,
                stops: false,
                place: Place::Source(probe.source.clone()),
                what: format!("a call from {from} goes out to {to} with {number}, at your cost"),
                hint: "this is how calls are forwarded; make sure that it is meant".to_owned(),
                example: Some(probe),
            });
        }
    }

    /// A script or plugin failed on this call.
    fn fails(&mut self, probe: Probe, event: Event) {
        let (place, why) = match event {
            Event::ScriptFailed { script, why, .. } => (Place::Script(script), why),
            Event::PluginFailed { plugin, why, .. } => (Place::Plugin(plugin), why),
            other => (Place::document(""), format!("{other:?}")),
        };
        if self.proof.findings.iter().any(|f| f.rule == Rule::Terminates && f.place == place) {
            return;
        }
        let (engine, go_on) = (self.engine, self.given.go_on);
        let probe = shrink(probe, |p| go_on() && !engine.decide(p.query()).events.is_empty());
        // Once more, to hear in which line.
        let again = engine.explaining().decide(probe.query()).events.into_iter();
        let placed = again.filter_map(|event| match event {
            Event::ScriptFailed { script, why, .. } if place == Place::Script(script.clone()) => Some(why),
            _ => None,
        });
        let why = placed.last().unwrap_or(why);
        self.found(Finding {
            rule: Rule::Terminates,
            stops: true,
            place,
            what: format!("it fails when {} dials {:?}: {why}", probe.from(), probe.number.as_str()),
            hint: "a call would take the plan's own route; correct it first".to_owned(),
            example: Some(probe),
        });
    }

    /// A call from outside leaves again: with whose number?
    fn costs(&mut self, probe: &Probe, plan: &RoutePlan, left: &mut Vec<Left>) {
        let config = self.engine.router().config().clone();
        for attempt in paid(&config, plan) {
            let before =
                left.iter().find(|left| left.probe.source == probe.source && left.to == attempt.target);
            match before {
                None => left.push(Left {
                    to: attempt.target.clone(),
                    number: attempt.number.clone(),
                    probe: probe.clone(),
                }),
                Some(before) if before.number == attempt.number => {}
                Some(_) => {
                    let (from, to) = (probe.from(), attempt.target.word());
                    let engine = self.engine;
                    let leaves = |p: &Probe| {
                        let decision = engine.decide(p.query());
                        paid(&config, &decision.plan)
                            .any(|a| a.target == attempt.target && a.number == p.number)
                    };
                    let follows = attempt.number == probe.number && !probe.number.is_empty();
                    let probe = if follows { shrink(probe.clone(), leaves) } else { probe.clone() };
                    self.found(Finding {
                        rule: Rule::Toll,
                        stops: true,
                        place: Place::Source(probe.source.clone()),
                        what: format!(
                            "callers from {from} can reach {to} with a number of their choice, such as \
                             {:?}, at your cost and without a PIN",
                            probe.number.as_str()
                        ),
                        hint: "name an extension for calls from there, or ask for a PIN first".to_owned(),
                        example: Some(probe),
                    });
                }
            }
        }
    }

    /// A call that left by a gateway comes in again by it: does it leave again, and again?
    fn circle(&mut self, probe: &Probe, plan: &RoutePlan) {
        let mut path = vec![probe.source.clone()];
        let mut plan = plan.clone();
        for _ in 0..HOPS {
            let Some((gateway, number)) = next_gateway(&plan) else { return };
            let source = Source::Gateway(gateway);
            let closed = path.contains(&source);
            path.push(source.clone());
            if closed {
                let path: Vec<String> = path.iter().map(coverage::word).collect();
                self.found(Finding {
                    rule: Rule::Loops,
                    stops: true,
                    place: Place::Source(probe.source.clone()),
                    what: format!("a call to {} loops: {}", probe.number, path.join(" → ")),
                    hint: "let calls from one of these gateways ring an extension".to_owned(),
                    example: Some(probe.clone()),
                });
                return;
            }
            let again = Probe { source, number, at: probe.at };
            self.proof.decisions += 1;
            plan = self.engine.decide(again.query()).plan;
        }
    }

    /// A provider that is this exchange itself.
    fn own_address(&mut self, config: &Config) {
        for gateway in &config.gateways {
            let port = gateway.server.port.unwrap_or(5060);
            let host = gateway.server.host.as_str();
            let ours = host.eq_ignore_ascii_case(&config.sip.domain)
                || host.parse().ok().is_some_and(|ip: std::net::IpAddr| {
                    let listens = |addr: &std::net::SocketAddr| {
                        addr.port() == port
                            && (addr.ip() == ip || addr.ip().is_unspecified() && ip.is_loopback())
                    };
                    config.sip.external == Some(External::Address(ip))
                        || config.sip.listen.iter().any(|(_, addr)| listens(addr))
                });
            if ours {
                self.found(Finding {
                    rule: Rule::Loops,
                    stops: true,
                    place: Place::document(format!("gateway.{}", gateway.id)),
                    what: format!(
                        "gateway {} is this exchange itself: its calls would come back",
                        gateway.id
                    ),
                    hint: "name the provider's server".to_owned(),
                    example: None,
                });
            }
        }
    }
}

/// Attempts that cost money, or may.
fn paid<'p>(config: &'p Config, plan: &'p RoutePlan) -> impl Iterator<Item = &'p Attempt> {
    let stages = match &plan.verdict {
        Verdict::Stages(stages) => stages.as_slice(),
        Verdict::Refuse(_) | Verdict::Emergency(_) | Verdict::Ask(_) => &[],
    };
    stages.iter().flat_map(|s| &s.targets).filter(|attempt| match &attempt.target {
        Target::Gateway(_) | Target::Landline | Target::Uri(_) => true,
        Target::Line(id) => config.line(id).is_some_and(|line| line.fxo().is_some()),
        Target::Extension(_) => false,
    })
}

fn next_gateway(plan: &RoutePlan) -> Option<(ringtrip_model::ids::GatewayId, Digits)> {
    let Verdict::Stages(stages) = &plan.verdict else { return None };
    stages.iter().flat_map(|s| &s.targets).find_map(|attempt| match &attempt.target {
        Target::Gateway(id) => Some((id.clone(), attempt.number.clone())),
        _ => None,
    })
}
