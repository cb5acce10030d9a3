//! Boards: for each one a process (`ringtrip-linehost`) and a thread that listens to it. A process that dies takes its
//! own lines with it and nothing else; it is started again by the table.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ringtrip_config::{Config, Line, LineKind, Region};
use ringtrip_exchange::line::Fault;
use ringtrip_exchange::post::{LineInput, Post};
use ringtrip_exchange::supervise::{PartId, Rule};
use ringtrip_linehost::protocol::{PortCaps, PortCfg, PortEvent, ToBoard};
use ringtrip_linehost::{BoardInfo, Host, Notification, Received, Spec, spawn};
use ringtrip_model::board::{BoardCmd, BoardEvent, PortKind};
use ringtrip_model::event::Event;
use ringtrip_model::ids::{BoardId, LineId, PortRef};

use super::directory::Directory;
use super::front::{Door, Knock};
use super::live;
use crate::control::{ControlError, SimAnswer, SimAsk};

/// Where board programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `ringtrip-linehost`.
    pub linehost: PathBuf,
    /// The folder of drivers, `libringtrip_driver_NAME.so`.
    pub drivers: PathBuf,
    /// Frame length, µs.
    pub frame_us: u32,
}

/// A board as the directory knows it.
pub struct Board {
    generation: u32,
    driver: String,
    cfg: String,
    host: Option<Arc<Host>>,
    info: Option<BoardInfo>,
    asks: HashMap<u64, SimAsk>,
    /// Ports whose telephone is lifted or whose loop is closed, as far as the board has reported.
    off_hook: Vec<bool>,
    /// What each port said that it is when it came up; `None`: it did not yet.
    ready: Vec<Option<PortKind>>,
    /// Alarms of ports, `LINE_ALARM_*`.
    alarms: BTreeMap<u16, u32>,
    /// Driver and configuration to start with when the calls on it have ended.
    next: Option<(String, String)>,
}

/// The row in the supervision table.
fn part(board: &BoardId) -> PartId {
    PartId::Board(board.clone())
}

/// Starts every board that the configuration names and that does not run yet; stops those that it names no more. One whose
/// settings changed goes on as it is while somebody talks over it, and is started anew after that.
pub(super) fn apply(dir: &Directory, config: &Config) {
    let mut wanted = wanted(config);
    let known: Vec<BoardId> = dir.0.boards.borrow().keys().cloned().collect();
    for id in known {
        match wanted.get(&id) {
            None => end(stop(dir, &id)),
            Some((driver, cfg)) => {
                let mut boards = dir.0.boards.borrow_mut();
                let Some(board) = boards.get_mut(&id) else { continue };
                let same = board.driver == *driver && board.cfg == *cfg;
                // One that was given up gets another chance by any change.
                let given_up = dir.0.supervisor.borrow().generation(&part(&id)).is_none();
                board.next = (!same || given_up).then(|| (driver.clone(), cfg.clone()));
                drop(boards);
                configure_ports(dir, &id);
                wanted.remove(&id);
            }
        }
    }
    for (id, (driver, cfg)) in wanted {
        add(dir, &id, driver, cfg, None);
    }
}

/// `before` is the process that it has to wait for: both would open the same device.
fn add(dir: &Directory, id: &BoardId, driver: String, cfg: String, before: Option<Arc<Host>>) {
    let generation = dir.0.supervisor.borrow_mut().add(&part(id), Rule::BOARD);
    let board = Board {
        generation,
        driver,
        cfg,
        host: None,
        info: None,
        asks: HashMap::new(),
        off_hook: Vec::new(),
        ready: Vec::new(),
        alarms: BTreeMap::new(),
        next: None,
    };
    dir.0.boards.borrow_mut().insert(id.clone(), board);
    start(dir, id, Duration::ZERO, before);
}

fn stop(dir: &Directory, id: &BoardId) -> Option<Arc<Host>> {
    dir.0.supervisor.borrow_mut().remove(&part(id));
    let host = lost(dir, id, "the configuration changed");
    dir.0.boards.borrow_mut().remove(id);
    dir.0.exchange.update(|views| {
        views.boards.remove(id.as_str());
    });
    host
}

/// Ends a process beside the calls: it may be stuck in the kernel.
fn end(host: Option<Arc<Host>>) {
    let Some(host) = host else { return };
    if let Err(e) = std::thread::Builder::new().name("board end".to_owned()).spawn(move || host.kill()) {
        tracing::error!("cannot start a thread to end a board: {e}");
    }
}

