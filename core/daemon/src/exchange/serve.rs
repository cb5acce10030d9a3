//! The start of the exchange and its end: store, configuration, sockets, boards, HTTP; then signals.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use ringtrip_config::{Config, Media as MediaConfig};
use ringtrip_exchange::desk::DeskInput;
use ringtrip_exchange::directory;
use ringtrip_model::event::Event;
use ringtrip_model::ids::{CallId, Ids};
use ringtrip_model::line::LineState;
use ringtrip_sip::endpoint::Transport;
use ringtrip_sip::nat::Topology;

use super::apply::call_setup;
use super::boards::Programs;
use super::directory::{Directory, Inner};
use super::front::{self, Knock};
use super::signals::{Request, Signals};
use super::{commands, network, registrations, route, wall};
use crate::cli::ServeOptions;
use crate::config::FaultSeverity;
use crate::control::Exchange;
use crate::control_thread;
use crate::deploy::{Deployer, Deployment};
use crate::descriptors::{self, Budget, Wanted};
use crate::dns::Dns;
use crate::drafts::Drafts;
use crate::events::EventHub;
use crate::http::{self, Api};
use crate::media::{Media, Pool, Prompts, Recorder, Tell};
use crate::net::{Arrival, Net, NetEvent};
use crate::panics::{self, vital_task};
use crate::rating::Rating;
use crate::routes::explain::GatewayOverrides;
use crate::start;
use crate::store::{CdrQuery, Store, StoreEvent, StoreOptions};

/// Frames of a board, µs: 10 ms halves the wait for dial tone against 20 ms and costs little.
const FRAME_US: u32 = 10_000;

/// Why the exchange cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Store, configuration or secrets.
    #[error(transparent)]
    Start(#[from] start::StartError),
    /// The store.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// A socket or a thread.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs the exchange until a signal stops it.
///
/// # Errors
/// The exchange cannot start: the store, the configuration, a socket or a board. Or it ended by a failure of what all
/// parts share.
pub fn serve(options: ServeOptions) -> anyhow::Result<()> {
    panics::install();
    Ok(actix_rt::System::new().block_on(run(options))?)
}

/// Threads that move sound.
fn media_workers(config: &Config) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    config.media.workers.map_or_else(cores, usize::from).clamp(1, usize::from(MediaConfig::MOST_WORKERS))
}

