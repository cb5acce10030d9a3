//! What a transfer says in headers: Refer-To (RFC 3515 §2.1), Replaces (RFC 3891 §6.1), and the status line that a NOTIFY
//! brings about it (RFC 3420).

use bytes::Bytes;

use crate::address::NameAddr;
use crate::build;
use crate::list;
use crate::message::{Headers, Method};
use crate::name::Name;
use crate::params::Params;
use crate::uri::{self, Uri};

/// A dialog by its names, as the one knows them who is asked to give it up: `to_tag` is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaces {
    /// The Call-ID.
    pub call_id: Bytes,
    /// The tag of the one who is asked.
    pub to_tag: Bytes,
    /// The tag of its peer.
    pub from_tag: Bytes,
    /// Only if it is not answered yet.
    pub early_only: bool,
}

/// Whom a REFER names.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferTo {
    /// The URI without its headers.
    pub uri: Uri,
    /// The dialog to take over there (RFC 5589 §7).
    pub replaces: Option<Replaces>,
}

/// Why it cannot be obeyed; the code to answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// 400: missing, there twice, or not to be read.
    #[error("invalid header: expected one that can be read")]
    Malformed,
    /// 403: another request than INVITE is asked for.
    #[error("only an INVITE can be asked for")]
    Method,
}

impl Unfit {
    /// The status code that says so.
    pub fn code(self) -> u16 {
        match self {
            Unfit::Malformed => 400,
            Unfit::Method => 403,
        }
    }
}

impl Replaces {
    /// Reads a value: `call-id;to-tag=x;from-tag=y`, with `;early-only` perhaps. Tags must be there once each.
    ///
    /// # Errors
    /// [`Unfit::Malformed`]: there is no Call-ID, or a tag is missing, empty or there twice.
    pub fn read(value: &Bytes) -> Result<Replaces, Unfit> {
        let end = value.iter().position(|b| *b == b';').ok_or(Unfit::Malformed)?;
        let call_id = value.slice(..end);
        let call_id = call_id.slice_ref(call_id.trim_ascii());
        let params = Params::read(&value.slice(end..)).map_err(|_| Unfit::Malformed)?;
        let one = |name: &str| {
            let count = params.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).count();
            params.bytes(name).filter(|tag| count == 1 && !tag.is_empty()).ok_or(Unfit::Malformed)
        };
        let (to_tag, from_tag) = (one("to-tag")?, one("from-tag")?);
        if call_id.is_empty() {
            return Err(Unfit::Malformed);
        }
        Ok(Replaces { call_id, to_tag, from_tag, early_only: params.has("early-only") })
    }

    /// The header of an INVITE, if it has one; two are an error (RFC 3891 §3).
    pub fn of(headers: &Headers) -> Option<Result<Replaces, Unfit>> {
        let mut values = headers.all(&Name::Replaces);
        let first = values.next()?;
        Some(if values.next().is_some() { Err(Unfit::Malformed) } else { Replaces::read(first) })
    }
}

impl ReferTo {
    /// The Refer-To of a REFER, which must have one (RFC 3515 §2.4.2).
    ///
    /// # Errors
    /// [`Unfit::Malformed`] if there is not exactly one value that can be read; [`Unfit::Method`] if it asks for another
    /// request than INVITE.
    pub fn of(headers: &Headers) -> Result<ReferTo, Unfit> {
        let mut values = headers.all(&Name::ReferTo).flat_map(list::split);
        let value = values.next().ok_or(Unfit::Malformed)?;
        if values.next().is_some() {
            return Err(Unfit::Malformed);
        }
        let mut uri = NameAddr::read(&value).map_err(|_| Unfit::Malformed)?.uri;
        let mut replaces = None;
        if let Uri::Sip(sip) = &mut uri {
            if sip.param("method").is_some_and(|m| Method::read(&m) != Method::Invite) {
                return Err(Unfit::Method);
            }
            for header in sip.headers.take().iter().flat_map(|all| all.split(|b| *b == b'&')) {
                let Some(at) = header.iter().position(|b| *b == b'=') else { continue };
                if header[..at].eq_ignore_ascii_case(b"replaces") {
                    let value = uri::unescape(&Bytes::copy_from_slice(&header[at + 1..]));
                    replaces = Some(Replaces::read(&value)?);
                }
            }
        }
        Ok(ReferTo { uri, replaces })
    }
}

/// The body of a NOTIFY about a REFER, of type [`SIPFRAG`]: `SIP/2.0 180 Ringing`.
pub fn sipfrag(code: u16) -> Bytes {
    format!("SIP/2.0 {code} {}\r\n", build::reason(code)).into()
}

/// Its content type (RFC 3420).
pub const SIPFRAG: &str = "message/sipfrag;version=2.0";

#[cfg(test)]
mod tests {
    use super::*;

    fn refer(value: &str) -> Result<ReferTo, Unfit> {
        let mut headers = Headers::default();
        headers.push(Name::ReferTo, value.to_owned());
        ReferTo::of(&headers)
    }

    #[test]
    fn who_is_named_and_what_he_is_to_give_up() {
        let blind = refer("<sip:203@192.0.2.1>").expect("it can be read");
        assert_eq!((blind.uri.to_string().as_str(), blind.replaces), ("sip:203@192.0.2.1", None));
        let attended = refer(
            "\"Ann\" <sip:203@192.0.2.1?Replaces=a%40b%3Bto-tag%3D7%3Bfrom-tag%3D8%3Bearly-only&Require=replaces>",
        );
        let replaces = attended.as_ref().ok().and_then(|to| to.replaces.clone()).expect("Replaces");
        assert_eq!((&replaces.call_id[..], &replaces.to_tag[..]), (&b"a@b"[..], &b"7"[..]));
        assert_eq!((&replaces.from_tag[..], replaces.early_only), (&b"8"[..], true));
        assert_eq!(attended.expect("it can be read").uri.to_string(), "sip:203@192.0.2.1");
    }

    #[test]
    fn what_cannot_be_obeyed_has_a_code() {
        let code = |value: &str| refer(value).map_err(Unfit::code).err();
        assert_eq!(code("<sip:203@192.0.2.1;method=BYE>"), Some(403));
        assert_eq!(code("<sip:203@192.0.2.1;method=INVITE>"), None);
        for broken in [
            "",
            "<",
            "<sip:2@h>, <sip:3@h>",
            "<sip:2@h?Replaces=x>",
            "<sip:2@h?Replaces=x%3Bto-tag%3D1>",
            "<sip:2@h?Replaces=%3Bto-tag%3D1%3Bfrom-tag%3D2>",
            "<sip:2@h?Replaces=x%3Bto-tag%3D1%3Bto-tag%3D1%3Bfrom-tag%3D2>",
        ] {
            assert_eq!(code(broken), Some(400), "{broken}");
        }
        assert_eq!(ReferTo::of(&Headers::default()), Err(Unfit::Malformed));
    }

    #[test]
    fn a_fragment_is_a_status_line() {
        assert_eq!(&sipfrag(486)[..], b"SIP/2.0 486 Busy Here\r\n");
    }
}
