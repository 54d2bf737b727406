//! `recorderd install` and `uninstall`, in images of hosts.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::{self, Folder, Outcome, binary};
use libtest_mimic::Trial;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            ("a host with systemd", systemd),
            ("a host with OpenRC", openrc),
            ("a host with busybox", busybox),
            ("a host whose /usr is read-only", read_only),
            ("another init is refused", another_init),
            ("nothing is overwritten", nothing_is_overwritten),
            ("uninstall leaves what was changed", uninstall_leaves),
        ],
    )
}

/// An image with these files in it.
fn image(files: &[&str]) -> Folder {
    let folder = Folder::new();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    folder
}

const SYSTEMD: &str = "usr/lib/systemd/systemd";
const UNIT: &str = "etc/systemd/system/recorderd.service";
const WANTS: &str = "etc/systemd/system/multi-user.target.wants/recorderd.service";
const CONFIG: &str = "etc/recorderd.yaml";

fn recorderd(command: &str, image: &Folder, more: &[&str]) -> Output {
    let mut program = Command::new(binary());
    program.args([command, "--root"]).arg(image.path());
    program.args(more).output().unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Everything in the image, but folders, by path.
fn content(image: &Folder) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![image.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path();
                found.push(path.strip_prefix(image.path()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Twice is as good as once, and all goes again.
fn systemd() -> Outcome {
    let image = image(&[SYSTEMD]);
    let output = recorderd("install", &image, &[]);
    let written = [
        "/usr/local/bin/recorderd: written",
        "/etc/recorderd.yaml: written",
        "/etc/systemd/system/recorderd.service: written",
        "/etc/systemd/system/multi-user.target.wants/recorderd.service: written",
    ];
    assert_eq!(lines(&output), written);
    assert_eq!(output.status.code(), Some(0));
    let program = image.path().join("usr/local/bin/recorderd");
    assert_eq!(fs::read(&program)?, fs::read(binary())?);
    let unit = fs::read_to_string(image.path().join(UNIT))?;
    let start = "\nExecStart=/usr/local/bin/recorderd --config /etc/recorderd.yaml\n";
    assert!(unit.contains(start), "{unit}");
    assert_eq!(
        fs::read_link(image.path().join(WANTS))?,
        Path::new("/etc/systemd/system/recorderd.service")
    );
    let modes = [(&program, 0o755), (&image.path().join(UNIT), 0o644)];
    for (path, expected) in modes {
        assert_eq!(mode(path), expected, "{path:?}");
    }
    let config = image.path().join(CONFIG);
    assert_eq!(mode(&config), 0o640);
    let check = Command::new(binary())
        .args(["config", "check"])
        .arg(config)
        .status()?;
    assert!(check.success());
    let before = content(&image);
    let output = recorderd("install", &image, &[]);
    assert_eq!(
        lines(&output),
        written.map(|line| line.replace("written", "up to date"))
    );
    assert_eq!((output.status.code(), content(&image)), (Some(0), before));
    let log = image.path().join("var/lib/recorderd/log/file");
    fs::create_dir_all(log.parent().unwrap())?;
    fs::write(log, "")?;
    let output = recorderd("uninstall", &image, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let left = ["usr/lib/systemd/systemd", "var/lib/recorderd/log/file"];
    assert_eq!(content(&image), left.map(PathBuf::from));
    // And again, where there is nothing.
    assert_eq!(
        lines(&recorderd("uninstall", &image, &[])),
        ["the log is kept"]
    );
    Ok(())
}

fn openrc() -> Outcome {
    let image = image(&["sbin/openrc-run"]);
    let output = recorderd("install", &image, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let script = image.path().join("etc/init.d/recorderd");
    assert_eq!(mode(&script), 0o755);
    let text = fs::read_to_string(&script)?;
    assert!(text.contains("\ncommand=/usr/local/bin/recorderd\n"));
    assert!(Command::new("sh").arg("-n").arg(script).status()?.success());
    assert!(
        content(&image).contains(&"etc/runlevels/default/recorderd".into()),
        "{output:?}"
    );
    assert!(recorderd("uninstall", &image, &[]).status.success());
    assert_eq!(content(&image), [PathBuf::from("sbin/openrc-run")]);
    Ok(())
}

/// The lines of others stay.
fn busybox() -> Outcome {
    let image = image(&["bin/busybox", "etc/inittab"]);
    fs::create_dir(image.path().join("sbin"))?;
    symlink("/bin/busybox", image.path().join("sbin/init"))?;
    let inittab = image.path().join("etc/inittab");
    let others = "::sysinit:/etc/rc\n::respawn:getty 9600 tty1";
    fs::write(&inittab, others)?;
    let ours = "::respawn:/usr/local/bin/recorderd --config /etc/recorderd.yaml\n";
    for _ in 0..2 {
        assert!(recorderd("install", &image, &[]).status.success());
        assert_eq!(fs::read_to_string(&inittab)?, format!("{others}\n{ours}"));
        assert_eq!(mode(&inittab), 0o644);
    }
    assert!(recorderd("uninstall", &image, &[]).status.success());
    assert_eq!(fs::read_to_string(&inittab)?, format!("{others}\n"));
    Ok(())
}

/// As on Flatcar, the program goes to /opt/bin.
fn read_only() -> Outcome {
    let image = image(&[SYSTEMD]);
    fs::create_dir_all(image.path().join("usr/local/bin"))?;
    // The mount is gone with the shell that has made it.
    let script = "mount --bind \"$1/usr\" \"$1/usr\" && mount -o remount,ro,bind \"$1/usr\" && \
                  exec \"$2\" install --root \"$1\"";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(image.path())
        .arg(binary())
        .output()?;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = fs::read_to_string(image.path().join(UNIT))?;
    assert!(text.contains("\nExecStart=/opt/bin/recorderd --config"));
    assert!(image.path().join("opt/bin/recorderd").exists());
    Ok(())
}

/// Nothing is written before it is known what to do.
fn another_init() -> Outcome {
    let image = image(&["sbin/init", "etc/inittab"]);
    let output = recorderd("install", &image, &[]);
    assert_eq!(output.status.code(), Some(1));
    let error = lines(&output).remove(0);
    assert!(
        error.starts_with("recorderd: neither systemd, OpenRC nor busybox"),
        "{error}"
    );
    assert_eq!(content(&image).len(), 2);
    Ok(())
}

/// But with --force, and the config never.
fn nothing_is_overwritten() -> Outcome {
    let image = image(&[SYSTEMD, UNIT, CONFIG, "usr/local/bin/recorderd"]);
    let output = recorderd("install", &image, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        lines(&output)[..3],
        [
            "/usr/local/bin/recorderd: kept, because it was modified; --force replaces it",
            "/etc/recorderd.yaml: kept",
            "/etc/systemd/system/recorderd.service: kept, because it was modified; --force replaces it",
        ]
    );
    let length = |path: &str| fs::metadata(image.path().join(path)).unwrap().len();
    assert_eq!((length(UNIT), length("usr/local/bin/recorderd")), (0, 0));
    let output = recorderd("install", &image, &["--force"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(length(UNIT) > 0 && length("usr/local/bin/recorderd") > 0);
    assert_eq!(length(CONFIG), 0);
    Ok(())
}

fn uninstall_leaves() -> Outcome {
    let image = image(&[SYSTEMD]);
    assert!(recorderd("install", &image, &[]).status.success());
    for path in [UNIT, CONFIG] {
        let path = image.path().join(path);
        let text = fs::read_to_string(&path)?;
        fs::write(path, text + "# changed\n")?;
    }
    let output = recorderd("uninstall", &image, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let left = [CONFIG, UNIT, SYSTEMD].map(PathBuf::from);
    assert_eq!(content(&image), left);
    let output = recorderd("uninstall", &image, &["--force"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let left = [CONFIG, SYSTEMD].map(PathBuf::from);
    assert_eq!(content(&image), left);
    Ok(())
}
