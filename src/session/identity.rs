//! The SSH identity behind a login, from what sshd writes with `ExposeAuthInfo yes`.

use base64::engine::{Engine, general_purpose::STANDARD, general_purpose::STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

/// How the kinds of certificates end, by their age.
const CERTIFICATES: [&[u8]; 2] = [b"-cert-v01@openssh.com", b"-cert"];

/// The most fields that a public key has: of DSA, four.
const KEY_FIELDS: usize = 4;

/// The value of `name` in an environment of `NAME=value` strings.
pub fn variable<'a>(environment: &'a [u8], name: &str) -> Option<&'a [u8]> {
    crate::family::strings(environment)
        .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// Who logged in, by a line for each method that succeeded: the key id of a certificate, else the
/// fingerprint of a key. The text may be cut behind the key id.
pub fn from_info(text: &[u8]) -> Option<String> {
    text.split(|byte| *byte == b'\n').find_map(|line| {
        let mut words = line.split(|byte| *byte == b' ');
        if words.next()? != b"publickey" {
            return None;
        }
        let kind = words.next()?;
        let blob = words.next()?;
        let whole = STANDARD.decode(blob);
        let blob = whole
            .or_else(|_| STANDARD.decode(&blob[..blob.len() & !3]))
            .ok()?;
        if CERTIFICATES.iter().any(|tail| kind.ends_with(tail)) {
            certificate_id(&blob)
        } else if is_whole(&blob) {
            let digest = Sha256::digest(&blob);
            Some(format!("SHA256:{}", STANDARD_NO_PAD.encode(digest)))
        } else {
            None
        }
    })
}

/// The key id of a user's certificate: PROTOCOL.certkeys of OpenSSH. Before it stand the kind, a nonce, the
/// fields of the public key, of which each kind has another number, a serial number of eight bytes, and 1 in
/// four bytes.
fn certificate_id(blob: &[u8]) -> Option<String> {
    let mut rest = blob;
    for _ in 0..2 {
        field(&mut rest)?;
    }
    for _ in 0..KEY_FIELDS {
        field(&mut rest)?;
        if rest.get(8..12) == Some(&[0, 0, 0, 1]) {
            let id = String::from_utf8_lossy(field(&mut &rest[12..])?).into_owned();
            return (!id.is_empty()).then_some(id);
        }
    }
    None
}

/// Whether a key is not cut: all of its fields are strings.
fn is_whole(blob: &[u8]) -> bool {
    let mut rest = blob;
    while field(&mut rest).is_some() {}
    rest.is_empty() && !blob.is_empty()
}

/// A string of the SSH protocol: four bytes of length, then the bytes (RFC 4251, section 5).
fn field<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *bytes = rest;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(fields: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for field in fields {
            out.extend_from_slice(&(field.len() as u32).to_be_bytes());
            out.extend_from_slice(field);
        }
        out
    }

    #[test]
    fn a_key_is_known_by_its_fingerprint() {
        // `ssh-keygen -lf` of this key says SHA256:u3BNcJwaYIlNgDeTgqPaIOtCQgYXJLbQl8ngH2pGZ1o.
        let info = format!(
            "publickey ssh-ed25519 {}\n",
            STANDARD.encode(blob(&[b"ssh-ed25519", &[7; 32]]))
        );
        let identity = from_info(info.as_bytes()).unwrap();
        assert!(identity.starts_with("SHA256:") && identity.len() == 50);
        let cut = &info.as_bytes()[..info.len() - 9];
        assert_eq!(from_info(cut), None);
        assert_eq!(from_info(b"password\n"), None);
        assert_eq!(from_info(b"publickey ssh-ed25519 !\n"), None);
    }

    #[test]
    fn a_certificate_is_known_by_its_key_id() {
        for (kind, fields) in [
            ("ssh-ed25519-cert-v01@openssh.com", &[&[2; 32][..]][..]),
            ("ssh-mldsa44-ed25519-cert", &[&[2; 1344]]),
            ("ssh-rsa-cert-v01@openssh.com", &[&[1, 0, 1], &[3; 257]]),
            (
                "ssh-dss-cert-v01@openssh.com",
                &[&[1; 129], &[2; 21], &[3; 128], &[4; 129]],
            ),
        ] {
            let mut bytes = blob(&[&[kind.as_bytes(), &[1; 32]], fields].concat());
            bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1]);
            bytes.extend_from_slice(&blob(&[b"alice@example.com", b"rest"]));
            let info = format!("password\npublickey {kind} {}\n", STANDARD.encode(&bytes));
            let name = Some("alice@example.com");
            assert_eq!(from_info(info.as_bytes()).as_deref(), name, "{kind}");
            // Cut in the middle of what is behind the key id.
            let cut = &info.as_bytes()[..info.len() - 7];
            assert_eq!(from_info(cut).as_deref(), name, "{kind}");
            for cut in 0..bytes.len() - 8 {
                assert_eq!(certificate_id(&bytes[..cut]), None, "{kind}, {cut}");
            }
        }
    }

    #[test]
    fn variables_are_found_by_their_whole_name() {
        let environment = b"SSH_USER=a\0USER=b\0EMPTY=\0";
        assert_eq!(variable(environment, "USER"), Some(b"b".as_slice()));
        assert_eq!(variable(environment, "EMPTY"), Some(b"".as_slice()));
        assert_eq!(variable(environment, "SSH"), None);
    }
}
