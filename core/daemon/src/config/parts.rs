//! The sections of the document, one function each. The keys here are the keys of the book.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ringtrip_config::Country;
use ringtrip_config::{
    Algorithm, Board, Config, Emergency, Extension, ExtraNumber, Failover, Gateway, HostPort, Inbound,
    Limits, Log, Media, Password, PluginGateway, Region, Rule, Secret, Sip,
};
use ringtrip_dialplan::{Bar, Dialling, Incomplete, Plan};
use ringtrip_exchange::route::{AdHoc, PlanRoute, Target};
use ringtrip_media::sdp::SrtpPolicy;
use ringtrip_media::sound::CodecKind;
use ringtrip_model::ids::{BoardId, ExtId, GatewayId, LineId};
use ringtrip_model::party::Digits;
use ringtrip_sip::endpoint::Transport;
use ringtrip_sip::nat;
use toml::de::{DeTable, DeValue};

use super::Names;
use super::lines;
use super::money;
use super::network;
use super::read::{Reader, Section};
use super::routing;

pub(super) fn document(reader: &Reader<'_>, table: &DeTable<'_>, names: &Names) -> Config {
    let root = reader.root(table);
    let mut config = Config::default();
    if let Some(region) = root.choice("region", &[("us", Region::Us), ("uk", Region::Uk)]) {
        config.region = region;
    }
    if let Some(plan) = root.text("default_plan") {
        config.default_plan = plan;
    }
    if let Some(route) = root.text("default_route") {
        config.default_route = plan_route(&route);
    }
    routing::routing(&root, &mut config, names);
    config.extensions = extensions(&root, names);
    config.lines = lines::lines(&root, config.region, names);
    config.boards = boards(&root);
    gateways(&root, names, &mut config);
    money::money(&root, &mut config.rates);
    config.dialling = dialling(&root);
    config.plans = plans(&root, &config.dialling);
    config.emergency = emergency(&root, config.region);
    config.sip = sip(&root);
    config.media = media(&root);
    config.limits = limits(&root);
    failover(&root, &mut config.failover);
    if let Some(plugins) = root.section("plugins") {
        if let Some(trust) =
            plugins.list("trust", "such as \"ed25519:0123…\", a publisher's public key", publisher)
        {
            config.plugin_trust = trust;
        }
        plugins.done();
    }
    if let Some(http) = root.section("http") {
        if let Some(listen) = http.list("listen", "such as \"127.0.0.1:8080\"", socket) {
            config.http = listen;
        }
        if let Some(proxies) = http
            .list("trusted_proxy", "such as \"192.168.1.7\"", |t| nat::network(t).map_err(|e| e.to_string()))
        {
            config.trusted_proxies = proxies;
        }
        http.done();
    }
    if let Some(log) = root.section("log") {
        let words =
            [("text", Log::Text), ("json", Log::Json), ("journald", Log::Journald), ("syslog", Log::Syslog)];
        if let Some(to) = log.choice("to", &words) {
            config.log = to;
        }
        log.done();
    }
    root.done();
    config
}

fn boards(root: &Section<'_, '_>) -> Vec<Board> {
    let mut list = Vec::new();
    for (name, s) in root.sections("board") {
        let id: BoardId = match name.parse() {
            Ok(id) => id,
            Err(why) => {
                s.error("", format!("{why}"), "a board is named like its lines name it: [board.hat]");
                continue;
            }
        };
        let driver = s.text("driver").unwrap_or_else(|| name.clone());
        let settings = s.json("settings");
        s.done();
        list.push(Board { id, driver, settings });
    }
    list
}

