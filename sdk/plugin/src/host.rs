//! What a plugin may ask the exchange for. [`log`] and [`settings`] need no grant; the others do.

#[cfg(not(target_arch = "wasm32"))]
use crate::fake::backend;
#[cfg(target_arch = "wasm32")]
use crate::guest::backend;

/// One line into the exchange's log, cut at 1,024 octets; at most 32 a decision. Mostly written with [`crate::info!`] and
/// its sisters.
pub mod log {
    /// How much it matters.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Level {
        /// For the plugin's author.
        Debug,
        /// What an operator may want to know.
        Info,
        /// Something is not as it should be.
        Warn,
        /// The plugin cannot do its work.
        Error,
    }

    /// Writes a line.
    pub fn write(level: Level, text: &str) {
        super::backend::log(level, text);
    }
}

/// The plugin's settings, as text.
pub mod settings {
    /// The value of a setting; none if it is not set.
    pub fn text(key: &str) -> Option<String> {
        super::backend::setting(key).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
    }

    /// The value of a setting that must be there.
    ///
    /// # Errors
    /// The setting is not set; the text names it.
    pub fn need(key: &str) -> Result<String, String> {
        text(key).ok_or_else(|| format!("the setting {key:?} is missing"))
    }

    /// A list: entries with commas or line ends between them.
    pub fn list(key: &str) -> Vec<String> {
        let all = text(key).unwrap_or_default();
        let entries = all.split([',', '\n']).map(str::trim).filter(|e| !e.is_empty());
        entries.map(str::to_owned).collect()
    }

    /// A value of any kind that is read from text.
    ///
    /// # Errors
    /// The setting is set, and cannot be read as a `T`; the text names it.
    pub fn read<T: std::str::FromStr>(key: &str) -> Result<Option<T>, String> {
        match text(key) {
            None => Ok(None),
            Some(value) => {
                value.parse().map(Some).map_err(|_| format!("the setting {key:?} cannot be {value:?}"))
            }
        }
    }
}

/// Grant `clock`.
pub mod clock {
    /// Milliseconds since 1970 UTC.
    pub fn now_millis() -> i64 {
        super::backend::now_millis()
    }
}

/// Grant `store`: a key-value store of the plugin's own. Keys up to 128 octets, values up to 4,096, 1,000 keys.
pub mod store {
    /// The value of a key.
    pub fn get(key: &str) -> Option<String> {
        super::backend::get(key)
    }

    /// Keeps a value. False: it does not fit.
    pub fn set(key: &str, value: &str) -> bool {
        super::backend::set(key, value)
    }

    /// Forgets a key.
    pub fn remove(key: &str) {
        super::backend::remove(key);
    }
}

/// Grant `http`, with the names of the hosts.
pub mod http {
    /// What is asked.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct Request {
        /// `GET`, `POST`, `PUT` or `DELETE`.
        pub method: String,
        /// `https://host/path`; the host must be one of the granted.
        pub url: String,
        /// Headers.
        pub headers: Vec<(String, String)>,
        /// The body.
        pub body: Vec<u8>,
    }

    impl Request {
        /// A GET of this address.
        pub fn get(url: &str) -> Request {
            Request { method: "GET".into(), url: url.to_owned(), ..Request::default() }
        }
    }

    /// What came back.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct Response {
        /// 200 and the like.
        pub status: u16,
        /// Headers.
        pub headers: Vec<(String, String)>,
        /// At most 65,536 octets.
        pub body: Vec<u8>,
    }

    impl Response {
        /// The body as text; what is no UTF-8 is replaced.
        pub fn text(&self) -> String {
            String::from_utf8_lossy(&self.body).into_owned()
        }
    }

    /// Why nothing came back.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Failure {
        /// This host is not granted.
        NotGranted(String),
        /// The time of the decision is used up.
        TooLate,
        /// Anything else, in words.
        Failed(String),
    }

    impl std::fmt::Display for Failure {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            match self {
                Failure::NotGranted(host) => write!(f, "the host {host} is not granted"),
                Failure::TooLate => f.write_str("the time of the decision is used up"),
                Failure::Failed(why) => f.write_str(why),
            }
        }
    }

    /// Asks and waits for the answer; the time counts against the decision.
    ///
    /// # Errors
    /// The host is not granted or did not answer in time, or the request failed.
    pub fn fetch(request: &Request) -> Result<Response, Failure> {
        super::backend::fetch(request)
    }
}

/// Grant `dns`, with the zones.
pub mod dns {
    /// A NAPTR record (RFC 3403).
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct Naptr {
        /// Lower first.
        pub order: u16,
        /// Lower first among those of one order.
        pub preference: u16,
        /// `u`: the regexp makes a URI.
        pub flags: String,
        /// `E2U+sip`.
        pub service: String,
        /// `!^.*$!sip:info@example.com!`.
        pub regexp: String,
        /// The next name, where there is no regexp.
        pub replacement: String,
    }

    /// Why there is no answer.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Failure {
        /// This name is in no granted zone.
        NotGranted(String),
        /// There is no such name, or no such record.
        None,
        /// The time of the decision is used up.
        TooLate,
        /// Anything else, in words.
        Failed(String),
    }

    impl std::fmt::Display for Failure {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            match self {
                Failure::NotGranted(name) => write!(f, "{name} is in no granted zone"),
                Failure::None => f.write_str("there is no such record"),
                Failure::TooLate => f.write_str("the time of the decision is used up"),
                Failure::Failed(why) => f.write_str(why),
            }
        }
    }

    /// The NAPTR records of a name.
    ///
    /// # Errors
    /// The name is in no granted zone, has no such record, or was not answered in time.
    pub fn look_up_naptr(name: &str) -> Result<Vec<Naptr>, Failure> {
        super::backend::look_up_naptr(name)
    }
}

/// Writes a line for the plugin's author into the exchange's log.
#[macro_export]
macro_rules! debug {
    ($($part:tt)*) => { $crate::log::write($crate::log::Level::Debug, &::std::format!($($part)*)) };
}

/// Writes a line that an operator may want to know.
#[macro_export]
macro_rules! info {
    ($($part:tt)*) => { $crate::log::write($crate::log::Level::Info, &::std::format!($($part)*)) };
}

/// Writes a line about something that is not as it should be.
#[macro_export]
macro_rules! warn {
    ($($part:tt)*) => { $crate::log::write($crate::log::Level::Warn, &::std::format!($($part)*)) };
}

/// Writes a line about something that keeps the plugin from its work.
#[macro_export]
macro_rules! error {
    ($($part:tt)*) => { $crate::log::write($crate::log::Level::Error, &::std::format!($($part)*)) };
}
