//! The one actor: a [`Shell`] hosts any machine. It hands it inputs with the time, keeps its one timer, catches its
//! panics and delivers what it says. All actors of the control plane live on one arbiter, so delivery never waits
//! and never locks.
//!
//! actix's own `Supervisor` does not restart after a panic, and `do_send` ignores a mailbox's bound; so the panic
//! boundary is here, restarts follow [`ringtrip_exchange::supervise`], and every send is a `try_send`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use actix::prelude::*;

use crate::panics::{caught, vital};

/// A machine that a shell can host.
pub trait Machine: Unpin + 'static {
    /// What it is told.
    type Input: Send + Unpin + 'static;
    /// What it says.
    type Output: Unpin;
    /// Takes one input and appends what should now happen.
    fn on(&mut self, now: Instant, input: Self::Input, out: &mut Vec<Self::Output>);
    /// When it wants to be woken.
    fn deadline(&self) -> Option<Instant>;
    /// The input that wakes it.
    fn timeout() -> Self::Input;
    /// Has it nothing more to do, for ever?
    fn is_over(&self) -> bool {
        false
    }
}

/// The world around a machine: who takes its posts, and who decides after a panic.
pub trait World<M: Machine>: Unpin + 'static {
    /// Delivers what the machine said; empties `out`.
    fn deliver(&mut self, out: &mut Vec<M::Output>);
    /// The next answer to what the machine has just asked: it is taken in the same step.
    fn answer(&mut self) -> Option<M::Input> {
        None
    }
    /// What the log writes before everything that happens in this machine's steps: a call names itself.
    fn span(&self) -> tracing::Span {
        tracing::Span::none()
    }
    /// An input was taken from the mailbox.
    fn taken(&mut self) {}
    /// Looks at the machine after each step, for those who show it.
    fn look(&mut self, _now: Instant, _machine: &M) {}
    /// The machine panicked. `wreck` is what is left of it. Answers when to build it anew, or `None` to give up.
    fn fell(&mut self, now: Instant, wreck: M, why: &str) -> Option<Duration>;
    /// Builds the machine anew.
    fn rebuild(&mut self, now: Instant) -> Option<M>;
    /// An input came while there is no machine. What is given back waits for the new one.
    fn absent(&mut self, input: M::Input) -> Option<M::Input>;
    /// The machine is over and the actor is about to stop.
    fn over(&mut self) {}
}

/// The actor.
pub struct Shell<M: Machine, W: World<M>> {
    machine: Option<M>,
    span: tracing::Span,
    world: W,
    out: Vec<M::Output>,
    armed: Option<(Instant, SpawnHandle)>,
    mailbox: usize,
    /// What came while the machine is being built anew; as many as the mailbox holds.
    waiting: VecDeque<M::Input>,
}

/// An input on its way to a shell.
#[derive(Message)]
#[rtype(result = "()")]
pub struct In<I: Send + 'static>(pub I);