fn extensions(root: &Section<'_, '_>, names: &Names) -> Vec<Extension> {
    let mut list = Vec::new();
    for (name, s) in root.sections("extension") {
        let id: ExtId = match name.parse() {
            Ok(id) => id,
            Err(why) => {
                s.error("", format!("{why}"), "an extension is a number such as 101");
                continue;
            }
        };
        let mut e = Extension::new(id);
        if let Some(name) = s.text("name") {
            e.name = name;
        }
        let (md5, sha256) = (s.text("ha1_md5"), s.text("ha1_sha256"));
        let password = secret(&s, "password");
        if let Some(why) = password.as_deref().and_then(|password| weak(password, &name, &e.name)) {
            let hint = "take a dozen letters and digits at random; scanners try the short ones first";
            s.warning("password", why, hint);
        }
        if password.is_some() && (md5.is_some() || sha256.is_some()) {
            s.error("password", "there is a password and a hash of one".to_owned(), "keep one of the two");
        }
        for (key, hash, len) in [("ha1_md5", &md5, 32), ("ha1_sha256", &sha256, 64)] {
            if hash.as_ref().is_some_and(|h| h.len() != len || !h.chars().all(|c| c.is_ascii_hexdigit())) {
                s.error(key, format!("this is not {len} hex digits"), "the hash of user:realm:password");
            }
        }
        e.secret = match (password, md5, sha256) {
            (Some(password), ..) => Some(Secret::Password(password)),
            (None, None, None) => None,
            (None, md5, sha256) => Some(Secret::Ha1 { md5, sha256 }),
        };
        e.caller_id = s.text("caller_id");
        s.flag("withhold", &mut e.withhold);
        e.plan = s.text("plan");
        e.script = routing::script(&s, "script", names);
        e.line = s.parsed::<LineId>("line", "name a line of this document, such as \"fxs1\"");
        s.number("max_contacts", 0..=20, &mut e.max_contacts);
        srtp(&s, &mut e.srtp);
        let mut most = 0;
        s.number("conference", 2..=100, &mut most);
        e.conference = (most > 0).then_some(most);
        s.time("ring_time", &mut e.ring_time);
        s.done();
        list.push(e);
    }
    list
}

/// Why a password is found by guessing, if it is.
fn weak(password: &str, number: &str, name: &str) -> Option<String> {
    let lower = password.to_lowercase();
    if lower == number.to_lowercase() || lower == name.to_lowercase() {
        return Some("the password is the extension's own name".to_owned());
    }
    let class =
        |test: fn(&char) -> bool, size: f64| if password.chars().any(|c| test(&c)) { size } else { 0.0 };
    let alphabet = class(char::is_ascii_digit, 10.0)
        + class(char::is_ascii_lowercase, 26.0)
        + class(char::is_ascii_uppercase, 26.0)
        + class(|c| !c.is_ascii_alphanumeric(), 32.0);
    // What repeats or continues the character before it tells nothing new: 1111, 1234, abcd.
    let codes: Vec<u32> = lower.chars().map(u32::from).collect();
    let news = codes.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) > 1).count() + 1;
    let bits = news as f64 * alphabet.max(2.0).log2();
    (bits < ENOUGH).then(|| {
        format!("the password can be guessed: it has about {bits:.0} bits of entropy; {ENOUGH} are needed")
    })
}

/// At one guess a second, which is what a guesser gets here, 32 bits last for a century; a hash that was overheard is tried
/// at billions a second, and words of a dictionary are worth less than their letters.
const ENOUGH: f64 = 40.0;

