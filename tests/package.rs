//! What contrib/package makes: installed by dpkg and rpm, merged by systemd-sysext, run by crun.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::common::{self, Folder, Host, Outcome, Process, printed, write_config};

/// What systemd-sysext compares an extension with.
const OS_RELEASE: &str = "ID=flatcar\nVERSION_ID=4000.0.0\n";

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    let needs = [
        ("deb", "/usr/bin/dpkg-deb"),
        ("rpm", "/usr/bin/rpmbuild"),
        ("system extension", "/usr/bin/mksquashfs"),
        ("image", "/usr/bin/crun"),
        ("signature", "/usr/bin/minisign"),
    ];
    common::tests_with(
        module_path!(),
        &[
            ("the same bytes each time", same_bytes),
            ("what each has", what_each_has),
            ("signature", signature),
            ("deb", deb),
            ("rpm", rpm),
            ("system extension", system_extension),
            ("image", image),
        ],
        |name| match program().exists() {
            false => Some("dist/"),
            true => {
                let lacks = |(of, program): &&(&str, &'static str)| {
                    name == *of && !Path::new(program).exists()
                };
                needs.iter().find(lacks).map(|(_, program)| *program)
            }
        },
    )
}

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What the packages are made of.
fn program() -> PathBuf {
    checkout()
        .join("dist")
        .join(format!("recorderd-{ARCHITECTURE}"))
}

const ARCHITECTURE: &str = std::env::consts::ARCH;

/// As Debian, systemd and OCI call this machine.
fn names() -> (&'static str, &'static str) {
    match ARCHITECTURE {
        "aarch64" => ("arm64", "arm64"),
        _ => ("amd64", "x86-64"),
    }
}

/// Makes the packages of this machine in `folder`.
fn make(folder: &Path, options: &[&str]) {
    let mut command = Command::new(checkout().join("contrib/package/run"));
    command.args(options).arg("--out").arg(folder);
    printed(command.arg(ARCHITECTURE));
}

/// The file in `folder` whose name ends so.
fn made(folder: &Path, end: &str) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let mut fitting = files.filter(|file| file.to_string_lossy().ends_with(end));
    let found = fitting.next().unwrap_or_else(|| panic!("no {end}"));
    assert_eq!(fitting.next(), None, "{end}");
    found
}

fn same_bytes() -> Outcome {
    let [one, other] = [Folder::new(), Folder::new()];
    make(one.path(), &[]);
    make(other.path(), &[]);
    let [sums, others] = [&one, &other].map(|it| fs::read_to_string(it.path().join("SHA256SUMS")));
    let sums = sums?;
    assert_eq!(sums.lines().count(), 6, "{sums}");
    assert_eq!(sums, others?);
    let mut check = Command::new("sha256sum");
    printed(
        check
            .args(["--check", "--strict", "SHA256SUMS"])
            .current_dir(one.path()),
    );
    Ok(())
}

fn what_each_has() -> Outcome {
    let folder = Folder::new();
    make(folder.path(), &[]);
    let version = env!("CARGO_PKG_VERSION");
    let list = |program: &str, options: &[&str], end: &str| {
        let mut command = Command::new(program);
        printed(command.args(options).arg(made(folder.path(), end)))
    };
    let top = format!("./recorderd-{version}/");
    let archive = list("tar", &["--list", "--gzip", "--file"], ".tar.gz");
    let archive: Vec<_> = archive
        .lines()
        .filter_map(|it| it.strip_prefix(&top))
        .collect();
    let documents = ["CHANGELOG.md", "LICENSE", "README.md"];
    assert_eq!(
        archive,
        [
            "",
            documents[0],
            documents[1],
            documents[2],
            "recorderd",
            "recorderd.8"
        ]
    );
    // A tree of files, the same in both.
    let tree = [
        "/etc/recorderd.yaml",
        "/usr/bin/recorderd",
        "/usr/lib/systemd/system/recorderd.service",
        "/usr/share/bash-completion/completions/recorderd",
        "/usr/share/doc/recorderd/CHANGELOG.md",
        "/usr/share/doc/recorderd/LICENSE",
        "/usr/share/doc/recorderd/README.md",
        "/usr/share/man/man8/recorderd.8.gz",
    ];
    let deb = list("dpkg-deb", &["--contents"], ".deb");
    let deb = deb.lines().filter(|line| line.starts_with('-'));
    let deb: Vec<_> = deb.map(|line| line.rsplit(" .").next().unwrap()).collect();
    assert_eq!(deb, tree);
    let rpm = list("rpm", &["--query", "--list", "--package"], ".rpm");
    let rpm: Vec<_> = rpm
        .lines()
        .filter(|line| *line != "/usr/share/doc/recorderd")
        .collect();
    assert_eq!(rpm, tree);
    Ok(())
}

