//! Who does things on request: the sockets and files by which a session hands work on.

use super::members::process;
use super::{Context, Disk, EventType, LocalConnect};
use crate::abi::{Head, disk_operation};
use crate::event::Uuid;

/// Places and whose they are. A `*` stands for one name of any length, a `/` at the end for all that is
/// below, and a `~` at the beginning for any directory: homes can be anywhere.
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

/// Who runs, at some later time, what is put here or is named here. What systemd and others keep below
/// /usr/lib is called /lib.
const FILES: Places = &[
    // Jobs.
    ("/var/spool/cron/atjobs/*", "at"),
    ("/var/spool/at/*", "at"),
    ("/var/spool/cron/crontabs/*", "cron"),
    ("/var/spool/cron/*", "cron"),
    ("/etc/crontab", "cron"),
    ("/etc/anacrontab", "cron"),
    ("/etc/cron.d/*", "cron"),
    ("/etc/cron.hourly/*", "cron"),
    ("/etc/cron.daily/*", "cron"),
    ("/etc/cron.weekly/*", "cron"),
    ("/etc/cron.monthly/*", "cron"),
    ("/etc/cron.yearly/*", "cron"),
    ("/etc/periodic/", "cron"),
    ("/var/spool/incron/*", "incron"),
    ("/etc/incron.d/*", "incron"),
    // Units of the host's systemd, what they are made and changed by, and its programs.
    ("/etc/systemd/system/", "systemd"),
    ("/etc/systemd/system.control/", "systemd"),
    ("/etc/systemd/system.attached/", "systemd"),
    ("/run/systemd/system/", "systemd"),
    ("/run/systemd/system.control/", "systemd"),
    ("/run/systemd/system.attached/", "systemd"),
    ("/run/systemd/transient/", "systemd"),
    ("/run/systemd/generator/", "systemd"),
    ("/run/systemd/generator.early/", "systemd"),
    ("/run/systemd/generator.late/", "systemd"),
    ("/usr/local/lib/systemd/", "systemd"),
    ("/lib/systemd/", "systemd"),
    ("/etc/systemd/system-generators/", "systemd"),
    ("/run/systemd/system-generators/", "systemd"),
    ("/etc/systemd/system-environment-generators/", "systemd"),
    ("/run/systemd/system-environment-generators/", "systemd"),
    ("/etc/systemd/system-shutdown/", "systemd"),
    ("/etc/systemd/system-sleep/", "systemd"),
    ("/etc/systemd/system.conf", "systemd"),
    ("/etc/systemd/system.conf.d/", "systemd"),
    ("/run/systemd/system.conf.d/", "systemd"),
    ("/etc/tmpfiles.d/", "systemd"),
    ("/run/tmpfiles.d/", "systemd"),
    ("/lib/tmpfiles.d/", "systemd"),
    ("/etc/binfmt.d/", "systemd"),
    ("/run/binfmt.d/", "systemd"),
    ("/lib/binfmt.d/", "systemd"),
    // What belongs to one account.
    ("/etc/systemd/user/", "systemd"),
    ("/etc/systemd/user.control/", "systemd"),
    ("/run/systemd/user/", "systemd"),
    ("/etc/systemd/user-generators/", "systemd"),
    ("/run/systemd/user-generators/", "systemd"),
    ("/etc/systemd/user-environment-generators/", "systemd"),
    ("/run/systemd/user-environment-generators/", "systemd"),
    ("/etc/systemd/user.conf", "systemd"),
    ("/etc/systemd/user.conf.d/", "systemd"),
    ("/run/user/*/systemd/", "systemd"),
    ("~/.config/systemd/user/", "systemd"),
    ("~/.config/systemd/user.control/", "systemd"),
    ("~/.config/systemd/user-generators/", "systemd"),
    ("~/.config/environment.d/", "systemd"),
    ("~/.local/share/systemd/user/", "systemd"),
    // Other ways to start a host.
    ("/etc/init.d/", "init"),
    ("/etc/inittab", "init"),
    ("/etc/rc.local", "init"),
    ("/etc/rc.d/", "init"),
    ("/etc/rc0.d/", "init"),
    ("/etc/rc1.d/", "init"),
    ("/etc/rc2.d/", "init"),
    ("/etc/rc3.d/", "init"),
    ("/etc/rc4.d/", "init"),
    ("/etc/rc5.d/", "init"),
    ("/etc/rc6.d/", "init"),
    ("/etc/rcS.d/", "init"),
    ("/etc/local.d/", "init"),
    ("/etc/runlevels/", "init"),
    ("/etc/initramfs-tools/", "initramfs"),
    ("/etc/dracut.conf.d/", "initramfs"),
    ("/etc/kernel/", "kernel packages"),
    ("/etc/grub.d/", "grub"),
    ("/etc/default/grub", "grub"),
    ("/etc/cloud/", "cloud-init"),
    ("/var/lib/cloud/", "cloud-init"),
    // Devices and networks.
    ("/etc/udev/rules.d/", "udev"),
    ("/run/udev/rules.d/", "udev"),
    ("/lib/udev/", "udev"),
    ("/etc/acpi/", "acpid"),
    ("/etc/network/", "ifupdown"),
    ("/etc/NetworkManager/dispatcher.d/", "NetworkManager"),
    ("/lib/NetworkManager/dispatcher.d/", "NetworkManager"),
    ("/etc/networkd-dispatcher/", "networkd-dispatcher"),
    ("/etc/ppp/", "pppd"),
    ("/etc/dhcp/dhclient-enter-hooks.d/", "dhclient"),
    ("/etc/dhcp/dhclient-exit-hooks.d/", "dhclient"),
    // What the kernel and the loader of programs are told to run or to load.
    ("/etc/modprobe.d/", "modprobe"),
    ("/etc/modprobe.conf", "modprobe"),
    ("/run/modprobe.d/", "modprobe"),
    ("/lib/modprobe.d/", "modprobe"),
    ("/etc/modules", "modprobe"),
    ("/etc/modules-load.d/", "modprobe"),
    ("/run/modules-load.d/", "modprobe"),
    ("/lib/modules-load.d/", "modprobe"),
    ("/etc/sysctl.conf", "sysctl"),
    ("/etc/sysctl.d/", "sysctl"),
    ("/run/sysctl.d/", "sysctl"),
    ("/lib/sysctl.d/", "sysctl"),
    ("/etc/request-key.conf", "request-key"),
    ("/etc/request-key.d/", "request-key"),
    ("/etc/ld.so.preload", "ld.so"),
    ("/etc/ld.so.conf", "ld.so"),
    ("/etc/ld.so.conf.d/", "ld.so"),
    ("/etc/ld.so.cache", "ld.so"),
    // Logins, and who becomes somebody else.
    ("/etc/pam.conf", "pam"),
    ("/etc/pam.d/", "pam"),
    ("/lib/pam.d/", "pam"),
    ("/etc/security/", "pam"),
    ("/etc/sudoers", "sudo"),
    ("/etc/sudoers.d/", "sudo"),
    ("/etc/sudo.conf", "sudo"),
    ("/etc/doas.conf", "doas"),
    ("/etc/doas.d/", "doas"),
    ("/etc/polkit-1/rules.d/", "polkit"),
    ("/usr/share/polkit-1/rules.d/", "polkit"),
    ("/etc/ssh/sshrc", "sshd"),
    ("/etc/ssh/sshd_config", "sshd"),
    ("/etc/ssh/sshd_config.d/", "sshd"),
    ("~/.ssh/rc", "sshd"),
    ("~/.ssh/environment", "sshd"),
    ("/etc/update-motd.d/", "motd"),
    // Shells of others, and of later sessions.
    ("/etc/environment", "shell"),
    ("/etc/profile", "shell"),
    ("/etc/profile.d/", "shell"),
    ("/etc/bash.bashrc", "shell"),
    ("/etc/bashrc", "shell"),
    ("/etc/bash_completion.d/", "shell"),
    ("/etc/zsh/", "shell"),
    ("/etc/zshenv", "shell"),
    ("/etc/zshrc", "shell"),
    ("/etc/fish/", "shell"),
    ("~/.profile", "shell"),
    ("~/.bash_profile", "shell"),
    ("~/.bash_login", "shell"),
    ("~/.bash_logout", "shell"),
    ("~/.bashrc", "shell"),
    ("~/.zshenv", "shell"),
    ("~/.zprofile", "shell"),
    ("~/.zshrc", "shell"),
    ("~/.zlogin", "shell"),
    ("~/.config/fish/", "shell"),
    // Desktops and D-Bus.
    ("/etc/xdg/autostart/", "desktop"),
    ("/etc/X11/Xsession.d/", "desktop"),
    ("~/.config/autostart/", "desktop"),
    ("~/.xsession", "desktop"),
    ("~/.xprofile", "desktop"),
    ("/etc/dbus-1/", "dbus"),
    ("/usr/share/dbus-1/", "dbus"),
    ("/usr/local/share/dbus-1/", "dbus"),
    ("/run/dbus-1/", "dbus"),
    ("/run/user/*/dbus-1/", "dbus"),
    ("~/.local/share/dbus-1/", "dbus"),
    // Servers and tools with hooks.
    ("/etc/inetd.conf", "inetd"),
    ("/etc/xinetd.d/", "inetd"),
    ("/etc/logrotate.conf", "logrotate"),
    ("/etc/logrotate.d/", "logrotate"),
    ("/etc/rsyslog.conf", "rsyslog"),
    ("/etc/rsyslog.d/", "rsyslog"),
    ("/etc/audit/plugins.d/", "auditd"),
    ("/etc/apt/apt.conf", "apt"),
    ("/etc/apt/apt.conf.d/", "apt"),
    ("/etc/dpkg/dpkg.cfg", "dpkg"),
    ("/etc/dpkg/dpkg.cfg.d/", "dpkg"),
    ("/var/lib/dpkg/info/", "dpkg"),
    ("/etc/dnf/", "dnf"),
    ("/etc/yum/", "dnf"),
    ("/etc/containers/", "podman"),
    ("/etc/docker/", "docker"),
    ("/etc/libvirt/hooks/", "libvirt"),
];

