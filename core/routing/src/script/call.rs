//! The call as a script sees it: read only, cheap to copy. And the gateways, looked up when a script asks.

use std::sync::Arc;

use crate::router::{GatewayState, PolicyCall};
use rhai::{Dynamic, Engine, FLOAT, INT, ImmutableString, NativeCallContext};
use ringtrip_exchange::route::{Target, Verdict, WallTime};
use ringtrip_model::ids::GatewayId;
use ringtrip_model::party::Source;

use super::RUN;
use super::error::fault;
use super::verbs::RhaiResult;

/// The `c` of `fn route(c)`. Scripts copy values freely, so all of it sits behind one pointer.
#[derive(Debug, Clone)]
pub(super) struct CallView(Arc<View>);

#[derive(Debug)]
struct View {
    dialled: ImmutableString,
    number: ImmutableString,
    e164: ImmutableString,
    kind: Kind,
    from: ImmutableString,
    caller: ImmutableString,
    caller_name: ImmutableString,
    user: ImmutableString,
    pin: ImmutableString,
    route: ImmutableString,
    holiday: ImmutableString,
    private: bool,
    outside: bool,
    at: WallTime,
}

/// Where a call comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Extension,
    Line,
    Gateway,
    Operator,
}

/// A gateway as a script sees it.
#[derive(Debug, Clone)]
struct GatewayView {
    id: GatewayId,
    state: Option<GatewayState>,
}

/// What a gateway tells.
const GATEWAY_FIELDS: [&str; 5] = ["name", "up", "calls", "known", "price"];

impl CallView {
    pub(super) fn new(call: &PolicyCall) -> CallView {
        let query = &call.query;
        let (kind, from) = match &query.source {
            Source::Extension(id) => (Kind::Extension, id.as_str()),
            Source::Line(id) => (Kind::Line, id.as_str()),
            Source::Gateway(id) => (Kind::Gateway, id.as_str()),
            Source::Operator => (Kind::Operator, ""),
        };
        let first = match &call.default.verdict {
            Verdict::Stages(stages) => stages.first().and_then(|s| s.targets.first()).map(|a| &a.target),
            Verdict::Refuse(_) | Verdict::Emergency(_) | Verdict::Ask(_) => None,
        };
        let route = match first {
            Some(Target::Extension(id)) => id.as_str(),
            Some(Target::Line(id)) => id.as_str(),
            Some(Target::Gateway(id)) => id.as_str(),
            Some(Target::Landline) => "gw0",
            Some(Target::Uri(host)) => host.host.as_str(),
            None => "",
        };
        let outside = matches!(first, Some(Target::Gateway(_) | Target::Landline | Target::Uri(_)));
        let text = |text: Option<&str>| text.unwrap_or_default().into();
        CallView(Arc::new(View {
            dialled: query.dialled.as_str().into(),
            number: call.number.as_str().into(),
            e164: text(call.e164.as_deref()),
            kind,
            from: from.into(),
            caller: query.caller.number.as_str().into(),
            caller_name: query.caller.name.as_str().into(),
            user: query.user.as_str().into(),
            pin: text(query.pin.as_deref()),
            route: route.into(),
            holiday: text(call.holiday.as_deref()),
            private: query.caller.private,
            outside,
            at: query.at,
        }))
    }
}

impl View {
    /// The place it comes from, if that is of this kind.
    fn of(&self, kind: Kind) -> ImmutableString {
        if self.kind == kind { self.from.clone() } else { ImmutableString::default() }
    }
}

macro_rules! fields {
    ($($name:literal => |$v:ident| $value:expr;)*) => {
        /// What the call tells, by name.
        pub(super) const FIELDS: &[&str] = &[$($name),*];

        fn register_fields(engine: &mut Engine) {
            $(engine.register_get($name, |view: &mut CallView| { let $v = &view.0; $value });)*
        }
    };
}