async fn run(options: ServeOptions) -> Result<(), ServeError> {
    let mut signals = Signals::take()?;
    let limit = descriptors::raise()?;
    let (door, knocks) = front::door();
    crate::config::calendars_in(&options.data);
    let mut store_options = StoreOptions::new(&options.data);
    let news = door.clone();
    store_options.news = Arc::new(move |said| {
        let _ = news.try_send(Knock::Tell(alarm(said)));
    });
    store_options.may_begin_anew = options.config.is_some();
    let store = Store::open(store_options)?;
    let first = start::configuration(&store, options.region, options.config.as_deref()).await?;
    for fault in first.faults.iter().filter(|f| f.severity == FaultSeverity::Warning) {
        tracing::warn!("configuration: {fault}");
    }
    if options.log.is_none() {
        crate::logging::init_by_config(first.config.log.into());
    }
    let config = Arc::new(first.config);
    let wanted = Wanted { calls: config.limits.calls as usize, boards: config.boards.len() };
    let budget = Budget::of(limit, wanted);
    // Before anything else is opened: emergency calls have these, whatever comes.
    let workers = media_workers(&config);
    let (pool, kept) = Pool::new(config.sip.rtp_ports, &budget, workers);
    let events = EventHub::new(store.boot());
    let (exchange, waiting) = Exchange::new();
    // What is wrong with files in the folder is logged when the configuration is applied.
    let (prompts, _) = Prompts::open(&options.data.join("prompts"));
    let media = {
        let complaints = door.clone();
        let recorder = Recorder::start(
            options.data.join("recordings"),
            Box::new(move |text| {
                let _ = complaints.try_send(Knock::Tell(Event::Alarm { what: "recording", text }));
            }),
        )?;
        let tell = || -> Tell {
            let door = door.clone();
            // A media worker must not wait; what does not fit is lost with the call that nobody hears any more.
            Box::new(move |call, event| drop(door.try_send(Knock::Media { call, event })))
        };
        Media::start(workers, tell, &prompts, &recorder)?
    };
    let programs = programs(&options);
    let shipped = scripts(&options.data);
    let agent = format!("Ringtrip/{}", env!("CARGO_PKG_VERSION"));
    let started = start_second(&store);
    for draft in crate::drafts::recover(&store, &options.data) {
        if let Err(error) = store.put_draft(draft).await {
            tracing::error!(%error, "a draft whose activation was cut off cannot be kept as such");
        }
    }
    let routes = route::routes(config.clone(), &options.data, door.clone());
    routes
        .set_gateways(Arc::new(GatewayOverrides { exchange: exchange.clone(), assumed: Default::default() }));
    wall::set_zone(wall::zone_of(config.time_zone.as_deref()));
    let money = {
        let door = door.clone();
        let tell = Box::new(move |event| drop(door.try_send(Knock::Tell(event))));
        Rating::open(config.clone(), &options.data, &store, tell)
    };
    routes.set_prices(Arc::new(money.clone()));
    // One box: several of them will number themselves.
    let ids = Ids::new(0, started);
    let inner = Inner {
        setup: RefCell::new(call_setup(&config, &ids, &agent, Arc::new(Topology::direct()))),
        routes: routes.clone(),
        money: money.clone(),
        #[cfg(feature = "plugins")]
        plugins: crate::plugins::Plugins::default(),
        workers: route::workers(door.clone())?,
        pool,
        config: RefCell::new(config.clone()),
        legs: Default::default(),
        ids,
        agent,
        nonce_secret: rand::random(),
        programs,
        developer: options.developer,
        door,
        desk: RefCell::default(),
        desk_waiting: Cell::default(),
        admitter: RefCell::default(),
        calls: RefCell::default(),
        lines: RefCell::default(),
        index: RefCell::new(directory::Directory::new(config.clone(), budget.calls)),
        gateways: RefCell::default(),
        boards: RefCell::default(),
        supervisor: RefCell::default(),
        media,
        prompts,
        net: RefCell::default(),
        topology: RefCell::new(Arc::new(Topology::direct())),
        external: RefCell::default(),
        servers: RefCell::default(),
        dns: Dns::new(&config.sip.name_servers),
        store: store.clone(),
        events: events.clone(),
        exchange: exchange.clone(),
    };
    let dir = Directory(Rc::new(inner));
    let net = open_net(&dir, &config, options.sip, budget.sip_connections)?;
    *dir.0.net.borrow_mut() = Some(net);
    dir.start_desk(registrations::kept_by(&store));
    actix_rt::spawn(vital_task(front::attend(dir.clone(), knocks)));
    actix_rt::spawn(vital_task(commands::attend(dir.clone(), waiting)));
    if let Err(e) = dir.apply(Deployment::build(&routes, config.clone())) {
        return Err(io::Error::other(e.to_string()).into());
    }
    actix_rt::spawn(minutes(dir.clone()));
    actix_rt::spawn(vital_task(network::watch(dir.clone())));
    actix_rt::spawn(vital_task(network::follow_external(dir.clone())));
    actix_rt::spawn(seconds(dir.clone()));
    actix_rt::spawn(vital_task(count_money(dir.clone())));
    actix_rt::spawn(route::watch(routes.clone()));

    let hosts = vec![config.sip.domain.to_ascii_lowercase()];
    #[cfg(feature = "plugins")]
    let plugins = open_plugins(&dir, &options, &config);
    let drafts = Drafts::new(
        routes.clone(),
        money.clone(),
        #[cfg(feature = "plugins")]
        plugins.clone(),
        store.clone(),
    );
    let (keeps, runtime) = (drafts.clone(), tokio::runtime::Handle::current());
    routes.on_roll_back(Box::new(move |draft| {
        let (drafts, draft) = (keeps.clone(), draft.to_owned());
        runtime.spawn(async move {
            if let Err(error) = drafts.canary_over(&draft).await {
                tracing::error!(%error, draft, "a canary was rolled back, but that could not be saved");
            }
        });
    }));
    let told = dir.clone();
    actix_rt::spawn(drafts.clone().resume_canary(move |event| told.tell(event)));
    let api = Api {
        #[cfg(feature = "plugins")]
        plugins,
        routes,
        rating: money.clone(),
        drafts,
        budget: Some(budget),
        ..Api::new(exchange, store.clone(), events, hosts, options.developer)
    };
    let face = web::Data::new(api);
    let deployer = face.deployer();
    let listen = options.http.map_or_else(|| config.http.clone(), |addr| vec![addr]);
    let (server, listening) = http::server(face.clone(), &listen)?;
    let door = match listening.first() {
        Some(first) => start::open_door(&store, &options.data, *first).await,
        None => Ok(()),
    };
    dir.tell(Event::ConfigActive {
        version: first.version,
        by: "start".to_owned(),
        summary: if first.is_first { "first start".to_owned() } else { "as before".to_owned() },
    });
    tell_budget(&dir, &budget, wanted, kept);
    tell_disk(&dir, &store, shipped, door);
    for version in &first.passed_over {
        let text =
            format!("version {version} of the configuration cannot be read; version {} runs", first.version);
        dir.tell(Event::Alarm { what: "config", text });
    }
    let secret = start::first_secret(&store).await?;
    greet(&dir, &config, &listening, secret.as_ref().map(|s| s.0.as_str()), &options.data);
    let running = control_thread::begins();
    if options.once {
        settled(&dir).await?;
    } else {
        while signals.next().await == Request::Reload {
            reload(&dir, &deployer, options.config.as_deref()).await;
        }
    }
    drop(running);
    tracing::info!("stopping");
    server.stop().await;
    dir.stop().await;
    money.persist(true);
    store.close();
    Ok(())
}

