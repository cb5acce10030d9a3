//! Every operation of the router × every kind of caller × odd spellings of its path.

use actix_web::http::Method;

use super::*;
use crate::http::access::Access;

/// An operation as the router has it.
struct Target {
    method: Method,
    template: String,
    access: Access,
}

fn targets() -> Vec<Target> {
    let target = |(prefix, o): (&str, Operation)| Target {
        template: format!("{prefix}{}", o.path),
        method: o.method,
        access: o.access,
    };
    all_operations().into_iter().map(target).collect()
}

impl Target {
    /// Its path, with a word for each of its names.
    fn path(&self, word: &str) -> String {
        let mut path = self.template.replace("{version}", "1");
        while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
            path.replace_range(from..=to, word);
        }
        path
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Nobody,
    WrongToken,
    NoScheme,
    Basic,
    Revoked,
    WrongCookie,
    Reader,
    Admin,
    Cookie,
    BareCookie,
}

const STRANGERS: [Who; 6] =
    [Who::Nobody, Who::WrongToken, Who::NoScheme, Who::Basic, Who::Revoked, Who::WrongCookie];

struct Keys {
    revoked: String,
    session: String,
}

impl Keys {
    async fn of(bench: &Bench) -> Keys {
        let store = &bench.api.store;
        let (record, revoked) = auth::create_token(store, "old", Scope::Admin).await.unwrap();
        store.put_token(crate::store::TokenRecord { revoked: true, ..record }).await.unwrap();
        let secret = auth::new_secret(store).await.unwrap();
        let here = "192.0.2.9".parse().unwrap();
        let session = bench.api.auth.login(here, secret.0, store).await.unwrap();
        Keys { revoked: revoked.0, session: session.0 }
    }
}

fn asked_by(who: Who, bench: &Bench, keys: &Keys, method: &Method, path: &str) -> TestRequest {
    let request = at(TestRequest::default().method(method.clone()), path);
    let bearer = |request: TestRequest, token: &str| {
        request.insert_header(("authorization", format!("Bearer {token}")))
    };
    let cookie = |request: TestRequest, value: &str| {
        request.insert_header(("cookie", format!("{}={value}", auth::COOKIE)))
    };
    match who {
        Who::Nobody => request,
        Who::WrongToken => bearer(request, "rt_00"),
        Who::NoScheme => request.insert_header(("authorization", bench.admin.clone())),
        Who::Basic => request.insert_header(("authorization", "Basic YWRtaW46YWRtaW4=")),
        Who::Revoked => bearer(request, &keys.revoked),
        Who::WrongCookie => cookie(request, "rt_00"),
        Who::Reader => bearer(request, &bench.reader),
        Who::Admin => bearer(request, &bench.admin),
        Who::Cookie => cookie(request, &keys.session).insert_header(("x-ringtrip", "1")),
        Who::BareCookie => cookie(request, &keys.session),
    }
}

/// Status and the problem's word, if it is one.
macro_rules! answer {
    ($service:expr, $request:expr) => {{
        let request = $request.to_request();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = call_service($service, request).await;
        let status = response.status().as_u16();
        described::check_answer(&method, &path, status);
        let word = match status {
            400.. => {
                let text = read_body(response).await;
                let kind = serde_json::from_slice::<Value>(&text).ok().map(|p| p["type"].clone());
                kind.and_then(|k| Some(k.as_str()?.rsplit(':').next()?.to_owned())).unwrap_or_default()
            }
            _ => String::new(),
        };
        (status, word)
    }};
}

