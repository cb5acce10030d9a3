//! The event stream: one total order, numbers that grow over restarts, and a bounded memory to resume from. A
//! client that was away too long learns that a part is lost, and is never silently given less.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use ringtrip_exchange::fold::{Fold, Sum};
use ringtrip_model::event::{Event, Field};
use serde_json::{Map, Value, json};
use tokio::sync::broadcast;
use tracing::Level;

use crate::store::now_micros;

/// The stream. Cheap to clone.
#[derive(Clone)]
pub struct EventHub {
    inner: Arc<Mutex<Inner>>,
    live: broadcast::Sender<Arc<Numbered>>,
}

/// An event with its place in the order. Put into words when somebody listens: most of a busy exchange's never are.
#[derive(Debug)]
pub struct Numbered {
    /// Its number. Grows by one, over a restart by more.
    pub seq: u64,
    at_micros: i64,
    event: Event,
    words: OnceLock<(&'static str, String)>,
}

impl Numbered {
    /// Its name: `call.started`.
    pub fn name(&self) -> &'static str {
        self.words().0
    }

    /// `{"seq":…,"at_micros":…,"event":…,"data":{…}}`.
    pub fn json(&self) -> &str {
        &self.words().1
    }

    fn words(&self) -> &(&'static str, String) {
        self.words.get_or_init(|| {
            let (name, fields) = self.event.describe();
            let data: Map<String, Value> =
                fields.into_iter().map(|(k, v)| (k.to_owned(), value(v))).collect();
            let json = json!({ "seq": self.seq, "at_micros": self.at_micros, "event": name, "data": data });
            (name, json.to_string())
        })
    }
}

/// Where a listener stands.
pub struct Subscription {
    /// What it missed and the hub still has, in order.
    pub backlog: Vec<Arc<Numbered>>,
    /// What happens from now on.
    pub live: broadcast::Receiver<Arc<Numbered>>,
    /// The range that is lost to it: from (exclusive) and to (exclusive), if there is one.
    pub gap: Option<(u64, u64)>,
}

struct Inner {
    next: u64,
    ring: VecDeque<Arc<Numbered>>,
    /// What strangers cause must not push calls and alarms out of the ring.
    fold: Fold<&'static str>,
}

/// Events remembered: some minutes of a busy exchange, about 2 MB.
const RING: usize = 8192;
/// Events that a slow listener may be behind before a gap is reported to it.
const LIVE: usize = 1024;

impl EventHub {
    /// A stream that starts after all that earlier runs said; `boot` is [`crate::store::Store::boot`]. Numbers stay
    /// below 2^53, so that JavaScript counts them exactly.
    pub fn new(boot: u64) -> EventHub {
        let (live, _) = broadcast::channel(LIVE);
        EventHub {
            inner: Arc::new(Mutex::new(Inner {
                next: (boot << 32) + 1,
                ring: VecDeque::new(),
                fold: Fold::default(),
            })),
            live,
        }
    }

    /// Says it to all, and remembers it. Never waits. Failed proofs that come often are counted instead, and said by
    /// [`EventHub::each_second`].
    pub fn publish(&self, event: Event) -> u64 {
        let mut inner = self.lock();
        if let Event::AuthFailed { what, from, .. } = &event
            && !inner.fold.on(Instant::now(), what, from)
        {
            return inner.next - 1;
        }
        self.say(&mut inner, event)
    }

    /// Says what was counted.
    pub fn each_second(&self) {
        let mut inner = self.lock();
        for Sum { kind: what, count, addresses, most } in inner.fold.sums(Instant::now()) {
            let addresses = u32::try_from(addresses).unwrap_or(u32::MAX);
            self.say(&mut inner, Event::AuthFailures { what, count, addresses, most_from: most });
        }
    }

