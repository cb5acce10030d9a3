use super::*;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nm=audio 4000 RTP/AVP 8\r\n";
const LOCATION: &str = "Content-Type: application/pidf+xml\r\nContent-Disposition: render; handling=optional\r\n\
                        Content-ID: <loc@example.com>\r\n\r\n<presence/>\r\n";
const ISUP: &str = "Content-Type: application/ISUP;version=itu-t92+\r\n\
                    Content-Disposition: signal;handling=optional\r\n\r\n\u{1}\u{2}v=0\r\n";

fn of(kind: &str, disposition: &str, body: &str) -> Found {
    let mut headers = Headers::default();
    for (name, value) in [(Name::ContentType, kind), (Name::ContentDisposition, disposition)] {
        if !value.is_empty() {
            headers.push(name, value.to_owned());
        }
    }
    find(&headers, &Bytes::copy_from_slice(body.as_bytes()))
}

/// `sdp`, `sdp!` (a required part is not understood), `none`, `none!`.
#[track_caller]
fn check(what: &str, kind: &str, body: &str, want: &str) {
    let found = of(kind, "", body);
    if let Some(sdp) = &found.sdp {
        assert_eq!(String::from_utf8_lossy(sdp).trim_end(), SDP.trim_end(), "{what}");
    }
    let got = format!(
        "{}{}",
        if found.sdp.is_some() { "sdp" } else { "none" },
        if found.lacking { "!" } else { "" }
    );
    assert_eq!(got, want, "{what}");
}

fn sdp() -> String {
    format!("Content-Type: application/sdp\r\n\r\n{SDP}")
}

fn mixed(parts: &[&str]) -> String {
    let mut out = String::new();
    for part in parts {
        out += &format!("--b1\r\n{part}\r\n");
    }
    out + "--b1--\r\n"
}

#[test]
fn a_body_that_is_no_multipart() {
    check("SDP", "application/sdp", SDP, "sdp");
    check("SDP with parameters, in other letters", "Application/SDP;charset=utf-8", SDP, "sdp");
    check("no type, but SDP", "", SDP, "sdp");
    check("something else", "application/isup", "x", "none!");
    check("nothing", "application/sdp", "", "none");
    let optional = of("application/isup", "signal;handling=optional", "x");
    assert_eq!(optional, Found::default(), "optional");
}

#[test]
fn the_sdp_stands_among_other_parts() {
    let m = "multipart/mixed;boundary=b1";
    check("first", m, &mixed(&[&sdp(), LOCATION]), "sdp");
    check("last", m, &mixed(&[LOCATION, &sdp()]), "sdp");
    check("with ISUP", m, &mixed(&[&sdp(), ISUP]), "sdp");
    check("twice", m, &mixed(&[&sdp(), &sdp()]), "sdp");
    check("quoted boundary", "multipart/mixed; boundary=\"b1\"", &mixed(&[&sdp(), ISUP]), "sdp");
    check("no boundary in the header", "multipart/mixed", &mixed(&[&sdp(), ISUP]), "sdp");
    check("related", "multipart/related;boundary=b1", &mixed(&[&sdp(), LOCATION]), "sdp");
    let around = format!("to whom\r\nit may\r\n\r\n{}\r\nbye --b1", mixed(&[&sdp(), ISUP]));
    check("preamble and epilogue", m, &around, "sdp");
    let open = mixed(&[ISUP, &sdp()]).replace("--b1--\r\n", "");
    check("no last boundary", m, &open, "sdp");
    let lf = of(m, "", &mixed(&[LOCATION, &sdp()]).replace("\r\n", "\n"));
    assert!(lf.sdp.is_some() && !lf.lacking, "LF alone");
    check("blanks behind the boundary", m, &mixed(&[&sdp(), ISUP]).replace("--b1\r\n", "--b1  \r\n"), "sdp");
    let folded = sdp().replace("Content-Type: application/sdp", "content-type:\r\n application/sdp");
    check("a folded header", m, &mixed(&[&folded, ISUP]), "sdp");
    let bare = format!("\r\n{SDP}");
    check("a part without header", m, &mixed(&[&bare, ISUP]), "sdp");
    let session = sdp().replace("\r\n\r\n", "\r\nContent-Disposition: session;handling=required\r\n\r\n");
    check("session by its word", m, &mixed(&[&session]), "sdp");
    check(
        "without location's disposition",
        m,
        &mixed(&[&sdp(), "Content-Type: application/pidf+xml\r\n\r\n<presence/>"]),
        "sdp",
    );
}

#[test]
fn what_is_required_and_not_understood_is_said() {
    let m = "multipart/mixed;boundary=b1";
    let required = ISUP.replace("optional", "required");
    check("required", m, &mixed(&[&sdp(), &required]), "sdp!");
    check("required by default", m, &mixed(&[&sdp(), "Content-Type: application/x-secret\r\n\r\nx"]), "sdp!");
    let location = LOCATION.replace("optional", "required");
    check("location by its word", m, &mixed(&[&sdp(), &location]), "sdp!");
    let early = sdp().replace("\r\n\r\n", "\r\nContent-Disposition: early-session\r\n\r\n");
    check("another session", m, &mixed(&[&sdp(), &early]), "sdp!");
    let packed = sdp().replace("\r\n\r\n", "\r\nContent-Encoding: gzip\r\n\r\n");
    check("packed", m, &mixed(&[&packed]), "none!");
    check("no parts at all", m, "hello", "none");
    let all = of(m, "render;handling=optional", &mixed(&[&sdp(), &required]));
    assert!(all.sdp.is_some() && !all.lacking, "the whole is optional");
}

#[test]
fn parts_have_parts() {
    let inner = mixed(&[&sdp(), ISUP]).replace("b1", "b2");
    let nested = format!("Content-Type: multipart/mixed;boundary=b2\r\n\r\n{inner}");
    check("nested", "multipart/mixed;boundary=b1", &mixed(&[LOCATION, &nested]), "sdp");
    let plain = "Content-Type: text/plain\r\n\r\nhello";
    check("an alternative", "multipart/alternative;boundary=b1", &mixed(&[plain, &sdp()]), "sdp");
    check("the lesser one", "multipart/alternative;boundary=b1", &mixed(&[&sdp(), plain]), "sdp");
    check("no good alternative", "multipart/alternative;boundary=b1", &mixed(&[plain]), "none!");
    let signature = "Content-Type: application/pkcs7-signature\r\n\r\nx";
    check("signed", "multipart/signed;boundary=b1", &mixed(&[&sdp(), signature]), "sdp");
    let mut deep = sdp();
    for _ in 0..8 {
        deep = format!("Content-Type: multipart/mixed;boundary=b1\r\n\r\n{}", mixed(&[&deep]));
    }
    let found = of("multipart/mixed;boundary=b1", "", &mixed(&[&deep]));
    assert!(found.sdp.is_none() || !found.lacking, "too deep ends somewhere");
}
