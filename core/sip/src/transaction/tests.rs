//! The four tables, row by row, in virtual time.

use super::store::{Slab, Sleeper, Wake, Wakes};
use super::*;

// Tests need some instant to count from; the machines never ask for one.
#[allow(clippy::disallowed_methods)]
fn start() -> Instant {
    Instant::now()
}

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Runs a machine: each step is a time in ms and an event; the answers are what it says to each, and at the end its state's
/// name. Timers due between two steps are fired by themselves and listed as `@ms what`.
macro_rules! runner {
    ($run:ident, $machine:ty, $module:ident, $new:expr) => {
        fn $run(what: &str, delivery: Delivery, steps: &[(u64, $module::Event)], want: &[&str]) {
            let (t0, timers) = (start(), Timers::default());
            #[allow(clippy::redundant_closure_call)]
            let mut machine: $machine = ($new)(t0, delivery, &timers);
            let mut said = Vec::new();
            for &(at, event) in steps {
                while let Some(due) = machine.deadline().filter(|due| *due < t0 + MS(at)) {
                    let (next, then) = machine.on(due, $module::Event::Timer, delivery, &timers);
                    said.push(format!("@{} {then:?}", (due - t0).as_millis()));
                    machine = next;
                }
                let (next, then) = machine.on(t0 + MS(at), event, delivery, &timers);
                if event != $module::Event::Timer {
                    said.push(format!("{then:?}"));
                }
                machine = next;
            }
            let state = format!("{machine:?}");
            said.push(state.split([' ', '{']).next().unwrap_or_default().to_owned());
            assert_eq!(said, want, "{what}");
        }
    };
}

runner!(invite_client, InviteClient, invite_client, InviteClient::new);
runner!(non_invite_client, NonInviteClient, client, NonInviteClient::new);
runner!(invite_server, InviteServer, invite_server, |t, _, timers| InviteServer::new(t, timers));
runner!(non_invite_server, NonInviteServer, server, |t, _, timers| NonInviteServer::new(t, timers));

use Delivery::{Reliable, Unreliable};

#[test]
fn invite_client_rows() {
    use invite_client::Event::*;
    invite_client(
        "nobody answers on UDP: timer A doubles without cap, B ends it",
        Unreliable,
        &[(40_000, Timer)],
        &[
            "@500 Resend",
            "@1500 Resend",
            "@3500 Resend",
            "@7500 Resend",
            "@15500 Resend",
            "@31500 Resend",
            "@32000 TimedOut",
            "Terminated",
        ],
    );
    invite_client("nor on TCP", Reliable, &[(40_000, Timer)], &["@32000 TimedOut", "Terminated"]);
    invite_client(
        "ringing stops timer A, a failure is acknowledged as often as it comes",
        Unreliable,
        &[(100, Provisional), (9000, Provisional), (9500, Failure), (10_000, Failure), (60_000, Timer)],
        &["Tell", "Tell", "TellAndAck", "Ack", "@41500 Nothing", "Terminated"],
    );
    invite_client(
        "on TCP a failure ends it at once",
        Reliable,
        &[(1, Failure)],
        &["TellAndAck", "Terminated"],
    );
    invite_client(
        "a 2xx and those of other branches (RFC 6026)",
        Reliable,
        &[(1, Success), (20, Success), (30, Provisional), (40, Failure), (32_100, Timer)],
        &["Tell", "Tell", "Nothing", "Nothing", "@32001 Nothing", "Terminated"],
    );
    invite_client(
        "a cancelled INVITE that is never answered ends after 64·T1",
        Unreliable,
        &[(10, Provisional), (100, Cancelled), (50_000, Timer)],
        &["Tell", "Nothing", "@32100 TimedOut", "Terminated"],
    );
    invite_client("the transport fails", Unreliable, &[(1, Broken)], &["Broken", "Terminated"]);
    invite_client(
        "too late to matter",
        Unreliable,
        &[(1, Success), (2, Broken)],
        &["Tell", "Nothing", "Accepted"],
    );
}

#[test]
fn non_invite_client_rows() {
    use client::Event::*;
    non_invite_client(
        "nobody answers on UDP: timer E doubles up to T2",
        Unreliable,
        &[(40_000, Timer)],
        &[
            "@500 Resend",
            "@1500 Resend",
            "@3500 Resend",
            "@7500 Resend",
            "@11500 Resend",
            "@15500 Resend",
            "@19500 Resend",
            "@23500 Resend",
            "@27500 Resend",
            "@31500 Resend",
            "@32000 TimedOut",
            "Terminated",
        ],
    );
    non_invite_client(
        "after a 100 it is repeated each T2",
        Unreliable,
        &[(100, Provisional), (6000, Final), (6001, Final), (12_000, Timer)],
        &["Tell", "@500 Resend", "@4500 Resend", "Tell", "Nothing", "@11000 Nothing", "Terminated"],
    );
    non_invite_client("TCP needs no timer K", Reliable, &[(100, Final)], &["Tell", "Terminated"]);
    non_invite_client("the transport fails", Reliable, &[(1, Broken)], &["Broken", "Terminated"]);
}

