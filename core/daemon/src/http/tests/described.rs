//! Each answer that a test has seen stands in the description of the API.

use std::collections::BTreeMap;

use actix_web::http::Method;

use super::*;

/// The statuses of each operation, by method and path.
fn described() -> BTreeMap<(String, String), Vec<String>> {
    let text: Value = serde_json::from_str(&openapi::text()).unwrap();
    let mut all = BTreeMap::new();
    for (path, methods) in text["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let statuses = operation["responses"].as_object().unwrap().keys().cloned().collect();
            all.insert((method.to_uppercase(), path.clone()), statuses);
        }
    }
    all
}

/// Is this a path of that template?
fn is_of(path: &str, template: &str) -> bool {
    let (path, template): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
    path.len() == template.len()
        && path.iter().zip(&template).all(|(a, b)| a == b || b.starts_with('{') && !a.is_empty())
}

/// Panics when an operation answers what its description does not say.
pub(super) fn check_answer(method: &Method, path: &str, status: u16) {
    thread_local!(static DESCRIBED: BTreeMap<(String, String), Vec<String>> = described());
    DESCRIBED.with(|all| {
        // The template with the fewest names is the one that is meant.
        let found = all.iter().filter(|((m, template), _)| m == method.as_str() && is_of(path, template));
        let found = found.min_by_key(|((_, template), _)| template.matches('{').count());
        if let Some((operation, statuses)) = found {
            assert!(
                statuses.contains(&status.to_string()),
                "{operation:?} answered {status}; its description says {statuses:?}"
            );
        }
    });
}

/// Bodies that somebody might send, so that more than the first check of each operation is reached.
fn bodies() -> Vec<String> {
    let json = [
        json!({}),
        json!({ "name": "night", "scope": "read" }),
        json!({ "name": "night", "note": "x" }),
        json!({ "from": "101", "to": "200" }),
        json!({ "from": "101", "number": "200" }),
        json!({ "from": "nobody", "number": "200" }),
        json!({ "target": "101" }),
        json!({ "target": "999" }),
        json!({ "plan": "(xx.)", "keys": "12" }),
        json!({ "plan": "(" }),
        json!({ "version": 1 }),
        json!({ "version": 99 }),
        json!({ "days": 3 }),
        json!({ "days": 0 }),
        json!({ "secret": "wrong" }),
        json!({ "extension": "101" }),
        json!({ "share": 5000 }),
        json!({ "part": "store", "kind": "none" }),
        json!({ "enabled": true }),
    ];
    let mut bodies: Vec<String> = json.iter().map(Value::to_string).collect();
    bodies.extend([
        "[broken".to_owned(),
        document(),
        "fn route(call) { call }".to_owned(),
        "x".repeat(70_000),
    ]);
    bodies.push("prefix,price\n44,0.01\n".to_owned());
    bodies
}

#[actix_web::test]
async fn each_operation_answers_as_described() {
    let bench = Bench::new().await;
    bench.api.store.put_cdr(crash_test::sample(5, true)).await.unwrap();
    let bodies = bodies();
    let service = init_service(app(bench.api.clone())).await;
    for full_disk in [false, true] {
        if full_disk {
            bench.api.store.faults().write.store(28, std::sync::atomic::Ordering::Relaxed);
        }
        for (prefix, operation) in all_operations() {
            let template = format!("{prefix}{}", operation.path);
            // An endless stream has its own test; logging out is tried at the end of this one.
            if template.ends_with("/events") || template.ends_with("/logout") {
                continue;
            }
            for word in ["night", "101", "default.rhai", "0000000000000005"] {
                if word != "night" && !template.contains('{') {
                    continue;
                }
                let mut path = template.replace("{version}", "1");
                while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
                    path.replace_range(from..=to, word);
                }
                for query in
                    ["", "?secrets=true", "?number=%2B441632960000&seconds=60", "?from=x&confirm=true"]
                {
                    let asks = |body: &str, tag: &str| {
                        let request = TestRequest::default().method(operation.method.clone());
                        at(request, &format!("{path}{query}"))
                            .insert_header(("authorization", format!("Bearer {}", bench.admin)))
                            .insert_header(("content-type", "application/json"))
                            .insert_header((
                                if tag.is_empty() { "x-none" } else { "if-match" },
                                tag.to_owned(),
                            ))
                            .set_payload(body.to_owned())
                    };
                    let is_safe = matches!(operation.method, Method::GET | Method::HEAD);
                    let tried = if is_safe {
                        &bodies[..1]
                    } else if query.is_empty() {
                        &bodies[..]
                    } else {
                        &bodies[..2]
                    };
                    let others =
                        if is_safe || !query.is_empty() { &[][..] } else { &["\"77\"", "x", ""][..] };
                    let tagged = others.iter().map(|tag| (&bodies[0], *tag));
                    for (body, tag) in tried.iter().map(|body| (body, "*")).chain(tagged) {
                        let response = call_service(&service, asks(body, tag).to_request()).await;
                        check_answer(&operation.method, &path, response.status().as_u16());
                    }
                }
            }
        }
    }
    bench.ask(bench.post("/api/v1/logout", &json!({}))).await;
}
