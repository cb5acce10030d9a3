//! The world: the exchange's machines, what is plugged into it, and time.

mod network;
mod observe;
mod rating;
mod sound;
mod wire;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringtrip_config::{Config, DemoSecrets, HostPort, Inbound, LineKind, Region};
use ringtrip_exchange::call::{Birth, Call, CallSetup, Caller, MAX_FORWARDS};
use ringtrip_exchange::cdr::Cdr;
use ringtrip_exchange::desk::{Desk, DeskInput, DeskOut, DeskSetup};
use ringtrip_exchange::directory::{self, Admission, Directory, Located, Wanted};
use ringtrip_exchange::gateway::{Gateway, GatewaySetup};
use ringtrip_exchange::leg::index::{LegIndex, Undelivered, undelivered};
use ringtrip_exchange::line::{Line, LineSetup, Wall};
use ringtrip_exchange::post::{
    CallInput, Endpoint, GatewayInput, LegInput, LineInput, MediaCommand, MediaEvent, MediaParameters, Post,
};
use ringtrip_exchange::rating::RatingInput;
use ringtrip_exchange::route::{Found, RoutePlan, Target, WallTime};
use ringtrip_model::board::{BoardEvent, PortKind};
use ringtrip_model::event::Event;
use ringtrip_model::ids::{CallId, GatewayId, Ids, LineId};
use ringtrip_model::party::{CallerId, Cause, Digits, Key, Source};
use ringtrip_routing::router::{PolicyAnswer, PolicyCall, Router, RouterStep};
use ringtrip_sip::endpoint::{Flow, Transmit, Transport};
use ringtrip_sip::nat::{self, Topology};

use crate::audio::{Audio, Happening, Person};
use crate::media::{Media, To};
use crate::net::NetworkConditions;
use crate::phone::Phone;
use ringtrip_model::splitmix::SplitMix;

pub use wire::Wire;

use rating::Rating;

/// A routing script, as a function.
pub type Script = fn(&PolicyCall) -> Result<PolicyAnswer, String>;

/// What a plugin or a rate deck makes of a plan, as a function.
pub type Touch = fn(&mut RoutePlan);

/// An exchange and all around it.
pub struct World {
    now: Instant,
    start: Instant,
    config: Arc<Config>,
    setup: Arc<CallSetup>,
    desk: Desk,
    directory: Directory,
    router: Router,
    rating: Rating,
    script: Option<Script>,
    touch: Option<Touch>,
    route_is_dead: bool,
    ids: Ids,
    legs: LegIndex,
    lines: BTreeMap<LineId, Line>,
    gateways: BTreeMap<GatewayId, Gateway>,
    gateways_failed: bool,
    calls: BTreeMap<CallId, Call>,
    phones: Vec<Phone>,
    media: Media,
    /// The engine with sound, in place of `media`.
    audio: Option<Box<Audio>>,
    leased: BTreeMap<CallId, [u16; 2]>,
    ports: BTreeSet<u16>,
    /// Given to emergency calls alone.
    kept: BTreeSet<u16>,
    network_conditions: NetworkConditions,
    /// The address that the exchange has now, if it is another than at the start.
    local: Option<SocketAddr>,
    /// What DNS knows, for next hops of dialogs.
    pub hosts: Vec<(String, SocketAddr)>,
    /// What is sent to this address takes so much longer.
    far: Option<(SocketAddr, Duration)>,
    rand: SplitMix,
    later: BinaryHeap<Reverse<(Instant, u64)>>,
    jobs: BTreeMap<u64, Job>,
    job: u64,
    wires: BTreeMap<LineId, Wire>,
    posts: VecDeque<Post>,
    ladder: String,
    writing: bool,
    /// All that was sent, and to whom.
    said: Vec<(SocketAddr, String)>,
    /// The records that the store holds, the newest of each call.
    pub cdrs: BTreeMap<CallId, Cdr>,
    /// The parameters that RTP endpoints were last set to, by port.
    pub faces: BTreeMap<u16, MediaParameters>,
    /// The events that were published.
    pub events: Vec<Event>,
    /// How many posts were delivered.
    pub delivered: usize,
    /// What passed from one machine to another since the ladder is written: datagrams, and posts by their kind.
    pub handed_over: Vec<String>,
}

