//! What the faces ask of the exchange (`control.rs`), granted on the control arbiter.

use std::sync::atomic::Ordering;
use std::time::Instant;

use ringtrip_exchange::call::{Birth, Caller, MAX_FORWARDS};
use ringtrip_exchange::directory::{Located, Wanted};
use ringtrip_exchange::post::{CallInput, Post};
use ringtrip_exchange::route::Target;
use ringtrip_exchange::supervise::PartId;
use ringtrip_model::event::Event;
use ringtrip_model::ids::{CallId, GatewayId, LineId};
use ringtrip_model::party::{CallerId, Cause, Digits, Source};
use tokio::sync::mpsc;

use super::directory::Directory;
use super::{boards, find, route};
use crate::control::{AdminCommand, ControlError, Fault, Reply};
use crate::shell::Fall;

/// Carries out commands, for ever.
pub(super) async fn attend(dir: Directory, mut wishes: mpsc::Receiver<AdminCommand>) {
    while let Some(wish) = wishes.recv().await {
        if wish.is_abandoned() {
            continue;
        }
        match wish {
            AdminCommand::Originate { from, to, reply } => originate(&dir, &from, &to, reply),
            AdminCommand::Hangup { call, reply } => {
                let _ = reply.send(hangup(&dir, call));
            }
            AdminCommand::Deploy { claim, .. } if !claim.take() => {}
            AdminCommand::Deploy { deployment, version, by, summary, reply, .. } => {
                let applied = dir.apply(*deployment);
                if applied.is_ok() {
                    dir.tell(Event::ConfigActive { version, by, summary });
                }
                let _ = reply.send(applied);
            }
            AdminCommand::ReloadScript { name, text, reply } => route::reload(&dir, name, text, reply),
            AdminCommand::ReadScript { name, reply } => route::read(&dir, &name, reply),
            AdminCommand::Sim(ask) => boards::sim(&dir, ask),
            AdminCommand::InjectFault { part, kind, reply } => {
                let _ = reply.send(break_it(&dir, &part, kind));
            }
        }
    }
}

/// The party of this name: an extension, a line or a gateway.
fn source_of(dir: &Directory, name: &str) -> Result<Source, ControlError> {
    let config = dir.0.config.borrow().clone();
    let missing = || ControlError::Missing { what: "extension, line or gateway", name: name.to_owned() };
    if let Some(ext) = config.extension(name) {
        return Ok(Source::Extension(ext.id.clone()));
    }
    if let Some(line) = name.parse::<LineId>().ok().filter(|id| config.line(id).is_some()) {
        return Ok(Source::Line(line));
    }
    let gateway = name.parse::<GatewayId>().ok().filter(|id| config.gateway(id).is_some());
    gateway.map(Source::Gateway).ok_or_else(missing)
}

fn hangup(dir: &Directory, call: CallId) -> Result<(), ControlError> {
    if !dir.0.calls.borrow().contains_key(&call) {
        return Err(ControlError::Missing { what: "call", name: call.to_string() });
    }
    dir.deliver(Post::Call { call, input: CallInput::Hangup(Cause::Operator) });
    Ok(())
}

/// "Click to dial": the call is born with the phones that `from` has now.
fn originate(dir: &Directory, from: &str, to: &str, reply: Reply<CallId>) {
    let number = Digits::new(to);
    let (source, target) = match source_of(dir, from) {
        Ok(Source::Extension(ext)) => (Source::Extension(ext.clone()), Target::Extension(ext)),
        Ok(Source::Line(line)) => (Source::Line(line.clone()), Target::Line(line)),
        Ok(_) => {
            let what = format!("{from} cannot be rung first");
            let _ =
                reply.send(Err(ControlError::Bad { what, hint: "name an extension or a line".to_owned() }));
            return;
        }
        Err(e) => {
            let _ = reply.send(Err(e));
            return;
        }
    };
    if number.is_empty() {
        let what = "the number to call is empty".to_owned();
        let _ = reply.send(Err(ControlError::Bad { what, hint: "name it in `to`".to_owned() }));
        return;
    }
    let wanted = Wanted { target: &target, emergency: false, except: &[] };
    let located = dir.0.index.borrow_mut().locate(Instant::now(), wanted);
    let found = match located {
        Located::Here(Ok(found)) => find::rooted(dir, found),
        Located::Here(Err(cause)) => {
            let text = format!("{from} cannot be rung: {}", cause.word());
            let _ = reply.send(Err(ControlError::Busy(text)));
            return;
        }
        // Neither an extension nor a line.
        Located::Gateway(_) | Located::Host(_) => return,
    };
    let call = dir.0.ids.call();
    let birth = Birth {
        id: call,
        at: Default::default(),
        source,
        caller: CallerId { number: from.to_owned(), ..CallerId::default() },
        dialled: number,
        planned: None,
        hops: MAX_FORWARDS,
        a: Caller::Operator { found },
        ports: [0, 0],
    };
    dir.deliver(Post::NewCall(Box::new(birth)));
    let _ = reply.send(Ok(call));
}

/// Breaks a part on purpose, to show that the others do not notice.
fn break_it(dir: &Directory, part: &PartId, kind: Fault) -> Result<(), ControlError> {
    if !dir.0.developer {
        return Err(ControlError::Forbidden(
            "only an exchange started with --developer breaks itself".to_owned(),
        ));
    }
    let missing = || ControlError::Missing { what: "part", name: part.to_string() };
    let why = "a fault was injected";
    match (part, kind) {
        (PartId::Board(id), Fault::Kill) => boards::kill(dir, id).then_some(()).ok_or_else(missing),
        (PartId::Line(id), Fault::Panic) => {
            let lines = dir.0.lines.borrow();
            lines.get(id).and_then(|line| line.try_send(Fall(why)).ok()).ok_or_else(missing)
        }
        (PartId::Gateway(id), Fault::Panic) => {
            let gateways = dir.0.gateways.borrow();
            gateways.get(id).and_then(|g| g.try_send(Fall(why)).ok()).ok_or_else(missing)
        }
        (PartId::Call(id), Fault::Panic) => {
            let calls = dir.0.calls.borrow();
            calls.get(id).and_then(|c| c.addr.try_send(Fall(why)).ok()).ok_or_else(missing)
        }
        (PartId::SipUserAgent, Fault::Panic) => {
            let desk = dir.0.desk.borrow();
            desk.as_ref().and_then(|d| d.try_send(Fall(why)).ok()).ok_or_else(missing)
        }
        (PartId::Route, Fault::Panic) => {
            route::fall(dir, why);
            Ok(())
        }
        (PartId::Media, Fault::Panic) => {
            dir.0.media.panic(why);
            Ok(())
        }
        (PartId::Store, Fault::Panic) => {
            dir.0.store.inject_panic();
            Ok(())
        }
        (PartId::Store, Fault::DiskFull | Fault::DiskError | Fault::None) => {
            let faults = dir.0.store.faults();
            let full = if kind == Fault::DiskFull { nix::libc::ENOSPC } else { 0 };
            let broken = if kind == Fault::DiskError { nix::libc::EIO } else { 0 };
            faults.write.store(full, Ordering::Relaxed);
            faults.sync.store(broken, Ordering::Relaxed);
            Ok(())
        }
        _ => Err(ControlError::unbreakable(&part.to_string(), kind)),
    }
}
