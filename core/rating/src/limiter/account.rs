//! One account per limit and per extension or gateway that it counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::limit::{Limit, LimiterSettings, Per};
use super::{AttemptKey, LimitAlarm, LimiterOutput};
use crate::money::Money;
use crate::time::At;

/// Percentages of the limit at which an alarm is raised.
const THRESHOLDS: [u8; 2] = [80, 100];

/// Which account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AccountName {
    pub limit: Arc<str>,
    /// Empty unless the limit is for each one, or for one.
    pub extension: Arc<str>,
    pub gateway: Arc<str>,
    /// Limits a call have an account for each one.
    pub call: Option<AttemptKey>,
}

/// One account, for persistence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// The limit.
    pub limit: Arc<str>,
    /// Whose; empty for all.
    pub extension: Arc<str>,
    /// By which gateway; empty for all.
    pub gateway: Arc<str>,
    /// Which hour, day, week or month, counted from 1970.
    pub period: i64,
    /// Spent in it.
    pub spent: Money,
    /// The highest threshold for which an alarm was raised in this period, in percent.
    pub alarmed_percent: u8,
}

/// One account, for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitStatus {
    /// The limit.
    pub limit: Arc<str>,
    /// Whose; empty for all.
    pub extension: Arc<str>,
    /// By which gateway; empty for all.
    pub gateway: Arc<str>,
    /// In which time.
    pub per: Per,
    /// How much may be spent.
    pub amount: Money,
    /// How much is, or is set aside for calls that run.
    pub spent: Money,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Accounts(BTreeMap<AccountName, Account>);

#[derive(Debug, Clone, Default)]
struct Account {
    period: i64,
    spent: Money,
    alarmed_percent: u8,
    /// What running calls have reserved in this period: only that can be refunded.
    shares: BTreeMap<AttemptKey, Money>,
}

/// The tightest limit of a call.
#[derive(Debug, Clone)]
pub(super) struct Headroom {
    pub limit: usize,
    pub name: AccountName,
    pub spent: Money,
    pub left: Money,
}

impl Accounts {
    /// The account among these that has least left now.
    pub fn headroom(
        &self,
        settings: &LimiterSettings,
        accounts: &[(usize, AccountName)],
        at: At,
    ) -> Option<Headroom> {
        let mut tightest: Option<(Money, Money, &(usize, AccountName))> = None;
        for account in accounts {
            let Some(limit) = settings.limits.get(account.0).filter(|l| l.counts(at)) else { continue };
            let spent = self.spent(&account.1, limit.per, at);
            let left = (limit.amount - spent).max(Money::ZERO);
            if tightest.is_none_or(|(least, ..)| left < least) {
                tightest = Some((left, spent, account));
            }
        }
        tightest.map(|(left, spent, (limit, name))| Headroom {
            limit: *limit,
            name: name.clone(),
            spent,
            left,
        })
    }

    /// Puts an amount on these accounts, those of them that count now.
    pub fn charge(
        &mut self,
        settings: &LimiterSettings,
        key: AttemptKey,
        accounts: &[(usize, AccountName)],
        amount: Money,
        at: At,
        out: &mut Vec<LimiterOutput>,
    ) {
        if amount <= Money::ZERO {
            return;
        }
        for (place, name) in accounts {
            let Some(limit) = settings.limits.get(*place).filter(|l| l.counts(at)) else { continue };
            let account = self.current(name, limit.per, at);
            account.spent = account.spent + amount;
            let share = account.shares.entry(key).or_default();
            *share = *share + amount;
            let height =
                THRESHOLDS.into_iter().rfind(|h| account.spent >= limit.amount.percent(u32::from(*h)));
            if let Some(height) = height {
                account.raise_alarm(settings, limit, name, height, out);
            }
        }
    }

    /// A call was refused or ended because of this account, whatever is left on it.
    pub fn exhausted(
        &mut self,
        settings: &LimiterSettings,
        place: usize,
        name: &AccountName,
        at: At,
        out: &mut Vec<LimiterOutput>,
    ) {
        if let Some(limit) = settings.limits.get(place) {
            self.current(name, limit.per, at).raise_alarm(settings, limit, name, 100, out);
        }
    }

