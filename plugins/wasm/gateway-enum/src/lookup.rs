//! From a number to a SIP URI: NAPTR records in their order, and at most a few names further (RFC 6116 §3).

use ringtrip_plugin::dns::{Failure, Naptr, look_up_naptr};
use ringtrip_plugin::{E164, debug};

use crate::rule::Rule;
use crate::uri;

/// Names asked for one number and zone. A record may point on to another name (RFC 6116 §3.4.2); a circle ends here.
const MOST_NAMES: usize = 5;
/// Records of one answer that are looked at.
const MOST_RECORDS: usize = 32;

/// The SIP URI of a number, by the first zone that knows one.
pub fn find(number: &E164, zones: &[String]) -> Result<String, String> {
    let mut why = "no ENUM zone is set".to_owned();
    for zone in zones {
        match in_zone(number, zone) {
            Ok(uri) => return Ok(uri),
            Err(reason) => why = reason,
        }
    }
    Err(why)
}

fn in_zone(number: &E164, zone: &str) -> Result<String, String> {
    let mut names = vec![number.domain(zone)];
    let mut asked = 0;
    while let Some(name) = names.get(asked).cloned() {
        asked += 1;
        let mut records = match look_up_naptr(&name) {
            Ok(records) => records,
            Err(Failure::None) => continue,
            // The rest would come too late as well.
            Err(Failure::TooLate) => return Err(format!("{name}: {}", Failure::TooLate)),
            Err(other) if asked == 1 => return Err(format!("{name}: {other}")),
            Err(other) => {
                debug!("{name}: {other}");
                continue;
            }
        };
        // Order first, then preference (RFC 3403 §4.1).
        records.sort_by_key(|r| (r.order, r.preference));
        for record in records.iter().take(MOST_RECORDS) {
            match read(record, number) {
                Ok(Found::Uri(uri)) => return Ok(uri),
                Ok(Found::Name(next)) if names.len() < MOST_NAMES && !names.contains(&next) => {
                    names.push(next)
                }
                Ok(Found::Name(next)) => debug!("{name}: {next} is not asked any more"),
                Err(why) => debug!("{name}: {why}"),
            }
        }
    }
    Err(format!("{number} has no SIP address in {zone}"))
}

enum Found {
    Uri(String),
    Name(String),
}

/// What a record says about this number.
fn read(record: &Naptr, number: &E164) -> Result<Found, String> {
    let made = |text: &str| Rule::parse(text)?.apply(&number.to_string());
    match record.flags.to_ascii_lowercase().as_str() {
        "u" => {
            if !is_sip(&record.service) {
                return Err(format!("the service {:?} is not SIP", record.service));
            }
            uri::checked(&made(&record.regexp)?).map(Found::Uri)
        }
        // Not the end: another name follows, written out or made by a rule.
        "" => {
            let next = match record.replacement.trim_end_matches('.') {
                "" => made(&record.regexp)?,
                name => name.to_owned(),
            };
            Ok(Found::Name(next.trim_end_matches('.').to_ascii_lowercase()))
        }
        other => Err(format!("the flags {other:?} mean nothing in ENUM")),
    }
}

/// `E2U+sip`, also among others and with a subtype (RFC 6116 §3.4.3); `sip+E2U` as RFC 2916 had it.
fn is_sip(service: &str) -> bool {
    let service = service.to_ascii_lowercase();
    let types = match service.strip_prefix("e2u+") {
        Some(types) => types,
        None => match service.strip_suffix("+e2u") {
            Some(types) => types,
            None => return false,
        },
    };
    types.split('+').any(|t| matches!(t.split(':').next(), Some("sip" | "sips")))
}