#[test]
fn invite_server_rows() {
    use invite_server::Event::*;
    invite_server(
        "100 after 200 ms, or at once for a copy",
        Unreliable,
        &[(300, Again), (400, Provisional), (500, Again)],
        &["@200 Trying", "ResendOrTrying", "Send", "ResendOrTrying", "Proceeding"],
    );
    invite_server(
        "no 100 where we ring at once",
        Unreliable,
        &[(10, Provisional), (5000, Timer)],
        &["Send", "Proceeding"],
    );
    invite_server(
        "a failure is repeated by timer G up to T2 until the ACK",
        Unreliable,
        &[(0, Failure), (9000, Again), (9100, Ack), (9200, Ack), (15_000, Timer)],
        &[
            "Send",
            "@500 Resend",
            "@1500 Resend",
            "@3500 Resend",
            "@7500 Resend",
            "Resend",
            "Nothing",
            "Nothing",
            "@14100 Nothing",
            "Terminated",
        ],
    );
    invite_server(
        "on TCP it is not",
        Reliable,
        &[(0, Failure), (20_000, Ack)],
        &["Send", "Nothing", "Terminated"],
    );
    invite_server(
        "timer H",
        Reliable,
        &[(0, Failure), (33_000, Timer)],
        &["Send", "@32000 Nothing", "Terminated"],
    );
    invite_server(
        "a 2xx is repeated on TCP too (§13.3.1.4), copies of the INVITE are absorbed (RFC 6026)",
        Reliable,
        &[(0, Success), (600, Again), (2000, Ack), (2100, Ack), (3000, Again), (32_500, Timer)],
        &[
            "Send",
            "@500 Resend",
            "Nothing",
            "@1500 Resend",
            "TellAck",
            "Nothing",
            "Nothing",
            "@32000 Nothing",
            "Terminated",
        ],
    );
    invite_server(
        "a 2xx that nobody acknowledges",
        Unreliable,
        &[(0, Success), (33_000, Timer)],
        &[
            "Send",
            "@500 Resend",
            "@1500 Resend",
            "@3500 Resend",
            "@7500 Resend",
            "@11500 Resend",
            "@15500 Resend",
            "@19500 Resend",
            "@23500 Resend",
            "@27500 Resend",
            "@31500 Resend",
            "@32000 Unacknowledged",
            "Terminated",
        ],
    );
}

#[test]
fn non_invite_server_rows() {
    use server::Event::*;
    non_invite_server(
        "the 100 comes neither early nor late (RFC 4320)",
        Unreliable,
        &[(100, Again), (4000, Again), (5000, Final), (6000, Again), (40_000, Timer)],
        &["Nothing", "@3500 Trying", "Resend", "Send", "Resend", "@37000 Nothing", "Terminated"],
    );
    non_invite_server(
        "a late final is not sent",
        Unreliable,
        &[(33_000, Timer), (33_001, Final)],
        &["@3500 Trying", "@32000 Nothing", "Nothing", "Terminated"],
    );
    non_invite_server("TCP needs no timer J", Reliable, &[(5, Final)], &["Send", "Terminated"]);
}

#[test]
fn times_that_follow_from_t1() {
    let t = Timers::default();
    assert_eq!((t.end(), t.d(), t.late()), (MS(32_000), MS(32_000), MS(3500)));
    let slow = Timers { t1: MS(1000), ..t };
    assert_eq!((slow.end(), slow.d(), slow.late()), (MS(64_000), MS(64_000), MS(3000)));
}

#[test]
fn a_stale_number_finds_nothing() {
    let mut slab = Slab::default();
    let next = slab.next_id();
    let a = slab.insert('a');
    assert_eq!(a, next);
    assert_eq!(slab.remove(a), Some('a'));
    let next = slab.next_id();
    let b = slab.insert('b');
    assert_eq!(b, next);
    assert_ne!(a, b);
    assert_eq!(slab.remove(a), None);
    assert_eq!((slab.get(a), slab.get(b), slab.len()), (None, Some(&'b'), 1));
    assert_eq!(slab.ids().collect::<Vec<_>>(), [b]);
}

#[test]
fn wake_ups_come_in_order_and_are_queued_once() {
    let t = start();
    let mut wakes = Wakes::default();
    let (mut a, mut b) = (None, None);
    wakes.want(Sleeper::Client(1), Some(Wake::Act(t + MS(20))), &mut a);
    wakes.want(Sleeper::Client(1), Some(Wake::Act(t + MS(30))), &mut a);
    wakes.want(Sleeper::Server(2), Some(Wake::Act(t + MS(10))), &mut b);
    assert_eq!(wakes.first(), Some((t + MS(10), Sleeper::Server(2))));
    assert_eq!(wakes.due(t + MS(9)), None);
    assert_eq!(wakes.due(t + MS(50)), Some((t + MS(10), Sleeper::Server(2))));
    assert_eq!(wakes.due(t + MS(50)), Some((t + MS(20), Sleeper::Client(1))));
    assert_eq!(wakes.due(t + MS(50)), None);
}

#[test]
fn what_is_only_forgotten_is_forgotten_together_and_never_early() {
    let t = start();
    let mut wakes = Wakes::default();
    for (n, ms) in [0, 100, 500, 501].into_iter().enumerate() {
        wakes.want(Sleeper::Server(n as u64), Some(Wake::Forget(t + MS(ms))), &mut None);
    }
    let times: Vec<_> = std::iter::from_fn(|| wakes.due(t + MS(2000))).map(|(at, _)| at - t).collect();
    assert_eq!(times, [MS(0), MS(500), MS(500), MS(1000)]);
}
