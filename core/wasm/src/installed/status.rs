//! The status of the provider behind a gateway plugin, for events: reported when it becomes different, not each time that
//! it is asked.

use ringtrip_model::event::Event;

use crate::contract::{Condition, Money};

/// So many questions in a row without an answer are reported: one may be lost on the way to the provider.
const UNANSWERED: u32 = 3;

/// What was last reported of one plugin. A new one is believed to be usable and to have money.
#[derive(Debug)]
pub(super) struct ProviderStatus {
    health: Reported,
    balance: Reported,
}

#[derive(Debug)]
struct Reported {
    state: &'static str,
    unanswered: u32,
}

impl Default for ProviderStatus {
    fn default() -> ProviderStatus {
        let reported = |state| Reported { state, unanswered: 0 };
        ProviderStatus { health: reported("usable"), balance: reported("left") }
    }
}

impl ProviderStatus {
    /// It was asked for its health.
    pub fn health(&mut self, plugin: &str, said: &Result<Condition, String>) -> Option<Event> {
        let answer = said.as_ref().map(|condition| {
            let state = if condition.usable { "usable" } else { "unusable" };
            (state, condition.why.clone())
        });
        let (state, why) = self.health.becomes(answer)?;
        Some(Event::PluginHealth { plugin: plugin.to_owned(), state, why })
    }

    /// It was asked what is left of the money. One that names none is not about to run out of it.
    pub fn balance(&mut self, plugin: &str, said: &Result<Option<Money>, String>) -> Option<Event> {
        let answer = said.as_ref().map(|money| match money {
            Some(money) if money.micros <= 0 => ("spent", shown(money)),
            Some(money) => ("left", shown(money)),
            None => ("left", String::new()),
        });
        let (state, balance) = self.balance.becomes(answer)?;
        Some(Event::PluginBalance { plugin: plugin.to_owned(), state, balance })
    }
}

impl Reported {
    /// The state to report, with its text, if it is another than before.
    fn becomes(&mut self, answer: Result<(&'static str, String), &String>) -> Option<(&'static str, String)> {
        let (state, text) = match answer {
            Ok(answer) => {
                self.unanswered = 0;
                answer
            }
            Err(why) => {
                self.unanswered = self.unanswered.saturating_add(1);
                if self.unanswered < UNANSWERED {
                    return None;
                }
                ("unanswered", why.clone())
            }
        };
        if self.state == state {
            return None;
        }
        self.state = state;
        Some((state, text))
    }
}

/// `12.340000 EUR`.
pub(super) fn shown(money: &Money) -> String {
    let sign = if money.micros < 0 { "-" } else { "" };
    let micros = money.micros.unsigned_abs();
    format!("{sign}{}.{:06} {}", micros / 1_000_000, micros % 1_000_000, money.currency)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each letter is an answer: u(sable), n(ot usable), f(ailure). Each event is shown by its state.
    #[test]
    fn health_is_told_when_it_changes() {
        fn check(answers: &str, events: &[&str]) {
            let mut status = ProviderStatus::default();
            let reported = answers.chars().filter_map(|answer| {
                let said = match answer {
                    'u' => Ok(Condition { usable: true, why: String::new() }),
                    'n' => Ok(Condition { usable: false, why: "maintenance".to_owned() }),
                    _ => Err("too late".to_owned()),
                };
                let event = status.health("card", &said)?;
                let Event::PluginHealth { plugin, state, why } = event else { panic!("{event:?}") };
                assert_eq!(plugin, "card");
                Some(format!("{state} {why}").trim_end().to_owned())
            });
            assert_eq!(reported.collect::<Vec<_>>(), events, "{answers}");
        }
        let (not, silent) = ("unusable maintenance", "unanswered too late");
        check("uuu", &[]);
        check("n", &[not]);
        check("unnnuu", &[not, "usable"]);
        check("ffuff", &[]);
        check("fff", &[silent]);
        check("uffffffuu", &[silent, "usable"]);
        check("nffnu", &[not, "usable"]);
        check("nfffnu", &[not, silent, not, "usable"]);
        check("fffn", &[silent, not]);
    }

    /// Letters as above: l(eft), s(pent), d(ebt), n(one is known), f(ailure).
    #[test]
    fn a_balance_is_told_when_it_is_spent_or_unknown() {
        fn check(answers: &str, events: &[&str]) {
            let mut status = ProviderStatus::default();
            let money = |micros| Ok(Some(Money { micros, currency: "EUR".to_owned() }));
            let reported = answers.chars().filter_map(|answer| {
                let said = match answer {
                    'l' => money(2_500_000),
                    's' => money(0),
                    'd' => money(-1_250_000),
                    'n' => Ok(None),
                    _ => Err("no such card".to_owned()),
                };
                let event = status.balance("card", &said)?;
                let Event::PluginBalance { state, balance, .. } = event else { panic!("{event:?}") };
                Some(format!("{state} {balance}").trim_end().to_owned())
            });
            assert_eq!(reported.collect::<Vec<_>>(), events, "{answers}");
        }
        check("lln", &[]);
        check("nnn", &[]);
        check("lsdl", &["spent 0.000000 EUR", "left 2.500000 EUR"]);
        check("dd", &["spent -1.250000 EUR"]);
        check("lffl", &[]);
        check("fffln", &["unanswered no such card", "left 2.500000 EUR"]);
        check("fffs", &["unanswered no such card", "spent 0.000000 EUR"]);
        check("sn", &["spent 0.000000 EUR", "left"]);
    }
}
