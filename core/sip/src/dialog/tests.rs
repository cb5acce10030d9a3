use crate::endpoint::Transport;
use crate::screen::{self, Refusal};

use super::*;

fn flow(port: u16) -> Flow {
    Flow {
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: ([192, 0, 2, 9], port).into(),
        connection: 0,
    }
}

fn request(method: Method, cseq: &'static str, lines: &[(Name, &'static str)]) -> ValidRequest {
    let lines: Vec<_> = lines.iter().cloned().chain([(Name::CSeq, cseq)]).collect();
    screen::sample(method, &lines).expect("a valid request")
}

const FROM: (Name, &str) = (Name::From, "\"A\" <sip:a@far>;tag=them");
const TO: (Name, &str) = (Name::To, "<sip:101@box>");
const TO_US: (Name, &str) = (Name::To, "<sip:101@box>;tag=us");
const CONTACT: (Name, &str) = (Name::Contact, "<sip:a@10.0.0.9:5062>;x=1");

fn invited() -> (ValidRequest, Dialog) {
    let routes = (Name::RecordRoute, "<sip:p1;lr>, <sip:p2;lr>");
    let invite = request(Method::Invite, "3 INVITE", &[FROM, TO, CONTACT, routes]);
    let dialog = Dialog::of_request(&invite, "us", flow(5062)).expect("a good INVITE");
    (invite, dialog)
}

fn name_of(hop: NextHop) -> String {
    match hop {
        NextHop::Name(name) => name.host,
        NextHop::Flow(flow) => flow.remote.to_string(),
    }
}

fn text<'a>(headers: &'a Headers, name: &'a Name) -> Vec<&'a str> {
    headers.all(name).map(|v| std::str::from_utf8(v).expect("ours")).collect()
}

#[test]
fn the_called_side_sends_to_the_contact_by_the_routes_in_order() {
    let (_, mut dialog) = invited();
    let bye = dialog.bye();
    assert_eq!(&bye.uri[..], b"sip:a@10.0.0.9:5062");
    assert_eq!(text(&bye.headers, &Name::Route), ["<sip:p1;lr>", "<sip:p2;lr>"]);
    assert_eq!(text(&bye.headers, &Name::From), ["<sip:101@box>;tag=us"]);
    assert_eq!(text(&bye.headers, &Name::To), ["\"A\" <sip:a@far>;tag=them"]);
    assert_eq!(text(&bye.headers, &Name::CSeq), ["1 BYE"]);
    assert_eq!(name_of(dialog.next_hop()), "p1");
    assert_eq!(text(&dialog.request(Method::Info).headers, &Name::CSeq), ["2 INFO"]);
}

#[test]
fn answers_have_our_tag_and_the_routes_of_the_invite() {
    let (invite, dialog) = invited();
    let ringing = dialog.respond(&invite, 180);
    assert_eq!(text(&ringing.headers, &Name::To), ["<sip:101@box>;tag=us"]);
    assert_eq!(text(&ringing.headers, &Name::RecordRoute), ["<sip:p1;lr>, <sip:p2;lr>"]);
    assert_eq!(text(&dialog.respond(&invite, 100).headers, &Name::To), ["<sip:101@box>"]);
    assert!(dialog.respond(&invite, 486).headers.get(&Name::RecordRoute).is_none());
}

#[test]
fn requests_of_the_far_end_are_judged() {
    let (_, mut dialog) = invited();
    let mut check = |what: &str, request: ValidRequest, want: Result<(), Unfit>| {
        assert_eq!(dialog.receive(&request, flow(5099)), want, "{what}");
    };
    check("the next", request(Method::Info, "4 INFO", &[FROM, TO_US]), Ok(()));
    check("older", request(Method::Info, "3 INFO", &[FROM, TO_US]), Err(Unfit::Old));
    check("a gap is fine", request(Method::Info, "9 INFO", &[FROM, TO_US]), Ok(()));
    check("the ACK of the INVITE", request(Method::Ack, "3 ACK", &[FROM, TO_US]), Ok(()));
    check("no tag of ours", request(Method::Bye, "10 BYE", &[FROM, TO]), Err(Unfit::Stranger));
    let other = (Name::From, "<sip:a@far>;tag=eve");
    check("another tag of theirs", request(Method::Bye, "10 BYE", &[other, TO_US]), Err(Unfit::Stranger));
    let moved = (Name::Contact, "<sip:a@10.0.0.77>");
    check("a re-INVITE that moves", request(Method::Invite, "11 INVITE", &[FROM, TO_US, moved]), Ok(()));
    assert_eq!(&dialog.target()[..], b"sip:a@10.0.0.77");
    assert_eq!(dialog.flow, flow(5099), "and we follow the way it came");
    assert_eq!([Unfit::Stranger, Unfit::Old].map(Unfit::code), [481, 500]);
}

