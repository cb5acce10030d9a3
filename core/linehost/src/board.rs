//! A driver's function table made safe to call: loads it, opens one board, copies what it says.
//!
//! What a driver does inside its own functions cannot be made safe; that is why it has a process of its own.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::Path;
use std::rc::Rc;
use std::thread::ThreadId;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use ringtrip_driver::abi::{
    self, LineAudioCfgV1, LineBoard, LineBoardIdV1, LineBoardInfoV1, LineDiagResultV1,
};
use ringtrip_driver::abi::{LineDriverV1, LineEventV1, LineHostV1, LinePortCapsV1, LinePortStatusV1};
use ringtrip_driver::{Event, PortKind, c_string};

use crate::protocol::{BoardInfo, DiagResult, PortCaps, PortCfg, PortCmd, PortStatus, kind_of};

/// Why a driver cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The file cannot be loaded.
    #[error("the driver {path} cannot be loaded: {why}")]
    Load {
        /// Which file.
        path: String,
        /// The loader's words.
        why: String,
    },
    /// It answered no table.
    #[error("the driver {0} does not speak ABI version {major}", major = abi::ABI_MAJOR)]
    Abi(String),
    /// A function that every driver needs is missing.
    #[error("the driver has no {0}()")]
    Missing(&'static str),
    /// It said no.
    #[error("the driver's {what}() failed: {source}")]
    Failed {
        /// In which function.
        what: &'static str,
        /// With which errno.
        source: std::io::Error,
    },
    /// A board of this size cannot be carried.
    #[error("the board has {0} ports; 1 to 256 can be carried")]
    Ports(u32),
}

/// What the driver tells its host, in order.
pub(crate) trait DriverCallbacks {
    /// A line for the log.
    fn log(&mut self, level: u32, text: String);
    /// A port saw something.
    fn event(&mut self, event: Event);
    /// A frame was heard; fill the one to play. Returns false when the frame has a wrong shape.
    fn frame(&mut self, rx: &[i16], tx: &mut [i16], sample: u64, mono_ns: u64);
}

/// An open board. Lives and dies on one thread.
pub(crate) struct Board {
    table: &'static LineDriverV1,
    raw: *mut LineBoard,
    ports: u32,
    // Both boxes must not move: the driver holds pointers to them until close().
    ctx: Box<Ctx>,
    _host: Box<LineHostV1>,
}

struct Ctx {
    thread: ThreadId,
    callbacks: Rc<RefCell<dyn DriverCallbacks>>,
    /// Values in one frame of all ports; 0 until audio starts.
    frame_len: std::cell::Cell<usize>,
    ports: std::cell::Cell<u32>,
}

/// Loads a driver. It stays loaded for good: threads and statics of a driver do not survive unloading.
pub(crate) fn load(path: &Path) -> Result<&'static LineDriverV1, Unusable> {
    let name = path.display().to_string();
    let unloadable = |e: libloading::Error| {
        // The loader's own words are the source of libloading's.
        let why = std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
        Unusable::Load { path: name.clone(), why }
    };
    // SAFETY: loading runs the driver's initialisers. That is the point of this process.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(unloadable)?;
    // SAFETY: the symbol has this type by the ABI.
    let entry = unsafe { library.get::<abi::Entry>(abi::ENTRY.as_bytes()) }.map_err(unloadable)?;
    // SAFETY: as above.
    let table = unsafe { entry(abi::ABI_MAJOR << 16 | abi::ABI_MINOR) };
    std::mem::forget(library);
    // SAFETY: a driver answers null or a table that stays valid; the library is never closed.
    let table = unsafe { table.as_ref() }.ok_or_else(|| Unusable::Abi(name.clone()))?;
    checked(table, &name)
}

