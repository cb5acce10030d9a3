//! The event stream as a listener keeps it.
#![allow(clippy::disallowed_methods)] // Live tests have threads.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::live::{Daemon, wait};

/// All events since it was opened.
pub struct Events(Arc<Mutex<Vec<Value>>>);

impl Events {
    /// Listens from now on.
    #[track_caller]
    pub fn open(daemon: &Daemon) -> Events {
        let host = daemon.url.trim_start_matches("http://").to_owned();
        let mut stream = TcpStream::connect(&host).expect("the exchange listens");
        write!(
            stream,
            "GET /api/v1/events?after=0 HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\r\n",
            daemon.token
        )
        .expect("a request leaves");
        let kept = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&kept);
        // The thread ends when the exchange does.
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let data = line.split_once("data:").map(|(_, data)| data.trim());
                if let Some(event) = data.and_then(|data| serde_json::from_str(data).ok()) {
                    to.lock().unwrap_or_else(PoisonError::into_inner).push(event);
                }
            }
        });
        Events(kept)
    }

    /// All of this name, their `data`.
    pub fn of(&self, name: &str) -> Vec<Value> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|e| e["event"] == name).map(|e| e["data"].clone()).collect()
    }

    /// The keys that were passed on in calls, in order.
    pub fn keys(&self) -> String {
        self.of("call.digit").iter().filter_map(|e| e["key"].as_str().map(str::to_owned)).collect()
    }

    /// Waits for an event that this says yes to.
    #[track_caller]
    pub fn expect(&self, name: &str, like: impl Fn(&Value) -> bool) -> Value {
        wait(&format!("the event {name}"), Duration::from_secs(15), || self.of(name).into_iter().find(&like))
    }
}
