//! The safe wrapper: implement [`Driver`], invoke [`crate::declare_driver!`], and the crate is a board driver. A panic in the driver
//! never crosses into the host: the entry point answers `-EIO` and the log names it.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::abi::{
    self, LineAudioCfgV1, LineBoard, LineBoardIdV1, LineBoardInfoV1, LineCmdV1, LineDiagResultV1,
};
use crate::abi::{LineDriverV1, LineHostV1, LinePortCapsV1, LinePortCfgV1, LinePortStatusV1};
use crate::messages::{Command, Event, PortKind};

/// Why an entry point refused: an errno with a text for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    /// Positive errno.
    pub errno: i32,
    /// What was wrong and how to correct it.
    pub text: String,
}

impl Refused {
    /// A refusal with its reason.
    pub fn new(errno: i32, text: impl Into<String>) -> Refused {
        Refused { errno, text: text.into() }
    }
    /// The port or the word is not supported (`ENOTSUP`).
    pub fn unsupported(what: impl Into<String>) -> Refused {
        Refused::new(libc::ENOTSUP, what)
    }
    /// An argument makes no sense (`EINVAL`).
    pub fn invalid(what: impl Into<String>) -> Refused {
        Refused::new(libc::EINVAL, what)
    }
}

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something does not work.
    Error,
    /// Something is odd.
    Warn,
    /// Something an operator wants to know.
    Info,
    /// Decisions.
    Debug,
}

/// What the host offers to an open board. Stays on the board thread: it can be neither sent nor shared.
#[derive(Clone, Copy)]
pub struct Host {
    raw: *const LineHostV1,
}

/// What a board is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardInfo {
    /// Model in words.
    pub model: String,
    /// Serial number; ports are keyed by it.
    pub serial: String,
    /// How many ports.
    pub ports: u32,
    /// True when the board's own crystal makes the clock.
    pub hardware_clock: bool,
    /// Frame lengths that it can do, µs.
    pub frame_us: Vec<u32>,
}

/// What a port can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortCaps {
    /// What it is.
    pub kind: PortKind,
    /// Bit `1 << LINE_CMD_*`.
    pub commands: u64,
    /// Bit `1 << LINE_EV_*`.
    pub events: u64,
}

/// A board driver: one value is one open board. Every method runs on the board thread.
pub trait Driver: Sized + 'static {
    /// Short name, such as `c"virtual"`.
    const ID: &'static CStr;
    /// Version of the driver.
    const VERSION: &'static CStr;
    /// SPDX licence expression.
    const LICENSE: &'static CStr;

    /// Which boards are there? Serial number and model.
    ///
    /// # Errors
    /// The configuration is invalid, or the hardware cannot be searched.
    fn probe(cfg_json: &str) -> Result<Vec<(String, String)>, Refused>;
    /// Opens a board.
    ///
    /// # Errors
    /// There is no such board, it is in use, or the configuration is invalid.
    fn open(host: Host, serial: &str, cfg_json: &str) -> Result<Self, Refused>;
    /// What the board is.
    fn info(&self) -> BoardInfo;
    /// What a port can do.
    ///
    /// # Errors
    /// There is no such port.
    fn caps(&self, port: u32) -> Result<PortCaps, Refused>;
    /// Configures a port; 0 in a field means the driver's default.
    ///
    /// # Errors
    /// There is no such port, or it cannot do this.
    fn configure(&mut self, port: u32, cfg: &LinePortCfgV1) -> Result<(), Refused>;
    /// Does something on a port; returns at once.
    ///
    /// # Errors
    /// There is no such port, or it cannot do this.
    fn command(&mut self, port: u32, cmd: Command) -> Result<(), Refused>;
    /// Audio begins: frames of `frame` samples a port.
    ///
    /// # Errors
    /// The board cannot run with these frames.
    fn audio_start(&mut self, cfg: &LineAudioCfgV1) -> Result<(), Refused>;
    /// Waits for one tick, moves frames, reports events.
    ///
    /// # Errors
    /// `ENODEV` if the board is gone; anything else if this tick failed. The host gives up after many in a row.
    fn pump(&mut self, timeout: Duration) -> Result<(), Refused>;
    /// Electrical state of a port.
    ///
    /// # Errors
    /// There is no such port, or it has no sensors.
    fn status(&self, port: u32) -> Result<LinePortStatusV1, Refused>;
    /// Runs a test; none by default.
    ///
    /// # Errors
    /// The board has no such test, or it cannot run now.
    fn diag(&mut self, _port: u32, test: u32) -> Result<Vec<LineDiagResultV1>, Refused> {
        Err(Refused::unsupported(format!("this board has no diagnostic test {test}")))
    }
    /// Answers anything else; nothing by default.
    ///
    /// # Errors
    /// The driver does not know this request.
    fn ask(&mut self, name: &str, _request: &[u8]) -> Result<Vec<u8>, Refused> {
        Err(Refused::unsupported(format!("this driver cannot be asked {name:?}")))
    }
}

