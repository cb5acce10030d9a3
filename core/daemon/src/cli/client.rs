//! A client of the running exchange: the address and token come from the environment or the data folder's door.

use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::Refusal;
use crate::http::Problem;
use crate::start::{LOCAL_ACCESS_FILE, LocalAccess};

pub(super) struct Client {
    agent: ureq::Agent,
    url: String,
    token: String,
}

impl Client {
    pub(super) fn new(data: &Path, url: Option<&str>) -> Result<Client, Refusal> {
        let access = std::fs::read(data.join(LOCAL_ACCESS_FILE))
            .ok()
            .and_then(|d| serde_json::from_slice::<LocalAccess>(&d).ok());
        let token = std::env::var("RINGTRIP_TOKEN").ok().filter(|t| !t.is_empty());
        let (url, token) = match (url.map(str::to_owned), token, access) {
            (Some(url), Some(token), _) => (url, token),
            (Some(url), None, Some(access)) if !is_here(&url, &access.url) => {
                let why = format!(
                    "{url} wants a token of its own: set RINGTRIP_TOKEN. The one in {} is for {} and goes nowhere else",
                    data.display(),
                    access.url
                );
                return Err(Refusal::No(why));
            }
            (url, token, Some(access)) => (url.unwrap_or(access.url), token.unwrap_or(access.token)),
            _ => {
                let why = format!(
                    "no exchange runs with the data in {}; start it with `ringtrip serve`, or set RINGTRIP_URL and \
                     RINGTRIP_TOKEN",
                    data.display()
                );
                return Err(Refusal::No(why));
            }
        };
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        Ok(Client { agent: config.into(), url: url.trim_end_matches('/').to_owned(), token })
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refusal> {
        let request = self.agent.get(self.address(path)).header("authorization", self.bearer());
        read(self.heard(request.call())?)
    }

    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<T, Refusal> {
        let request = self.agent.post(self.address(path)).header("authorization", self.bearer());
        read(self.heard(request.header("content-type", "application/json").send(body.to_string()))?)
    }

    /// Sends a document; `if_match` names the version it was made from.
    pub(super) fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        if_match: &str,
        text: &str,
    ) -> Result<T, Refusal> {
        self.change("PUT", path, if_match, "text/plain", text)
    }

    /// Changes what others may change too. A large body takes as long as it takes.
    pub(super) fn change<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        if_match: &str,
        kind: &str,
        body: impl ureq::AsSendBody,
    ) -> Result<T, Refusal> {
        let request = ureq::http::Request::builder().method(method).uri(self.address(path));
        let request = request.header("authorization", self.bearer()).header("if-match", if_match);
        let request = request.header("content-type", kind).body(body);
        let request = request.map_err(|e| Refusal::Misuse(e.to_string()))?;
        let request =
            self.agent.configure_request(request).timeout_global(Some(Duration::from_secs(600))).build();
        read(self.heard(self.agent.run(request))?)
    }

    /// Sends a price list, as large as it is.
    pub(super) fn post_csv<T: DeserializeOwned>(
        &self,
        path: &str,
        mut file: impl std::io::Read,
    ) -> Result<T, Refusal> {
        let request = self.agent.post(self.address(path));
        let request = request.config().timeout_global(Some(Duration::from_secs(600))).build();
        let request = request.header("authorization", self.bearer()).header("content-type", "text/csv");
        read(self.heard(request.send(ureq::SendBody::from_reader(&mut file)))?)
    }

    /// An answer that is text.
    pub(super) fn get_text(&self, path: &str) -> Result<String, Refusal> {
        let request = self.agent.get(self.address(path)).header("authorization", self.bearer());
        let mut answer = self.heard(request.call())?;
        if !answer.status().is_success() {
            return read(answer);
        }
        let text = answer.body_mut().with_config().limit(1 << 30).read_to_string();
        text.map_err(|e| Refusal::No(format!("the answer broke off: {e}")))
    }

    pub(super) fn delete(&self, path: &str) -> Result<serde_json::Value, Refusal> {
        let request = self.agent.delete(self.address(path)).header("authorization", self.bearer());
        read(self.heard(request.call())?)
    }

    /// Changes part of something.
    #[cfg(feature = "plugins")]
    pub(super) fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<T, Refusal> {
        let request = self.agent.patch(self.address(path)).header("authorization", self.bearer());
        read(self.heard(request.header("content-type", "application/json").send(body.to_string()))?)
    }

    /// Sends a file. The exchange may have to compile it, which takes as long as it takes.
    #[cfg(feature = "plugins")]
    pub(super) fn send_file<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        file: &[u8],
    ) -> Result<T, Refusal> {
        let request = match method {
            "PUT" => self.agent.put(self.address(path)),
            _ => self.agent.post(self.address(path)),
        };
        let request = request.config().timeout_global(Some(Duration::from_secs(600))).build();
        let request = request.header("authorization", self.bearer());
        read(self.heard(request.header("content-type", "application/octet-stream").send(file))?)
    }

    fn address(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.url)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn heard(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<ureq::http::Response<ureq::Body>, Refusal> {
        answer.map_err(|e| Refusal::No(format!("the exchange at {} does not answer: {e}", self.url)))
    }
}

/// The answer, or the problem in words.
fn read<T: DeserializeOwned>(mut answer: ureq::http::Response<ureq::Body>) -> Result<T, Refusal> {
    let status = answer.status();
    let text = answer.body_mut().with_config().limit(64 << 20).read_to_string();
    let text = text.map_err(|e| Refusal::No(format!("the answer broke off: {e}")))?;
    if status.is_success() {
        let text = if text.is_empty() { "null" } else { &text };
        return serde_json::from_str(text)
            .map_err(|e| Refusal::No(format!("the answer makes no sense: {e}")));
    }
    match serde_json::from_str::<Problem>(&text) {
        Ok(problem) if status.as_u16() == 400 => Err(Refusal::Misuse(problem.to_string())),
        Ok(problem) => Err(Refusal::No(problem.to_string())),
        Err(_) => Err(Refusal::No(format!("HTTP {status}"))),
    }
}

/// A value as part of an address.
pub(super) fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Is this the exchange of the data folder, or at least this machine? Its token, which may do everything, is sent nowhere
/// else.
fn is_here(url: &str, access: &str) -> bool {
    let host = |url: &str| {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        match authority.strip_prefix('[').and_then(|six| six.split_once(']')) {
            Some((six, _)) => six.to_owned(),
            None => authority.split(':').next().unwrap_or_default().to_owned(),
        }
    };
    let (asked, known) = (host(url), host(access));
    asked == known
        || asked == "localhost"
        || asked.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_here;

    #[test]
    fn the_token_of_the_data_folder_stays_on_this_machine() {
        for (url, here) in [
            ("http://127.0.0.1:8080", true),
            ("http://localhost:9999/", true),
            ("http://[::1]:8080", true),
            ("http://192.0.2.1:8080/x", true),
            ("http://192.0.2.2:8080", false),
            ("https://pbx.example", false),
            ("http://127.0.0.1@evil.example", false),
            ("http://127.0.0.1.evil.example", false),
        ] {
            assert_eq!(is_here(url, "http://192.0.2.1:8080"), here, "{url}");
        }
    }
}
