//! Limits as an operator writes them, and which of them concern a call.

use std::sync::Arc;

use super::AttemptKey;
use super::account::AccountName;
use crate::money::{Currency, Money};
use crate::prefix::{Prefix, PrefixSet};
use crate::time::{At, Hours};

/// The limits and how reservations are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimiterSettings {
    /// The box's currency.
    pub currency: Currency,
    /// The limits.
    pub limits: Vec<Limit>,
    /// Destination classes that limits name.
    pub classes: Vec<Class>,
    /// Seconds that must be affordable before a call may start.
    pub least: u32,
    /// Seconds reserved at a time while a call is up.
    pub lease: u32,
}

/// An upper bound on spending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Its name.
    pub name: Arc<str>,
    /// Whose calls.
    pub extension: LimitScope,
    /// By which gateways.
    pub gateway: LimitScope,
    /// To which class of destinations; `None`: all.
    pub class: Option<Arc<str>>,
    /// How much.
    pub amount: Money,
    /// In which time.
    pub per: Per,
    /// Counted in these hours of the week only; `None`: always. With [`Per::Day`] a night counts as two days.
    pub hours: Option<Hours>,
}

/// Whose spending a limit counts: extensions or gateways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitScope {
    /// All of them together.
    All,
    /// Each one by itself.
    Each,
    /// This one.
    Only(Arc<str>),
}

/// The time in which a limit's amount may be spent, in local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Per {
    /// Each call by itself.
    Call,
    /// From full hour to full hour.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// A calendar month.
    Month,
}

/// A class of destinations: `premium`, `mobile`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Its name.
    pub name: Arc<str>,
    /// Numbers that begin so.
    pub prefixes: PrefixSet,
}

impl Default for LimiterSettings {
    fn default() -> LimiterSettings {
        LimiterSettings {
            currency: Currency::EUR,
            limits: Vec::new(),
            classes: Vec::new(),
            least: 30,
            lease: 10,
        }
    }
}

impl LimiterSettings {
    /// The limits that concern a call, each with the account that it is counted on.
    pub(super) fn concerned(
        &self,
        key: AttemptKey,
        extension: &str,
        gateway: &str,
        number: Prefix,
    ) -> Vec<(usize, AccountName)> {
        let mut found = Vec::new();
        for (place, limit) in self.limits.iter().enumerate() {
            let in_class = limit.class.as_ref().is_none_or(|class| {
                self.classes.iter().any(|c| c.name == *class && c.prefixes.covers(number))
            });
            if in_class
                && let Some(extension) = limit.extension.account(extension)
                && let Some(gateway) = limit.gateway.account(gateway)
            {
                let call = (limit.per == Per::Call).then_some(key);
                found.push((place, AccountName { limit: Arc::clone(&limit.name), extension, gateway, call }));
            }
        }
        found
    }
}

impl LimitScope {
    /// The name to count under, if this one is meant.
    fn account(&self, name: &str) -> Option<Arc<str>> {
        match self {
            LimitScope::All => Some("".into()),
            LimitScope::Each => Some(name.into()),
            LimitScope::Only(one) => (&**one == name).then(|| Arc::clone(one)),
        }
    }
}

impl Per {
    /// The index of the period that contains a moment; increases with time.
    pub(super) fn period(self, at: At) -> i64 {
        match self {
            Per::Call => 0,
            Per::Hour => at.hour(),
            Per::Day => at.day(),
            Per::Week => at.week(),
            Per::Month => at.month().index(),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Per::Call => "call",
            Per::Hour => "hour",
            Per::Day => "day",
            Per::Week => "week",
            Per::Month => "month",
        }
    }
}

impl Limit {
    /// So much in this time, for everything that the box spends.
    pub fn whole_box(name: &str, amount: Money, per: Per) -> Limit {
        Limit {
            name: name.into(),
            extension: LimitScope::All,
            gateway: LimitScope::All,
            class: None,
            amount,
            per,
            hours: None,
        }
    }

    /// Is it counted now?
    pub(super) fn counts(&self, at: At) -> bool {
        self.hours.as_ref().is_none_or(|h| h.contains(at.minute_of_week()))
    }

    /// `limit premium of extension 101`.
    pub(super) fn title(&self, name: &AccountName) -> String {
        let mut title = format!("limit {}", self.name);
        for (what, who) in [("extension", &name.extension), ("gateway", &name.gateway)] {
            if !who.is_empty() {
                title.push_str(&format!(" of {what} {who}"));
            }
        }
        title
    }

    /// `4.98 of 5.00 EUR a day are spent`.
    pub(super) fn status_text(&self, spent: Money, currency: Currency) -> String {
        let article = if self.per == Per::Hour { "an" } else { "a" };
        format!("{spent} of {} {currency} {article} {} are spent or set aside", self.amount, self.per.word())
    }
}
