//! A configuration becomes the exchange: parts that are new are started, parts that are gone are stopped, parts that
//! stay learn their new settings. Calls that stand keep the settings they were born with.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringtrip_config::{Config, Region};
use ringtrip_exchange::call::CallSetup;
use ringtrip_exchange::desk::{Desk, DeskInput, DeskSetup};
use ringtrip_exchange::gateway::{Gateway, GatewaySetup};
use ringtrip_exchange::line::{Line, LineSetup, Wall};
use ringtrip_exchange::post::{CallInput, LineInput, Post};
use ringtrip_exchange::rating::RatingInput;
use ringtrip_exchange::supervise::{PartId, Rule};
use ringtrip_media::region;
use ringtrip_model::event::Event;
use ringtrip_model::ids::{GatewayId, Ids, LineId};
use ringtrip_model::party::Cause;
use ringtrip_sip::nat::Topology;
use ringtrip_sip::registrar::Record;

use super::directory::Directory;
use super::front::Knock;
use super::parts::{self, DeskWorld, GatewayWorld, LineWorld};
use super::{boards, live, wall};
use crate::control::ControlError;
use crate::deploy::Deployment;
use crate::shell::{In, With};
use crate::views::{ExtensionView, GatewayView};

/// Inputs that may wait for a line, a gateway, the desk.
const LINE_MAILBOX: usize = 256;
const GATEWAY_MAILBOX: usize = 256;
const DESK_MAILBOX: usize = 4096;

/// What all calls of this configuration have in common.
pub(super) fn call_setup(
    config: &Arc<Config>,
    ids: &Ids,
    agent: &str,
    topology: Arc<Topology>,
) -> Arc<CallSetup> {
    let region = match config.region {
        Region::Us => region::us(),
        Region::Uk => region::uk(),
    };
    Arc::new(CallSetup {
        config: config.clone(),
        ids: ids.clone(),
        ringback: region.tones.ring_back,
        busy: region.tones.busy,
        prompt: region.tones.prompt,
        agent: agent.to_owned(),
        topology,
    })
}

impl Directory {
    /// Activates this: refused whole, or taken whole. What takes time was done before.
    pub(super) fn apply(&self, deployment: Deployment) -> Result<(), ControlError> {
        let now = Instant::now();
        let Deployment { config, routing, zone, name_servers } = deployment;
        let misfits = boards::misfits(self, &self.0.config.borrow().clone(), &config);
        if !misfits.is_empty() {
            return Err(ControlError::Bad {
                what: misfits.join("; "),
                hint: "nothing was changed; `GET /api/v1/boards` says what each port is".to_owned(),
            });
        }
        let before = self.0.config.replace(config.clone());
        self.0.index.borrow_mut().configure(config.clone());
        self.0.setup.replace(call_setup(&config, &self.0.ids, &self.0.agent, self.topology()));
        wall::set_zone(zone);
        self.0.dns.configure(name_servers);
        #[cfg(feature = "plugins")]
        self.0.plugins.configure(&config);
        self.0.money.configure(config.clone());
        self.0.routes.deploy(config.clone(), routing);
        self.0.admitter.borrow_mut().retain_gateways(|id| config.gateway(id).is_some());
        self.to_desk(DeskInput::Config(config.clone()));
        self.network_is(self.topology_of(&config));
        // Boards first: a new line learns what its port is, or that its board is about to start anew.
        boards::apply(self, &config);
        self.apply_lines(now, &config);
        boards::restart_idle(self);
        self.apply_gateways(now, &before, &config);
        self.apply_views(&config);
        self.read_prompts();
        Ok(())
    }

    /// Reads the prompts folder anew, beside the calls; what is no announcement is logged.
    fn read_prompts(&self) {
        let (prompts, door) = (self.0.prompts.clone(), self.0.door.clone());
        tokio::task::spawn_blocking(move || {
            for why in prompts.reload() {
                let text = format!("an announcement cannot be played: {why}");
                let _ = door.try_send(Knock::Tell(Event::Alarm { what: "prompts", text }));
            }
        });
    }

    /// Starts the desk with the registrations that the store kept; once, at start.
    pub(super) fn start_desk(&self, kept: Vec<Record>) {
        let now = Instant::now();
        self.0.supervisor.borrow_mut().add(&PartId::SipUserAgent, Rule::VITAL);
        live::part(self, &PartId::SipUserAgent, true, 1, None);
        self.0.supervisor.borrow_mut().add(&PartId::Route, Rule::VITAL);
        live::part(self, &PartId::Route, true, 1, None);
        let desk = self.build_desk(now, kept);
        let addr = parts::start(desk, DeskWorld { directory: self.clone() }, DESK_MAILBOX);
        *self.0.desk.borrow_mut() = Some(addr);
        // Its first step tells the directory of them.
        self.to_desk(DeskInput::Timeout);
    }

