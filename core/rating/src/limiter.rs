//! Spending limits: a call starts only if every limit that applies can pay for it, and ends when one is exhausted.
//!
//! Works like credit control with reservations (RFC 8506). Admitting a call reserves the cost of its first
//! [`LimiterSettings::least`] seconds. While the call is up, the next [`LimiterSettings::lease`] seconds (or one billing
//! step, if that is longer) are reserved as the previous reservation runs out. The sum of all running calls therefore
//! never passes a limit; a caller that is late for [`SpendLimiter::deadline`] can overrun it by one step. When a call
//! ends, its actual cost replaces the reservation.
//!
//! **Emergency calls never come here.** The caller checks [emergency] first; no limit refuses, ends or counts such a
//! call. There is deliberately no flag for it: a flag could be wrong.
//!
//! [emergency]: ../../ringtrip_exchange/emergency/index.html

mod account;
mod limit;

pub use account::{AccountRow, LimitStatus};
pub use limit::{Class, Limit, LimitScope, LimiterSettings, Per};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::money::Money;
use crate::prefix::Prefix;
use crate::rate::{FOREVER, Price, Shown};
use crate::time::At;

use account::{AccountName, Accounts};

/// Seconds before the reservation runs out at which the call is ended: releasing it takes a moment.
const MARGIN: u32 = 1;

/// Identifies one charged attempt of a call. The numbers are the caller's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptKey {
    /// The call.
    pub call: u64,
    /// The leg that costs money.
    pub leg: u8,
}

/// A request to reserve money for an attempt.
#[derive(Debug, Clone, Copy)]
pub struct SpendRequest<'a> {
    /// The attempt. A second request with the same key releases the first reservation.
    pub key: AttemptKey,
    /// The extension that is charged; empty if the call comes from outside.
    pub extension: &'a str,
    /// The gateway that carries the call.
    pub gateway: &'a str,
    /// The number: digits with country code.
    pub number: &'a str,
    /// What it costs.
    pub price: Price,
}

/// The answer to a [`SpendRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpendDecision {
    /// The call may start.
    Allow {
        /// Seconds it can last if nothing else is spent meanwhile; [`FOREVER`] if no limit applies.
        max_seconds: u32,
    },
    /// A limit does not leave enough money.
    Refuse {
        /// The limit.
        limit: Arc<str>,
        /// Why, for a person.
        sentence: String,
    },
}

/// What the caller has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimiterOutput {
    /// End this call now.
    End {
        /// The call.
        key: AttemptKey,
        /// The limit.
        limit: Arc<str>,
        /// Why, for a person.
        sentence: String,
    },
    /// Notify the operator. Raised once per threshold and account in each period.
    Alarm(LimitAlarm),
}

/// An account has reached 80 % or 100 % of its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitAlarm {
    /// The limit.
    pub limit: Arc<str>,
    /// 80 or 100.
    pub percent: u8,
    /// The extension whose account it is, if the limit counts each extension separately.
    pub extension: Arc<str>,
    /// The gateway, likewise.
    pub gateway: Arc<str>,
    /// Spent and reserved.
    pub spent: Money,
    /// The limit's amount.
    pub amount: Money,
    /// For a person.
    pub sentence: String,
}

/// Enforces the spending limits.
#[derive(Debug, Clone)]
pub struct SpendLimiter {
    settings: LimiterSettings,
    accounts: Accounts,
    calls: BTreeMap<AttemptKey, Call>,
    /// When each call needs its next reservation.
    due: BTreeSet<(Instant, AttemptKey)>,
}

#[derive(Debug, Clone)]
struct Call {
    extension: Arc<str>,
    gateway: Arc<str>,
    number: Prefix,
    price: Price,
    /// Its accounts, each with its limit.
    accounts: Vec<(usize, AccountName)>,
    /// The total reserved for it.
    charged: Money,
    /// Seconds that the reservation pays for.
    paid: u32,
    state: State,
    /// Its entry in [`SpendLimiter::due`].
    due: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ringing,
    Up {
        since: Instant,
    },
    /// An `End` was issued for it.
    Ending,
}

