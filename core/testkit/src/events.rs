//! Listens to the event stream of a live exchange, as an operator's program would.
#![allow(clippy::disallowed_methods)] // Live tests use threads, sockets and the clock.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;

use crate::live::{Daemon, wait};

/// A listener. Its thread ends when the exchange closes the stream or the listener is dropped.
pub struct EventStream {
    received: Arc<Mutex<Vec<Value>>>,
    stream: TcpStream,
    seen: Mutex<usize>,
}

impl EventStream {
    /// Listens from now on.
    #[track_caller]
    pub fn start(daemon: &Daemon) -> EventStream {
        let host = daemon.url.strip_prefix("http://").unwrap_or_default().trim_end_matches('/').to_owned();
        let mut stream = TcpStream::connect(&host).expect("the exchange listens");
        let ask = format!(
            "GET /api/v1/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\r\n",
            daemon.token
        );
        stream.write_all(ask.as_bytes()).expect("the exchange reads");
        let mut lines = BufReader::new(stream.try_clone().expect("a clone"));
        let mut head = String::new();
        while head != "\r\n" {
            head.clear();
            assert!(lines.read_line(&mut head).expect("an answer") > 0, "the stream ended");
        }
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = received.clone();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let event =
                    line.strip_prefix("data:").and_then(|json| serde_json::from_str(json.trim()).ok());
                if let Some(event) = event {
                    log.lock().unwrap_or_else(|e| e.into_inner()).push(event);
                }
            }
        });
        EventStream { received, stream, seen: Mutex::new(0) }
    }

    /// All events so far.
    pub fn all(&self) -> Vec<Value> {
        self.lock().clone()
    }

    /// The next event, after the one found before, of this name and with these data; a date is in `at_micros`.
    #[track_caller]
    pub fn next(&self, name: &str, data: &[(&str, &str)]) -> Value {
        let mut seen = self.seen.lock().unwrap_or_else(|e| e.into_inner());
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait(&format!("{name} {data:?}"), Duration::from_secs(15), || {
                let received = self.lock();
                let at = received.iter().enumerate().skip(*seen).find(|(_, e)| is(e, name, data))?.0;
                Some((at, received[at].clone()))
            })
        }));
        match found {
            Ok((at, event)) => {
                *seen = at + 1;
                event
            }
            Err(_) => panic!("no {name} {data:?} among {:#?}", &self.lock()[*seen..]),
        }
    }

    /// How many events of this name and with these data there were.
    pub fn count(&self, name: &str, data: &[(&str, &str)]) -> usize {
        self.lock().iter().filter(|e| is(e, name, data)).count()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Value>> {
        self.received.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

/// Values are compared as text: `"true"`, `"3"`, `"fxs1"`.
fn is(event: &Value, name: &str, data: &[(&str, &str)]) -> bool {
    let text = |field: &str| match &event["data"][field] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    event["event"] == name && data.iter().all(|(field, value)| text(field) == *value)
}

/// Microseconds between two events.
pub fn between(first: &Value, second: &Value) -> Duration {
    let at = |event: &Value| event["at_micros"].as_i64().unwrap_or(0);
    Duration::from_micros(u64::try_from(at(second) - at(first)).unwrap_or(0))
}
