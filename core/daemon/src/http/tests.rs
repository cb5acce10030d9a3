use std::path::PathBuf;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use ringtrip_config::{DemoSecrets, Region};
use ringtrip_model::event::Event;
use ringtrip_model::ids::CallId;
use serde_json::{Value, json};

use super::*;
use crate::config::default_toml;
use crate::control::{AdminCommand, ControlError, SimAnswer};
use crate::store::{Scope, StoreOptions, crash_test};
use crate::views::{ExtensionView, LineView};

mod attack;
mod described;

/// The API with an exchange that answers as told by `answer`.
struct Bench {
    api: web::Data<Api>,
    admin: String,
    reader: String,
    _dir: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Bench {
        Bench::answering(|command| match command {
            AdminCommand::Deploy { reply, .. } => drop(reply.send(Ok(()))),
            AdminCommand::Originate { from, reply, .. } if from == "101" => drop(reply.send(Ok(CallId(7)))),
            AdminCommand::Originate { from, reply, .. } => {
                drop(reply.send(Err(ControlError::Missing { what: "extension", name: from })));
            }
            AdminCommand::Hangup { call, reply } => drop(reply.send(if call.0 == 7 {
                Ok(())
            } else {
                Err(ControlError::Missing { what: "call in progress", name: call.to_string() })
            })),
            AdminCommand::Sim(ask) => {
                let answer = match ask.verb.as_str() {
                    "listen" => Ok(SimAnswer::Sound { said: "{}".to_owned(), sound: ask.blob }),
                    "say" => {
                        Ok(SimAnswer::Json(format!("{{\"got\":{},\"octets\":{}}}", ask.json, ask.blob.len())))
                    }
                    verb => Err(ControlError::Missing { what: "verb", name: verb.to_owned() }),
                };
                drop(ask.reply.send(answer));
            }
            _ => {}
        })
        .await
    }

    async fn answering(answer: impl Fn(AdminCommand) + 'static) -> Bench {
        Bench::impatient(Duration::from_secs(10), answer).await
    }

    /// The same, with an API that waits so long for an answer.
    async fn impatient(reply_timeout: Duration, answer: impl Fn(AdminCommand) + 'static) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(StoreOptions::new(PathBuf::from(dir.path()))).unwrap();
        let (mut exchange, mut commands) = Exchange::new();
        exchange.reply_timeout = reply_timeout;
        actix_web::rt::spawn(async move {
            while let Some(command) = commands.recv().await {
                answer(command);
            }
        });
        exchange.update(|v| {
            v.extensions.insert("101".into(), ExtensionView { id: "101".into(), ..ExtensionView::default() });
            v.lines
                .insert("fxs1".into(), LineView { id: "fxs1".into(), off_hook: true, ..LineView::default() });
        });
        store.put_config(Some(0), "test", "first", &document()).await.unwrap();
        let (_, admin) = auth::create_token(&store, "ci", Scope::Admin).await.unwrap();
        let (_, reader) = auth::create_token(&store, "wall", Scope::Read).await.unwrap();
        let events = EventHub::new(store.boot());
        let api = web::Data::new(Api::new(exchange, store, events, vec!["pbx.example".to_owned()], false));
        Bench { api, admin: admin.0, reader: reader.0, _dir: dir }
    }

    /// Asks and answers status, headers' ETag and the body.
    async fn ask(&self, request: TestRequest) -> (StatusCode, String, Vec<u8>) {
        let service = init_service(app(self.api.clone())).await;
        let request = request.to_request();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = call_service(&service, request).await;
        let status = response.status();
        described::check_answer(&method, &path, status.as_u16());
        let kind = response.headers().get("content-type").map_or("", |t| t.to_str().unwrap()).to_owned();
        let etag = response.headers().get("etag").map_or("", |t| t.to_str().unwrap()).to_owned();
        let body = read_body(response).await.to_vec();
        if status.is_client_error() || status.is_server_error() {
            assert_eq!(kind, "application/problem+json", "{}", String::from_utf8_lossy(&body));
            let problem: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem["status"], status.as_u16());
            assert!(!problem["detail"].as_str().unwrap().is_empty());
        }
        (status, etag, body)
    }

    async fn status(&self, request: TestRequest) -> u16 {
        self.ask(request).await.0.as_u16()
    }

    fn get(&self, path: &str) -> TestRequest {
        at(TestRequest::get(), path).insert_header(("authorization", format!("Bearer {}", self.admin)))
    }

    fn post(&self, path: &str, body: &Value) -> TestRequest {
        at(TestRequest::post(), path)
            .insert_header(("authorization", format!("Bearer {}", self.admin)))
            .insert_header(("content-type", "application/json"))
            .set_payload(body.to_string())
    }

    fn put(&self, path: &str, if_match: &str, text: &str) -> TestRequest {
        at(TestRequest::put(), path)
            .insert_header(("authorization", format!("Bearer {}", self.admin)))
            .insert_header(("if-match", if_match))
            .set_payload(text.to_owned())
    }
}

