//! Events as server-sent events: numbered, in one order, resumable by `Last-Event-ID` or `?after=`. A listener that was
//! away longer than the exchange remembers gets one `stream.gap` first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use utoipa::IntoParams;

use super::access::Reader;
use super::auth::{Credential, Identity};
use super::operation::{Operations, path};
use super::{Api, Problem};
use crate::events::{Numbered, Subscription};
use crate::store::Scope;

pub(super) fn operations() -> Vec<Operations> {
    vec![path("/events").get(listen)]
}

/// From where.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct From {
    /// Only events after this number; from now on if neither this nor `Last-Event-ID` is given.
    after: Option<u64>,
}

/// Listeners at once: each holds a connection.
const LISTENERS: usize = 128;
/// Of these, so many are kept for administrators.
const FOR_ADMINISTRATORS: usize = 32;
/// Listeners by one token or session.
const OF_ONE: usize = 32;
/// A comment this often keeps proxies from closing the stream, and finds out that a listener has gone.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The event stream. Each message's data is `{"seq":…,"at_micros":…,"event":"call.started","data":{…}}`; its id is `seq`.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(From, ("Last-Event-ID" = Option<u64>, Header)),
    responses((status = 200, description = "An endless stream", content_type = "text/event-stream", body = String)))]
pub(super) async fn listen(
    who: Reader,
    request: HttpRequest,
    api: web::Data<Api>,
    from: web::Query<From>,
) -> Result<HttpResponse, Problem> {
    let last_id = match request.headers().get("last-event-id") {
        Some(id) => Some(
            id.to_str()
                .ok()
                .and_then(|id| id.parse().ok())
                .ok_or_else(|| Problem::bad("Last-Event-ID is not a number"))?,
        ),
        None => None,
    };
    let seat = Seat::take(&api, &who)?;
    let after = last_id.or(from.after);
    let listener = Listener::new(seat, after);
    let body = stream::unfold(listener, |mut listener| async move {
        let chunk = listener.next().await?;
        Some((Ok::<_, actix_web::Error>(chunk), listener))
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body))
}

/// Who listens, and how many of each.
#[derive(Default)]
pub struct Listeners(Mutex<HashMap<Credential, usize>>);

/// One that listens, until it is dropped.
struct Seat {
    api: web::Data<Api>,
    credential: Credential,
}

impl Seat {
    fn take(api: &web::Data<Api>, who: &Identity) -> Result<Seat, Problem> {
        let full = |detail: String| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-listeners", detail).after(5)
        };
        let mut of = api.listeners.0.lock().unwrap_or_else(|e| e.into_inner());
        let all: usize = of.values().sum();
        let most = match who.scope {
            Scope::Admin => LISTENERS,
            Scope::Read => LISTENERS - FOR_ADMINISTRATORS,
        };
        if all >= most {
            return Err(full(format!("{all} event streams are open, as many as are served; close some")));
        }
        let own = of.entry(who.credential.clone()).or_insert(0);
        if *own >= OF_ONE {
            return Err(full(format!("{:?} has {OF_ONE} event streams open; close some", who.name)));
        }
        *own += 1;
        drop(of);
        Ok(Seat { api: api.clone(), credential: who.credential.clone() })
    }

    fn still_counts(&self) -> bool {
        self.api.auth.still_counts(&self.credential, &self.api.store)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut of = self.api.listeners.0.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(own) = of.get_mut(&self.credential) {
            *own -= 1;
            if *own == 0 {
                of.remove(&self.credential);
            }
        }
    }
}

struct Listener {
    ready: VecDeque<Bytes>,
    live: tokio::sync::broadcast::Receiver<Arc<Numbered>>,
    /// Changes when a session or token has ended: perhaps the one that listens here.
    ended: tokio::sync::watch::Receiver<u64>,
    last: u64,
    seat: Seat,
}

impl Listener {
    fn new(seat: Seat, after: Option<u64>) -> Listener {
        let hub = &seat.api.events;
        let head = hub.head();
        let sub = hub.subscribe(after);
        let (live, ended) = (sub.live.resubscribe(), seat.api.auth.watch_ended());
        let mut listener =
            Listener { ready: VecDeque::new(), live, ended, last: after.unwrap_or(head), seat };
        // A first octet at once tells the listener that it is connected.
        listener.ready.push_back(Bytes::from_static(b"retry: 1000\n\n"));
        listener.take(sub);
        listener
    }

    fn take(&mut self, sub: Subscription) {
        if let Some((after, before)) = sub.gap {
            let gap = format!(
                "data: {{\"event\":\"stream.gap\",\"data\":{{\"after\":{after},\"before\":{before}}}}}\n\n"
            );
            self.ready.push_back(Bytes::from(gap));
            self.last = before.saturating_sub(1);
        }
        for event in &sub.backlog {
            self.push(event);
        }
        self.live = sub.live;
    }

    fn push(&mut self, event: &Numbered) {
        if event.seq > self.last {
            self.last = event.seq;
            self.ready.push_back(Bytes::from(format!("id: {}\ndata: {}\n\n", event.seq, event.json())));
        }
    }

    /// What is sent next; `None` when the stream ends, as it does with the session or token that opened it.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.ended.has_changed().unwrap_or(false) {
                self.ended.mark_unchanged();
                if !self.seat.still_counts() {
                    return None;
                }
            }
            if let Some(chunk) = self.ready.pop_front() {
                return Some(chunk);
            }
            let came = tokio::select! {
                came = self.live.recv() => came,
                _ = self.ended.changed() => {
                    self.ended.mark_changed();
                    continue;
                }
                () = tokio::time::sleep(HEARTBEAT) => {
                    // A session is in use as long as somebody listens by it.
                    return self.seat.still_counts().then(|| Bytes::from_static(b": still here\n\n"));
                }
            };
            match came {
                Ok(event) => self.push(&event),
                // Too slow for the live channel: the hub remembers more than the channel does.
                Err(RecvError::Lagged(_)) => {
                    let sub = self.seat.api.events.subscribe(Some(self.last));
                    self.take(sub);
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
