//! Just enough of a SIP phone to have many calls stand: one socket calls, one answers.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::exchange::{CALLED, CALLERS};

/// The two media sockets of a call and where each must send.
pub struct Ends {
    /// The caller's.
    pub a: UdpSocket,
    /// The called side's.
    pub b: UdpSocket,
    /// Where the caller sends.
    pub a_to: SocketAddr,
    /// Where the called side sends.
    pub b_to: SocketAddr,
}

/// Sets up this many calls through the exchange and leaves them standing.
pub fn establish(exchange: u16, uas_port: u16, calls: usize) -> Result<Vec<Ends>> {
    let uac = UdpSocket::bind((CALLERS, 0))?;
    let uas = UdpSocket::bind((CALLED, uas_port))?;
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, exchange));
    let uac_port = uac.local_addr()?.port();
    let mut ends = Vec::new();
    for n in 0..calls {
        let a = UdpSocket::bind("127.0.0.1:0")?;
        let b = UdpSocket::bind("127.0.0.1:0")?;
        let body = sdp(a.local_addr()?.port());
        let head = |method: &str, cseq: u32, to_tag: &str, uri: &str| {
            format!(
                "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {CALLERS}:{uac_port};branch=z9hG4bKb{n}{method};rport\r\n\
                 From: <sip:bench@{CALLERS}:{uac_port}>;tag=f{n}\r\nTo: <sip:{n:04}@127.0.0.1:{exchange}>{to_tag}\r\n\
                 Call-ID: relay-{n}-{uac_port}\r\nCSeq: {cseq} {method}\r\nContact: <sip:bench@{CALLERS}:{uac_port}>\r\n\
                 Max-Forwards: 70\r\n"
            )
        };
        let uri = format!("sip:{n:04}@127.0.0.1:{exchange}");
        let invite = head("INVITE", 1, "", &uri)
            + &format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        uac.send_to(invite.as_bytes(), to)?;
        let (offered, from) = wait(&uas, "INVITE ")?;
        let b_to = media(&offered)?;
        let answer = answer(&offered, uas_port, b.local_addr()?.port());
        uas.send_to(answer.as_bytes(), from)?;
        let (ok, _) = wait(&uac, "SIP/2.0 200")?;
        let a_to = media(&ok)?;
        let headers = headers(&ok);
        let tag = headers.get("to").and_then(|t| t.split(";tag=").nth(1)).unwrap_or_default();
        let contact = headers.get("contact").map_or("", |c| c.trim_start_matches('<'));
        let contact = contact.split('>').next().unwrap_or(&uri);
        let ack = head("ACK", 1, &format!(";tag={tag}"), contact) + "Content-Length: 0\r\n\r\n";
        uac.send_to(ack.as_bytes(), to)?;
        ends.push(Ends { a, b, a_to, b_to });
    }
    Ok(ends)
}

/// The next message that starts so; others (100, 180, ACK) are passed over.
fn wait(socket: &UdpSocket, start: &str) -> Result<(String, SocketAddr)> {
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    let until = Instant::now() + Duration::from_secs(5);
    let mut buffer = [0; 8192];
    while Instant::now() < until {
        let (n, from) = socket.recv_from(&mut buffer).with_context(|| format!("no {start:?} came"))?;
        let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
        if text.starts_with(start) {
            return Ok((text, from));
        }
        if text.starts_with("SIP/2.0 ") && !text.starts_with("SIP/2.0 1") {
            bail!("the exchange refused: {}", text.lines().next().unwrap_or_default());
        }
    }
    bail!("no {start:?} came")
}

fn answer(invite: &str, port: u16, media: u16) -> String {
    let body = sdp(media);
    let mut out = String::from("SIP/2.0 200 OK\r\n");
    for line in invite.lines().take_while(|l| !l.is_empty()) {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        match name.as_str() {
            "via" | "from" | "call-id" | "cseq" | "record-route" => out += &format!("{line}\r\n"),
            "to" => out += &format!("{line};tag=uas\r\n"),
            _ => {}
        }
    }
    out += &format!("Contact: <sip:uas@{CALLED}:{port}>\r\nContent-Type: application/sdp\r\n");
    out + &format!("Content-Length: {}\r\n\r\n{body}", body.len())
}

fn headers(message: &str) -> HashMap<String, String> {
    message
        .lines()
        .take_while(|l| !l.is_empty())
        .filter_map(|l| l.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect()
}

fn media(message: &str) -> Result<SocketAddr> {
    let port =
        message.split("m=audio ").nth(1).and_then(|r| r.split(' ').next()).and_then(|p| p.parse().ok());
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port.context("no audio in the answer")?)))
}

fn sdp(port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n\
         a=rtpmap:0 PCMU/8000\r\n"
    )
}
