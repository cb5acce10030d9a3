//! Which script is asked about a call, and what stands before a gateway.
//!
//! Scripts are named here by their files, as paths that begin at the data folder; the short names of `[scripts]` are read
//! away with the document.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::Config;
use ringtrip_dialplan::Plan;
use ringtrip_model::ids::GatewayId;
use ringtrip_model::party::Source;
use ringtrip_model::route::{RouteQuery, Target};

impl Config {
    /// The script that is asked about this call: that of the PIN that was proved, else that of the extension, the line or
    /// the gateway that it comes from, else the script of the exchange.
    pub fn script_for(&self, query: &RouteQuery) -> Option<&str> {
        let of_pin = query.pin.as_deref().and_then(|name| self.pin(name)?.script.as_deref());
        let own = || match &query.source {
            Source::Extension(id) => self.extension(id.as_str())?.script.as_deref(),
            Source::Line(id) => {
                let of_extension = self.extension_on(id).and_then(|e| e.script.as_deref());
                of_extension.or_else(|| self.line(id)?.script.as_deref())
            }
            Source::Gateway(id) => self.gateway(id)?.inbound_script.as_deref(),
            Source::Operator => None,
        };
        of_pin.or_else(own).or(self.script.as_deref())
    }

    /// The script that looks at calls to this target last. It may refuse, rewrite and change the caller, no more.
    pub fn script_towards(&self, target: &Target) -> Option<&str> {
        match target {
            Target::Gateway(id) => self.gateway(id)?.outbound_script.as_deref(),
            _ => None,
        }
    }

    /// The plan that numbers to this gateway must pass, with its name.
    pub fn plan_towards(&self, id: &GatewayId) -> Option<(&str, &Arc<Plan>)> {
        let name = self.gateway(id)?.outbound_plan.as_deref()?;
        self.plans.get_key_value(name).map(|(name, plan)| (name.as_str(), plan))
    }

    /// All script files that the configuration names.
    pub fn script_files(&self) -> BTreeSet<&str> {
        let named = self.scripts.values().chain(&self.script);
        let extensions = self.extensions.iter().filter_map(|e| e.script.as_ref());
        let lines = self.lines.iter().filter_map(|l| l.script.as_ref());
        let gateways = self.gateways.iter().flat_map(|g| [&g.inbound_script, &g.outbound_script]).flatten();
        let pins = self.pins.iter().filter_map(|p| p.script.as_ref());
        named.chain(extensions).chain(lines).chain(gateways).chain(pins).map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DemoSecrets, Gateway, Password, Pin, Region};
    use ringtrip_model::ids::CallId;
    use ringtrip_model::party::{CallerId, Digits};
    use ringtrip_model::route::WallTime;

    #[test]
    fn the_nearest_script_is_asked() {
        let secrets = DemoSecrets { first: String::new(), second: String::new() };
        let mut config = Config::demo(Region::Uk, secrets);
        let gateway = |name: &str| name.parse::<GatewayId>().unwrap();
        config.script = Some("house".into());
        let server = "sip.example.com".parse().unwrap();
        let mut gw1 = Gateway::new(gateway("gw1"), server, "u");
        gw1.inbound_script = Some("in".into());
        gw1.outbound_script = Some("out".into());
        config.gateways.push(gw1);
        config.pins.push(Pin {
            name: "anna".into(),
            code: Password("4711".into()),
            plan: None,
            script: Some("pin".into()),
        });
        for e in &mut config.extensions {
            e.script = (e.id.as_str() == "201").then(|| "own".to_owned());
        }
        config.lines[1].script = Some("line".into());
        let check = |source: Source, pin: Option<&str>, wanted: &str| {
            let query = RouteQuery {
                call: CallId(1),
                source,
                caller: CallerId::default(),
                dialled: Digits::new("1"),
                planned: None,
                at: WallTime::default(),
                pin: pin.map(str::to_owned),
                entered: None,
                user: String::new(),
                asked: false,
            };
            assert_eq!(config.script_for(&query), Some(wanted), "{:?}", query.source);
        };
        let extension = |id: &str| Source::Extension(id.parse().unwrap());
        check(extension("201"), None, "own");
        check(extension("201"), Some("anna"), "pin");
        check(extension("201"), Some("nobody"), "own");
        check(extension("202"), None, "house");
        check(Source::Line("fxs2".parse().unwrap()), None, "line");
        check(Source::Line("fxs1".parse().unwrap()), None, "house");
        check(Source::Gateway(gateway("gw1")), None, "in");
        check(Source::Operator, None, "house");
        assert_eq!(config.script_towards(&Target::Gateway(gateway("gw1"))), Some("out"));
        assert_eq!(config.script_towards(&Target::Landline), None);
        let files: Vec<&str> = config.script_files().into_iter().collect();
        assert_eq!(files, ["house", "in", "line", "out", "own", "pin"]);
    }
}