    /// A desk with these registrations.
    pub(super) fn build_desk(&self, now: Instant, kept: Vec<Record>) -> Desk {
        let config = self.0.config.borrow().clone();
        let setup = DeskSetup {
            config,
            ids: self.0.ids.clone(),
            agent: self.0.agent.clone(),
            nonce_secret: self.0.nonce_secret,
            topology: self.topology(),
        };
        let mut desk = Desk::new(now, setup, rand::random());
        for record in &kept {
            self.0.admitter.borrow_mut().learn(now, record.flow.remote);
        }
        desk.restore(now, kept);
        desk
    }

    fn apply_lines(&self, now: Instant, config: &Arc<Config>) {
        let setup = LineSetup::new(config.clone());
        let known: Vec<LineId> = self.0.lines.borrow().keys().cloned().collect();
        for id in known {
            let index = self.0.index.borrow();
            let stays = config.line(&id).is_some_and(|line| index.line_is(&id, &line.port, line.port_kind()));
            drop(index);
            if stays {
                let setup = setup.clone();
                let lines = self.0.lines.borrow();
                if let Some(addr) = lines.get(&id) {
                    let change = With(Box::new(move |line: &mut Line| {
                        let _ = line.configure(&setup);
                    }));
                    let _ = addr.try_send(change);
                }
            } else {
                self.line_lost_its_leg(&id);
                let part = PartId::Line(id.clone());
                self.0.supervisor.borrow_mut().remove(&part);
                self.0.lines.borrow_mut().remove(&id);
                self.0.index.borrow_mut().remove_line(&id);
                self.0.exchange.update(|views| {
                    views.lines.remove(id.as_str());
                    views.parts.remove(&part.to_string());
                });
            }
        }
        for line in &config.lines {
            if self.0.lines.borrow().contains_key(&line.id) {
                continue;
            }
            let Some(machine) = self.new_line(now, &line.id, &setup) else { continue };
            let part = PartId::Line(line.id.clone());
            let generation = self.0.supervisor.borrow_mut().add(&part, Rule::PERMANENT);
            live::part(self, &part, true, generation, None);
            let status = machine.status(now);
            let world = LineWorld { directory: self.clone(), line: line.id.clone() };
            let addr = parts::start(machine, world, LINE_MAILBOX);
            self.0.lines.borrow_mut().insert(line.id.clone(), addr);
            let (port, kind) = (line.port.clone(), line.port_kind());
            self.0.index.borrow_mut().add_line(line.id.clone(), port, kind);
            self.line_looks(status);
            self.greet(&line.id);
        }
    }

    fn new_line(&self, now: Instant, id: &LineId, setup: &LineSetup) -> Option<Line> {
        Line::new(id, setup, self.0.ids.clone(), Wall::new(wall::now(), now), now)
    }

    /// A line anew after a panic; it learns what its port is doing.
    pub(super) fn build_line(&self, now: Instant, id: &LineId) -> Option<Line> {
        let setup = LineSetup::new(self.0.config.borrow().clone());
        let line = self.new_line(now, id, &setup)?;
        self.greet(id);
        let part = PartId::Line(id.clone());
        let generation = self.0.supervisor.borrow().generation(&part).unwrap_or(0);
        live::part(self, &part, true, generation, None);
        Some(line)
    }

    fn greet(&self, id: &LineId) {
        let port = self.0.index.borrow().port_of(id).cloned();
        let lines = self.0.lines.borrow();
        let (Some(port), Some(addr)) = (port, lines.get(id)) else { return };
        for event in boards::greet(self, &port) {
            let _ = addr.try_send(In(LineInput::Board(event)));
        }
    }

    fn apply_gateways(&self, now: Instant, before: &Config, config: &Arc<Config>) {
        let known: Vec<GatewayId> = self.0.gateways.borrow().keys().cloned().collect();
        for id in known {
            if before.gateway(&id) == config.gateway(&id) {
                continue;
            }
            let addr = self.0.gateways.borrow_mut().remove(&id);
            self.0.servers.borrow_mut().remove(&id);
            let part = PartId::Gateway(id.clone());
            self.0.supervisor.borrow_mut().remove(&part);
            self.0.exchange.update(|views| {
                views.gateways.remove(id.as_str());
                views.parts.remove(&part.to_string());
            });
            if let Some(addr) = addr {
                let dir = self.clone();
                // The registration is given back; the posts of that must be delivered from here.
                actix_rt::spawn(async move {
                    let stop = parts::Stop;
                    if let Ok(mut posts) = addr.send(stop).await {
                        dir.deliver_all(&mut posts);
                    }
                });
            }
        }
        for gateway in &config.gateways {
            if self.0.gateways.borrow().contains_key(&gateway.id) {
                continue;
            }
            let part = PartId::Gateway(gateway.id.clone());
            let generation = self.0.supervisor.borrow_mut().add(&part, Rule::PERMANENT);
            live::part(self, &part, true, generation, None);
            let mut out = Vec::new();
            let Some(machine) = self.new_gateway(now, &gateway.id, &mut out) else { continue };
            let world = GatewayWorld { directory: self.clone(), gateway: gateway.id.clone() };
            let addr = parts::start(machine, world, GATEWAY_MAILBOX);
            self.0.gateways.borrow_mut().insert(gateway.id.clone(), addr);
            self.deliver_all(&mut out);
        }
    }