/// Says what the disk did not take, and what the journal lost.
fn tell_disk(dir: &Directory, store: &Store, scripts: io::Result<()>, door: Result<(), start::StartError>) {
    let tell = |text| dir.tell(Event::Alarm { what: "store", text });
    let recovery = store.recovery();
    if recovery.behind {
        tell(
            "the journal is shorter than when it was last used: the newest records and changes are missing"
                .to_owned(),
        );
    }
    if recovery.holes > 0 {
        tell(format!("the journal is damaged in {} places; what stood there is lost", recovery.holes));
    }
    if let Err(why) = scripts {
        tell(format!("the folder of scripts cannot be written: {why}"));
    }
    if let Err(why) = door {
        tell(format!("the command line on this machine cannot reach the exchange: {why}"));
    }
}

/// Says how many calls and connections there is room for, and alarms when that is fewer than the configuration allows.
fn tell_budget(dir: &Directory, budget: &Budget, wanted: Wanted, kept: Result<(), (usize, usize)>) {
    tracing::info!(
        files = budget.limit,
        calls = budget.calls,
        sip_connections = budget.sip_connections,
        http_connections = budget.http_connections,
        "limits by open files"
    );
    if let Some(text) = budget.complaint(wanted) {
        dir.tell(Event::Alarm { what: "descriptors", text });
    }
    if let Err((missing, of)) = kept {
        let text = format!(
            "{missing} of {of} RTP port pairs for emergency calls could not be opened; \
             check sip.rtp_ports and which other programs use these ports"
        );
        dir.tell(Event::Alarm { what: "descriptors", text });
    }
}

