//! What a plugin may answer. The contract's types leave room for nonsense; here it ends. What passes can be shown to
//! people, written into SIP, and dialled.

use crate::bindings::gateway::{Carrier, Prepared, Price};
use crate::bindings::policy::{Answer, Target, Verdict};
use crate::bindings::types::{CallerId, Money, Step};

/// Octets of a text for people.
const TEXT: usize = 1024;
/// Octets of a name of a target: a host name is the longest.
const NAME: usize = 255;
/// Keys of a number.
const NUMBER: usize = 64;
const STAGES: usize = 16;
const TARGETS: usize = 16;
const HEADERS: usize = 32;
const STEPS: usize = 32;
const PRICES: usize = 200_000;
/// Headers that Ringtrip writes itself, or that would change what a message is.
const OURS: [&str; 36] = [
    "accept",
    "allow",
    "authorization",
    "call-id",
    "call-info",
    "contact",
    "content-disposition",
    "content-encoding",
    "content-length",
    "content-type",
    "cseq",
    "date",
    "diversion",
    "event",
    "expires",
    "from",
    "max-forwards",
    "min-se",
    "p-asserted-identity",
    "p-preferred-identity",
    "path",
    "privacy",
    "proxy-authorization",
    "proxy-require",
    "rack",
    "record-route",
    "refer-to",
    "replaces",
    "require",
    "route",
    "rseq",
    "session-expires",
    "supported",
    "timestamp",
    "to",
    "via",
];

type Checked = Result<(), String>;

/// A policy's answer.
pub(crate) fn answer(answer: &Answer) -> Checked {
    text("because", &answer.because)?;
    caller(answer.caller.as_ref())?;
    match &answer.verdict {
        Verdict::Pass => Ok(()),
        Verdict::Refuse(why) => text("the reason", why),
        Verdict::Stages(stages) => {
            count("stages", stages.len(), 1, STAGES)?;
            stages.iter().try_for_each(|stage| {
                count("targets in a stage", stage.targets.len(), 1, TARGETS)?;
                if stage.seconds.is_some_and(|s| !(1..=600).contains(&s)) {
                    return Err("a stage lasts 1 to 600 seconds".to_owned());
                }
                stage.targets.iter().try_for_each(target)
            })
        }
    }
}

/// How a call is to be placed.
pub(crate) fn prepared(prepared: &Prepared) -> Checked {
    text("because", &prepared.because)?;
    caller(prepared.caller.as_ref())?;
    match &prepared.carrier {
        // Empty: the landline is taken and all keys come after it.
        Carrier::Landline if prepared.number.is_empty() => {}
        Carrier::Landline => number(&prepared.number)?,
        Carrier::Gateway(gateway) => {
            name("the gateway", gateway)?;
            number(&prepared.number)?;
        }
        // The user part of an address: `info` is one, too.
        Carrier::Sip(uri) => {
            sip(uri)?;
            user(&prepared.number)?;
        }
    }
    count("headers", prepared.headers.len(), 0, HEADERS)?;
    prepared.headers.iter().try_for_each(|(name, value)| header(name, value))?;
    if let Some(credentials) = &prepared.credentials {
        plain("the user name", &credentials.user, 1, NAME)?;
        plain("the password", &credentials.password, 0, NAME)?;
        if credentials.user.contains(['"', '\\', ':']) {
            return Err("the user name has a quote, a backslash or a colon".to_owned());
        }
    }
    count("steps after the answer", prepared.after_answer.len(), 0, STEPS)?;
    prepared.after_answer.iter().try_for_each(step)
}

/// A list of prices.
pub(crate) fn prices(prices: &[Price]) -> Checked {
    count("prices", prices.len(), 0, PRICES)?;
    let mut currency: Option<&str> = None;
    for price in prices {
        let digits = price.prefix.bytes().all(|b| b.is_ascii_digit());
        if !digits || !(1..=18).contains(&price.prefix.len()) {
            return Err(format!("invalid prefix {}: expected 1 to 18 digits", shown(&price.prefix)));
        }
        plain("a destination", &price.destination, 0, NAME)?;
        for amount in [&price.per_minute, &price.connection] {
            money(amount)?;
            if amount.micros < 0 {
                return Err(format!("the price of {} is below nothing", price.prefix));
            }
            if *currency.get_or_insert(&amount.currency) != amount.currency {
                return Err("the prices have several currencies".to_owned());
            }
        }
    }
    Ok(())
}