/// A table that may be called at all.
pub(crate) fn checked(table: &'static LineDriverV1, name: &str) -> Result<&'static LineDriverV1, Unusable> {
    let whole = table.struct_size as usize >= size_of::<LineDriverV1>();
    if table.abi_major != abi::ABI_MAJOR || table.abi_minor > abi::ABI_MINOR || !whole {
        return Err(Unusable::Abi(name.to_owned()));
    }
    Ok(table)
}

impl Board {
    /// Opens a board: the one with this serial number, or the first that the driver finds.
    pub(crate) fn open(
        table: &'static LineDriverV1,
        serial: &str,
        cfg: &str,
        callbacks: Rc<RefCell<dyn DriverCallbacks>>,
    ) -> Result<Board, Unusable> {
        let open = table.open.ok_or(Unusable::Missing("open"))?;
        table.pump.ok_or(Unusable::Missing("pump"))?;
        table.audio_start.ok_or(Unusable::Missing("audio_start"))?;
        let ctx = Box::new(Ctx {
            thread: std::thread::current().id(),
            callbacks,
            frame_len: 0.into(),
            ports: 0.into(),
        });
        let host = Box::new(LineHostV1 {
            struct_size: size_of::<LineHostV1>() as u32,
            abi_major: abi::ABI_MAJOR,
            abi_minor: abi::ABI_MINOR,
            reserved: 0,
            ctx: std::ptr::from_ref::<Ctx>(&ctx).cast_mut().cast(),
            log: Some(on_log),
            now_ns: Some(on_now),
            event: Some(on_event),
            frame: Some(on_frame),
        });
        let cfg = c_string(cfg);
        let mut id = LineBoardIdV1::default();
        abi::put_text(&mut id.serial, serial);
        if let (Some(probe), true) = (table.probe, serial.is_empty()) {
            // SAFETY: all pointers are valid for the call; the callback writes through the pointer to `id`.
            let rc = unsafe {
                probe(&*host, cfg.as_ptr(), Some(on_found), std::ptr::from_mut(&mut id).cast::<c_void>())
            };
            worked("probe", rc)?;
        }
        let mut raw = std::ptr::null_mut();
        // SAFETY: all pointers are valid for the call; host and ctx live in boxes until close().
        worked("open", unsafe { open(&*host, &id, cfg.as_ptr(), &mut raw) })?;
        let mut board = Board { table, raw, ports: 0, ctx, _host: host };
        let ports = board.board_info()?.ports;
        if ports == 0 || ports > 256 {
            return Err(Unusable::Ports(ports));
        }
        board.ports = ports;
        board.ctx.ports.set(ports);
        Ok(board)
    }

    fn board_info(&self) -> Result<LineBoardInfoV1, Unusable> {
        let f = self.table.board_info.ok_or(Unusable::Missing("board_info"))?;
        let mut info = LineBoardInfoV1::default();
        // SAFETY: the board is open, and the place for the answer is valid.
        worked("board_info", unsafe { f(self.raw, &mut info) })?;
        Ok(info)
    }

    /// What the board is and what its ports can do.
    pub(crate) fn info(&self) -> Result<BoardInfo, Unusable> {
        let info = self.board_info()?;
        let port_caps = self.table.port_caps.ok_or(Unusable::Missing("port_caps"))?;
        let mut ports = Vec::new();
        for port in 0..self.ports {
            let mut caps = LinePortCapsV1 {
                struct_size: size_of::<LinePortCapsV1>() as u32,
                ..LinePortCapsV1::default()
            };
            // SAFETY: as in `board_info`.
            worked("port_caps", unsafe { port_caps(self.raw, port, &mut caps) })?;
            let kind = PortKind::from_code(caps.kind).ok_or(Unusable::Failed {
                what: "port_caps",
                source: std::io::Error::other(format!("port {port} is of unknown kind {}", caps.kind)),
            })?;
            ports.push(PortCaps { kind: kind_of(kind), commands: caps.commands, events: caps.events });
        }
        let word = |p: *const c_char| {
            // SAFETY: a driver's id and version are null or static C strings.
            if p.is_null() {
                String::new()
            } else {
                unsafe { CStr::from_ptr(p) }.to_string_lossy().into_owned()
            }
        };
        Ok(BoardInfo {
            driver: word(self.table.id),
            version: word(self.table.version),
            model: abi::text(&info.model),
            serial: abi::text(&info.serial),
            ports,
        })
    }

    /// Audio begins.
    pub(crate) fn audio_start(&self, frame_us: u32) -> Result<(), Unusable> {
        let f = self.table.audio_start.ok_or(Unusable::Missing("audio_start"))?;
        let struct_size = size_of::<LineAudioCfgV1>() as u32;
        let cfg = LineAudioCfgV1 { struct_size, rate: 8000, frame_us, ports: self.ports };
        self.ctx.frame_len.set(self.ports as usize * (frame_us as usize / 125));
        // SAFETY: the board is open and the configuration valid for the call.
        worked("audio_start", unsafe { f(self.raw, &cfg) })
    }

    /// One tick. 0 or more, or a negative errno.
    pub(crate) fn pump(&self, timeout_us: u32) -> i32 {
        // SAFETY: the board is open.
        self.table.pump.map_or(-libc::ENOSYS, |pump| unsafe { pump(self.raw, timeout_us) })
    }

    /// Configures a port. 0 or a negative errno, here and below.
    pub(crate) fn configure(&self, port: u16, cfg: &PortCfg) -> i32 {
        let cfg = cfg.to_abi();
        // SAFETY: the board is open and the configuration valid for the call.
        self.table.configure.map_or(-libc::ENOTSUP, |f| unsafe { f(self.raw, port.into(), &cfg) })
    }

    /// Does something on a port.
    pub(crate) fn command(&self, port: u16, cmd: &PortCmd) -> i32 {
        let cmd = cmd.to_driver().to_abi();
        // SAFETY: as above.
        self.table.line_cmd.map_or(-libc::ENOTSUP, |f| unsafe { f(self.raw, port.into(), &cmd) })
    }

    /// Electrical state of a port.
    pub(crate) fn status(&self, port: u16) -> Result<PortStatus, i32> {
        let mut s = LinePortStatusV1 {
            struct_size: size_of::<LinePortStatusV1>() as u32,
            ..LinePortStatusV1::default()
        };
        // SAFETY: as in `board_info`.
        let rc =
            self.table.get_status.map_or(-libc::ENOTSUP, |f| unsafe { f(self.raw, port.into(), &mut s) });
        if rc < 0 { Err(rc) } else { Ok(PortStatus::from(&s)) }
    }

    /// Runs a diagnostic test.
    pub(crate) fn diag(&self, port: u16, test: u32) -> Result<Vec<DiagResult>, i32> {
        let mut results: Vec<DiagResult> = Vec::new();
        let ctx = std::ptr::from_mut(&mut results).cast::<c_void>();
        // SAFETY: the board is open; the callback appends to `results` during the call only.
        let rc = self
            .table
            .diag
            .map_or(-libc::ENOTSUP, |f| unsafe { f(self.raw, port.into(), test, Some(on_diag), ctx) });
        if rc < 0 { Err(rc) } else { Ok(results) }
    }

    /// Asks the driver. The answer, or an errno with what the driver said about it.
    pub(crate) fn ask(&self, name: &str, request: &[u8]) -> (i32, Vec<u8>) {
        let name = c_string(name);
        let mut answer: Vec<u8> = Vec::new();
        let ctx = std::ptr::from_mut(&mut answer).cast::<c_void>();
        let len = request.len() as u32;
        // SAFETY: the board is open, the request valid for its length; the callback appends during the call only.
        let rc = self.table.ask.map_or(-libc::ENOTSUP, |f| unsafe {
            f(self.raw, name.as_ptr(), request.as_ptr(), len, Some(on_reply), ctx)
        });
        (rc.min(0).saturating_neg(), answer)
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        if let Some(close) = self.table.close {
            // SAFETY: the board came from open() and is closed once; host and ctx are still alive.
            unsafe { close(self.raw) };
        }
    }
}

fn worked(what: &'static str, rc: c_int) -> Result<(), Unusable> {
    if rc >= 0 {
        return Ok(());
    }
    Err(Unusable::Failed { what, source: std::io::Error::from_raw_os_error(rc.saturating_neg()) })
}

/// `CLOCK_MONOTONIC` in ns.
pub(crate) fn now_ns() -> u64 {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .map_or(0, |t| t.tv_sec() as u64 * 1_000_000_000 + t.tv_nsec() as u64)
}

/// The context, when the driver keeps to the board thread.
///
/// # Safety
/// `ctx` is the pointer that the host table carries, and the board is not closed.
unsafe fn context<'a>(ctx: *mut c_void) -> Option<&'a Ctx> {
    // SAFETY: by this function's contract.
    let ctx = unsafe { ctx.cast::<Ctx>().as_ref() }?;
    (ctx.thread == std::thread::current().id()).then_some(ctx)
}

unsafe extern "C" fn on_log(ctx: *mut c_void, level: u32, text: *const c_char, len: u32) {
    // SAFETY: the driver passes the host's own ctx, and text valid for len bytes.
    let (ctx, bytes) = unsafe {
        let Some(ctx) = context(ctx) else { return };
        if text.is_null() {
            return;
        }
        (ctx, std::slice::from_raw_parts(text.cast::<u8>(), len.min(2000) as usize))
    };
    if let Ok(mut callbacks) = ctx.callbacks.try_borrow_mut() {
        callbacks.log(level, String::from_utf8_lossy(bytes).into_owned());
    }
}

unsafe extern "C" fn on_now(_ctx: *mut c_void) -> u64 {
    now_ns()
}

unsafe extern "C" fn on_event(ctx: *mut c_void, event: *const LineEventV1) {
    // SAFETY: the driver passes the host's own ctx, and null or an event that begins with its size.
    let (ctx, event) = unsafe {
        let (Some(ctx), false) = (context(ctx), event.is_null()) else { return };
        if (event.cast::<u32>().read() as usize) < size_of::<LineEventV1>() {
            return;
        }
        (ctx, &*event)
    };
    let Ok(mut callbacks) = ctx.callbacks.try_borrow_mut() else { return };
    match Event::from_abi(event) {
        // READY of a whole board and the like come from port 0, so every event has a port that exists.
        Some(event) if ctx.ports.get() == 0 || event.port < ctx.ports.get() => callbacks.event(event),
        _ => callbacks.log(
            abi::log::WARN,
            format!("the driver reported event {} of port {}: left out", event.kind, event.port),
        ),
    }
}

unsafe extern "C" fn on_frame(
    ctx: *mut c_void,
    rx: *const i16,
    tx: *mut i16,
    samples: u32,
    sample: u64,
    mono_ns: u64,
) -> c_int {
    // SAFETY: the driver passes the host's own ctx, and buffers of samples × ports values, which must be the agreed size.
    let (ctx, rx, tx) = unsafe {
        let Some(ctx) = context(ctx) else { return -libc::EPERM };
        let len = ctx.frame_len.get();
        let said = u64::from(samples) * u64::from(ctx.ports.get());
        if rx.is_null() || tx.is_null() || len == 0 || said != len as u64 {
            return -libc::EINVAL;
        }
        (ctx, std::slice::from_raw_parts(rx, len), std::slice::from_raw_parts_mut(tx, len))
    };
    match ctx.callbacks.try_borrow_mut() {
        Ok(mut callbacks) => callbacks.frame(rx, tx, sample, mono_ns),
        Err(_) => return -libc::EBUSY,
    }
    0
}

unsafe extern "C" fn on_found(ctx: *mut c_void, found: *const LineBoardIdV1) {
    // SAFETY: ctx is the id that `open` passed; found is null or an id valid for the call.
    unsafe {
        let (Some(first), Some(found)) = (ctx.cast::<LineBoardIdV1>().as_mut(), found.as_ref()) else {
            return;
        };
        if first.serial[0] == 0 && found.struct_size as usize >= size_of::<LineBoardIdV1>() {
            *first = *found;
        }
    }
}

unsafe extern "C" fn on_diag(ctx: *mut c_void, result: *const LineDiagResultV1) {
    // SAFETY: ctx is the list that `diag` passed; result is null or valid for the call.
    let (results, r) = unsafe {
        let (Some(results), Some(r)) = (ctx.cast::<Vec<DiagResult>>().as_mut(), result.as_ref()) else {
            return;
        };
        (results, r)
    };
    let finite = |x: f32| if x.is_finite() { x } else { 0.0 };
    if results.len() < 256 {
        results.push(DiagResult {
            test: r.test,
            value: finite(r.value),
            unit: abi::text(&r.unit),
            low: finite(r.low),
            high: finite(r.high),
            verdict: r.verdict,
        });
    }
}

unsafe extern "C" fn on_reply(ctx: *mut c_void, bytes: *const u8, len: u32) {
    // SAFETY: ctx is the answer that `ask` passed; bytes are valid for len.
    unsafe {
        let (Some(answer), false) = (ctx.cast::<Vec<u8>>().as_mut(), bytes.is_null()) else { return };
        if answer.len() + len as usize <= crate::wire::MAX_BLOB {
            answer.extend_from_slice(std::slice::from_raw_parts(bytes, len as usize));
        }
    }
}