/// Something that happens later.
enum Job {
    Arrive(Transmit),
    Line(LineId, LineInput),
    Call(CallId, CallInput),
    /// A packet of sound.
    Sound {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
}

/// The calls that there is room for.
const CAPACITY: usize = 1_000;
/// RTP ports for 100 calls, and those that are kept for two emergency calls.
const FIRST_PORT: u16 = 16_384;
const FIRST_KEPT: u16 = FIRST_PORT + 400;
const KEPT: u16 = 4;

/// The exchange's address.
pub const EXCHANGE: &str = "192.0.2.1:5060";

impl World {
    /// The demonstration: telephones 101 and 102, two landlines, phones 201 to 203 and provider `gw1`.
    pub fn demo(seed: u64) -> World {
        World::with(seed, |_| {})
    }

    /// The demonstration with changes.
    pub fn with(seed: u64, change: impl FnOnce(&mut Config)) -> World {
        // The only clock reading: virtual time starts somewhere.
        #[allow(clippy::disallowed_methods)]
        let start = Instant::now();
        let secrets = DemoSecrets { first: "one".to_owned(), second: "two".to_owned() };
        let mut config = Config::demo(Region::Uk, secrets);
        let third = ringtrip_config::Extension {
            secret: Some(ringtrip_config::Secret::Password("three".to_owned())),
            ..ringtrip_config::Extension::new("203".parse().expect("a name"))
        };
        config.extensions.push(third);
        let server = HostPort { host: "provider.example".to_owned(), port: None };
        let mut provider = ringtrip_config::Gateway::new("gw1".parse().expect("a name"), server, "acme");
        provider.password = Some(ringtrip_config::Password("sesame".to_owned()));
        provider.inbound = Inbound::Ring(vec![Target::Extension("201".parse().expect("a name"))]);
        config.gateways.push(provider);
        change(&mut config);
        World::of(seed, start, config)
    }

    fn of(seed: u64, start: Instant, config: Config) -> World {
        let config = Arc::new(config);
        let mut rand = SplitMix::new(seed);
        let ids = Ids::new(0, 1_700_000_000);
        let key = rand.seed();
        let setup = DeskSetup {
            config: Arc::clone(&config),
            ids: ids.clone(),
            agent: "Ringtrip".to_owned(),
            nonce_secret: key,
            topology: topology(),
        };
        let desk = Desk::new(start, setup, key);
        let mut directory = Directory::new(Arc::clone(&config), CAPACITY);
        let line_setup = LineSetup::new(Arc::clone(&config));
        let wall = || Wall::new(WallTime::default(), start);
        let lines = config
            .lines
            .iter()
            .filter_map(|l| Some((l.id.clone(), Line::new(&l.id, &line_setup, ids.clone(), wall(), start)?)));
        for line in &config.lines {
            directory.add_line(line.id.clone(), line.port.clone(), line.port_kind());
        }
        let call_setup = CallSetup {
            config: Arc::clone(&config),
            ids: ids.clone(),
            ringback: line_setup.region.tones.ring_back.clone(),
            busy: line_setup.region.tones.busy.clone(),
            prompt: line_setup.region.tones.prompt.clone(),
            agent: "Ringtrip".to_owned(),
            topology: topology(),
        };
        let rating = Rating::new(&config, start);
        let mut world = World {
            now: start,
            start,
            router: rating.router(&config),
            rating,
            script: None,
            touch: None,
            route_is_dead: false,
            ids: ids.clone(),
            legs: LegIndex::default(),
            lines: lines.collect(),
            gateways: BTreeMap::new(),
            gateways_failed: false,
            calls: BTreeMap::new(),
            phones: Vec::new(),
            media: Media::default(),
            audio: None,
            leased: BTreeMap::new(),
            ports: (FIRST_PORT..FIRST_KEPT).step_by(2).collect(),
            kept: (FIRST_KEPT..FIRST_KEPT + 2 * KEPT).step_by(2).collect(),
            network_conditions: NetworkConditions::IDEAL,
            local: None,
            hosts: Vec::new(),
            far: None,
            later: BinaryHeap::new(),
            jobs: BTreeMap::new(),
            job: 0,
            wires: BTreeMap::new(),
            posts: VecDeque::new(),
            ladder: String::new(),
            writing: false,
            said: Vec::new(),
            cdrs: BTreeMap::new(),
            faces: BTreeMap::new(),
            events: Vec::new(),
            delivered: 0,
            handed_over: Vec::new(),
            setup: Arc::new(call_setup),
            desk,
            directory,
            rand,
            config,
        };
        let passwords =
            [("201", "one"), ("202", "two"), ("203", "three"), ("acme", "sesame"), ("spare", "sesame")];
        for (n, (name, password)) in passwords.iter().enumerate() {
            let addr = SocketAddr::from(([192, 0, 2, 11 + n as u8], 5060));
            let seed = world.rand.number();
            let phone = Phone::new(start, name, password, addr, exchange(), seed);
            world.phones.push(phone);
        }
        for provider in ["acme", "spare"] {
            world.phone(provider).guards("acme", "sesame");
        }
        let ready: Vec<(LineId, PortKind)> = world
            .config
            .lines
            .iter()
            .map(|l| match l.kind {
                LineKind::Fxs(_) => (l.id.clone(), PortKind::Fxs),
                LineKind::Fxo(_) => (l.id.clone(), PortKind::Fxo),
            })
            .collect();
        for (line, kind) in ready {
            world.board(line.as_str(), BoardEvent::Ready(kind));
        }
        world
    }

