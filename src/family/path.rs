//! Paths of which the end is as it was requested: cleaned of what can't mean anything else.

use super::Path;
use crate::abi::path_note;

/// A path as it is shown.
pub struct Shown<'a> {
    /// Without empty components and `.`.
    pub path: &'a [u8],
    /// Whether symbolic links in it can lead elsewhere.
    pub has_unfollowed_links: bool,
}

/// What to show of a path. `room` is where it is built if it is not shown as it stands.
///
/// Only in front of the first name that was requested does `..` lead to the folder above for sure: that
/// name could be a link. And in its own root directory a process stays where it is. Where it is not
/// known in which folder the path begins, no slash stands in front.
pub fn shown<'a>(path: &Path<'a>, room: &'a mut Vec<u8>) -> Shown<'a> {
    let notes = path.notes;
    if notes & path_note::REQUESTED == 0 || notes & path_note::RELATIVE != 0 {
        return Shown {
            path: path.path,
            has_unfollowed_links: false,
        };
    }
    let base = &path.path[..path.path.len() - path.requested.len()];
    let is_detached = notes & path_note::DETACHED != 0;
    room.clear();
    room.extend_from_slice(base.strip_suffix(b"/").unwrap_or(base));
    let (mut names, mut upwards) = (0, false);
    for component in path.requested.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." if names == 0 && notes & path_note::CHROOT == 0 => {
                room.truncate(memchr::memrchr(b'/', room).unwrap_or(0));
            }
            _ => {
                if !(is_detached && room.is_empty()) {
                    room.push(b'/');
                }
                room.extend_from_slice(component);
                match component {
                    b".." => upwards = true,
                    _ => names += 1,
                }
            }
        }
    }
    if room.is_empty() && !is_detached {
        room.push(b'/');
    }
    // A slash at the end asks for the folder behind a link.
    let follows = notes & path_note::FOLLOWED != 0 || path.requested.ends_with(b"/");
    Shown {
        path: room,
        has_unfollowed_links: upwards || names > 1 || (names == 1 && follows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown of what was requested behind a base.
    fn of(base: &str, requested: &str, notes: u32) -> (String, bool) {
        let whole = format!("{base}{requested}");
        let path = Path {
            path: whole.as_bytes(),
            requested: requested.as_bytes(),
            notes: path_note::REQUESTED | notes,
        };
        let mut room = Vec::new();
        let shown = shown(&path, &mut room);
        let text = String::from_utf8(shown.path.to_vec()).unwrap();
        (text, shown.has_unfollowed_links)
    }

    #[test]
    fn what_means_nothing_else_is_cleaned() {
        for (base, requested, path) in [
            ("/home/a/", "file", "/home/a/file"),
            ("/home/a/", ".//./file", "/home/a/file"),
            ("/home/a/", "../b", "/home/b"),
            ("/home/a/", "../../../../etc", "/etc"),
            ("/home/a/", "..", "/home"),
            ("/home/a/", "", "/home/a"),
            ("/", "file", "/file"),
            ("", "//file", "/file"),
            ("", "/", "/"),
            ("", "/..", "/"),
            ("/jail", "/file", "/jail/file"),
        ] {
            assert_eq!(
                of(base, requested, 0),
                (path.into(), false),
                "{base} {requested}"
            );
        }
    }

    #[test]
    fn no_link_is_guessed() {
        for (base, requested, notes, path) in [
            ("", "/etc/passwd", 0, "/etc/passwd"),
            ("", "/etc/passwd", path_note::DETACHED, "etc/passwd"),
            ("/home/a/", "link/../file", 0, "/home/a/link/../file"),
            ("/home/a/", "link", path_note::FOLLOWED, "/home/a/link"),
            ("/home/a/", "link/", 0, "/home/a/link"),
            ("/jail/a/", "../b", path_note::CHROOT, "/jail/a/../b"),
        ] {
            assert_eq!(
                of(base, requested, notes),
                (path.into(), true),
                "{requested}"
            );
        }
    }

    #[test]
    fn no_root_is_invented() {
        for (base, requested, path) in [
            ("", "file", "file"),
            ("", "./file", "file"),
            ("", "../file", "file"),
            ("a/", "file", "a/file"),
            ("a/", "../file", "file"),
            ("", "/", ""),
        ] {
            let shown = of(base, requested, path_note::DETACHED);
            assert_eq!(shown, (path.into(), false), "{base} {requested}");
        }
    }

    #[test]
    fn what_has_no_known_beginning_is_left_alone() {
        assert_eq!(of("", "./a", path_note::RELATIVE), ("./a".into(), false));
    }
}
