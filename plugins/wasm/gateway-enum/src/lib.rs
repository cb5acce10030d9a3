//! Calls around the telephone network: by ENUM (RFC 6116), and to networks of peers by a star prefix.

mod lookup;
mod peers;
mod rule;
mod uri;

use ringtrip_plugin::{Call, Carrier, Condition, Gateway, Prepared, settings};

/// The gateway.
pub struct Enum;

impl Gateway for Enum {
    fn prepare(call: &Call) -> Result<Prepared, String> {
        // A plan may have cut the star off already. But what it made an international number of is one.
        let dialled = if call.e164.is_none() { call.dialled.strip_prefix('*') } else { None };
        let starred = call.number.strip_prefix('*').or(dialled);
        if let Some(rest) = starred {
            let peers = peers::read(&settings::list("peers"))?;
            let (uri, number) = peers::find(&peers, rest)?;
            let because = format!("*{rest} is {uri} by the table of peers");
            return Ok(Prepared { carrier: Carrier::Sip(uri), number, because, ..Prepared::default() });
        }
        let Some(number) = call.international() else {
            return Err(format!("{} is not known as an international number", call.number));
        };
        let uri = lookup::find(&number, &settings::list("zones"))?;
        let because = format!("{number} is {uri} by ENUM");
        Ok(Prepared {
            carrier: Carrier::Sip(uri),
            number: number.to_string(),
            because,
            ..Prepared::default()
        })
    }

    fn health() -> Condition {
        let peers = match peers::read(&settings::list("peers")) {
            Ok(peers) => peers,
            Err(why) => return Condition::down(&why),
        };
        if peers.is_empty() && settings::list("zones").is_empty() {
            return Condition::down("neither \"zones\" nor \"peers\" is set");
        }
        Condition::usable()
    }
}

ringtrip_plugin::export_gateway!(Enum);

#[cfg(test)]
mod tests;
