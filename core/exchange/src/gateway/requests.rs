//! The requests of a gateway: REGISTER (RFC 3261 §10.2) and OPTIONS (§11.1).

use std::net::SocketAddr;

use bytes::Bytes;
use ringtrip_sip::Headers;
use ringtrip_sip::cseq::CSeq;
use ringtrip_sip::endpoint::Transport;
use ringtrip_sip::message::{Method, Request};
use ringtrip_sip::name::Name;

use super::Gateway;
use crate::leg::sip::identity::escape_user;
use crate::owner::{Ask, ClientTx, Owner};
use crate::post::Post;
use ringtrip_config::HostPort;

impl Gateway {
    pub(super) fn send_register(&mut self, out: &mut Vec<Post>) -> u32 {
        let mut headers = Headers::with_capacity(14);
        self.cseq += 1;
        self.name(&mut headers, Method::Register);
        headers.push(Name::Contact, self.contact());
        headers.push(Name::Expires, self.expires.to_string());
        // Proxies on the way may put themselves before our Contact (RFC 3327 §4.1).
        headers.push(Name::Supported, "path");
        let settings = &self.setup.settings;
        let uri = format!(
            "sip:{}{}",
            HostPort { host: settings.domain().to_owned(), port: None },
            self.transport()
        );
        let mut request = Request { method: Method::Register, uri: uri.into(), headers, body: Bytes::new() };
        if let Some(auth) = &mut self.auth {
            auth.sign(&mut request, &self.rand.hex());
        }
        self.send(request, out)
    }

    pub(super) fn send_options(&mut self, out: &mut Vec<Post>) -> u32 {
        let mut headers = Headers::with_capacity(12);
        self.cseq += 1;
        self.name(&mut headers, Method::Options);
        // Its own Call-ID: it is no part of the registration.
        headers.set(Name::CallId, format!("{}{}", self.rand.hex(), self.rand.hex()));
        headers.push(Name::Contact, self.contact());
        headers.push(Name::Accept, "application/sdp");
        let uri = format!("sip:{}{}", self.setup.settings.server, self.transport());
        let request = Request { method: Method::Options, uri: uri.into(), headers, body: Bytes::new() };
        self.send(request, out)
    }

    fn name(&self, headers: &mut Headers, method: Method) {
        let settings = &self.setup.settings;
        let me = match settings.user.as_str() {
            "" => format!("<sip:{}>", settings.domain()),
            user => format!("<sip:{}@{}>", escape_user(user), settings.domain()),
        };
        for route in self.routes() {
            headers.push(Name::Route, route);
        }
        headers.push(Name::From, format!("{me};tag={}", self.tag));
        headers.push(Name::To, me);
        headers.push(Name::CallId, self.call_id.clone());
        headers.push(Name::CSeq, CSeq { number: self.cseq, method }.write());
    }

    pub(super) fn contact(&self) -> String {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let at = self
            .servers
            .current()
            .map_or(nowhere, |server| self.setup.topology.advertised(server.local, server.remote.ip()));
        format!("<sip:{}@{at}{}>", escape_user(&self.setup.contact_user), self.transport())
    }

    pub(super) fn transport(&self) -> &'static str {
        match self.setup.settings.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
        }
    }

    /// An outbound proxy is a loose route before everything else.
    pub(super) fn routes(&self) -> Vec<String> {
        let proxy = self.setup.settings.proxy.as_ref();
        proxy.map(|proxy| format!("<sip:{proxy}{};lr>", self.transport())).into_iter().collect()
    }

    /// What calls pass. The registrar's word has the outbound proxy in it, if that is one of the way (RFC 3608 §6.1).
    pub(super) fn call_routes(&self) -> Vec<String> {
        match self.service_route.is_empty() {
            true => self.routes(),
            false => self.service_route.clone(),
        }
    }

    fn send(&mut self, request: Request, out: &mut Vec<Post>) -> u32 {
        self.sent = self.sent.wrapping_add(1);
        let tx = ClientTx { owner: Owner::Gateway(self.id().clone()), n: self.sent };
        if let Some(to) = self.servers.current() {
            out.push(Post::Sip(Ask::Send { tx, request: Box::new(request), to }));
        }
        self.sent
    }
}
