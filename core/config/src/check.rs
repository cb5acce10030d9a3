//! What is wrong with a configuration, in words that say where and how to correct it.

use std::collections::BTreeMap;

use ringtrip_rating::limiter::LimitScope;

use crate::{Config, Inbound, LineKind};
use ringtrip_dialplan::Outcome;
use ringtrip_model::ids::GatewayId;
use ringtrip_model::party::{Digits, Key};
use ringtrip_model::route::{PlanRoute, Target};

/// Something wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// An error refuses the document; a warning is shown and it is taken.
    pub severity: Severity,
    /// Where: `extension.101.plan`, `line.fxs1.port`, `gateway.gw1`.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// How to correct it.
    pub hint: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but probably not as meant.
    Warning,
    /// It cannot work.
    Error,
}

impl Config {
    /// Everything wrong with it, in the order of the document. A document with an error must not become active.
    pub fn check(&self) -> Vec<Problem> {
        let mut found = Found { config: self, problems: Vec::new() };
        found.extensions();
        found.lines();
        found.gateways();
        found.pins();
        found.plans();
        found.emergency();
        found.sip();
        found.problems.extend(self.money_problems());
        found.problems
    }
}

struct Found<'a> {
    config: &'a Config,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn error(&mut self, path: impl Into<String>, what: impl Into<String>, hint: impl Into<String>) {
        let (path, what, hint) = (path.into(), what.into(), hint.into());
        self.problems.push(Problem { severity: Severity::Error, path, what, hint });
    }

    fn warn(&mut self, path: impl Into<String>, what: impl Into<String>, hint: impl Into<String>) {
        let (path, what, hint) = (path.into(), what.into(), hint.into());
        self.problems.push(Problem { severity: Severity::Warning, path, what, hint });
    }

    fn extensions(&mut self) {
        let config = self.config;
        let mut lines = BTreeMap::new();
        for (i, e) in config.extensions.iter().enumerate() {
            let at = format!("extension.{}", e.id);
            if config.extensions[..i].iter().any(|other| other.id == e.id) {
                self.error(
                    &at,
                    format!("there are two extensions {}", e.id),
                    "give one of them another number",
                );
            }
            if let Some(plan) = &e.plan {
                self.plan_exists(format!("{at}.plan"), plan);
            }
            if let Some(line) = &e.line {
                let at = format!("{at}.line");
                match config.line(line).map(|l| &l.kind) {
                    None => self.error(at, format!("there is no line {line}"), self.known_lines()),
                    Some(LineKind::Fxo(_)) => self.error(
                        at,
                        format!("{line} is a landline (FXO); an extension needs a telephone (FXS)"),
                        self.known_lines(),
                    ),
                    Some(LineKind::Fxs(_)) => {
                        if let Some(other) = lines.insert(line.clone(), e.id.clone()) {
                            let what = format!("{line} is the telephone of extension {other} already");
                            self.error(at, what, "a telephone has one extension: remove one of the two");
                        }
                    }
                }
            }
            if e.conference.is_some() {
                for (key, is_set) in [("password", e.secret.is_some()), ("line", e.line.is_some())] {
                    if is_set {
                        let what = format!("extension {} is a conference room, which has no phones", e.id);
                        let hint = "remove this, or `conference`; callers dial the number of the room";
                        self.error(format!("{at}.{key}"), what, hint);
                    }
                }
            }
            if e.secret.is_none() && e.line.is_none() && e.conference.is_none() {
                let what = format!("extension {} cannot be used: it has neither a password nor a line", e.id);
                self.warn(&at, what, "set `password` for SIP phones or `line` for a telephone on a jack");
            }
            if e.id.as_str().starts_with("gw") && e.id.as_str()[2..].chars().all(|c| c.is_ascii_digit()) {
                self.error(&at, format!("{} is a gateway's name", e.id), "use a number, such as 101");
            }
            if e.max_contacts == 0 && e.secret.is_some() {
                self.warn(format!("{at}.max_contacts"), "no phone can register", "set it to 1 or more");
            }
        }
    }

    fn lines(&mut self) {
        let config = self.config;
        for (i, l) in config.lines.iter().enumerate() {
            let at = format!("line.{}", l.id);
            for other in &config.lines[..i] {
                if other.id == l.id {
                    self.error(&at, format!("there are two lines {}", l.id), "give one of them another name");
                }
                if other.port == l.port {
                    let what = format!("port {} is taken by line {}", l.port, other.id);
                    self.error(format!("{at}.port"), what, "each line needs a port of its own");
                }
            }
            if let Some(plan) = &l.plan {
                self.plan_exists(format!("{at}.plan"), plan);
            }
            match &l.kind {
                LineKind::Fxs(fxs) => {
                    if fxs.hook_flash_min >= fxs.hook_flash_max {
                        let what = "the shortest hook flash is not shorter than the longest";
                        self.error(
                            format!("{at}.hook_flash_min"),
                            what,
                            "usual values are 100 ms and 900 ms",
                        );
                    }
                    if !(1..=8).contains(&fxs.default_ring) {
                        let what = format!("there is no ring {}", fxs.default_ring);
                        self.error(format!("{at}.default_ring"), what, "rings are 1 to 8");
                    }
                    if !(10..=100).contains(&fxs.ring_hz) {
                        let what = format!("{} Hz does not ring a telephone", fxs.ring_hz);
                        self.error(format!("{at}.ring_hz"), what, "10 to 100; 20 in America, 25 in Europe");
                    }
                }
                LineKind::Fxo(fxo) => {
                    if let Some(ring) = &fxo.ring_through {
                        self.inbound(format!("{at}.ring_through"), &ring.to, true);
                    }
                    if let Some(to) = &fxo.answer {
                        self.inbound(format!("{at}.answer"), to, true);
                    }
                    if let (Some(ring), Some(_)) = (&fxo.ring_through, &fxo.answer)
                        && fxo.answer_delay <= ring.delay
                    {
                        let what = "the line would answer before the ring_through targets ring";
                        let hint = "make answer_delay longer than ring_through_delay, or remove ring_through";
                        self.error(format!("{at}.answer_delay"), what, hint);
                    }
                }
            }
        }
    }

    fn gateways(&mut self) {
        let config = self.config;
        for (i, g) in config.gateways.iter().enumerate() {
            let at = format!("gateway.{}", g.id);
            if g.id.as_str() == "gw0" {
                let what = "gw0 always means the landline and cannot be a SIP provider";
                self.error(&at, what, "name it gw1, gw2, …");
            }
            if config.gateways[..i].iter().any(|other| other.id == g.id) {
                self.error(&at, format!("there are two gateways {}", g.id), "give one of them another name");
            }
            if g.register && g.password.is_none() {
                let what = "it registers without a password; few providers take that";
                self.warn(format!("{at}.password"), what, "set `password`, or `register = false`");
            }
            if g.user.is_empty() && (g.register || g.password.is_some()) {
                let what = "it has no user, and cannot register or prove anything without one";
                let hint = "write user = \"…\", the name of the account; or register = false, without a password, for \
                            a peer that knows us by our address";
                self.error(format!("{at}.user"), what, hint);
            }
            if g.dials() && g.inbound_plan.is_none() {
                let what =
                    format!("its calls dial by the default plan {:?}, as extensions do", config.default_plan);
                self.warn(format!("{at}.inbound_plan"), what, "name a plan that has only what they may dial");
            }
            let limited = config.rates.limiter.limits.iter().any(|limit| match &limit.extension {
                LimitScope::Only(name) => **name == *g.id.as_str(),
                LimitScope::All | LimitScope::Each => true,
            });
            if g.dials() && g.inbound_prefixes.is_none() && !limited {
                let what = "its calls may dial out, and nothing limits where to and for how much";
                let hint = format!(
                    "set inbound_prefixes, or a [[money.limit]] with extension = \"{}\"; or name in inbound_plan a plan \
                     that sends nothing outside",
                    g.id
                );
                self.warn(format!("{at}.inbound_prefixes"), what, hint);
            }
            self.inbound(format!("{at}.inbound"), &g.inbound, false);
            for (key, plan) in [("inbound_plan", &g.inbound_plan), ("outbound_plan", &g.outbound_plan)] {
                if let Some(plan) = plan {
                    self.plan_exists(format!("{at}.{key}"), plan);
                }
            }
            for (did, to) in &g.dids {
                self.inbound(format!("{at}.dids.{did}"), to, false);
            }
        }
        for (i, g) in config.plugin_gateways.iter().enumerate() {
            let at = format!("gateway.{}", g.id);
            if g.id.as_str() == "gw0" {
                let what = "gw0 always means the landline and cannot be a plugin's gateway";
                self.error(&at, what, "name it gw1, gw2, …");
            }
            let twice = config.plugin_gateways[..i].iter().any(|other| other.id == g.id);
            if twice || config.gateway(&g.id).is_some() {
                self.error(&at, format!("there are two gateways {}", g.id), "give one of them another name");
            }
        }
        self.route("default_route", &config.default_route);
    }

    fn pins(&mut self) {
        let config = self.config;
        for (i, pin) in config.pins.iter().enumerate() {
            let at = format!("pin.{}", pin.name);
            let digits = pin.code.0.bytes().all(|b| b.is_ascii_digit());
            if !digits || !(4..=16).contains(&pin.code.0.len()) {
                let what = "a code is 4 to 16 digits";
                self.error(format!("{at}.code"), what, "choose digits that are hard to guess");
            } else if pin.code.0.bytes().all(|b| pin.code.0.as_bytes().first() == Some(&b)) {
                let hint = "choose digits that are hard to guess";
                self.warn(format!("{at}.code"), "the code repeats a single digit", hint);
            }
            if let Some(other) = config.pins[..i].iter().find(|p| p.code == pin.code) {
                let what = format!("it is the code of {} already", other.name);
                self.error(format!("{at}.code"), what, "each PIN has a code of its own");
            }
            if let Some(plan) = &pin.plan {
                self.plan_exists(format!("{at}.plan"), plan);
            }
        }
    }

    /// Where calls from outside go. One from the landline must not go back out to it: the line is taken.
    fn inbound(&mut self, at: String, to: &Inbound, from_landline: bool) {
        let config = self.config;
        let Inbound::Ring(targets) = to else { return };
        if targets.is_empty() {
            self.warn(&at, "no target is listed", "name an extension or a line");
        }
        for target in targets {
            match target {
                Target::Extension(id) if config.extension(id.as_str()).is_none() => {
                    self.error(&at, format!("there is no extension {id}"), "name one that exists");
                }
                Target::Line(id) => match config.line(id).map(|l| &l.kind) {
                    None => self.error(&at, format!("there is no line {id}"), self.known_lines()),
                    Some(LineKind::Fxo(_)) => {
                        self.error(&at, format!("{id} is a landline: it cannot ring"), "name a telephone");
                    }
                    Some(LineKind::Fxs(_)) => {}
                },
                Target::Landline if from_landline => {
                    let what = "a call from the landline cannot go back to it";
                    self.error(&at, what, "name an extension or a line");
                }
                Target::Landline | Target::Gateway(_) => {
                    let what = "a call from outside is sent outside again, at your cost";
                    self.warn(&at, what, "name an extension or a line");
                }
                Target::Extension(_) | Target::Uri(_) => {}
            }
        }
    }

    fn plan_exists(&mut self, at: String, plan: &str) {
        if !self.config.plans.contains_key(plan) {
            let known: Vec<&str> = self.config.plans.keys().map(String::as_str).collect();
            let hint = if known.is_empty() {
                "there are no plans; write one under [plans]".to_owned()
            } else {
                format!("there is: {}", known.join(", "))
            };
            self.error(at, format!("there is no plan {plan:?}"), hint);
        }
    }

    fn route(&mut self, at: &str, route: &PlanRoute) {
        match route {
            PlanRoute::Landline if self.config.landlines().next().is_none() => {
                self.error(at, "gw0 is the landline, and there is none", "add an FXO line or name a gateway");
            }
            PlanRoute::Gateway(id) if self.config.plugin_of(id).is_some() => {}
            PlanRoute::Gateway(id) => self.gateway_exists(at, id),
            PlanRoute::Landline | PlanRoute::Default | PlanRoute::Uri(_) => {}
        }
    }

    fn gateway_exists(&mut self, at: &str, id: &GatewayId) {
        if self.config.gateway(id).is_none() {
            let known: Vec<&str> = self.config.gateways.iter().map(|g| g.id.as_str()).collect();
            let hint = match known.as_slice() {
                [] => "there are no gateways".to_owned(),
                known => format!("there is: {}", known.join(", ")),
            };
            self.error(at, format!("there is no gateway {id}"), hint);
        }
    }

    fn plans(&mut self) {
        let config = self.config;
        self.plan_exists("default_plan".to_owned(), &config.default_plan);
        for (name, plan) in &config.plans {
            let at = format!("plans.{name}");
            for (alternative, route) in plan.alternatives() {
                match route {
                    PlanRoute::Gateway(id)
                        if config.gateway(id).is_none() && config.plugin_of(id).is_none() =>
                    {
                        let what = format!("{alternative} goes to gateway {id}, which does not exist");
                        self.warn(&at, what, "add the gateway, or change the route");
                    }
                    PlanRoute::Landline if config.landlines().next().is_none() => {
                        let what = format!("{alternative} goes to the landline, and there is none");
                        self.warn(&at, what, "add an FXO line, or change the route");
                    }
                    _ => {}
                }
            }
            for warning in plan.warnings() {
                let what = format!("at character {}: {}", warning.at, warning.what);
                self.warn(&at, what, warning.hint.clone());
            }
            let barred = config.emergency.country.numbers.iter().filter(|number| {
                matches!(plan.whole(&Digits::new(number), &config.dialling), Outcome::Blocked { .. })
            });
            let barred: Vec<&str> = barred.copied().collect();
            if !barred.is_empty() {
                let what = format!("it bars {}; emergency calls are placed regardless", barred.join(", "));
                self.warn(&at, what, "remove the bar: it has no effect");
            }
        }
    }

    fn emergency(&mut self) {
        let config = self.config;
        let numbers = config.emergency.country.numbers.iter().copied();
        let numbers: Vec<&str> =
            numbers.chain(config.emergency.extra.iter().map(|e| e.dialled.as_str())).collect();
        for e in &config.extensions {
            let id = e.id.as_str();
            // Where a country has 112 and 1122, an extension 1122 is one, and does not only begin like one.
            let same = numbers.iter().find(|n| **n == id);
            let begins = || numbers.iter().find(|n| !n.is_empty() && id.starts_with(**n));
            let Some(number) = same.or_else(begins) else { continue };
            let at = format!("extension.{id}");
            if *number == id {
                let what = format!("{id} is an emergency number: this extension can never be called");
                self.error(at, what, "give it another number");
            } else {
                let what = format!(
                    "{id} begins with the emergency number {number}, which a telephone dials at once"
                );
                self.warn(at, what, "give it another number");
            }
        }
        for (i, extra) in config.emergency.extra.iter().enumerate() {
            let keys = |d: &Digits| !d.is_empty() && d.as_str().chars().all(|c| Key::new(c).is_some());
            if !keys(&extra.dialled) || !keys(&extra.send) {
                let what = format!("invalid number in {:?} → {:?}", extra.dialled, extra.send);
                self.error(format!("emergency.extra.{i}"), what, "expected digits, such as 9911 and 911");
            }
        }
        for id in &config.emergency.providers {
            self.gateway_exists("emergency.providers", id);
        }
        if config.landlines().next().is_none() && config.emergency.providers.is_empty() {
            let what = "there is no way to make an emergency call: no landline and no emergency provider";
            self.warn(
                "emergency.providers",
                what,
                "name a provider that carries emergency calls, or add an FXO line",
            );
        }
        if !config.emergency.providers.is_empty() && config.emergency.location.is_empty() {
            let what = "a SIP provider does not know the location of this installation";
            self.warn("emergency.location", what, "write the address, and register it with the provider");
        }
    }

    fn sip(&mut self) {
        let (first, last) = self.config.sip.rtp_ports;
        if first == 0 || first % 2 == 1 || last <= first {
            let what = format!("invalid port range {first}–{last}");
            self.error(
                "sip.rtp_ports",
                what,
                "an even first port and a larger last one, such as 16384 and 32767",
            );
        }
        if self.config.sip.listen.is_empty() {
            self.warn(
                "sip.listen",
                "no SIP listen address",
                "list at least one address, such as \"udp:0.0.0.0:5060\"",
            );
        }
        if self.config.sip.algorithms.is_empty() {
            self.error("sip.algorithms", "no digest algorithm is left", "list \"sha-256\" and \"md5\"");
        }
    }

    fn known_lines(&self) -> String {
        let known: Vec<&str> = self.config.lines.iter().map(|l| l.id.as_str()).collect();
        match known.as_slice() {
            [] => "there are no lines".to_owned(),
            known => format!("there is: {}", known.join(", ")),
        }
    }
}