fn at(request: TestRequest, path: &str) -> TestRequest {
    request.uri(path).insert_header(("host", "127.0.0.1:8080")).peer_addr("192.0.2.9:4000".parse().unwrap())
}

fn document() -> String {
    default_toml(Region::Us, &DemoSecrets { first: "hush1".into(), second: "hush2".into() })
}

fn body(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[actix_web::test]
async fn nothing_is_told_to_strangers() {
    let bench = Bench::new().await;
    let (_, _, description) = bench.ask(bench.get("/api/v1/openapi.json")).await;
    let paths = body(&description)["paths"].as_object().unwrap().clone();
    assert!(paths.len() >= 30, "{}", paths.len());
    for (path, methods) in &paths {
        for method in methods.as_object().unwrap().keys() {
            let path = path.replace("{version}", "1").replace(['{', '}'], "");
            let request = TestRequest::default().method(method.to_uppercase().parse().unwrap());
            let status = bench.status(at(request, &path)).await;
            let expected = match path.as_str() {
                "/healthz" => 200,
                // It is the door: it wants a body.
                "/api/v1/login" => 400,
                _ => 401,
            };
            assert_eq!(status, expected, "{method} {path}");
        }
    }
    for path in ["/api/v1/openapi.json", "/api", "/api/v1/none", "/metrics"] {
        assert_eq!(bench.status(at(TestRequest::get(), path)).await, 401, "{path}");
    }
    for header in ["Bearer wrong", "Basic YWRtaW46YWRtaW4=", "Bearer", ""] {
        let request = at(TestRequest::get(), "/api/v1/lines").insert_header(("authorization", header));
        assert_eq!(bench.status(request).await, 401, "{header}");
    }
}

#[actix_web::test]
async fn names_and_origins_of_others_are_refused() {
    let bench = Bench::new().await;
    let with = |host: &'static str| bench.get("/api/v1/lines").insert_header(("host", host));
    for ours in ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "192.168.1.4", "pbx.example:80"]
    {
        assert_eq!(bench.status(with(ours)).await, 200, "{ours}");
    }
    for foreign in ["evil.example", "127.0.0.1.evil.example", "pbx.example.evil.example", ""] {
        assert_eq!(bench.status(with(foreign)).await, 421, "{foreign}");
    }
    let from = |origin: &'static str| bench.get("/api/v1/lines").insert_header(("origin", origin));
    assert_eq!(bench.status(from("http://127.0.0.1:8080")).await, 200);
    for foreign in ["http://evil.example", "null", "http://127.0.0.1:8081", "127.0.0.1:8080"] {
        assert_eq!(bench.status(from(foreign)).await, 403, "{foreign}");
    }
}