/// The second that this run's calls are named after. A start within the same second as the one before, or after the
/// clock was set back, must not name a call like one that has a record already.
fn start_second(store: &Store) -> u32 {
    let now = u32::try_from(wall::now().unix_micros / 1_000_000).unwrap_or(u32::MAX);
    let newest = store.cdrs(&CdrQuery { limit: 1, ..CdrQuery::default() }).unwrap_or_default();
    let newest = newest.records.first().and_then(|cdr| cdr.call.parse::<CallId>().ok());
    newest.map_or(now, |call| now.max(((call.0 >> 32) as u32).saturating_add(1)))
}

/// Opens the SIP sockets; what comes in goes to the desk.
fn open_net(
    dir: &Directory,
    config: &Config,
    instead: Option<SocketAddr>,
    connections: usize,
) -> io::Result<Net> {
    let listen = match instead {
        Some(addr) => vec![(Transport::Udp, addr), (Transport::Tcp, addr)],
        None => config.sip.listen.clone(),
    };
    let (to, asked) = (dir.clone(), dir.clone());
    Net::open(
        &listen,
        connections,
        Rc::new(move |from, transport| asked.admits(from, transport)),
        Rc::new(move |event| {
            match event {
                NetEvent::Arrived(arrivals) => {
                    for arrival in arrivals {
                        to.to_desk(match arrival {
                            Arrival::Octets(flow, bytes) => DeskInput::Octets { flow, bytes },
                            Arrival::Message(flow, message) => {
                                DeskInput::Message { flow, message: Box::new(message) }
                            }
                            Arrival::Broken(flow, broken) => DeskInput::Broken { flow, broken },
                        });
                    }
                }
                NetEvent::Failed(flow) => to.to_desk(DeskInput::FlowFailed(flow)),
            }
            true
        }),
    )
}

/// Wasm plugins, opened beside the start.
#[cfg(feature = "plugins")]
fn open_plugins(dir: &Directory, options: &ServeOptions, config: &Config) -> crate::plugins::Plugins {
    let (plugins, door) = (dir.0.plugins.clone(), dir.0.door.clone());
    let tell = move |event| {
        let _ = door.try_send(Knock::Tell(event));
    };
    let servers = &config.sip.name_servers;
    let (routes, money) = (dir.0.routes.clone(), dir.0.money.clone());
    plugins.start(options, servers, routes, money, Arc::new(tell));
    plugins
}

/// The script that ships with the exchange, to begin with: `script = "scripts/default.rhai"` in the configuration uses it.
fn scripts(data: &std::path::Path) -> io::Result<()> {
    const DEFAULT: &str = include_str!("../../../../scripts/default.rhai");
    let folder = data.join("scripts");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("default.rhai");
    if file.exists() { Ok(()) } else { std::fs::write(file, DEFAULT) }
}

fn programs(options: &ServeOptions) -> Programs {
    let beside =
        std::env::current_exe().ok().and_then(|exe| exe.parent().map(PathBuf::from)).unwrap_or_default();
    Programs {
        linehost: options.linehost.clone().unwrap_or_else(|| match &options.drivers {
            Some(drivers) if drivers.join("ringtrip-linehost").exists() => drivers.join("ringtrip-linehost"),
            _ => beside.join("ringtrip-linehost"),
        }),
        drivers: options.drivers.clone().unwrap_or(beside),
        frame_us: FRAME_US,
    }
}

/// Looks after calls that cost money, while there are any.
async fn count_money(dir: Directory) {
    // The spending limiter asks for the next money a second before the last is used up.
    const EVERY: Duration = Duration::from_millis(200);
    loop {
        if !dir.0.money.is_busy() {
            dir.0.money.changed().await;
        }
        actix_rt::time::sleep(EVERY).await;
        dir.money_told(dir.0.money.tick());
    }
}

/// Reports what was counted instead of reported one by one.
async fn seconds(dir: Directory) {
    loop {
        actix_rt::time::sleep(Duration::from_secs(1)).await;
        dir.0.events.each_second();
        crate::logging::say_counted();
    }
}