    /// Starts the gateways.
    pub fn start_gateways(&mut self) {
        let ids: Vec<GatewayId> = self.config.gateways.iter().map(|g| g.id.clone()).collect();
        for id in ids {
            let locals = vec![(Transport::Udp, exchange())];
            let Some(setup) = GatewaySetup::of(&self.config, &id, locals, topology()) else { continue };
            let (seed, mut out) = (self.rand.seed(), Vec::new());
            let gateway = Gateway::new(self.now, setup, seed, &mut out);
            self.gateways.insert(id, gateway);
            self.posts.extend(out);
        }
        self.deliver();
    }

    /// Another configuration for the desk and the route, while all goes on.
    pub fn configure(&mut self, change: impl FnOnce(&mut Config)) {
        let mut config = Config::clone(&self.config);
        change(&mut config);
        self.config = Arc::new(config);
        self.rating.configure(self.now, &self.config);
        self.router = self.rating.router(&self.config);
        self.directory.configure(Arc::clone(&self.config));
        self.desk(DeskInput::Config(Arc::clone(&self.config)));
    }

    /// How many phones of this extension are registered.
    pub fn bindings(&self, ext: &str) -> usize {
        self.directory.registered(self.now, &ext.parse().expect("a name"))
    }

    /// Takes the gateways away: what they asked for runs out by itself.
    pub fn stop_gateways(&mut self) {
        self.gateways.clear();
        self.gateways_failed = true;
    }

    /// Registers these phones and lets the dust settle.
    pub fn register(&mut self, names: &[&str]) {
        for name in names {
            self.phone(name).register();
        }
        self.run(1_000);
    }

    /// A phone or provider by name.
    pub fn phone(&mut self, name: &str) -> &mut Phone {
        self.phones.iter_mut().find(|p| p.name == name).expect("the world has this phone")
    }

    /// A gateway by name.
    pub fn gateway(&self, name: &str) -> Option<&Gateway> {
        self.gateways.get(&name.parse::<GatewayId>().ok()?)
    }

    /// Sets the routing script.
    pub fn script(&mut self, script: Script) {
        self.script = Some(script);
    }

    /// Sets what happens to every plan before the call gets it.
    pub fn touch(&mut self, touch: Touch) {
        self.touch = Some(touch);
    }

    /// Tells every call this.
    pub fn tell_calls(&mut self, input: impl Fn() -> CallInput) {
        let ids: Vec<CallId> = self.calls.keys().copied().collect();
        for call in ids {
            self.posts.push_back(Post::Call { call, input: input() });
        }
        self.deliver();
    }

    /// From now on the route answers nobody: it is being restarted, or a script holds it.
    pub fn kill_route(&mut self) {
        self.route_is_dead = true;
    }