    /// Takes an amount off again. What was put on in a period that is over stays there.
    pub fn refund(&mut self, key: AttemptKey, accounts: &[(usize, AccountName)], amount: Money) {
        for (_, name) in accounts {
            if let Some(account) = self.0.get_mut(name)
                && let Some(share) = account.shares.get(&key)
            {
                account.spent = account.spent - amount.min(*share);
            }
        }
    }

    /// The call is over for these accounts: nothing of it can be given back any more.
    pub fn forget<'a>(&mut self, key: AttemptKey, accounts: impl IntoIterator<Item = &'a AccountName>) {
        for name in accounts {
            if name.call.is_some() {
                self.0.remove(name);
            } else if let Some(account) = self.0.get_mut(name) {
                account.shares.remove(&key);
            }
        }
    }

    pub fn keep(&mut self, is: impl Fn(&Arc<str>) -> bool) {
        self.0.retain(|name, _| is(&name.limit));
    }

    pub fn status(&self, settings: &LimiterSettings, at: At) -> Vec<LimitStatus> {
        let limits = settings.limits.iter();
        limits
            .flat_map(|limit| {
                self.0.keys().filter(|n| n.limit == limit.name && n.call.is_none()).map(|name| LimitStatus {
                    limit: Arc::clone(&limit.name),
                    extension: Arc::clone(&name.extension),
                    gateway: Arc::clone(&name.gateway),
                    per: limit.per,
                    amount: limit.amount,
                    spent: self.spent(name, limit.per, at),
                })
            })
            .collect()
    }

    pub fn rows(&self) -> Vec<AccountRow> {
        let lasting = self.0.iter().filter(|(name, _)| name.call.is_none());
        lasting
            .map(|(name, account)| AccountRow {
                limit: Arc::clone(&name.limit),
                extension: Arc::clone(&name.extension),
                gateway: Arc::clone(&name.gateway),
                period: account.period,
                spent: account.spent,
                alarmed_percent: account.alarmed_percent,
            })
            .collect()
    }

    pub fn restore(&mut self, row: AccountRow) {
        let name =
            AccountName { limit: row.limit, extension: row.extension, gateway: row.gateway, call: None };
        let account = Account {
            period: row.period,
            spent: row.spent.max(Money::ZERO),
            alarmed_percent: row.alarmed_percent,
            shares: BTreeMap::new(),
        };
        self.0.insert(name, account);
    }

    fn spent(&self, name: &AccountName, per: Per, at: At) -> Money {
        let account = self.0.get(name).filter(|a| !a.is_over(per.period(at)));
        account.map_or(Money::ZERO, |a| a.spent)
    }

    /// The account, begun anew if its time is over.
    fn current(&mut self, name: &AccountName, per: Per, at: At) -> &mut Account {
        let period = per.period(at);
        let account = self.0.entry(name.clone()).or_insert_with(|| Account { period, ..Account::default() });
        if account.is_over(period) {
            *account = Account { period, ..Account::default() };
        }
        account
    }
}

impl Account {
    /// A clock that is set back by less than a period, or an hour that comes twice in autumn, gives no money back.
    fn is_over(&self, period: i64) -> bool {
        period != self.period && period != self.period - 1
    }

    fn raise_alarm(
        &mut self,
        settings: &LimiterSettings,
        limit: &Limit,
        name: &AccountName,
        percent: u8,
        out: &mut Vec<LimiterOutput>,
    ) {
        if self.alarmed_percent >= percent {
            return;
        }
        self.alarmed_percent = percent;
        let sentence = format!("{}: {}", limit.title(name), limit.status_text(self.spent, settings.currency));
        out.push(LimiterOutput::Alarm(LimitAlarm {
            limit: Arc::clone(&limit.name),
            percent,
            extension: Arc::clone(&name.extension),
            gateway: Arc::clone(&name.gateway),
            spent: self.spent,
            amount: limit.amount,
            sentence,
        }));
    }
}
