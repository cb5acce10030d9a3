//! Which machines live in shells, and the world around each: where its posts go and what becomes of it after a panic.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use actix::prelude::*;
use ringtrip_exchange::call::Call;
use ringtrip_exchange::desk::{Desk, DeskInput, DeskOut};
use ringtrip_exchange::gateway::Gateway;
use ringtrip_exchange::line::Line;
use ringtrip_exchange::post::{CallInput, GatewayInput, LineInput, MediaCommand, Post};
use ringtrip_exchange::supervise::PartId;
use ringtrip_model::ids::{CallId, GatewayId, LineId};

use super::directory::Directory;
use crate::media::Lease;
use crate::panics::caught;
use crate::shell::{Machine, Shell, World};

/// The actor of a call.
pub type CallShell = Shell<Call, CallWorld>;
/// The actor of a line.
pub type LineShell = Shell<Line, LineWorld>;
/// The actor of a gateway.
pub type GatewayShell = Shell<Gateway, GatewayWorld>;
/// The actor of the SIP desk.
pub type DeskShell = Shell<Desk, DeskWorld>;

macro_rules! machine {
    ($machine:ty, $input:ty, $output:ty, $timeout:expr, |$this:ident| $over:expr) => {
        impl Machine for $machine {
            type Input = $input;
            type Output = $output;
            fn on(&mut self, now: Instant, input: $input, out: &mut Vec<$output>) {
                <$machine>::on(self, now, input, out);
            }
            fn deadline(&self) -> Option<Instant> {
                <$machine>::deadline(self)
            }
            fn timeout() -> $input {
                $timeout
            }
            fn is_over(&self) -> bool {
                let $this = self;
                $over
            }
        }
    };
}

machine!(Call, CallInput, Post, CallInput::Timeout, |call| call.is_over());
machine!(Line, LineInput, Post, LineInput::Timeout, |_line| false);
machine!(Gateway, GatewayInput, Post, GatewayInput::Timeout, |_gateway| false);
machine!(Desk, DeskInput, DeskOut, DeskInput::Timeout, |_desk| false);

/// Around a call: it is never resurrected. What is left of it after a panic is asked once to end its legs.
pub struct CallWorld {
    pub directory: Directory,
    pub call: CallId,
    /// The call's media ports; back in the pool when the call has ended, or the actor is gone.
    pub lease: Option<Lease>,
    /// Answers to what it has just asked.
    pub answers: VecDeque<CallInput>,
}

impl World<Call> for CallWorld {
    fn span(&self) -> tracing::Span {
        tracing::info_span!("call", id = %self.call)
    }

    fn deliver(&mut self, out: &mut Vec<Post>) {
        for post in out.drain(..) {
            self.directory.answer(post, &mut self.answers);
        }
    }

    fn answer(&mut self) -> Option<CallInput> {
        self.answers.pop_front()
    }

    fn look(&mut self, _now: Instant, call: &Call) {
        if !call.has_seat()
            && let Some(lease) = self.lease.take()
        {
            // A call that never used its ports has not closed them.
            self.directory.0.media.send(MediaCommand::Close { call: self.call });
            drop(lease);
            self.directory.call_ended(self.call);
        }
    }

    fn fell(&mut self, now: Instant, wreck: Call, why: &str) -> Option<Duration> {
        self.directory.fell(&PartId::Call(self.call), why);
        // Its legs still stand at the far ends: a BYE is owed to them. A wreck that cannot even do that is dropped.
        let mut last = Vec::new();
        match caught(|| wreck.wreck(now, &mut last)) {
            Ok(()) => {
                self.directory.deliver_all(&mut last);
                self.directory.call_over(self.call);
            }
            Err(_) => self.directory.call_wrecked(self.call),
        }
        None
    }

    fn rebuild(&mut self, _now: Instant) -> Option<Call> {
        None
    }

    fn absent(&mut self, _input: CallInput) -> Option<CallInput> {
        None
    }

    fn over(&mut self) {
        self.directory.call_over(self.call);
    }
}

impl Drop for CallWorld {
    fn drop(&mut self) {
        // A call that never used its ports has not closed them; the next one to have them must find them free.
        self.directory.0.media.send(MediaCommand::Close { call: self.call });
        self.directory.call_over(self.call);
    }
}