    /// "Click to dial": rings this extension, then calls the number.
    pub fn originate(&mut self, ext: &str, number: &str) {
        let target = Target::Extension(ext.parse().expect("a name"));
        let wanted = Wanted { target: &target, emergency: false, except: &[] };
        let located = self.directory.locate(self.now, wanted);
        let Located::Here(found) = located else { unreachable!("an extension is found here") };
        let found = found.map(|all| self.rooted(all)).unwrap_or_default();
        let birth = Birth {
            id: self.ids.call(),
            at: WallTime::default(),
            source: Source::Operator,
            caller: CallerId { number: ext.to_owned(), ..CallerId::default() },
            dialled: Digits::new(number),
            planned: None,
            hops: MAX_FORWARDS,
            a: Caller::Operator { found },
            ports: [0, 0],
        };
        self.posts.push_back(Post::NewCall(Box::new(birth)));
        self.deliver();
    }

    /// From now on the ladder is written; time counts from here.
    pub fn write(&mut self) {
        self.writing = true;
        self.start = self.now;
        self.ladder.clear();
    }

    /// What was written.
    pub fn ladder(&self) -> &str {
        &self.ladder
    }

    /// Lets a board say something of a line.
    pub fn board(&mut self, line: &str, event: BoardEvent) {
        let line: LineId = line.parse().expect("a line's name");
        self.say(format_args!("{line} ▸ {event:?}"));
        self.posts.push_back(Post::Line { line, input: LineInput::Board(event) });
        self.deliver();
    }

    /// Sends a message as it stands, as if this phone had.
    pub fn inject(&mut self, phone: &str, text: &str) {
        let local = self.phone(phone).addr();
        let flow = Flow { transport: Transport::Udp, local, remote: exchange(), connection: 0 };
        self.transmit(Transmit { flow, bytes: Bytes::copy_from_slice(text.as_bytes()) });
    }

    /// Presses keys on a line, 200 ms apart, beginning now; gives the time that takes.
    pub fn keys(&mut self, line: &str, keys: &str) {
        for (n, key) in (0u64..).zip(keys.chars()) {
            let line: LineId = line.parse().expect("a line's name");
            let key = Key::new(key).expect("a key");
            self.after(Duration::from_millis(200 * (n + 1)), Job::Line(line, LineInput::Key { key, ms: 80 }));
        }
        self.run(200 * keys.len() as u64 + 1);
    }

    /// Ends every call as the shell does when one has panicked: what is left of it cleans up after it.
    pub fn panic_in_calls(&mut self) {
        for (id, call) in std::mem::take(&mut self.calls) {
            self.say(format_args!("call panics"));
            let mut out = Vec::new();
            call.wreck(self.now, &mut out);
            self.directory.call_over(id);
            self.legs.forget(id);
            self.release(id);
            out.push(Post::Rate(RatingInput::Gone { call: id }));
            self.posts.extend(out);
        }
        self.deliver();
    }

    /// Drops every call without its last words: what must never happen, for negative controls.
    pub fn forget_calls(&mut self) {
        self.calls.clear();
    }

    /// Lets the operator end every call.
    pub fn hang_up_all(&mut self) {
        let ids: Vec<CallId> = self.calls.keys().copied().collect();
        for call in ids {
            self.posts.push_back(Post::Call { call, input: CallInput::Hangup(Cause::Operator) });
        }
        self.deliver();
    }

    /// Lets time pass.
    pub fn run(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        self.flush_phones();
        self.deliver();
        let mut same = 0;
        while let Some(at) = self.next().filter(|at| *at <= until) {
            same = if at <= self.now { same + 1 } else { 0 };
            assert!(same < 10_000, "time stands still:\n{}", self.ladder);
            self.now = self.now.max(at);
            self.wake();
        }
        self.now = until;
    }

    fn next(&self) -> Option<Instant> {
        let jobs = self.later.peek().map(|Reverse((at, _))| *at);
        let lines = self.lines.values().filter_map(Line::deadline);
        let gateways = self.gateways.values().filter_map(Gateway::deadline);
        let calls = self.calls.values().filter_map(Call::deadline);
        let phones = self.phones.iter().filter_map(Phone::deadline);
        jobs.into_iter()
            .chain(self.desk.deadline())
            .chain(self.rating.deadline())
            .chain(lines)
            .chain(gateways)
            .chain(calls)
            .chain(phones)
            .chain(self.audio.as_ref().and_then(|audio| audio.deadline()))
            .min()
    }

