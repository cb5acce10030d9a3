//! What the store keeps, as it is written: the serde mirrors of the exchange's own types. A field is added with
//! `#[serde(default)]` and never renamed, so that an old journal can always be read.

use ringtrip_exchange::cdr::{Cdr, Cost, Failed, Party};
use ringtrip_exchange::post::RtpStats;
use ringtrip_exchange::route::{Quote, Step};
use ringtrip_model::ids::CallId;
use ringtrip_model::party::{Cause, EndedBy, Source};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::secrets;

/// What a record of the journal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A call detail record; replaces the one of the same call.
    Cdr = 1,
    /// A version of the configuration.
    Config = 2,
    /// An API token, or its revocation.
    Token = 3,
    /// A named secret's hash (`admin`).
    Secret = 4,
    /// The daemon opened the store; the payload counts the times.
    Boot = 5,
    /// A draft of routes, or that it was discarded.
    Draft = 16,
}

impl Kind {
    /// The kind that this octet names.
    pub fn of(octet: u8) -> Option<Kind> {
        match octet {
            1 => Some(Kind::Cdr),
            2 => Some(Kind::Config),
            3 => Some(Kind::Token),
            4 => Some(Kind::Secret),
            5 => Some(Kind::Boot),
            16 => Some(Kind::Draft),
            _ => None,
        }
    }
}

/// A call detail record as kept and as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CdrRecord {
    /// The call: 16 hex digits. Later calls have greater names.
    pub call: String,
    /// Where the call came from.
    pub source: SourceRecord,
    /// How the caller was shown.
    pub caller: CallerRecord,
    /// What the provider's network found out about the caller's number, as `TN-Validation-Passed`; null if it said nothing.
    #[serde(default)]
    pub verstat: Option<String>,
    /// What was dialled.
    pub dialled: String,
    /// The number sent to the target that answered or was tried last.
    pub sent: String,
    /// The target that answered or was tried last: `101`, `fxo1`, `gw1`, a host; empty if none.
    pub target: String,
    /// What carried the call there, where that is another than the target; empty if none.
    #[serde(default)]
    pub carrier: String,
    /// What was tried in vain, in order: another landline, a provider that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<FailedRecord>,
    /// Who talked, in the order in which they joined: more than two when the call was transferred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parties: Vec<PartyRecord>,
    /// Start, microseconds since 1970 UTC.
    pub started_micros: i64,
    /// From start to the answer, µs; null if never answered.
    pub answered_after_us: Option<u64>,
    /// From start to the end, µs; null while the call lives.
    pub ended_after_us: Option<u64>,
    /// Why it ended; null while it lives.
    pub cause: Option<String>,
    /// Which side ended it: `a` the caller, `b` the called, `x` the exchange.
    #[schema(value_type = Option<char>)]
    pub ended_by: Option<EndedByRecord>,
    /// Was it an emergency call?
    pub emergency: bool,
    /// Who decided the route.
    pub provenance: ProvenanceRecord,
    /// The name of the PIN that the caller proved; null if none.
    #[serde(default)]
    pub pin: Option<String>,
    /// What the route that answered or was tried last costs; null where no rate deck prices it.
    #[serde(default)]
    pub quote: Option<QuoteRecord>,
    /// What the call cost; null while it lives, and where no rate deck prices it.
    #[serde(default)]
    pub cost: Option<CostRecord>,
    /// The recording, a file in the recordings folder; null if there is none.
    #[serde(default)]
    pub recording: Option<String>,
    /// Statistics of the caller's end.
    pub a: Option<FiguresRecord>,
    /// Statistics of the called end.
    pub b: Option<FiguresRecord>,
}

/// Who ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndedByRecord {
    /// The caller.
    #[serde(rename = "a")]
    Caller,
    /// The called party.
    #[serde(rename = "b")]
    Called,
    /// The exchange.
    #[serde(rename = "x")]
    Exchange,
}

