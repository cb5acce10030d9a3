//! What phones prove and how: odd credentials, passwords that change, how many phones an extension may have, and what
//! becomes of those who guess.

use std::time::Duration;

use ringtrip_config::{Config, Extension, Secret};
use ringtrip_model::event::Event;
use ringtrip_sip::digest::{Algorithm, Challenge, Client, Credentials};
use ringtrip_sip::message::{Headers, Method, Request};
use ringtrip_sip::name::Name;
use ringtrip_testkit::{World, expect};

/// A phone as text: it registers from the address of a phone of the world, at a port and with a Call-ID of its own.
struct Text {
    user: &'static str,
    password: String,
    at: &'static str,
    contact: String,
    call_id: String,
    n: u32,
}

impl Text {
    fn new(user: &'static str, password: &str, at: &'static str, contact: &str) -> Text {
        let (contact, call_id) = (contact.to_owned(), format!("reg-{contact}"));
        Text { user, password: password.to_owned(), at, contact, call_id, n: 0 }
    }

    fn send(&mut self, world: &mut World, uri: &str, more: &str) -> String {
        self.n += 1;
        let (user, n, contact) = (self.user, self.n, &self.contact);
        let text = format!(
            "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {contact};branch=z9hG4bKx{n}{contact};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@h>;tag=1\r\nTo: <sip:{user}@h>\r\nCall-ID: {}\r\n\
             CSeq: {n} REGISTER\r\nContact: <sip:{user}@{contact}>\r\nExpires: 600\r\n{more}Content-Length: 0\r\n\r\n",
            self.call_id
        );
        world.inject(self.at, &text);
        world.run(50);
        world.last_to(self.at)
    }

    /// Asks for a challenge and answers it; the status of the second answer.
    fn register(&mut self, world: &mut World, uri: &str, digest_uri: &str) -> String {
        let asked = self.send(world, uri, "");
        let mut headers = Headers::default();
        for line in asked.lines().filter_map(|l| l.strip_prefix("WWW-Authenticate: ")) {
            // MD5, as old phones have it.
            if Challenge::read(line.as_bytes()).is_some_and(|c| c.algorithm == Algorithm::Md5) {
                headers.push(Name::WwwAuthenticate, line.to_owned());
            }
        }
        let credentials =
            Credentials { user: self.user.to_owned(), password: self.password.clone(), realm: None };
        let mut client = Client::new(credentials);
        if client.challenged(&headers).is_err() {
            return asked.lines().next().unwrap_or_default().to_owned();
        }
        let (name, value) =
            client.authorize(&Method::Register, digest_uri.as_bytes(), "c0ffee").expect("challenged");
        let line =
            format!("{}: {}\r\n", String::from_utf8_lossy(name.as_bytes()), String::from_utf8_lossy(&value));
        let answer = self.send(world, uri, &line);
        answer.lines().next().unwrap_or_default().to_owned()
    }
}

fn world(change: impl FnOnce(&mut Config)) -> World {
    World::with(1, change)
}