    fn wake(&mut self) {
        let now = self.now;
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        while self.later.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Some(Reverse((_, id))) = self.later.pop() else { break };
            match self.jobs.remove(&id) {
                Some(Job::Arrive(transmit)) => self.arrive(transmit),
                Some(Job::Line(line, input)) => {
                    if let LineInput::Key { key, .. } = &input {
                        self.say(format_args!("{line} ▸ key {}", key.as_char()));
                    }
                    self.posts.push_back(Post::Line { line, input });
                }
                Some(Job::Call(call, input)) => self.posts.push_back(Post::Call { call, input }),
                Some(Job::Sound { from, to, bytes }) => {
                    let happened = self.audio.as_mut().map(|audio| audio.arrive(now, from, to, bytes));
                    self.happened(happened.unwrap_or_default());
                }
                None => {}
            }
            self.deliver();
        }
        if due(self.audio.as_ref().and_then(|audio| audio.deadline())) {
            self.sounds();
        }
        if due(self.desk.deadline()) {
            self.desk(DeskInput::Timeout);
        }
        if due(self.rating.deadline()) {
            self.posts.push_back(Post::Rate(RatingInput::Timeout));
        }
        for (line, machine) in &self.lines {
            if due(machine.deadline()) {
                self.posts.push_back(Post::Line { line: line.clone(), input: LineInput::Timeout });
            }
        }
        for (gateway, machine) in &self.gateways {
            if due(machine.deadline()) {
                let gateway = gateway.clone();
                self.posts.push_back(Post::Gateway { gateway, input: GatewayInput::Timeout });
            }
        }
        for (call, machine) in &self.calls {
            if due(machine.deadline()) {
                self.posts.push_back(Post::Call { call: *call, input: CallInput::Timeout });
            }
        }
        self.deliver();
        let mut out = Vec::new();
        for phone in self.phones.iter_mut().filter(|p| due(p.deadline())) {
            phone.timeout(now, &mut out);
        }
        out.into_iter().for_each(|transmit| self.transmit(transmit));
    }

    fn flush_phones(&mut self) {
        let mut out = Vec::new();
        for phone in &mut self.phones {
            phone.ask(self.now, &mut out);
        }
        out.into_iter().for_each(|transmit| self.transmit(transmit));
    }

    fn arrive(&mut self, transmit: Transmit) {
        let (from, to) = (self.translated(transmit.flow.local), transmit.flow.remote);
        if to == self.local.unwrap_or(exchange()) {
            self.hands_over(format_args!("in: {}", first_line(&transmit.bytes)));
            let flow = Flow { local: to, remote: from, ..transmit.flow };
            return self.desk(DeskInput::Octets { flow, bytes: transmit.bytes });
        }
        let now = self.now;
        let mut out = Vec::new();
        if let Some(phone) = self.phones.iter_mut().find(|p| p.outside_addr() == to || p.also.contains(&to)) {
            phone.arrive(now, from, transmit.bytes, &mut out);
        }
        out.into_iter().for_each(|transmit| self.transmit(transmit));
    }

    fn transmit(&mut self, transmit: Transmit) {
        let (from, to) = (self.name(transmit.flow.local), self.name(transmit.flow.remote));
        let arrives = self.network_conditions.next(&mut self.rand);
        self.said.push((transmit.flow.remote, String::from_utf8_lossy(&transmit.bytes).into_owned()));
        if let Some(audio) = &mut self.audio
            && let Some(phone) = self.phones.iter().find(|p| p.outside_addr() == transmit.flow.remote)
            && let Some(at) = transmit.bytes.windows(4).position(|w| w == b"\r\n\r\n")
        {
            let ssrc = u32::from(phone.addr().port()) << 16 | u32::from(phone.rtp().port());
            audio.learn(phone.rtp(), phone.known(), &transmit.bytes[at + 4..], ssrc);
        }
        let lost = if arrives.is_some() { "" } else { "   (lost)" };
        self.say(format_args!("{from} → {to}  {}{lost}", first_line(&transmit.bytes)));
        let far =
            self.far.filter(|(addr, _)| *addr == transmit.flow.remote).map_or(Duration::ZERO, |(_, t)| t);
        if let Some(after) = arrives {
            self.after(after + far, Job::Arrive(transmit));
        }
    }

