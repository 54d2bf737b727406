//! What a service manager hears of the daemon.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use super::start;
use crate::common::{Folder, Outcome, write_config};

/// A service manager that listens at this address.
struct Manager(UnixDatagram);

impl Manager {
    fn at(address: &SocketAddr) -> Self {
        let socket = UnixDatagram::bind_addr(address).unwrap();
        let patience = Some(Duration::from_secs(60));
        socket.set_read_timeout(patience).unwrap();
        Self(socket)
    }

    fn hear(&self) -> String {
        let mut bytes = [0; 64];
        let length = self.0.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }
}

/// Microseconds of the clock that a service manager goes by.
fn monotonic() -> u64 {
    // SAFETY: the structure is plain numbers, and is filled by the call.
    let now = unsafe {
        let mut now: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now);
        now
    };
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

/// It hears of the start, of a config that is read again, and of the end, and in between nothing that it
/// did not ask for.
pub fn service_manager() -> Outcome {
    let folder = Folder::new();
    let path = folder.path().join("notify");
    let name = format!("recorderd-test-{}", std::process::id());
    let config = write_config(folder.path(), "");
    for (address, variable) in [
        (SocketAddr::from_pathname(&path), path.display().to_string()),
        (SocketAddr::from_abstract_name(&name), format!("@{name}")),
    ] {
        let manager = Manager::at(&address?);
        let mut daemon = start(&config, |command| {
            // Meant for another process, which is not watched by us.
            command.envs([("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")]);
            command.env("NOTIFY_SOCKET", variable);
        });
        assert_eq!(manager.hear(), "READY=1");
        let before = monotonic();
        daemon.signal(libc::SIGHUP);
        let heard = manager.hear();
        let since = heard.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(
            (before..=monotonic()).contains(&since.parse().unwrap()),
            "{since}"
        );
        assert_eq!(manager.hear(), "READY=1");
        assert_eq!(daemon.stop(), Some(0));
        assert_eq!(manager.hear(), "STOPPING=1");
    }
    Ok(())
}

/// It hears that the daemon lives, though nothing happens on the host.
pub fn watchdog() -> Outcome {
    let folder = Folder::new();
    let path = folder.path().join("notify");
    let manager = Manager::at(&SocketAddr::from_pathname(&path)?);
    let config = write_config(folder.path(), "");
    let mut daemon = start(&config, |command| {
        command.env("NOTIFY_SOCKET", path);
        command.env("WATCHDOG_USEC", "200000");
    });
    assert_eq!(manager.hear(), "READY=1");
    for _ in 0..20 {
        assert_eq!(manager.hear(), "WATCHDOG=1");
    }
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(
        std::iter::repeat_with(|| manager.hear()).find(|it| it != "WATCHDOG=1"),
        Some("STOPPING=1".into())
    );
    Ok(())
}
