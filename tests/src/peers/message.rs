//! A SIP message as a test looks at it: text, cut without the exchange's own lexer.

use std::net::SocketAddr;

/// A message that came.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its first line.
    pub first: String,
    /// Names in lower case, values.
    pub headers: Vec<(String, String)>,
    /// What follows the empty line.
    pub body: String,
    /// From where.
    pub from: SocketAddr,
    /// All of it.
    pub text: String,
}

impl Message {
    /// Cuts a message; `None` for a keep-alive.
    pub fn read(octets: &[u8], from: SocketAddr) -> Option<Message> {
        let text = String::from_utf8_lossy(octets).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let first = lines.next().filter(|l| !l.is_empty())?.to_owned();
        let headers = lines.filter_map(|l| l.split_once(':'));
        let headers = headers.map(|(n, v)| (n.trim().to_lowercase(), v.trim().to_owned())).collect();
        Some(Message { first, headers, body: body.to_owned(), from, text: text.clone() })
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        self.first.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of a request; for a response that of its CSeq.
    pub fn method(&self) -> &str {
        if self.status().is_some() {
            return self.header("cseq").split(' ').nth(1).unwrap_or_default();
        }
        self.first.split(' ').next().unwrap_or_default()
    }

    /// Is it this request?
    pub fn asks(&self, method: &str) -> bool {
        self.status().is_none() && self.method() == method
    }

    /// Is it a final answer to this method?
    pub fn ends(&self, method: &str) -> bool {
        self.status().is_some_and(|s| s >= 200) && self.method() == method
    }

    /// The first header of this name, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str())
    }

    /// All headers of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The URI in Contact.
    pub fn contact(&self) -> String {
        inside(self.header("contact"))
    }

    /// The user part of the request's URI.
    pub fn dialled(&self) -> &str {
        let uri = self.first.split(' ').nth(1).unwrap_or_default();
        let rest = uri.split_once(':').map_or("", |(_, rest)| rest);
        rest.split_once('@').map_or("", |(user, _)| user)
    }

    /// Where the body wants its sound.
    pub fn rtp(&self) -> Option<SocketAddr> {
        let line = |start: &str| self.body.lines().find_map(|l| l.strip_prefix(start).map(str::trim));
        let ip = line("c=IN IP4 ").or_else(|| line("c=IN IP6 "))?.parse().ok()?;
        let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
        Some(SocketAddr::new(ip, port))
    }
}

/// What stands between `<` and `>`.
pub(super) fn inside(value: &str) -> String {
    let value = value.split_once('<').map_or(value, |(_, rest)| rest);
    value.split('>').next().unwrap_or_default().to_owned()
}
