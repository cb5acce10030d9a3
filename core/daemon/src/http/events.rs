//! Events as server-sent events: numbered, in one order, resumable by `Last-Event-ID` or `?after=`. A listener that was
//! away longer than the exchange remembers gets one `stream.gap` first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use utoipa::IntoParams;

use super::{Api, Problem};
use crate::events::{EventHub, Numbered, Subscription};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/events").route(web::get().to(listen)));
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
static NOW: AtomicUsize = AtomicUsize::new(0);
/// A comment this often keeps proxies from closing the stream, and finds out that a listener has gone.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The event stream. Each message's data is `{"seq":…,"at_micros":…,"event":"call.started","data":{…}}`; its id is `seq`.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(From, ("Last-Event-ID" = Option<u64>, Header)),
    responses((status = 200, description = "An endless stream", content_type = "text/event-stream", body = String)))]
pub(super) async fn listen(
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
    let seat = Seat::take().ok_or_else(|| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-listeners", "too many listen already")
            .after(5)
    })?;
    let after = last_id.or(from.after);
    let listener = Listener::new(api.events.clone(), after, seat);
    let body = stream::unfold(listener, |mut listener| async move {
        let chunk = listener.next().await?;
        Some((Ok::<_, actix_web::Error>(chunk), listener))
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body))
}

struct Seat;

impl Seat {
    fn take() -> Option<Seat> {
        NOW.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < LISTENERS).then_some(n + 1))
            .ok()
            .map(|_| Seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        NOW.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Listener {
    hub: EventHub,
    ready: VecDeque<Bytes>,
    live: tokio::sync::broadcast::Receiver<Arc<Numbered>>,
    last: u64,
    _seat: Seat,
}

impl Listener {
    fn new(hub: EventHub, after: Option<u64>, seat: Seat) -> Listener {
        let head = hub.head();
        let sub = hub.subscribe(after);
        let live = sub.live.resubscribe();
        let mut listener =
            Listener { hub, ready: VecDeque::new(), live, last: after.unwrap_or(head), _seat: seat };
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

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Some(chunk);
            }
            match tokio::time::timeout(HEARTBEAT, self.live.recv()).await {
                Ok(Ok(event)) => self.push(&event),
                // Too slow for the live channel: the hub remembers more than the channel does.
                Ok(Err(RecvError::Lagged(_))) => {
                    let sub = self.hub.subscribe(Some(self.last));
                    self.take(sub);
                }
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => return Some(Bytes::from_static(b": still here\n\n")),
            }
        }
    }
}
