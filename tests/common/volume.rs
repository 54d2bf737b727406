//! A log on a file system of its own, in a mount namespace of its own.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{Folder, Process, binary, write_config};

/// A mount namespace in which the log has a file system of its own.
pub struct Volume {
    holder: Process,
    folder: PathBuf,
}

impl Volume {
    /// `mount` puts a file system on `$log`, in a script that has `$folder` as well.
    pub fn new(folder: &Folder, mount: &str) -> Self {
        let folder = folder.path().to_owned();
        let script = format!(
            "folder={0}; log={0}/log; mkdir -p $log && {mount} && echo mounted >&2 && \
             exec sleep infinity",
            folder.display()
        );
        let mut holder = Process::spawn(Command::new("unshare").args(["-m", "sh", "-c", &script]));
        holder.wait_for("mounted");
        Self { holder, folder }
    }

    /// A command that will run with the file system.
    pub fn enter(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg("-m")
            .arg("-t")
            .arg(self.holder.child.id().to_string());
        command.arg(program).stdin(Stdio::null());
        command
    }

    /// Runs a script with the file system.
    pub fn run(&self, script: &str) {
        let script = format!("folder={0}; log={0}/log; {script}", self.folder.display());
        let output = self.enter("sh").args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
    }

    /// Starts a daemon with its log there, and waits until it is ready.
    pub fn daemon(&self, config: &str) -> Process {
        let config = write_config(&self.folder, config);
        let mut daemon = Process::spawn(self.enter(binary()).arg("--config").arg(config));
        daemon.wait_for("ready");
        daemon
    }

    /// The root, as it is in there.
    pub fn root(&self) -> PathBuf {
        format!("/proc/{}/root", self.holder.child.id()).into()
    }

    /// The folder of the test, as it is in there.
    pub fn seen(&self) -> PathBuf {
        self.root().join(self.folder.strip_prefix("/").unwrap())
    }

    /// Leaves no space.
    pub fn fill(&self) {
        self.run("cat /dev/zero >$log/ballast 2>/dev/null; true");
    }
}