#[actix_web::test]
async fn every_operation_asks_who_is_there() {
    let bench = Bench::new().await;
    let keys = Keys::of(&bench).await;
    let service = init_service(app(bench.api.clone())).await;
    let targets = targets();
    assert!(targets.len() > 70, "{}", targets.len());
    for target in &targets {
        let method = &target.method;
        let is_change = !matches!(*method, Method::GET | Method::HEAD);
        // A draft, a deck or a plugin may be called as an operation that readers may use.
        for path in [target.path("x.rhai"), target.path("check"), target.path("replay")] {
            for who in STRANGERS {
                let (status, _) = answer!(&service, asked_by(who, &bench, &keys, method, &path));
                match target.access {
                    Access::Public => assert_ne!(status, 401, "{who:?} {method} {path}"),
                    _ => assert_eq!(status, 401, "{who:?} {method} {path}"),
                }
            }
            // Last: logging out ends the session that the others need.
            if path.ends_with("/logout") {
                continue;
            }
            let (status, word) = answer!(&service, asked_by(Who::Reader, &bench, &keys, method, &path));
            let refused = if is_change { "read-only-token" } else { "forbidden" };
            match target.access {
                Access::Admin => assert_eq!((status, word.as_str()), (403, refused), "{method} {path}"),
                _ => assert!(status != 401 && word != refused, "{method} {path} {status} {word}"),
            }
            for who in [Who::Admin, Who::Cookie] {
                let (status, word) = answer!(&service, asked_by(who, &bench, &keys, method, &path));
                assert!(status != 401 && word != refused, "{who:?} {method} {path} {status} {word}");
            }
            let (status, word) = answer!(&service, asked_by(Who::BareCookie, &bench, &keys, method, &path));
            let unproven = status == 403 && word == "unproven-origin";
            assert_eq!(unproven, is_change && target.access != Access::Public, "{method} {path} {status}");
        }
    }
}

#[actix_web::test]
async fn every_operation_is_in_the_description_and_no_other_is() {
    let described: Value = serde_json::from_str(&openapi::text()).unwrap();
    let mut described: Vec<(String, String)> = described["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(|m| (m.to_uppercase(), path.clone()))
        })
        .collect();
    let plain = |t: &Target| (t.method.to_string(), t.template.clone());
    let mut routed: Vec<_> = targets().iter().map(plain).collect();
    described.sort();
    routed.sort();
    assert_eq!(described, routed);
}

#[test]
fn few_operations_are_public() {
    let public = targets().into_iter().filter(|t| t.access == Access::Public);
    let public: Vec<_> = public.map(|t| format!("{} {}", t.method, t.template)).collect();
    assert_eq!(public, ["POST /api/v1/login", "GET /healthz", "HEAD /healthz"]);
}

/// Spellings of a path that another reader might take for it.
fn odd_spellings(path: &str) -> Vec<String> {
    let mut odd = vec![
        path.to_uppercase(),
        format!("{path}/"),
        format!("{path}/."),
        format!("{path}%20"),
        format!("{path}%00"),
        format!("{path};x=1"),
        format!("/{path}"),
        format!("//127.0.0.1:8080{path}"),
        format!("/healthz/..{path}"),
        format!("/healthz/..;{path}"),
        format!("/icon.svg/%2e%2e{path}"),
    ];
    for (at, letter) in path.char_indices() {
        let (head, tail) = path.split_at(at);
        let rest = &tail[1..];
        match letter {
            '/' => odd.extend([
                format!("{head}//{rest}"),
                format!("{head}/./{rest}"),
                format!("{head}/;/{rest}"),
                format!("{head}/x/../{rest}"),
                format!("{head}%2f{rest}"),
                format!("{head}%5C{rest}"),
                format!("{head};a=b/{rest}"),
            ]),
            letter => odd.extend([
                format!("{head}%{:02x}{rest}", u32::from(letter)),
                format!("{head}%{:02X}{rest}", u32::from(letter)),
                format!("{head}%25{:02x}{rest}", u32::from(letter)),
            ]),
        }
    }
    odd.retain(|spelling| spelling != path);
    odd
}

