//! Logs: to the terminal, as JSON, into systemd's journal, or to syslog. `RUST_LOG` says how much. Secrets never get
//! here: their types print as `***`.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Lines that a network peer can cause: one a second of each kind, with the number of those that were left out.
static COUNTED: Mutex<BTreeMap<&'static str, Counted>> = Mutex::new(BTreeMap::new());

struct Counted {
    said: Instant,
    /// Left out since then.
    more: u64,
    /// The last of those.
    last: String,
}

/// Warns, at most once a second for each kind; what is left out is counted and said by [`say_counted`] or with the next.
pub fn warn_counted(kind: &'static str, text: impl FnOnce() -> String) {
    let mut kinds = COUNTED.lock().unwrap_or_else(|e| e.into_inner());
    let now = Instant::now();
    match kinds.get_mut(kind) {
        Some(counted) if now.duration_since(counted.said) < SECOND || counted.more > 0 => {
            counted.more += 1;
            // Put into words for the first and then seldom: words cost more than a count.
            if counted.more.is_power_of_two() {
                counted.last = text();
            }
        }
        _ => {
            tracing::warn!("{}", text());
            kinds.insert(kind, Counted { said: now, more: 0, last: String::new() });
        }
    }
}

/// Says what was counted; called once a second.
pub fn say_counted() {
    let mut kinds = COUNTED.lock().unwrap_or_else(|e| e.into_inner());
    for counted in kinds.values_mut().filter(|counted| counted.more > 0 && counted.said.elapsed() >= SECOND) {
        tracing::warn!("{} ({} of this kind)", counted.last, counted.more);
        (counted.said, counted.more) = (Instant::now(), 0);
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// Where logs go and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogTo {
    /// Lines on standard error.
    #[default]
    Text,
    /// One JSON object a line, on standard error.
    Json,
    /// systemd's journal, with fields.
    Journald,
    /// `/dev/log` (RFC 3164).
    Syslog,
}

impl From<ringtrip_config::Log> for LogTo {
    fn from(log: ringtrip_config::Log) -> LogTo {
        use ringtrip_config::Log;
        match log {
            Log::Text => LogTo::Text,
            Log::Json => LogTo::Json,
            Log::Journald => LogTo::Journald,
            Log::Syslog => LogTo::Syslog,
        }
    }
}

/// Sets up logging as the configuration says. A journal that is not there must not stop the telephones: then the log
/// goes to standard error.
pub fn init_by_config(to: LogTo) {
    if let Err(why) = init(to) {
        let _ = init(LogTo::Text);
        tracing::warn!("{why}");
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// RUST_LOG is wrong.
    #[error("RUST_LOG is not understood: {0}; write `info`, or `ringtrip=debug,info`")]
    Filter(String),
    /// The journal or syslog is not there.
    #[error("logs cannot go to {to}: {why}; use --log text")]
    NoSink { to: &'static str, why: io::Error },
}

/// Sets up logging for the process. A second call changes nothing.
///
/// # Errors
/// `RUST_LOG` is invalid, or the journal or syslog cannot be reached.
pub fn init(to: LogTo) -> Result<(), LogError> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => {
            EnvFilter::try_new(&text).map_err(|e| LogError::Filter(e.to_string()))?
        }
        _ => EnvFilter::new("info"),
    };
    let layer = match to {
        LogTo::Text => tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .boxed(),
        LogTo::Json => tracing_subscriber::fmt::layer().with_writer(io::stderr).json().boxed(),
        LogTo::Journald => {
            tracing_journald::layer().map_err(|why| LogError::NoSink { to: "the journal", why })?.boxed()
        }
        LogTo::Syslog => {
            let syslog = Syslog::open("/dev/log").map_err(|why| LogError::NoSink { to: "syslog", why })?;
            tracing_subscriber::fmt::layer().with_writer(syslog).without_time().with_ansi(false).boxed()
        }
    };
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    Ok(())
}

/// A writer to the syslog daemon.
struct Syslog {
    socket: Arc<UnixDatagram>,
}

/// One message on its way.
struct Message {
    socket: Arc<UnixDatagram>,
    text: Vec<u8>,
}

/// Facility `daemon` (RFC 3164 §4.1.1).
const FACILITY: u8 = 3;

impl Syslog {
    fn open(path: &str) -> io::Result<Syslog> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        // A syslog daemon that hangs costs log lines, never a call.
        socket.set_nonblocking(true)?;
        Ok(Syslog { socket: Arc::new(socket) })
    }

    fn message(&self, severity: u8) -> Message {
        let head = format!("<{}>ringtrip[{}]: ", FACILITY * 8 + severity, std::process::id());
        Message { socket: self.socket.clone(), text: head.into_bytes() }
    }
}

impl<'a> MakeWriter<'a> for Syslog {
    type Writer = Message;
    fn make_writer(&'a self) -> Message {
        self.message(6)
    }
    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Message {
        self.message(match *meta.level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        })
    }
}

impl Write for Message {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        let text = self.text.trim_ascii_end();
        let _ = self.socket.send(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_strangers_cause_is_one_line_a_second() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            (0..10_000).for_each(|n| warn_counted("test", || format!("post {n} was dropped")));
            say_counted();
            std::thread::sleep(SECOND);
            say_counted();
            say_counted();
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("post 0 was dropped") && text.contains("(9999 of this kind)"), "{text}");
    }

    #[test]
    fn syslog_gets_priority_and_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::open(path.to_str().unwrap()).unwrap();
        let subscriber = tracing_subscriber::registry()
            .with(tracing_subscriber::fmt::layer().with_writer(syslog).without_time().with_ansi(false));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(secret = ?crate::secrets::Secret("hush".into()), "the disk is full");
        });
        let mut buffer = [0; 512];
        let n = daemon.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..n]);
        assert!(text.starts_with("<28>ringtrip[") && text.contains("the disk is full"), "{text}");
        assert!(!text.contains("hush"));
    }
}
