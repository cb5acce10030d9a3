//! SRTP with keys in the SDP, against baresip: both ways, by each policy, and what is refused.
#![allow(clippy::disallowed_methods)] // Live tests start programs and wait.

use std::time::Duration;

use ringtrip_testkit::live::{Daemon, has, wait};
use ringtrip_testkit::peers::{Account, Baresip, Peer, Ua, sdp};
use ringtrip_testkit::sound;

const CONFIG: &str = r#"
region = "uk"
default_plan = "home"
[plans]
home = "(xxxS0)"
[extension.201]
password = "first-secret"
srtp = "POLICY"
[extension.202]
password = "second-secret"
[sip]
realm = "ringtrip"
listen = ["udp:127.0.0.1:SIP_PORT"]
"#;

fn daemon(policy: &str) -> Daemon {
    Daemon::start(&CONFIG.replace("POLICY", policy))
}

fn phone(daemon: &Daemon, user: &str, says: u16, more: &str) -> Baresip {
    let password = if user == "201" { "first-secret" } else { "second-secret" };
    let exchange = ([127, 0, 0, 1], daemon.sip).into();
    let phone = Baresip::start(&Account { user, password, exchange, says, by: "", more });
    wait(&format!("{user} is registered"), Duration::from_secs(15), || {
        let view = daemon.get(&format!("/extensions/{user}"));
        view["contacts"].as_array().filter(|c| !c.is_empty()).map(drop)
    });
    phone
}

/// The level of what a phone heard, in its best half second.
#[track_caller]
fn level(phone: &Baresip, hz: f64) -> f64 {
    phone.hears(hz);
    let heard = phone.heard();
    let levels = heard.chunks_exact(sound::RATE / 2).map(|half| sound::level_of(half, hz));
    levels.fold(f64::MIN, f64::max)
}

/// A phone whose sound is encrypted and one whose sound is not talk both ways, whichever calls.
#[track_caller]
fn talks(policy: &str, encryption: &str) {
    let daemon = daemon(policy);
    for caller in ["201", "202"] {
        let more = |user: &str| {
            let answers = if user == caller { "" } else { ";answermode=auto" };
            let encryption = if user == "201" { encryption } else { "" };
            format!("{answers}{encryption}")
        };
        let (a, b) = (phone(&daemon, "201", 440, &more("201")), phone(&daemon, "202", 1000, &more("202")));
        let (from, to) = if caller == "201" { (&a, "202") } else { (&b, "201") };
        from.command("dial", &format!("sip:{to}@127.0.0.1:{}", daemon.sip));
        let (at_a, at_b) = (level(&a, 1000.0), level(&b, 440.0));
        println!("{policy}, {caller} calls: 1000 Hz at {at_a:.2} dBm0, 440 Hz at {at_b:.2} dBm0");
        assert!((at_a + 9.0).abs() < 0.5, "{at_a} dBm0");
        assert!((at_b + 9.0).abs() < 0.5, "{at_b} dBm0");
        // baresip says when SRTP runs; without it the sound would be noise.
        assert!(a.log().contains("SRTP is Enabled"), "{}", a.log());
        assert!(!b.log().contains("SRTP is Enabled"), "{}", b.log());
        from.command("hangup", "");
        let cdr = daemon.last_cdr();
        assert_eq!(cdr["cause"], "normal", "{cdr}");
    }
    assert!(!daemon.log().contains("inline:"), "a key in the log");
}

#[test]
#[cfg_attr(not(has_baresip), ignore = "needs baresip")]
fn srtp_required_by_both_sides_is_spoken_both_ways() {
    if has("baresip") {
        talks("require", ";mediaenc=srtp-mand");
    }
}

#[test]
#[cfg_attr(not(has_baresip), ignore = "needs baresip")]
fn srtp_beside_plain_rtp_is_spoken_where_the_phone_knows_it() {
    if has("baresip") {
        talks("offer", ";mediaenc=srtp");
    }
}

#[test]
#[cfg_attr(not(has_baresip), ignore = "needs baresip")]
fn an_offer_of_srtp_alone_is_taken_where_it_is_offered_too() {
    if !has("baresip") {
        return;
    }
    let daemon = daemon("offer");
    let a = phone(&daemon, "201", 440, ";mediaenc=srtp-mand");
    let b = phone(&daemon, "202", 1000, ";answermode=auto");
    a.command("dial", &format!("sip:202@127.0.0.1:{}", daemon.sip));
    let (at_a, at_b) = (level(&a, 1000.0), level(&b, 440.0));
    assert!((at_a + 9.0).abs() < 0.5 && (at_b + 9.0).abs() < 0.5, "{at_a} and {at_b} dBm0");
    a.command("hangup", "");
    assert_eq!(daemon.last_cdr()["cause"], "normal");
}

const KEY: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

#[test]
fn what_a_policy_refuses() {
    let plain = sdp(([127, 0, 0, 1], 9).into(), "sendrecv", 1);
    let savp = plain.replace("RTP/AVP", "RTP/SAVP");
    let with = |key: &str| savp.clone() + key + "\r\n";
    let mki = format!("{KEY}|2^20|1:4");
    let cases = [
        ("off", &[(with(KEY), 488), (plain.clone(), 200)][..]),
        ("offer", &[(plain.clone(), 200), (with(KEY), 200), (with(&mki), 488)]),
        ("require", &[(plain.clone(), 488), (with(KEY), 200), (savp.clone(), 488)]),
    ];
    for (policy, offers) in cases {
        let daemon = daemon(policy);
        let exchange = ([127, 0, 0, 1], daemon.sip).into();
        let caller = Ua::new(Peer::udp("127.0.0.1"), exchange, "201", "first-secret");
        let called = Ua::new(Peer::udp("127.0.0.1"), exchange, "202", "second-secret");
        caller.register();
        called.register();
        for (offer, code) in offers {
            let mut talk = caller.dial("202", "", offer);
            let far = (*code == 200).then(|| {
                let invite = called.called();
                // The called party is not offered what was agreed with the caller.
                assert!(
                    invite.body.contains("RTP/AVP ") && !invite.body.contains("crypto"),
                    "{}",
                    invite.text
                );
                called.pick_up(&invite, &plain)
            });
            let answer = caller.put_through(&mut talk);
            assert_eq!(answer.status(), Some(*code), "{policy}: {}", answer.text);
            let is_protected = answer.body.contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:");
            assert_eq!(is_protected, *code == 200 && offer.contains("crypto"), "{policy}: {}", answer.text);
            match far {
                Some(far) => {
                    caller.hang_up(&talk);
                    called.is_hung_up(&far);
                }
                None => assert!(answer.text.contains("Warning: 399 "), "{}", answer.text),
            }
        }
        assert!(!daemon.log().contains("inline:"), "a key in the log");
    }
}
