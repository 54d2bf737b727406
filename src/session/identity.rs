//! The SSH identity behind a login, from what sshd writes with `ExposeAuthInfo yes`.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use base64::engine::{Engine, general_purpose::STANDARD, general_purpose::STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

use crate::event::Clock;
use crate::probe::boot_time;

/// sshd's own limit of what it writes is far below. Bytes.
const LIMIT: u64 = 64 * 1024;

/// Where sshd writes: `/tmp/sshauth.XXXXXXXXXXXXXXX`.
const PREFIX: &str = "/tmp/sshauth.";

/// A file's times come from a clock that lags by up to one tick of the kernel. Nanoseconds.
const TICK: u64 = 10_000_000;

/// The value of `name` in an environment of `NAME=value` strings.
pub fn variable<'a>(environment: &'a [u8], name: &str) -> Option<&'a [u8]> {
    crate::record::strings(environment)
        .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// Who logged in, as sshd wrote it down.
pub struct Identity {
    /// The key id of the certificate, or the fingerprint of the key.
    pub name: String,
    /// After this, what was read cannot have been written, in nanoseconds since 1970-01-01.
    written: u64,
}

impl Identity {
    /// Whether nobody but sshd can have written it. The file is the user's, who can change it as
    /// soon as a program of theirs runs; `ran` is when the first did.
    pub fn is_of_sshd(&self, ran: u64) -> bool {
        self.written < ran
    }
}

/// Whether sshd names such files so.
pub fn is_file(path: &[u8]) -> bool {
    path.strip_prefix(PREFIX.as_bytes())
        .is_some_and(|name| !name.is_empty() && name.iter().all(u8::is_ascii_alphanumeric))
}

/// Reads who logged in as `uid` from the file at `path`, if that was written after the session was
/// born, in nanoseconds since boot.
pub fn read(path: &[u8], uid: u32, born: u64, clock: &Clock) -> Option<Identity> {
    if !is_file(path) {
        return None;
    }
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(OsStr::from_bytes(path))
        .ok()?;
    let mut text = String::new();
    file.by_ref().take(LIMIT).read_to_string(&mut text).ok()?;
    let name = from_info(&text)?;
    // Only now, so that they are not older than the text.
    let now = clock.real(boot_time());
    let metadata = file.metadata().ok()?;
    let changed = metadata.ctime() as u64 * 1_000_000_000 + metadata.ctime_nsec() as u64 + TICK;
    if !metadata.is_file() || metadata.uid() != uid || changed < clock.real(born) {
        return None;
    }
    let written = changed.min(now);
    Some(Identity { name, written })
}

/// The identity in such a file, a line per method that succeeded: the key id of a certificate,
/// else the fingerprint of a key.
fn from_info(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let mut words = line.split(' ');
        if words.next()? != "publickey" {
            return None;
        }
        let kind = words.next()?;
        let blob = STANDARD.decode(words.next()?).ok()?;
        if kind.ends_with("-cert-v01@openssh.com") {
            certificate_id(kind, &blob)
        } else {
            let digest = Sha256::digest(&blob);
            Some(format!("SHA256:{}", STANDARD_NO_PAD.encode(digest)))
        }
    })
}

/// The key id of a certificate: PROTOCOL.certkeys of OpenSSH. Before it stand the kind, a nonce,
/// the fields of the public key, a serial number of eight bytes and a type of four.
fn certificate_id(kind: &str, blob: &[u8]) -> Option<String> {
    let key_fields = match kind.strip_suffix("-cert-v01@openssh.com")? {
        "ssh-ed25519" => 1,
        "ssh-rsa" | "rsa-sha2-256" | "rsa-sha2-512" | "sk-ssh-ed25519" => 2,
        "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521" => 2,
        "sk-ecdsa-sha2-nistp256" => 3,
        "ssh-dss" => 4,
        _ => return None,
    };
    let mut rest = blob;
    for _ in 0..2 + key_fields {
        field(&mut rest)?;
    }
    rest = rest.get(12..)?;
    let id = String::from_utf8_lossy(field(&mut rest)?).into_owned();
    (!id.is_empty()).then_some(id)
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
        let identity = from_info(&info).unwrap();
        assert!(identity.starts_with("SHA256:") && identity.len() == 50);
        assert_eq!(from_info("password\n"), None);
        assert_eq!(from_info("publickey ssh-ed25519 !\n"), None);
    }

    #[test]
    fn a_certificate_is_known_by_its_key_id() {
        let kind = "ssh-ed25519-cert-v01@openssh.com";
        let mut bytes = blob(&[kind.as_bytes(), &[1; 32], &[2; 32]]);
        bytes.extend_from_slice(&[0; 12]);
        bytes.extend_from_slice(&blob(&[b"alice@example.com", b"rest"]));
        let info = format!("publickey {kind} {}", STANDARD.encode(&bytes));
        assert_eq!(from_info(&info).as_deref(), Some("alice@example.com"));
        for cut in 0..bytes.len() - 8 {
            assert_eq!(certificate_id(kind, &bytes[..cut]), None);
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
