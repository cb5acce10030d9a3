use super::*;

fn flow(transport: Transport, remote: &str, connection: u32) -> Flow {
    let remote: SocketAddr = remote.parse().expect("an address");
    let local = if remote.is_ipv4() { "192.0.2.1:5060" } else { "[2001:db8::1]:5060" };
    Flow { transport, local: local.parse().expect("an address"), remote, connection }
}

fn udp(remote: &str) -> Flow {
    flow(Transport::Udp, remote, 0)
}

fn tcp(remote: &str) -> Flow {
    flow(Transport::Tcp, remote, 7)
}

/// `udp 192.0.2.9:5060`, `tcp 192.0.2.9:5060 by 7`, `learned`, or `? host:port/transport`.
fn word(hop: &NextHop, learned: Flow) -> String {
    match hop {
        NextHop::Flow(flow) if *flow == learned => "learned".to_owned(),
        NextHop::Flow(flow) => {
            let by = if flow.connection == 0 { String::new() } else { format!(" by {}", flow.connection) };
            format!("{:?} {}{by}", flow.transport, flow.remote).to_lowercase()
        }
        NextHop::Name(HostName { host, port, transport }) => {
            let port = port.map_or("srv".to_owned(), |p| p.to_string());
            let transport = transport.map_or("any".to_owned(), |t| format!("{t:?}").to_lowercase());
            format!("? {host} {port} {transport}")
        }
    }
}

#[track_caller]
fn check(what: &str, routes: &[&str], target: &str, learned: Flow, reach: Reach, want: &str) {
    let routes: Vec<Bytes> = routes.iter().map(|r| Bytes::copy_from_slice(r.as_bytes())).collect();
    let target = Bytes::copy_from_slice(target.as_bytes());
    assert_eq!(word(&next_hop(&routes, &target, learned, reach), learned), want, "{what}");
}

#[test]
fn without_route_a_request_goes_to_the_contact() {
    let is = |what, target, want| check(what, &[], target, udp("192.0.2.34:5070"), Reach::Contact, want);
    is("the same address", "sip:a@192.0.2.34:5070", "learned");
    is("another port", "sip:a@192.0.2.34:5080", "udp 192.0.2.34:5080");
    is("another host", "sip:line7@192.0.2.134:5080", "udp 192.0.2.134:5080");
    is("no port", "sip:a@192.0.2.134", "udp 192.0.2.134:5060");
    is("TCP", "sip:a@192.0.2.34:5070;transport=TCP", "tcp 192.0.2.34:5070");
    is("maddr", "sip:a@far.example;maddr=192.0.2.99", "udp 192.0.2.99:5060");
    is("maddr with a port", "sip:a@far.example:5090;maddr=192.0.2.99;transport=udp", "udp 192.0.2.99:5090");
    is("maddr as a name", "sip:a@192.0.2.34;maddr=far.example", "? far.example srv any");
    is("a name", "sip:a@far.example", "? far.example srv any");
    is("a name with a port", "sip:a@far.example:5080;transport=tcp", "? far.example 5080 tcp");
    is("the other family", "sip:a@[2001:db8::9]:5080", "? 2001:db8::9 5080 udp");
}

#[test]
fn what_cannot_be_followed_leaves_the_learned_flow() {
    let is = |what, target| check(what, &[], target, udp("203.0.113.34:5070"), Reach::Contact, "learned");
    is("TLS by scheme", "sips:a@192.0.2.134");
    is("TLS by parameter", "sip:a@192.0.2.134;transport=tls");
    is("WebSocket", "sip:a@df7jal23ls0d.invalid;transport=ws");
    is("a browser's name", "sip:a@df7jal23ls0d.invalid");
    is("no SIP", "tel:+441480200201");
    is("nothing", "");
    is("nowhere", "sip:a@0.0.0.0:5060");
    is("everybody", "sip:a@224.0.1.75");
    is("no port", "sip:a@192.0.2.134:0");
    is("private, seen from outside", "sip:a@192.168.1.20:5060");
    is("of a provider's network, seen from outside", "sip:a@100.64.7.8");
    is("of one link", "sip:a@169.254.3.4");
    is("of the peer itself", "sip:a@127.0.0.1:5060");
    check("private v6", &[], "sip:a@[fd00::9]", udp("[2001:db8::9]:5060"), Reach::Contact, "learned");
    let inside = udp("10.0.0.34:5070");
    check(
        "private, from a private network",
        &[],
        "sip:a@10.0.0.9",
        inside,
        Reach::Contact,
        "udp 10.0.0.9:5060",
    );
    let loopback = udp("127.0.0.34:5070");
    check(
        "loopback, from loopback",
        &[],
        "sip:a@127.0.0.134",
        loopback,
        Reach::Contact,
        "udp 127.0.0.134:5060",
    );
}