/// An amount.
pub(crate) fn money(money: &Money) -> Checked {
    if money.currency.len() != 3 || !money.currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(format!(
            "invalid currency {}: expected three capital letters, such as EUR",
            shown(&money.currency)
        ));
    }
    // A million millions: more is a mistake, and sums of it could overflow.
    if money.micros.unsigned_abs() > 1_000_000_000_000_000_000 {
        return Err("an amount is out of all measure".to_owned());
    }
    Ok(())
}

/// A text for people.
pub(crate) fn text(what: &str, text: &str) -> Checked {
    plain(what, text, 0, TEXT)
}

/// A plugin's own words, made fit to be shown.
pub(crate) fn message(text: &str) -> String {
    let message: String = text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if message.trim().is_empty() { "it gave no reason".to_owned() } else { message }
}

fn target(target: &Target) -> Checked {
    name("a target", &target.name)?;
    target.number.as_deref().map_or(Ok(()), number)
}

fn caller(caller: Option<&CallerId>) -> Checked {
    let Some(caller) = caller else { return Ok(()) };
    plain("the caller's number", &caller.number, 0, NUMBER)?;
    plain("the caller's name", &caller.name, 0, NAME)?;
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "+*#-_.".contains(c));
    match caller.number.contains(odd) {
        true => Err(format!("invalid caller number {}", shown(&caller.number))),
        false => Ok(()),
    }
}

fn name(what: &str, name: &str) -> Checked {
    plain(what, name, 1, NAME)?;
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "-_.:[]".contains(c));
    match name.contains(odd) {
        true => Err(format!("{what} is called {}", shown(name))),
        false => Ok(()),
    }
}

fn number(number: &str) -> Checked {
    let key = |b: u8| b.is_ascii_digit() || matches!(b, b'*' | b'#' | b'A'..=b'D');
    let keys = number.strip_prefix('+').unwrap_or(number);
    if keys.is_empty() || keys.len() > NUMBER || !keys.bytes().all(key) {
        return Err(format!("invalid number {}: expected 1 to {NUMBER} of 0-9, A-D, * and #", shown(number)));
    }
    Ok(())
}

fn user(user: &str) -> Checked {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"+*#-_.!~'()&=$%".contains(&b);
    if user.is_empty() || user.len() > NUMBER || !user.bytes().all(fits) {
        return Err(format!(
            "invalid number {}: expected digits or the user part of a SIP address",
            shown(user)
        ));
    }
    Ok(())
}

fn step(step: &Step) -> Checked {
    match step {
        Step::Pause(ms) if *ms > 30_000 => Err(format!("a pause of {ms} ms; 30,000 is the most")),
        Step::Pause(_) => Ok(()),
        // The keys may be a PIN: they are not shown.
        Step::Keys(keys) => {
            let key = |b: u8| b.is_ascii_digit() || matches!(b, b'*' | b'#' | b'A'..=b'D');
            let fits = (1..=NUMBER).contains(&keys.len()) && keys.bytes().all(key);
            if fits { Ok(()) } else { Err("keys to send: 1 to 64 of 0-9, A-D, * and #".to_owned()) }
        }
    }
}

fn sip(uri: &str) -> Checked {
    plain("the SIP URI", uri, 5, NAME)?;
    let rest = uri.strip_prefix("sip:").or_else(|| uri.strip_prefix("sips:"));
    let host = rest.map(|r| r.rsplit_once('@').map_or(r, |(_, host)| host));
    let odd = |c: char| !c.is_ascii_graphic() || "<>\"\\?".contains(c);
    if uri.contains(odd) || host.is_none_or(|h| h.is_empty() || h.starts_with([':', ';'])) {
        return Err(format!("{} is no SIP URI", shown(uri)));
    }
    Ok(())
}

fn header(name: &str, value: &str) -> Checked {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
    if !(1..=64).contains(&name.len()) || !name.bytes().all(token) {
        return Err(format!("invalid header name {}", shown(name)));
    }
    // Compact forms are names of ours, too; all letters alone are taken.
    if name.len() == 1 || OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
        return Err(format!("the header {name} is not the plugin's to write"));
    }
    plain("a header's value", value, 0, TEXT)
}

fn plain(what: &str, text: &str, least: usize, most: usize) -> Checked {
    if text.len() < least || text.len() > most {
        return Err(format!("{what} has {} octets; {least} to {most} are allowed", text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{what} has control characters: {}", shown(text)));
    }
    Ok(())
}

fn count(what: &str, there: usize, least: usize, most: usize) -> Checked {
    if (least..=most).contains(&there) {
        Ok(())
    } else {
        Err(format!("{there} {what}; {least} to {most} are allowed"))
    }
}

/// A wrong text in an error: quoted, escaped, and short.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    format!("{short:?}")
}