/// Starts all boards whose settings changed and that carry nothing.
pub(super) fn restart_idle(dir: &Directory) {
    let ids: Vec<BoardId> = dir.0.boards.borrow().keys().cloned().collect();
    ids.iter().for_each(|id| restart_when_idle(dir, id));
}

/// Starts a board with its new settings, as soon as nothing goes on at its jacks.
pub(super) fn restart_when_idle(dir: &Directory, id: &BoardId) {
    let next = match dir.0.boards.borrow().get(id) {
        Some(Board { next: Some(next), .. }) => next.clone(),
        _ => return,
    };
    if dir.0.index.borrow().is_board_busy(id) {
        let why = "it is started anew with its new settings when its calls have ended";
        dir.0.exchange.update(|views| {
            if let Some(view) = views.boards.get_mut(id.as_str()) {
                view.why = Some(why.to_owned());
            }
        });
        return;
    }
    let before = stop(dir, id);
    add(dir, id, next.0, next.1, before);
}

/// Lines that the boards, as they run now, cannot carry: the port is of the other kind, or not there. Only lines that are
/// new in this configuration, or have moved: what was wrong before does not stand in the way of mending something else.
pub(super) fn misfits(dir: &Directory, before: &Config, config: &Config) -> Vec<String> {
    let wanted = wanted(config);
    let boards = dir.0.boards.borrow();
    let misfit = |line: &Line| {
        let was = before.line(&line.id);
        if was.is_some_and(|was| was.port == line.port && was.port_kind() == line.port_kind()) {
            return None;
        }
        let board = boards.get(&line.port.board)?;
        let (driver, cfg) = wanted.get(&line.port.board)?;
        if *driver != board.driver || *cfg != board.cfg {
            // It is started anew, and says then what its ports are.
            return None;
        }
        let info = board.info.as_ref()?;
        let fault = match info.ports.get(usize::from(line.port.port)) {
            None => Fault::NoPort,
            Some(caps) if caps.kind != line.port_kind() => Fault::WrongKind(caps.kind),
            Some(_) => return None,
        };
        Some(fault.text(&line.id, &line.port, line.port_kind()))
    };
    config.lines.iter().filter_map(misfit).collect()
}

/// Driver and JSON configuration of each board that has a line.
fn wanted(config: &Config) -> HashMap<BoardId, (String, String)> {
    let mut wanted = HashMap::new();
    for line in &config.lines {
        let id = &line.port.board;
        if wanted.contains_key(id) {
            continue;
        }
        let named = config.boards.iter().find(|b| b.id == *id);
        let driver = named.map_or_else(|| id.to_string(), |b| b.driver.clone());
        let cfg = named.and_then(|b| b.settings.clone()).unwrap_or_else(|| board_cfg(config, id));
        wanted.insert(id.clone(), (driver, cfg));
    }
    wanted
}

/// What a board's driver needs to know of its lines: how many of each kind, what each port is, and the region.
fn board_cfg(config: &Config, id: &BoardId) -> String {
    let on_it: BTreeMap<u16, PortKind> =
        config.lines.iter().filter(|l| l.port.board == *id).map(|l| (l.port.port, l.port_kind())).collect();
    // A port that no line uses is as those before it.
    let mut kind = on_it.first_key_value().map_or(PortKind::Fxs, |(_, kind)| *kind);
    let ports: Vec<PortKind> = (0..=on_it.last_key_value().map_or(0, |(last, _)| *last))
        .map(|port| {
            kind = on_it.get(&port).copied().unwrap_or(kind);
            kind
        })
        .collect();
    let fxs = ports.iter().filter(|kind| **kind == PortKind::Fxs).count();
    let fxo = ports.len() - fxs;
    let ports: Vec<&str> = ports.into_iter().map(PortKind::word).collect();
    let region = match config.region {
        Region::Us => "us",
        Region::Uk => "uk",
    };
    serde_json::json!({ "fxs": fxs, "fxo": fxo, "layout": ports, "region": region }).to_string()
}