/// Somebody who talked in a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartyRecord {
    /// Its leg, 16 hex digits, as in events.
    pub leg: String,
    /// `101`, `fxo1`, `gw1`, a host.
    pub name: String,
    /// From the call's start until it joined, µs.
    pub joined_after_us: u64,
    /// From the call's start until it left, µs; null while it is there.
    pub left_after_us: Option<u64>,
}

/// An attempt that reached nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailedRecord {
    /// What was tried: `101`, `fxo1`, `gw1`, a host; `landline` where none was to be had.
    pub target: String,
    /// From the call's start to the attempt's, µs.
    pub after_us: u64,
    /// From the call's start to the attempt's end, µs.
    pub ended_after_us: u64,
    /// Why it ended.
    pub cause: String,
}

/// Where a call came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceRecord {
    /// `extension`, `line`, `gateway` or `operator`.
    pub kind: String,
    /// Its name; empty for the operator.
    pub name: String,
}

/// How a caller is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct CallerRecord {
    /// Number.
    pub number: String,
    /// Name.
    pub name: String,
    /// Withheld from the called party.
    pub private: bool,
}

/// Who decided a route.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ProvenanceRecord {
    /// The dial-plan alternative that won, as written (passwords hidden).
    pub alternative: Option<String>,
    /// Script and line, `default.rhai:12`.
    pub script: Option<String>,
    /// One sentence for a person.
    pub because: String,
    /// How it came to that: kind of step, who or what, one sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepRecord>,
}

/// One step of a decision, as a list of three: kind, subject, sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepRecord(pub String, pub String, pub String);

/// What a call by a route costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuoteRecord {
    /// The rate deck.
    pub deck: String,
    /// The prefix that priced it, digits of E.164.
    pub prefix: String,
    /// The deck's name for the destination.
    pub destination: String,
    /// ISO 4217.
    pub currency: String,
    /// Price a minute, millionths of a unit.
    pub per_minute_micros: i64,
    /// Estimated price of the call before it was made, millionths of a unit.
    pub estimate_micros: i64,
    /// One sentence for a person.
    pub why: String,
}

/// What a call cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CostRecord {
    /// Millionths of a unit.
    pub micros: i64,
    /// ISO 4217.
    pub currency: String,
    /// The deck that priced it.
    pub deck: String,
    /// The rule: prefix, destination and how it was charged.
    pub rule: String,
}

/// What one end of a call measured.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct FiguresRecord {
    /// Packets or 20 ms frames taken from the peer.
    pub received: u64,
    /// Packets or frames sent to it.
    pub sent: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets refused.
    pub refused: u64,
    /// Jitter at the end, ms.
    pub jitter_ms: f32,
    /// Round trip from RTCP, ms.
    pub round_trip_ms: Option<f32>,
    /// Loss that the peer reported, percent.
    pub far_loss_percent: Option<f32>,
}

/// A version of the configuration, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigMeta {
    /// Counts from 1.
    pub version: u64,
    /// When it was kept, microseconds since 1970 UTC.
    pub at_micros: i64,
    /// Who made it.
    pub author: String,
    /// Why.
    pub note: String,
    /// SHA-256 of the text, hex.
    pub sha256: String,
}

/// A version of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigVersion {
    /// All but the text.
    #[serde(flatten)]
    pub meta: ConfigMeta,
    /// The TOML document.
    pub text: String,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look, never touch.
    Read,
    /// Everything.
    Admin,
}

/// An API token: only its hash is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Short public name, for lists and revocation.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// SHA-256 of the token, hex. A token has 256 random bits, so a fast hash is enough.
    pub sha256: String,
    /// When it was made, microseconds since 1970 UTC.
    pub created_micros: i64,
    /// Revoked: kept so that a replay forgets it too.
    #[serde(default)]
    pub revoked: bool,
}

/// A named secret's hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SecretRecord {
    pub name: String,
    pub hash: String,
}

/// The daemon opened the store.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct BootRecord {
    pub boot: u64,
}

