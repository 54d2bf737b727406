//! What starts services on a host, and what it has to be told.

use std::fs;

use super::file::{Content, Item};

/// What runs as process 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    /// systemd
    Systemd,
    /// OpenRC
    OpenRc,
    /// busybox, with a table of its own.
    Busybox,
}

const INITTAB: &str = "/etc/inittab";

impl Init {
    /// The one that the host has, by its files: an image has no process 1 yet.
    pub fn of_host() -> Option<Self> {
        let has = |path: &str| fs::exists(path).unwrap_or(false);
        if has("/usr/lib/systemd/systemd") || has("/lib/systemd/systemd") {
            return Some(Self::Systemd);
        }
        if has("/sbin/openrc-run") || has("/usr/sbin/openrc-run") {
            return Some(Self::OpenRc);
        }
        let program = fs::canonicalize("/sbin/init").ok()?;
        let is_busybox = program.file_name().is_some_and(|name| name == "busybox");
        // Without a table it has one built in, which a file would replace.
        (is_busybox && has(INITTAB)).then_some(Self::Busybox)
    }

    /// What to put on the host, so that `program` is started with it.
    pub fn items(self, program: &str) -> Vec<Item> {
        let filled = |text: &str| Content::Bytes(text.replace("PROGRAM", program).into_bytes());
        match self {
            Self::Systemd => vec![
                Item::new(
                    "/etc/systemd/system/recorderd.service",
                    0o644,
                    filled(include_str!("recorderd.service")),
                ),
                Item::new(
                    "/etc/systemd/system/multi-user.target.wants/recorderd.service",
                    0,
                    Content::Link("/etc/systemd/system/recorderd.service"),
                ),
            ],
            Self::OpenRc => vec![
                Item::new(
                    "/etc/init.d/recorderd",
                    0o755,
                    filled(include_str!("recorderd.openrc")),
                ),
                Item::new(
                    "/etc/runlevels/default/recorderd",
                    0,
                    Content::Link("/etc/init.d/recorderd"),
                ),
            ],
            Self::Busybox => {
                let line = format!("::respawn:{program} --config {}\n", super::CONFIG);
                vec![Item::new(INITTAB, 0, Content::Line(line.into_bytes()))]
            }
        }
    }

    /// The command that starts what was installed.
    pub fn start(self) -> &'static str {
        match self {
            Self::Systemd => "systemctl daemon-reload && systemctl restart recorderd",
            Self::OpenRc => "rc-service recorderd restart",
            Self::Busybox => "kill -HUP 1",
        }
    }

    /// The command that ends what was installed and is gone.
    pub fn stop(self) -> &'static str {
        match self {
            Self::Systemd => "systemctl stop recorderd && systemctl daemon-reload",
            Self::OpenRc => "kill $(cat /run/supervise-recorderd.pid)",
            Self::Busybox => "kill -HUP 1; killall recorderd",
        }
    }
}
