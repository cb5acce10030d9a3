//! The door: what every request is asked before it becomes a transaction (RFC 3261 §8.2, in the order that RFC 4475
//! expects), and every response before it is matched to one. What passes comes out read, so that nobody behind the door
//! reads it again.
//!
//! Nothing here knows of dialogs, registrations or users. [`request`] comes before authentication, [`content`] after it:
//! who may not call need not learn what bodies we take.

use std::ops::Deref;

use bytes::Bytes;

use crate::address::{Contacts, NameAddr};
use crate::build;
use crate::chars::{self, WORD};
use crate::cseq::CSeq;
use crate::list;
use crate::message::{Headers, Method, Request, Response};
use crate::name::Name;
use crate::uri::Uri;
use crate::via::{MAGIC, Via};

/// What the exchange can do.
#[derive(Debug, Clone)]
pub struct Abilities {
    /// Methods that it takes; ACK and CANCEL are always taken.
    pub methods: Vec<Method>,
    /// Extensions that a request may require.
    pub extensions: Vec<&'static str>,
    /// Media types of bodies that it reads: `application/sdp`, or `multipart/*` for all of a kind.
    pub bodies: Vec<&'static str>,
    /// Octets in a body.
    pub body: usize,
}

impl Default for Abilities {
    fn default() -> Abilities {
        Abilities {
            methods: vec![
                Method::Invite,
                Method::Bye,
                Method::Register,
                Method::Options,
                Method::Info,
                Method::Prack,
                Method::Update,
                Method::Subscribe,
                Method::Notify,
                Method::Refer,
                Method::Message,
            ],
            extensions: vec!["100rel", "timer", "replaces", "path", "gruu", "outbound"],
            bodies: vec![
                "application/sdp",
                "application/dtmf-relay",
                "application/dtmf",
                "application/media_control+xml",
                "message/sipfrag",
                "multipart/mixed",
                "text/plain",
            ],
            body: 60_000,
        }
    }
}

impl Abilities {
    /// The value of an Allow header.
    pub fn allow(&self) -> Bytes {
        let mut out = b"ACK, CANCEL".to_vec();
        for method in &self.methods {
            out.extend_from_slice(b", ");
            out.extend_from_slice(method.as_bytes());
        }
        out.into()
    }

    fn takes(&self, method: &Method) -> bool {
        matches!(method, Method::Ack | Method::Cancel) || self.methods.contains(method)
    }

    fn reads(&self, media: &[u8]) -> bool {
        self.bodies.iter().any(|known| covers(known.as_bytes(), media))
    }
}

/// The headers that every message has, read.
#[derive(Debug, Clone)]
pub struct MandatoryHeaders {
    /// The top Via.
    pub via: Via,
    /// From.
    pub from: NameAddr,
    /// To.
    pub to: NameAddr,
    /// Call-ID.
    pub call_id: Bytes,
    /// CSeq.
    pub cseq: CSeq,
}

/// Option tags (RFC 3261 §19.2) that make a difference to what we say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OptionTags {
    /// `100rel` (RFC 3262).
    pub reliable: bool,
    /// `timer` (RFC 4028).
    pub timer: bool,
}

impl OptionTags {
    /// Those that the headers of this name list: `Require`, `Supported`.
    pub fn read(headers: &Headers, name: &Name) -> OptionTags {
        let mut tags = OptionTags::default();
        for tag in headers.all(name).flat_map(list::split) {
            tags.reliable |= tag.eq_ignore_ascii_case(b"100rel");
            tags.timer |= tag.eq_ignore_ascii_case(b"timer");
        }
        tags
    }
}

/// What is read of a request before it becomes a transaction.
#[derive(Debug, Clone)]
pub struct RequestFields {
    /// The headers that every message has.
    pub head: MandatoryHeaders,
    /// Its Request-URI.
    pub target: Uri,
    /// How many more hops it may take; 255 is the most that there is.
    pub max_forwards: Option<u8>,
    /// Its contacts.
    pub contacts: Contacts,
    /// What it requires.
    pub requires: OptionTags,
    /// What it supports.
    pub supports: OptionTags,
}

impl RequestFields {
    /// The first contact: where requests to its sender go.
    pub fn contact(&self) -> Option<&NameAddr> {
        match &self.contacts {
            Contacts::Each(each) => each.first(),
            Contacts::All => None,
        }
    }
}

