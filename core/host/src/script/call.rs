//! The call as a script sees it: read only, cheap to copy.

use std::sync::Arc;

use rhai::{Engine, INT, ImmutableString};
use ringtrip_switch::party::Source;
use ringtrip_switch::route::{Target, Verdict, WallTime};
use ringtrip_switch::router::PolicyCall;

/// The `c` of `fn route(c)`. Scripts copy values freely, so all of it sits behind one pointer.
#[derive(Debug, Clone)]
pub(super) struct CallView(Arc<View>);

#[derive(Debug)]
struct View {
    dialled: ImmutableString,
    number: ImmutableString,
    source: ImmutableString,
    from: ImmutableString,
    caller: ImmutableString,
    caller_name: ImmutableString,
    route: ImmutableString,
    private: bool,
    outside: bool,
    at: WallTime,
}

impl CallView {
    pub(super) fn new(call: &PolicyCall) -> CallView {
        let query = &call.query;
        let (source, from) = match &query.source {
            Source::Extension(id) => ("extension", id.as_str()),
            Source::Line(id) => ("line", id.as_str()),
            Source::Gateway(id) => ("gateway", id.as_str()),
            Source::Operator => ("operator", ""),
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
        CallView(Arc::new(View {
            dialled: query.dialled.as_str().into(),
            number: call.number.as_str().into(),
            source: source.into(),
            from: from.into(),
            caller: query.caller.number.as_str().into(),
            caller_name: query.caller.name.as_str().into(),
            route: route.into(),
            private: query.caller.private,
            outside,
            at: query.at,
        }))
    }
}

pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<CallView>("Call");
    macro_rules! get {
        ($($name:literal => |$v:ident| $value:expr;)*) => {
            $(engine.register_get($name, |view: &mut CallView| { let $v = &view.0; $value });)*
        };
    }
    get! {
        "dialled" => |v| v.dialled.clone();
        "number" => |v| v.number.clone();
        "source" => |v| v.source.clone();
        "from" => |v| v.from.clone();
        "caller" => |v| v.caller.clone();
        "caller_name" => |v| v.caller_name.clone();
        "route" => |v| v.route.clone();
        "withheld" => |v| v.private;
        "outside" => |v| v.outside;
        "year" => |v| INT::from(v.at.year);
        "month" => |v| INT::from(v.at.month);
        "day" => |v| INT::from(v.at.day);
        "hour" => |v| INT::from(v.at.hour);
        "minute" => |v| INT::from(v.at.minute);
        "weekday" => |v| INT::from(v.at.weekday);
    }
}