impl Host {
    /// Writes a log line.
    pub fn log(&self, level: Level, text: &str) {
        let level = match level {
            Level::Error => abi::log::ERROR,
            Level::Warn => abi::log::WARN,
            Level::Info => abi::log::INFO,
            Level::Debug => abi::log::DEBUG,
        };
        // SAFETY: the host table outlives the board that holds this handle (ABI rule), and text is valid for len bytes.
        unsafe {
            if let Some(log) = (*self.raw).log {
                log((*self.raw).ctx, level, text.as_ptr().cast::<c_char>(), text.len() as u32);
            }
        }
    }

    /// `CLOCK_MONOTONIC` in ns.
    pub fn now_ns(&self) -> u64 {
        // SAFETY: as in `log`.
        unsafe { (*self.raw).now_ns.map_or(0, |now| now((*self.raw).ctx)) }
    }

    /// Reports what a port saw.
    pub fn emit(&self, event: &Event) {
        let event = event.to_abi();
        // SAFETY: as in `log`; the host copies the event before it returns.
        unsafe {
            if let Some(emit) = (*self.raw).event {
                emit((*self.raw).ctx, &event);
            }
        }
    }

    /// Hands over one whole-board frame and takes the one to play. Both slices hold `samples × ports` values, interleaved by
    /// port; `sample` is the index of the first.
    ///
    /// # Errors
    /// The slices do not hold the same whole number of samples for every port, or the host refused the frame.
    pub fn frame(
        &self,
        rx: &[i16],
        tx: &mut [i16],
        ports: usize,
        sample: u64,
        mono_ns: u64,
    ) -> Result<(), Refused> {
        if rx.len() != tx.len() || ports == 0 || !rx.len().is_multiple_of(ports) {
            return Err(Refused::invalid(
                "a frame must hold the same number of samples each way for every port",
            ));
        }
        let samples = (rx.len() / ports) as u32;
        // SAFETY: as in `log`; both slices hold samples × ports values, as the host was told in board_info.
        let rc = unsafe {
            (*self.raw)
                .frame
                .map_or(0, |f| f((*self.raw).ctx, rx.as_ptr(), tx.as_mut_ptr(), samples, sample, mono_ns))
        };
        if rc < 0 { Err(Refused::new(-rc, "the host refused a frame")) } else { Ok(()) }
    }
}

/// The function table of a [`Driver`].
pub struct DriverTable<D>(PhantomData<D>);

/// What stands behind a `line_board *` of a Rust driver.
struct Open<D> {
    host: Host,
    // A panic may leave `D` half-changed; RefCell also stops a driver that is entered twice from the same thread.
    driver: RefCell<D>,
}