#[actix_web::test]
async fn no_odd_spelling_reaches_an_operation() {
    let bench = Bench::new().await;
    let keys = Keys::of(&bench).await;
    let service = init_service(app(bench.api.clone())).await;
    let mut asked = 0;
    for target in targets() {
        let path = target.path("101");
        for spelling in odd_spellings(&path) {
            // What is no URI at all never gets this far.
            if spelling.parse::<actix_web::http::Uri>().is_err() {
                continue;
            }
            for who in [Who::Nobody, Who::Reader] {
                let request = asked_by(who, &bench, &keys, &target.method, &spelling);
                let (status, _) = answer!(&service, request);
                assert!(matches!(status, 400 | 401 | 403..=405 | 503), "{who:?} {spelling}: {status}");
                // "101;x=1" is another name than "101": a reader may be told something about it, a stranger never.
                assert!(!matches!(status, 403 | 503) || who == Who::Reader, "{spelling}: {status}");
                asked += 1;
            }
        }
        let own = format!("http://127.0.0.1:8080{path}");
        let (status, _) = answer!(&service, asked_by(Who::Nobody, &bench, &keys, &target.method, &own));
        let expected = (target.access != Access::Public).then_some(401);
        assert!(expected.is_none_or(|e| e == status), "{own}: {status}");
        for foreign in [format!("http://evil.example{path}"), format!("http://127.0.0.1:9{path}")] {
            let request = asked_by(Who::Admin, &bench, &keys, &target.method, &foreign);
            assert_eq!(answer!(&service, request).0, 400, "{foreign}");
        }
    }
    assert!(asked > 5_000, "{asked}");
}

#[actix_web::test]
async fn methods_that_a_path_does_not_have_are_refused_with_those_that_it_has() {
    let bench = Bench::new().await;
    let keys = Keys::of(&bench).await;
    let service = init_service(app(bench.api.clone())).await;
    for target in targets() {
        let path = target.path("101");
        for method in ["HEAD", "OPTIONS", "TRACE", "CONNECT", "GETX", "PATCH", "DELETE"] {
            let method: Method = method.parse().unwrap();
            if targets().iter().any(|t| t.template == target.template && t.method == method) {
                continue;
            }
            let (status, _) = answer!(&service, asked_by(Who::Nobody, &bench, &keys, &method, &path));
            let is_public =
                targets().iter().any(|t| t.template == target.template && t.access == Access::Public);
            assert_eq!(status, if is_public { 405 } else { 401 }, "{method} {path}");
            let request = asked_by(Who::Admin, &bench, &keys, &method, &path);
            let response = call_service(&service, request.to_request()).await;
            assert_eq!(response.status(), 405, "{method} {path}");
            let allow = response.headers().get("allow").unwrap().to_str().unwrap();
            assert!(allow.contains(target.method.as_str()), "{method} {path}: {allow}");
        }
    }
}

#[actix_web::test]
async fn a_host_header_is_an_address_or_a_name_of_ours() {
    let bench = Bench::new().await;
    let with = |host: &str| bench.get("/api/v1/lines").insert_header(("host", host.to_owned()));
    for ours in ["[::1]", "[2001:db8::7]:8080", "10.0.0.1:80", "10.0.0.1:", "localhost.", "PBX.example:8443"]
    {
        assert_eq!(bench.status(with(ours)).await, 200, "{ours}");
    }
    for foreign in [
        "[::1].evil",
        "[::1].evil:8080",
        "[::1]evil",
        "[::1]:evil",
        "[::1",
        "[127.0.0.1]",
        "[evil.example]",
        "::1",
        "localhost:evil.example",
        "localhost:80:evil",
        "localhost..",
        "localhost.evil.example",
        "127.0.0.1@evil.example",
        "evil.example:127.0.0.1",
        "127.1",
        "2130706433",
        "127.0.0.1:8080.evil",
        "127.0.0.1 evil",
    ] {
        assert_eq!(bench.status(with(foreign)).await, 421, "{foreign}");
    }
    let twice = bench.get("/api/v1/lines").append_header(("host", "evil.example"));
    assert_eq!(bench.status(twice).await, 400);
}
