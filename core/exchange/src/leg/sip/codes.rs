//! Status codes ↔ causes (RFC 3398 §7.2 and §8.2 as the start, made finer where the exchange knows more), and the
//! `Reason` header (RFC 3326) with Q.850 values.

use ringtrip_sip::Headers;
use ringtrip_sip::name::Name;

use ringtrip_model::party::Cause;

/// The status that refuses a caller for this cause.
pub(crate) fn refusal(cause: Cause) -> u16 {
    match cause {
        Cause::Busy => 486,
        Cause::NoAnswer | Cause::Unregistered => 480,
        Cause::Declined => 603,
        Cause::Unallocated => 404,
        Cause::Changed => 410,
        Cause::Barred | Cause::Spent => 403,
        Cause::Invalid => 484,
        Cause::Incompatible => 488,
        Cause::Cancelled => 487,
        Cause::Failure => 502,
        Cause::SystemFailure => 500,
        Cause::Congestion
        | Cause::BoardLost
        | Cause::BoardRefused
        | Cause::WrongPort
        | Cause::NoLoop
        | Cause::NoDialTone
        | Cause::Preempted => 503,
        // The far side hung up, or the landline ended, before an answer: there is nobody there now.
        Cause::Normal
        | Cause::Operator
        | Cause::MediaTimeout
        | Cause::SessionExpired
        | Cause::Cpc
        | Cause::Reversal
        | Cause::Tone
        | Cause::Silence => 480,
    }
}

/// Why a call that we placed was refused with this status. `rang`: did it ring before?
pub(crate) fn cause(code: u16, rang: bool) -> Cause {
    match code {
        // A redirection to the outside is not followed: the plan decides where calls go, not the called side.
        301 | 410 => Cause::Changed,
        300..=399 => Cause::Changed,
        401 | 402 | 407 => Cause::Failure,
        // No person says 403: a provider bars the number, the caller or the account.
        403 => Cause::Barred,
        603 | 607 | 608 | 433 => Cause::Declined,
        404 | 604 => Cause::Unallocated,
        408 | 480 if rang => Cause::NoAnswer,
        408 => Cause::Failure,
        480 => Cause::Unregistered,
        484 | 485 | 416 | 414 => Cause::Invalid,
        486 | 600 => Cause::Busy,
        487 => Cause::NoAnswer,
        415 | 488 | 606 | 406 => Cause::Incompatible,
        503 => Cause::Congestion,
        _ => Cause::Failure,
    }
}

/// The Q.850 value of a cause.
pub(crate) fn q850(cause: Cause) -> u8 {
    match cause {
        Cause::Unallocated => 1,
        Cause::Preempted => 8,
        Cause::Normal
        | Cause::Cancelled
        | Cause::Cpc
        | Cause::Reversal
        | Cause::Tone
        | Cause::Silence
        | Cause::Operator => 16,
        Cause::Busy => 17,
        Cause::NoAnswer => 19,
        Cause::Unregistered => 20,
        Cause::Declined | Cause::Barred | Cause::Spent => 21,
        Cause::Changed => 22,
        Cause::BoardLost | Cause::BoardRefused | Cause::WrongPort | Cause::NoLoop | Cause::NoDialTone => 27,
        Cause::Invalid => 28,
        Cause::Congestion => 34,
        Cause::Failure => 38,
        Cause::SystemFailure => 41,
        Cause::Incompatible => 88,
        Cause::MediaTimeout | Cause::SessionExpired => 102,
    }
}

/// The `Reason` header of a BYE or a refusal.
pub(crate) fn reason(cause: Cause) -> String {
    format!("Q.850;cause={};text=\"{}\"", q850(cause), cause.word())
}

/// The cause that a `Reason` header of the peer names, where it says more than "hung up".
pub(crate) fn of_reason(headers: &Headers) -> Option<Cause> {
    let value = headers.all(&Name::Reason).filter_map(|v| std::str::from_utf8(v).ok());
    let q850 = value.filter(|v| v.trim_start().get(..5).is_some_and(|p| p.eq_ignore_ascii_case("Q.850")));
    let number = |v: &str| -> Option<u8> {
        let params = v.split(';').map(str::trim);
        params.filter_map(|p| p.strip_prefix("cause=")).find_map(|n| n.trim().parse().ok())
    };
    q850.filter_map(number).find_map(|n| match n {
        1 => Some(Cause::Unallocated),
        17 => Some(Cause::Busy),
        18 | 19 => Some(Cause::NoAnswer),
        20 => Some(Cause::Unregistered),
        21 => Some(Cause::Declined),
        22 => Some(Cause::Changed),
        28 => Some(Cause::Invalid),
        34 | 42 => Some(Cause::Congestion),
        38 | 41 => Some(Cause::Failure),
        88 => Some(Cause::Incompatible),
        _ => None,
    })
}