async fn minutes(dir: Directory) {
    loop {
        actix_rt::time::sleep(Duration::from_secs(60)).await;
        if dir.0.config.borrow().time_zone.is_none() {
            // The machine's own may have changed.
            let _ = actix_rt::task::spawn_blocking(|| wall::set_zone(wall::zone_of(None))).await;
        }
        dir.minute();
    }
}

fn alarm(news: StoreEvent) -> Event {
    let text = match news {
        StoreEvent::Trouble { why, waiting } => format!(
            "call records cannot be written ({why}); {waiting} wait in memory. Calls go on, changes are refused"
        ),
        StoreEvent::Lost { records } => {
            format!("{records} call records are lost: the memory for them is full")
        }
        StoreEvent::Recovered { written } => {
            format!("the disk takes call records again; {written} that waited are written")
        }
        StoreEvent::Forgotten { records } => format!(
            "the {records} oldest call records are gone, because the journal holds 512 MiB; export them in time if you need them longer"
        ),
    };
    Event::Alarm { what: "store", text }
}

/// Says where everything is, to the person who started it.
fn greet(
    dir: &Directory,
    config: &Config,
    http: &[SocketAddr],
    secret: Option<&str>,
    data: &std::path::Path,
) {
    let url = |addr: &SocketAddr| {
        let mut shown = *addr;
        if addr.ip().is_unspecified() {
            shown.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        format!("http://{shown}/")
    };
    println!("Ringtrip {} runs.", env!("CARGO_PKG_VERSION"));
    println!();
    for addr in http {
        println!("  Console       {}", url(addr));
    }
    // The commands named here find this exchange by its data folder.
    let cli = match data == start::default_data() {
        true => "ringtrip".to_owned(),
        false => format!("ringtrip --data {}", data.display()),
    };
    match secret {
        Some(secret) => {
            println!("  Admin secret  {secret}   (shown once; `{cli} admin reset-secret` makes a new one)")
        }
        None => println!("  Admin secret  as before (`{cli} admin reset-secret` makes a new one)"),
    }
    for addr in dir.listening() {
        println!("  SIP           {addr} (UDP and TCP), domain {}", config.sip.domain);
    }
    println!("  Data          {}", data.display());
    println!();
    let phones: Vec<&str> =
        config.extensions.iter().filter(|e| e.line.is_some()).map(|e| e.id.as_str()).collect();
    if let [from, to, ..] = phones[..] {
        println!("  First call    open the console, lift telephone {from} and dial {to};");
        println!("                or register a SIP phone: the passwords are in");
        println!("                `{cli} config show --secrets`.");
        println!();
    }
}

/// SIGHUP: the document of `--config` if it changed, else what the newest version names: calendars, announcements and
/// scripts are read again. What has faults changes nothing and is logged.
async fn reload(dir: &Directory, deployer: &Deployer, file: Option<&std::path::Path>) {
    let done = deployer.read_again(file).await.map_err(|why| why.to_string());
    let routes = dir.0.routes.clone();
    let _ = actix_rt::task::spawn_blocking(move || panics::caught(|| routes.look_at_files())).await;
    if let Err(why) = done {
        let text = format!("SIGHUP changed nothing: {why}");
        dir.tell(Event::Alarm { what: "config", text });
    }
}

/// Waits until every board is up (or 10 s have passed, which is an error).
async fn settled(dir: &Directory) -> io::Result<()> {
    for _ in 0..200 {
        let down = dir.0.exchange.with_views(|views| {
            let lines = views.lines.values().filter(|l| l.state == LineState::OutOfService).count();
            lines + views.boards.values().filter(|b| !b.up).count()
        });
        if down == 0 {
            println!("all parts are up");
            return Ok(());
        }
        actix_rt::time::sleep(Duration::from_millis(50)).await;
    }
    Err(io::Error::other("some boards or lines did not come up within 10 s; see the log"))
}
