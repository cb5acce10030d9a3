//! Requests in a dialog through a real proxy: Kamailio with Record-Route, with two of them, with another transport, and with
//! a load balancer in front that is there for the first request alone (RFC 3261 §12.2.1.1, §16.12; RFC 5658).
#![allow(clippy::disallowed_methods)] // Live tests start programs.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ringtrip_testkit::live::{Daemon, free_port, has, wait};
use ringtrip_testkit::peers::{Message, Peer, Ua, sdp};
use tempfile::TempDir;

const CONFIG: &str = r#"
region = "uk"
default_plan = "home"
[plans]
home = "(xxxS0|9xx.<:@gw1>)"
[extension.201]
password = "first-secret"
[gateway.gw1]
server = "SERVER"
user = "line7"
register = false
options_interval = "off"
accept_from = ["127.0.0.4"]
inbound = "refuse"
[gateway.gw1.dids]
"441480000201" = ["201"]
[sip]
listen = ["udp:127.0.0.1:SIP_PORT", "tcp:127.0.0.1:SIP_PORT"]
"#;

/// What every Kamailio here begins with.
const HEAD: &str = r#"#!KAMAILIO
debug=1
log_stderror=yes
fork=yes
children=2
tcp_children=2
auto_aliases=no
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/:/usr/lib/aarch64-linux-gnu/kamailio/modules/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
"#;

