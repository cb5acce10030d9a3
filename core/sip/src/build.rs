//! Responses made from the requests that they answer (RFC 3261 §8.2.6), and their reason phrases.

use bytes::Bytes;

use crate::address::NameAddr;
use crate::message::{Headers, Request, Response};
use crate::name::Name;

/// A response that copies Via, From, To, Call-ID and CSeq as they came, and Timestamp into a 100. Nothing that the request
/// lacks is invented.
pub fn response(request: &Request, code: u16) -> Response {
    let mut headers = Headers::with_capacity(request.headers.len().min(16) + 4);
    for (name, value) in request.headers.iter() {
        let copied = matches!(name, Name::Via | Name::From | Name::To | Name::CallId | Name::CSeq)
            || (code == 100 && *name == Name::Timestamp);
        if copied {
            headers.push(name.clone(), value.clone());
        }
    }
    Response { code, reason: Bytes::from_static(reason(code).as_bytes()), headers, body: Bytes::new() }
}

/// The same with a tag in To, unless it has one. Every response but 100 has one (§8.2.6.2).
pub fn tagged(request: &Request, code: u16, tag: &str) -> Response {
    let mut response = response(request, code);
    tag_to(&mut response.headers, tag);
    response
}

/// Adds a tag to the To header, unless it has one or cannot be read. The octets before it stay as they are.
pub fn tag_to(headers: &mut Headers, tag: &str) {
    let Some((_, value)) = headers.iter_mut().find(|(name, _)| *name == Name::To) else { return };
    if NameAddr::read(value).is_ok_and(|to| to.tag().is_none()) {
        let mut out = Vec::with_capacity(value.len() + tag.len() + 5);
        out.extend_from_slice(value);
        out.extend_from_slice(b";tag=");
        out.extend_from_slice(tag.as_bytes());
        *value = out.into();
    }
}

/// The reason phrase of the RFC that defines a code; for other codes the one of its class.
pub fn reason(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        417 => "Unknown Resource-Priority",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        428 => "Use Identity Header",
        429 => "Provide Referrer Identity",
        430 => "Flow Failed",
        433 => "Anonymity Disallowed",
        436 => "Bad Identity Info",
        437 => "Unsupported Certificate",
        438 => "Invalid Identity Header",
        439 => "First Hop Lacks Outbound Support",
        440 => "Max-Breadth Exceeded",
        469 => "Bad Info Package",
        470 => "Consent Needed",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        _ if code < 200 => "Progress",
        _ if code < 300 => "OK",
        _ if code < 400 => "Redirection",
        _ if code < 500 => "Request Failure",
        _ if code < 600 => "Server Failure",
        _ => "Global Failure",
    }
}