fn start(dir: &Directory, id: &BoardId, after: Duration, before: Option<Arc<Host>>) {
    let (driver, cfg, generation) = match dir.0.boards.borrow().get(id) {
        Some(board) => (board.driver.clone(), board.cfg.clone(), board.generation),
        None => return end(before),
    };
    let programs = &dir.0.programs;
    let file = if driver.contains('/') {
        PathBuf::from(&driver)
    } else {
        programs.drivers.join(format!("libringtrip_driver_{driver}.so"))
    };
    let spec = Spec {
        program: programs.linehost.clone(),
        driver: file,
        cfg,
        frame_us: programs.frame_us,
        ..Spec::default()
    };
    let (door, id) = (dir.0.door.clone(), id.clone());
    let name = part(&id).to_string();
    let run = move || {
        if let Some(before) = before {
            before.kill();
        }
        std::thread::sleep(after);
        listen(&door, id, generation, &spec);
    };
    if let Err(e) = std::thread::Builder::new().name(name).spawn(run) {
        tracing::error!("cannot start a thread for a board: {e}");
    }
}

/// The board's thread: starts the process and passes on all that it says, until it is gone.
fn listen(door: &Door, board: BoardId, generation: u32, spec: &Spec) {
    let gone = |why: String| {
        let _ = door.blocking_send(Knock::BoardGone { board: board.clone(), generation, why });
    };
    let host = match spawn(spec) {
        Ok(host) => Arc::new(host),
        Err(e) => return gone(e.to_string()),
    };
    let info = host.info().clone();
    let up = Knock::BoardUp { board: board.clone(), generation, host: host.clone(), info };
    if door.blocking_send(up).is_err() {
        return;
    }
    loop {
        match host.recv_within(Duration::from_millis(100)) {
            Ok(Some(heard)) => {
                let knock = Knock::Board { board: board.clone(), generation, heard };
                if door.blocking_send(knock).is_err() {
                    return;
                }
            }
            Ok(None) => {}
            Err(why) => return gone(why.to_string()),
        }
    }
}

/// A board's process runs: its sound goes to the media engine, its ports are configured.
pub(super) fn up(dir: &Directory, id: &BoardId, generation: u32, host: Arc<Host>, info: BoardInfo) {
    {
        let mut boards = dir.0.boards.borrow_mut();
        let Some(board) = boards.get_mut(id).filter(|b| b.generation == generation) else {
            return end(Some(host));
        };
        board.off_hook = vec![false; info.ports.len()];
        board.ready = vec![None; info.ports.len()];
        board.alarms.clear();
        board.host = Some(host.clone());
        board.info = Some(info.clone());
    }
    dir.0.media.board(id.clone(), host.clone());
    configure_ports(dir, id);
    let index = dir.0.index.borrow();
    let beyond = index.lines_on(id).filter(|(port, _)| usize::from(port.port) >= info.ports.len());
    let missing: Vec<LineId> = beyond.map(|(_, line)| line.clone()).collect();
    drop(index);
    for line in missing {
        dir.deliver(Post::Line { line, input: LineInput::Board(BoardEvent::Missing) });
    }
    let ports: Vec<String> = info.ports.iter().map(|port| port.kind.word().to_owned()).collect();
    dir.0.exchange.update(|views| {
        let view = views.boards.entry(id.to_string()).or_default();
        view.id = id.to_string();
        view.up = true;
        view.pid = host.pid();
        view.driver = format!("{} {}", info.driver, info.version);
        view.generation = generation;
        view.ports = ports;
        view.alarms = Vec::new();
        view.xruns = 0;
        view.why = None;
    });
    live::part(dir, &part(id), true, generation, None);
    dir.tell(Event::BoardState {
        board: id.clone(),
        up: true,
        why: format!("{} {}", info.model, info.serial),
    });
}

fn configure_ports(dir: &Directory, id: &BoardId) {
    let config = dir.0.config.borrow().clone();
    let boards = dir.0.boards.borrow();
    let Some(host) = boards.get(id).and_then(|b| b.host.as_ref()) else { return };
    let country = match config.region {
        Region::Us => "us",
        Region::Uk => "uk",
    };
    for line in config.lines.iter().filter(|l| l.port.board == *id) {
        let ms = |d: Duration| u32::try_from(d.as_millis()).unwrap_or(u32::MAX);
        let cfg = match &line.kind {
            LineKind::Fxs(fxs) => PortCfg {
                country: country.to_owned(),
                flash_min_ms: ms(fxs.hook_flash_min),
                flash_max_ms: ms(fxs.hook_flash_max),
                ..PortCfg::default()
            },
            LineKind::Fxo(fxo) => PortCfg {
                country: country.to_owned(),
                cpc_min_ms: fxo.min_cpc.map_or(0, ms),
                ..PortCfg::default()
            },
        };
        let (rx_db, tx_db) = match &line.kind {
            LineKind::Fxs(fxs) => (fxs.gain_rx_db, fxs.gain_tx_db),
            LineKind::Fxo(fxo) => (fxo.gain_rx_db, fxo.gain_tx_db),
        };
        dir.0.media.gain(line.port.clone(), rx_db, tx_db);
        if let Err(e) = host.configure(line.port.port, cfg) {
            tracing::warn!(line = %line.id, "cannot configure its port: {e}");
        }
    }
}

