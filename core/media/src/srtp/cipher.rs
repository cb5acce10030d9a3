//! Session keys and what is done with them: derivation (RFC 3711 §4.3), counter mode (§4.1.1), tags (§4.2).

use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockEncrypt, KeyInit};
use aes::{Aes128, Block};
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::Keys;

/// Octets of the HMAC-SHA1 key (RFC 3711 §5.2).
const AUTH_KEY: usize = 20;

/// Blocks of keystream made at a time; the processor works on as many at once.
const BLOCKS: usize = 8;

/// Which keys are derived from the master key: the label of the first one (RFC 3711 §4.3.2).
#[derive(Debug, Clone, Copy)]
pub(super) enum Use {
    Rtp = 0,
    Rtcp = 3,
}

/// The session keys of RTP or RTCP in one direction.
#[derive(Clone)]
pub(super) struct SessionKeys {
    cipher: Aes128,
    salt: [u8; 14],
    tag: Hmac<Sha1>,
}

impl SessionKeys {
    pub fn derive(keys: &Keys, purpose: Use) -> SessionKeys {
        let first = purpose as u8;
        let (mut key, mut auth, mut salt) = ([0; 16], [0; AUTH_KEY], [0; 14]);
        derive(keys, first, &mut key);
        derive(keys, first + 1, &mut auth);
        derive(keys, first + 2, &mut salt);
        let tag = <Hmac<Sha1> as Mac>::new_from_slice(&auth).expect("a key of any length is good for HMAC");
        SessionKeys { cipher: Aes128::new(&key.into()), salt, tag }
    }

    /// Encrypts or decrypts the packet of a source with this index (RTP: 48 bits, RTCP: 31).
    pub fn apply(&self, ssrc: u32, index: u64, data: &mut [u8]) {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        xor(&mut iv[4..8], &ssrc.to_be_bytes());
        xor(&mut iv[8..14], &index.to_be_bytes()[2..]);
        keystream(&self.cipher, iv, data);
    }

    /// The tag over these parts.
    pub fn tag(&self, parts: [&[u8]; 2]) -> [u8; 20] {
        let mut mac = self.tag.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    /// Is this the (truncated) tag over these parts? In constant time.
    pub fn verify(&self, parts: [&[u8]; 2], tag: &[u8]) -> bool {
        let mut mac = self.tag.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.verify_truncated_left(tag).is_ok()
    }
}

/// The key derivation of §4.3.1 with a derivation rate of zero, as all of SDES without KDR has it.
pub(super) fn derive(keys: &Keys, label: u8, out: &mut [u8]) {
    let (key, salt) = keys.master.split_at(16);
    let mut iv = [0; 16];
    iv[..14].copy_from_slice(salt);
    iv[7] ^= label;
    out.fill(0);
    keystream(&Aes128::new(GenericArray::from_slice(key)), iv, out);
}

/// Adds the keystream that begins at `iv`, whose last 16 bits count blocks.
pub(super) fn keystream(cipher: &Aes128, iv: [u8; 16], data: &mut [u8]) {
    let mut counter = u128::from_be_bytes(iv);
    for chunk in data.chunks_mut(16 * BLOCKS) {
        let mut blocks = [Block::default(); BLOCKS];
        let n = chunk.len().div_ceil(16);
        for block in &mut blocks[..n] {
            *block = counter.to_be_bytes().into();
            counter = counter.wrapping_add(1);
        }
        cipher.encrypt_blocks(&mut blocks[..n]);
        for (data, block) in chunk.chunks_mut(16).zip(&blocks) {
            xor(data, block);
        }
    }
}

fn xor(data: &mut [u8], with: &[u8]) {
    data.iter_mut().zip(with).for_each(|(d, w)| *d ^= w);
}
