//! `http`: one request to a granted host.
//!
//! Each request runs on a thread of its own and is waited for no longer than the decision lasts: a name server that
//! does not answer cannot hold a decision, whatever the client library does. Redirects are not followed; the guest
//! sees them and may ask again, under its grants.
//!
//! A granted name must not become a way to machines of the inside: the addresses that it has are looked at, and the
//! connection goes to one of those that were looked at. An address of the inside is asked only when a grant names it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use ureq::http::{Method, Request as Prepared, Uri};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::bindings::http::{Failure, Host, Request, Response};
use crate::guest::Guest;
use crate::package::grant::{self, Grants, Network};

/// Octets of a body, either way.
const BODY: usize = 65_536;
/// Headers, and octets of one.
const HEADERS: usize = 64;
const HEADER: usize = 8192;
/// Requests that run at once, of all plugins. What is left behind by a decision runs on until its own time is up.
const AT_ONCE: usize = 32;
/// Written by the client itself.
const OURS: [&str; 7] =
    ["host", "content-length", "transfer-encoding", "connection", "te", "upgrade", "expect"];

/// The HTTP client of all plugins.
#[derive(Clone)]
pub(crate) struct HttpClient {
    /// For the world outside. Its connections are kept and shared by all plugins: none leads inside.
    outer: ureq::Agent,
    config: ureq::config::Config,
    running: Arc<AtomicUsize>,
}

impl HttpClient {
    pub(crate) fn new() -> HttpClient {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .max_response_header_size(64 << 10)
            .user_agent(concat!("Ringtrip/", env!("CARGO_PKG_VERSION")))
            .build();
        let outer = agent(config.clone(), Vec::new());
        HttpClient { outer, config, running: Arc::default() }
    }

    /// Asks. `inner` are the addresses of the inside that the grants name.
    fn fetch(
        &self,
        request: Prepared<Vec<u8>>,
        inner: Vec<Network>,
        within: Duration,
    ) -> Result<Response, Failure> {
        if within.is_zero() {
            return Err(Failure::TooLate);
        }
        let place = Place::take(&self.running)
            .ok_or_else(|| Failure::Failed("too many requests are running".to_owned()))?;
        let (answer, answered) = mpsc::sync_channel(1);
        // Who may ask inside has connections of its own.
        let agent = if inner.is_empty() { self.outer.clone() } else { agent(self.config.clone(), inner) };
        let spawned = std::thread::Builder::new().name("plugin-http".to_owned()).spawn(move || {
            let _ = answer.send(run(&agent, request, within));
            drop(place);
        });
        if let Err(e) = spawned {
            return Err(Failure::Failed(format!("no thread: {e}")));
        }
        answered.recv_timeout(within).unwrap_or(Err(Failure::TooLate))
    }
}

/// A client that connects to the outside, and to these.
fn agent(config: ureq::config::Config, inner: Vec<Network>) -> ureq::Agent {
    ureq::Agent::with_parts(config, DefaultConnector::default(), CheckedResolver { inner })
}

/// Looks names up, and looks at what came of it. What it gives is what the client connects to.
#[derive(Debug)]
struct CheckedResolver {
    inner: Vec<Network>,
}

/// A name has only addresses that may not be asked.
#[derive(Debug, thiserror::Error)]
#[error("{host} at {address}, an address of the inside that no grant names")]
struct Inside {
    host: String,
    address: std::net::IpAddr,
}

impl Resolver for CheckedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        self.allowed(uri.host().unwrap_or_default(), &found)
    }
}

impl CheckedResolver {
    fn allowed(
        &self,
        host: &str,
        found: &[std::net::SocketAddr],
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let may = |ip| !grant::is_inner(ip) || self.inner.iter().any(|network| network.holds(ip));
        let mut kept = self.empty();
        found.iter().filter(|at| may(at.ip())).for_each(|at| kept.push(*at));
        match found.first() {
            Some(first) if kept.is_empty() => {
                let inside = Inside { host: host.to_owned(), address: first.ip() };
                Err(ureq::Error::Other(Box::new(inside)))
            }
            None => Err(ureq::Error::HostNotFound),
            Some(_) => Ok(kept),
        }
    }
}