/// A contact of an extension, written behind so that phones can be rung right after a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegistrationRecord {
    /// The extension.
    pub ext: String,
    /// Contact URI as registered.
    pub contact: String,
    /// `+sip.instance`, if given.
    #[serde(default)]
    pub instance: Option<String>,
    /// q value in thousandths.
    #[serde(default)]
    pub q: u16,
    /// `udp` or `tcp`.
    pub transport: String,
    /// Our address of the flow.
    pub local: String,
    /// Theirs.
    pub remote: String,
    /// Path headers.
    #[serde(default)]
    pub path: Vec<String>,
    /// Call-ID and CSeq of the REGISTER (RFC 3261 §10.3, step 7).
    #[serde(default)]
    pub call_id: String,
    /// CSeq of it.
    #[serde(default)]
    pub cseq: u32,
    /// User-Agent, for people.
    #[serde(default)]
    pub user_agent: String,
    /// When it runs out, microseconds since 1970 UTC.
    pub expires_micros: i64,
}

impl From<&Cdr> for CdrRecord {
    fn from(cdr: &Cdr) -> CdrRecord {
        CdrRecord {
            call: cdr.call.to_string(),
            source: SourceRecord::from(&cdr.source),
            caller: CallerRecord {
                number: cdr.caller.number.clone(),
                name: cdr.caller.name.clone(),
                private: cdr.caller.private,
            },
            verstat: cdr.verstat.clone(),
            dialled: cdr.dialled.to_string(),
            sent: cdr.sent.to_string(),
            target: cdr.target.clone(),
            carrier: cdr.carrier.clone(),
            attempts: cdr.attempts.iter().map(FailedRecord::from).collect(),
            parties: cdr.parties.iter().map(PartyRecord::from).collect(),
            started_micros: cdr.started_micros,
            answered_after_us: cdr.answered_after,
            ended_after_us: cdr.ended_after,
            cause: cdr.cause.map(|c| c.word().to_owned()),
            ended_by: cdr.ended_by.map(EndedByRecord::from),
            emergency: cdr.emergency,
            provenance: ProvenanceRecord {
                alternative: cdr.provenance.alternative.as_deref().map(secrets::hide_in_plan),
                script: cdr.provenance.script.clone(),
                because: cdr.provenance.because.clone(),
                steps: cdr.provenance.steps.iter().map(StepRecord::from).collect(),
            },
            pin: cdr.pin.clone(),
            quote: cdr.quote.as_deref().map(QuoteRecord::from),
            cost: cdr.cost.as_ref().map(CostRecord::from),
            recording: cdr.recording.clone(),
            a: cdr.a.as_ref().map(FiguresRecord::from),
            b: cdr.b.as_ref().map(FiguresRecord::from),
        }
    }
}

impl CdrRecord {
    /// The call's name as a number.
    pub fn id(&self) -> Option<CallId> {
        self.call.parse().ok()
    }

    /// Does the call live, as far as the record knows?
    pub fn is_open(&self) -> bool {
        self.ended_after_us.is_none()
    }

    /// Closes a record whose call died with the process; `last_sign` is when the process last wrote anything, so
    /// the duration is one that the call surely had.
    pub(super) fn close_unfinished(&mut self, last_sign_micros: i64) {
        let lasted = u64::try_from(last_sign_micros.saturating_sub(self.started_micros)).unwrap_or(0);
        self.ended_after_us = Some(lasted.max(self.answered_after_us.unwrap_or(0)));
        for party in self.parties.iter_mut().filter(|party| party.left_after_us.is_none()) {
            party.left_after_us = self.ended_after_us;
        }
        self.cause = Some(Cause::SystemFailure.word().to_owned());
        self.ended_by = Some(EndedByRecord::Exchange);
    }
}

impl From<EndedBy> for EndedByRecord {
    fn from(by: EndedBy) -> EndedByRecord {
        match by {
            EndedBy::Caller => EndedByRecord::Caller,
            EndedBy::Called => EndedByRecord::Called,
            EndedBy::Exchange => EndedByRecord::Exchange,
        }
    }
}

impl From<&Step> for StepRecord {
    fn from(step: &Step) -> StepRecord {
        let hidden = |text: &str| secrets::hide_in_plan(text);
        StepRecord(step.kind.word().to_owned(), hidden(&step.subject), hidden(&step.said))
    }
}