/// Files of the kernel's own that name a program which it runs itself, or by which it ends or stops processes
/// of others, or the host.
const KERNEL: Places = &[
    ("/proc/sys/kernel/core_pattern", "kernel"),
    ("/proc/sys/kernel/modprobe", "kernel"),
    ("/proc/sys/kernel/hotplug", "kernel"),
    ("/proc/sys/kernel/poweroff_cmd", "kernel"),
    ("/proc/sys/fs/binfmt_misc/register", "kernel"),
    ("/sys/kernel/uevent_helper", "kernel"),
    ("/sys/fs/cgroup/release_agent", "kernel"),
    ("~/release_agent", "kernel"),
    ("~/binfmt_misc/register", "kernel"),
    ("/sys/devices/system/machinecheck/*/trigger", "kernel"),
    ("/sys/module/*/parameters/usermode_helper", "kernel"),
    ("/proc/sys/fs/ocfs2/nm/hb_ctl_path", "kernel"),
    ("/proc/sysrq-trigger", "kernel"),
    ("/sys/power/state", "kernel"),
    ("~/cgroup.kill", "kernel"),
    ("~/cgroup.freeze", "kernel"),
];

/// session.delegated: by what the event with the id `request` tells, the session can have asked `name`
/// to do something.
pub fn write(head: &Head, name: &str, request: &Uuid, context: &mut Context<'_>) {
    context.line(EventType::Delegated, head.time, |object, _| {
        process(object, head);
        object.string("delegate", name.as_bytes());
        object.string("request_uid", request);
    });
}