#[test]
fn a_phone_behind_nat_is_reached_by_its_flow() {
    let is = |target, learned| check(target, &[], target, learned, Reach::Flow, "learned");
    is("sip:201@192.168.1.20:5060", udp("203.0.113.9:40000"));
    is("sip:201@198.51.100.7:5060", udp("203.0.113.9:40000"));
    is("sip:201@203.0.113.9:5060", udp("203.0.113.9:40000"));
    is("sip:201@192.168.1.20;transport=tcp", tcp("203.0.113.9:40000"));
    let routes = ["<sip:203.0.113.77;lr>"];
    let learned = udp("203.0.113.9:40000");
    check("its proxy", &routes, "sip:201@192.168.1.20", learned, Reach::Flow, "udp 203.0.113.77:5060");
}

#[test]
fn the_first_route_comes_before_the_contact() {
    let is = |what, routes: &[&str], want| {
        check(what, routes, "sip:a@192.0.2.134:5080", udp("192.0.2.34:5070"), Reach::Contact, want);
    };
    is("loose", &["<sip:192.0.2.135:5090;lr>"], "udp 192.0.2.135:5090");
    is("strict", &["<sip:192.0.2.135:5090>"], "udp 192.0.2.135:5090");
    is("lr with a value", &["<sip:192.0.2.135:5090;lr=on>"], "udp 192.0.2.135:5090");
    is(
        "two of one proxy",
        &["<sip:192.0.2.135;transport=tcp;r2=on;lr>", "<sip:10.1.1.1;r2=on;lr>"],
        "tcp 192.0.2.135:5060",
    );
    is("the one that the INVITE took", &["<sip:192.0.2.34:5070;lr>"], "learned");
    is("a name", &["\"P\" <sip:edge.example;lr>"], "? edge.example srv any");
    is("secure", &["<sips:192.0.2.135;lr>"], "learned");
    is("unreadable", &["<sip:>"], "learned");
    is("maddr", &["<sip:edge.example;maddr=192.0.2.136;lr>"], "udp 192.0.2.136:5060");
}

#[test]
fn an_open_connection_is_used_and_a_lost_one_opened_to_the_contact() {
    let learned = tcp("192.0.2.143:39911");
    let is = |what, target, want| check(what, &[], target, learned, Reach::Contact, want);
    is("its listener", "sip:202@192.0.2.143:5062;transport=tcp", "tcp 192.0.2.143:5062 by 7");
    is("transport left out", "sip:202@192.0.2.143:5062", "tcp 192.0.2.143:5062 by 7");
    is("UDP by its word", "sip:202@192.0.2.143:5062;transport=udp", "udp 192.0.2.143:5062");
    is("another host", "sip:202@192.0.2.144:5062;transport=tcp", "tcp 192.0.2.144:5062");
    is("another host, no word", "sip:202@192.0.2.144", "udp 192.0.2.144:5060");
}

#[test]
fn what_leads_back_to_a_phone() {
    let is = |what, contact: &str, flow, rport, want| {
        let contact = NameAddr::read(&Bytes::copy_from_slice(contact.as_bytes())).expect("a Contact");
        assert_eq!(reach(&contact, flow, rport), want, "{what}");
    };
    use Reach::{Contact, Flow};
    is("itself", "<sip:201@192.0.2.9:5062>", udp("192.0.2.9:5062"), true, Contact);
    is("a private address", "<sip:201@192.168.1.9:5062>", udp("192.0.2.9:5062"), true, Flow);
    is("a foreign address", "<sip:201@198.51.100.9>", udp("192.0.2.9:5062"), true, Flow);
    is("a router's port", "<sip:201@192.0.2.9:5060>", udp("192.0.2.9:41000"), true, Flow);
    is("a port to send from", "<sip:201@192.0.2.9:5060>", udp("192.0.2.9:41000"), false, Contact);
    is("TCP", "<sip:201@192.0.2.9:5060;transport=tcp>", tcp("192.0.2.9:41000"), false, Contact);
    is("TCP behind NAT", "<sip:201@10.0.0.9:5060;transport=tcp>", tcp("192.0.2.9:41000"), false, Flow);
    is("ob", "<sip:201@192.0.2.9:5062;ob>", udp("192.0.2.9:5062"), true, Flow);
    is("reg-id", "<sip:201@192.0.2.9:5062>;reg-id=1", udp("192.0.2.9:5062"), true, Flow);
    is("a browser", "<sip:201@x.invalid;transport=ws>", tcp("192.0.2.9:41000"), false, Flow);
    is("a name", "<sip:201@phone.example>", udp("192.0.2.9:5062"), true, Contact);
}