fn answer(code: u16, tag: &str, lines: &[(Name, &'static str)]) -> (ValidRequest, Response) {
    let from = (Name::From, "<sip:box@us>;tag=us");
    let invite = request(Method::Invite, "7 INVITE", &[from, TO, CONTACT]);
    let mut response = build::tagged(&invite, code, tag);
    lines.iter().for_each(|(name, value)| response.headers.push(name.clone(), *value));
    (invite, response)
}

#[test]
fn the_calling_side_takes_the_routes_backwards_and_anew_with_the_2xx() {
    let early = [(Name::RecordRoute, "<sip:p1;lr>,<sip:p2;lr>"), (Name::Contact, "<sip:b@1.1.1.1>")];
    let (invite, ringing) = answer(180, "x", &early);
    let mut dialog = Dialog::of_answer(&invite, &ringing, flow(5060)).expect("tagged");
    assert_eq!(dialog.state, State::Early);
    assert_eq!(name_of(dialog.next_hop()), "p2");
    let prack = dialog.request(Method::Prack);
    assert_eq!(text(&prack.headers, &Name::CSeq), ["8 PRACK"]);
    let (_, ok) = answer(200, "x", &[(Name::RecordRoute, "<sip:p3;lr>"), (Name::Contact, "<sip:b@2.2.2.2>")]);
    assert!(dialog.is_of(&ok));
    dialog.confirm(Some(&ok));
    let ack = dialog.ack(7);
    assert_eq!(text(&ack.headers, &Name::CSeq), ["7 ACK"], "the number of the INVITE");
    assert_eq!(
        (&ack.uri[..], text(&ack.headers, &Name::Route)),
        (&b"sip:b@2.2.2.2"[..], vec!["<sip:p3;lr>"])
    );
    assert_eq!((dialog.state, dialog.local_cseq()), (State::Confirmed, 8));
}

#[test]
fn each_far_end_of_a_fork_is_a_dialog_of_its_own() {
    let (invite, one) = answer(180, "x", &[]);
    let (_, two) = answer(183, "y", &[]);
    let dialog = Dialog::of_answer(&invite, &one, flow(5060)).expect("tagged");
    assert!(dialog.is_of(&one) && !dialog.is_of(&two));
    assert_eq!(&dialog.target()[..], b"sip:101@box", "without Contact the INVITE's own way must do");
    let trying = build::response(&invite, 100);
    assert_eq!(Dialog::of_answer(&invite, &trying, flow(5060)).err(), Some(NoDialog::NoTag));
    let old = build::response(&invite, 200);
    assert!(Dialog::of_answer(&invite, &old, flow(5060)).is_ok(), "RFC 2543 ends have no tag");
}

#[test]
fn a_strict_router_becomes_the_request_uri() {
    let strict = (Name::RecordRoute, "<sip:p1>, <sip:p2;lr>");
    let invite = request(Method::Invite, "3 INVITE", &[FROM, TO, CONTACT, strict]);
    let mut dialog = Dialog::of_request(&invite, "us", flow(5062)).expect("a good INVITE");
    let bye = dialog.bye();
    assert_eq!(&bye.uri[..], b"sip:p1");
    assert_eq!(text(&bye.headers, &Name::Route), ["<sip:p2;lr>", "<sip:a@10.0.0.9:5062>"]);
}

#[test]
fn no_dialog_without_its_headers() {
    let check = |lines: &[(Name, &'static str)], why: &'static str| {
        let got = screen::sample(Method::Invite, lines).err();
        assert!(matches!(got, Some(Refusal::Answer { code: 400, reason, .. }) if reason == why), "{why}");
    };
    check(&[TO, CONTACT], "Missing From");
    check(&[FROM, CONTACT], "Missing To");
    check(&[FROM, TO], "Missing Contact");
    check(&[FROM, TO, (Name::Contact, "<")], "Malformed Contact");
    // One that may come without.
    let info = request(Method::Info, "1 INFO", &[FROM, TO]);
    assert_eq!(Dialog::of_request(&info, "us", flow(5062)).err(), Some(NoDialog::Header("Contact")));
}
