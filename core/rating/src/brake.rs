//! The money brake: no call begins that a limit cannot pay, and none goes on when it is used up.
//!
//! Money is set aside before it is spent. A call that is let in sets aside what its first seconds cost
//! ([`Settings::least`]); while it runs, it sets aside the next few ([`Settings::lease`], or one billing step if that is
//! longer) as the last run out. So what all calls together have begun to cost never passes a limit, whatever runs at the
//! same time; only a shell that comes too late can make one step more of it. When a call ends, its true cost takes the
//! place of what was set aside.
//!
//! **Emergency calls are never brought here.** Whoever asks has asked [emergency] first, and does not come for a call
//! that is one: no limit refuses it, ends it, or counts it. There is deliberately no flag for it, which could be wrong.
//!
//! [emergency]: ../../ringtrip_exchange/emergency/index.html

mod account;
mod limit;

pub use account::{Row, Standing};
pub use limit::{Class, Limit, Per, Settings, Which};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::money::Money;
use crate::prefix::Prefix;
use crate::rate::{FOREVER, Price, Shown};
use crate::time::At;

use account::{Accounts, Name};

/// Ending a call takes a moment: it is told so long before its money runs out.
const MARGIN: u32 = 1;

/// Which leg of which call; the caller's own numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The call.
    pub call: u64,
    /// The leg that costs money.
    pub leg: u8,
}

/// A call that would cost money.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Which it is. Asking again for the same one gives back what it had set aside.
    pub key: Key,
    /// Who calls: an extension; empty when nobody of the house does.
    pub extension: &'a str,
    /// Who takes it.
    pub gateway: &'a str,
    /// The number: digits with country code.
    pub number: &'a str,
    /// What it costs.
    pub price: Price,
}

/// May it begin?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes. If nobody else spends, it may last so many seconds; [`FOREVER`] if no limit concerns it.
    Go {
        /// The longest call.
        until: u32,
    },
    /// No.
    Refuse {
        /// The limit.
        limit: Arc<str>,
        /// Why, for a person.
        sentence: String,
    },
}

/// What the brake wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// End this call now.
    End {
        /// The call.
        key: Key,
        /// The limit.
        limit: Arc<str>,
        /// Why, for a person.
        sentence: String,
    },
    /// Tell the operator. Said once for each height and account, until its time begins anew.
    Alarm(Alarm),
}

/// A limit is nearly, or wholly, used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The limit.
    pub limit: Arc<str>,
    /// 80 or 100.
    pub percent: u8,
    /// The extension it is counted for, if it is for each one.
    pub extension: Arc<str>,
    /// The gateway, likewise.
    pub gateway: Arc<str>,
    /// What is spent and set aside.
    pub spent: Money,
    /// The limit's amount.
    pub amount: Money,
    /// For a person.
    pub sentence: String,
}

/// The brake.
#[derive(Debug, Clone)]
pub struct Brake {
    settings: Settings,
    accounts: Accounts,
    calls: BTreeMap<Key, Call>,
    /// When which call needs money again.
    due: BTreeSet<(Instant, Key)>,
}

#[derive(Debug, Clone)]
struct Call {
    extension: Arc<str>,
    gateway: Arc<str>,
    number: Prefix,
    price: Price,
    /// Its accounts, each with its limit.
    accounts: Vec<(usize, Name)>,
    /// What is set aside for it in all.
    charged: Money,
    /// How many seconds that pays.
    paid: u32,
    state: State,
    /// When it needs money again, as it stands in [`Brake::due`].
    due: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ringing,
    Up {
        since: Instant,
    },
    /// It was told to end.
    Ending,
}

impl Brake {
    /// A brake with nothing spent.
    pub fn new(settings: Settings) -> Brake {
        Brake { settings, accounts: Accounts::default(), calls: BTreeMap::new(), due: BTreeSet::new() }
    }

