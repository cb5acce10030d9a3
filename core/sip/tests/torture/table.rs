//! The 49 cases of RFC 4475 and the 12 of RFC 5118: what each must get, and a message of our own that has the same
//! defect. The byte-exact messages of the RFCs are tested too where `RINGTRIP_CORPUS` names a folder that holds them
//! (`rfc4475/*.dat`, `rfc5118/*`).
//!
//! This module needs nothing but std, so that other test crates can include it by its path.

/// One case.
pub struct Case {
    /// The name that the RFC gives it, or its corpus.
    pub name: &'static str,
    /// Which RFC and section.
    pub section: &'static str,
    /// What lexer and screen say.
    pub door: Door,
    /// What comes back over UDP, from a registrar and exchange for example.com.
    pub wire: Wire,
    /// How TCP differs.
    pub stream: Stream,
    text: &'static str,
}

/// The verdict of lexer and screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// It is taken: a request becomes a transaction, a response is looked up.
    Passes,
    /// It is answered before any transaction.
    Answers(u16),
    /// It passes, and is answered so once the sender has proved who they are.
    Content(u16),
    /// A response that is thrown away.
    Drops,
}

/// What the sender sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// A final answer with one of these codes.
    OneOf(&'static [u16]),
    /// Any final answer but 400.
    NotBad,
    /// Not one octet.
    Nothing,
}

/// What a stream does beyond the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Stays open.
    Open,
    /// The answer comes, and the connection closes.
    Closes,
    /// No answer; the connection closes when patience ends (10 s).
    Waits,
}

impl Case {
    /// Is it a response?
    pub fn is_response(&self) -> bool {
        self.text.starts_with("SIP/")
    }

    /// Our own message, as it goes out in a datagram.
    pub fn message(&self) -> Vec<u8> {
        let text = match self.name {
            // Raw octets that a text cannot show.
            "mpart01" => return binary_parts(self.text),
            "longreq" => long(self.text),
            _ => self.text.to_owned(),
        };
        octets(&text)
    }

    /// The folder and file of the RFC's message in the corpus.
    pub fn corpus_file(&self) -> String {
        if self.section.starts_with("5118") {
            format!("rfc5118/{}", self.name)
        } else {
            format!("rfc4475/{}.dat", self.name)
        }
    }

    /// The RFC's message as it goes out. The files of RFC 5118 have bare line feeds, two lack the empty line, and the
    /// lengths of some bodies are those of another layout; all three come from the printed page, not from the case.
    pub fn mended(&self, file: Vec<u8>) -> Vec<u8> {
        if !self.section.starts_with("5118") {
            return file;
        }
        let text = String::from_utf8_lossy(&file).replace("\r\n", "\n");
        let text = if text.contains("\n\n") { text } else { format!("{text}\n") };
        let lines = text
            .lines()
            .map(|line| if line.starts_with("Content-Length:") { "Content-Length: {cl}" } else { line });
        octets(&lines.flat_map(|line| [line, "\n"]).collect::<String>())
    }
}

/// `\n` becomes CRLF, `{sdp}` a session description and `{cl}` the octets after the empty line.
fn octets(text: &str) -> Vec<u8> {
    let text = text.replace("{sdp}", SDP).replace('\n', "\r\n");
    let body = text.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
    text.replace("{cl}", &body.to_string()).into_bytes()
}

const SDP: &str = "v=0\no=tess 2890844526 2890844526 IN IP4 192.0.2.77\ns=-\nc=IN IP4 192.0.2.77\nt=0 0\n\
                   m=audio 40000 RTP/AVP 0 8\na=rtpmap:0 PCMU/8000\n";

/// Names, values, users and hosts of hundreds of octets, and thirty Vias.
fn long(text: &str) -> String {
    let vias: String = (0..30)
        .map(|n| {
            format!("v: SIP/2.0/TCP hop{n}.example.com:{}; branch=z9hG4bK.{}\n", 5000 + n, "x".repeat(40 + n))
        })
        .collect();
    text.replace("{vias}", vias.trim_end())
        .replace("{long}", &"long-".repeat(60))
        .replace("{letters}", &"Abcdefghij".repeat(40))
}

/// A body with NUL octets, bare line feeds and octets that are no UTF-8.
fn binary_parts(head: &str) -> Vec<u8> {
    let mut body = b"--cut\r\nContent-Type: text/plain\r\n\r\nhello\r\n--cut\r\nContent-Type: application/octet-stream\r\n\r\n".to_vec();
    body.extend_from_slice(b"\x00\x01\nraw\n\xff\xfe\r\n\r\n\x00\n\r\n--cut--\r\n");
    let mut out = head.replace('\n', "\r\n").replace("{cl}", &body.len().to_string()).into_bytes();
    out.extend_from_slice(&body);
    out
}

const fn case(name: &'static str, section: &'static str, door: Door, wire: Wire, text: &'static str) -> Case {
    Case { name, section, door, wire, stream: Stream::Open, text }
}

const fn stream(case: Case, stream: Stream) -> Case {
    Case { stream, ..case }
}

const BAD: Wire = Wire::OneOf(&[400]);
const REGISTERED: Wire = Wire::OneOf(&[200, 401, 403, 404]);
const PASSES: Door = Door::Passes;
const REFUSED: Door = Door::Answers(400);

