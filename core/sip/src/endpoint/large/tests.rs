use super::*;
use crate::endpoint::{Ask, ClientTx, EndpointConfig, Input, Output, Told};
use crate::message::{Headers, Method};

// Tests need some instant to count from; the machine itself never asks for one.
#[allow(clippy::disallowed_methods)]
fn start() -> Instant {
    Instant::now()
}

fn udp() -> Flow {
    let at = |text: &str| text.parse().unwrap();
    Flow {
        transport: Transport::Udp,
        local: at("192.0.2.1:5060"),
        remote: at("198.51.100.7:5060"),
        connection: 0,
    }
}

fn request(method: Method, body: usize) -> Box<Request> {
    let mut headers = Headers::with_capacity(8);
    headers.push(Name::From, "<sip:a@192.0.2.1>;tag=1");
    headers.push(Name::To, "<sip:b@198.51.100.7>");
    headers.push(Name::CallId, "c");
    headers.push(Name::CSeq, format!("1 {}", String::from_utf8_lossy(method.as_bytes())));
    Box::new(Request { method, uri: "sip:b@198.51.100.7".into(), headers, body: vec![b'x'; body].into() })
}

struct Bench {
    endpoint: Endpoint,
    now: Instant,
}

impl Bench {
    fn new(peers: &[&str]) -> Bench {
        let mut endpoint: Endpoint = Endpoint::new(EndpointConfig::default(), [7; 32]);
        endpoint.set_stream_peers(peers.iter().map(|ip| ip.parse().unwrap()).collect());
        Bench { endpoint, now: start() }
    }

    /// What leaves after this: transport, beginning of the Via, branch.
    fn on(&mut self, input: Input) -> Vec<(Transport, String, String)> {
        let mut out = Vec::new();
        self.endpoint.on(self.now, input, &mut out);
        let sent = |output| match output {
            Output::Transmit(transmit) => {
                let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
                let via = text.lines().find(|l| l.starts_with("Via: ")).unwrap_or_default().to_owned();
                let (way, branch) = via.split_once(";branch=").unwrap_or_default();
                let way = way.split(' ').nth(1).unwrap_or_default().to_owned();
                Some((transmit.flow.transport, way, branch.to_owned()))
            }
            Output::Told(Told::Failed { .. }) => Some((Transport::Udp, "failed".to_owned(), String::new())),
            Output::Told(_) => None,
        };
        out.into_iter().filter_map(sent).collect()
    }

    fn send(&mut self, method: Method, body: usize, n: u32) -> Vec<(Transport, String, String)> {
        let tx = ClientTx { owner: 1, n };
        self.on(Input::Ask(Ask::Send { tx, request: request(method, body), to: udp() }))
    }
}

#[test]
fn large_requests_go_by_a_stream_and_small_ones_as_datagrams() {
    for method in [Method::Invite, Method::Info] {
        let mut b = Bench::new(&["198.51.100.7"]);
        let sent = b.send(method.clone(), 1300, 1);
        assert_eq!((sent[0].0, &*sent[0].1), (Transport::Tcp, "SIP/2.0/TCP"));
        assert_eq!(b.send(method.clone(), 100, 2)[0].0, Transport::Udp);
        let mut b = Bench::new(&[]);
        assert_eq!(b.send(method, 1300, 1)[0].0, Transport::Udp, "nothing is known of streams there");
    }
}

#[test]
fn a_refused_or_silent_stream_is_followed_by_the_datagram() {
    for method in [Method::Invite, Method::Info] {
        for refused in [true, false] {
            let mut b = Bench::new(&["198.51.100.7"]);
            let first = b.send(method.clone(), 1300, 1);
            let stream = Flow { transport: Transport::Tcp, ..udp() };
            let then = match refused {
                true => b.on(Input::FlowFailed(stream)),
                false => {
                    b.now = b.endpoint.deadline().expect("it waits");
                    b.on(Input::Timeout)
                }
            };
            assert_eq!(then.len(), 1, "{then:?}");
            assert_eq!((then[0].0, &*then[0].1), (Transport::Udp, "SIP/2.0/UDP"));
            assert_eq!(then[0].2, first[0].2, "the same transaction");
            // From here on it is as any over UDP, and the next one does not try again.
            b.now += Duration::from_millis(501);
            assert_eq!(b.on(Input::Timeout)[0].0, Transport::Udp);
            assert_eq!(b.send(method.clone(), 1300, 2)[0].0, Transport::Udp);
            b.now += FORGET;
            assert_eq!(b.send(method.clone(), 1300, 3)[0].0, Transport::Tcp);
        }
    }
}