/// A request that passed, with what was read of it on the way: nobody behind reads that again. The top Via that was read is
/// the one that its sender wrote, without `received`.
#[derive(Debug, Clone)]
pub struct ValidRequest {
    message: Request,
    fields: RequestFields,
}

impl ValidRequest {
    /// Judges a request as [`request`] does, and keeps it.
    ///
    /// # Errors
    /// Those of [`request`].
    pub fn read(message: Request, can: &Abilities) -> Result<ValidRequest, Refusal> {
        let fields = request(&message, can)?;
        Ok(ValidRequest { message, fields })
    }

    /// A request that passed: `fields` were read of it.
    pub(crate) fn new(message: Request, fields: RequestFields) -> ValidRequest {
        ValidRequest { message, fields }
    }

    /// What was read of it.
    pub fn fields(&self) -> &RequestFields {
        &self.fields
    }

    /// The headers that every message has.
    pub fn head(&self) -> &MandatoryHeaders {
        &self.fields.head
    }
}

impl Deref for ValidRequest {
    type Target = Request;
    fn deref(&self) -> &Request {
        &self.message
    }
}

/// A request that did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Answer this.
    Answer {
        /// Status code.
        code: u16,
        /// Reason phrase, which says what is wrong.
        reason: &'static str,
        /// What the answer must carry beside the usual: Allow, Unsupported, Accept.
        headers: Headers,
    },
    /// Say nothing.
    Drop {
        /// For the log.
        why: &'static str,
    },
}

impl Refusal {
    /// The response, if there is one. It has no To tag yet.
    pub fn answer(&self, request: &Request) -> Option<Response> {
        let Refusal::Answer { code, reason, headers } = self else { return None };
        let mut response = build::response(request, *code);
        response.reason = Bytes::from_static(reason.as_bytes());
        for (name, value) in headers.iter() {
            response.headers.push(name.clone(), value.clone());
        }
        Some(response)
    }
}

/// Judges a request before any transaction.
///
/// # Errors
/// The response to refuse the request with, or why it is dropped.
pub fn request(request: &Request, can: &Abilities) -> Result<RequestFields, Refusal> {
    judge(request, can).map_err(|refusal| match refusal {
        // An ACK is never answered (§17).
        Refusal::Answer { reason, .. } if request.method == Method::Ack => Refusal::Drop { why: reason },
        refusal => refusal,
    })
}

fn judge(request: &Request, can: &Abilities) -> Result<RequestFields, Refusal> {
    let head = MandatoryHeaders::read(&request.headers).map_err(|why| match why {
        "Missing Via" => Refusal::Drop { why },
        why => bad(why),
    })?;
    // A cookie and nothing after it names no transaction (RFC 4475 §3.2.1).
    if head.via.branch().is_some_and(|b| b.eq_ignore_ascii_case(MAGIC.as_bytes())) {
        return Err(bad("Missing Transaction Identifier"));
    }
    // Before the CSeq method, for a method of tomorrow may have a CSeq of its own (RFC 4475 §3.1.2.18).
    if let Method::Other(_) = request.method {
        return Err(refuse(501, "Not Implemented", [(Name::Allow, can.allow())]));
    }
    if head.cseq.method != request.method {
        return Err(bad("CSeq Method Does Not Match"));
    }
    if !can.takes(&request.method) {
        return Err(refuse(405, "Method Not Allowed", [(Name::Allow, can.allow())]));
    }
    let target = target(request)?;
    let max_forwards = max_forwards(&request.headers)?;
    let contacts = contacts(request)?;
    for name in [Name::Route, Name::RecordRoute] {
        if NameAddr::list(&request.headers, &name).is_err() {
            return Err(bad(if name == Name::Route { "Malformed Route" } else { "Malformed Record-Route" }));
        }
    }
    if request.method == Method::Register && matches!(head.to.uri, Uri::Other(_)) {
        // What is registered is a SIP address (§10.3), or a number.
        return Err(bad("Unsupported To URI Scheme"));
    }
    required(request, can)?;
    let [requires, supports] =
        [Name::Require, Name::Supported].map(|name| OptionTags::read(&request.headers, &name));
    Ok(RequestFields { head, target, max_forwards, contacts, requires, supports })
}