/// A proxy at 127.0.0.4 towards the exchange and at 127.0.0.5 towards the carrier. `RECORD` is how it stays in the dialog.
const PROXY: &str = r#"
listen=udp:127.0.0.4:INSIDE
listen=tcp:127.0.0.4:INSIDE
listen=udp:127.0.0.5:OUTSIDE
request_route {
    if (!mf_process_maxfwd_header("70")) { sl_send_reply("483", "Too Many Hops"); exit; }
    if (is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
    if (has_totag()) {
        if (loose_route()) { t_relay(); exit; }
        if (is_method("ACK")) { if (t_check_trans()) { t_relay(); } exit; }
        sl_send_reply("404", "No Route");
        exit;
    }
    if (is_method("CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }
    RECORD
    if ($Ri == "127.0.0.4") { $du = "sip:CARRIER"; $fs = "udp:127.0.0.5:OUTSIDE"; }
    else { $du = "sip:EXCHANGE"; $fs = "udp:127.0.0.4:INSIDE"; }
    if (!t_relay()) { sl_reply_error(); }
}
"#;

/// A load balancer that hands out first requests and wants nothing else.
const BALANCER: &str = r#"
loadmodule "dispatcher.so"
modparam("dispatcher", "list_file", "FOLDER/dispatcher.list")
listen=udp:127.0.0.6:BALANCER
request_route {
    if (is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
    if (has_totag()) { sl_send_reply("481", "Not Here"); exit; }
    if (is_method("CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }
    if (is_method("ACK")) { if (t_check_trans()) { t_relay(); } exit; }
    if (!ds_select_dst("1", "4")) { sl_send_reply("500", "No Destination"); exit; }
    if (!t_relay()) { sl_reply_error(); }
}
"#;

/// A Kamailio that runs until it is dropped.
struct Kamailio {
    child: Child,
    _dir: TempDir,
}

impl Kamailio {
    fn start(config: &str, files: &[(&str, String)], probe: SocketAddr) -> Kamailio {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let folder = dir.path().to_str().expect("plain letters");
        for (name, text) in files {
            fs::write(dir.path().join(name), text).expect("a file");
        }
        let file = dir.path().join("kamailio.cfg");
        fs::write(&file, format!("{HEAD}{}", config.replace("FOLDER", folder))).expect("a file");
        let log = fs::File::create(dir.path().join("log")).expect("a file");
        let child = Command::new("kamailio")
            .args(["-DD", "-E", "-m", "32", "-M", "8", "-Y", folder, "-w", folder, "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("kamailio starts");
        let kamailio = Kamailio { child, _dir: dir };
        let peer = Peer::udp("127.0.0.1");
        let ask = format!(
            "OPTIONS sip:{probe} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKup;rport\r\nFrom: <sip:t@{at}>;tag=1\r\n\
             To: <sip:{probe}>\r\nCall-ID: up\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            at = peer.at
        );
        wait("kamailio answers", Duration::from_secs(20), || {
            peer.send(probe, &ask);
            peer.within(Duration::from_millis(200), &|m: &Message| m.status() == Some(200))
        });
        kamailio
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Its parent ends the children when it is asked to, and only then.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// An exchange with a phone, a carrier, and what stands between them.
struct Scene {
    _daemon: Daemon,
    phone: Ua,
    carrier: Ua,
    inside: SocketAddr,
    outside: SocketAddr,
    _between: Vec<Kamailio>,
}

impl Scene {
    /// `record`: how the proxy stays in the dialog. `server`: where the exchange sends its calls.
    fn new(record: &str, balanced: bool, tcp: bool) -> Scene {
        let (inside, outside, balancer) = (free_port(), free_port(), free_port());
        let at = |ip: [u8; 4], port: u16| SocketAddr::from((ip, port));
        let (inside, outside) = (at([127, 0, 0, 4], inside), at([127, 0, 0, 5], outside));
        let balancer = at([127, 0, 0, 6], balancer);
        let server = if balanced { balancer } else { inside };
        let transport = if tcp { "\"\ntransport = \"tcp" } else { "" };
        let daemon = Daemon::start(&CONFIG.replace("SERVER", &format!("{server}{transport}")));
        let exchange = at([127, 0, 0, 1], daemon.sip);
        let phone = Ua::new(Peer::udp("127.0.0.1"), exchange, "201", "first-secret");
        phone.register();
        let carrier = Ua::new(Peer::udp("127.0.0.7"), outside, "carrier", "");
        let config = PROXY
            .replace("RECORD", record)
            .replace("INSIDE", &inside.port().to_string())
            .replace("OUTSIDE", &outside.port().to_string())
            .replace("EXCHANGE", &format!("{exchange}{}", if tcp { ";transport=tcp" } else { "" }))
            .replace("CARRIER", &carrier.peer.at.to_string());
        let config = if tcp { config.replace("udp:127.0.0.4:", "tcp:127.0.0.4:") } else { config };
        let config =
            if tcp { config.replacen("listen=tcp:127.0.0.4", "listen=udp:127.0.0.4", 1) } else { config };
        let mut between = vec![Kamailio::start(&config, &[], inside)];
        if balanced {
            let config = BALANCER.replace("127.0.0.6:BALANCER", &balancer.to_string());
            let list = ("dispatcher.list", format!("1 sip:{inside}\n"));
            between.push(Kamailio::start(&config, &[list], balancer));
        }
        Scene { _daemon: daemon, phone, carrier, inside, outside, _between: between }
    }

    /// 201 calls out, and both sides hang up in turn: every request reaches the carrier by the proxy.
    fn call_out(&self) {
        for phone_hangs_up in [true, false] {
            let mut talk = self.phone.dial("902079460123", "", &sdp(rtp(), "sendrecv", 1));
            let invite = self.carrier.called();
            assert_eq!(invite.from, self.outside, "{}", invite.text);
            let far = self.carrier.pick_up(&invite, &sdp(rtp(), "sendrecv", 1));
            let ack = self.carrier.peer.seen().into_iter().rfind(|m| m.asks("ACK")).expect("an ACK");
            assert_eq!(ack.from, self.outside, "{}", ack.text);
            assert_eq!(self.phone.put_through(&mut talk).status(), Some(200));
            // Hold and resume: a re-INVITE each.
            self.phone.within(&talk, "INVITE", "", &sdp(rtp(), "sendonly", 2));
            let again = self.carrier.peer.expect("a re-INVITE", |m| m.asks("INVITE"));
            assert_eq!(again.from, self.outside, "{}", again.text);
            let contact = self.carrier.peer.contact("carrier");
            self.carrier.peer.answer(&again, "200 OK", &contact, &sdp(rtp(), "recvonly", 2));
            self.carrier.peer.expect("its ACK", |m| {
                m.asks("ACK") && m.header("cseq") == again.header("cseq").replace("INVITE", "ACK")
            });
            let answer = self.phone.ended(&talk, "INVITE");
            assert_eq!(answer.status(), Some(200), "{}", answer.text);
            self.phone.within(&talk, "ACK", "", "");
            if phone_hangs_up {
                self.phone.hang_up(&talk);
                let bye = self.carrier.is_hung_up(&far);
                assert_eq!(bye.from, self.outside, "{}", bye.text);
                assert_eq!(bye.header("route"), "", "the proxies took theirs: {}", bye.text);
            } else {
                let routes = route_set(&invite, false);
                self.carrier.within(&far, "BYE", &routes, "");
                let answer = self.carrier.ended(&far, "BYE");
                assert_eq!(answer.status(), Some(200), "{}", answer.text);
                self.phone.is_hung_up(&talk);
            }
        }
    }

    /// The carrier calls 201, which hangs up: the BYE goes back by the proxy.
    fn call_in(&self) {
        let uri = format!("sip:441480000201@{}", self.outside);
        let mut talk = self.carrier.ask("INVITE", &uri, &uri, "", &sdp(rtp(), "sendrecv", 1));
        let invite = self.phone.called();
        let near = self.phone.pick_up(&invite, &sdp(rtp(), "sendrecv", 1));
        let answer = self.carrier.ended(&talk, "INVITE");
        assert_eq!(answer.status(), Some(200), "{}", answer.text);
        talk.early(&answer);
        self.carrier.within(&talk, "ACK", &route_set(&answer, true), "");
        std::thread::sleep(Duration::from_millis(300));
        self.phone.hang_up(&near);
        let bye = self.carrier.is_hung_up(&talk);
        assert_eq!(bye.from, self.outside, "{}", bye.text);
    }
}

/// The Route lines that a message's Record-Route becomes: turned round for who called.
fn route_set(message: &Message, turned: bool) -> String {
    let mut routes: Vec<&str> =
        message.all("record-route").flat_map(|line| line.split(',')).map(str::trim).collect();
    if turned {
        routes.reverse();
    }
    routes.iter().map(|route| format!("Route: {route}\r\n")).collect()
}

fn rtp() -> SocketAddr {
    ([127, 0, 0, 1], 9).into()
}

#[test]
#[cfg_attr(not(has_kamailio), ignore = "needs kamailio")]
fn two_record_routes_of_one_proxy_are_followed_both_ways() {
    if !has("kamailio") {
        return;
    }
    let scene = Scene::new("record_route();", false, false);
    scene.call_out();
    scene.call_in();
    assert_ne!(scene.inside, scene.outside);
}

#[test]
#[cfg_attr(not(has_kamailio), ignore = "needs kamailio")]
fn a_proxy_on_tcp_is_followed_by_tcp() {
    if !has("kamailio") {
        return;
    }
    let scene = Scene::new("record_route();", false, true);
    scene.call_out();
    scene.call_in();
}

#[test]
#[cfg_attr(not(has_kamailio), ignore = "needs kamailio")]
fn a_load_balancer_is_there_for_the_first_request_alone() {
    if !has("kamailio") {
        return;
    }
    Scene::new("record_route();", true, false).call_out();
}

#[test]
#[cfg_attr(not(has_kamailio), ignore = "needs kamailio")]
fn a_record_route_may_change_the_transport() {
    if !has("kamailio") {
        return;
    }
    // RFC 5658: the outer of the two is for the exchange, by TCP, though the INVITE came by UDP.
    let record =
        "record_route_preset(\"127.0.0.5:OUTSIDE;r2=on\", \"127.0.0.4:INSIDE;transport=tcp;r2=on\");";
    let scene = Scene::new(record, true, false);
    scene.call_out();
}
