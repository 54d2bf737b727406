//! What this host must have before anything is loaded. Each question is answered with what is
//! there, or with one line that names what is missing and what helps.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The kernel interfaces that the probes need came together in this version.
const OLDEST_KERNEL: (u32, u32) = (5, 8);

/// Where the kernel describes its own types.
pub(super) const BTF: &str = "/sys/kernel/btf/vmlinux";

/// What this host does not have, and what helps.
#[derive(Debug)]
pub enum Lack {
    /// We run as this uid, and not as root.
    Root(libc::uid_t),
    /// The kernel has this release, which is too old.
    Kernel(String),
    /// The kernel of this release does not describe its types.
    Types(String),
    /// The file that the config names can't be used in place of that.
    File(PathBuf, io::Error),
    /// The kernel's memory can't be read.
    Memory,
    /// Logins carry no audit session ids.
    Audit,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = OLDEST_KERNEL;
        match self {
            Self::Root(uid) => write!(
                f,
                "privilege: running as uid {uid}, and loading BPF programs needs root; run it with sudo"
            ),
            Self::Kernel(release) => write!(
                f,
                "kernel: {release} is too old; {major}.{minor} or newer is needed"
            ),
            Self::Types(release) => write!(
                f,
                "BTF: {BTF} is missing, so the layout of this kernel ({release}) is unknown; use a kernel \
                 built with CONFIG_DEBUG_INFO_BTF=y, or name a file that describes it with `btf_path` \
                 in the config"
            ),
            Self::File(path, error) => write!(
                f,
                "BTF: btf_path: {}: {error}; name a file with the BTF of this kernel",
                path.display()
            ),
            Self::Memory => f.write_str(
                "lockdown: confidentiality mode forbids reading kernel memory, so nothing can be \
                 recorded; boot with lockdown=integrity or without lockdown",
            ),
            Self::Audit => f.write_str(
                "audit: logins have no audit session IDs on this kernel, so recorderd can't distinguish them; use a \
                 kernel built with CONFIG_AUDITSYSCALL=y",
            ),
        }
    }
}

impl std::error::Error for Lack {}

/// An answer, or what is missing.
pub type Answer = Result<String, Lack>;

/// Tells what is missing for recording on this host, with types described in `btf`.
///
/// # Errors
/// The first that is missing.
pub fn preflight(btf: &Path) -> Result<(), Lack> {
    privilege()?;
    kernel()?;
    types(btf)?;
    lockdown()?;
    Ok(())
}

/// Where the kernel's types are described: by itself, or else in the file that the config names.
pub fn btf(config: Option<&Path>) -> PathBuf {
    match config {
        Some(path) if !fs::exists(BTF).unwrap_or(false) => path.into(),
        _ => BTF.into(),
    }
}

/// Whether we may load programs.
///
/// # Errors
/// Where we are not root.
pub fn privilege() -> Answer {
    // SAFETY: takes nothing, changes nothing.
    let uid = unsafe { libc::geteuid() };
    if uid != 0 {
        return Err(Lack::Root(uid));
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    // From linux/capability.h.
    let wanted = [
        ("CAP_SYS_ADMIN", 21),
        ("CAP_SYS_RESOURCE", 24),
        ("CAP_PERFMON", 38),
        ("CAP_BPF", 39),
    ];
    let lacking = wanted
        .iter()
        .filter(|(_, bit)| set.is_some_and(|set| set >> bit & 1 == 0));
    let lacking: Vec<_> = lacking.map(|(name, _)| *name).collect();
    Ok(match lacking.is_empty() {
        true => "root".into(),
        false => format!("root, without {}", lacking.join(", ")),
    })
}

/// The release of the kernel.
///
/// # Errors
/// Where it is too old.
pub fn kernel() -> Answer {
    let release = release();
    if version(&release).is_some_and(|version| version < OLDEST_KERNEL) {
        return Err(Lack::Kernel(release));
    }
    Ok(release)
}

/// The description of the kernel's types in the file `btf`, and its size.
///
/// # Errors
/// Where there is none.
pub fn types(btf: &Path) -> Answer {
    let shown = btf.display();
    match fs::metadata(btf) {
        Ok(file) => Ok(format!("{shown}, {} bytes", file.len())),
        Err(_) if btf == Path::new(BTF) => Err(Lack::Types(release())),
        Err(e) => Err(Lack::File(btf.into(), e)),
    }
}

/// The mode of lockdown.
///
/// # Errors
/// Where it forbids to read the kernel's memory.
pub fn lockdown() -> Answer {
    let modes = security("lockdown");
    let mode = match modes.split(['[', ']']).nth(1) {
        Some(mode) => mode,
        None => &modes,
    };
    if mode == "confidentiality" {
        return Err(Lack::Memory);
    }
    Ok(mode.into())
}

/// Whether logins carry audit session ids.
///
/// # Errors
/// Where they do not, so that none can be told.
pub fn audit() -> Answer {
    if !fs::exists("/proc/self/sessionid").unwrap_or(false) {
        return Err(Lack::Audit);
    }
    Ok("logins have audit session IDs".into())
}

/// Whether the kernel has tracefs. Nothing in it is needed.
pub fn tracefs() -> String {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let has = known.lines().any(|line| line.ends_with("\ttracefs"));
    match has {
        true => "in this kernel, and not needed".into(),
        false => "not in this kernel, and not needed".into(),
    }
}

/// The security modules of the kernel, as it lists them.
pub fn security_modules() -> String {
    security("lsm")
}

/// A file of securityfs.
fn security(name: &str) -> String {
    const FOLDER: &str = "/sys/kernel/security";
    match fs::read_to_string(format!("{FOLDER}/{name}")) {
        Ok(text) => text.trim().into(),
        Err(_) if fs::exists(format!("{FOLDER}/lsm")).unwrap_or(false) => "none".into(),
        Err(_) => format!("unknown, because nothing is mounted at {FOLDER}"),
    }
}

/// Where cgroup2 is mounted, and whether `path` is such a place.
pub fn cgroup(path: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let of_type = |name: &str| {
        let mounts = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>());
        let places = mounts.filter(|fields| fields.get(2) == Some(&name));
        places
            .map(|fields| fields[1].to_owned())
            .collect::<Vec<_>>()
    };
    let second = of_type("cgroup2");
    let shown = path.display();
    let ours = match second.iter().any(|place| Path::new(place) == path) {
        true => format!("version 2 at {shown}"),
        false => format!("version 2 would be mounted at {shown} (cgroup_path)"),
    };
    match of_type("cgroup").is_empty() {
        true => ours,
        false => format!("{ours}, next to version 1"),
    }
}

pub(super) fn release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().into()
}

pub(super) fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_are_read_from_releases() {
        assert_eq!(version("5.10.0-28-cloud-amd64"), Some((5, 10)));
        assert_eq!(version("7.1-rc3"), Some((7, 1)));
        assert_eq!(version("6.18.44-flatcar"), Some((6, 18)));
        assert_eq!(version("unknown"), None);
    }
}