fn gateways(root: &Section<'_, '_>, names: &Names, config: &mut Config) {
    for (name, s) in root.sections("gateway") {
        let id = name.parse::<GatewayId>();
        let plugin = s.text("plugin");
        if let (false, Some(plugin), Ok(id)) = (s.has("server"), &plugin, &id) {
            money::offered(&s, id, &mut config.rates);
            config.plugin_gateways.push(PluginGateway { id: id.clone(), plugin: plugin.clone() });
            s.done();
            continue;
        }
        let server: Option<HostPort> = s.parsed("server", "such as \"sip.example.com\"");
        let user = s.text("user");
        if !s.has("server") {
            s.error(
                "server",
                "a gateway needs a server".to_owned(),
                "write server = \"sip.example.com\", or plugin = \"…\" for one that a plugin reaches",
            );
        }
        if let Err(why) = &id {
            s.error("", why.to_string(), "gateways are called gw1, gw2, …");
        }
        // Read on with stand-ins, so that the rest of the section is looked at too.
        let stand_in = HostPort { host: "invalid".to_owned(), port: None };
        let Ok(id) = id.or_else(|_| "gw9".parse()) else { continue };
        let mut g = Gateway::new(id, server.unwrap_or(stand_in), &user.unwrap_or_default());
        g.proxy = s.parsed("proxy", "such as \"proxy.example.com:5060\"");
        if let Some(transport) = s.choice("transport", &[("udp", Transport::Udp), ("tcp", Transport::Tcp)]) {
            g.transport = transport;
        }
        g.auth_user = s.text("auth_user");
        g.password = secret(&s, "password").map(Password);
        s.flag("register", &mut g.register);
        if !s.has("user") && g.register {
            let hint = "write user = \"…\", the name of the account; or register = false for a peer that knows us by \
                        our address";
            s.error("user", "a gateway that registers needs a user".to_owned(), hint);
        }
        s.time("expires", &mut g.expires);
        g.domain = s.text("domain");
        g.realm = s.text("realm");
        s.maybe_time("options_interval", &mut g.options_interval);
        if g.options_interval.is_some_and(|every| every < Duration::from_secs(1)) {
            let hint = "write \"60s\", or \"off\" to ask never";
            s.error("options_interval", "it is shorter than a second".to_owned(), hint);
        }
        s.maybe_time("answer_within", &mut g.answer_within);
        if g.answer_within.is_some_and(|time| time < Duration::from_millis(500)) {
            let hint =
                "an INVITE that was lost is sent again after 0.5 s; write \"1.5s\", or \"off\" to wait 32 s";
            s.error("answer_within", "it is shorter than half a second".to_owned(), hint);
        }
        if let Some(inbound) = inbound(&s, "inbound", names) {
            g.inbound = inbound;
        }
        if let Some(dids) = s.section("dids") {
            for (did, value) in dids.in_order() {
                if let Some(to) = inbound_value(&dids, &did, value.get_ref(), names) {
                    g.dids.push((Digits::new(&did), to));
                }
            }
        }
        network::accept_from(&s, &mut g.accept_from);
        s.flag("trusted", &mut g.trusted);
        s.flag("emergency", &mut g.emergency);
        if let Some(codecs) = s.list("codecs", "known: \"pcma\", \"pcmu\", \"g722\", \"opus\"", codec) {
            if codecs.is_empty() {
                let hint = "list at least \"pcma\" or \"pcmu\", or leave the setting out for all";
                s.error("codecs", "no codec is left to offer".to_owned(), hint);
            }
            g.codecs = codecs;
        }
        srtp(&s, &mut g.srtp);
        g.caller_id = s.text("caller_id");
        g.inbound_plan = s.text("inbound_plan");
        g.inbound_prefixes =
            s.list("inbound_prefixes", "digits with the country code, such as \"44\"", |t| {
                match t.strip_prefix('+').unwrap_or(t) {
                    digits if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                        Ok(digits.to_owned())
                    }
                    _ => Err(format!("\"{t}\" is not a country code or the beginning of a number with one")),
                }
            });
        g.inbound_script = routing::script(&s, "inbound_script", names);
        g.outbound_plan = s.text("outbound_plan");
        g.outbound_script = routing::script(&s, "outbound_script", names);
        g.plugin = plugin;
        money::offered(&s, &g.id, &mut config.rates);
        s.done();
        config.gateways.push(g);
    }
}

fn plans(root: &Section<'_, '_>, dialling: &Dialling) -> BTreeMap<String, Arc<Plan>> {
    let mut plans = BTreeMap::new();
    let texts = root.texts("plans");
    let Some(section) = root.section("plans") else { return plans };
    for (name, text) in texts {
        match Plan::parse(&text) {
            Ok(plan) => {
                plans.insert(name, Arc::new(plan.with_star_codes(&dialling.star_codes)));
            }
            Err(e) => section.error_within(&name, e.at, e.what, &e.hint),
        }
    }
    plans
}