    /// Other limits from now on, for running calls too. What was spent under a limit that keeps its name stays spent.
    pub fn set(&mut self, settings: Settings) {
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

    /// May this call begin? Asked before its INVITE. If it may, its first seconds are set aside at once, so that calls
    /// which ring at the same time do not count on the same money. Whatever becomes of it, [`end`](Self::end) must follow.
    pub fn admit(&mut self, at: At, ask: &Ask, out: &mut Vec<Output>) -> Verdict {
        if self.calls.contains_key(&ask.key) {
            self.end(at, ask.key, Money::ZERO, out);
        }
        let number = Prefix::leading(ask.number);
        let accounts = self.settings.concerned(ask.key, ask.extension, ask.gateway, number);
        let room = self.accounts.room(&self.settings, &accounts, at);
        let until = room.as_ref().map_or(FOREVER, |r| ask.price.longest(r.left));
        let least = self.settings.least.max(1);
        if let Some(room) = room.filter(|_| until < least) {
            let limit = &self.settings.limits[room.limit];
            let sentence = format!(
                "{}: {}; a call at {} does not fit",
                limit.title(&room.name),
                limit.stand(room.spent, self.settings.currency),
                Shown(&ask.price.tariff, self.settings.currency),
            );
            let limit = Arc::clone(&limit.name);
            self.accounts.exhausted(&self.settings, room.limit, &room.name, at, out);
            self.accounts.forget(ask.key, accounts.iter().map(|(_, name)| name));
            return Verdict::Refuse { limit, sentence };
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
        Verdict::Go { until }
    }

    /// The call was answered: from now on it costs money.
    pub fn answered(&mut self, now: Instant, at: At, key: Key, out: &mut Vec<Output>) {
        if let Some(call) = self.calls.get_mut(&key)
            && call.state == State::Ringing
        {
            call.state = State::Up { since: now };
            self.advance(now, at, key, out);
        }
    }

    /// Time has passed: sets money aside for the calls whose last is running out, and ends those for which there is none.
    /// Wanted at [`deadline`](Self::deadline); harmless at any other time.
    pub fn count(&mut self, now: Instant, at: At, out: &mut Vec<Output>) {
        while let Some((when, key)) = self.due.first().copied().filter(|(when, _)| *when <= now) {
            self.due.remove(&(when, key));
            if let Some(call) = self.calls.get_mut(&key) {
                call.due = None;
            }
            self.advance(now, at, key, out);
        }
    }

    /// When [`count`](Self::count) is wanted: a running call needs more money, or would cross a limit.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(when, _)| *when)
    }

    /// The call is over, or never was answered (cost nothing). Its true cost takes the place of what was set aside.
    pub fn end(&mut self, at: At, key: Key, cost: Money, out: &mut Vec<Output>) {
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

    /// What is spent under each limit, as it stands: for people.
    pub fn standing(&self, at: At) -> Vec<Standing> {
        self.accounts.standing(&self.settings, at)
    }

    /// What is spent, to be stored.
    pub fn rows(&self) -> Vec<Row> {
        self.accounts.rows()
    }

    /// Takes back what was stored, for limits that still are. Calls that ran then are over.
    pub fn restore(&mut self, rows: impl IntoIterator<Item = Row>) {
        for row in rows {
            if self.settings.limits.iter().any(|l| l.name == row.limit) {
                self.accounts.restore(row);
            }
        }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Gives a running call its next seconds, or tells it to end.
    fn advance(&mut self, now: Instant, at: At, key: Key, out: &mut Vec<Output>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let State::Up { since } = call.state else { return };
        let passed = now.saturating_duration_since(since);
        // A part of a second is billed whole.
        let used =
            u32::try_from(passed.as_secs()).unwrap_or(FOREVER - 1) + u32::from(passed.subsec_nanos() > 0);
        if used > call.paid {
            // The shell came late: what is used is owed, whether there is room or not.
            let owed = call.price.cost(used) - call.charged;
            self.accounts.charge(&self.settings, key, &call.accounts, owed, at, out);
            call.charged = call.charged + owed;
            call.paid = call.price.longest(call.charged).max(used);
        }
        if call.paid < FOREVER && call.paid.saturating_sub(MARGIN) <= used {
            let room = self.accounts.room(&self.settings, &call.accounts, at);
            let left = room.as_ref().map_or(Money::MAX, |r| r.left);
            let affordable = call.price.longest(call.charged + left);
            let wanted = call.paid.max(used).saturating_add(self.settings.lease.max(1));
            if affordable > call.paid {
                let charged = call.price.cost(affordable.min(wanted)).max(call.charged);
                let more = charged - call.charged;
                self.accounts.charge(&self.settings, key, &call.accounts, more, at, out);
                call.charged = charged;
                call.paid = call.price.longest(charged);
            } else if let Some(room) = room {
                call.state = State::Ending;
                let limit = &self.settings.limits[room.limit];
                let sentence = format!(
                    "{}: {}; the call has to end",
                    limit.title(&room.name),
                    limit.stand(room.spent, self.settings.currency),
                );
                out.push(Output::End { key, limit: Arc::clone(&limit.name), sentence });
                self.accounts.exhausted(&self.settings, room.limit, &room.name, at, out);
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