/// Who was talked to, if that is one of those.
pub fn by_socket(connect: &LocalConnect<'_>) -> Option<&'static str> {
    let is_place = connect.return_code == 0 && !connect.is_abstract;
    is_place
        .then(|| find(SOCKETS, is_at, connect.path))
        .flatten()
}

/// Who will find what was opened to be written or put in place, if that is one of those.
pub fn by_file(disk: &Disk<'_>) -> Option<&'static str> {
    if disk.fixed.return_code != 0 {
        return None;
    }
    let path = match disk.fixed.operation {
        disk_operation::OPEN | disk_operation::CREATE => {
            let access = disk.fixed.flags & libc::O_ACCMODE as u32;
            let path = (access != libc::O_RDONLY as u32).then_some(disk.path.path)?;
            return find(KERNEL, is_at, path).or_else(|| find(FILES, is_at, path));
        }
        // A file that is there already, and is run once it may be.
        disk_operation::CHMOD if disk.fixed.mode & 0o111 != 0 => {
            return find(FILES, is_at, disk.path.path);
        }
        disk_operation::SYMLINK => disk.path.path,
        disk_operation::RENAME | disk_operation::LINK | disk_operation::MOUNT => disk.target.path,
        _ => return None,
    };
    find(FILES, is_at, path).or_else(|| find(FILES, is_above, path))
}

fn find(places: Places, is_it: fn(&[u8], &str) -> bool, path: &[u8]) -> Option<&'static str> {
    let path = match (path.strip_prefix(b"/usr"), path.strip_prefix(b"/var")) {
        (Some(rest), _) if rest.starts_with(b"/lib/") => rest,
        (_, Some(rest)) if rest.starts_with(b"/run/") => rest,
        _ => path,
    };
    let place = places.iter().find(|(place, _)| is_it(path, place));
    place.map(|(_, name)| *name)
}

/// Whether a file has its place there.
fn is_at(path: &[u8], place: &str) -> bool {
    if let Some(place) = place.strip_prefix('~') {
        let place = place.as_bytes();
        return match place.last() {
            Some(b'/') => memchr::memmem::find(path, place).is_some(),
            _ => path.ends_with(place),
        };
    }
    let mut parts = path.split(|byte| *byte == b'/');
    for wanted in place.split('/') {
        let part = parts.next();
        match (wanted, part) {
            ("", Some(part)) if !part.is_empty() => return true,
            ("*", Some(_)) => {}
            (_, Some(part)) if part == wanted.as_bytes() => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

/// Whether the place is such a directory itself, or below it: with what is put there all that it
/// holds has its place. Of a name at the root that is not told.
fn is_above(path: &[u8], place: &str) -> bool {
    if place.starts_with('~') {
        let place = place.trim_matches(['~', '/']).as_bytes();
        return path.ends_with(place) && path.ends_with(&[b"/", place].concat());
    }
    let mut wanted = place.split('/');
    let mut parts = path.split(|byte| *byte == b'/');
    let same = parts.all(|part| {
        wanted
            .next()
            .is_some_and(|wanted| wanted == "*" || part == wanted.as_bytes())
    });
    same && memchr::memchr_iter(b'/', path).count() > 1
}

#[cfg(test)]
mod tests {
    use super::super::{Disk, Path};
    use super::{FILES, KERNEL, by_file, find, is_above, is_at};
    use crate::abi::{self, disk_operation};

    #[test]
    fn a_star_is_one_name() {
        assert!(is_at(b"/run/user/1000/bus", "/run/user/*/bus"));
        assert!(!is_at(b"/run/user/1000/2/bus", "/run/user/*/bus"));
        assert!(!is_at(b"/run/user/1000/bus/x", "/run/user/*/bus"));
        assert!(!is_at(b"/run/user", "/run/user/*/bus"));
        assert!(is_at(b"/etc/crontab", "/etc/crontab"));
        assert!(!is_at(b"/etc/crontab2", "/etc/crontab"));
    }

    #[test]
    fn a_slash_at_the_end_is_all_below() {
        let below = "/etc/systemd/system/";
        assert!(is_at(b"/etc/systemd/system/x.service", below));
        assert!(is_at(b"/etc/systemd/system/x.service.d/own.conf", below));
        assert!(!is_at(b"/etc/systemd/system", below));
        assert!(!is_at(b"/etc/systemd/system2/x.service", below));
        assert!(is_at(
            b"/srv/one/.config/systemd/user/x.timer",
            "~/.config/systemd/user/"
        ));
        assert!(!is_at(
            b"/srv/one/.config/systemd/user",
            "~/.config/systemd/user/"
        ));
        assert!(is_at(b"/root/.ssh/rc", "~/.ssh/rc"));
        assert!(!is_at(b"/root/.ssh/rc.d", "~/.ssh/rc"));
    }

    #[test]
    fn what_is_put_in_place_can_hold_places() {
        assert!(is_above(b"/etc/systemd", "/etc/systemd/system/"));
        assert!(is_above(b"/etc/systemd/system", "/etc/systemd/system/"));
        assert!(is_above(b"/run/user/1000", "/run/user/*/systemd/"));
        assert!(is_above(
            b"/home/one/.config/systemd/user",
            "~/.config/systemd/user/"
        ));
        assert!(!is_above(b"/etc", "/etc/systemd/system/"));
        assert!(!is_above(b"/etc/systemd/system/x", "/etc/systemd/system/"));
        assert!(!is_above(b"/etc/sys", "/etc/systemd/system/"));
    }

    #[test]
    fn other_names_of_a_place() {
        let of = |path: &str| find(FILES, is_at, path.as_bytes());
        assert_eq!(of("/usr/lib/systemd/system/x.service"), Some("systemd"));
        assert_eq!(of("/lib/systemd/system/x.service"), Some("systemd"));
        assert_eq!(of("/var/run/systemd/system/x.service"), Some("systemd"));
        assert_eq!(of("/usr/bin/x"), None);
        for path in [
            "/sys/fs/cgroup/rdma/release_agent",
            "/sys/fs/cgroup/system.slice/recorderd.service/cgroup.kill",
            "/sys/module/drbd/parameters/usermode_helper",
            "/proc/sysrq-trigger",
        ] {
            assert_eq!(find(KERNEL, is_at, path.as_bytes()), Some("kernel"));
        }
    }

    #[test]
    fn by_what_is_done() {
        let told = |operation: u16, flags: i32, path: &'static str, target: &'static str| {
            let of = |path: &'static str| Path {
                path: path.as_bytes(),
                requested: b"",
                notes: 0,
            };
            by_file(&Disk {
                fixed: abi::Disk {
                    operation,
                    flags: flags as u32,
                    mode: flags as u16,
                    ..abi::Disk::default()
                },
                path: of(path),
                target: of(target),
                name: b"",
            })
        };
        let (unit, own) = ("/etc/systemd/system/x.service", "/tmp/x.service");
        let pattern = "/proc/sys/kernel/core_pattern";
        assert_eq!(
            told(disk_operation::OPEN, libc::O_WRONLY, unit, ""),
            Some("systemd")
        );
        assert_eq!(told(disk_operation::OPEN, libc::O_RDONLY, unit, ""), None);
        assert_eq!(
            told(disk_operation::OPEN, libc::O_RDWR, pattern, ""),
            Some("kernel")
        );
        assert_eq!(
            told(disk_operation::OPEN, libc::O_RDONLY, pattern, ""),
            None
        );
        assert_eq!(told(disk_operation::RENAME, 0, own, unit), Some("systemd"));
        assert_eq!(told(disk_operation::RENAME, 0, unit, own), None);
        assert_eq!(told(disk_operation::LINK, 0, own, unit), Some("systemd"));
        assert_eq!(told(disk_operation::SYMLINK, 0, unit, own), Some("systemd"));
        assert_eq!(told(disk_operation::SYMLINK, 0, own, unit), None);
        assert_eq!(
            told(disk_operation::MOUNT, 0, "/tmp/d", "/etc/cron.d"),
            Some("cron")
        );
        assert_eq!(told(disk_operation::MOUNT, 0, "proc", "/proc"), None);
        assert_eq!(
            told(disk_operation::CHMOD, 0o755, "/etc/rc.local", ""),
            Some("init")
        );
        assert_eq!(
            told(disk_operation::CHMOD, 0o600, "/etc/rc.local", ""),
            None
        );
        assert_eq!(told(disk_operation::UNLINK, 0, unit, ""), None);
    }
}
