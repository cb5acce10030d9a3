//! CSeq: the number and method that order requests in a dialog (RFC 3261 §20.16).

use bytes::Bytes;
use thiserror::Error;

use crate::chars::{self, TOKEN, share};
use crate::message::Method;

/// `CSeq: 314159 INVITE`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Below 2³¹ for those who keep to §8.1.1.5; up to 2³²−1 is read.
    pub number: u32,
    /// The method.
    pub method: Method,
}

/// Why octets are not a CSeq.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadCSeq {
    /// No number, or one of 2³² or more.
    #[error("no CSeq number below 2^32")]
    Number,
    /// No method, or no token.
    #[error("no CSeq method")]
    Method,
}

impl CSeq {
    /// Reads `number LWS method`.
    ///
    /// # Errors
    /// The number is missing or does not fit 32 bits, or the method is missing or not a token.
    pub fn read(raw: &Bytes) -> Result<CSeq, BadCSeq> {
        let text = chars::trim(raw);
        let cut = text.iter().position(|b| chars::blank(*b)).unwrap_or(text.len());
        let (digits, method) = text.split_at(cut);
        let number = chars::number(digits).and_then(|n| u32::try_from(n).ok()).ok_or(BadCSeq::Number)?;
        let method = chars::trim(method);
        let method = match Method::known(method) {
            Some(method) => method,
            None if chars::some(method, TOKEN) => Method::Other(share(raw, method)),
            None => return Err(BadCSeq::Method),
        };
        Ok(CSeq { number, method })
    }

    /// The value for the wire.
    pub fn write(&self) -> Bytes {
        let mut out = self.number.to_string().into_bytes();
        out.push(b' ');
        out.extend_from_slice(self.method.as_bytes());
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &'static str, want: Result<(u32, &[u8]), BadCSeq>) {
        let got = CSeq::read(&Bytes::from_static(text.as_bytes()));
        assert_eq!(got.as_ref().map(|c| (c.number, c.method.as_bytes())).map_err(|e| *e), want, "{text}");
    }

    #[test]
    fn number_and_method() {
        check("8 INVITE", Ok((8, b"INVITE")));
        check("0009   INVITE", Ok((9, b"INVITE")));
        check("4294967295 x!", Ok((u32::MAX, b"x!")));
        check("4294967296 INVITE", Err(BadCSeq::Number));
        check("36893488147419103232 REGISTER", Err(BadCSeq::Number));
        check("-1 INVITE", Err(BadCSeq::Number));
        check("INVITE", Err(BadCSeq::Number));
        check("1", Err(BadCSeq::Method));
        check("1 A B", Err(BadCSeq::Method));
    }
}