fn signature() -> Outcome {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (public, secret, packages) = (path("public"), path("secret"), path("packages"));
    printed(Command::new("minisign").args(["-G", "-W", "-p", &public, "-s", &secret]));
    make(packages.as_ref(), &["--key", &secret]);
    let sums = format!("{packages}/SHA256SUMS");
    let verify = || {
        let mut command = Command::new("minisign");
        command
            .args(["-V", "-p", &public, "-m", &sums])
            .output()
            .unwrap()
    };
    assert!(verify().status.success(), "{:?}", verify());
    fs::write(&sums, "0  recorderd\n")?;
    assert!(!verify().status.success());
    Ok(())
}

/// A root with nothing but a shell for the packages' scripts. Its systemd has not been started.
fn root() -> Folder {
    let root = Folder::new();
    let bin = root.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
    for name in ["sh", "echo"] {
        std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
    }
    root
}

/// What has to be there of an installed package, by whichever tool.
fn assert_installed(root: &Path, config: &str) {
    let path = |name: &str| root.join(name);
    assert_eq!(
        fs::read(path("usr/bin/recorderd")).unwrap(),
        fs::read(program()).unwrap()
    );
    let unit = fs::read_to_string(path("usr/lib/systemd/system/recorderd.service")).unwrap();
    assert!(
        unit.contains("\nExecStart=/usr/bin/recorderd --config /etc/recorderd.yaml\n"),
        "{unit}"
    );
    assert_eq!(
        fs::read_to_string(path("etc/recorderd.yaml")).unwrap(),
        config
    );
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path("etc/recorderd.yaml")).unwrap();
    assert_eq!(
        (metadata.mode() & 0o7777, metadata.uid(), metadata.gid()),
        (0o640, 0, 0)
    );
}

/// Installs, upgrades and removes with `tool`, which gets the root, what is to be done, and the package.
fn life(end: &str, tool: impl Fn(&Path, &str, &Path)) {
    let (packages, root) = (Folder::new(), root());
    make(packages.path(), &[]);
    let package = made(packages.path(), end);
    let config = printed(Command::new(program()).args(["config", "--print-default"]));
    tool(root.path(), "install", &package);
    assert_installed(root.path(), &config);
    let own = format!("{config}log_days: 7\n");
    fs::write(root.path().join("etc/recorderd.yaml"), &own).unwrap();
    fs::write(root.path().join("usr/bin/recorderd"), "an older one").unwrap();
    let log = root.path().join("var/lib/recorderd/log");
    fs::create_dir_all(&log).unwrap();
    tool(root.path(), "upgrade", &package);
    assert_installed(root.path(), &own);
    tool(root.path(), "remove", &package);
    let rest = |path: &str| root.path().join(path).exists();
    assert!(!rest("usr/bin/recorderd") && !rest("usr/lib/systemd/system/recorderd.service"));
    assert!(log.exists());
    // What was changed stays, under the name that the tool gives it.
    assert!(rest("etc/recorderd.yaml") || rest("etc/recorderd.yaml.rpmsave"));
}