fields! {
    "dialled" => |v| v.dialled.clone();
    "number" => |v| v.number.clone();
    "e164" => |v| v.e164.clone();
    "source" => |v| ImmutableString::from(match v.kind {
        Kind::Extension => "extension",
        Kind::Line => "line",
        Kind::Gateway => "gateway",
        Kind::Operator => "operator",
    });
    "from" => |v| v.from.clone();
    "extension" => |v| v.of(Kind::Extension);
    "line" => |v| v.of(Kind::Line);
    "gateway" => |v| v.of(Kind::Gateway);
    "caller" => |v| v.caller.clone();
    "caller_name" => |v| v.caller_name.clone();
    "withheld" => |v| v.private;
    "user" => |v| v.user.clone();
    "pin" => |v| v.pin.clone();
    "route" => |v| v.route.clone();
    "outside" => |v| v.outside;
    "holiday" => |v| v.holiday.clone();
    "year" => |v| INT::from(v.at.year);
    "month" => |v| INT::from(v.at.month);
    "day" => |v| INT::from(v.at.day);
    "hour" => |v| INT::from(v.at.hour);
    "minute" => |v| INT::from(v.at.minute);
    "weekday" => |v| INT::from(v.at.weekday);
    "date" => |v| ImmutableString::from(format!("{:04}-{:02}-{:02}", v.at.year, v.at.month, v.at.day));
    "time" => |v| ImmutableString::from(format!("{:02}:{:02}", v.at.hour, v.at.minute));
}

pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<CallView>("Call");
    register_fields(engine);
    engine.register_fn(
        "between",
        |ctx: NativeCallContext, view: &mut CallView, from: &str, to: &str| -> RhaiResult<bool> {
            let (from, to) = (minutes(&ctx, from)?, minutes(&ctx, to)?);
            let now = u16::from(view.0.at.hour) * 60 + u16::from(view.0.at.minute);
            // From 22:00 to 06:00 is over midnight.
            Ok(if from <= to { (from..to).contains(&now) } else { now >= from || now < to })
        },
    );

    engine.register_type_with_name::<GatewayView>("Gateway");
    engine.register_fn("gateway", |ctx: NativeCallContext, name: &str| -> RhaiResult<GatewayView> {
        let what = || {
            fault(&ctx, format!("invalid gateway name {name:?}: expected gw0 (the landline), gw1, gw2, …"))
        };
        let id: GatewayId = name.parse().map_err(|_| what())?;
        let state = RUN.with_borrow(|run| run.facts.as_ref().and_then(|f| f.gateways.state(&id)));
        Ok(GatewayView { id, state })
    });
    engine.register_get("name", |g: &mut GatewayView| ImmutableString::from(g.id.as_str()));
    engine.register_get("known", |g: &mut GatewayView| g.state.is_some());
    // Nobody watches it: then a call may as well be tried.
    engine.register_get("up", |g: &mut GatewayView| g.state.is_none_or(|s| s.up));
    engine.register_get("calls", |g: &mut GatewayView| g.state.map_or(0, |s| INT::from(s.calls)));
    engine.register_get("price", |g: &mut GatewayView| price(&g.id));
}

/// The price a minute of this call's number by a gateway; `()` when no deck has one.
#[allow(clippy::cast_precision_loss)] // Millionths of a unit: exact far beyond any price.
fn price(gateway: &GatewayId) -> Dynamic {
    let quote = RUN.with_borrow(|run| {
        let (facts, view) = (run.facts.as_ref()?, run.view.as_ref()?);
        let number = view.0.e164.as_str().strip_prefix('+')?;
        facts.prices.quote(gateway, number, &view.0.at)
    });
    quote.map_or(Dynamic::UNIT, |quote| Dynamic::from_float(quote.per_minute as FLOAT / 1e6))
}

/// `09:30` as minutes of the day; `24:00` is its end.
fn minutes(ctx: &NativeCallContext<'_>, text: &str) -> RhaiResult<u16> {
    let read = text.split_once(':').and_then(|(h, m)| Some((h.parse::<u16>().ok()?, m.parse::<u16>().ok()?)));
    match read {
        Some((h, m)) if m < 60 && (h < 24 || h == 24 && m == 0) => Ok(h * 60 + m),
        _ => Err(fault(ctx, format!("invalid time of day {text:?}: expected \"09:30\""))),
    }
}

/// The fields of everything that has fields, for a message about one that does not exist.
pub(super) fn fields_of(kind: &str) -> &'static [&'static str] {
    if kind == "Gateway" { &GATEWAY_FIELDS } else { FIELDS }
}