impl<D: Driver> DriverTable<D> {
    /// The table; [`crate::declare_driver!`] exports it.
    pub const TABLE: LineDriverV1 = LineDriverV1 {
        abi_major: abi::ABI_MAJOR,
        abi_minor: abi::ABI_MINOR,
        struct_size: size_of::<LineDriverV1>() as u32,
        reserved: 0,
        id: D::ID.as_ptr(),
        version: D::VERSION.as_ptr(),
        license: D::LICENSE.as_ptr(),
        features: 0,
        probe: Some(probe::<D>),
        open: Some(open::<D>),
        close: Some(close::<D>),
        board_info: Some(board_info::<D>),
        port_caps: Some(port_caps::<D>),
        configure: Some(configure::<D>),
        line_cmd: Some(line_cmd::<D>),
        audio_start: Some(audio_start::<D>),
        pump: Some(pump::<D>),
        diag: Some(diag::<D>),
        get_status: Some(get_status::<D>),
        ask: Some(ask::<D>),
    };
}

/// Exports `line_driver_entry` for a type that implements [`Driver`].
#[macro_export]
macro_rules! declare_driver {
    ($driver:ty) => {
        /// The function table of this driver, for hosts that link it instead of loading it.
        pub static LINE_DRIVER: $crate::abi::LineDriverV1 = $crate::DriverTable::<$driver>::TABLE;

        /// The symbol that board hosts look for.
        // SAFETY: the name is the ABI's own; a shared object holds one driver.
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        pub extern "C" fn line_driver_entry(host_abi: u32) -> *const $crate::abi::LineDriverV1 {
            if host_abi >> 16 == $crate::abi::ABI_MAJOR { &LINE_DRIVER } else { ::std::ptr::null() }
        }
    };
}

/// Runs an entry point; a refusal is logged and becomes its errno, a panic becomes `EIO`.
fn guarded(host: Option<Host>, what: &str, f: impl FnOnce() -> Result<(), Refused>) -> c_int {
    let refused = match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(())) => return 0,
        Ok(Err(refused)) => refused,
        Err(panic) => {
            let said = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Refused::new(libc::EIO, format!("the driver panicked: {said}"))
        }
    };
    if let Some(host) = host {
        let level = if refused.errno == libc::EIO { Level::Error } else { Level::Warn };
        host.log(level, &format!("{what}: {refused}"));
    }
    -refused.errno.max(1)
}

/// Runs an entry point of an open board.
///
/// # Safety
/// `board` is null or came from `open::<D>` and was not closed.
unsafe fn entered<D: Driver>(
    board: *mut LineBoard,
    what: &str,
    f: impl FnOnce(&mut D) -> Result<(), Refused>,
) -> c_int {
    if board.is_null() {
        return -libc::EINVAL;
    }
    // SAFETY: by this function's contract the pointer is a live Open<D>, and the ABI keeps us on one thread.
    let open = unsafe { &*board.cast::<Open<D>>() };
    guarded(Some(open.host), what, || match open.driver.try_borrow_mut() {
        Ok(mut driver) => f(&mut driver),
        Err(_) => Err(Refused::new(libc::EBUSY, "the driver was entered from inside its own callback")),
    })
}

/// # Safety
/// `s` is null or a NUL-terminated string.
unsafe fn str_arg<'a>(s: *const c_char, what: &str) -> Result<&'a str, Refused> {
    if s.is_null() {
        return Ok("");
    }
    // SAFETY: by this function's contract.
    unsafe { CStr::from_ptr(s) }.to_str().map_err(|_| Refused::invalid(format!("{what} is not UTF-8")))
}