    /// Where this comes from, seen from outside.
    fn translated(&self, from: SocketAddr) -> SocketAddr {
        self.phones.iter().find(|p| p.addr() == from).map_or(from, Phone::outside_addr)
    }

    fn name(&self, addr: SocketAddr) -> String {
        if addr == exchange() || Some(addr) == self.local {
            return "exchange".to_owned();
        }
        let is_at = |p: &&Phone| p.addr() == addr || p.outside_addr() == addr;
        let own = self.phones.iter().find(is_at).map(|p| p.name.clone());
        let also =
            || self.phones.iter().find(|p| p.also.contains(&addr)).map(|p| format!("{}@{addr}", p.name));
        own.or_else(also).unwrap_or_else(|| addr.to_string())
    }

    fn after(&mut self, time: Duration, job: Job) {
        self.job += 1;
        self.later.push(Reverse((self.now + time, self.job)));
        self.jobs.insert(self.job, job);
    }

    fn desk(&mut self, input: DeskInput) {
        let mut out = Vec::new();
        self.desk.on(self.now, input, &mut out);
        for out in out {
            match out {
                DeskOut::Transmit(transmit) => {
                    self.hands_over(format_args!("out: {}", first_line(&transmit.bytes)));
                    self.transmit(transmit);
                }
                DeskOut::Post(post) => self.posts.push_back(post),
            }
        }
        self.deliver();
    }

    fn deliver(&mut self) {
        while let Some(post) = self.posts.pop_front() {
            self.delivered += 1;
            self.hands_over(format_args!("{}", post.name()));
            self.post(post);
        }
    }

