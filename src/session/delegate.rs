//! Who does things on request: the sockets and files by which a session hands work on.

use crate::record::layout::disk_operation;
use crate::record::{Disk, LocalConnect};

/// Places and whose they are. A `*` stands for one name of any length.
type Places = &'static [(&'static str, &'static str)];

/// Whoever is talked to here can be asked to run something.
const SOCKETS: Places = &[
    ("/run/systemd/private", "systemd"),
    ("/run/user/*/systemd/private", "systemd"),
    ("/run/dbus/system_bus_socket", "dbus"),
    ("/run/user/*/bus", "dbus"),
    ("/run/docker.sock", "docker"),
    ("/run/podman/podman.sock", "podman"),
    ("/run/user/*/podman/podman.sock", "podman"),
    ("/run/containerd/containerd.sock", "containerd"),
    ("/run/crio/crio.sock", "cri-o"),
    ("/run/libvirt/libvirt-sock", "libvirt"),
    ("/run/snapd.socket", "snapd"),
];

/// Whatever is written here will be run by somebody else.
const FILES: Places = &[
    ("/var/spool/cron/atjobs/*", "at"),
    ("/var/spool/at/*", "at"),
    ("/var/spool/cron/crontabs/*", "cron"),
    ("/var/spool/cron/*", "cron"),
    ("/etc/crontab", "cron"),
    ("/etc/cron.d/*", "cron"),
    ("/etc/cron.hourly/*", "cron"),
    ("/etc/cron.daily/*", "cron"),
    ("/etc/cron.weekly/*", "cron"),
    ("/etc/cron.monthly/*", "cron"),
    ("/etc/systemd/system/*", "systemd"),
    ("/run/systemd/system/*", "systemd"),
    ("/etc/systemd/user/*", "systemd"),
    ("/root/.config/systemd/user/*", "systemd"),
    ("/home/*/.config/systemd/user/*", "systemd"),
];

/// Who was talked to, if that is one of those.
pub fn by_socket(connect: &LocalConnect<'_>) -> Option<&'static str> {
    let is_place = connect.return_code == 0 && !connect.is_abstract;
    is_place.then(|| find(SOCKETS, connect.path)).flatten()
}

/// Who will find what was opened to be written, if that is one of those.
pub fn by_file(disk: &Disk<'_>) -> Option<&'static str> {
    let is_open = matches!(
        disk.fixed.operation,
        disk_operation::OPEN | disk_operation::CREATE
    );
    let writes = disk.fixed.flags & libc::O_ACCMODE as u32 != libc::O_RDONLY as u32;
    let is_request = is_open && writes && disk.fixed.return_code == 0;
    is_request.then(|| find(FILES, disk.path.path)).flatten()
}

fn find(places: Places, path: &[u8]) -> Option<&'static str> {
    let place = places.iter().find(|(place, _)| is_at(path, place));
    place.map(|(_, name)| *name)
}

fn is_at(path: &[u8], place: &str) -> bool {
    let mut parts = path.split(|byte| *byte == b'/');
    let same = place.split('/').all(|wanted| {
        parts
            .next()
            .is_some_and(|part| wanted == "*" || part == wanted.as_bytes())
    });
    same && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::is_at;

    #[test]
    fn a_star_is_one_name() {
        assert!(is_at(b"/run/user/1000/bus", "/run/user/*/bus"));
        assert!(!is_at(b"/run/user/1000/2/bus", "/run/user/*/bus"));
        assert!(!is_at(b"/run/user/1000/bus/x", "/run/user/*/bus"));
        assert!(!is_at(b"/run/user", "/run/user/*/bus"));
        assert!(is_at(b"/etc/crontab", "/etc/crontab"));
        assert!(!is_at(b"/etc/crontab2", "/etc/crontab"));
    }
}