    fn say(&self, inner: &mut Inner, event: Event) -> u64 {
        log(&event);
        let seq = inner.next;
        inner.next += 1;
        let numbered = Arc::new(Numbered { seq, at_micros: now_micros(), event, words: OnceLock::new() });
        if inner.ring.len() == RING {
            inner.ring.pop_front();
        }
        inner.ring.push_back(numbered.clone());
        // Under the lock, so that everybody hears the same order. Nobody listening is no error.
        let _ = self.live.send(numbered);
        seq
    }

    /// Listens from after event `after`; `None`: from now on.
    pub fn subscribe(&self, after: Option<u64>) -> Subscription {
        let inner = self.lock();
        let live = self.live.subscribe();
        let Some(after) = after else { return Subscription { backlog: Vec::new(), live, gap: None } };
        let first = inner.ring.front().map_or(inner.next, |e| e.seq);
        // A number from the future comes from another exchange or another data folder.
        let gap = if after >= inner.next {
            Some((0, first))
        } else {
            (after + 1 < first).then_some((after, first))
        };
        let from = if after >= inner.next { 0 } else { after };
        let backlog = inner.ring.iter().filter(|e| e.seq > from).cloned().collect();
        Subscription { backlog, live, gap }
    }

    /// The number of the newest event; one below the first when there is none yet.
    pub fn head(&self) -> u64 {
        self.lock().next - 1
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// The same for those who read the log: `call.ended call=6b03… cause=busy by=b`.
fn log(event: &Event) {
    // Called only if the log takes this level.
    let text = || -> String {
        let (name, fields) = event.describe();
        let fields = fields.iter().map(|(key, field)| format!(" {key}={}", plain(field)));
        std::iter::once(name.to_owned()).chain(fields).collect()
    };
    match level(event) {
        Some(Level::ERROR) => tracing::error!("{}", text()),
        Some(Level::WARN) => tracing::warn!("{}", text()),
        Some(Level::INFO) => tracing::info!("{}", text()),
        Some(_) => tracing::debug!("{}", text()),
        None => {}
    }
}

/// How loud: what somebody should look at, what an operator wants to have read, and the steps of a call.
fn level(event: &Event) -> Option<Level> {
    Some(match event {
        Event::Alarm { .. } => Level::ERROR,
        Event::Restarted { gave_up: true, .. } => Level::ERROR,
        Event::GatewayState { up: false, .. } | Event::BoardState { up: false, .. } => Level::WARN,
        Event::Restarted { .. } | Event::ScriptRefused { .. } | Event::ScriptFailed { .. } => Level::WARN,
        Event::PluginFailed { .. } | Event::PluginRefused { .. } => Level::WARN,
        Event::PluginHealth { state: "usable", .. } | Event::PluginBalance { state: "left", .. } => {
            Level::INFO
        }
        Event::PluginHealth { .. } | Event::PluginBalance { .. } => Level::WARN,
        Event::PluginInstalled { .. } => Level::INFO,
        Event::AuthFailed { .. } | Event::AuthFailures { .. } | Event::Emergency { .. } => Level::WARN,
        Event::BoardAlarm { .. } => Level::WARN,
        Event::GatewayState { .. } | Event::BoardState { .. } => Level::INFO,
        Event::ConfigActive { .. } | Event::ScriptActive { .. } | Event::CallEnded { .. } => Level::INFO,
        Event::CallTransferred { .. } => Level::INFO,
        Event::CallStarted { .. } | Event::CallRinging { .. } | Event::CallAnswered { .. } => Level::DEBUG,
        Event::LineState { .. } | Event::LineHook { .. } | Event::LineMessages { .. } => Level::DEBUG,
        Event::Registered { .. } | Event::Unregistered { .. } => Level::DEBUG,
        // A key may be one of a PIN.
        Event::CallDigit { .. } => return None,
    })
}

/// A word as it is, anything else in quotes and escaped: what comes from the network writes no log lines of its own.
fn plain(field: &Field) -> String {
    match field {
        Field::Text(text) if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()) => text.clone(),
        Field::Text(text) => format!("{text:?}"),
        Field::Number(n) => n.to_string(),
        Field::Flag(flag) => flag.to_string(),
    }
}

fn value(field: Field) -> Value {
    match field {
        Field::Text(text) => Value::String(text),
        Field::Number(n) => Value::from(n),
        Field::Flag(flag) => Value::Bool(flag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(n: usize) -> Event {
        Event::Alarm { what: "test", text: n.to_string() }
    }

    #[test]
    fn the_log_tells_events_but_no_keys_and_no_lines_of_strangers() {
        use ringtrip_model::ids::{CallId, LegId};
        let call = CallId(7);
        assert_eq!(level(&alarm(1)), Some(Level::ERROR));
        assert_eq!(level(&Event::CallDigit { call, from: LegId(1), key: '1' }), None);
        let failed =
            Event::AuthFailed { what: "REGISTER", who: "x\nINFO all is well".into(), from: "::1".into() };
        let (_, fields) = failed.describe();
        let shown: Vec<String> = fields.iter().map(|(_, field)| plain(field)).collect();
        assert_eq!(shown, ["REGISTER", "\"x\\nINFO all is well\"", "::1"]);
    }

    #[test]
    fn a_listener_resumes_where_it_was() {
        let hub = EventHub::new(3);
        let first = hub.publish(alarm(1));
        hub.publish(alarm(2));
        assert_eq!(first, (3 << 32) + 1);
        let mut sub = hub.subscribe(Some(first));
        assert_eq!(sub.backlog.iter().map(|e| e.seq).collect::<Vec<_>>(), [first + 1]);
        assert_eq!(sub.gap, None);
        hub.publish(alarm(3));
        assert_eq!(sub.live.try_recv().unwrap().seq, first + 2);
    }

    #[test]
    fn an_event_is_put_into_words_once_and_keeps_its_time() {
        let hub = EventHub::new(1);
        let seq = hub.publish(alarm(5));
        let sub = hub.subscribe(Some(seq - 1));
        let [event] = &sub.backlog[..] else { panic!("one event: {:?}", sub.backlog) };
        let words: Value = serde_json::from_str(event.json()).unwrap();
        assert_eq!(event.name(), "alarm");
        assert_eq!((&words["seq"], &words["event"]), (&Value::from(seq), &Value::from("alarm")));
        assert_eq!(words["data"], json!({ "what": "test", "text": "5" }));
        assert_eq!(event.json().as_ptr(), event.json().as_ptr());
    }

    #[test]
    fn wrong_passwords_push_nothing_out() {
        let hub = EventHub::new(1);
        let first = hub.publish(alarm(0));
        for n in 0..3 * RING {
            hub.publish(Event::AuthFailed { what: "call", who: n.to_string(), from: "192.0.2.7".into() });
        }
        let sub = hub.subscribe(Some(first));
        assert_eq!((sub.gap, sub.backlog.len()), (None, 5), "the first are said one by one");
        std::thread::sleep(std::time::Duration::from_millis(1100));
        hub.each_second();
        let sum = hub.subscribe(Some(hub.head() - 1)).backlog;
        assert_eq!((sum[0].name(), hub.head()), ("auth.failures", first + 6));
        assert!(
            sum[0].json().contains("\"count\":24571") && sum[0].json().contains("192.0.2.7"),
            "{}",
            sum[0].json()
        );
    }

    #[test]
    fn what_is_forgotten_is_told() {
        let hub = EventHub::new(1);
        let first = hub.publish(alarm(0));
        for n in 0..RING + 10 {
            hub.publish(alarm(n));
        }
        let sub = hub.subscribe(Some(first));
        assert_eq!(sub.gap, Some((first, hub.head() - RING as u64 + 1)));
        assert_eq!(sub.backlog.len(), RING);
        // From the run before: the end of that run cannot be known.
        assert!(EventHub::new(2).subscribe(Some(first)).gap.is_some());
        assert!(EventHub::new(1).subscribe(Some(1 << 40)).gap.is_some());
    }
}
