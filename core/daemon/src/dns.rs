//! Where a SIP host is (RFC 3263): SRV when no port is given, then A and AAAA. The answer of the last success is
//! kept for a day, so that a dead name server does not stop calls.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use rand::Rng;
use ringtrip_config::HostPort;
use ringtrip_sip::endpoint::Transport;

use crate::control_thread::takes_time;

/// A name server that has not answered by then is not waited for: the caller hears nothing meanwhile.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an old answer may stand in for a name server that does not answer.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// SRV lists are cut at this many targets.
const MOST: usize = 16;

type Answer = Vec<(Transport, SocketAddr)>;
/// With the time at which the first of its records runs out.
type Looked = (Answer, Option<Instant>);
type Kept = HashMap<(HostPort, Transport), (Instant, Answer)>;

/// The resolver. Cheap to clone; lives on the control arbiter.
#[derive(Clone)]
pub struct Dns {
    asking: Rc<RefCell<NameServers>>,
    kept: Rc<RefCell<Kept>>,
}

/// Who is asked.
pub struct NameServers {
    /// The name servers of the configuration; none: the system's.
    servers: Vec<SocketAddr>,
    resolver: Option<TokioResolver>,
}

impl Dns {
    /// Asks these name servers, or the system's if there are none. Without any, addresses and `localhost` still resolve.
    pub fn new(servers: &[SocketAddr]) -> Dns {
        Dns { asking: Rc::new(RefCell::new(NameServers::new(servers))), kept: Rc::default() }
    }

    /// From now on these name servers are asked. What others have said is forgotten.
    pub fn configure(&self, servers: NameServers) {
        if self.asking.borrow().servers != servers.servers {
            self.asking.replace(servers);
            self.kept.borrow_mut().clear();
        }
    }

    fn resolver(&self) -> Option<TokioResolver> {
        self.asking.borrow().resolver.clone()
    }

    /// The addresses of a name, and how long that is good.
    pub async fn addresses_of(&self, name: &str) -> Option<(Vec<IpAddr>, Duration)> {
        let resolver = self.resolver()?;
        let ips = actix_rt::time::timeout(ANSWER_TIMEOUT, resolver.lookup_ip(name)).await.ok()?.ok()?;
        let left = ips.valid_until().saturating_duration_since(Instant::now());
        Some((ips.iter().collect(), left))
    }

    /// Addresses in the order to try, or none.
    pub async fn find(&self, host: &HostPort, transport: Transport) -> Answer {
        self.find_for(host, transport).await.0
    }

    /// The same, and how long the answer is good; `None` where no name server was needed. An answer that stands in for a
    /// name server that is silent has run out.
    pub async fn find_for(&self, host: &HostPort, transport: Transport) -> (Answer, Option<Duration>) {
        if let Ok(ip) = host.host.parse::<IpAddr>() {
            return (vec![(transport, SocketAddr::new(ip, host.port.unwrap_or(5060)))], None);
        }
        if host.host.eq_ignore_ascii_case("localhost") {
            return (vec![(transport, SocketAddr::from(([127, 0, 0, 1], host.port.unwrap_or(5060))))], None);
        }
        let key = (host.clone(), transport);
        let (found, until) =
            actix_rt::time::timeout(ANSWER_TIMEOUT, self.look(host, transport)).await.unwrap_or_default();
        let mut kept = self.kept.borrow_mut();
        let now = Instant::now();
        if !found.is_empty() {
            kept.insert(key, (now, found.clone()));
            return (found, Some(until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))));
        }
        match kept.get(&key) {
            Some((at, old)) if at.elapsed() < STALE => (old.clone(), Some(Duration::ZERO)),
            _ => (Vec::new(), None),
        }
    }

    async fn look(&self, host: &HostPort, transport: Transport) -> Looked {
        if let Some(port) = host.port {
            return self.addresses(&host.host, port, transport).await;
        }
        let service = match transport {
            Transport::Udp => "_sip._udp",
            Transport::Tcp => "_sip._tcp",
        };
        let mut found = Vec::new();
        let (services, mut until) = self.services(&format!("{service}.{}.", host.host)).await;
        for (target, port) in services {
            let (more, its) = self.addresses(&target, port, transport).await;
            found.extend(more);
            until = until.into_iter().chain(its).min();
        }
        if found.is_empty() { self.addresses(&host.host, 5060, transport).await } else { (found, until) }
    }

    /// SRV targets by priority; within one by chance, heavier ones more often first (RFC 2782).
    async fn services(&self, name: &str) -> (Vec<(String, u16)>, Option<Instant>) {
        let Some(resolver) = self.resolver() else { return Default::default() };
        let Ok(lookup) = resolver.srv_lookup(name).await else { return Default::default() };
        let until = lookup.valid_until();
        let all = lookup.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(Service {
                priority: srv.priority,
                weight: srv.weight,
                target: srv.target.to_utf8(),
                port: srv.port,
            }),
            _ => None,
        });
        let order = in_order(all.collect(), |below| rand::rng().random_range(0..below));
        (order.into_iter().take(MOST).map(|s| (s.target, s.port)).collect(), Some(until))
    }

    async fn addresses(&self, name: &str, port: u16, transport: Transport) -> Looked {
        let Some(resolver) = self.resolver() else { return Looked::default() };
        match resolver.lookup_ip(name).await {
            Ok(ips) => {
                let found = ips.iter().map(|ip| (transport, SocketAddr::new(ip, port))).collect();
                (found, Some(ips.valid_until()))
            }
            Err(_) => Looked::default(),
        }
    }
}