/// A panic to be thrown inside the machine's boundary: proves that supervision works (developer mode only).
#[derive(Message)]
#[rtype(result = "()")]
pub struct Fall(pub &'static str);

/// Something to be done to the machine itself: new settings, the wall clock.
#[derive(Message)]
#[rtype(result = "()")]
pub struct With<M>(pub Box<dyn FnOnce(&mut M) + Send>);

impl<M: Machine, W: World<M>> Shell<M, W> {
    /// A shell around this machine whose mailbox holds this many inputs.
    pub fn new(machine: M, world: W, mailbox: usize) -> Self {
        Shell {
            machine: Some(machine),
            span: world.span(),
            world,
            out: Vec::new(),
            armed: None,
            mailbox,
            waiting: VecDeque::new(),
        }
    }

    /// Starts the actor in this context, after what its machine said at its birth was delivered.
    pub fn run(mut self, mut ctx: Context<Self>, mut said: Vec<M::Output>) {
        let span = self.span.clone();
        let inside = span.enter();
        self.world.deliver(&mut said);
        let answer = self.world.answer();
        drop(inside);
        ctx.set_mailbox_capacity(self.mailbox);
        if let Some(answer) = answer {
            self.step(&mut ctx, answer);
        }
        ctx.run(self);
    }

    /// The machine, unless it fell.
    pub fn machine(&mut self) -> Option<&mut M> {
        self.machine.as_mut()
    }

    fn step(&mut self, ctx: &mut Context<Self>, input: M::Input) {
        let Some(machine) = self.machine.as_mut() else {
            if let Some(input) = self.world.absent(input)
                && self.waiting.len() < self.mailbox
            {
                self.waiting.push_back(input);
            }
            return;
        };
        let span = self.span.clone();
        let _inside = span.enter();
        let now = Instant::now();
        let mut next = Some(input);
        while let Some(input) = next {
            let out = &mut self.out;
            if let Err(why) = caught(|| machine.on(now, input, out)) {
                return self.fall(ctx, now, &why);
            }
            self.world.deliver(&mut self.out);
            next = self.world.answer();
        }
        self.world.look(now, machine);
        self.settle(ctx);
    }

    fn settle(&mut self, ctx: &mut Context<Self>) {
        let Some(machine) = &self.machine else { return };
        if machine.is_over() {
            self.world.over();
            ctx.stop();
            return;
        }
        let Some(deadline) = machine.deadline() else { return };
        // A timer that fires early only looks again; so it is moved when it must come sooner, never when later.
        if self.armed.is_none_or(|(at, _)| deadline < at) {
            if let Some((_, handle)) = self.armed.take() {
                ctx.cancel_future(handle);
            }
            let wait = deadline.saturating_duration_since(Instant::now());
            self.armed = Some((deadline, ctx.run_later(wait, Self::wake)));
        }
    }

    fn wake(&mut self, ctx: &mut Context<Self>) {
        self.armed = None;
        match self.machine.as_ref().and_then(M::deadline) {
            Some(deadline) if deadline <= Instant::now() => vital(|| self.step(ctx, M::timeout())),
            _ => self.settle(ctx),
        }
    }

    fn fall(&mut self, ctx: &mut Context<Self>, now: Instant, why: &str) {
        // What it said before it fell is half a sentence: not delivered.
        self.out.clear();
        let Some(wreck) = self.machine.take() else { return };
        match self.world.fell(now, wreck, why) {
            Some(after) => {
                ctx.run_later(after, |shell, ctx| {
                    vital(|| {
                        shell.machine = shell.world.rebuild(Instant::now());
                        // One of these may be what it fell over: then the rest waits once more.
                        for input in std::mem::take(&mut shell.waiting) {
                            shell.step(ctx, input);
                        }
                        shell.settle(ctx);
                    });
                });
            }
            None => ctx.stop(),
        }
    }
}

impl<M: Machine, W: World<M>> Actor for Shell<M, W> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(self.mailbox);
        self.settle(ctx);
    }
}

impl<M: Machine, W: World<M>> Handler<In<M::Input>> for Shell<M, W> {
    type Result = ();

    fn handle(&mut self, In(input): In<M::Input>, ctx: &mut Self::Context) {
        self.world.taken();
        // What the machine says is delivered by code that all parts share.
        vital(|| self.step(ctx, input));
    }
}

impl<M: Machine, W: World<M>> Handler<With<M>> for Shell<M, W> {
    type Result = ();

    fn handle(&mut self, With(change): With<M>, ctx: &mut Self::Context) {
        let now = Instant::now();
        let Some(machine) = self.machine.as_mut() else { return };
        match caught(|| change(machine)) {
            Ok(()) => {
                self.world.look(now, machine);
                self.settle(ctx);
            }
            Err(why) => self.fall(ctx, now, &why),
        }
    }
}

impl<M: Machine, W: World<M>> Handler<Fall> for Shell<M, W> {
    type Result = ();

    fn handle(&mut self, Fall(why): Fall, ctx: &mut Self::Context) {
        if self.machine.is_some()
            && let Err(why) = caught(|| -> () { std::panic::panic_any(why) })
        {
            self.fall(ctx, Instant::now(), &why);
        }
    }
}