fn deb() -> Outcome {
    life(".deb", |root, act, package| {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg(format!("--root={}", root.display()))
            .arg("--force-depends");
        fs::create_dir_all(root.join("var/lib/dpkg/info")).unwrap();
        fs::create_dir_all(root.join("var/lib/dpkg/updates")).unwrap();
        let status = root.join("var/lib/dpkg/status");
        if !status.exists() {
            fs::write(status, "").unwrap();
        }
        match act {
            "remove" => dpkg.args(["--remove", "recorderd"]),
            _ => dpkg.arg("--install").arg(package),
        };
        printed(&mut dpkg);
    });
    Ok(())
}

fn rpm() -> Outcome {
    life(".rpm", |root, act, package| {
        let mut rpm = Command::new("rpm");
        rpm.arg("--root").arg(root);
        match act {
            "remove" => rpm.args(["--erase", "recorderd"]),
            "upgrade" => rpm.args(["--upgrade", "--force", "--nodeps"]).arg(package),
            _ => rpm.args(["--install", "--nodeps"]).arg(package),
        };
        printed(&mut rpm);
    });
    Ok(())
}

fn system_extension() -> Outcome {
    let (packages, host) = (Folder::new(), Folder::new());
    make(packages.path(), &[]);
    for folder in ["usr/lib", "etc/extensions", "var", "run"] {
        fs::create_dir_all(host.path().join(folder))?;
    }
    fs::write(host.path().join("usr/lib/os-release"), OS_RELEASE)?;
    let image = made(packages.path(), &format!("{}.raw", names().1));
    fs::copy(image, host.path().join("etc/extensions/recorderd.raw"))?;
    // In a mount namespace of its own, whose mounts reach systemd-sysext and come back from it.
    let script = "list() { (cd \"$1/usr\" && find . -name .systemd-sysext -prune -o ! -type d -print | sort) }; \
                  mount --make-rprivate / && mount --make-rshared / && mount -t tmpfs none /run && \
                  mount --make-shared /run && mount --bind \"$1\" \"$1\" && mount --make-shared \"$1\" && \
                  systemd-sysext --root=\"$1\" merge >&2 && list \"$1\" && \
                  chroot \"$1\" /usr/bin/recorderd --version && \
                  cp \"$1/usr/lib/systemd/system/recorderd.service\" \"$1/var/unit\" && \
                  systemd-sysext --root=\"$1\" unmerge >&2 && list \"$1\"";
    let mut command = Command::new("unshare");
    let shown = printed(
        command
            .args(["-m", "sh", "-c", script, "sh"])
            .arg(host.path()),
    );
    let expected = format!(
        "./bin/recorderd\n./lib/extension-release.d/extension-release.recorderd\n./lib/os-release\n\
         ./lib/systemd/system/multi-user.target.d/recorderd.conf\n./lib/systemd/system/recorderd.service\n\
         ./lib/systemd/system/recorderd.service.d/config.conf\n./lib/tmpfiles.d/recorderd.conf\n\
         ./share/recorderd/recorderd.yaml\nrecorderd {}\n./lib/os-release\n",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(shown, expected);
    let unit = fs::read_to_string(host.path().join("var/unit"))?;
    assert!(
        unit.contains("\nExecStart=/usr/bin/recorderd --config /etc/recorderd.yaml\n"),
        "{unit}"
    );
    // A host without a config gets one from the extension.
    let tree = Folder::new();
    let raw = host.path().join("etc/extensions/recorderd.raw");
    let place = tree.path().join("root");
    printed(
        Command::new("unsquashfs")
            .args(["-quiet", "-no-progress", "-dest"])
            .arg(&place)
            .arg(raw),
    );
    let mut create = Command::new("systemd-tmpfiles");
    create.arg(format!("--root={}", place.display()));
    printed(create.args(["--create", "recorderd.conf"]));
    let config = printed(Command::new(program()).args(["config", "--print-default"]));
    assert_installed(&place, &config);
    Ok(())
}

/// The capabilities that root has here, of which a host has all.
fn capabilities() -> Vec<String> {
    let names = [
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "IPC_OWNER",
        "SYS_MODULE",
        "SYS_RAWIO",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "SYS_PACCT",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_NICE",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "MKNOD",
        "LEASE",
        "AUDIT_WRITE",
        "AUDIT_CONTROL",
        "SETFCAP",
        "MAC_OVERRIDE",
        "MAC_ADMIN",
        "SYSLOG",
        "WAKE_ALARM",
        "BLOCK_SUSPEND",
        "AUDIT_READ",
        "PERFMON",
        "BPF",
        "CHECKPOINT_RESTORE",
    ];
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let bounds = status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:"))
        .unwrap();
    let bounds = u64::from_str_radix(bounds.trim(), 16).unwrap();
    let names = names
        .iter()
        .enumerate()
        .filter(|(bit, _)| bounds >> bit & 1 == 1);
    names.map(|(_, name)| format!("CAP_{name}")).collect()
}

/// A container as the DaemonSet has it.
fn image() -> Outcome {
    let (packages, folder) = (Folder::new(), Folder::new());
    make(packages.path(), &[]);
    let bundle = packages.path().join("bundle");
    let layout = packages.path().join("layout");
    fs::create_dir(&layout)?;
    let mut unpack = Command::new("tar");
    printed(
        unpack
            .arg("-xf")
            .arg(made(packages.path(), "-oci.tar"))
            .arg("-C")
            .arg(&layout),
    );
    let image = format!("{}:{}", layout.display(), env!("CARGO_PKG_VERSION"));
    printed(
        Command::new("umoci")
            .args(["unpack", "--image", &image])
            .arg(&bundle),
    );

    let config = write_config(folder.path(), "");
    let spec = bundle.join("config.json");
    let mut container: Value = serde_json::from_str(&fs::read_to_string(&spec)?)?;
    let process = &mut container["process"];
    assert_eq!(
        process["args"],
        json!(["/usr/bin/recorderd", "--config", "/etc/recorderd.yaml"])
    );
    process["args"][2] = json!(config);
    process["terminal"] = json!(false);
    process["noNewPrivileges"] = json!(false);
    process.as_object_mut().unwrap().remove("rlimits");
    let rights = capabilities();
    process["capabilities"] = json!({"bounding": rights, "effective": rights, "permitted": rights});
    let bind = |path: &str, more: &[&str]| {
        let options: Vec<_> = ["rbind"].iter().chain(more).collect();
        json!({"destination": path, "source": path, "type": "bind", "options": options})
    };
    container["mounts"] = json!([
        {"destination": "/proc", "source": "proc", "type": "proc"},
        {"destination": "/dev", "source": "tmpfs", "type": "tmpfs"},
        {"destination": "/tmp", "source": "tmpfs", "type": "tmpfs"},
        bind("/sys", &[]),
        bind("/etc/passwd", &["ro"]),
        bind("/etc/group", &["ro"]),
        bind(&folder.path().display().to_string(), &[]),
    ]);
    // The processes and the network are those of the host.
    container["linux"] = json!({"namespaces": [{"type": "mount"}]});
    container.as_object_mut().unwrap().remove("hostname");
    fs::write(&spec, container.to_string())?;
    let name = format!("recorderd-{}", std::process::id());
    let crun = |words: &[&str]| {
        let mut command = Command::new("crun");
        command.arg("--cgroup-manager=disabled").args(words);
        command
    };
    let mut daemon = Process::spawn(crun(&["run", "--bundle"]).arg(&bundle).arg(&name));
    daemon.wait_for("ready");
    let mut host = Host::serve(folder, daemon, "");
    let lines = host.did("recorded-one", "cat /etc/hostname");
    let commands = common::lines::of_kind(&lines, "session.command");
    let cat = commands
        .iter()
        .find(|it| it["argv"] == json!(["/etc/hostname"]));
    assert_eq!(cat.unwrap()["login"], json!("recorded-one"), "{lines:?}");
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname")?;
    assert_eq!(cat.unwrap()["server_hostname"], json!(hostname.trim()));
    printed(&mut crun(&["kill", &name, "TERM"]));
    assert_eq!(host.daemon.child.wait()?.code(), Some(0));
    Ok(())
}