impl NameServers {
    /// These, or the system's if there are none: then their file is read.
    pub fn new(servers: &[SocketAddr]) -> NameServers {
        takes_time("the system's name servers are read");
        let resolver = match resolver(servers) {
            Ok(resolver) => Some(resolver),
            Err(e) => {
                tracing::warn!("no name server: {e}; only addresses will work as hosts");
                None
            }
        };
        NameServers { servers: servers.to_vec(), resolver }
    }
}

/// A resolver that asks these name servers, or the system's if there are none.
pub fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    if servers.is_empty() {
        return TokioResolver::builder_tokio()?.build();
    }
    let at = |server: &SocketAddr| {
        let mut ways = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
        ways.iter_mut().for_each(|way| way.port = server.port());
        NameServerConfig::new(server.ip(), true, ways)
    };
    let config = ResolverConfig::from_name_servers(servers.iter().map(at).collect());
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build()
}

/// A target of SRV.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Service {
    priority: u16,
    weight: u16,
    target: String,
    port: u16,
}

/// The order to try (RFC 2782, "Weight"): lowest priority first; within one, each next target is drawn with a chance in
/// proportion to its weight. `draw(n)` gives a number below `n`.
fn in_order(mut all: Vec<Service>, mut draw: impl FnMut(u32) -> u32) -> Vec<Service> {
    // Those without weight stand first, so that they have a small chance beside heavy ones.
    all.sort_by_key(|s| (s.priority, s.weight));
    let mut order = Vec::with_capacity(all.len());
    while let Some(first) = all.first() {
        let same = all.iter().take_while(|s| s.priority == first.priority).count();
        let total: u32 = all[..same].iter().map(|s| u32::from(s.weight)).sum();
        let drawn = draw(total + 1);
        let mut sum = 0;
        let next = all[..same].iter().position(|s| {
            sum += u32::from(s.weight);
            sum >= drawn
        });
        order.push(all.remove(next.unwrap_or(0)));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(priority: u16, weight: u16, target: &str) -> Service {
        Service { priority, weight, target: target.to_owned(), port: 5060 }
    }

    fn order(draws: &[u32]) -> String {
        let all = vec![
            service(20, 0, "backup"),
            service(10, 60, "big"),
            service(10, 20, "small"),
            service(10, 0, "zero"),
        ];
        let mut draws = draws.iter();
        let order = in_order(all, |below| draws.next().map_or(0, |d| (*d).min(below - 1)));
        order.iter().map(|s| s.target.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn priority_goes_before_weight_and_weight_is_a_chance() {
        assert_eq!(order(&[0, 0, 0, 0]), "zero small big backup");
        assert_eq!(order(&[80, 20, 0, 0]), "big small zero backup");
        assert_eq!(order(&[1, 60, 0, 0]), "small big zero backup");
    }
}