    fn new_gateway(&self, now: Instant, id: &GatewayId, out: &mut Vec<Post>) -> Option<Gateway> {
        let config = self.0.config.borrow().clone();
        let setup = GatewaySetup::of(&config, id, Vec::new(), self.topology())?;
        Some(Gateway::new(now, setup, rand::random(), out))
    }

    /// A gateway anew after it fell.
    pub(super) fn build_gateway(&self, now: Instant, id: &GatewayId) -> Option<Gateway> {
        let mut out = Vec::new();
        let gateway = self.new_gateway(now, id, &mut out);
        self.deliver_all(&mut out);
        let part = PartId::Gateway(id.clone());
        let generation = self.0.supervisor.borrow().generation(&part).unwrap_or(0);
        live::part(self, &part, true, generation, None);
        gateway
    }

    /// A gateway after a step.
    pub(super) fn gateway_looks(&self, now: Instant, id: &GatewayId, gateway: &Gateway) {
        let status = gateway.status();
        let down = (!status.up).then(|| status.last_error.clone().unwrap_or_default());
        self.rate(RatingInput::Gateway { gateway: id.clone(), down });
        let config = self.0.config.borrow();
        let Some(settings) = config.gateway(id) else { return };
        let server = settings.server.to_string();
        self.0.exchange.update(|views| {
            let calls = views.gateways.get(id.as_str()).map_or(0, |v| v.calls);
            let view = GatewayView {
                id: id.to_string(),
                server,
                registration: match (status.registered, status.up) {
                    (None, _) => "static",
                    (Some(true), _) => "registered",
                    (Some(false), true) => "registering",
                    (Some(false), false) if status.last_error.is_some() => "refused",
                    (Some(false), false) => "registering",
                }
                .to_owned(),
                why: status.last_error,
                up: status.up,
                latency_ms: status.latency_ms,
                expires_micros: status.registered_until.map(|at| live::micros_at(now, at)),
                address: status.server.map(|a| a.to_string()),
                calls,
            };
            views.gateways.insert(id.to_string(), view);
        });
    }

    fn apply_views(&self, config: &Config) {
        self.0.exchange.update(|views| {
            let keep: HashSet<&str> = config.extensions.iter().map(|e| e.id.as_str()).collect();
            views.extensions.retain(|id, _| keep.contains(id.as_str()));
            for extension in &config.extensions {
                let view =
                    views.extensions.entry(extension.id.to_string()).or_insert_with(ExtensionView::default);
                view.id = extension.id.to_string();
                view.name = extension.name.clone();
                view.line = extension.line.as_ref().map(ToString::to_string);
                view.conference = None;
            }
        });
        live::conferences(self);
    }

    /// The wall clock moves on; lines get the time once a minute.
    pub(super) fn minute(&self) {
        self.0.pool.tidy();
        let wall = Wall::new(wall::now(), Instant::now());
        for addr in self.0.lines.borrow().values() {
            let _ = addr.try_send(With(Box::new(move |line: &mut Line| line.set_wall(wall))));
        }
    }

    /// Ends all calls, gives registrations at providers back, and lets the last messages leave.
    pub(super) async fn stop(&self) {
        let calls: Vec<_> = self.0.calls.borrow().keys().copied().collect();
        for call in calls {
            self.deliver(Post::Call { call, input: CallInput::Hangup(Cause::Operator) });
        }
        let gateways: Vec<_> = self.0.gateways.borrow().values().cloned().collect();
        for gateway in gateways {
            if let Ok(mut posts) = gateway.send(parts::Stop).await {
                self.deliver_all(&mut posts);
            }
        }
        actix_rt::time::sleep(Duration::from_millis(200)).await;
        boards::end_all(self).await;
    }

    /// The addresses that SIP listens on.
    pub(super) fn listening(&self) -> Vec<SocketAddr> {
        self.0.net.borrow().as_ref().map(|net| net.listening()).unwrap_or_default()
    }
}