fn run(agent: &ureq::Agent, request: Prepared<Vec<u8>>, within: Duration) -> Result<Response, Failure> {
    // Only POST and PUT carry a body; the client refuses one elsewhere.
    let carries = matches!(*request.method(), Method::POST | Method::PUT);
    let answer = if carries {
        agent.run(agent.configure_request(request).timeout_global(Some(within)).build())
    } else {
        agent.run(agent.configure_request(request.map(|_| ())).timeout_global(Some(within)).build())
    };
    let mut answer = answer.map_err(failure)?;
    let headers = answer.headers().iter().take(HEADERS);
    let headers = headers.map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let (status, headers) = (answer.status().as_u16(), headers.collect());
    let body = answer.body_mut().with_config().limit(BODY as u64).read_to_vec().map_err(failure)?;
    Ok(Response { status, headers, body })
}

fn failure(error: ureq::Error) -> Failure {
    match error {
        ureq::Error::Timeout(_) => Failure::TooLate,
        ureq::Error::BodyExceedsLimit(_) => {
            Failure::Failed(format!("the answer has more than {BODY} octets"))
        }
        ureq::Error::Other(why) if why.is::<Inside>() => Failure::NotGranted(why.to_string()),
        other => Failure::Failed(other.to_string()),
    }
}

/// One of the requests that may run at once.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(running: &Arc<AtomicUsize>) -> Option<Place> {
        let place = Place(Arc::clone(running));
        (running.fetch_add(1, Ordering::SeqCst) < AT_ONCE).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn port_of(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 })
}

/// A request as the contract has it becomes one that may be sent.
fn prepare(request: Request, grants: &Grants) -> Result<Prepared<Vec<u8>>, Failure> {
    let failed = |why: String| Failure::Failed(why);
    let uri: Uri = request.url.parse().map_err(|e| failed(format!("the URL cannot be read: {e}")))?;
    let usual = match uri.scheme_str() {
        Some("https") => 443,
        Some("http") => 80,
        _ => return Err(failed("the URL must begin with https:// or http://".to_owned())),
    };
    let authority = uri.authority().map(|a| a.as_str()).unwrap_or_default();
    let Some(host) = uri.host().filter(|h| !h.is_empty() && !authority.contains('@')) else {
        return Err(failed("the URL must name a host, and no user".to_owned()));
    };
    if !grant::allows_host(grants, host, uri.port_u16().unwrap_or(usual)) {
        return Err(Failure::NotGranted(authority.to_owned()));
    }
    let method = match request.method.as_str() {
        "GET" => Method::GET,
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "DELETE" => Method::DELETE,
        _ => return Err(failed("the method must be GET, POST, PUT or DELETE".to_owned())),
    };
    if request.body.len() > BODY || request.headers.len() > HEADERS {
        return Err(failed(format!("a request has at most {BODY} octets and {HEADERS} headers")));
    }
    if !request.body.is_empty() && !matches!(method, Method::POST | Method::PUT) {
        return Err(failed("only POST and PUT carry a body".to_owned()));
    }
    let mut prepared = Prepared::builder().method(method).uri(uri);
    for (name, value) in &request.headers {
        if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) || value.len() > HEADER {
            return Err(failed(format!("the header {name:?} is not the plugin's to write, or too long")));
        }
        prepared = prepared.header(name, value);
    }
    prepared.body(request.body).map_err(|e| failed(e.to_string()))
}

