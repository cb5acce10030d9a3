//! When a call that failed outside is tried another way, and when not: a called party who is busy is busy by every
//! provider, a provider that fails says nothing about the called party.

use ringtrip_model::party::Cause;

/// What becomes of a call after an attempt outside has failed with a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The next way to the same party is tried.
    Next,
    /// No other way to the same party is tried; phones inside are.
    Stop,
}

/// A rule for each cause that an attempt can fail with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failover([Rule; CAUSES.len()]);

/// The causes that have a rule, each with the usual one.
const CAUSES: [(Cause, Rule); 13] = [
    (Cause::Busy, Rule::Stop),
    (Cause::Declined, Rule::Stop),
    (Cause::NoAnswer, Rule::Stop),
    (Cause::Changed, Rule::Stop),
    (Cause::Unregistered, Rule::Next),
    // A number that was ported is unknown to some providers and known to others.
    (Cause::Unallocated, Rule::Next),
    (Cause::Invalid, Rule::Next),
    (Cause::Barred, Rule::Next),
    (Cause::Congestion, Rule::Next),
    (Cause::Failure, Rule::Next),
    (Cause::Incompatible, Rule::Next),
    (Cause::BoardLost, Rule::Next),
    (Cause::SystemFailure, Rule::Next),
];

impl Rule {
    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Rule::Next => "next",
            Rule::Stop => "stop",
        }
    }
}

impl Failover {
    /// The causes that can have a rule of their own.
    pub fn causes() -> impl Iterator<Item = Cause> {
        CAUSES.iter().map(|(cause, _)| *cause)
    }

    /// The usual rule for a cause.
    pub fn usual(cause: Cause) -> Rule {
        CAUSES.iter().find(|(c, _)| *c == cause).map_or(Rule::Next, |(_, rule)| *rule)
    }

    /// The rule for a cause. What is not in the table is how a line or a part of ours ended: another way is tried.
    pub fn rule(&self, cause: Cause) -> Rule {
        let at = CAUSES.iter().position(|(c, _)| *c == cause);
        at.and_then(|at| self.0.get(at)).copied().unwrap_or(Rule::Next)
    }

    /// Gives a cause this rule; false if it has none.
    pub fn set(&mut self, cause: Cause, rule: Rule) -> bool {
        let slot = CAUSES.iter().zip(&mut self.0).find(|((c, _), _)| *c == cause);
        slot.map(|(_, slot)| *slot = rule).is_some()
    }

    /// The whole table.
    pub fn table(&self) -> impl Iterator<Item = (Cause, Rule)> {
        CAUSES.iter().zip(&self.0).map(|((cause, _), rule)| (*cause, *rule))
    }
}

impl Default for Failover {
    fn default() -> Failover {
        Failover(CAUSES.map(|(_, rule)| rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_party_is_busy_everywhere_and_a_failed_provider_is_not() {
        let mut rules = Failover::default();
        for cause in [Cause::Busy, Cause::Declined, Cause::NoAnswer] {
            assert_eq!(rules.rule(cause), Rule::Stop, "{cause:?}");
        }
        for cause in [Cause::Failure, Cause::Congestion, Cause::Unallocated, Cause::Cpc] {
            assert_eq!(rules.rule(cause), Rule::Next, "{cause:?}");
        }
        assert!(rules.set(Cause::NoAnswer, Rule::Next) && !rules.set(Cause::Cpc, Rule::Stop));
        assert_eq!(rules.rule(Cause::NoAnswer), Rule::Next);
        assert_eq!(rules.table().count(), Failover::causes().count());
    }
}