impl MandatoryHeaders {
    /// Reads the headers that every message has; each of them exactly once, Via at least once.
    ///
    /// # Errors
    /// The reason phrase for the first header that is missing, there twice or malformed.
    pub fn read(headers: &Headers) -> Result<MandatoryHeaders, &'static str> {
        let (mut from, mut to, mut call_id, mut cseq) = (None, None, None, None);
        for (name, value) in headers.iter() {
            let (place, twice) = match name {
                Name::From => (&mut from, "Multiple From"),
                Name::To => (&mut to, "Multiple To"),
                Name::CallId => (&mut call_id, "Multiple Call-ID"),
                Name::CSeq => (&mut cseq, "Multiple CSeq"),
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(twice);
            }
        }
        if headers.get(&Name::Via).is_none() {
            return Err("Missing Via");
        }
        let via = Via::top(headers).map_err(|_| "Malformed Via")?;
        let from = NameAddr::read(from.ok_or("Missing From")?).map_err(|_| "Malformed From")?;
        let to = NameAddr::read(to.ok_or("Missing To")?).map_err(|_| "Malformed To")?;
        let call_id = call_id.ok_or("Missing Call-ID")?.clone();
        if !chars::some(&call_id, WORD) {
            return Err("Malformed Call-ID");
        }
        let cseq = CSeq::read(cseq.ok_or("Missing CSeq")?).map_err(|_| "Malformed CSeq")?;
        Ok(MandatoryHeaders { via, from, to, call_id, cseq })
    }
}

/// Judges a response: one that does not pass is dropped, and the error says why.
///
/// # Errors
/// Those of [`MandatoryHeaders::read`].
pub fn response(response: &Response) -> Result<MandatoryHeaders, &'static str> {
    MandatoryHeaders::read(&response.headers)
}

/// The Request-URI: SIP, `tel:`, or a service that everyone must know (`urn:service:sos`, RFC 5031).
fn target(request: &Request) -> Result<Uri, Refusal> {
    let uri = Uri::read(&request.uri).map_err(|_| bad("Malformed Request-URI"))?;
    match &uri {
        // Headers in a Request-URI would become headers of the request (§19.1.1 forbids them here).
        Uri::Sip(sip) if sip.headers.is_some() => Err(bad("Headers In Request-URI")),
        Uri::Sip(_) | Uri::Tel(_) => Ok(uri),
        Uri::Other(other)
            if other.scheme.eq_ignore_ascii_case(b"urn")
                && other.rest.get(..8).is_some_and(|r| r.eq_ignore_ascii_case(b"service:")) =>
        {
            Ok(uri)
        }
        Uri::Other(_) => Err(refuse(416, "Unsupported URI Scheme", [])),
    }
}

fn max_forwards(headers: &Headers) -> Result<Option<u8>, Refusal> {
    let mut lines = headers.all(&Name::MaxForwards);
    let Some(value) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(bad("Multiple Max-Forwards"));
    }
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(bad("Malformed Max-Forwards"));
    }
    let hops = chars::number(value).and_then(|n| u8::try_from(n).ok());
    hops.map(Some).ok_or_else(|| bad("Max-Forwards Too Large"))
}

/// Contacts must read wherever they are, and be there where a dialog needs one (§8.1.1.8). `*` is for REGISTER.
fn contacts(request: &Request) -> Result<Contacts, Refusal> {
    let needed = matches!(request.method, Method::Invite | Method::Subscribe);
    match Contacts::read(&request.headers) {
        Err(_) => Err(bad("Malformed Contact")),
        Ok(Contacts::All) if request.method != Method::Register => Err(bad("Malformed Contact")),
        Ok(Contacts::Each(each)) if each.is_empty() && needed => Err(bad("Missing Contact")),
        Ok(contacts) => Ok(contacts),
    }
}

