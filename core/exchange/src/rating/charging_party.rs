//! Who charges and who pays for an attempt.

use std::sync::Arc;

use ringtrip_config::{Config, LineKind};

use crate::route::{Attempt, Target};
use ringtrip_model::party::Source;

/// The landline among gateways.
pub const LANDLINE: &str = "gw0";

/// The gateway that charges for an attempt; none for internal targets.
pub(super) fn gateway_of(config: &Config, attempt: &Attempt) -> Option<Arc<str>> {
    if let Some(gateway) = attempt.prepared.as_ref().and_then(|p| p.gateway.as_ref()) {
        return Some(gateway.as_str().into());
    }
    match &attempt.target {
        Target::Gateway(id) => Some(id.as_str().into()),
        Target::Landline => Some(LANDLINE.into()),
        Target::Line(id) => matches!(config.line(id)?.kind, LineKind::Fxo(_)).then(|| LANDLINE.into()),
        Target::Extension(_) | Target::Uri(_) => None,
    }
}

/// The number that is paid for: digits with the country code. A carrier is called at a number of its own; then the prefix
/// that priced the call stands for it.
pub(super) fn number_of(config: &Config, attempt: &Attempt) -> String {
    let carried = attempt.prepared.as_ref().is_some_and(|p| p.gateway.is_some());
    match &attempt.quote {
        Some(quote) if carried => quote.prefix.clone(),
        _ => {
            let number = config.numbering.e164(&attempt.number).unwrap_or_default();
            number.trim_start_matches('+').to_owned()
        }
    }
}

/// Who pays: an extension, the line of a telephone that has none, or a gateway whose calls dial out; empty for other
/// calls from outside.
pub fn extension_of(config: &Config, source: &Source) -> String {
    match source {
        Source::Extension(id) => id.to_string(),
        Source::Line(id) => match config.line(id).map(|l| &l.kind) {
            Some(LineKind::Fxo(_)) | None => String::new(),
            Some(LineKind::Fxs(_)) => config.extension_on(id).map_or(id.to_string(), |e| e.id.to_string()),
        },
        // Another exchange that dials by a plan of ours pays like an extension.
        Source::Gateway(id) if config.gateway(id).is_some_and(|g| g.dials()) => id.to_string(),
        Source::Gateway(_) | Source::Operator => String::new(),
    }
}
