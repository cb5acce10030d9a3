//! Header names: the known ones as an enum, with their compact forms (RFC 3261 §7.3.3 and later RFCs), and every
//! other kept as it came.

use std::hash::{Hash, Hasher};

use bytes::Bytes;

macro_rules! names {
    ($($variant:ident $full:literal $($compact:literal)?;)*) => {
        /// The name of a header.
        #[derive(Debug, Clone)]
        pub enum Name {
            $(#[doc = $full] $variant,)*
            /// Any other name, in the letters that it came in; compared without case.
            Other(Bytes),
        }
        impl Name {
            /// The name that these octets spell, full or compact, in any case.
            pub fn read(raw: &Bytes) -> Name {
                Name::known(raw).unwrap_or_else(|| Name::Other(raw.clone()))
            }
            pub(crate) fn known(raw: &[u8]) -> Option<Name> {
                if raw.len() == 1 {
                    return match raw[0].to_ascii_lowercase() {
                        $($(c if c == $compact => Some(Name::$variant),)?)*
                        _ => None,
                    };
                }
                // The length narrows the list before any comparison.
                match raw.len() {
                    $(n if n == $full.len() && raw.eq_ignore_ascii_case($full.as_bytes()) => Some(Name::$variant),)*
                    _ => None,
                }
            }
            /// The full form for the wire.
            pub fn as_bytes(&self) -> &[u8] {
                match self {
                    $(Name::$variant => $full.as_bytes(),)*
                    Name::Other(raw) => raw,
                }
            }
        }
    };
}

names! {
    Via "Via" b'v';
    From "From" b'f';
    To "To" b't';
    CallId "Call-ID" b'i';
    CSeq "CSeq";
    Contact "Contact" b'm';
    MaxForwards "Max-Forwards";
    Route "Route";
    RecordRoute "Record-Route";
    ContentLength "Content-Length" b'l';
    ContentType "Content-Type" b'c';
    ContentEncoding "Content-Encoding" b'e';
    ContentDisposition "Content-Disposition";
    Accept "Accept";
    AcceptEncoding "Accept-Encoding";
    AcceptLanguage "Accept-Language";
    AlertInfo "Alert-Info";
    Allow "Allow";
    AllowEvents "Allow-Events" b'u';
    Authorization "Authorization";
    AuthenticationInfo "Authentication-Info";
    CallInfo "Call-Info";
    Date "Date";
    Diversion "Diversion";
    ErrorInfo "Error-Info";
    Event "Event" b'o';
    Expires "Expires";
    HistoryInfo "History-Info";
    MinExpires "Min-Expires";
    MinSe "Min-SE";
    PAssertedIdentity "P-Asserted-Identity";
    PPreferredIdentity "P-Preferred-Identity";
    Path "Path";
    Privacy "Privacy";
    ProxyAuthenticate "Proxy-Authenticate";
    ProxyAuthorization "Proxy-Authorization";
    ProxyRequire "Proxy-Require";
    RAck "RAck";
    RSeq "RSeq";
    Reason "Reason";
    ReferTo "Refer-To" b'r';
    ReferredBy "Referred-By" b'b';
    RemotePartyId "Remote-Party-ID";
    Replaces "Replaces";
    Require "Require";
    RetryAfter "Retry-After";
    Server "Server";
    ServiceRoute "Service-Route";
    SessionExpires "Session-Expires" b'x';
    SubscriptionState "Subscription-State";
    Subject "Subject" b's';
    Supported "Supported" b'k';
    Timestamp "Timestamp";
    Unsupported "Unsupported";
    UserAgent "User-Agent";
    Warning "Warning";
    WwwAuthenticate "WWW-Authenticate";
}

impl Name {
    /// Is this the header called `other`, without regard to case?
    pub fn is(&self, other: &str) -> bool {
        self.as_bytes().eq_ignore_ascii_case(other.as_bytes())
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        match (self, other) {
            (Name::Other(a), Name::Other(b)) => a.eq_ignore_ascii_case(b),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        if let Name::Other(raw) = self {
            raw.iter().for_each(|b| state.write_u8(b.to_ascii_lowercase()));
        }
    }
}