/// 420 with every extension that we lack (§8.2.2.3). Proxy-Require is for proxies, and ACK and CANCEL are exempt.
fn required(request: &Request, can: &Abilities) -> Result<(), Refusal> {
    if matches!(request.method, Method::Ack | Method::Cancel) {
        return Ok(());
    }
    let mut lacking = Vec::new();
    for tag in request.headers.all(&Name::Require).flat_map(list::split).filter(|tag| !tag.is_empty()) {
        if !can.extensions.iter().any(|known| tag.eq_ignore_ascii_case(known.as_bytes())) {
            if !lacking.is_empty() {
                lacking.extend_from_slice(b", ");
            }
            lacking.extend_from_slice(&tag);
        }
    }
    if lacking.is_empty() {
        return Ok(());
    }
    Err(refuse(420, "Bad Extension", [(Name::Unsupported, lacking.into())]))
}

/// Judges the body, and whether the sender would understand ours. For those who passed [`request`] and, if they must,
/// proved who they are.
///
/// # Errors
/// The response to refuse the request with: 413 (body too large), 415 (body that cannot be read), or 406 (the sender does
/// not accept SDP).
pub fn content(request: &Request, can: &Abilities) -> Result<(), Refusal> {
    if request.body.len() > can.body {
        return Err(refuse(413, "Request Entity Too Large", []));
    }
    if !request.body.is_empty() && reads_body(&request.method) {
        let encoding = request.headers.get(&Name::ContentEncoding);
        if encoding.is_some_and(|e| !e.eq_ignore_ascii_case(b"identity")) {
            let accept = (Name::AcceptEncoding, Bytes::from_static(b"identity"));
            return Err(refuse(415, "Unsupported Media Type", [accept]));
        }
        let media = request.headers.get(&Name::ContentType).ok_or_else(|| bad("Missing Content-Type"))?;
        if !can.reads(media) {
            let accept = (Name::Accept, Bytes::from(can.bodies.join(", ")));
            return Err(refuse(415, "Unsupported Media Type", [accept]));
        }
    }
    let mut accepts = request.headers.all(&Name::Accept).peekable();
    if request.method == Method::Invite && accepts.peek().is_some() {
        let sdp = accepts.flat_map(list::split).any(|range| covers(&range, b"application/sdp"));
        if !sdp {
            let warning = Bytes::from_static(b"399 ringtrip \"only application/sdp is offered\"");
            return Err(refuse(406, "Not Acceptable", [(Name::Warning, warning)]));
        }
    }
    Ok(())
}

/// Bodies of other methods are carried or ignored, so any is good.
fn reads_body(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Update | Method::Prack | Method::Message | Method::Info)
}

/// Does the media range (`*/*`, `application/*`, `application/sdp`) cover the media type? Parameters do not count.
fn covers(range: &[u8], media: &[u8]) -> bool {
    let halves = |raw: &[u8]| -> Option<(Vec<u8>, Vec<u8>)> {
        let raw = raw.split(|b| *b == b';').next()?;
        let slash = memchr::memchr(b'/', raw)?;
        let half = |h: &[u8]| chars::trim(h).to_ascii_lowercase();
        Some((half(&raw[..slash]), half(&raw[slash + 1..])))
    };
    let (Some(range), Some(media)) = (halves(range), halves(media)) else { return false };
    (range.0 == b"*" || range.0 == media.0) && (range.1 == b"*" || range.1 == media.1)
}

fn bad(reason: &'static str) -> Refusal {
    refuse(400, reason, [])
}

fn refuse<const N: usize>(code: u16, reason: &'static str, extra: [(Name, Bytes); N]) -> Refusal {
    let mut headers = Headers::default();
    for (name, value) in extra {
        headers.push(name, value);
    }
    Refusal::Answer { code, reason, headers }
}

/// A request with these headers, and with whatever else it needs to be valid.
#[cfg(test)]
pub(crate) fn sample(method: Method, lines: &[(Name, &'static str)]) -> Result<ValidRequest, Refusal> {
    let mut headers = Headers::default();
    lines.iter().for_each(|(name, value)| headers.push(name.clone(), *value));
    let usual = [
        (Name::Via, Bytes::from_static(b"SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1")),
        (Name::CallId, Bytes::from_static(b"c1")),
        (Name::CSeq, format!("1 {method}").into()),
    ];
    for (name, value) in usual {
        if headers.get(&name).is_none() {
            headers.push(name, value);
        }
    }
    let message = Request { method, uri: "sip:101@box".into(), headers, body: Bytes::new() };
    ValidRequest::read(message, &Abilities::default())
}