fn dialling(root: &Section<'_, '_>) -> Dialling {
    let mut dialling = Dialling::default();
    let Some(s) = root.section("dialling") else { return dialling };
    if let Some(bar) = s.choice("bar", &[("prefix", Bar::Prefix), ("exact", Bar::Exact)]) {
        dialling.bar = bar;
    }
    let incomplete = [("reject", Incomplete::Reject), ("as-dialed", Incomplete::AsDialled)];
    if let Some(incomplete) = s.choice("incomplete", &incomplete) {
        dialling.incomplete = incomplete;
    }
    if let Some(codes) = s.list("star_codes", "such as \"*69\"", |t| Ok(Digits::new(t))) {
        dialling.star_codes = codes;
    }
    s.done();
    dialling
}

fn emergency(root: &Section<'_, '_>, region: Region) -> Emergency {
    let country = match region {
        Region::Us => Country::US,
        Region::Uk => Country::GB,
    };
    let mut emergency = Emergency { country, ..Emergency::default() };
    let Some(s) = root.section("emergency") else { return emergency };
    if let Some(code) = s.text("country") {
        match Country::of(&code) {
            Some(country) => emergency.country = country,
            None => {
                let known: Vec<_> = Country::all().iter().map(|c| c.code).collect();
                s.error(
                    "country",
                    format!("unknown country {code:?}"),
                    &format!("known: {}", known.join(" ")),
                );
            }
        }
    }
    for (dialled, send) in s.texts("extra") {
        emergency.extra.push(ExtraNumber { dialled: Digits::new(&dialled), send: Digits::new(&send) });
    }
    if let Some(providers) = s
        .list("providers", "gateways, such as \"gw1\"", |t| t.parse::<GatewayId>().map_err(|e| e.to_string()))
    {
        emergency.providers = providers;
    }
    s.flag("landline_first", &mut emergency.landline_first);
    emergency.caller_id = s.text("caller_id");
    if let Some(location) = s.text("location") {
        emergency.location = location;
    }
    s.done();
    emergency
}

fn sip(root: &Section<'_, '_>) -> Sip {
    let mut sip = Sip::default();
    let Some(s) = root.section("sip") else { return sip };
    if let Some(listen) = s.list("listen", "such as \"udp:0.0.0.0:5060\" or \"tcp:[::]:5060\"", |t| {
        let (transport, address) =
            t.split_once(':').ok_or_else(|| format!("missing transport in \"{t}\""))?;
        let transport = match transport {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            other => return Err(format!("transport \"{other}\" is not known")),
        };
        Ok((transport, socket(address)?))
    }) {
        sip.listen = listen;
    }
    if let Some(servers) = s.list("name_servers", "such as \"192.0.2.53\" or \"127.0.0.1:5353\"", name_server)
    {
        sip.name_servers = servers;
    }
    if let Some(domain) = s.text("domain") {
        sip.domain = domain;
    }
    if let Some(realm) = s.text("realm") {
        sip.realm = realm;
    }
    network::read(&s, &mut sip);
    if let Some(range) = s.text("rtp_ports") {
        let ports =
            range.split_once('-').and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
        match ports {
            Some(ports) => sip.rtp_ports = ports,
            None => s.error(
                "rtp_ports",
                format!("invalid range \"{range}\""),
                "expected FIRST-LAST, such as \"16384-32767\"",
            ),
        }
    }
    if let Some(algorithms) =
        s.list("algorithms", "\"sha-256\" and \"md5\"", |t| match t.to_lowercase().as_str() {
            "md5" => Ok(Algorithm::Md5),
            "sha-256" => Ok(Algorithm::Sha256),
            _ => Err(format!("digest algorithm \"{t}\" is not known")),
        })
    {
        sip.algorithms = algorithms;
    }
    s.maybe_time("session_expires", &mut sip.session_expires);
    s.time("min_session_expires", &mut sip.min_session_expires);
    s.time("expires_min", &mut sip.expires.min);
    s.time("expires_max", &mut sip.expires.max);
    s.time("expires_default", &mut sip.expires.default);
    let (min, max) = (sip.expires.min, sip.expires.max);
    if min > max {
        s.error("expires_min", "it is longer than expires_max".to_owned(), "make it shorter");
    } else if !(min..=max).contains(&sip.expires.default) {
        s.warning(
            "expires_default",
            "it is not between expires_min and expires_max".to_owned(),
            "the nearer one is taken",
        );
        sip.expires.default = sip.expires.default.clamp(min, max);
    }
    s.done();
    sip
}

