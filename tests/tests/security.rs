//! Who may do what: strangers learn nothing and call nobody, and nothing tells a wrong name from a wrong password.

use std::net::SocketAddr;

use ringtrip_testkit::live::Daemon;
use ringtrip_testkit::peers::{Events, Message, Peer, Ua, sdp};

const CONFIG: &str = r#"
region = "uk"
default_plan = "home"
[plans]
home = "(xxxS0|9xx.<:@gw1>)"
[extension.201]
password = "first-secret"
[extension.202]
password = "second-secret"
[gateway.gw1]
server = "PROVIDER"
user = "line7"
register = false
options_interval = "off"
inbound = "dialled"
[sip]
listen = ["udp:127.0.0.1:SIP_PORT", "tcp:127.0.0.1:SIP_PORT"]
"#;

struct Testbed {
    daemon: Daemon,
    exchange: SocketAddr,
    provider: Peer,
}

fn testbed() -> Testbed {
    let provider = Peer::udp("127.0.0.2");
    let daemon = Daemon::start(&CONFIG.replace("PROVIDER", &provider.at.to_string()));
    let exchange = ([127, 0, 0, 1], daemon.sip).into();
    Testbed { daemon, exchange, provider }
}

impl Testbed {
    fn phone(&self, user: &str, password: &str) -> Ua {
        Ua::new(Peer::udp("127.0.0.1"), self.exchange, user, password)
    }
    fn uri(&self, number: &str) -> String {
        format!("sip:{number}@{}", self.exchange)
    }
}

/// An answer without what differs from one to the next: tags, nonces, names and numbers of the request.
fn shape(answer: &Message) -> Vec<String> {
    let names = answer.headers.iter().map(|(name, value)| match name.as_str() {
        "www-authenticate" => {
            let nonce = value.split("nonce=\"").nth(1).and_then(|v| v.split('"').next()).unwrap_or_default();
            assert!(nonce.len() >= 32, "{value}");
            format!("{name}: {}", value.replace(nonce, "…"))
        }
        _ => name.clone(),
    });
    std::iter::once(answer.first.clone()).chain(names).collect()
}

fn nothing() -> SocketAddr {
    ([127, 0, 0, 1], 9).into()
}

#[test]
fn an_unknown_extension_and_a_wrong_password_get_the_same_answers() {
    let testbed = testbed();
    let events = Events::open(&testbed.daemon);
    let try_it = |user: &str, password: &str, method: &str| {
        let phone = testbed.phone(user, password);
        let (uri, body) = match method {
            "INVITE" => (testbed.uri("202"), sdp(nothing(), "sendrecv", 1)),
            _ => (format!("sip:{}", testbed.exchange), String::new()),
        };
        let to = if method == "INVITE" { uri.clone() } else { testbed.uri(user) };
        let (talk, first) = phone.prove(method, &uri, &to, "", &body);
        let second = phone.ended(&talk, method);
        (shape(&first), shape(&second))
    };
    for method in ["REGISTER", "INVITE"] {
        let wrong = try_it("201", "guess", method);
        let unknown = try_it("299", "guess", method);
        assert_eq!(wrong, unknown, "{method}");
        assert!(wrong.1[0].contains("401") || wrong.1[0].contains("403"), "{wrong:?}");
    }
    events.expect("auth.failed", |e| e["who"] == "201");
    assert_eq!(testbed.daemon.get("/calls").as_array().map(Vec::len), Some(0));
}

#[test]
fn nobody_calls_without_proof_whatever_he_dials() {
    let testbed = testbed();
    let stranger = testbed.phone("201", "");
    for number in ["202", "201", "901480123456", "112", "999"] {
        let uri = testbed.uri(number);
        let talk = stranger.ask("INVITE", &uri, &uri, "", &sdp(nothing(), "sendrecv", 1));
        let answer = stranger.ended(&talk, "INVITE");
        assert_eq!(answer.status(), Some(401), "{number}: {}", answer.text);
    }
    // Nor with a name that only looks like the provider's or an extension's.
    for header in ["P-Asserted-Identity: <sip:202@127.0.0.1>\r\n", "X-Gateway: gw1\r\n"] {
        let uri = testbed.uri("901480123456");
        let talk = stranger.ask("INVITE", &uri, &uri, header, &sdp(nothing(), "sendrecv", 1));
        assert_eq!(stranger.ended(&talk, "INVITE").status(), Some(401));
    }
    assert!(testbed.provider.seen().is_empty(), "the provider was called");
    let cdrs = testbed.daemon.get("/cdrs");
    assert_eq!(cdrs["cdrs"].as_array().map(Vec::len), Some(0), "{cdrs}");
}

#[test]
fn a_proof_is_good_once_and_for_its_own_request() {
    let testbed = testbed();
    let phone = testbed.phone("201", "first-secret");
    let uri = testbed.uri("901480123456");
    let body = sdp(nothing(), "sendrecv", 1);
    let talk = phone.ask("INVITE", &uri, &uri, "", &body);
    let challenge = phone.ended(&talk, "INVITE");
    let proof = phone.proof("INVITE", &uri, &challenge);
    // Overheard, and used for another number by another.
    let thief = testbed.phone("201", "");
    let other = testbed.uri("900900900900");
    let talk = thief.ask("INVITE", &other, &other, &proof, &body);
    assert!(matches!(thief.ended(&talk, "INVITE").status(), Some(400 | 401 | 403)));
    // The owner uses it; then it is worth nothing.
    phone.ask("INVITE", &uri, &uri, &proof, &body);
    let invite = testbed.provider.expect("the call", |m| m.asks("INVITE"));
    testbed.provider.answer(&invite, "486 Busy Here", "", "");
    let talk = thief.ask("INVITE", &uri, &uri, &proof, &body);
    assert_eq!(thief.ended(&talk, "INVITE").status(), Some(401));
}

#[test]
fn a_phone_registers_itself_and_nobody_else() {
    let testbed = testbed();
    let phone = testbed.phone("201", "first-secret");
    let uri = format!("sip:{}", testbed.exchange);
    let (talk, _) = phone.prove("REGISTER", &uri, &testbed.uri("202"), "Expires: 300\r\n", "");
    assert_eq!(phone.ended(&talk, "REGISTER").status(), Some(403));
    for ext in ["201", "202"] {
        let view = testbed.daemon.get(&format!("/extensions/{ext}"));
        assert_eq!(view["contacts"].as_array().map(Vec::len), Some(0), "{view}");
    }
}

#[test]
fn a_provider_cannot_call_through_us_to_the_outside() {
    let testbed = testbed();
    let provider = Ua::new(testbed.provider, testbed.exchange, "provider", "");
    for number in ["901480123456", "999900"] {
        let uri = format!("sip:{number}@{}", testbed.exchange);
        let mut talk = provider.ask("INVITE", &uri, &uri, "", &sdp(nothing(), "sendrecv", 1));
        let answer = provider.put_through(&mut talk);
        assert!(matches!(answer.status(), Some(403 | 404)), "{}", answer.text);
    }
}