impl SpendLimiter {
    /// A limiter with nothing spent.
    pub fn new(settings: LimiterSettings) -> SpendLimiter {
        SpendLimiter { settings, accounts: Accounts::default(), calls: BTreeMap::new(), due: BTreeSet::new() }
    }

    /// Replaces the limits, for running calls too. What was spent under a limit that keeps its name stays spent.
    pub fn set(&mut self, settings: LimiterSettings) {
        self.accounts.keep(|name| settings.limits.iter().any(|l| l.name == *name));
        self.settings = settings;
        for (key, call) in &mut self.calls {
            let now = self.settings.concerned(*key, &call.extension, &call.gateway, call.number);
            let before = std::mem::replace(&mut call.accounts, now);
            let left =
                before.iter().map(|(_, name)| name).filter(|n| !call.accounts.iter().any(|(_, m)| m == *n));
            self.accounts.forget(*key, left);
        }
    }

    /// Decides whether an attempt may start, before its INVITE is sent. If so, the cost of its first seconds is reserved
    /// at once, so that calls that ring at the same time do not count on the same money. [`end`](Self::end) must follow
    /// every admitted attempt.
    pub fn admit(&mut self, at: At, ask: &SpendRequest, out: &mut Vec<LimiterOutput>) -> SpendDecision {
        if self.calls.contains_key(&ask.key) {
            self.end(at, ask.key, Money::ZERO, out);
        }
        let number = Prefix::leading(ask.number);
        let accounts = self.settings.concerned(ask.key, ask.extension, ask.gateway, number);
        let headroom = self.accounts.headroom(&self.settings, &accounts, at);
        let max_seconds = headroom.as_ref().map_or(FOREVER, |r| ask.price.longest(r.left));
        let least = self.settings.least.max(1);
        if let Some(headroom) = headroom.filter(|_| max_seconds < least) {
            let limit = &self.settings.limits[headroom.limit];
            let sentence = format!(
                "{}: {}; a call at {} would exceed it",
                limit.title(&headroom.name),
                limit.status_text(headroom.spent, self.settings.currency),
                Shown(&ask.price.tariff, self.settings.currency),
            );
            let limit = Arc::clone(&limit.name);
            self.accounts.exhausted(&self.settings, headroom.limit, &headroom.name, at, out);
            self.accounts.forget(ask.key, accounts.iter().map(|(_, name)| name));
            return SpendDecision::Refuse { limit, sentence };
        }
        let charged = ask.price.cost(least);
        let call = Call {
            extension: ask.extension.into(),
            gateway: ask.gateway.into(),
            number,
            price: ask.price,
            accounts,
            charged,
            paid: ask.price.longest(charged),
            state: State::Ringing,
            due: None,
        };
        self.accounts.charge(&self.settings, ask.key, &call.accounts, charged, at, out);
        self.calls.insert(ask.key, call);
        SpendDecision::Allow { max_seconds }
    }

    /// The call was answered and is charged from now on.
    pub fn answered(&mut self, now: Instant, at: At, key: AttemptKey, out: &mut Vec<LimiterOutput>) {
        if let Some(call) = self.calls.get_mut(&key)
            && call.state == State::Ringing
        {
            call.state = State::Up { since: now };
            self.advance(now, at, key, out);
        }
    }

    /// Extends reservations that run out, and ends calls for which no money is left. Call it at
    /// [`deadline`](Self::deadline); earlier calls do nothing.
    pub fn on_timeout(&mut self, now: Instant, at: At, out: &mut Vec<LimiterOutput>) {
        while let Some((when, key)) = self.due.first().copied().filter(|(when, _)| *when <= now) {
            self.due.remove(&(when, key));
            if let Some(call) = self.calls.get_mut(&key) {
                call.due = None;
            }
            self.advance(now, at, key, out);
        }
    }