fn media(root: &Section<'_, '_>) -> Media {
    let mut media = Media::default();
    let Some(s) = root.section("media") else { return media };
    let mut workers = 0;
    s.number("workers", 1..=Media::MOST_WORKERS.into(), &mut workers);
    media.workers = Some(workers).filter(|n| *n > 0);
    s.done();
    media
}

fn limits(root: &Section<'_, '_>) -> Limits {
    let mut limits = Limits::default();
    let Some(s) = root.section("limits") else { return limits };
    s.number("calls", 1..=100_000, &mut limits.calls);
    s.number("calls_per_source", 1..=10_000, &mut limits.calls_per_source);
    s.maybe_time("call_length", &mut limits.call_length);
    s.maybe_time("rtp_timeout", &mut limits.rtp_timeout);
    if limits.rtp_timeout.is_some_and(|time| time < Duration::from_secs(10)) {
        s.error("rtp_timeout", "it is shorter than 10s".to_owned(), "RTCP comes each 5 s; write 5m, or off");
    }
    s.time("script_time", &mut limits.script_time);
    if limits.script_time > Duration::from_secs(2) {
        s.warning(
            "script_time",
            "callers wait that long for a script that loops".to_owned(),
            "20ms is plenty",
        );
    }
    s.number("script_operations", 1_000..=100_000_000, &mut limits.script_operations);
    s.done();
    limits
}

/// Causes with their rules, each as it stands in records.
fn failover(root: &Section<'_, '_>, to: &mut Failover) {
    let Some(s) = root.section("failover") else { return };
    let words = [Rule::Next, Rule::Stop].map(|rule| (rule.word(), rule));
    for cause in Failover::causes() {
        if let Some(rule) = s.choice(cause.word(), &words) {
            to.set(cause, rule);
        }
    }
    s.done();
}

/// A password in clear; the hidden form, which an operator may have pasted back, is refused.
pub(super) fn secret(s: &Section<'_, '_>, key: &'static str) -> Option<String> {
    let text = s.text(key)?;
    if text == super::redact::HIDDEN {
        let hint = "write the password itself; an administrator sees it with `config show --secrets`";
        s.error(key, "this is the hidden form of a password".to_owned(), hint);
        return None;
    }
    if text.is_empty() {
        s.error(key, "a password must not be empty".to_owned(), "leave the setting out if there is none");
        return None;
    }
    Some(text)
}

/// `"refuse"`, `"dialled"`, `"101"`, `["101", "fxs1"]` or `{ number = "9123" }`.
pub(super) fn inbound(s: &Section<'_, '_>, key: &'static str, names: &Names) -> Option<Inbound> {
    let value = s.value(key)?;
    inbound_value(s, key, value.get_ref(), names)
}

