//! PINs: what a caller has entered becomes the name of a PIN, and the name decides the plan of numbers dialled after it.

use crate::router::machine::Router;
use crate::router::plan::{Steps, note, refuse};
use ringtrip_config::Inbound;
use ringtrip_exchange::route::{RoutePlan, RouteQuery, StepKind};
use ringtrip_model::party::Cause;

impl Router {
    /// The query with the name of the PIN that was entered; what is refused when it is none. A refusal without
    /// `Extras::pin` says to the call that it may ask again.
    pub(super) fn proved(&self, query: RouteQuery, steps: &mut Steps) -> Result<RouteQuery, Box<RoutePlan>> {
        let Some(entered) = &query.entered else { return Ok(query) };
        match self.config.pin_entered(&entered.0) {
            Some(pin) => {
                note(steps, StepKind::Number, pin.name.as_str(), "its PIN was entered");
                Ok(RouteQuery { pin: Some(pin.name.clone()), entered: None, ..query })
            }
            None => Err(Box::new(refuse(Cause::Barred, None, "a wrong PIN was entered".to_owned()))),
        }
    }

    /// Where a call from outside goes; `None`: it is a call as from inside. Who has proved a PIN dials like somebody of
    /// the exchange. A caller who has not reaches extensions alone by a number that was asked for.
    pub(super) fn outside_of(&self, query: &RouteQuery) -> Option<Inbound> {
        let inbound = self.outside(&query.source)?;
        match (query.asked, &query.pin) {
            (false, _) => Some(inbound),
            (true, Some(_)) => None,
            (true, None) => Some(Inbound::Dialled),
        }
    }
}
