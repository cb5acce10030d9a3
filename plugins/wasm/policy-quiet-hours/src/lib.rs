//! Quiet hours: at night, calls from outside are refused or go elsewhere.

mod hours;
mod numbers;

use hours::Hours;
use ringtrip_plugin::{Answer, Call, Policy, error, settings};

/// The policy.
pub struct QuietHours;

impl Policy for QuietHours {
    fn route(call: &Call) -> Answer {
        if !call.from_outside() {
            return Answer::pass();
        }
        let hours = match Hours::read() {
            Ok(hours) => hours,
            // A wrong setting must not silence a house.
            Err(wrong) => {
                error!("{wrong}");
                return Answer::pass().because(&wrong);
            }
        };
        if !hours.quiet(&call.at) || !concerns(call) {
            return Answer::pass();
        }
        let shown = !call.caller.withheld;
        if shown && settings::list("exceptions").iter().any(|e| numbers::matches(e, &call.caller.number)) {
            return Answer::pass().because("quiet hours, but this caller may ring");
        }
        let reason = settings::text("reason").unwrap_or_else(|| "quiet hours".to_owned());
        match settings::text("instead") {
            Some(target) => Answer::to(&target).because(&reason),
            None => Answer::refuse(&reason),
        }
    }
}

ringtrip_plugin::export_policy!(QuietHours);

/// Is the call for one of the extensions that want quiet?
fn concerns(call: &Call) -> bool {
    let extensions = settings::list("extensions");
    let called = call.default_route.as_deref().unwrap_or(&call.number);
    extensions.is_empty() || extensions.iter().any(|e| e == called || *e == call.number)
}

#[cfg(test)]
mod tests;