/// A board says something.
pub(super) fn heard(dir: &Directory, id: &BoardId, generation: u32, heard: Received) {
    if dir.0.boards.borrow().get(id).is_none_or(|b| b.generation != generation) {
        return;
    }
    match heard {
        Received::Notification(news) => told(dir, id, news),
        Received::Answer { id: ask, result } => {
            let ask = dir.0.boards.borrow_mut().get_mut(id).and_then(|b| b.asks.remove(&ask));
            if let Some(ask) = ask {
                let _ = ask.reply.send(result.map(sim_answer).map_err(|e| ControlError::Bad {
                    what: e.text,
                    hint: "see the verbs of the board's driver".to_owned(),
                }));
            }
        }
    }
}

fn told(dir: &Directory, id: &BoardId, news: Notification) {
    match news {
        Notification::Event { port, event, .. } => {
            let hook = match &event {
                PortEvent::OffHook | PortEvent::RingTrip => Some(true),
                PortEvent::OnHook => Some(false),
                _ => None,
            };
            if let Some(hook) = hook
                && let Some(board) = dir.0.boards.borrow_mut().get_mut(id)
                && let Some(state) = board.off_hook.get_mut(usize::from(port))
            {
                *state = hook;
            }
            aside(dir, id, port, &event);
            let is_ready = matches!(event, PortEvent::Ready { .. });
            if let PortEvent::Ready { kind } = event
                && let Some(board) = dir.0.boards.borrow_mut().get_mut(id)
                && let Some(ready) = board.ready.get_mut(usize::from(port))
            {
                *ready = Some(kind);
            }
            if let (Some(line), Some(event)) = (line_on(dir, id, port), event.for_line()) {
                dir.deliver(Post::Line { line: line.clone(), input: LineInput::Board(event) });
                if is_ready && measures(dir, id, port) {
                    dir.deliver(Post::Line { line, input: LineInput::Board(BoardEvent::Measures) });
                }
            }
        }
        Notification::Status { port, status } => {
            if let Some(line) = line_on(dir, id, port) {
                let event = BoardEvent::Reading { volts: status.volts, milliamps: status.milliamps };
                dir.deliver(Post::Line { line, input: LineInput::Board(event) });
            }
        }
        Notification::Refused { port, what, errno } => {
            let why = std::io::Error::from_raw_os_error(errno);
            tracing::warn!(board = %id, port, ?what, %why, "the board refused a command");
            if let (Some(line), Some(kind)) = (line_on(dir, id, port), what.kind()) {
                dir.deliver(Post::Line { line, input: LineInput::Board(BoardEvent::Refused(kind)) });
            }
        }
        Notification::Log { level, text } => match level {
            1 => tracing::error!(board = %id, "{text}"),
            2 => tracing::warn!(board = %id, "{text}"),
            3 => tracing::info!(board = %id, "{text}"),
            _ => tracing::debug!(board = %id, "{text}"),
        },
        Notification::Beat(figures) => {
            let counters = dir.0.exchange.counters();
            let labels = format!("board=\"{id}\"");
            counters.set("board_tx_underruns_total", &labels, figures.tx_underruns as f64);
            counters.set("board_tx_dropped_total", &labels, figures.tx_dropped as f64);
            counters.set("board_rx_overruns_total", &labels, figures.rx_overruns as f64);
            counters.set("board_ppm", &labels, f64::from(figures.ppm));
        }
        Notification::Diag { .. } => {}
    }
}

