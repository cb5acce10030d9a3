//! Telephone numbers as peers write them: Request-URI, To, From, P-Asserted-Identity, Diversion and `tel:` URIs all come
//! through here, so that nothing but the number itself reaches plans, extensions, records and the display of a phone.
//!
//! The user part of a SIP URI may be a telephone subscriber (RFC 3261 §19.1.6): a number with visual separators and
//! parameters of its own (RFC 3966 §3), as of number portability (RFC 4694), trunk groups (RFC 4904) and STIR's
//! `verstat` (3GPP TS 24.229).

use ringtrip_sip::address::NameAddr;
use ringtrip_sip::list;
use ringtrip_sip::name::Name;
use ringtrip_sip::screen::ValidRequest;
use ringtrip_sip::uri::Uri;

use ringtrip_model::dial_string::dial_string;
use ringtrip_model::party::Digits;

/// A number or a name, and what was written beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Number {
    /// The number without separators and parameters, or the name.
    pub(crate) digits: Digits,
    /// What the carrier found out about the number: `TN-Validation-Passed`.
    pub(crate) verstat: Option<String>,
}

/// Parameters that belong to a telephone number and never to a name.
const PARAMETERS: &[&str] = &[
    "phone-context",
    "ext",
    "isub",
    "isub-encoding",
    "verstat",
    "npdi",
    "rn",
    "rn-context",
    "cic",
    "cic-context",
    "tgrp",
    "trunk-context",
    "enumdi",
    "cpc",
    "oli",
    "postd",
    "premium-rate",
    "tgid",
    "noa",
    "user",
];

impl Number {
    /// The number that a URI names. `is_local` says whether a number has a meaning here as it stands, in spite of a
    /// `phone-context`: an extension, a call for help.
    pub(crate) fn of(uri: &Uri, is_local: impl Fn(&str) -> bool) -> Number {
        match uri {
            Uri::Sip(sip) => {
                let raw = sip.user.as_deref().unwrap_or_default();
                let whole = unescaped(raw);
                if is_local(&whole) {
                    return Number { digits: Digits::new(&whole), verstat: None };
                }
                let end = raw.iter().position(|c| *c == b';').unwrap_or(raw.len());
                let (base, params) = (unescaped(&raw[..end]), unescaped(&raw[end..]));
                // An escaped semicolon is no parameter by the letter; no number has one all the same.
                let (base, more) = match base.split_once(';') {
                    Some((number, more)) if is_number(number) => (number.to_owned(), format!(";{more}")),
                    _ => (base, String::new()),
                };
                let params = Parameters(params + &more);
                let verstat = params.get("verstat").map(str::to_owned);
                let verstat = verstat
                    .or_else(|| sip.param("verstat").map(|v| String::from_utf8_lossy(&v).into_owned()));
                let digits = match () {
                    _ if is_number(&base) => plain(&base, &params, is_local),
                    // What is no number keeps its semicolons, unless they are a telephone number's.
                    _ if params.are_of_a_number() => Digits::new(&base),
                    _ => Digits::new(&whole),
                };
                Number { digits, verstat: verstat.map(clean) }
            }
            Uri::Tel(tel) => {
                let params = Parameters(unescaped(tel.params.as_bytes()));
                let digits = plain(&unescaped(&tel.number), &params, is_local);
                Number { digits, verstat: params.get("verstat").map(str::to_owned).map(clean) }
            }
            Uri::Other(_) => Number::default(),
        }
    }
}

/// What the carrier says of the caller's number, in P-Asserted-Identity or From.
pub(crate) fn verstat(invite: &ValidRequest) -> Option<String> {
    let asserted = invite.headers.all(&Name::PAssertedIdentity).flat_map(list::split);
    let asserted = asserted.filter_map(|value| NameAddr::read(&value).ok());
    asserted.chain([invite.head().from.clone()]).find_map(|address| verstat_of(&address))
}

fn verstat_of(address: &NameAddr) -> Option<String> {
    // Some write it beside the URI.
    let beside = || address.params.get("verstat").map(|v| clean(String::from_utf8_lossy(v).into_owned()));
    Number::of(&address.uri, |_| false).verstat.or_else(beside)
}

/// `;name=value;name`, as text.
struct Parameters(String);

impl Parameters {
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let parts = self.0.split(';').filter(|part| !part.is_empty());
        parts.map(|part| part.split_once('=').unwrap_or((part, "")))
    }
    fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
    fn are_of_a_number(&self) -> bool {
        let known = |name: &str| PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known));
        !self.0.is_empty() && self.iter().all(|(name, _)| known(name))
    }
}

/// Digits, keys and what is between them for the eye alone. A blank and a slash are no separators of the RFC, but people
/// write numbers so, and some devices send what people wrote.
fn is_number(text: &str) -> bool {
    let digits = |c: char| c.is_ascii_digit() || matches!(c, '*' | '#');
    text.contains(digits) && text.chars().all(|c| digits(c) || c == '+' || is_separator(c))
}

fn is_separator(c: char) -> bool {
    matches!(c, '-' | '.' | '(' | ')' | ' ' | '/')
}