/// All 61.
pub const CASES: &[Case] = &[
    case(
        "wsinv",
        "4475 3.1.1.1",
        PASSES,
        Wire::NotBad,
        "INVITE sip:200@pbx.example.com;newparam SIP/2.0\nTo :\n  sip:200@pbx.example.com ;   tag   = 77aa\nfrom   : \"Tess \\\\\\\"\"     <sip:tess@example.com>\n  ;\n  tag = 88bb\nmAx-fOrwards: 0070\nCall-ID: wsinv.own.1@192.0.2.77\nContent-Length  : {cl}\ncseq: 0012\n  INVITE\nVia  : SIP  /   2.0\n /UDP\n   192.0.2.77;branch=old5tyle\ns :\nBrandNew:  first half\n second half\nOddValue: ;;,,;;,;\nContent-Type: application/sdp\nRoute:\n <sip:hop.example.com;lr;odd=value;odder>\nv:  SIP  / 2.0  / TCP    edge.example.com  ;\n  branch  =   z9hG4bKownA  ,\n SIP  /   2.0   / UDP  198.51.100.9  ; branch=\n z9hG4bKownB\nm:\"Tess \\\"\\\"\" <sip:tess@example.com> ; p1 =\n   v1 ;\n  p2 ; q = 0.25\n\n{sdp}",
    ),
    case(
        "intmeth",
        "4475 3.1.1.2",
        Door::Answers(501),
        Wire::OneOf(&[405, 501]),
        "!a-Method_*+`.%of'all~ sip:1.odd~(user!)&isn't+it$?,/;;*:&a=b,c!*d$e~f_g.(h)@example.com SIP/2.0\nVia: SIP/2.0/TCP edge.example.com;branch=z9hG4bK-.!%66*_+`'~\nTo: \"a \\\u{7} b \\\u{0} c \\\u{7f}\" <sip:1.odd~(user!)&isn't+it$?,/;;*@example.com>\nFrom: one~` two'+_ three*%!.- <sip:tess@example.com>;p''~+*_!.-%=\"пример\";tag=_t~1'+`*%!-.\nCall-ID: own.word%K-!.*_+'@word`~)(><:\\/\"][?}{\nCSeq: 99887766 !a-Method_*+`.%of'all~\nMax-Forwards: 255\nodd-Header!.%*+_`'~:\u{feff}значение\nContent-Length: 0\n\n",
    ),
    case(
        "esc01",
        "4475 3.1.1.3",
        PASSES,
        Wire::NotBad,
        "INVITE sip:sips%3Atess%40example.net@example.com SIP/2.0\nTo: sip:%74es%73@example.com\nFrom: <sip:two%20words@example.net>;tag=12\nMax-Forwards: 70\ni: esc01.own\nCSeq: 5 INVITE\nVia: SIP/2.0/UDP edge.example.net;branch=z9hG4bKesc01\nC: application/sdp\nContact:\n  <sip:t%65ss@edge.example.net;%6C%72;k%65y=v%61l%25%34%31>\nContent-Length: {cl}\n\n{sdp}",
    ),
    case(
        "escnull",
        "4475 3.1.1.4",
        PASSES,
        REGISTERED,
        "REGISTER sip:example.com SIP/2.0\nTo: sip:a-%00-b@example.com\nFrom: sip:a-%00-b@example.com;tag=3\nMax-Forwards: 70\nCall-ID: escnull.own\nCSeq: 7 REGISTER\nVia: SIP/2.0/UDP edge.example.com;branch=z9hG4bKescnull\nContact: <sip:%00@edge.example.com>\nContact: <sip:%00%00@edge.example.com>\nL:0\n\n",
    ),
    case(
        "esc02",
        "4475 3.1.1.5",
        Door::Answers(501),
        Wire::OneOf(&[501]),
        "%52EGIST%45R sip:example.com SIP/2.0\nTo: \"%Q%5\" <sip:tess@example.com>\nFrom: \"%Q%5\" <sip:tess@example.com>;tag=9\nCall-ID: esc02.own\nVia: SIP/2.0/TCP edge.example.com;branch=z9hG4bK1%zz2\nCSeq: 3 %52EGIST%45R\nMax-Forwards: 70\nContact: <sip:one@edge.example.com>\nC%6Fntact: <sip:two@edge.example.com>\nl: 0\n\n",
    ),
    case(
        "lwsdisp",
        "4475 3.1.1.6",
        PASSES,
        Wire::OneOf(&[200, 401, 404]),
        "OPTIONS sip:200@example.com SIP/2.0\nTo: sip:200@example.com\nFrom: tess<sip:tess@example.com>;tag=31\nMax-Forwards: 70\nCall-ID: lwsdisp.own@example.com\nCSeq: 6 OPTIONS\nVia: SIP/2.0/UDP edge.example.com;branch=z9hG4bKlws\nl: 0\n\n",
    ),
    case(
        "longreq",
        "4475 3.1.1.7",
        PASSES,
        Wire::NotBad,
        "INVITE sip:200@example.com SIP/2.0\nTo: \"Display {long}\" <sip:200@example.com:6000;{long}name={long}value;short>\nF: <sip:tess-{long}@example.net>;\n tag=a{long};p{long}=v{long};q\nCall-ID: own.{long}\nCSeq: 4 INVITE\nUnheard-Of-{letters}: {letters}; {long}\n Folded {long}\n{vias}\nMax-Forwards: 70\nContact: <sip:tess-{long}@edge.example.net>\nContent-Type: application/sdp\nl: {cl}\n\n{sdp}",
    ),
    case(
        "dblreq",
        "4475 3.1.1.8",
        PASSES,
        REGISTERED,
        "REGISTER sip:example.com SIP/2.0\nTo: sip:tess@example.com\nFrom: sip:tess@example.com;tag=61\nMax-Forwards: 8\nI: dblreq.own\nContact: sip:tess@edge.example.com\nCSeq: 8 REGISTER\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKdbl\nContent-Length: 0\n\n\nINVITE sip:other@example.com SIP/2.0\nTo: sip:other@example.com\nFrom: sip:tess@example.com;tag=62\nMax-Forwards: 6\nCall-ID: dblreq.own2\nContact: <sip:tess@edge.example.com>\nCSeq: 9 INVITE\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKdbl2\nContent-Type: application/sdp\nContent-Length: 150\n\n{sdp}",
    ),
    case(
        "semiuri",
        "4475 3.1.1.9",
        PASSES,
        Wire::OneOf(&[200, 401, 404]),
        "OPTIONS sip:200;x=y%40example.net@example.com SIP/2.0\nTo: sip:200@example.com\nFrom: sip:tess@example.org;tag=5\nMax-Forwards: 3\nCall-ID: semiuri.own\nCSeq: 8 OPTIONS\nAccept: application/sdp, text/plain,\n      multipart/mixed,\n      message/sipfrag\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKsemi\nl: 0\n\n",
    ),
    case(
        "transports",
        "4475 3.1.1.10",
        PASSES,
        Wire::OneOf(&[200, 401, 404]),
        "OPTIONS sip:200@example.com SIP/2.0\nTo: sip:200@example.com\nFrom: <sip:tess@example.com>;tag=4\nMax-Forwards: 70\nCall-ID:  transports.own\nAccept: application/sdp\nCSeq: 60 OPTIONS\nVia: SIP/2.0/UDP a.example.com;branch=z9hG4bKt1\nVia: SIP/2.0/SCTP b.example.com;branch=z9hG4bKt2\nVia: SIP/2.0/TLS c.example.com;branch=z9hG4bKt3\nVia: SIP/2.0/PIGEON d.example.com;branch=z9hG4bKt4\nVia: SIP/2.0/TCP e.example.com;branch=z9hG4bKt5\nl: 0\n\n",
    ),
    case(
        "mpart01",
        "4475 3.1.1.11",
        PASSES,
        Wire::NotBad,
        "MESSAGE sip:200@example.com SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKmpart;rport\nMax-Forwards: 70\nFrom: <sip:tess@example.org>;tag=7\nTo: <sip:200@example.com>\nCall-ID: mpart01.own\nCSeq: 127 MESSAGE\nMIME-Version: 1.0\nContent-Type: multipart/mixed;boundary=cut\nContent-Length: {cl}\n\n",
    ),
    case(
        "unreason",
        "4475 3.1.1.12",
        PASSES,
        Wire::Nothing,
        "SIP/2.0 200 = 2**3 * 5**2 двести да не сто\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKunr\nCall-ID: unreason.own\nCSeq: 35 INVITE\nFrom: <sip:tess@example.com>;tag=1\nTo: <sip:200@example.com>;tag=2\nContact: <sip:200@edge.example.com>\nContent-Type: application/sdp\nContent-Length: {cl}\n\n{sdp}",
    ),
    case(
        "noreason",
        "4475 3.1.1.13",
        PASSES,
        Wire::Nothing,
        "SIP/2.0 100 \nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKnor\nCall-ID: noreason.own\nCSeq: 35 INVITE\nFrom: <sip:tess@example.com>;tag=1\nTo: <sip:200@example.com>;tag=2\nContent-Length: 0\n\n",
    ),
    case(
        "badinv01",
        "4475 3.1.2.1",
        REFUSED,
        BAD,
        "INVITE sip:200@example.com SIP/2.0\nTo: sip:200@example.com\nFrom: sip:tess@example.net;tag=13\nMax-Forwards: 7\nCall-ID: badinv01.own\nCSeq: 8 INVITE\nVia: SIP/2.0/UDP 192.0.2.77;;,;,,\nContact: \"Tess\" <sip:tess@example.org>;;;;\nContent-Length: {cl}\nContent-Type: application/sdp\n\n{sdp}",
    ),
    stream(
        case(
            "clerr",
            "4475 3.1.2.2",
            REFUSED,
            BAD,
            "INVITE sip:200@example.com SIP/2.0\nMax-Forwards: 80\nTo: sip:200@example.com\nFrom: sip:tess@example.net;tag=9\nContact: <sip:tess@edge.example.net>\nCall-ID: clerr.own\nCSeq: 8 INVITE\nVia: SIP/2.0/UDP edge.example.com;branch=z9hG4bKclerr\nContent-Type: application/sdp\nContent-Length: 9999\n\n{sdp}",
        ),
        Stream::Waits,
    ),
    stream(
        case(
            "ncl",
            "4475 3.1.2.3",
            REFUSED,
            BAD,
            "INVITE sip:200@example.com SIP/2.0\nMax-Forwards: 25\nTo: sip:200@example.com\nFrom: sip:tess@example.net;tag=1\nCall-ID: ncl.own\nCSeq: 8 INVITE\nContact: <sip:tess@edge.example.net>\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKncl\nContent-Type: application/sdp\nContent-Length: -1\n\n{sdp}",
        ),
        Stream::Closes,
    ),
    case(
        "scalar02",
        "4475 3.1.2.4",
        REFUSED,
        BAD,
        "REGISTER sip:example.com SIP/2.0\nVia: SIP/2.0/TCP edge.example.com;branch=z9hG4bKsc2\nTo: <sip:tess@example.com>\nFrom: <sip:tess@example.com>;tag=2\nCSeq: 18446744073709551617 REGISTER\nCall-ID: scalar02.own\nMax-Forwards: 400\nExpires: 99999999999999999999999999999999\nContact: <sip:tess@edge.example.com>\n  ;expires=99999999999999\nContent-Length: 0\n\n",
    ),
    case(
        "scalarlg",
        "4475 3.1.2.5",
        Door::Drops,
        Wire::Nothing,
        "SIP/2.0 503 Service Unavailable\nVia: SIP/2.0/TCP edge.example.com;branch=z9hG4bKlg;received=192.0.2.77\nTo: <sip:200@example.com>\nFrom: <sip:tess@example.net>;tag=2\nCall-ID: scalarlg.own\nCSeq: 18446744073709551616 INVITE\nRetry-After: 99999999999999999999\nWarning: 1812 example.net \"too large\"\nContent-Length: 0\n\n",
    ),
    case(
        "quotbal",
        "4475 3.1.2.6",
        REFUSED,
        BAD,
        "INVITE sip:200@example.com SIP/2.0\nTo: \"Desk 200 <sip:200@example.com>\nFrom: sip:tess@example.net;tag=4\nMax-Forwards: 10\nCall-ID: quotbal.own\nContact: <sip:tess@edge.example.net>\nCSeq: 8 INVITE\nVia: SIP/2.0/UDP 192.0.2.77:5050;branch=z9hG4bKquot\nContent-Type: application/sdp\nContent-Length: {cl}\n\n{sdp}",
    ),
    case(
        "ltgtruri",
        "4475 3.1.2.7",
        REFUSED,
        BAD,
        "INVITE <sip:200@example.com> SIP/2.0\nTo: sip:200@example.com\nFrom: sip:tess@example.net;tag=3\nMax-Forwards: 23\nCall-ID: ltgtruri.own\nCSeq: 1 INVITE\nVia: SIP/2.0/UDP 192.0.2.77\nContact: <sip:tess@edge.example.net>\nContent-Type: application/sdp\nContent-Length: {cl}\n\n{sdp}",
    ),
    case(
        "lwsruri",
        "4475 3.1.2.8",
        REFUSED,
        BAD,
        "INVITE sip:200@example.com; lr SIP/2.0\nTo: sip:200@example.com;tag=x1\nFrom: sip:tess@example.net;tag=2\nMax-Forwards: 5\nCall-ID: lwsruri.own\nCSeq: 2130706432 INVITE\nVia: SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bKlwsr\nContact: <sip:tess@edge.example.net>\nContent-Type: application/sdp\nContent-Length: {cl}\n\n{sdp}",
    ),
    case(
        "lwsstart",
        "4475 3.1.2.9",
        REFUSED,
        BAD,
        "INVITE  sip:200@example.com  SIP/2.0\nMax-Forwards: 8\nTo: sip:200@example.com\nFrom: sip:tess@example.net;tag=8\nCall-ID: lwsstart.own\nCSeq: 1893884 INVITE\nVia: SIP/2.0/UDP edge.example.com;branch=z9hG4bKlwss\nContact: <sip:tess@edge.example.net>\nContent-Type: application/sdp\nContent-Length: {cl}\n\n{sdp}",
    ),
    case(
        "trws",
        "4475 3.1.2.10",
        REFUSED,
        BAD,
        "OPTIONS sip:200@example.com SIP/2.0  \nVia: SIP/2.0/TCP 192.0.2.77;branch=z9hG4bKtrws\nMax-Forwards: 65\nFrom: <sip:tess@example.com>;tag=1\nTo: <sip:200@example.com>\nCall-ID: trws.own\nCSeq: 2398 OPTIONS\nContent-Length: 0\n\n",
    ),
    case(
        "escruri",
        "4475 3.1.2.11",
        REFUSED,
        BAD,
        "INVITE sip:200@example.com?Subject=own%20idea SIP/2.0\nTo: sip:200@example.com\nFrom: sip:tess@example.net;tag=3\nMax-Forwards: 7\nContact: <sip:tess@edge.example.net>\nCall-ID: escruri.own\nCSeq: 14 INVITE\nVia: SIP/2.0/UDP edge.example.com;branch=z9hG4bKescr\nContent-Type: application/sdp\nContent-Length: {cl}\n\n{sdp}",
    ),
    case(
        "baddate",
        "4475 3.1.2.12",
        PASSES,
        Wire::NotBad,
        "INVITE sip:200@example.com SIP/2.0\nTo: sip:200@example.com\nFrom: sip:tess@example.net;tag=2\nMax-Forwards: 10\nCall-ID: baddate.own\nDate: Sun, 22 Nov 2026 15:00:00 CET\nContact: <sip:tess@edge.example.net>\nCSeq: 8 INVITE\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKdate\nContent-Type: application/sdp\nContent-Length: {cl}\n\n{sdp}",
    ),
    case(
        "regbadct",
        "4475 3.1.2.13",
        REFUSED,
        BAD,
        "REGISTER sip:example.com SIP/2.0\nTo: sip:tess@example.com\nFrom: sip:tess@example.com;tag=9\nMax-Forwards: 70\nCall-ID: regbadct.own@192.0.2.77\nCSeq: 1 REGISTER\nVia: SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bKrbc\nContact: sip:tess@edge.example.com?Subject=own\nl: 0\n\n",
    ),
    case(
        "badaspec",
        "4475 3.1.2.14",
        REFUSED,
        BAD,
        "OPTIONS sip:200@example.com SIP/2.0\nVia: SIP/2.0/UDP edge.example.com:5060;branch=z9hG4bKaspec\nMax-Forwards: 70\nFrom: \"Ring, Tess\" <sip:tess@example.com>;tag=4\nTo: \"Desk, Front\" < sip:200@example.com >\nCall-ID: badaspec.own\nAccept: application/sdp\nCSeq: 39 OPTIONS\nl: 0\n\n",
    ),
    case(
        "baddn",
        "4475 3.1.2.15",
        REFUSED,
        BAD,
        "OPTIONS sip:200@example.com SIP/2.0\nVia:   SIP/2.0/UDP edge.example.com:5060;branch=z9hG4bKdn\nMax-Forwards:    70\nFrom:   Ring, Tess <sip:tess@example.com>;tag=43\nTo:     Desk, Front <sip:200@example.com>\nCall-ID: baddn.own@edge.example.com\nAccept: application/sdp\nCSeq:   39 OPTIONS\nl: 0\n\n",
    ),
    case(
        "badvers",
        "4475 3.1.2.16",
        Door::Answers(505),
        Wire::OneOf(&[505]),
        "OPTIONS sip:200@example.com SIP/3.1\nVia:   SIP/3.1/UDP edge.example.com;branch=z9hG4bKvers\nMax-Forwards:   70\nFrom:   T. Ring <sip:tess@example.com>;tag=q\nTo:     F. Desk <sip:200@example.com>\nCall-ID: badvers.own@edge.example.com\nCSeq:   1 OPTIONS\nl: 0\n\n",
    ),
    case(
        "mismatch01",
        "4475 3.1.2.17",
        REFUSED,
        BAD,
        "OPTIONS sip:200@example.com SIP/2.0\nTo: sip:200@example.com\nFrom: sip:tess@example.net;tag=3\nMax-Forwards: 6\nCall-ID: mismatch01.own\nCSeq: 8 INVITE\nVia: SIP/2.0/UDP edge.example.net;branch=z9hG4bKmm1\nl: 0\n\n",
    ),
    case(
        "mismatch02",
        "4475 3.1.2.18",
        Door::Answers(501),
        Wire::OneOf(&[501]),
        "TELEPORT sip:200@example.com SIP/2.0\nTo: sip:200@example.com\nFrom: sip:tess@example.net;tag=3\nMax-Forwards: 6\nCall-ID: mismatch02.own\nCSeq: 8 INVITE\nContact: <sip:tess@edge.example.net>\nVia: SIP/2.0/UDP edge.example.net;branch=z9hG4bKmm2\nContent-Type: application/sdp\nl: {cl}\n\n{sdp}",
    ),
    case(
        "bigcode",
        "4475 3.1.2.19",
        Door::Drops,
        Wire::Nothing,
        "SIP/2.0 4294967496 a number that wraps\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKbig\nCall-ID: bigcode.own\nCSeq: 35 INVITE\nFrom: <sip:tess@example.com>;tag=1\nTo: <sip:200@example.com>;tag=2\nContact: <sip:200@edge.example.com>\nContent-Length: 0\n\n",
    ),
    case(
        "badbranch",
        "4475 3.2.1",
        REFUSED,
        BAD,
        "OPTIONS sip:200@example.com SIP/2.0\nTo: sip:200@example.com\nFrom: sip:tess@example.org;tag=3\nMax-Forwards: 3\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bK\nAccept: application/sdp\nCall-ID: badbranch.own\nCSeq: 8 OPTIONS\nl: 0\n\n",
    ),
    case(
        "insuf",
        "4475 3.3.1",
        REFUSED,
        BAD,
        "INVITE sip:200@example.com SIP/2.0\nCSeq: 19 INVITE\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKinsuf\nContent-Type: application/sdp\nl: {cl}\n\n{sdp}",
    ),
    case(
        "unkscm",
        "4475 3.3.2",
        Door::Answers(416),
        Wire::OneOf(&[416]),
        "OPTIONS neverHeardOfIt:some-opaque-words SIP/2.0\nTo: sip:200@example.com\nFrom: sip:tess@example.net;tag=3\nMax-Forwards: 3\nCall-ID: unkscm.own\nCSeq: 39 OPTIONS\nVia: SIP/2.0/TCP edge.example.com;branch=z9hG4bKunk\nContent-Length: 0\n\n",
    ),
    case(
        "novelsc",
        "4475 3.3.3",
        Door::Answers(416),
        Wire::OneOf(&[404, 416]),
        "OPTIONS gopher://192.0.2.103:70 SIP/2.0\nTo: sip:200@example.com\nFrom: sip:tess@example.net;tag=3\nMax-Forwards: 3\nCall-ID: novelsc.own\nCSeq: 39 OPTIONS\nVia: SIP/2.0/TCP edge.example.com;branch=z9hG4bKnov\nContent-Length: 0\n\n",
    ),
    case(
        "unksm2",
        "4475 3.3.4",
        REFUSED,
        BAD,
        "REGISTER sip:example.com SIP/2.0\nTo: isbn:9780000000002\nFrom: <http://www.example.com>;tag=3\nCall-ID: unksm2.own\nCSeq: 23 REGISTER\nMax-Forwards: 70\nVia: SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bKsm2\nContact: <name:Tess_Ring>\nl: 0\n\n",
    ),
    case(
        "bext01",
        "4475 3.3.5",
        Door::Answers(420),
        Wire::OneOf(&[420]),
        "OPTIONS sip:200@example.com SIP/2.0\nTo: sip:200@example.com\nFrom: sip:tess@example.net;tag=2\nMax-Forwards: 6\nCall-ID: bext01.own\nRequire: telepathy, clairvoyance\nProxy-Require: patience, tact\nCSeq: 8 OPTIONS\nVia: SIP/2.0/TLS edge.example.com;branch=z9hG4bKext\nContent-Length: 0\n\n",
    ),
    case(
        "invut",
        "4475 3.3.6",
        Door::Content(415),
        Wire::OneOf(&[401, 407, 415]),
        "INVITE sip:200@example.com SIP/2.0\nContact: <sip:tess@edge.example.net>\nTo: sip:200@example.com\nFrom: sip:tess@example.net;tag=8\nMax-Forwards: 70\nCall-ID: invut.own\nCSeq: 235 INVITE\nVia: SIP/2.0/UDP edge.example.com;branch=z9hG4bKut\nContent-Type: application/smoke-signals\nContent-Length: {cl}\n\npuff puff\n puff\n",
    ),
    case(
        "regaut01",
        "4475 3.3.7",
        PASSES,
        Wire::OneOf(&[401]),
        "REGISTER sip:example.com SIP/2.0\nTo: sip:tess@example.com\nFrom: sip:tess@example.com;tag=3\nMax-Forwards: 70\nCall-ID: regaut01.own\nCSeq: 93 REGISTER\nVia: SIP/2.0/TCP edge.example.com;branch=z9hG4bKaut\nAuthorization: Handshake  knock=three,whisper=\"swordfish\"\nContent-Length: 0\n\n",
    ),
    case(
        "multi01",
        "4475 3.3.8",
        REFUSED,
        BAD,
        "INVITE sip:200@example.com SIP/2.0\nContact: <sip:tess@edge.example.net>\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKmulti\nMax-Forwards: 70\nCSeq: 5 INVITE\nCall-ID: multi01.own.1\nCSeq: 59 INVITE\nCall-ID: multi01.own.2\nFrom: sip:tess@example.com;tag=3\nTo: sip:200@example.com\nTo: sip:201@example.com\nFrom: sip:tess@example.net;tag=2\nContent-Type: application/sdp\nl: {cl}\nContact: <sip:tess@other.example.net>\nMax-Forwards: 5\n\n{sdp}",
    ),
    stream(
        case(
            "mcl01",
            "4475 3.3.9",
            REFUSED,
            BAD,
            "OPTIONS sip:200@example.com SIP/2.0\nVia: SIP/2.0/UDP edge.example.net;branch=z9hG4bKmcl\nTo: sip:200@example.com\nFrom: sip:tess@example.net;tag=3\nMax-Forwards: 70\nCall-ID: mcl01.own\nCSeq: 8 OPTIONS\nContact: <sip:tess@edge.example.net>\nContent-Length: 13\nContent-Type: text/plain\nContent-Length: 5\n\nThere's no way to know how many octets are supposed to be here.\n",
        ),
        Stream::Closes,
    ),
    case(
        "bcast",
        "4475 3.3.10",
        PASSES,
        Wire::Nothing,
        "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bKbc1\nVia: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bKbc2\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKbc3\nCall-ID: bcast.own\nCSeq: 35 INVITE\nFrom: <sip:tess@example.com>;tag=1\nTo: <sip:200@example.com>;tag=2\nContent-Type: application/sdp\nContent-Length: {cl}\nContact: <sip:200@edge.example.com>\n\n{sdp}",
    ),
    case(
        "zeromf",
        "4475 3.3.11",
        PASSES,
        Wire::OneOf(&[200, 404, 483]),
        "OPTIONS sip:200@example.com SIP/2.0\nTo: sip:200@example.com\nFrom: sip:tess@example.net;tag=3\nCall-ID: zeromf.own\nCSeq: 39 OPTIONS\nVia: SIP/2.0/UDP edge.example.com;branch=z9hG4bKzero\nMax-Forwards: 0\nContent-Length: 0\n\n",
    ),
    case(
        "cparam01",
        "4475 3.3.12",
        PASSES,
        REGISTERED,
        "REGISTER sip:example.com SIP/2.0\nVia: SIP/2.0/UDP edge.example.com:5060;branch=z9hG4bKcp1\nFrom: sip:tess@example.com;tag=D\nTo: sip:tess@example.com\nCall-ID: cparam01.own@edge.example.com\nMax-Forwards: 70\nCSeq: 2 REGISTER\nContact: sip:+19725552222@gw1.example.net;noveltag\nExpires: 1800\nContent-Length: 0\n\n",
    ),
    case(
        "cparam02",
        "4475 3.3.13",
        PASSES,
        REGISTERED,
        "REGISTER sip:example.com SIP/2.0\nVia: SIP/2.0/UDP edge.example.com:5060;branch=z9hG4bKcp2\nFrom: sip:tess@example.com;tag=D\nTo: sip:tess@example.com\nCall-ID: cparam02.own@edge.example.com\nMax-Forwards: 70\nCSeq: 3 REGISTER\nContact: <sip:+19725552222@gw1.example.net;noveltag>\nExpires: 1800\nContent-Length: 0\n\n",
    ),
    case(
        "regescrt",
        "4475 3.3.14",
        PASSES,
        REGISTERED,
        "REGISTER sip:example.com SIP/2.0\nTo: sip:tess@example.com\nFrom: sip:tess@example.com;tag=8\nMax-Forwards: 70\nCall-ID: regescrt.own\nCSeq: 14 REGISTER\nVia: SIP/2.0/UDP edge.example.com;branch=z9hG4bKesc\nM: <sip:tess@edge.example.com?Route=%3Csip:hop.example.com%3E>\nL:0\n\n",
    ),
    case(
        "sdp01",
        "4475 3.3.15",
        Door::Content(406),
        Wire::OneOf(&[400, 401, 406, 407]),
        "INVITE sip:200@example.com SIP/2.0\nTo: sip:200@example.com\nContact: <sip:tess@edge.example.net>\nFrom: sip:tess@example.net;tag=2\nMax-Forwards: 5\nCall-ID: sdp01.own\nAccept: text/runes\nCSeq: 8 INVITE\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKsdp\nContent-Length: {cl}\nContent-Type: application/sdp\n\n{sdp}",
    ),
    stream(
        case(
            "inv2543",
            "4475 3.4.1",
            REFUSED,
            BAD,
            "INVITE sip:200@example.com SIP/2.0\nVia: SIP/2.0/UDP edge.example.com\nFrom: <sip:+13035551111@edge.example.net;user=phone>\nRecord-Route: <sip:200@example.com;maddr=hop.example.com>\nTo: sip:+16505552222@hop.example.net;user=phone\nCall-ID: inv2543.own@edge.example.com\nCSeq: 56 INVITE\nContent-Type: application/sdp\n\n{sdp}",
        ),
        Stream::Closes,
    ),
    case(
        "ipv6-good",
        "5118 4.1",
        PASSES,
        REGISTERED,
        "REGISTER sip:[2001:db8::20] SIP/2.0\nTo: sip:tess@example.com\nFrom: sip:tess@example.com;tag=8\nVia: SIP/2.0/UDP [2001:db8::9:7];branch=z9hG4bKv6-1\nCall-ID: v6good.own\nMax-Forwards: 70\nContact: \"Tess\" <sip:tess@[2001:db8::7]>\nCSeq: 98 REGISTER\nContent-Length: 0\n\n",
    ),
    case(
        "ipv6-bad",
        "5118 4.2",
        REFUSED,
        BAD,
        "REGISTER sip:2001:db8::20 SIP/2.0\nTo: sip:tess@example.com\nFrom: sip:tess@example.com;tag=8\nVia: SIP/2.0/UDP [2001:db8::9:7];branch=z9hG4bKv6-2\nCall-ID: v6bad.own\nMax-Forwards: 70\nContact: \"Tess\" <sip:tess@[2001:db8::7]>\nCSeq: 98 REGISTER\nContent-Length: 0\n\n",
    ),
    case(
        "port-ambiguous",
        "5118 4.3",
        PASSES,
        Wire::NotBad,
        "REGISTER sip:[2001:db8::20:5072] SIP/2.0\nTo: sip:tess@example.com\nFrom: sip:tess@example.com;tag=8\nVia: SIP/2.0/UDP [2001:db8::9:7];branch=z9hG4bKv6-3\nCall-ID: v6amb.own\nMax-Forwards: 70\nContact: \"Tess\" <sip:tess@[2001:db8::7]>\nCSeq: 98 REGISTER\nContent-Length: 0\n\n",
    ),
    case(
        "port-unambiguous",
        "5118 4.4",
        PASSES,
        REGISTERED,
        "REGISTER sip:[2001:db8::20]:5072 SIP/2.0\nTo: sip:tess@example.com\nFrom: sip:tess@example.com;tag=8\nVia: SIP/2.0/UDP [2001:db8::9:7];branch=z9hG4bKv6-4\nCall-ID: v6una.own\nMax-Forwards: 70\nContact: \"Tess\" <sip:tess@[2001:db8::7]>\nCSeq: 98 REGISTER\nContent-Length: 0\n\n",
    ),
    case(
        "via-received-param-with-delim",
        "5118 4.5",
        PASSES,
        Wire::NotBad,
        "BYE sip:[2001:db8::20] SIP/2.0\nTo: sip:200@example.com;tag=b\nFrom: sip:tess@example.com;tag=8\nVia: SIP/2.0/UDP [2001:db8::9:7];received=[2001:db8::9:254];branch=z9hG4bKv6-5\nCall-ID: v6del.own\nMax-Forwards: 70\nCSeq: 32 BYE\nContent-Length: 0\n\n",
    ),
    case(
        "via-received-param-no-delim",
        "5118 4.5",
        PASSES,
        Wire::NotBad,
        "OPTIONS sip:[2001:db8::20] SIP/2.0\nTo: sip:200@example.com\nFrom: sip:tess@example.com;tag=8\nVia: SIP/2.0/UDP [2001:db8::9:7];received=2001:db8::9:254;branch=z9hG4bKv6-6\nCall-ID: v6nod.own\nMax-Forwards: 70\nCSeq: 33 OPTIONS\nContent-Length: 0\n\n",
    ),
    case(
        "ipv6-in-sdp",
        "5118 4.6",
        PASSES,
        Wire::NotBad,
        "INVITE sip:200@[2001:db8::20] SIP/2.0\nTo: sip:200@[2001:db8::20]\nFrom: sip:tess@example.com;tag=8\nVia: SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKv6-7\nCall-ID: v6sdp.own\nContact: \"Tess\" <sip:tess@[2001:db8::7]>\nCSeq: 86 INVITE\nMax-Forwards: 70\nContent-Type: application/sdp\nContent-Length: {cl}\n\nv=0\no=tess 97 0 IN IP6 2001:db8::20\ns=-\nc=IN IP6 2001:db8::20\nt=0 0\nm=audio 6000 RTP/AVP 0\n",
    ),
    case(
        "mult-ip-in-header",
        "5118 4.7",
        PASSES,
        Wire::NotBad,
        "BYE sip:200@example.com SIP/2.0\nVia: SIP/2.0/UDP [2001:db8::9:7]:6050;branch=z9hG4bKv6-8\nVia: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKv6-9\nVia: SIP/2.0/TCP [2001:db8::9:254];branch=z9hG4bKv6-10;received=192.0.2.200\nCall-ID: v6mix.own\nMax-Forwards: 70\nCSeq: 89 BYE\nTo: sip:200@example.com;tag=9--4\nFrom: sip:tess@example.com;tag=8\nContent-Length: 0\n\n",
    ),
    case(
        "mult-ip-in-sdp",
        "5118 4.8",
        PASSES,
        Wire::NotBad,
        "INVITE sip:200@[2001:db8::20] SIP/2.0\nTo: sip:200@[2001:db8::20]\nFrom: sip:tess@example.com;tag=8\nVia: SIP/2.0/UDP [2001:db8::9:7];branch=z9hG4bKv6-11\nCall-ID: v6two.own\nContact: \"Tess\" <sip:tess@[2001:db8::9:7]>\nMax-Forwards: 70\nCSeq: 88 INVITE\nContent-Type: application/sdp\nContent-Length: {cl}\n\nv=0\no=tess 97 0 IN IP6 2001:db8::20\ns=-\nt=0 0\nm=audio 22334 RTP/AVP 0\nc=IN IP4 192.0.2.1\nm=video 6024 RTP/AVP 107\nc=IN IP6 2001:db8::1\n",
    ),
    case(
        "ipv4-mapped-ipv6",
        "5118 4.9",
        PASSES,
        Wire::NotBad,
        "INVITE sip:200@example.com SIP/2.0\nTo: sip:200@example.com\nFrom: sip:tess@example.com;tag=8\nVia: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKv6-12\nVia: SIP/2.0/UDP [::ffff:192.0.2.77];branch=z9hG4bKv6-13\nCall-ID: v6map.own\nContact: \"Tess\" <sip:tess@[::ffff:192.0.2.77]>\nCSeq: 61 INVITE\nMax-Forwards: 70\nContent-Type: application/sdp\nContent-Length: {cl}\n\nv=0\no=tess 97 0 IN IP6 ::ffff:192.0.2.77\ns=-\nc=IN IP6 ::ffff:192.0.2.77\nt=0 0\nm=audio 6000 RTP/AVP 0\n",
    ),
    case(
        "ipv6-bug-abnf-3-colons",
        "5118 4.10",
        PASSES,
        Wire::NotBad,
        "OPTIONS sip:200@[2001:db8:::192.0.2.77] SIP/2.0\nTo: sip:200@[2001:db8:::192.0.2.77]\nFrom: sip:tess@example.com;tag=8\nVia: SIP/2.0/UDP edge.example.com;branch=z9hG4bKv6-14\nCall-ID: v6abnf3.own\nCSeq: 68 OPTIONS\nMax-Forwards: 70\nContent-Length: 0\n\n",
    ),
    case(
        "ipv6-correct-abnf-2-colons",
        "5118 4.10",
        PASSES,
        Wire::NotBad,
        "OPTIONS sip:200@[2001:db8::192.0.2.77] SIP/2.0\nTo: sip:200@[2001:db8::192.0.2.77]\nFrom: sip:tess@example.com;tag=8\nVia: SIP/2.0/UDP edge.example.com;branch=z9hG4bKv6-15\nCall-ID: v6abnf2.own\nCSeq: 69 OPTIONS\nMax-Forwards: 70\nContent-Length: 0\n\n",
    ),
];