fn inbound_value(s: &Section<'_, '_>, key: &str, value: &DeValue<'_>, names: &Names) -> Option<Inbound> {
    let hint =
        "write \"refuse\", \"dialled\", \"plan\", a list such as [\"101\", \"fxs1\"], or { number = \"…\" }";
    let target_of = |text: &str| target(text, names).map_err(|what| s.error(key, what, hint)).ok();
    match value {
        DeValue::String(word) if word == "refuse" => Some(Inbound::Refuse),
        DeValue::String(word) if word == "dialled" => Some(Inbound::Dialled),
        DeValue::String(word) if word == "plan" => Some(Inbound::Plan),
        DeValue::String(one) => Some(Inbound::Ring(vec![target_of(one)?])),
        DeValue::Array(items) => {
            let texts = items.iter().map(|i| i.get_ref().as_str());
            if texts.clone().any(|t| t.is_none()) {
                s.error(key, "the list contains a value that is not a string".to_owned(), hint);
                return None;
            }
            texts.flatten().map(target_of).collect::<Option<Vec<_>>>().map(Inbound::Ring)
        }
        DeValue::Table(table) if table.len() == 1 && table.contains_key("number") => {
            let number = table.get("number").and_then(|n| n.get_ref().as_str());
            if number.is_none() {
                s.error(key, "the number is not a string".to_owned(), hint);
            }
            number.map(|n| Inbound::Number(Digits::new(n)))
        }
        _ => {
            s.error(key, "no target is named".to_owned(), hint);
            None
        }
    }
}

/// `gw0` the landline, `gw1` a provider, a name of `[line.…]` a line, a host a SIP address, else an extension.
fn target(text: &str, names: &Names) -> Result<Target, String> {
    if text == "gw0" {
        return Ok(Target::Landline);
    }
    if names.lines.contains(text) {
        return text.parse().map(Target::Line).map_err(|e| e.to_string());
    }
    if is_gateway(text) {
        return text.parse().map(Target::Gateway).map_err(|e| e.to_string());
    }
    if let Some(host) = text.strip_prefix('@') {
        return Ok(Target::Uri(AdHoc { host: host.to_owned(), user: None, password: None, nat: false }));
    }
    text.parse().map(Target::Extension).map_err(|e| format!("\"{text}\": {e}"))
}

/// `none`, `gw0`, `gw1` or a host.
fn plan_route(text: &str) -> PlanRoute {
    match text {
        "none" | "" => PlanRoute::Default,
        "gw0" => PlanRoute::Landline,
        gateway if is_gateway(gateway) => match gateway.parse() {
            Ok(id) => PlanRoute::Gateway(id),
            Err(_) => PlanRoute::Default,
        },
        host => PlanRoute::Uri(AdHoc { host: host.to_owned(), user: None, password: None, nat: false }),
    }
}

fn is_gateway(text: &str) -> bool {
    text.strip_prefix("gw").is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()))
}

fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("invalid address \"{text}\""))
}

/// An address, with a port if it is not 53.
fn name_server(text: &str) -> Result<SocketAddr, String> {
    let alone = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
    let server = alone.or_else(|_| text.parse()).map_err(|_| format!("invalid IP address \"{text}\""))?;
    match server.port() {
        0 => Err(format!("\"{text}\" has port 0")),
        _ => Ok(server),
    }
}

fn codec(text: &str) -> Result<CodecKind, String> {
    match text.to_lowercase().as_str() {
        "pcma" | "g711a" => Ok(CodecKind::Pcma),
        "pcmu" | "g711u" => Ok(CodecKind::Pcmu),
        "g722" => Ok(CodecKind::G722),
        "opus" => Ok(CodecKind::Opus),
        _ => Err(format!("codec \"{text}\" is not known")),
    }
}

/// Is sound encrypted?
fn srtp(s: &Section<'_, '_>, to: &mut SrtpPolicy) {
    let words = [("off", SrtpPolicy::Off), ("offer", SrtpPolicy::Offer), ("require", SrtpPolicy::Require)];
    if let Some(policy) = s.choice("srtp", &words) {
        *to = policy;
    }
}

/// A publisher's public key.
fn publisher(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("ed25519:").unwrap_or_default();
    if digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text.to_owned());
    }
    Err("a public key is ed25519: and 64 hex digits, as `ringtrip plugin keygen` prints it".to_owned())
}
