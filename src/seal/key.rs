//! The keys that sign checkpoints: Ed25519, as C2SP's signed notes have them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_compact::{KeyPair, PublicKey, Seed, Signature};
use sha2::{Digest, Sha256};

/// The type of a signature by Ed25519 in a signed note.
const ED25519: u8 = 1;

/// Length of the number by which a signature names its key. Bytes.
const ID: usize = 4;

/// How much of the stack may hold a part of a key behind a signature. Bytes.
const STACK: usize = 16 << 10;

/// A public key.
pub type Public = [u8; 32];

/// A private key, of which the public one can be had. It is wiped when it goes.
pub struct Secret(pub [u8; 32]);

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Overwrites bytes so that no compiler leaves it out.
pub fn wipe(bytes: &mut [u8]) {
    for byte in bytes {
        // SAFETY: a valid place to write to.
        unsafe { std::ptr::write_volatile(byte, 0) };
    }
}

/// Overwrites what calls before have left on the stack.
#[inline(never)]
pub fn wipe_stack() {
    let mut room = [0; STACK];
    wipe(&mut room);
    std::hint::black_box(&room);
}

impl Secret {
    /// A new one, from getrandom(2).
    pub fn random() -> Self {
        let mut seed = [0; 32];
        // SAFETY: the kernel writes at most the length of the array; so few bytes come at once.
        while unsafe { libc::getrandom(seed.as_mut_ptr().cast(), seed.len(), 0) } < 32 {}
        Self(seed)
    }

    /// Its public key.
    pub fn public(&self) -> Public {
        let public = self.pair_public();
        wipe_stack();
        public
    }

    #[inline(never)]
    fn pair_public(&self) -> Public {
        *KeyPair::from_seed(Seed::new(self.0)).pk
    }

    /// The signature of a text.
    pub fn sign(&self, text: &[u8]) -> [u8; 64] {
        let signature = self.pair_sign(text);
        wipe_stack();
        signature
    }

    #[inline(never)]
    fn pair_sign(&self, text: &[u8]) -> [u8; 64] {
        *KeyPair::from_seed(Seed::new(self.0)).sk.sign(text, None)
    }
}

/// The number by which a signature names its key.
pub fn id(name: &str, public: &Public) -> [u8; ID] {
    let mut hasher = Sha256::new();
    hasher.update(name);
    hasher.update([b'\n', ED25519]);
    hasher.update(public);
    let hash = hasher.finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Whether a key has signed a text.
pub fn is_signed(public: &Public, text: &[u8], signature: &[u8; 64]) -> bool {
    let key = PublicKey::new(*public);
    key.verify(text, &Signature::new(*signature)).is_ok()
}

/// A public key and its name, as those write it who verify signed notes: `NAME+ID+KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    /// Whose it is.
    pub name: String,
    /// The key.
    pub public: Public,
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+", self.name)?;
        for byte in id(&self.name, &self.public) {
            write!(f, "{byte:02x}")?;
        }
        let mut typed = [ED25519; 33];
        typed[1..].copy_from_slice(&self.public);
        write!(f, "+{}", STANDARD.encode(typed))
    }
}

impl Verifier {
    /// Reads one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(3, '+');
        let (name, _, key) = (parts.next()?, parts.next()?, parts.next()?);
        let typed = STANDARD.decode(key).ok()?;
        let verifier = Self {
            name: name.to_owned(),
            public: typed.strip_prefix(&[ED25519])?.try_into().ok()?,
        };
        (verifier.to_string() == text.trim()).then_some(verifier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_written() {
        let secret = Secret::random();
        let verifier = Verifier {
            name: "recorderd/host".into(),
            public: secret.public(),
        };
        let text = verifier.to_string();
        assert_eq!(Verifier::parse(&format!("{text}\n")), Some(verifier));
        for wrong in [
            "",
            "a+b",
            "a+00000000+AAAA",
            &text[1..],
            &text[..text.len() - 1],
        ] {
            assert_eq!(Verifier::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_the_key_that_has_signed_fits() {
        let (secret, other) = (Secret::random(), Secret::random());
        let signature = secret.sign(b"text");
        assert!(is_signed(&secret.public(), b"text", &signature));
        assert!(!is_signed(&secret.public(), b"test", &signature));
        assert!(!is_signed(&other.public(), b"text", &signature));
    }
}