fn plain(text: &str, params: &Parameters, is_local: impl Fn(&str) -> bool) -> Digits {
    let number = dial_string(text);
    let context = params.get("phone-context").filter(|_| !is_local(&number));
    Digits::new(&context.and_then(|context| global(&number, context)).unwrap_or(number))
}

/// A local number as a global one, where its context is a prefix (RFC 3966 §5.1.5). Carriers send numbers there as they are
/// dialled, with the trunk prefix or the whole country code; those are not said twice.
fn global(number: &str, context: &str) -> Option<String> {
    let prefix: String = context.strip_prefix('+')?.chars().filter(|c| !is_separator(*c)).collect();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(&prefix) || !digits(number) {
        return None;
    }
    let international = if prefix == "1" { "011" } else { "00" };
    if let Some(rest) = number.strip_prefix(international) {
        return Some(format!("+{rest}"));
    }
    if prefix == "1" && number.len() == 11 && number.starts_with('1') {
        return Some(format!("+{number}"));
    }
    // Italy's numbers keep their 0.
    let national = if prefix.starts_with("39") { number } else { number.strip_prefix('0').unwrap_or(number) };
    // A short code is no number of the world.
    (prefix.len() + national.len() >= SHORTEST).then(|| format!("+{prefix}{national}"))
}

/// The shortest number with its country code.
const SHORTEST: usize = 8;

fn unescaped(raw: &[u8]) -> String {
    let raw = bytes::Bytes::copy_from_slice(raw);
    String::from_utf8_lossy(&ringtrip_sip::uri::unescape(&raw)).into_owned()
}

/// A word for a record: visible and short.
fn clean(word: String) -> String {
    word.trim_matches('"').chars().filter(char::is_ascii_graphic).take(64).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[track_caller]
    fn check(uri: &str, digits: &str) {
        let local = |text: &str| matches!(text, "201" | "1-2" | "999");
        let read = Uri::read(&Bytes::copy_from_slice(uri.as_bytes())).expect("a URI");
        assert_eq!(Number::of(&read, local).digits.as_str(), digits, "{uri}");
    }

    #[test]
    fn one_number_however_it_is_written() {
        for user in [
            "+15550100001",
            "+15550100001;npdi;rn=+15550199999",
            "+15550100001;phone-context=+1",
            "+1-555-010-0001",
            "+1.555.010.0001;ext=12",
            "+1(555)010-0001;isub=4",
            "%2B15550100001",
            "+1%20555%20010%200001",
            "+15550100001%3Bnpdi",
            "+15550100001;tgrp=tg-1;trunk-context=carrier.example",
            "+15550100001;verstat=TN-Validation-Passed",
            "+15550100001;cpc=ordinary;oli=00",
            "5550100001;phone-context=+1",
            "15550100001;phone-context=+1",
            "0100001;phone-context=+1555;npdi",
        ] {
            // The last has no 0 to drop: its context is more than a country.
            let want = if user.starts_with("0100001") { "+1555100001" } else { "+15550100001" };
            check(&format!("sip:{user}@127.0.0.21:25060;user=phone"), want);
        }
        check("tel:+1-555-010-0001;npdi;rn=+15550199999", "+15550100001");
        check("tel:555-010-0001;phone-context=+1", "+15550100001");
        check("tel:7042;phone-context=example.com", "7042");
    }

    #[test]
    fn numbers_of_other_places() {
        check("sip:+49(0)30123456@h", "+4930123456");
        check("sip:+49%20(0)30/123456@h", "+4930123456");
        check("sip:030123456;phone-context=+49@h", "+4930123456");
        check("sip:06123456;phone-context=+39@h", "+3906123456");
        check("sip:004930123456;phone-context=+44@h", "+4930123456");
        check("sip:011441480123456;phone-context=+1@h", "+441480123456");
        check("sip:(030)123456@h", "030123456");
        check("sip:*72#@h", "*72#");
        check("sip:999;phone-context=+44@h", "999");
        check("sip:201;phone-context=+44@h", "201");
        check("sip:411;phone-context=+1@h", "411");
        check("sip:0;phone-context=+1@h", "0");
        check("sip:1-2@h", "1-2");
    }

    #[test]
    fn names_stay_names() {
        check("sip:front-door@h", "front-door");
        check("sip:ann.smith;x=1@h", "ann.smith;x=1");
        check("sip:anonymous;verstat=No-TN-Validation@h", "anonymous");
        check("sip:acct-one;npdi@h", "acct-one");
        check("sip:-@h", "-");
        check("sip:h", "");
        check("urn:service:sos", "");
    }

    #[test]
    fn what_the_carrier_found_out_is_kept() {
        let verstat = |from: &str| verstat_of(&NameAddr::read(&from.to_owned().into()).expect("an address"));
        let passed = Some("TN-Validation-Passed".to_owned());
        assert_eq!(verstat("<sip:+1555;verstat=TN-Validation-Passed@h>;tag=1"), passed);
        assert_eq!(verstat("<sip:+1555@h;verstat=TN-Validation-Passed>;tag=1"), passed);
        assert_eq!(verstat("<tel:+1555;verstat=TN-Validation-Passed>;tag=1"), passed);
        assert_eq!(verstat("<sip:+1555@h>;verstat=TN-Validation-Passed;tag=1"), passed);
        assert_eq!(verstat("<sip:+1555@h>;tag=1"), None);
    }
}