impl Host for Guest {
    fn fetch(&mut self, request: Request) -> wasmtime::Result<Result<Response, Failure>> {
        self.check()?;
        let prepared = match prepare(request, &self.context.grants) {
            Ok(prepared) => prepared,
            Err(failure) => return Ok(Err(failure)),
        };
        let port = port_of(prepared.uri());
        let inner = grant::named_addresses(&self.context.grants, port);
        let answer = self.wait(|guest| guest.context.services.http.fetch(prepared, inner, guest.left()));
        self.check()?;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn request(method: &str, url: &str) -> Request {
        Request { method: method.to_owned(), url: url.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    #[test]
    fn only_granted_hosts_are_asked() {
        let grants: Grants =
            ["http:api.example.com", "http:127.0.0.1:8080"].iter().map(|g| g.parse().unwrap()).collect();
        for (url, expected) in [
            ("https://api.example.com/x", "ok"),
            ("http://API.example.com/", "ok"),
            ("http://127.0.0.1:8080/", "ok"),
            ("http://127.0.0.1/", "not granted 127.0.0.1"),
            ("https://api.example.com:8443/", "not granted api.example.com:8443"),
            ("https://example.com/", "not granted example.com"),
            ("https://api.example.com.evil.test/", "not granted api.example.com.evil.test"),
            ("https://api.example.com@evil.test/", "no user"),
            ("file:///etc/passwd", "cannot be read"),
            ("ftp://api.example.com/", "https://"),
            ("/x", "https://"),
            ("https://", "cannot be read"),
        ] {
            let got = match prepare(request("GET", url), &grants) {
                Ok(_) => "ok".to_owned(),
                Err(Failure::NotGranted(host)) => format!("not granted {host}"),
                Err(Failure::Failed(why)) => why,
                Err(Failure::TooLate) => "late".to_owned(),
            };
            assert!(got.contains(expected), "{url}: {got}");
        }
        let refused = |r: Request| assert!(matches!(prepare(r, &grants), Err(Failure::Failed(_))));
        let url = "https://api.example.com/";
        refused(request("CONNECT", url));
        refused(Request {
            headers: vec![("Host".to_owned(), "evil.test".to_owned())],
            ..request("GET", url)
        });
        refused(Request { headers: vec![("a".to_owned(), "b\r\nc: d".to_owned())], ..request("GET", url) });
        refused(Request { body: vec![0; BODY + 1], ..request("POST", url) });
        refused(Request { body: vec![0], ..request("GET", url) });
    }

    /// A server that answers each connection with these octets.
    fn server(answer: &'static [u8], wait: Duration) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let _ = stream.read(&mut [0; 4096]);
                std::thread::sleep(wait);
                let _ = stream.write_all(answer);
            }
        });
        url
    }

    fn inner() -> Vec<Network> {
        let grants: Grants = ["http:127.0.0.1".parse().unwrap()].into();
        grant::named_addresses(&grants, 80)
    }

    #[test]
    fn a_name_is_no_way_to_the_inside() {
        let url = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Duration::ZERO);
        let port = url.trim_end_matches('/').rsplit(':').next().unwrap();
        for url in [
            format!("http://localhost:{port}/"),
            url.clone(),
            format!("http://127.1:{port}/"),
            format!("http://2130706433:{port}/"),
            format!("http://[::ffff:127.0.0.1]:{port}/"),
        ] {
            let request = || Prepared::builder().method(Method::GET).uri(&url).body(Vec::new()).unwrap();
            let time = Duration::from_secs(20);
            let refused = HttpClient::new().fetch(request(), Vec::new(), time);
            assert!(
                matches!(&refused, Err(Failure::NotGranted(why)) if why.contains("inside")),
                "{url}: {refused:?}"
            );
            let granted = HttpClient::new().fetch(request(), inner(), time);
            assert!(granted.is_ok(), "{url}: {granted:?}");
        }
    }

    #[test]
    fn of_the_addresses_of_a_name_those_outside_stay() {
        let found: Vec<std::net::SocketAddr> =
            ["10.0.0.1:443", "192.0.2.7:443", "[fe80::1]:443"].iter().map(|a| a.parse().unwrap()).collect();
        let kept = CheckedResolver { inner: Vec::new() }.allowed("x.example", &found).unwrap();
        assert_eq!(&kept[..], &found[1..2]);
        assert!(CheckedResolver { inner: Vec::new() }.allowed("x.example", &found[..1]).is_err());
    }

    fn fetch(url: &str, within: Duration) -> Result<Response, Failure> {
        let request = Prepared::builder().method(Method::GET).uri(url).body(Vec::new()).unwrap();
        HttpClient::new().fetch(request, inner(), within)
    }

    #[test]
    fn an_answer_comes_back_in_time_or_not_at_all() {
        let second = Duration::from_secs(20);
        let url = server(b"HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 2\r\n\r\nhi", Duration::ZERO);
        let answer = fetch(&url, second).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"hi"[..]));
        assert!(answer.headers.contains(&("x-a".to_owned(), "b".to_owned())));
        let url = server(
            b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
            Duration::ZERO,
        );
        assert_eq!(fetch(&url, second).unwrap().status, 302, "a redirect is not followed");
        let url = server(b"HTTP/1.1 200 OK\r\ncontent-length: 70000\r\n\r\n", Duration::ZERO);
        assert!(matches!(fetch(&url, second), Err(Failure::Failed(_))), "more than 65,536 octets");
        let url = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Duration::from_secs(5));
        let began = std::time::Instant::now();
        assert!(matches!(fetch(&url, Duration::from_millis(30)), Err(Failure::TooLate)));
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
}