    fn post(&mut self, post: Post) {
        let now = self.now;
        let mut out = Vec::new();
        match post {
            Post::NewCall(mut birth) => {
                let id = birth.id;
                let admission = self.directory.admit(&birth);
                let Some(ports) = self.lease(admission) else {
                    self.directory.refuse(now, *birth, &mut out);
                    return self.posts.extend(out);
                };
                self.leased.insert(id, ports);
                self.open(id, ports);
                birth.ports = ports;
                self.directory.call_begins(&birth, admission);
                let seed = self.rand.seed();
                if let Some(leg) = birth.leg() {
                    self.legs.put(id, leg);
                }
                let call = Call::new(now, *birth, &self.setup, seed, &mut out);
                self.calls.insert(id, call);
            }
            Post::Call { call, input } => match self.calls.get_mut(&call) {
                Some(machine) => {
                    machine.on(now, input, &mut out);
                    let (has_seat, is_over) = (machine.has_seat(), machine.is_over());
                    if !has_seat {
                        let counted = self.directory.call_ended(call);
                        out.extend(counted.then_some(Post::Rate(RatingInput::Gone { call })));
                        self.release(call);
                    }
                    if is_over {
                        self.calls.remove(&call);
                        self.legs.forget(call);
                        self.directory.call_over(call);
                    }
                }
                None => match input {
                    CallInput::Leg { input, .. } => self.leg_absent(input),
                    CallInput::Adopt { leg, .. } => {
                        leg.abandon(now, &self.setup, self.rand.seed(), &mut out);
                    }
                    _ => {}
                },
            },
            Post::Leg { leg, input } => match self.legs.call_of(leg) {
                Some(call) => out.push(Post::Call { call, input: CallInput::Leg { leg, input } }),
                None => self.leg_absent(input),
            },
            Post::Owns { call, leg } => self.legs.put(call, leg),
            Post::Conference { call, input } => self.directory.on_conference_input(call, input, &mut out),
            Post::Line { line, input } => {
                self.directory.on_line_input(&line, &input);
                match self.lines.get_mut(&line) {
                    Some(machine) => {
                        machine.on(now, input, &mut out);
                        self.directory.on_line_status(&machine.status(now));
                    }
                    None => {
                        self.say(format_args!("no line {line}"));
                        out.extend(directory::line_is_absent(&input));
                    }
                }
            }
            Post::Gateway { gateway, input } => match self.gateways.get_mut(&gateway) {
                Some(machine) => {
                    machine.on(now, input, &mut out);
                    let status = machine.status();
                    let down = (!status.up).then(|| status.last_error.unwrap_or_default());
                    self.rate(RatingInput::Gateway { gateway, down }, &mut out);
                }
                // What comes for one that is being built anew waits for it.
                None if self.gateways_failed => {}
                None => out.extend(directory::gateway_is_absent(&input)),
            },
            Post::Ask(_) if self.route_is_dead => {}
            Post::Ask(query) => {
                let call = query.call;
                let attempt = match self.directory.pin_attempt(now, &query) {
                    Ok(attempt) => attempt,
                    Err(plan) => {
                        out.push(Post::Call { call, input: CallInput::Routed(plan) });
                        return self.posts.extend(out);
                    }
                };
                let step = self.router.before_policy(*query);
                if let Some(attempt) = attempt {
                    self.directory.pin_tried(now, &attempt, step.proved_pin());
                }
                let mut plan = match step {
                    RouterStep::Done(plan) => *plan,
                    RouterStep::AskPolicy(policy) => {
                        let answer = match self.script {
                            Some(script) => script(&policy),
                            None => Err("no script".to_owned()),
                        };
                        let (plan, event) = self.router.after_policy(*policy, "test.rhai", answer);
                        out.extend(event.map(Post::Tell));
                        plan
                    }
                };
                if let Some(touch) = self.touch {
                    touch(&mut plan);
                }
                self.rate_plan(call, &mut plan, &mut out);
                out.push(Post::Call { call, input: CallInput::Routed(Box::new(plan)) });
            }
            Post::Find { call, seq, target, rated, emergency, last, except } => {
                match self.may_try(call, rated, &mut out) {
                    Ok(()) => self.find(call, seq, target, emergency, last, &except),
                    Err((cause, step)) => {
                        let found = CallInput::Found { seq, found: Err(cause) };
                        out.extend([CallInput::Noted(step), found].map(|input| Post::Call { call, input }));
                    }
                }
            }
            Post::RegistrationChanged { ext, contacts } => self.directory.set_contacts(ext, contacts),
            Post::Latency { .. } => {}
            Post::SeenAs { gateway, seen } => self.say(format_args!("    * {gateway} sees us at {seen}")),
            Post::Rate(input) => self.rate(input, &mut out),
            Post::Resolve { gateway, host, .. } => {
                let names: &[&str] = match host.as_str() {
                    "provider.example" => &["acme"],
                    "two.example" => &["spare", "acme"],
                    "spare.example" => &["spare"],
                    _ => &[],
                };
                let at = |name: &&str| self.phones.iter().find(|p| p.name == **name).map(Phone::addr);
                let servers = names.iter().filter_map(at).map(|addr| (Transport::Udp, addr)).collect();
                out.push(Post::Gateway { gateway, input: GatewayInput::Resolved { servers, ttl: None } });
            }
            Post::LocalAddress { leg, flow, .. } => {
                let local = self.local.unwrap_or(flow.local);
                out.push(Post::Leg { leg, input: LegInput::LocalAddress(local) });
            }
            Post::Lookup { leg, name } => {
                let at = |(host, addr): &(String, SocketAddr)| (*host == name.host).then_some(*addr);
                let found = self.hosts.iter().find_map(at).or_else(|| {
                    let ip: std::net::IpAddr = name.host.parse().ok()?;
                    Some(SocketAddr::new(ip, name.port.unwrap_or(5060)))
                });
                let transport = name.transport.unwrap_or(Transport::Udp);
                let flow = |remote| Flow { transport, local: exchange(), remote, connection: 0 };
                let flows = found.into_iter().map(flow).collect();
                out.push(Post::Leg { leg, input: LegInput::Lookup { name, flows } });
            }
            Post::Peer { gateway, addresses } => self.desk(DeskInput::Peer { gateway, addresses }),
            Post::Sip(ask) => self.desk(DeskInput::Ask(ask)),
            Post::Board { port, cmd } => self.command(&port, cmd),
            Post::Media(cmd) => self.sound(&cmd),
            Post::Keep(cdr) => {
                let cdr = Arc::from(cdr);
                self.directory.on_record(&cdr);
                self.cdrs.insert(cdr.call, Cdr::clone(&cdr));
            }
            Post::Tell(event) => {
                let (name, fields) = event.describe();
                let mut text = name.to_owned();
                for (field, value) in fields.iter().filter(|(f, _)| !matches!(*f, "call" | "leg")) {
                    let _ = match value {
                        ringtrip_model::event::Field::Text(t) => write!(text, " {field}={t}"),
                        ringtrip_model::event::Field::Number(n) => write!(text, " {field}={n}"),
                        ringtrip_model::event::Field::Flag(f) => write!(text, " {field}={f}"),
                    };
                }
                self.say(format_args!("    * {text}"));
                self.events.push(event);
            }
        }
        self.posts.extend(out);
    }