    /// When [`on_timeout`](Self::on_timeout) is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(when, _)| *when)
    }

    /// The call is over. Its actual cost (zero if it was never answered) replaces the reservation.
    pub fn end(&mut self, at: At, key: AttemptKey, cost: Money, out: &mut Vec<LimiterOutput>) {
        let Some(call) = self.calls.remove(&key) else { return };
        if let Some(due) = call.due {
            self.due.remove(&(due, key));
        }
        if cost > call.charged {
            self.accounts.charge(&self.settings, key, &call.accounts, cost - call.charged, at, out);
        } else {
            self.accounts.refund(key, &call.accounts, call.charged - cost);
        }
        self.accounts.forget(key, call.accounts.iter().map(|(_, name)| name));
    }

    /// What is spent under each limit now, for display.
    pub fn status(&self, at: At) -> Vec<LimitStatus> {
        self.accounts.status(&self.settings, at)
    }

    /// The accounts, for persistence.
    pub fn rows(&self) -> Vec<AccountRow> {
        self.accounts.rows()
    }

    /// Restores persisted accounts of limits that still exist. Calls that were running then are over.
    pub fn restore(&mut self, rows: impl IntoIterator<Item = AccountRow>) {
        for row in rows {
            if self.settings.limits.iter().any(|l| l.name == row.limit) {
                self.accounts.restore(row);
            }
        }
    }

    /// The settings.
    pub fn settings(&self) -> &LimiterSettings {
        &self.settings
    }

    /// Reserves the next seconds of a running call, or ends it.
    fn advance(&mut self, now: Instant, at: At, key: AttemptKey, out: &mut Vec<LimiterOutput>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let State::Up { since } = call.state else { return };
        let passed = now.saturating_duration_since(since);
        // A started second is billed in full.
        let used =
            u32::try_from(passed.as_secs()).unwrap_or(FOREVER - 1) + u32::from(passed.subsec_nanos() > 0);
        if used > call.paid {
            // The timer was late: the time used is charged, whatever the limit leaves.
            let owed = call.price.cost(used) - call.charged;
            self.accounts.charge(&self.settings, key, &call.accounts, owed, at, out);
            call.charged = call.charged + owed;
            call.paid = call.price.longest(call.charged).max(used);
        }
        if call.paid < FOREVER && call.paid.saturating_sub(MARGIN) <= used {
            let headroom = self.accounts.headroom(&self.settings, &call.accounts, at);
            let left = headroom.as_ref().map_or(Money::MAX, |r| r.left);
            let affordable = call.price.longest(call.charged + left);
            let wanted = call.paid.max(used).saturating_add(self.settings.lease.max(1));
            if affordable > call.paid {
                let charged = call.price.cost(affordable.min(wanted)).max(call.charged);
                let more = charged - call.charged;
                self.accounts.charge(&self.settings, key, &call.accounts, more, at, out);
                call.charged = charged;
                call.paid = call.price.longest(charged);
            } else if let Some(headroom) = headroom {
                call.state = State::Ending;
                let limit = &self.settings.limits[headroom.limit];
                let sentence = format!(
                    "{}: {}; the call was ended",
                    limit.title(&headroom.name),
                    limit.status_text(headroom.spent, self.settings.currency),
                );
                out.push(LimiterOutput::End { key, limit: Arc::clone(&limit.name), sentence });
                self.accounts.exhausted(&self.settings, headroom.limit, &headroom.name, at, out);
                return;
            }
        }
        if call.paid < FOREVER {
            let seconds = call.paid.saturating_sub(MARGIN).max(1);
            let when = since + Duration::from_secs(seconds.into());
            call.due = Some(when);
            self.due.insert((when, key));
        }
    }
}

#[cfg(test)]
mod tests;
