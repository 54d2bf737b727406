//! What this host must have before anything is loaded.

use std::fs;

/// The kernel interfaces that the probes need came together in this version.
const OLDEST_KERNEL: (u32, u32) = (5, 8);

/// Where the kernel describes its own types.
pub const BTF: &str = "/sys/kernel/btf/vmlinux";

/// Tells what is missing for recording on this host.
///
/// # Errors
/// One line that names what is missing and what helps.
pub fn preflight() -> Result<(), String> {
    // SAFETY: takes nothing, changes nothing.
    let uid = unsafe { libc::geteuid() };
    if uid != 0 {
        return Err(format!(
            "privilege: running as uid {uid}, and loading BPF programs needs root; run it with sudo"
        ));
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    if version(release).is_some_and(|version| version < OLDEST_KERNEL) {
        let (major, minor) = OLDEST_KERNEL;
        return Err(format!(
            "kernel: {release} is too old; {major}.{minor} or newer is needed"
        ));
    }
    if !fs::exists(BTF).unwrap_or(false) {
        return Err(format!(
            "BTF: {BTF} is missing, so the layout of this kernel ({release}) is unknown; \
             use a kernel built with CONFIG_DEBUG_INFO_BTF=y"
        ));
    }
    let lockdown = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    if lockdown.contains("[confidentiality]") {
        return Err(
            "lockdown: confidentiality mode forbids reading kernel memory, so nothing can be \
             recorded; boot with lockdown=integrity or without lockdown"
                .into(),
        );
    }
    Ok(())
}

/// Tells what is missing for noticing logins on this host.
///
/// # Errors
/// One line that names what is missing and what helps.
pub fn preflight_logins() -> Result<(), String> {
    if !fs::exists("/proc/self/sessionid").unwrap_or(false) {
        return Err(
            "audit: this kernel gives logins no audit session ids, so none can be told; use a \
             kernel built with CONFIG_AUDITSYSCALL=y"
                .into(),
        );
    }
    Ok(())
}

fn version(release: &str) -> Option<(u32, u32)> {
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