/// What a port says that is no business of its line's machine: it is shown to those who watch.
fn aside(dir: &Directory, id: &BoardId, port: u16, event: &PortEvent) {
    match event {
        PortEvent::Alarm { bits } => alarms(dir, id, port, *bits, true),
        PortEvent::AlarmClear { bits } => alarms(dir, id, port, *bits, false),
        PortEvent::Xrun { frames } => {
            let frames = u64::from(*frames);
            dir.0.exchange.counters().add("board_xruns_total", &format!("board=\"{id}\""), frames as f64);
            dir.0.exchange.update(|views| {
                if let Some(view) = views.boards.get_mut(id.as_str()) {
                    view.xruns = view.xruns.saturating_add(frames);
                }
            });
        }
        PortEvent::MwiNeon { on } => {
            if let Some(line) = line_on(dir, id, port) {
                dir.tell(Event::LineMessages { line, waiting: *on });
            }
        }
        _ => {}
    }
}

/// Alarms of a port began or ended. What the board repeats is reported once.
fn alarms(dir: &Directory, id: &BoardId, port: u16, bits: u32, raised: bool) {
    let (changed, standing) = {
        let mut boards = dir.0.boards.borrow_mut();
        let Some(board) = boards.get_mut(id) else { return };
        let known = board.alarms.entry(port).or_default();
        let changed = if raised { bits & !*known } else { bits & *known };
        *known = if raised { *known | bits } else { *known & !bits };
        let standing = board.alarms.iter().filter(|(_, bits)| **bits != 0);
        (changed, standing.map(|(port, bits)| format!("port {port}: {}", alarm_words(*bits))).collect())
    };
    if changed == 0 {
        return;
    }
    dir.0.exchange.update(|views| {
        if let Some(view) = views.boards.get_mut(id.as_str()) {
            view.alarms = standing;
        }
    });
    let alarms = alarm_words(changed);
    dir.tell(Event::BoardAlarm { board: id.clone(), port: port.into(), alarms, raised });
}

/// `LINE_ALARM_*` in words.
fn alarm_words(bits: u32) -> String {
    const WORDS: [&str; 5] = ["power", "thermal", "link", "clock", "calibration"];
    let word = |n: u32| match WORDS.get(n as usize) {
        Some(word) => (*word).to_owned(),
        None => format!("alarm {n}"),
    };
    (0..u32::BITS).filter(|n| bits & 1 << n != 0).map(word).collect::<Vec<_>>().join(", ")
}

/// A board's process is gone: its lines are out of service, and the table says when it is started again.
pub(super) fn gone(dir: &Directory, id: &BoardId, generation: u32, why: &str) {
    if dir.0.boards.borrow().get(id).is_none_or(|b| b.generation != generation) {
        return;
    }
    let before = lost(dir, id, why);
    if let Some(after) = dir.fell(&part(id), why) {
        let next = dir.0.supervisor.borrow().generation(&part(id)).unwrap_or(generation.wrapping_add(1));
        if let Some(board) = dir.0.boards.borrow_mut().get_mut(id) {
            board.generation = next;
        }
        start(dir, id, after, before);
    } else {
        end(before);
    }
}

/// The lines of a board are out of service. Answers with its process, which is still to be ended.
fn lost(dir: &Directory, id: &BoardId, why: &str) -> Option<Arc<Host>> {
    let (host, asks) = {
        let mut boards = dir.0.boards.borrow_mut();
        let board = boards.get_mut(id)?;
        (board.host.take(), std::mem::take(&mut board.asks))
    };
    for ask in asks.into_values() {
        let _ = ask.reply.send(Err(ControlError::Failed(format!("the board {id} went away: {why}"))));
    }
    dir.0.media.board_gone(id.clone());
    let lines: Vec<LineId> = dir.0.index.borrow().lines_on(id).map(|(_, line)| line.clone()).collect();
    for line in lines {
        dir.deliver(Post::Line { line, input: LineInput::Board(BoardEvent::Lost) });
    }
    dir.0.exchange.update(|views| {
        let view = views.boards.entry(id.to_string()).or_default();
        view.id = id.to_string();
        view.up = false;
        view.pid = None;
        view.why = Some(why.to_owned());
    });
    dir.tell(Event::BoardState { board: id.clone(), up: false, why: why.to_owned() });
    host
}