#[actix_web::test]
async fn the_admin_secret_opens_a_session() {
    let bench = Bench::new().await;
    let secret = auth::new_secret(&bench.api.store).await.unwrap();
    let login = |secret: &str| {
        at(TestRequest::post(), "/api/v1/login")
            .insert_header(("content-type", "application/json"))
            .set_payload(json!({ "secret": secret }).to_string())
    };
    let service = init_service(app(bench.api.clone())).await;
    let response = call_service(&service, login(&secret.0).to_request()).await;
    assert_eq!(response.status(), 200);
    let cookie = response.headers().get("set-cookie").unwrap().to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(!String::from_utf8_lossy(&read_body(response).await).contains("rt_"));
    let session = cookie.split(';').next().unwrap().to_owned();
    let by_cookie =
        |request: TestRequest, path: &str| at(request, path).insert_header(("cookie", session.clone()));
    assert_eq!(bench.status(by_cookie(TestRequest::get(), "/api/v1/lines")).await, 200);
    // A change by cookie must come from our own page.
    let hangup = || by_cookie(TestRequest::delete(), "/api/v1/calls/0000000000000007");
    assert_eq!(bench.status(hangup()).await, 403);
    assert_eq!(bench.status(hangup().insert_header(("origin", "http://127.0.0.1:8080"))).await, 204);
    assert_eq!(
        bench
            .status(by_cookie(TestRequest::post(), "/api/v1/logout").insert_header(("x-ringtrip", "1")))
            .await,
        204
    );
    assert_eq!(bench.status(by_cookie(TestRequest::get(), "/api/v1/lines")).await, 401);
    // Guessing is refused soon. Who knows the secret is let in from the same address all the same, after a while.
    for _ in 0..5 {
        assert_eq!(bench.status(login("admin")).await, 401);
    }
    let service = init_service(app(bench.api.clone())).await;
    let response = call_service(&service, login("admin").to_request()).await;
    assert_eq!(response.status(), 429);
    assert!(response.headers().contains_key("retry-after"));
    let began = std::time::Instant::now();
    assert_eq!(bench.status(login(&secret.0)).await, 200);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
}

