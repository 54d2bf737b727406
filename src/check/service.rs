//! The check as the service of systemd would make it: with all that its unit takes from a process.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install::CONFIG;

const UNIT: &str = "recorderd.service";

/// Keys of a unit that say when a process is started, ended or watched, and not what it may do.
const OF_THE_LIFE: [&str; 9] = [
    "Type",
    "Exec",
    "Restart",
    "Watchdog",
    "Timeout",
    "NotifyAccess",
    "PIDFile",
    "RemainAfterExit",
    "StartLimit",
];

/// Becomes `recorderd check` under the restrictions of the unit that is installed, changes of the
/// administrator's included. Returns only why it can't.
pub fn check(config: Option<&Path>, json: bool) -> String {
    let unit = match Command::new("systemctl").args(["cat", UNIT]).output() {
        Ok(output) if output.status.success() => output.stdout,
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr);
            return format!(
                "systemctl cat {UNIT}: {}; `recorderd install` puts the service on the host",
                error.trim()
            );
        }
        Err(error) => {
            return format!("check --service needs systemd: systemctl can't be executed: {error}");
        }
    };
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return format!("/proc/self/exe: {error}"),
    };
    let mut command = Command::new("systemd-run");
    command.args(["--quiet", "--wait", "--pipe", "--collect"]);
    for property in restrictions(&String::from_utf8_lossy(&unit)) {
        command.args(["--property", property]);
    }
    command.arg(program).arg("check");
    if json {
        command.arg("--json");
    }
    command.args(named(config));
    format!("systemd-run can't be run: {}", command.exec())
}

/// The config of the service, unless another one is named; where it is not there, none.
fn named(config: Option<&Path>) -> Vec<OsString> {
    let installed = Path::new(CONFIG);
    let config = config.or_else(|| installed.exists().then_some(installed));
    // The service has another folder.
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    config.map_or_else(Vec::new, |path| vec!["--config".into(), whole(path).into()])
}

/// What a unit says of what its processes may do: lines of its section `Service`, as they stand.
fn restrictions(unit: &str) -> impl Iterator<Item = &str> {
    let mut is_service = false;
    let lines = unit.lines().map(str::trim);
    lines.filter(move |line| {
        if line.starts_with('[') {
            is_service = *line == "[Service]";
            return false;
        }
        let is_of_life = |key: &str| OF_THE_LIFE.iter().any(|begin| key.starts_with(begin));
        let key = line.split_once('=').map(|(key, _)| key);
        is_service && !line.starts_with(['#', ';']) && key.is_some_and(|key| !is_of_life(key))
    })
}

#[cfg(test)]
mod tests {
    use super::restrictions;

    #[test]
    fn the_unit_and_what_is_dropped_in_say_what_it_may_do() {
        let unit = include_str!("../install/recorderd.service").to_owned()
            + "\n# /etc/systemd/system/recorderd.service.d/own.conf\n[Service]\nTimeoutStartSec=9\nNice=5\n";
        let all: Vec<_> = restrictions(&unit).collect();
        assert_eq!(
            (all[0], all[all.len() - 1]),
            ("OOMScoreAdjust=-900", "Nice=5")
        );
        for one in [
            "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_PACKET",
            "NoNewPrivileges=yes",
            "MemoryDenyWriteExecute=yes",
        ] {
            assert!(all.contains(&one), "{all:?}");
        }
        assert!(
            !all.iter()
                .any(|line| line.starts_with("Type=") || line.starts_with("Exec"))
        );
    }
}