unsafe extern "C" fn probe<D: Driver>(
    host: *const LineHostV1,
    cfg_json: *const c_char,
    found: Option<abi::ProbeCb>,
    ctx: *mut c_void,
) -> c_int {
    let host = (!host.is_null()).then_some(Host { raw: host });
    guarded(host, "probe", || {
        // SAFETY: the host passes a C string or null.
        let cfg = unsafe { str_arg(cfg_json, "the configuration") }?;
        for (serial, model) in D::probe(cfg)? {
            let mut id = LineBoardIdV1::default();
            abi::put_text(&mut id.serial, &serial);
            abi::put_text(&mut id.model, &model);
            if let Some(found) = found {
                // SAFETY: the callback takes the id by reference for the time of the call.
                unsafe { found(ctx, &id) };
            }
        }
        Ok(())
    })
}

unsafe extern "C" fn open<D: Driver>(
    host: *const LineHostV1,
    id: *const LineBoardIdV1,
    cfg_json: *const c_char,
    board: *mut *mut LineBoard,
) -> c_int {
    if host.is_null() || board.is_null() {
        return -libc::EINVAL;
    }
    let host = Host { raw: host };
    guarded(Some(host), "open", || {
        // SAFETY: the host passes a C string or null, and a valid id or null.
        let cfg = unsafe { str_arg(cfg_json, "the configuration") }?;
        // SAFETY: as above.
        let serial = unsafe { id.as_ref() }.map(|id| abi::text(&id.serial)).unwrap_or_default();
        let driver = RefCell::new(D::open(host, &serial, cfg)?);
        let raw = Box::into_raw(Box::new(Open { host, driver }));
        // SAFETY: `board` was checked above; the host gives a place to write to.
        unsafe { *board = raw.cast() };
        Ok(())
    })
}

unsafe extern "C" fn close<D: Driver>(board: *mut LineBoard) {
    if !board.is_null() {
        // SAFETY: the pointer came from `open::<D>`, and the host closes a board once.
        let open = unsafe { Box::from_raw(board.cast::<Open<D>>()) };
        guarded(None, "close", || {
            drop(open);
            Ok(())
        });
    }
}

unsafe extern "C" fn board_info<D: Driver>(board: *mut LineBoard, info: *mut LineBoardInfoV1) -> c_int {
    // SAFETY: the host passes boards from `open` and a place for the answer.
    unsafe {
        entered::<D>(board, "board_info", |driver| {
            let is = driver.info();
            let mut out = LineBoardInfoV1 { ports: is.ports, ..LineBoardInfoV1::default() };
            out.clock = if is.hardware_clock { abi::clock::HARDWARE } else { abi::clock::SYSTEM };
            abi::put_text(&mut out.model, &is.model);
            abi::put_text(&mut out.serial, &is.serial);
            for (to, from) in out.frame_us.iter_mut().zip(&is.frame_us) {
                *to = *from;
            }
            write_sized(info, out)
        })
    }
}

unsafe extern "C" fn port_caps<D: Driver>(
    board: *mut LineBoard,
    port: u32,
    caps: *mut LinePortCapsV1,
) -> c_int {
    // SAFETY: as in `board_info`.
    unsafe {
        entered::<D>(board, "port_caps", |driver| {
            let can = driver.caps(port)?;
            let struct_size = size_of::<LinePortCapsV1>() as u32;
            write_sized(
                caps,
                LinePortCapsV1 {
                    struct_size,
                    kind: can.kind.code(),
                    commands: can.commands,
                    events: can.events,
                },
            )
        })
    }
}

unsafe extern "C" fn configure<D: Driver>(
    board: *mut LineBoard,
    port: u32,
    cfg: *const LinePortCfgV1,
) -> c_int {
    // SAFETY: as in `board_info`.
    unsafe { entered::<D>(board, "configure", |driver| driver.configure(port, sized(cfg)?)) }
}

unsafe extern "C" fn line_cmd<D: Driver>(board: *mut LineBoard, port: u32, cmd: *const LineCmdV1) -> c_int {
    // SAFETY: as in `board_info`.
    unsafe {
        entered::<D>(board, "line_cmd", |driver| {
            let cmd = sized(cmd)?;
            let Some(cmd) = Command::from_abi(cmd) else {
                return Err(Refused::unsupported(format!("command {} is unknown", cmd.kind)));
            };
            driver.command(port, cmd)
        })
    }
}