#[actix_web::test]
async fn nobody_locks_the_administrator_out() {
    let bench = Bench::new().await;
    let secret = auth::new_secret(&bench.api.store).await.unwrap();
    let login = |secret: &str, from: &str, by: Option<&str>| {
        let request = at(TestRequest::post(), "/api/v1/login")
            .peer_addr(format!("{from}:4000").parse().unwrap())
            .set_payload(json!({ "secret": secret }).to_string());
        match by {
            Some(client) => request.insert_header(("x-forwarded-for", client.to_owned())),
            None => request,
        }
    };
    for n in 1..=14 {
        for _ in 0..5 {
            assert_eq!(bench.status(login("guess", &format!("198.51.100.{n}"), None)).await, 401);
        }
    }
    let began = std::time::Instant::now();
    assert_eq!(bench.status(login(&secret.0, "192.0.2.7", None)).await, 200);
    // Nobody trusts this proxy, so the address that it names counts for nothing.
    assert_eq!(bench.status(login("guess", "198.51.100.1", Some("203.0.113.9"))).await, 429);
    // A proxy on this machine is believed: one of its clients guesses, another one logs in.
    for _ in 0..5 {
        assert_eq!(bench.status(login("guess", "127.0.0.1", Some("203.0.113.1"))).await, 401);
    }
    let other = login(&secret.0, "127.0.0.1", Some("203.0.113.2"));
    assert_eq!(bench.status(other).await, 200);
    // From this machine itself the right one always counts at once.
    for _ in 0..20 {
        bench.status(login("guess", "127.0.0.1", None)).await;
    }
    let waited = std::time::Instant::now();
    assert_eq!(bench.status(login(&secret.0, "127.0.0.1", None)).await, 200);
    assert!(waited.elapsed() < Duration::from_millis(500), "{:?}", waited.elapsed());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[actix_web::test]
async fn a_logout_ends_a_session_and_says_what_a_token_is() {
    let bench = Bench::new().await;
    let secret = auth::new_secret(&bench.api.store).await.unwrap();
    let open = at(TestRequest::post(), "/api/v1/login")
        .set_payload(json!({ "secret": secret.0, "bearer": true }).to_string());
    let session = body(&bench.ask(open).await.2)["session"].as_str().unwrap().to_owned();
    let by = |token: &str, request: TestRequest, path: &str| {
        at(request, path).insert_header(("authorization", format!("Bearer {token}")))
    };
    assert_eq!(bench.status(by(&session, TestRequest::get(), "/api/v1/lines")).await, 200);
    assert_eq!(bench.status(by(&session, TestRequest::post(), "/api/v1/logout")).await, 204);
    assert_eq!(bench.status(by(&session, TestRequest::get(), "/api/v1/lines")).await, 401);
    let (status, _, said) = bench.ask(by(&bench.reader, TestRequest::post(), "/api/v1/logout")).await;
    assert_eq!(status, 409);
    assert!(body(&said)["detail"].as_str().unwrap().contains("DELETE /api/v1/tokens/"));
}

#[actix_web::test]
async fn readers_read() {
    let bench = Bench::new().await;
    let by_reader = |request: TestRequest, path: &str| {
        at(request, path).insert_header(("authorization", format!("Bearer {}", bench.reader)))
    };
    assert_eq!(bench.status(by_reader(TestRequest::get(), "/api/v1/state")).await, 200);
    assert_eq!(bench.status(by_reader(TestRequest::delete(), "/api/v1/calls/0000000000000007")).await, 403);
    assert_eq!(bench.status(by_reader(TestRequest::get(), "/api/v1/config?secrets=true")).await, 403);
    let check = by_reader(TestRequest::post(), "/api/v1/dialplan/check")
        .insert_header(("content-type", "application/json"))
        .set_payload(r#"{"plan":"(xx.)"}"#);
    assert_eq!(bench.status(check).await, 200);
}

#[actix_web::test]
async fn tokens_are_made_once_shown_and_revoked() {
    let bench = Bench::new().await;
    let (status, _, made) =
        bench.ask(bench.post("/api/v1/tokens", &json!({ "name": "ci", "scope": "read" }))).await;
    assert_eq!(status, 201);
    let made = body(&made);
    let (token, id) = (made["token"].as_str().unwrap(), made["id"].as_str().unwrap());
    let (_, _, listed) = bench.ask(bench.get("/api/v1/tokens")).await;
    assert!(!String::from_utf8_lossy(&listed).contains(token));
    let by_it = || {
        at(TestRequest::get(), "/api/v1/whoami").insert_header(("authorization", format!("Bearer {token}")))
    };
    assert_eq!(body(&bench.ask(by_it()).await.2), json!({ "name": "ci", "scope": "read" }));
    let revoke = at(TestRequest::delete(), &format!("/api/v1/tokens/{id}"))
        .insert_header(("authorization", format!("Bearer {}", bench.admin)));
    assert_eq!(bench.status(revoke).await, 204);
    assert_eq!(bench.status(by_it()).await, 401);
    assert_eq!(
        bench.status(bench.post("/api/v1/tokens", &json!({ "name": "", "scope": "read" }))).await,
        400
    );
    assert_eq!(
        bench.status(bench.post("/api/v1/tokens", &json!({ "name": "x", "scope": "root" }))).await,
        400
    );
}

#[actix_web::test]
async fn a_change_is_whole_or_nothing() {
    let bench = Bench::new().await;
    let (status, etag, shown) = bench.ask(bench.get("/api/v1/config")).await;
    assert_eq!((status.as_u16(), etag.as_str()), (200, "\"1\""));
    assert!(!String::from_utf8_lossy(&shown).contains("hush1"));
    let (_, _, shown) = bench.ask(bench.get("/api/v1/config?secrets=true")).await;
    assert!(String::from_utf8_lossy(&shown).contains("hush1"));

    let no_match = at(TestRequest::put(), "/api/v1/config")
        .insert_header(("authorization", format!("Bearer {}", bench.admin)))
        .set_payload(document());
    assert_eq!(bench.status(no_match).await, 428);
    let (status, _, refused) = bench.ask(bench.put("/api/v1/config", "\"1\"", "regoin = \"us\"\n")).await;
    assert_eq!(status, 422);
    assert_eq!(body(&refused)["faults"][0]["line"], 1);
    assert_eq!(bench.status(bench.put("/api/v1/config", "\"9\"", &document())).await, 412);
    assert_eq!(bench.api.store.config_head(), 1);

    // With one version there is nothing to return to or to compare with, and the answer says so.
    let (status, _, lonely) = bench.ask(bench.post("/api/v1/config/undo", &json!({}))).await;
    assert!(status == 404 && String::from_utf8_lossy(&lonely).contains("no version before the first"));
    assert_eq!(bench.status(bench.get("/api/v1/config/diff")).await, 404);

    let changed = document().replace("Hall telephone", "Front door");
    let (status, etag, applied) = bench.ask(bench.put("/api/v1/config?note=moved", "\"1\"", &changed)).await;
    assert_eq!((status.as_u16(), etag.as_str()), (200, "\"2\""));
    assert_eq!(body(&applied)["summary"], "1 lines added, 1 removed");
    let (_, _, compared) = bench.ask(bench.get("/api/v1/config/diff")).await;
    let lines: Vec<DiffView> = serde_json::from_value(body(&compared)["lines"].clone()).unwrap();
    let edits: Vec<_> = lines.iter().filter(|l| l.op != ' ').map(|l| format!("{}{}", l.op, l.text)).collect();
    assert_eq!(edits, ["-name = \"Hall telephone\"", "+name = \"Front door\""]);
    let (status, _, undone) = bench.ask(bench.post("/api/v1/config/undo", &json!({}))).await;
    assert_eq!((status.as_u16(), body(&undone)["version"].as_u64()), (200, Some(3)));
    assert_eq!(bench.api.store.config(3).unwrap().text, document());
    let (_, _, versions) = bench.ask(bench.get("/api/v1/config/versions")).await;
    assert_eq!(body(&versions)[1]["note"], "moved");
    assert_eq!(bench.status(bench.get("/api/v1/config/versions/99")).await, 404);
    let (_, _, checked) = bench.ask(bench.post("/api/v1/config/validate", &json!({}))).await;
    assert_eq!(body(&checked)["ok"], false);
}

type DiffView = crate::config::DiffLine;

#[actix_web::test]
async fn a_change_that_the_exchange_does_not_take_is_undone() {
    let bench = Bench::answering(|command| {
        if let AdminCommand::Deploy { reply, .. } = command {
            drop(reply.send(Err(ControlError::Failed("the board is gone".to_owned()))));
        }
    })
    .await;
    let changed = document().replace("Hall", "Attic");
    let (status, _, refused) = bench.ask(bench.put("/api/v1/config", "\"1\"", &changed)).await;
    assert_eq!(status, 500);
    assert!(body(&refused)["detail"].as_str().unwrap().contains("it was undone: the board is gone"));
    let head = bench.api.store.config_head();
    assert_eq!((head, bench.api.store.config(head).unwrap().text), (3, document()));
}

/// What the exchange did not begin in time is undone on the disk, and never begun; what it has begun is waited for.
#[actix_web::test]
async fn what_is_kept_is_what_is_active() {
    for begins_at_once in [true, false] {
        let in_force = std::rc::Rc::new(std::cell::Cell::new(false));
        let seen = in_force.clone();
        let bench = Bench::impatient(Duration::from_millis(100), move |command| {
            let AdminCommand::Deploy { claim, reply, .. } = command else { return };
            let seen = seen.clone();
            actix_web::rt::spawn(async move {
                let begun = begins_at_once && claim.take();
                tokio::time::sleep(Duration::from_millis(300)).await;
                if begun || claim.take() {
                    seen.set(true);
                    drop(reply.send(Ok(())));
                }
            });
        })
        .await;
        let changed = document().replace("Hall", "Attic");
        let (status, _, said) = bench.ask(bench.put("/api/v1/config", "\"1\"", &changed)).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        let kept = bench.api.store.config(bench.api.store.config_head()).unwrap().text;
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(status, if begins_at_once { 200 } else { 503 }, "{said}");
        assert_eq!(in_force.get(), begins_at_once);
        assert_eq!(kept == changed, begins_at_once);
    }
}

#[actix_web::test]
async fn a_full_disk_is_said_and_changes_nothing() {
    let bench = Bench::new().await;
    bench.api.store.faults().write.store(28, std::sync::atomic::Ordering::Relaxed);
    let (status, _, refused) = bench.ask(bench.put("/api/v1/config", "\"1\"", &document())).await;
    assert_eq!(status, 507);
    assert!(body(&refused)["detail"].as_str().unwrap().contains("disk is full"));
    assert_eq!(bench.api.store.config_head(), 1);
    assert_eq!(
        bench.status(bench.post("/api/v1/tokens", &json!({ "name": "x", "scope": "read" }))).await,
        507
    );
}

#[actix_web::test]
async fn calls_and_their_records() {
    let bench = Bench::new().await;
    let call = |from: &str| bench.post("/api/v1/calls", &json!({ "from": from, "to": "200" }));
    let (status, _, started) = bench.ask(call("101")).await;
    assert_eq!((status.as_u16(), body(&started)), (201, json!({ "id": "0000000000000007" })));
    assert_eq!(bench.status(call("999")).await, 404);
    assert_eq!(bench.status(call("")).await, 400);
    for n in 1..=5 {
        bench.api.store.put_cdr(crash_test::sample(n, true)).await.unwrap();
    }
    let (_, _, page) = bench.ask(bench.get("/api/v1/cdrs?limit=2")).await;
    let page = body(&page);
    assert_eq!(
        (page["cdrs"][0]["call"].as_str(), page["next"].as_str()),
        (Some("0000000000000005"), Some("0000000000000004"))
    );
    let (_, _, page) = bench.ask(bench.get("/api/v1/cdrs?cursor=0000000000000004&limit=9")).await;
    assert_eq!(body(&page)["cdrs"].as_array().unwrap().len(), 3);
    assert_eq!(bench.status(bench.get("/api/v1/cdrs/0000000000000002")).await, 200);
    assert_eq!(bench.status(bench.get("/api/v1/cdrs/00000000000000ff")).await, 404);
    assert_eq!(bench.status(bench.get("/api/v1/cdrs/xyz")).await, 400);
    assert_eq!(bench.status(bench.get("/api/v1/cdrs?limit=many")).await, 400);
    assert_eq!(bench.status(bench.get("/api/v1/cdrs?nonsense=1")).await, 400);
}

#[actix_web::test]
async fn simulated_boards_are_driven() {
    let bench = Bench::new().await;
    let (_, _, said) =
        bench.ask(bench.post("/api/v1/sim/virtual/say?port=2", &json!({ "keys": "1*" }))).await;
    assert_eq!(body(&said), json!({ "got": { "port": 2, "keys": "1*" }, "octets": 0 }));
    assert_eq!(bench.status(bench.post("/api/v1/sim/virtual/dance", &json!({}))).await, 404);
    // A telephone is not lifted by looking at it: tokens that may only read get as far as GET.
    assert_eq!(bench.status(bench.get("/api/v1/sim/virtual/lift?port=0")).await, 405);
    let wav = |rate| {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = std::io::Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
        (0..80).for_each(|n| writer.write_sample(n as i16).unwrap());
        writer.finalize().unwrap();
        file.into_inner()
    };
    let speak = |verb: &str, bytes: Vec<u8>| {
        at(TestRequest::post(), &format!("/api/v1/sim/virtual/{verb}?port=0"))
            .insert_header(("authorization", format!("Bearer {}", bench.admin)))
            .insert_header(("content-type", "audio/wav"))
            .set_payload(bytes)
    };
    let (status, _, heard) = bench.ask(speak("listen", wav(8000))).await;
    assert_eq!((status.as_u16(), heard), (200, wav(8000)));
    for bad in [wav(44_100), b"RIFFnonsense".to_vec(), Vec::new(), wav(8000)[..20].to_vec()] {
        assert_eq!(bench.status(speak("say", bad)).await, 422);
    }
    assert_eq!(
        bench.status(bench.post("/api/v1/fault", &json!({ "part": "store", "kind": "disk-full" }))).await,
        403
    );
}

#[actix_web::test]
async fn bad_requests_are_refused_in_words() {
    let bench = Bench::new().await;
    let raw = |text: String| bench.post("/api/v1/calls", &json!(null)).set_payload(text);
    assert_eq!(bench.status(raw("{\"from\":".to_owned())).await, 400);
    assert_eq!(bench.status(raw("[".repeat(50_000))).await, 400);
    assert_eq!(bench.status(raw("{\"a\":".repeat(10_000))).await, 400);
    assert_eq!(bench.status(raw(" ".repeat(JSON_MAX + 1))).await, 413);
    assert_eq!(bench.status(raw("{\"from\":\"101\",\"to\":\"1\",\"extra\":1}".to_owned())).await, 400);
    assert_eq!(bench.status(bench.get("/api/v1/nothing")).await, 404);
    assert_eq!(bench.status(bench.post("/api/v1/lines", &json!({}))).await, 405);
    assert_eq!(
        bench.status(bench.put("/api/v1/config", "*", &"x".repeat(crate::config::MAX + 1))).await,
        413
    );
    assert_eq!(bench.status(bench.put("/api/v1/scripts/..%2Fetc.rhai", "*", "1")).await, 400);
    let script = "fn route(c) {\n  // A comment.\n  busy( }\n";
    let check = bench.post("/api/v1/scripts/default.rhai/check", &json!({})).set_payload(script);
    let (status, _, refused) = bench.ask(check).await;
    assert_eq!(status, 422);
    assert_eq!(
        (&body(&refused)["faults"][0]["line"], &body(&refused)["faults"][0]["column"]),
        (&json!(3), &json!(9))
    );
}

#[actix_web::test]
async fn what_is_can_be_read() {
    let bench = Bench::new().await;
    let (_, _, state) = bench.ask(bench.get("/api/v1/state")).await;
    assert_eq!(body(&state)["lines"]["fxs1"]["off_hook"], true);
    assert_eq!(bench.status(bench.get("/api/v1/extensions/101")).await, 200);
    assert_eq!(bench.status(bench.get("/api/v1/extensions/999")).await, 404);
    let (_, _, metrics) = bench.ask(bench.get("/metrics")).await;
    let metrics = String::from_utf8(metrics).unwrap();
    for line in ["ringtrip_line_off_hook{line=\"fxs1\"} 1", "ringtrip_calls 0"] {
        assert!(metrics.lines().any(|l| l == line), "{line}\n{metrics}");
    }
    let (_, _, page) = bench.ask(at(TestRequest::get(), "/switchboard/fxs1")).await;
    assert!(
        String::from_utf8_lossy(&page).contains("<!doctype html>")
            || String::from_utf8_lossy(&page).contains("<!DOCTYPE html>")
    );
    assert_eq!(bench.status(at(TestRequest::get(), "/none.js")).await, 404);
    assert!(openapi::text().contains("\"openapi\": \"3.1"), "OpenAPI 3.1");
}

#[actix_web::test]
async fn events_come_in_order_and_resume() {
    let bench = Bench::new().await;
    let alarm = |n: usize| Event::Alarm { what: "test", text: n.to_string() };
    let first = bench.api.events.publish(alarm(1));
    bench.api.events.publish(alarm(2));
    let service = init_service(app(bench.api.clone())).await;
    let read = async |request: TestRequest, until: &str| -> String {
        use actix_web::body::MessageBody;
        let response = call_service(&service, request.to_request()).await;
        assert_eq!(response.headers().get("content-type").unwrap(), "text/event-stream");
        let mut stream = Box::pin(response.into_body());
        let mut text = String::new();
        while !text.contains(until) {
            let next = std::future::poll_fn(|cx| stream.as_mut().poll_next(cx));
            let chunk =
                tokio::time::timeout(Duration::from_secs(5), next).await.unwrap_or_else(|_| panic!("{text}"));
            text += &String::from_utf8_lossy(&chunk.unwrap().unwrap());
        }
        text
    };
    let ids = |text: &str| -> Vec<u64> {
        text.lines().filter_map(|l| l.strip_prefix("id: ")).map(|id| id.parse().unwrap()).collect()
    };
    let text = read(bench.get(&format!("/api/v1/events?after={first}")), "\"text\":\"2\"").await;
    assert_eq!(ids(&text), [first + 1]);
    let text = read(
        bench.get("/api/v1/events").insert_header(("last-event-id", (first - 1).to_string())),
        "\"text\":\"2\"",
    )
    .await;
    assert_eq!(ids(&text), [first, first + 1]);
    // From a run before: what lies between is lost, and that is said first.
    let text = read(bench.get("/api/v1/events?after=5"), "\"text\":\"2\"").await;
    assert!(text.find("stream.gap").unwrap() < text.find("id: ").unwrap(), "{text}");
    assert_eq!(bench.status(bench.get("/api/v1/events").insert_header(("last-event-id", "x"))).await, 400);
}