#[test]
fn the_digest_uri_need_not_be_the_request_uri() {
    let mut world = world(|_| {});
    world.write();
    for (n, (uri, digest_uri)) in [
        ("sip:192.0.2.1:5060", "sip:192.0.2.1"),
        ("sip:192.0.2.1:5060;transport=UDP", "sip:192.0.2.1:5060"),
        ("sip:192.0.2.1", "sip:pbx.example.com"),
        ("sip:192.0.2.1", "sip:192.0.2.1:5060"),
        ("sip:192.0.2.1", "sip:201@192.0.2.1"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut phone = Text::new("201", "one", "201", &format!("192.0.2.11:{}", 6000 + n));
        assert_eq!(phone.register(&mut world, uri, digest_uri), "SIP/2.0 200 OK", "{uri} {digest_uri}");
    }
    expect("a-digest-for-another-uri", world.ladder());
}

#[test]
fn credentials_that_cannot_be_used_are_answered_with_a_challenge() {
    let mut world = world(|_| {});
    let mut phone = Text::new("201", "one", "201", "192.0.2.11:6000");
    for line in [
        "Authorization: Digest username=\"201\", realm=\"ringtrip\", nonce=\"\", uri=\"\", response=\"\"\r\n",
        "Authorization: Digest username=\"201\", realm=\"ringtrip\", algorithm=SHA-512-256, nonce=\"n\", uri=\"u\", \
         response=\"0123456789abcdef0123456789abcdef\"\r\n",
        "Authorization: Digest realm=\"ringtrip\", nonce=\"n\"\r\n",
        "Authorization: Digest username=\"201\", realm=\"ringtrip\", nonce=\"n\", uri=\"u\", qop=auth-int, nc=1, \
         cnonce=\"c\", response=\"0123456789abcdef0123456789abcdef\"\r\n",
        "Authorization: Basic MjAxOm9uZQ==\r\n",
        "Authorization: nonsense\r\n",
        "Authorization: \r\n",
    ] {
        let answer = phone.send(&mut world, "sip:192.0.2.1", line);
        assert!(answer.starts_with("SIP/2.0 401 ") && answer.contains("nonce="), "{line}: {answer}");
    }
    assert_eq!(phone.register(&mut world, "sip:192.0.2.1", "sip:192.0.2.1"), "SIP/2.0 200 OK");
}

#[test]
fn an_extension_has_so_many_phones_as_it_may_at_once() {
    let mut world = world(|config| {
        config.extensions[2].max_contacts = 2;
        config.extensions[3].max_contacts = 9;
        assert_eq!((config.extensions[2].id.as_str(), config.extensions[3].id.as_str()), ("201", "202"));
    });
    let uri = "sip:192.0.2.1";
    for n in 0..4 {
        let mut phone = Text::new("201", "one", "201", &format!("192.0.2.11:{}", 6000 + n));
        assert_eq!(phone.register(&mut world, uri, uri), "SIP/2.0 200 OK");
    }
    assert_eq!(world.bindings("201"), 2, "its own number, not the largest of all");
    world.configure(|config| config.extensions[2].max_contacts = 1);
    assert_eq!(world.bindings("201"), 1, "at once");
    world.configure(|config| config.extensions[2].max_contacts = 0);
    assert_eq!(world.bindings("201"), 0);
    let mut phone = Text::new("201", "one", "201", "192.0.2.11:6100");
    assert_eq!(phone.register(&mut world, uri, uri), "SIP/2.0 403 Forbidden", "none may register");
    world.configure(|config| {
        config.extensions[2].max_contacts = 1;
        config.sip.expires.min = Duration::from_secs(900);
        config.sip.expires.default = Duration::from_secs(900);
    });
    let short = phone.register(&mut world, uri, uri);
    assert!(short.starts_with("SIP/2.0 423"), "expires_min counts without a restart: {short}");
}

#[test]
fn a_changed_password_ends_the_old_phones() {
    let mut world = world(|_| {});
    world.register(&["201", "202"]);
    assert_eq!((world.bindings("201"), world.bindings("202")), (1, 1));
    world.configure(|config| {
        let one = config.extensions.iter_mut().find(|e| e.id.as_str() == "201").expect("an extension");
        one.secret = Some(Secret::Password("a-new-one".to_owned()));
        one.name = "Ann".to_owned();
    });
    assert_eq!((world.bindings("201"), world.bindings("202")), (0, 1), "the other one stays");
    let gone = |event: &Event| matches!(event, Event::Unregistered { ext, .. } if ext.as_str() == "201");
    assert!(world.events.iter().any(gone));
    let uri = "sip:192.0.2.1";
    assert!(
        Text::new("201", "one", "201", "192.0.2.11:6000").register(&mut world, uri, uri).contains(" 401 ")
    );
    assert!(
        Text::new("201", "a-new-one", "201", "192.0.2.11:6001")
            .register(&mut world, uri, uri)
            .contains(" 200 ")
    );
}

#[test]
fn both_hashes_of_a_password_are_kept() {
    let mut world = world(|config| {
        let both = Secret::Ha1 { md5: Some(md5_of_209()), sha256: Some(sha256_of_209()) };
        config
            .extensions
            .push(Extension { secret: Some(both), ..Extension::new("209".parse().expect("a name")) });
    });
    let uri = "sip:192.0.2.1";
    let mut phone = Text::new("209", "nine", "201", "192.0.2.11:6000");
    assert_eq!(phone.register(&mut world, uri, uri), "SIP/2.0 200 OK", "a phone with MD5");
    // And one that takes the strongest that is offered.
    // A request that is long enough for both challenges: an answer to a stranger is at most half as long again.
    let long = format!("Supported: {}\r\n", "path, outbound, gruu, replaces, timer, ".repeat(12) + "100rel");
    let asked = phone.send(&mut world, uri, &long);
    let mut headers = Headers::default();
    let lines = asked.lines().filter_map(|l| l.strip_prefix("WWW-Authenticate: "));
    lines.for_each(|line| headers.push(Name::WwwAuthenticate, line.to_owned()));
    let mut client =
        Client::new(Credentials { user: "209".to_owned(), password: "nine".to_owned(), realm: None });
    client.challenged(&headers).expect("challenged");
    let mut request = Request {
        method: Method::Register,
        uri: uri.into(),
        headers: Headers::default(),
        body: Default::default(),
    };
    client.sign(&mut request, "c");
    let proof = request.headers.text(&Name::Authorization).expect("signed").to_owned();
    assert!(proof.contains("algorithm=SHA-256"), "{proof}");
    let answer = phone.send(&mut world, uri, &format!("Authorization: {proof}\r\n"));
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
}

/// H(209:ringtrip:nine), by other means.
fn md5_of_209() -> String {
    "d1037e7e6990883bedf3795a2e15f024".to_owned()
}

fn sha256_of_209() -> String {
    "323da4902145c3b2e2670c7bdfe8917e57209330c96641fc77f142b76b47a2bd".to_owned()
}

#[test]
fn who_guesses_waits_and_the_phone_beside_it_does_not() {
    let mut world = world(|_| {});
    let uri = "sip:192.0.2.1";
    world.write();
    let mut guesser = Text::new("201", "wrong", "201", "192.0.2.11:4000");
    let mut looked_at = 0;
    for n in 0..40 {
        guesser.password = format!("wrong{n}");
        let before = world.events.iter().filter(|e| matches!(e, Event::AuthFailed { .. })).count();
        guesser.register(&mut world, uri, uri);
        looked_at += world.events.iter().filter(|e| matches!(e, Event::AuthFailed { .. })).count() - before;
    }
    assert!((5..=12).contains(&looked_at), "{looked_at} of 40 guesses in {} s were looked at", 4);
    let says = |e: &&Event| matches!(e, Event::Alarm { what: "passwords", text } if text.contains("guessing the password of 201"));
    assert_eq!(world.events.iter().filter(says).count(), 1);
    // Another phone behind the same router, and that extension elsewhere.
    assert!(
        Text::new("202", "two", "201", "192.0.2.11:4001").register(&mut world, uri, uri).contains(" 200 ")
    );
    assert!(
        Text::new("201", "one", "202", "192.0.2.12:4000").register(&mut world, uri, uri).contains(" 200 ")
    );
    expect("a-guesser-waits", world.ladder().lines().take(60).collect::<Vec<_>>().join("\n").as_str());
}