unsafe extern "C" fn audio_start<D: Driver>(board: *mut LineBoard, cfg: *const LineAudioCfgV1) -> c_int {
    // SAFETY: as in `board_info`.
    unsafe { entered::<D>(board, "audio_start", |driver| driver.audio_start(sized(cfg)?)) }
}

unsafe extern "C" fn pump<D: Driver>(board: *mut LineBoard, timeout_us: u32) -> c_int {
    // SAFETY: as in `board_info`.
    unsafe { entered::<D>(board, "pump", |driver| driver.pump(Duration::from_micros(timeout_us.into()))) }
}

unsafe extern "C" fn diag<D: Driver>(
    board: *mut LineBoard,
    port: u32,
    test: u32,
    result: Option<abi::DiagCb>,
    ctx: *mut c_void,
) -> c_int {
    // SAFETY: as in `board_info`; the callback takes each result by reference for the time of the call.
    unsafe {
        entered::<D>(board, "diag", |driver| {
            for mut r in driver.diag(port, test)? {
                r.struct_size = size_of::<LineDiagResultV1>() as u32;
                if let Some(result) = result {
                    result(ctx, &r);
                }
            }
            Ok(())
        })
    }
}

unsafe extern "C" fn get_status<D: Driver>(
    board: *mut LineBoard,
    port: u32,
    status: *mut LinePortStatusV1,
) -> c_int {
    // SAFETY: as in `board_info`.
    unsafe {
        entered::<D>(board, "get_status", |driver| {
            let mut s = driver.status(port)?;
            s.struct_size = size_of::<LinePortStatusV1>() as u32;
            write_sized(status, s)
        })
    }
}

unsafe extern "C" fn ask<D: Driver>(
    board: *mut LineBoard,
    name: *const c_char,
    request: *const u8,
    len: u32,
    reply: Option<abi::ReplyCb>,
    ctx: *mut c_void,
) -> c_int {
    // SAFETY: as in `board_info`; the request is valid for len bytes, and the callback takes the answer for the time of the
    // call. A refusal is reported with its text, not only its errno.
    unsafe {
        entered::<D>(board, "ask", |driver| {
            let name = str_arg(name, "the name")?;
            let request =
                if request.is_null() { &[] } else { std::slice::from_raw_parts(request, len as usize) };
            let answer = driver.ask(name, request);
            let bytes = match &answer {
                Ok(bytes) => bytes.as_slice(),
                Err(refused) => refused.text.as_bytes(),
            };
            if let Some(reply) = reply {
                reply(ctx, bytes.as_ptr(), bytes.len() as u32);
            }
            answer.map(|_| ())
        })
    }
}

/// A struct from the host, when it is at least as long as ours.
///
/// # Safety
/// `p` is null or points to a struct that begins with its size.
unsafe fn sized<'a, T>(p: *const T) -> Result<&'a T, Refused> {
    // SAFETY: every ABI struct begins with a u32 that tells how much of it there is.
    unsafe {
        if p.is_null() || (p.cast::<u32>().read() as usize) < size_of::<T>() {
            return Err(Refused::invalid("a struct is missing or shorter than version 1 has it"));
        }
        Ok(&*p)
    }
}

/// Writes an answer, when there is room for it.
///
/// # Safety
/// `p` is null or points to a struct that begins with its size.
unsafe fn write_sized<T>(p: *mut T, value: T) -> Result<(), Refused> {
    // SAFETY: as in `sized`.
    unsafe {
        sized(p.cast_const())?;
        p.write(value);
    }
    Ok(())
}

/// A C string of `s`; an inner NUL ends it.
pub fn c_string(s: &str) -> CString {
    let bytes: Vec<u8> = s.bytes().take_while(|b| *b != 0).collect();
    CString::new(bytes).unwrap_or_default()
}
