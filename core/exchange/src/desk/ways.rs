//! The ways to registered phones: kept open where a router would close them, and followed where a phone has moved.

use std::time::Instant;

use bytes::Bytes;
use ringtrip_sip::Headers;
use ringtrip_sip::cseq::CSeq;
use ringtrip_sip::endpoint::{Flow, Transmit, Transport};
use ringtrip_sip::message::{Method, Request};
use ringtrip_sip::name::Name;
use ringtrip_sip::registrar::{self, Binding, Change};
use ringtrip_sip::via::Via;

use super::keep_alive::{Measured, Question, way_of};
use super::{Desk, DeskOut};
use crate::owner::{Ask, ClientTx, Owner, Told};
use crate::post::Post;
use ringtrip_config::{External, KeepAliveBy};
use ringtrip_model::ids::{ExtId, GatewayId};

impl Desk {
    /// These phones registered, or have gone.
    pub(super) fn ways_changed(&mut self, now: Instant, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Moved { from, to } => self.moved.note(*from, *to),
                Change::Registered { aor, .. } => self.keep_ways_of(now, aor),
                Change::Unregistered { .. } | Change::Unconnected { .. } => {}
            }
        }
    }

    /// The ways to all phones, after a start or with new settings.
    pub(super) fn keep_all_ways(&mut self, now: Instant) {
        let all: Vec<Bytes> = self.registrar.iter().map(|(aor, _)| aor.clone()).collect();
        all.iter().for_each(|aor| self.keep_ways_of(now, aor));
    }

    fn keep_ways_of(&mut self, now: Instant, aor: &Bytes) {
        for binding in self.registrar.bindings(now, aor) {
            self.moved.here(binding.flow);
            if self.must_be_kept_open(binding) {
                self.keep_alive.keep(now, binding.flow, aor);
            }
        }
    }

    /// A router stands between: the Contact says so, or it has hidden that well and the phone is outside.
    fn must_be_kept_open(&self, binding: &Binding) -> bool {
        let flow = binding.flow;
        let is_open = flow.transport == Transport::Udp || flow.connection != 0;
        let is_outside =
            registrar::is_translated(&binding.contact, flow) || !self.topology.is_local(flow.remote.ip());
        self.config.sip.keep_alive != KeepAliveBy::Nothing && is_open && is_outside
    }

    /// Sends what is due on ways that are still used.
    pub(super) fn keep_ways_open(&mut self, now: Instant, out: &mut Vec<DeskOut>) {
        let interval = self.config.sip.keep_alive_interval;
        while let Some((way, mut aors)) = self.keep_alive.next_due(now) {
            let uses = |binding: &&Binding| way_of(binding.flow) == way && self.must_be_kept_open(binding);
            aors.retain(|aor| self.registrar.bindings(now, aor).iter().any(uses));
            let first = aors.first().and_then(|aor| self.registrar.bindings(now, aor).into_iter().find(uses));
            let to = first.map(|binding| (binding.flow, binding.uri(), binding.path.clone()));
            self.keep_alive.again(now, way, aors, interval);
            let Some((flow, uri, path)) = to else { continue };
            match self.config.sip.keep_alive {
                KeepAliveBy::Nothing => {}
                KeepAliveBy::Crlf => {
                    // RFC 5626 §4.4.1 and §5.4: whoever knows it answers; all others pass over empty lines.
                    let bytes = Bytes::from_static(b"\r\n\r\n");
                    out.push(DeskOut::Transmit(Transmit { flow, bytes }));
                }
                KeepAliveBy::Options => {
                    let Some(question) = self.keep_alive.question(now, way) else { continue };
                    let tx = ClientTx { owner: Owner::KeepAlive, n: question.n };
                    let request = Box::new(self.options(flow, uri, &path, &question));
                    self.ask(now, Ask::Send { tx: tx.clone(), request, to: flow }, out);
                    // It is not repeated: what it is for, the first packet does.
                    self.ask(now, Ask::Abandon { tx }, out);
                }
            }
        }
    }

    fn options(&self, flow: Flow, uri: Bytes, path: &[Bytes], question: &Question) -> Request {
        let mut headers = Headers::with_capacity(12);
        for route in path {
            headers.push(Name::Route, route.clone());
        }
        let me = format!("<sip:{}>", self.config.sip.domain);
        headers.push(Name::From, format!("{me};tag={}", question.call_id.get(..8).unwrap_or("keep")));
        headers.push(Name::To, [b"<", &uri[..], b">"].concat());
        headers.push(Name::CallId, question.call_id.clone());
        headers.push(Name::CSeq, CSeq { number: question.cseq, method: Method::Options }.write());
        let at = self.topology.advertised(flow.local, flow.remote.ip());
        headers.push(Name::Contact, format!("<sip:{at}>"));
        headers.push(Name::Accept, "application/sdp");
        Request { method: Method::Options, uri, headers, body: Bytes::new() }
    }

    /// A provider writes the address that it sees us at into our Via (RFC 3581 §4). News of that are told, where the
    /// configuration wants our outside address to be learned so.
    pub(super) fn seen_by(&mut self, gateway: &GatewayId, told: &Told, out: &mut Vec<DeskOut>) {
        let Told::Response { response, .. } = told else { return };
        if self.config.sip.external != Some(External::Learned) {
            return;
        }
        let via = Via::top(&response.headers).ok();
        let Some(seen) = via.and_then(|via| via.received().or_else(|| via.host.ip())) else { return };
        if self.seen.insert(gateway.clone(), seen) != Some(seen) {
            out.push(DeskOut::Post(Post::SeenAs { gateway: gateway.clone(), seen }));
        }
    }

    /// How long the phone of this registration took to answer, if it was asked.
    pub fn latency(&self, flow: Flow) -> Option<std::time::Duration> {
        self.keep_alive.latency(flow)
    }

    /// The message goes to somebody who may have moved since.
    pub(super) fn redirected(&self, ask: Ask) -> Ask {
        match ask {
            Ask::Send { tx, request, to } => Ask::Send { tx, request, to: self.moved.now_at(to) },
            Ask::Ack { tx, request, to } => Ask::Ack { tx, request, to: self.moved.now_at(to) },
            other => other,
        }
    }
}

/// The latency of a phone, for those who watch.
pub(super) fn tell_latency(news: Option<Measured>, out: &mut Vec<DeskOut>) {
    let Some(Measured { aors, remote, latency }) = news else { return };
    let exts = aors.iter().filter_map(|aor| std::str::from_utf8(aor).ok()?.parse::<ExtId>().ok());
    out.extend(exts.map(|ext| DeskOut::Post(Post::Latency { ext, remote, latency })));
}
