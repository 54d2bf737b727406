//! A cgroup for each session that has none of its own: for isolation and limits, never to tell
//! whose process it is.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::Failed;

/// From linux/magic.h: CGROUP2_SUPER_MAGIC.
const CGROUP2_MAGIC: i64 = 0x6367_7270;

/// How many processes of a session are moved. A move takes long, and whoever forks faster than that
/// must not hold up the daemon.
const MOST: usize = 64;

/// The folder in which the cgroups of sessions are made.
pub struct Cgroups {
    mount: PathBuf,
    base: PathBuf,
    /// Those whose session has ended, but which could not be removed yet.
    ended: Vec<PathBuf>,
    /// Those of a recorder that is gone, in which somebody was still.
    inherited: Vec<PathBuf>,
}

impl Cgroups {
    /// Uses the cgroup2 mounted at `mount`, and mounts it there if nothing is.
    ///
    /// # Errors
    /// What can't be created or mounted, and why.
    pub fn new(mount: &Path, root: &str) -> Result<Self, Failed> {
        let fault = |what: &str, e: io::Error| {
            Failed::new(format!("cgroup_path: {}: {what}", mount.display()), e)
        };
        fs::create_dir_all(mount).map_err(|e| fault("can't be created", e))?;
        if !is_cgroup2(mount).map_err(|e| fault("can't be inspected", e))? {
            mount_cgroup2(mount).map_err(|e| fault("can't mount cgroup2", e))?;
        }
        let base = mount.join(root.trim_start_matches('/'));
        fs::create_dir_all(&base).map_err(|e| fault("can't create root_path in it", e))?;
        let inherited = inherit(&base);
        Ok(Self {
            mount: mount.to_owned(),
            base,
            ended: Vec::new(),
            inherited,
        })
    }

    /// Moves the processes `pids` and their descendants into the session's own cgroup, unless
    /// logind has put them into a scope.
    ///
    /// # Errors
    /// What can't be created or written, and why. Processes that are gone are not an error.
    pub fn adopt(&self, sid: &str, pids: &[u32]) -> Result<(), Failed> {
        if pids.iter().any(|pid| login_scope(*pid).is_some()) {
            return Ok(());
        }
        let cgroup = self.base.join(sid);
        fs::create_dir_all(&cgroup)
            .map_err(|e| Failed::new(format!("cgroup: {}", cgroup.display()), e))?;
        let list = cgroup.join("cgroup.procs");
        let mut left = pids.to_vec();
        // Each once: whoever has gone on to another cgroup is not taken back.
        let mut moved = Vec::new();
        for _ in 0..MOST {
            let Some(pid) = left.pop() else {
                break;
            };
            if moved.contains(&pid) {
                continue;
            }
            moved.push(pid);
            match fs::write(&list, pid.to_string()) {
                Ok(()) => left.extend(children(pid)),
                Err(e) if e.raw_os_error() == Some(libc::ESRCH) => {}
                Err(e) => {
                    let what = format!("cgroup: {}: process {pid}", list.display());
                    return Err(Failed::new(what, e));
                }
            }
        }
        Ok(())
    }

    /// The cgroup of a session, one of whose processes is `pid`: its own, or its scope of logind.
    pub fn of(&self, sid: &str, pid: u32) -> Option<PathBuf> {
        let own = self.base.join(sid);
        if own.exists() {
            return Some(own);
        }
        let scope = login_scope(pid)?;
        Some(self.mount.join(scope.trim_start_matches('/')))
    }

    /// Moves a process into the folder itself, where it is none of a session's; if it can't be, it
    /// stays where it is.
    pub fn set_apart(&self, pid: u32) {
        let _ = fs::write(self.base.join("cgroup.procs"), pid.to_string());
    }

    /// Removes the session's cgroup, now or as soon as it is empty.
    pub fn end(&mut self, sid: &str) {
        self.ended.push(self.base.join(sid));
        self.sweep();
        self.inherited.retain(|cgroup| !is_removed(cgroup));
    }

    /// Tries again what could not be removed; tells whether something is left.
    pub fn sweep(&mut self) -> bool {
        self.ended.retain(|cgroup| !is_removed(cgroup));
        !self.ended.is_empty()
    }
}

/// Removes what a recorder that is gone has left, and lets go of sessions that it held; returns those in
/// which somebody is.
fn inherit(base: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    let cgroups = entries.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir()));
    let mut inherited: Vec<_> = cgroups.map(|cgroup| cgroup.path()).collect();
    inherited.retain(|cgroup| !is_removed(cgroup));
    for cgroup in &inherited {
        let _ = fs::write(cgroup.join("cgroup.freeze"), "0");
    }
    inherited
}

/// Removes a cgroup unless somebody is in it; tells whether there is nothing more to do.
fn is_removed(cgroup: &Path) -> bool {
    let removed = fs::remove_dir(cgroup);
    removed.map_or_else(|e| e.raw_os_error() != Some(libc::EBUSY), |()| true)
}

fn is_cgroup2(path: &Path) -> io::Result<bool> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the structure is plain numbers, and is filled by the call.
    let mut information: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: a string that ends in zero, and the structure above.
    if unsafe { libc::statfs(path.as_ptr(), &mut information) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(information.f_type as i64 == CGROUP2_MAGIC)
}

fn mount_cgroup2(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: strings that end in zero.
    let mounted = unsafe {
        libc::mount(
            c"cgroup2".as_ptr(),
            path.as_ptr(),
            c"cgroup2".as_ptr(),
            libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
            std::ptr::null(),
        )
    };
    if mounted < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The scope that logind has put a process into. It ends a user's manager whose session leaves that,
/// so a session has to stay there.
fn login_scope(pid: u32) -> Option<String> {
    let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let is_scope = |part: &str| part.starts_with("session-") && part.ends_with(".scope");
    path.split('/').any(is_scope).then(|| path.to_owned())
}

fn children(pid: u32) -> Vec<u32> {
    let mut children = Vec::new();
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return children;
    };
    for task in tasks.flatten() {
        let list = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        children.extend(
            list.split_whitespace()
                .filter_map(|pid| pid.parse::<u32>().ok()),
        );
    }
    children
}
