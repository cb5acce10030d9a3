//! The document of a first start: what `Config::demo` says, written out with comments for the person who edits it.

use ringtrip_config::{Config, DemoSecrets, Region};

/// The first document. It reads back as `Config::demo(region, secrets)`.
pub fn default_toml(region: Region, secrets: &DemoSecrets) -> String {
    let demo = Config::demo(region, secrets.clone());
    let plan = demo.plans.get(&demo.default_plan).map_or("", |plan| plan.text());
    let (word, country) = match region {
        Region::Us => ("us", "US"),
        Region::Uk => ("uk", "GB"),
    };
    TEMPLATE
        .replace("{region}", word)
        .replace("{country}", country)
        .replace("{plan}", plan)
        .replace("{first}", &secrets.first)
        .replace("{second}", &secrets.second)
}

const TEMPLATE: &str = r##"# The configuration of this exchange. Every change is kept as a version: `ringtrip config versions`,
# `ringtrip config diff`, `ringtrip config undo`. Check a draft with `ringtrip config check FILE`.

# Tones, ring cadences, caller ID and emergency numbers: "us" or "uk".
region = "{region}"

# The dial plan of everybody who has none of their own.
default_plan = "home"

# Where numbers go that no rule sends elsewhere: "none", "gw0" (the landline), "gw1" (a provider).
default_route = "none"

# A routing script that may change what the plan decided.
# script = "scripts/default.rhai"

[plans]
# Rules in order, separated by |. x is any digit, . repeats what stands before it, S0 sends at once,
# <9,:> takes a 9 away and plays dial tone, <:@gw0> sends the call to the landline.
# Try it: ringtrip dialplan try '(…)' 999
home = "{plan}"

# Telephones on jacks of the simulated board.
[extension.101]
name = "Hall telephone"
line = "fxs1"

[extension.102]
name = "Kitchen telephone"
line = "fxs2"

# SIP phones: user name 201, this password, and this machine as the server.
[extension.201]
password = "{first}"

[extension.202]
password = "{second}"

[line.fxs1]
kind = "fxs"            # A telephone is plugged in here.
port = "virtual:0"      # Board and port.

[line.fxs2]
kind = "fxs"
port = "virtual:1"

[line.fxo1]
kind = "fxo"            # The landline is plugged in here.
port = "virtual:2"
ring_through = ["101", "102"]   # Who rings when a call comes in.

[line.fxo2]
kind = "fxo"
port = "virtual:3"
ring_through = ["101", "102"]

# A SIP provider:
# [gateway.gw1]
# server = "sip.example.com"
# user = "my-account"
# password = "…"
# inbound = ["101", "201"]      # Who rings when a call comes in.

[emergency]
# These numbers are decided before every plan and script and go to the landline, else to the providers.
country = "{country}"
# providers = ["gw1"]
# location = "1 Station Road, first floor"

[sip]
listen = ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"]
rtp_ports = "16384-32767"

[http]
# The console and the API. Other machines can reach it when the address is "0.0.0.0:8080".
listen = ["127.0.0.1:8080"]
"##;