/// Around a line: it is built anew, idle; its call learns that the leg is gone.
pub struct LineWorld {
    pub directory: Directory,
    pub line: LineId,
}

impl World<Line> for LineWorld {
    fn deliver(&mut self, out: &mut Vec<Post>) {
        self.directory.deliver_all(out);
    }

    fn look(&mut self, now: Instant, line: &Line) {
        self.directory.line_looks(line.status(now));
    }

    fn fell(&mut self, _now: Instant, _wreck: Line, why: &str) -> Option<Duration> {
        self.directory.line_lost_its_leg(&self.line);
        let after = self.directory.fell(&PartId::Line(self.line.clone()), why);
        if after.is_none() {
            self.directory.line_given_up(&self.line);
        }
        after
    }

    fn rebuild(&mut self, now: Instant) -> Option<Line> {
        self.directory.build_line(now, &self.line)
    }

    fn absent(&mut self, input: LineInput) -> Option<LineInput> {
        // What the old one knew means nothing to the new one, which asks its board how things stand.
        self.directory.line_absent(&self.line, input);
        None
    }
}

/// Around a gateway: it is built anew and registers again. Calls that stand do not pass through it.
pub struct GatewayWorld {
    pub directory: Directory,
    pub gateway: GatewayId,
}

impl World<Gateway> for GatewayWorld {
    fn deliver(&mut self, out: &mut Vec<Post>) {
        self.directory.deliver_all(out);
    }

    fn look(&mut self, now: Instant, gateway: &Gateway) {
        self.directory.gateway_looks(now, &self.gateway, gateway);
    }

    fn fell(&mut self, _now: Instant, _wreck: Gateway, why: &str) -> Option<Duration> {
        let after = self.directory.fell(&PartId::Gateway(self.gateway.clone()), why);
        if after.is_none() {
            self.directory.gateway_given_up(&self.gateway);
        }
        after
    }

    fn rebuild(&mut self, now: Instant) -> Option<Gateway> {
        self.directory.build_gateway(now, &self.gateway)
    }

    fn absent(&mut self, input: GatewayInput) -> Option<GatewayInput> {
        Some(input)
    }
}

/// Around the desk: it is built anew with the registrations that the directory knows.
pub struct DeskWorld {
    pub directory: Directory,
}

impl World<Desk> for DeskWorld {
    fn deliver(&mut self, out: &mut Vec<DeskOut>) {
        for said in out.drain(..) {
            match said {
                DeskOut::Transmit(transmit) => self.directory.transmit(transmit),
                DeskOut::Post(post) => self.directory.deliver(post),
            }
        }
    }

    fn taken(&mut self) {
        let waiting = &self.directory.0.desk_waiting;
        waiting.set(waiting.get().saturating_sub(1));
    }

    fn look(&mut self, now: Instant, desk: &Desk) {
        if let Some(peer) = desk.proven() {
            self.directory.0.admitter.borrow_mut().learn(now, peer);
            if let Some(net) = &*self.directory.0.net.borrow() {
                net.proven(peer);
            }
        }
    }

    fn fell(&mut self, _now: Instant, _wreck: Desk, why: &str) -> Option<Duration> {
        self.directory.fell(&PartId::SipUserAgent, why)
    }

    fn rebuild(&mut self, now: Instant) -> Option<Desk> {
        let kept = self.directory.0.index.borrow().registrations(now);
        Some(self.directory.build_desk(now, kept))
    }

    fn absent(&mut self, input: DeskInput) -> Option<DeskInput> {
        Some(input)
    }
}

/// A gateway is taken out of the configuration: it gives its registration back. Answers with the posts of that.
#[derive(Message)]
#[rtype(result = "Vec<Post>")]
pub struct Stop;

impl Handler<Stop> for GatewayShell {
    type Result = MessageResult<Stop>;

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) -> Self::Result {
        let mut posts = Vec::new();
        if let Some(gateway) = self.machine() {
            gateway.stop(&mut posts);
        }
        ctx.stop();
        MessageResult(posts)
    }
}

/// Starts a shell on this arbiter.
pub fn start<M: Machine, W: World<M>>(machine: M, world: W, mailbox: usize) -> Addr<Shell<M, W>> {
    Shell::new(machine, world, mailbox).start()
}