impl From<&Party> for PartyRecord {
    fn from(party: &Party) -> PartyRecord {
        PartyRecord {
            leg: party.leg.to_string(),
            name: party.name.clone(),
            joined_after_us: party.joined,
            left_after_us: party.left,
        }
    }
}

impl From<&Failed> for FailedRecord {
    fn from(failed: &Failed) -> FailedRecord {
        FailedRecord {
            target: failed.target.clone(),
            after_us: failed.after,
            ended_after_us: failed.ended,
            cause: failed.cause.word().to_owned(),
        }
    }
}

impl From<&Quote> for QuoteRecord {
    fn from(quote: &Quote) -> QuoteRecord {
        QuoteRecord {
            deck: quote.deck.clone(),
            prefix: quote.prefix.clone(),
            destination: quote.destination.clone(),
            currency: quote.currency.clone(),
            per_minute_micros: quote.per_minute,
            estimate_micros: quote.estimate,
            why: quote.why.clone(),
        }
    }
}

impl From<&Cost> for CostRecord {
    fn from(cost: &Cost) -> CostRecord {
        CostRecord {
            micros: cost.micros,
            currency: cost.currency.clone(),
            deck: cost.deck.clone(),
            rule: cost.rule.clone(),
        }
    }
}

impl From<&Source> for SourceRecord {
    fn from(source: &Source) -> SourceRecord {
        let (kind, name) = match source {
            Source::Extension(ext) => ("extension", ext.to_string()),
            Source::Line(line) => ("line", line.to_string()),
            Source::Gateway(gateway) => ("gateway", gateway.to_string()),
            Source::Operator => ("operator", String::new()),
        };
        SourceRecord { kind: kind.to_owned(), name }
    }
}

impl From<&RtpStats> for FiguresRecord {
    fn from(f: &RtpStats) -> FiguresRecord {
        FiguresRecord {
            received: f.received,
            sent: f.sent,
            lost: f.lost,
            refused: f.refused,
            jitter_ms: f.jitter_ms,
            round_trip_ms: f.round_trip_ms,
            far_loss_percent: f.far_loss_percent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as the first version of the program wrote it.
    const OLD: &str = r#"{"call":"6b030ce800000001","source":{"kind":"line","name":"fxs1"},
        "caller":{"number":"101","name":"Hall","private":false},"dialled":"102","sent":"102","target":"fxs2",
        "started_micros":1,"answered_after_us":2,"ended_after_us":3,"cause":"normal","ended_by":"b","emergency":false,
        "provenance":{"alternative":"[12]0xS0","script":null,"because":"it is an extension"},"a":null,"b":null}"#;

    #[test]
    fn an_old_record_is_read() {
        let record: CdrRecord = serde_json::from_str(OLD).expect("an old record");
        assert_eq!((record.carrier.as_str(), &record.pin, &record.cost), ("", &None, &None));
        assert_eq!((&record.quote, &record.recording), (&None, &None));
        assert_eq!(record.ended_by, Some(EndedByRecord::Called));
        assert_eq!(record.provenance.steps, []);
        let again: CdrRecord =
            serde_json::from_str(&serde_json::to_string(&record).expect("JSON")).expect("the same again");
        assert_eq!(again, record);
    }

    /// What is stored and what the API shows is what events show.
    #[test]
    fn who_ended_a_call_is_one_letter() {
        for by in [EndedBy::Caller, EndedBy::Called, EndedBy::Exchange] {
            let json = serde_json::to_value(EndedByRecord::from(by)).expect("JSON");
            assert_eq!(json, by.word());
        }
    }

    #[test]
    fn a_step_is_a_list_of_three() {
        let step = Step {
            kind: ringtrip_exchange::route::StepKind::Plan,
            subject: "home".to_owned(),
            said: "<:@host;uid=u;pwd=secret> takes it".to_owned(),
        };
        let json = serde_json::to_string(&StepRecord::from(&step)).expect("JSON");
        assert_eq!(json, r#"["plan","home","<:@host;uid=u;pwd=***> takes it"]"#);
    }
}
