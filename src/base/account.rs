//! The name of an account: who has logged in by it says so, or this host's file.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Tails of a title behind the name: what the process is for.
const TAILS: [&[u8]; 3] = [b" [priv]", b" [postauth]", b"@internal-sftp"];

/// The accounts that this host's file has. Those of a directory service are not asked for, since who
/// waits for a network records nobody.
pub struct Names(String);

impl Names {
    /// As /etc/passwd has them; see passwd(5).
    pub fn of_host() -> Self {
        let text = contents(Path::new("/etc/passwd")).unwrap_or_default();
        Self(String::from_utf8_lossy(&text).into_owned())
    }

    fn all(&self) -> impl Iterator<Item = (&str, u32)> {
        self.0.lines().filter_map(|line| {
            let mut fields = line.split(':');
            Some((fields.next()?, fields.nth(1)?.parse().ok()?))
        })
    }

    /// Names of a uid, which can have several.
    pub fn of(&self, uid: u32) -> impl Iterator<Item = &str> {
        self.all()
            .filter(move |(_, known)| *known == uid)
            .map(|(name, _)| name)
    }

    /// Whether `name` can be that of the uid: the file says so, or knows neither of them.
    pub fn can_be(&self, name: &str, uid: u32) -> bool {
        let is_known = |(known, of): (&str, u32)| known == name || of == uid;
        self.of(uid).any(|known| known == name) || !self.all().any(is_known)
    }
}

/// All of a file, without ever waiting for somebody to write to it.
pub fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = Vec::new();
    (&file).read_to_end(&mut text)?;
    Ok(text)
}

/// The first name that this host's file has for a uid.
pub fn login_name(uid: u32) -> Option<String> {
    Names::of_host().of(uid).next().map(str::to_owned)
}

/// The name in the title that sshd gives a process which serves a login: `sshd: NAME [priv]`, `sshd-session:
/// NAME@pts/0`, or for a moment `sshd: NAME`, if the title is known to be whole.
pub fn name_in_title(title: &[u8], is_whole: bool) -> Option<String> {
    let at = title.windows(2).position(|two| two == b": ")?;
    if !title.starts_with(b"sshd") || title[..at].contains(&b' ') {
        return None;
    }
    let name = &title[at + 2..];
    let tail = TAILS.iter().find_map(|tail| name.strip_suffix(*tail));
    let tail = tail.or_else(|| without_terminals(name));
    let name = tail.or(is_whole.then_some(name))?;
    // What is no login is in brackets, or told by the path of the program.
    let is_name = !name.is_empty() && name[0] != b'[' && !name.contains(&b'/');
    is_name.then(|| String::from_utf8_lossy(&unescape(name)).into_owned())
}

/// What is before `@notty`, or before `@` and a list of terminals.
fn without_terminals(name: &[u8]) -> Option<&[u8]> {
    let at = name.iter().rposition(|byte| *byte == b'@')?;
    let is_terminal = |one: &[u8]| one.starts_with(b"pts/") || one.starts_with(b"tty");
    let mut terminals = name[at + 1..].split(|byte| *byte == b',');
    (&name[at + 1..] == b"notty" || terminals.all(is_terminal)).then_some(&name[..at])
}

/// As vis(3) has made it: bytes that are not printed are three digits, and a backslash is two.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let digit = |at: usize| tail.get(at).filter(|it| it.is_ascii_digit());
        rest = tail;
        match (first, digit(0), digit(1), digit(2)) {
            (b'\\', Some(one), Some(two), Some(three)) => {
                let [one, two, three] = [one, two, three].map(|it| it & 7);
                bytes.push(one << 6 | two << 3 | three);
                rest = &tail[3..];
            }
            (b'\\', ..) if tail.first() == Some(&b'\\') => {
                bytes.push(b'\\');
                rest = &tail[1..];
            }
            _ => bytes.push(*first),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_a_name() {
        assert_eq!(login_name(0).as_deref(), Some("root"));
        assert_eq!(login_name(4_000_000_000), None);
    }

    #[test]
    fn nobody_is_waited_for() {
        let path = std::env::temp_dir().join(format!("recorderd-fifo-{}", std::process::id()));
        let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: a string that ends in zero.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let refused = contents(&path).unwrap_err().to_string();
        std::fs::remove_file(path).unwrap();
        assert_eq!(refused, "not a regular file");
    }

    #[test]
    fn a_uid_can_have_several_names() {
        let names = Names("root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n+::::::\n".into());
        assert_eq!(names.of(0).collect::<Vec<_>>(), ["root", "toor"]);
        assert!(names.can_be("toor", 0) && names.can_be("alice", 20_001));
        assert!(!names.can_be("alice", 0) && !names.can_be("root", 20_001));
    }

    #[test]
    fn a_title_that_may_be_cut_tells_a_whole_name_only() {
        let told = |title: &[u8]| name_in_title(title, false);
        assert_eq!(told(b"sshd: alice@notty").as_deref(), Some("alice"));
        assert_eq!(told(b"sshd: ali"), None);
        assert_eq!(told(b"sshd: alice@n"), None);
        assert_eq!(told(b"sshd: alice [pri"), None);
    }

    #[test]
    fn titles_tell_the_name() {
        for (title, name) in [
            ("sshd: alice [priv]", Some("alice")),
            ("sshd-session: alice [postauth]", Some("alice")),
            ("sshd: alice@pts/0", Some("alice")),
            (
                "sshd: alice@example.com@pts/0,pts/12",
                Some("alice@example.com"),
            ),
            ("sshd: alice@example.com@notty", Some("alice@example.com")),
            ("sshd: alice@example.com", Some("alice@example.com")),
            ("sshd-session: a b@internal-sftp", Some("a b")),
            (r"sshd: CORP\\alice [priv]", Some(r"CORP\alice")),
            (r"sshd: j\303\274rgen@notty", Some("jürgen")),
            ("sshd: [accepted]", None),
            (
                "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups",
                None,
            ),
            ("sshd: ", None),
            ("sshd", None),
            ("bash: alice@notty", None),
            ("sshd -o: alice@notty", None),
        ] {
            let told = name_in_title(title.as_bytes(), true);
            assert_eq!(told.as_deref(), name, "{title}");
        }
    }
}
