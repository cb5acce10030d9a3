//! How a message finds its transaction: small keyed hashes of what RFC 3261 §17.2.3 tells to compare. The key is secret, so
//! a stranger cannot make two messages meet; by chance two of a million live transactions do so once in 10⁷ tries.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::net::SocketAddr;

use bytes::Bytes;

use crate::address::NameAddr;
use crate::list;
use crate::message::{Headers, Method, Request};
use crate::name::Name;
use crate::screen::MandatoryHeaders;

/// A map whose keys are hashes already, or come from inside the exchange.
pub(super) type Map<K, V> = HashMap<K, V, BuildHasherDefault<Fold>>;

/// A hasher for such keys: one multiplication a word.
#[derive(Default)]
pub(super) struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        // The map takes its bucket from the low bits and its tag from the high ones: both must depend on every bit.
        self.0 ^ self.0 >> 32
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }
    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(23) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Makes the hashes.
pub(super) struct Keys(DefaultHasher);

impl Keys {
    pub(super) fn new(secret: [u64; 2]) -> Keys {
        // SipHash with its fixed key, the secret before every message.
        let mut base = DefaultHasher::new();
        secret.hash(&mut base);
        Keys(base)
    }

    /// The address that a request came from.
    pub(super) fn sender(&self, from: SocketAddr) -> u64 {
        let mut hash = self.0.clone();
        from.hash(&mut hash);
        hash.finish()
    }

    /// The server transaction of a request (§17.2.3). ACK and CANCEL name the INVITE that they belong to.
    pub(super) fn transaction(&self, request: &Request, head: &MandatoryHeaders) -> u64 {
        let method = match &request.method {
            Method::Ack | Method::Cancel => &Method::Invite,
            method => method,
        };
        let mut hash = self.0.clone();
        method.hash(&mut hash);
        match head.via.unique_branch() {
            Some(branch) => {
                branch.hash(&mut hash);
                head.via.host.hash(&mut hash);
                head.via.port.hash(&mut hash);
            }
            // RFC 2543: no branch that names the transaction, so all that stays the same in copies, ACK and CANCEL does.
            // The To tag is left out, as only the ACK has it.
            None => {
                request.uri.hash(&mut hash);
                head.from.tag().hash(&mut hash);
                head.call_id.hash(&mut hash);
                head.cseq.number.hash(&mut hash);
                let line = request.headers.get(&Name::Via);
                line.and_then(|line| list::split(line).next()).hash(&mut hash);
            }
        }
        hash.finish()
    }

    /// The 2xx that an ACK is for, as the ACK has a transaction of its own: dialog and CSeq number (§13.2.2.4).
    pub(super) fn ack(&self, call_id: &[u8], local_tag: &[u8], cseq: u32) -> u64 {
        let mut hash = self.0.clone();
        (1u8, call_id, local_tag, cseq).hash(&mut hash);
        hash.finish()
    }

    /// What two copies of one request that came by different ways have in common (§8.2.2.2).
    pub(super) fn merge(&self, head: &MandatoryHeaders) -> u64 {
        let mut hash = self.0.clone();
        (2u8, &head.call_id, head.from.tag(), head.cseq.number, &head.cseq.method).hash(&mut hash);
        hash.finish()
    }

    /// The tag of our own stateless answers: the same for each copy of a request (§8.2.7).
    pub(super) fn own_tag(&self, headers: &Headers) -> u64 {
        let mut hash = self.0.clone();
        (3u8, headers.get(&Name::CallId), headers.get(&Name::From)).hash(&mut hash);
        hash.finish()
    }

    /// A short name for a tag of the far side.
    pub(super) fn tag(&self, tag: Option<&[u8]>) -> u64 {
        let mut hash = self.0.clone();
        (4u8, tag).hash(&mut hash);
        hash.finish()
    }
}

/// The tag of From or To.
pub(super) fn tag(headers: &Headers, name: &Name) -> Option<Bytes> {
    NameAddr::read(headers.get(name)?).ok()?.tag_bytes()
}
