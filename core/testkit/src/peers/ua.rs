//! A telephone as a test plays it: registers with digest, calls, answers, and says in a dialog what the test wants. It
//! does nothing by itself; a phone that does is [`crate::ua::Ua`].

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ringtrip_sip::digest::{Client, Credentials};

use super::message::{Dialog, Message, Request, inside, prove};
use super::peer::Peer;

static SERIAL: AtomicU32 = AtomicU32::new(0);

/// A user agent.
pub struct Ua {
    /// Its socket.
    pub peer: Peer,
    /// Its user name.
    pub user: String,
    exchange: Cell<SocketAddr>,
    auth: RefCell<Client>,
    n: Cell<u32>,
    /// Its own among all phones of the test: two may have the same address, in two homes.
    serial: u32,
}

/// One dialog of a user agent.
#[derive(Debug, Clone)]
pub struct Talk {
    uri: String,
    from: String,
    to: String,
    call_id: String,
    cseq: Cell<u32>,
    invite: Cell<u32>,
    /// The last answer to our INVITE, or the INVITE that came.
    pub last: Message,
}

impl Ua {
    /// A telephone at this socket.
    pub fn new(peer: Peer, exchange: SocketAddr, user: &str, password: &str) -> Ua {
        let credentials = Credentials { user: user.to_owned(), password: password.to_owned(), realm: None };
        Ua {
            peer,
            user: user.to_owned(),
            exchange: Cell::new(exchange),
            auth: RefCell::new(Client::new(credentials)),
            n: Cell::new(0),
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Where the exchange is.
    pub fn exchange(&self) -> SocketAddr {
        self.exchange.get()
    }

    /// From now on its requests go where the Contact of this message points, as RFC 3261 wants of a dialog.
    #[track_caller]
    pub fn follow(&self, message: &Message) {
        let contact = message.contact();
        let host = contact.split_once('@').map_or("", |(_, host)| host);
        let host = host.split(';').next().unwrap_or_default();
        self.exchange.set(host.parse().unwrap_or_else(|_| panic!("no address in {contact}")));
    }

    fn fresh(&self) -> u32 {
        self.n.set(self.n.get() + 1);
        self.n.get()
    }

    /// Sends a request outside a dialog; `more` are header lines with CRLF. Gives what it said of itself.
    pub fn ask(&self, method: &str, uri: &str, to: &str, more: &str, body: &str) -> Talk {
        let n = self.fresh();
        let talk = Talk {
            uri: uri.to_owned(),
            from: format!("<sip:{}@{}>;tag={n}", self.user, self.exchange()),
            to: format!("<{to}>"),
            call_id: format!("{n}-{}-{}@test", self.peer.at.port(), self.serial),
            cseq: Cell::new(0),
            invite: Cell::new(1),
            last: Message::read(b"none\r\n\r\n", self.exchange()).expect("it reads"),
        };
        self.within(&talk, method, more, body);
        talk
    }

    /// Sends a request of a dialog.
    pub fn within(&self, talk: &Talk, method: &str, more: &str, body: &str) {
        if method != "ACK" && method != "CANCEL" {
            talk.cseq.set(talk.cseq.get() + 1);
        }
        if method == "INVITE" {
            talk.invite.set(talk.cseq.get());
        }
        let cseq = if matches!(method, "ACK" | "CANCEL") { talk.invite.get() } else { talk.cseq.get() };
        // The ACK of a 2xx is a transaction of its own; a CANCEL has the branch of what it cancels.
        let branch = match method {
            "CANCEL" => format!("INVITE{cseq}"),
            _ => format!("{method}{cseq}"),
        };
        self.write(talk, method, &branch, cseq, more, body);
    }

    fn write(&self, talk: &Talk, method: &str, branch: &str, cseq: u32, more: &str, body: &str) {
        let Talk { uri, from, to, call_id, .. } = talk;
        let id = call_id.split('@').next().unwrap_or_default();
        let contact = match more.contains("Contact:") {
            true => String::new(),
            false => self.peer.contact(&self.user),
        };
        let text = Request {
            method,
            via: (self.peer.transport(), self.peer.at),
            branch: &format!("{id}{branch}"),
            dialog: &Dialog { uri, from, to, call_id, cseq },
            more: &format!("{contact}{more}"),
            body,
        }
        .text();
        self.peer.send(self.exchange(), &text);
    }

    /// The final answer to a request of this dialog.
    #[track_caller]
    pub fn ended(&self, talk: &Talk, method: &str) -> Message {
        let cseq = if method == "CANCEL" { talk.invite.get() } else { talk.cseq.get() };
        let cseq = format!("{cseq} {method}");
        self.peer.expect(&format!("the answer to {cseq}"), |m| {
            m.ends(method) && m.header("call-id") == talk.call_id && m.header("cseq") == cseq
        })
    }

    /// A provisional answer to the INVITE of this dialog.
    #[track_caller]
    pub fn rings(&self, talk: &Talk) -> Message {
        self.peer.expect("a provisional answer", |m| {
            m.status().is_some_and(|s| (101..200).contains(&s)) && m.header("call-id") == talk.call_id
        })
    }

    /// Asks, and asks again with the credentials when challenged. A failed INVITE is acknowledged.
    #[track_caller]
    pub fn prove(&self, method: &str, uri: &str, to: &str, more: &str, body: &str) -> (Talk, Message) {
        let mut talk = self.ask(method, uri, to, more, body);
        let answer = self.ended(&talk, method);
        if answer.status() != Some(401) {
            self.settle(&mut talk, method, &answer);
            return (talk, answer);
        }
        let proof = self.proof(method, uri, &answer);
        self.settle(&mut talk, method, &answer);
        self.within(&talk, method, &format!("{more}{proof}"), body);
        (talk, answer)
    }

    /// The header line that answers a challenge.
    pub fn proof(&self, method: &str, uri: &str, challenge: &Message) -> String {
        let mut auth = self.auth.borrow_mut();
        let proof = prove(&mut auth, method, uri, challenge, "0a4f113b");
        auth.accepted();
        proof.expect("a challenge that can be answered")
    }

    /// Acknowledges a refusal of an INVITE.
    fn settle(&self, talk: &mut Talk, method: &str, answer: &Message) {
        if method == "INVITE" && answer.status().is_some_and(|s| s >= 300) {
            let cseq = talk.invite.get();
            let confirmed = Talk { to: answer.header("to").to_owned(), ..talk.clone() };
            self.write(&confirmed, "ACK", &format!("INVITE{cseq}"), cseq, "", "");
        }
        talk.last = answer.clone();
    }

    /// Registers; fails unless it is granted.
    #[track_caller]
    pub fn register(&self) {
        let uri = format!("sip:{}", self.exchange());
        let to = format!("sip:{}@{}", self.user, self.exchange());
        let (talk, first) = self.prove("REGISTER", &uri, &to, "Expires: 300\r\n", "");
        assert_eq!(first.status(), Some(401), "{}", first.text);
        let answer = self.ended(&talk, "REGISTER");
        assert_eq!(answer.status(), Some(200), "{}", answer.text);
    }

    /// Dials, with proof.
    #[track_caller]
    pub fn dial(&self, number: &str, more: &str, body: &str) -> Talk {
        let uri = format!("sip:{}@{}", number.replace('#', "%23"), self.exchange());
        self.prove("INVITE", &uri, &uri, more, body).0
    }

    /// The answer to the dialled call; a refusal is acknowledged, a 200 too, and the dialog follows its Contact.
    #[track_caller]
    pub fn put_through(&self, talk: &mut Talk) -> Message {
        let answer = self.ended(talk, "INVITE");
        if answer.status() == Some(200) {
            talk.to = answer.header("to").to_owned();
            talk.uri = answer.contact();
            talk.last = answer.clone();
            self.within(talk, "ACK", "", "");
        } else {
            self.settle(talk, "INVITE", &answer);
        }
        answer
    }

    /// Waits for a call, and says that it has come: an exchange does not wait long for a server that says nothing.
    #[track_caller]
    pub fn called(&self) -> Message {
        let invite = self.peer.expect("an INVITE", |m| m.asks("INVITE") && !m.header("to").contains(";tag="));
        self.peer.answer(&invite, "100 Trying", "", "");
        invite
    }

    /// Answers a call that came, and waits for the ACK.
    #[track_caller]
    pub fn pick_up(&self, invite: &Message, body: &str) -> Talk {
        self.pick_up_with(invite, "", body)
    }

    /// The same with more header lines in the 200.
    #[track_caller]
    pub fn pick_up_with(&self, invite: &Message, more: &str, body: &str) -> Talk {
        let contact = self.peer.contact(&self.user);
        self.peer.answer(invite, "200 OK", &format!("{contact}{more}"), body);
        let call_id = invite.header("call-id").to_owned();
        self.peer.expect("an ACK", |m| m.asks("ACK") && m.header("call-id") == call_id);
        Talk {
            uri: invite.contact(),
            from: format!("{};tag=peer", invite.header("to")),
            to: invite.header("from").to_owned(),
            call_id,
            cseq: Cell::new(100),
            invite: Cell::new(100),
            last: invite.clone(),
        }
    }

    /// Hangs up; the other side must say 200.
    #[track_caller]
    pub fn hang_up(&self, talk: &Talk) {
        self.within(talk, "BYE", "", "");
        let answer = self.ended(talk, "BYE");
        assert_eq!(answer.status(), Some(200), "{}", answer.text);
    }

    /// The other side hangs up.
    #[track_caller]
    pub fn is_hung_up(&self, talk: &Talk) -> Message {
        let bye = self.peer.expect("a BYE", |m| m.asks("BYE") && m.header("call-id") == talk.call_id);
        self.peer.answer(&bye, "200 OK", "", "");
        bye
    }

    /// A request of this method within this dialog, or nothing in this time.
    pub fn asked(&self, talk: &Talk, method: &str, most: Duration) -> Option<Message> {
        self.peer.within(most, &|m: &Message| m.asks(method) && m.header("call-id") == talk.call_id)
    }
}

impl Talk {
    /// Takes the other side's tag and Contact from a provisional answer.
    pub fn early(&mut self, answer: &Message) {
        self.to = answer.header("to").to_owned();
        self.uri = inside(answer.header("contact"));
    }
}

/// A session description: A-law and RFC 4733 events at this address; `way` is `sendrecv`, `sendonly`, …
pub fn sdp(at: SocketAddr, way: &str, version: u32) -> String {
    let family = if at.is_ipv4() { "IP4" } else { "IP6" };
    let (ip, port) = (at.ip(), at.port());
    format!(
        "v=0\r\no=peer 1 {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na={way}\r\n"
    )
}