    fn leg_absent(&mut self, input: LegInput) {
        match undelivered(input) {
            Some(Undelivered::Desk(input)) => self.desk(input),
            Some(Undelivered::Call(call, input)) => self.posts.push_back(Post::Call { call, input }),
            None => {}
        }
    }

    fn find(
        &mut self,
        call: CallId,
        seq: u16,
        target: Target,
        emergency: bool,
        last: bool,
        except: &[LineId],
    ) {
        let wanted = Wanted { target: &target, emergency, except };
        let found = match self.directory.locate(self.now, wanted) {
            Located::Here(found) => found.map(|all| self.rooted(all)),
            Located::Gateway(gateway) => {
                let input = GatewayInput::Find { call, seq, emergency: emergency || last };
                return self.posts.push_back(Post::Gateway { gateway: gateway.clone(), input });
            }
            // No DNS knows it.
            Located::Host(_) => Err(Cause::Failure),
        };
        self.posts.push_back(Post::Call { call, input: CallInput::Found { seq, found } });
    }

    /// The address of ours that the kernel sends from now.
    fn rooted(&self, mut all: Vec<Found>) -> Vec<Found> {
        let Some(local) = self.local else { return all };
        for found in &mut all {
            let Found::Sip(way) = found else { continue };
            Arc::make_mut(way).flows.iter_mut().for_each(|flow| flow.local = local);
        }
        all
    }

    fn lease(&mut self, admission: Admission) -> Option<[u16; 2]> {
        let ports = match admission {
            Admission::Full => return None,
            Admission::Emergency if self.ports.len() < 2 => &mut self.kept,
            Admission::Emergency | Admission::Admitted => &mut self.ports,
        };
        let leased: Vec<u16> = ports.iter().take(2).copied().collect();
        let [a, b] = leased[..] else { return None };
        ports.retain(|port| *port != a && *port != b);
        Some([a, b])
    }

    fn release(&mut self, call: CallId) {
        let leased = self.leased.remove(&call).into_iter().flatten();
        let (kept, ports): (Vec<u16>, Vec<u16>) = leased.partition(|port| *port >= FIRST_KEPT);
        self.kept.extend(kept);
        self.ports.extend(ports);
    }

    fn hands_over(&mut self, what: std::fmt::Arguments<'_>) {
        if self.writing {
            self.handed_over.push(what.to_string());
        }
    }

    fn say(&mut self, what: std::fmt::Arguments<'_>) {
        if self.writing {
            let ms = self.now.saturating_duration_since(self.start).as_millis();
            let _ = writeln!(self.ladder, "{ms:>7}  {what}");
        }
    }
}

/// The network that the exchange and its phones are in: nothing translates addresses there.
fn topology() -> Arc<Topology> {
    let mut topology = Topology::direct();
    topology.local_networks.extend(nat::network("192.0.2.0/24"));
    Arc::new(topology)
}

fn exchange() -> SocketAddr {
    EXCHANGE.parse().expect("an address")
}

/// `INVITE sip:101@…`, or `180 Ringing (INVITE)`.
fn first_line(bytes: &Bytes) -> String {
    let text = String::from_utf8_lossy(bytes);
    let first = text.lines().next().unwrap_or_default();
    let cseq = text.lines().find_map(|l| l.strip_prefix("CSeq: ")).unwrap_or_default();
    let sdp = if text.contains("\r\n\r\nv=0") { " +sdp" } else { "" };
    match first.strip_prefix("SIP/2.0 ") {
        Some(status) => {
            let method = cseq.split(' ').nth(1).unwrap_or_default();
            format!("{status} ({method}){sdp}")
        }
        None => format!("{}{sdp}", first.trim_end_matches(" SIP/2.0")),
    }
}