/// What a line that was built anew must know of its port.
pub(super) fn greet(dir: &Directory, port: &PortRef) -> Vec<BoardEvent> {
    let boards = dir.0.boards.borrow();
    let Some(board) = boards.get(&port.board).filter(|b| b.host.is_some()) else { return Vec::new() };
    let Some(info) = &board.info else { return Vec::new() };
    let at = usize::from(port.port);
    let Some(caps) = info.ports.get(at) else {
        // A port that comes with the board's next start is no fault.
        return if board.next.is_some() { Vec::new() } else { vec![BoardEvent::Missing] };
    };
    let Some(kind) = board.ready.get(at).copied().flatten() else { return Vec::new() };
    let mut events = vec![BoardEvent::Ready(kind)];
    events.extend(caps.tells_readings().then_some(BoardEvent::Measures));
    if kind == PortKind::Fxs && board.off_hook.get(at) == Some(&true) {
        events.push(BoardEvent::OffHook);
    }
    events
}

/// A command for a port.
pub(super) fn command(dir: &Directory, port: &PortRef, cmd: BoardCmd) {
    let host = dir.0.boards.borrow().get(&port.board).and_then(|b| b.host.clone());
    let Some(host) = host else { return };
    // A board that takes no messages is about to be reported gone by its thread.
    let _ = host.send(&ToBoard::of_line(port.port, cmd));
}

/// A command to a simulated board.
pub(super) fn sim(dir: &Directory, ask: SimAsk) {
    let mut boards = dir.0.boards.borrow_mut();
    let Some(board) = ask.board.parse::<BoardId>().ok().and_then(|id| boards.get_mut(&id)) else {
        let name = ask.board.clone();
        let _ = ask.reply.send(Err(ControlError::Missing { what: "board", name }));
        return;
    };
    let Some(host) = &board.host else {
        let _ = ask.reply.send(Err(ControlError::Busy("the board is being started; try again".to_owned())));
        return;
    };
    let request = sim_request(&ask);
    match host.ask("sim", &request) {
        Ok(id) => {
            board.asks.insert(id, ask);
        }
        Err(e) => {
            let _ = ask.reply.send(Err(ControlError::Failed(e.to_string())));
        }
    }
}

/// Kills a board's process: what a crashing driver does (developer mode).
pub(super) fn kill(dir: &Directory, id: &BoardId) -> bool {
    let host = dir.0.boards.borrow().get(id).and_then(|board| board.host.clone());
    let there = host.is_some();
    end(host);
    there
}

/// Ends every board's process, at the end of the exchange.
pub(super) async fn end_all(dir: &Directory) {
    let hosts: Vec<_> = dir.0.boards.borrow().values().filter_map(|board| board.host.clone()).collect();
    let _ = actix_rt::task::spawn_blocking(move || hosts.iter().for_each(|host| host.kill())).await;
}

fn line_on(dir: &Directory, board: &BoardId, port: u16) -> Option<LineId> {
    dir.0.index.borrow().line_at(&PortRef { board: board.clone(), port }).cloned()
}

/// JSON on one line, then the sound: see the virtual driver's README.
fn sim_request(ask: &SimAsk) -> Vec<u8> {
    let mut json: serde_json::Value =
        serde_json::from_str(&ask.json).unwrap_or_else(|_| serde_json::Value::Object(Default::default()));
    if let Some(object) = json.as_object_mut() {
        object.insert("do".to_owned(), ask.verb.clone().into());
    }
    let mut request = json.to_string().into_bytes();
    if !ask.blob.is_empty() {
        request.push(b'\n');
        request.extend_from_slice(&ask.blob);
    }
    request
}

fn sim_answer(octets: Vec<u8>) -> SimAnswer {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    match octets.iter().position(|b| *b == b'\n') {
        // JSON has no line of its own in the middle of it: what follows is sound, and sound is no text.
        Some(end) if serde_json::from_slice::<serde_json::Value>(&octets[..end]).is_ok() => {
            SimAnswer::Sound { said: text(&octets[..end]), sound: octets[end + 1..].to_vec().into() }
        }
        _ => SimAnswer::Json(text(&octets)),
    }
}

fn measures(dir: &Directory, id: &BoardId, port: u16) -> bool {
    let boards = dir.0.boards.borrow();
    let info = boards.get(id).and_then(|board| board.info.as_ref());
    info.and_then(|info| info.ports.get(usize::from(port))).is_some_and(PortCaps::tells_readings)
}

#[cfg(test)]
mod tests {
    #[test]
    fn alarms_have_words() {
        assert_eq!(super::alarm_words(0b11), "power, thermal");
        assert_eq!(super::alarm_words(1 << 4 | 1 << 31), "calibration, alarm 31");
    }
}
