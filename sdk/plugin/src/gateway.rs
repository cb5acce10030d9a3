//! A gateway: a provider that knows how its calls are placed and what they cost.

use crate::{Call, CallerId, Steps};

/// A plugin that is a provider.
pub trait Gateway {
    /// How to place this call.
    ///
    /// # Errors
    /// Why the call cannot be placed here; then the next target is tried.
    fn prepare(call: &Call) -> Result<Prepared, String> {
        let _ = call;
        Err("this gateway places no calls".to_owned())
    }

    /// The provider's prices, asked once a day and at start; an empty list: none are known.
    fn prices() -> Vec<Price> {
        Vec::new()
    }

    /// What is left of a prepaid amount, asked each quarter of an hour; `None`: there is no such thing.
    ///
    /// # Errors
    /// Why the balance is unknown now.
    fn balance() -> Result<Option<Money>, String> {
        Ok(None)
    }

    /// Can it be used? Asked each minute.
    fn health() -> Condition {
        Condition::usable()
    }
}

/// What carries the call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Carrier {
    /// A free landline.
    #[default]
    Landline,
    /// A gateway of the configuration.
    Gateway(String),
    /// A SIP URI, `sip:441632960123@example.com`.
    Sip(String),
}

/// How a call is placed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prepared {
    /// What carries it.
    pub carrier: Carrier,
    /// The number for the carrier.
    pub number: String,
    /// Headers added to the INVITE; names that Ringtrip writes itself are refused.
    pub headers: Vec<(String, String)>,
    /// For 401 and 407.
    pub credentials: Option<Credentials>,
    /// Another caller to show.
    pub caller: Option<CallerId>,
    /// Sent after the answer; on a landline after the number.
    pub after_answer: Steps,
    /// Why, for a person who reads the record.
    pub because: String,
}

/// A user name and a password.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password. Never printed.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials {{ user: {:?}, .. }}", self.user)
    }
}

/// What it costs to call numbers that begin so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Price {
    /// Digits of E.164 without `+`.
    pub prefix: String,
    /// Where that is, in words.
    pub destination: String,
    /// A minute.
    pub per_minute: Money,
    /// Once a call.
    pub connection: Money,
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Money {
    /// Millionths of a unit.
    pub micros: i64,
    /// ISO 4217: `EUR`.
    pub currency: String,
}

impl Money {
    /// Reads `0.0125 EUR`, with a point or a comma and at most six places.
    pub fn parse(text: &str) -> Option<Money> {
        let (amount, currency) = text.trim().split_once(char::is_whitespace)?;
        Money::of(amount, currency.trim())
    }

    /// An amount such as `0.0125` in a currency.
    pub fn of(amount: &str, currency: &str) -> Option<Money> {
        let known = currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase());
        let (sign, plain) = match amount.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, amount),
        };
        let (whole, places) = plain.split_once(['.', ',']).unwrap_or((plain, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if !known || whole.is_empty() || !digits(whole) || !digits(places) || places.len() > 6 {
            return None;
        }
        let micros = format!("{whole}{places:0<6}").parse::<i64>().ok()?;
        Some(Money { micros: sign * micros, currency: currency.to_owned() })
    }
}

/// Whether a gateway can be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// It can.
    pub usable: bool,
    /// Why not.
    pub why: String,
}

impl Condition {
    /// It can be used.
    pub fn usable() -> Condition {
        Condition { usable: true, why: String::new() }
    }

    /// It cannot, and why.
    pub fn down(why: &str) -> Condition {
        Condition { usable: false, why: why.to_owned() }
    }
}
