//! A time limit for whole bodies. actix-web limits how long a head takes, not how long a body does: a client that sends
//! half of one would hold its connection, and what waits for the rest, for ever.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep};

use super::seats::body_deadline;

/// Was the body too slow?
#[derive(Clone, Default)]
pub struct TooSlow(Rc<Cell<bool>>);

impl TooSlow {
    /// Its time ran out.
    pub fn is_so(&self) -> bool {
        self.0.get()
    }
}

/// Limits the time that the request's body may take.
pub fn limit_time(request: &mut ServiceRequest) -> TooSlow {
    let too_slow = TooSlow::default();
    match request.take_payload() {
        Payload::None => {}
        payload => {
            let began = Instant::now();
            let body = TimedBody {
                payload,
                octets: 0,
                began,
                sleep: Box::pin(tokio::time::sleep_until(body_deadline(began, 0))),
                too_slow: too_slow.clone(),
            };
            request.set_payload(Payload::Stream { payload: Box::pin(body) });
        }
    }
    too_slow
}

struct TimedBody {
    payload: Payload,
    octets: u64,
    began: Instant,
    sleep: Pin<Box<Sleep>>,
    too_slow: TooSlow,
}

impl Stream for TimedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match Pin::new(&mut self.payload).poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => {
                self.octets += chunk.len() as u64;
                let deadline = body_deadline(self.began, self.octets);
                self.sleep.as_mut().reset(deadline);
                Poll::Ready(Some(Ok(chunk)))
            }
            Poll::Ready(end) => Poll::Ready(end),
            Poll::Pending => self.sleep.as_mut().poll(cx).map(|()| {
                self.too_slow.0.set(true);
                Some(Err(PayloadError::Io(io::Error::from(io::ErrorKind::TimedOut))))
            }),
        }
    }
}
