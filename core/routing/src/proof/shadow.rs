//! Alternatives that can never win. Exact: [`ringtrip_dialplan::Plan::winners`] walks through all numbers.

use ringtrip_dialplan::Wins;

use super::{Finding, Place, Prover, Rule};

impl Prover<'_> {
    pub(super) fn shadowed(&mut self) {
        let config = self.engine.router().config().clone();
        for (name, plan) in &config.plans {
            if !self.go_on() {
                return;
            }
            for (alternative, wins) in plan.winners(&config.dialling) {
                if wins == Wins::Never {
                    self.found(Finding {
                        rule: Rule::Shadowed,
                        stops: true,
                        place: Place::document(format!("plans.{name}")),
                        what: format!(
                            "{alternative} can never win: another alternative takes all of its numbers first"
                        ),
                        hint: "put it before the others, make the others narrower, or remove it".to_owned(),
                        example: None,
                    });
                }
            }
        }
    }
}
