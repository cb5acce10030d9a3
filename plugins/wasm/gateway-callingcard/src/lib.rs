//! A calling card as a provider: its access number is called, and after the answer the PIN and the number are keyed in.

mod prices;

use ringtrip_plugin::{Call, Carrier, Condition, Gateway, Prepared, Price, Steps, settings, warn};

/// The card.
pub struct CallingCard;

impl Gateway for CallingCard {
    fn prepare(call: &Call) -> Result<Prepared, String> {
        let card = Card::read()?;
        let number = card.number(call)?;
        let after_answer = card.sequence(&number)?;
        let because = format!("calling card: {} is called, then {number} is keyed in", card.access);
        Ok(Prepared {
            carrier: card.carrier,
            number: card.access,
            after_answer,
            because,
            ..Prepared::default()
        })
    }

    fn prices() -> Vec<Price> {
        let currency = settings::text("currency").unwrap_or_else(|| "EUR".to_owned());
        let (prices, wrong) = prices::read(&settings::text("prices").unwrap_or_default(), &currency);
        for line in wrong {
            warn!("price left out: {line}");
        }
        prices
    }

    fn health() -> Condition {
        // The sequence is tried with a number that every format can say.
        let sample = Call {
            dialled: "00441632960123".into(),
            number: "00441632960123".into(),
            e164: Some("+441632960123".into()),
            ..Call::default()
        };
        CallingCard::prepare(&sample).map_or_else(|why| Condition::down(&why), |_| Condition::usable())
    }
}

ringtrip_plugin::export_gateway!(CallingCard);

/// The settings, read.
struct Card {
    access: String,
    pin: Option<String>,
    carrier: Carrier,
    sequence: String,
    format: String,
}

impl Card {
    fn read() -> Result<Card, String> {
        let written = settings::need("access")?;
        let access: String = written.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
        let keys = access.strip_prefix('+').unwrap_or(&access);
        if keys.is_empty() || !keys.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#')) {
            return Err(format!("the setting \"access\" cannot be {written:?}: it is a number to dial"));
        }
        let carrier = match settings::text("carrier").as_deref() {
            None | Some("landline" | "gw0") => Carrier::Landline,
            Some(name) => Carrier::Gateway(name.to_owned()),
        };
        if carrier == Carrier::Landline && access.starts_with('+') {
            return Err("the setting \"access\" begins with +, which a landline cannot dial".to_owned());
        }
        Ok(Card {
            access,
            pin: settings::text("pin"),
            carrier,
            sequence: settings::text("sequence").unwrap_or_else(|| "2s {pin} 2s {number}#".to_owned()),
            format: settings::text("number").unwrap_or_else(|| "00{e164}".to_owned()),
        })
    }

    /// The number as the provider wants it keyed in.
    fn number(&self, call: &Call) -> Result<String, String> {
        let steps = Steps::read(&self.format, |word| match word {
            "e164" => call.international().map(|n| n.digits().to_owned()),
            "number" => Some(call.number.clone()),
            "dialled" => Some(call.dialled.clone()),
            _ => None,
        });
        if self.format.contains("{e164}") && call.international().is_none() {
            return Err(format!("{} is not known as an international number", call.number));
        }
        let steps = steps.map_err(|e| format!("the setting \"number\": {e}"))?;
        let mut number = String::new();
        for step in steps {
            match step {
                ringtrip_plugin::Step::Keys(keys) => number += &keys,
                ringtrip_plugin::Step::Pause(_) => {
                    return Err(
                        "the setting \"number\" has a pause; pauses belong into \"sequence\"".to_owned()
                    );
                }
            }
        }
        if number.is_empty() { Err("there is no number to key in".to_owned()) } else { Ok(number) }
    }

    fn sequence(&self, number: &str) -> Result<Steps, String> {
        let steps = Steps::read(&self.sequence, |word| match word {
            // None: the provider knows the caller by the number.
            "pin" => Some(self.pin.clone().unwrap_or_default()),
            "number" => Some(number.to_owned()),
            _ => None,
        });
        steps.map_err(|e| format!("the setting \"sequence\": {e}"))
    }
}

#[cfg(test)]
mod tests;
