//! Ways to put the recorder on many hosts: what cloud-init and Ignition are given, and one line of shell.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{self, Folder, Host, Outcome, binary};
use libtest_mimic::Trial;

const CLOUD_INIT: &str = "/usr/bin/cloud-init";
const IGNITION: &str = "/usr/bin/ignition-validate";

/// The line in docs/running.md, with the host and what concerns a host that runs left out.
const LINE: &str = "cat >/var/tmp/recorderd && chmod 755 /var/tmp/recorderd && \
                    /var/tmp/recorderd install; rm /var/tmp/recorderd";

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests_with(
        module_path!(),
        &[
            ("cloud-init takes it", cloud_init_takes_it),
            ("cloud-init's script installs", script_installs),
            ("Ignition takes it", ignition_takes_it),
            ("one line", one_line),
            ("what the binary is made of", made_of),
        ],
        |name| {
            let needs = [("cloud-init", CLOUD_INIT), ("Ignition", IGNITION)];
            let lacks = |(of, program): &&(&str, &str)| {
                name.starts_with(of) && !Path::new(program).exists()
            };
            needs.iter().find(lacks).map(|(of, _)| *of)
        },
    )
}

fn contrib(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("contrib")
        .join(name)
}

fn cloud_init_takes_it() -> Outcome {
    let mut command = Command::new(CLOUD_INIT);
    command
        .args(["schema", "--config-file"])
        .arg(contrib("cloud-init/user-data"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    Ok(())
}

/// An image of a host with systemd.
fn image() -> Folder {
    let folder = Folder::new();
    let systemd = folder.path().join("usr/lib/systemd");
    fs::create_dir_all(&systemd).unwrap();
    fs::write(systemd.join("systemd"), "").unwrap();
    folder
}

fn is_installed(image: &Folder) {
    let program = fs::read(image.path().join("usr/local/bin/recorderd")).unwrap();
    assert!(program == fs::read(binary()).unwrap());
    for file in ["etc/recorderd.yaml", "etc/systemd/system/recorderd.service"] {
        assert!(image.path().join(file).exists(), "{file}");
    }
}

/// Into an image, from a folder instead of a server; a wrong sum is refused.
fn script_installs() -> Outcome {
    let dist = Folder::new();
    let name = format!("recorderd-{}", std::env::consts::ARCH);
    fs::copy(binary(), dist.path().join(&name)).unwrap();
    let sums = |right: bool| {
        let script = format!("cd {} && sha256sum {name}", dist.path().display());
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let text = if right {
            text
        } else {
            "0".repeat(64) + &text[64..]
        };
        fs::write(dist.path().join("SHA256SUMS"), text).unwrap();
    };
    let extract = "import sys, yaml\n\
                   data = yaml.safe_load(open(sys.argv[1]))\n\
                   print(next(f['content'] for f in data['write_files'] if 'install' in f['path']))";
    let mut python = Command::new(common::PYTHON);
    python
        .args(["-c", extract])
        .arg(contrib("cloud-init/user-data"));
    let script = String::from_utf8(python.output().unwrap().stdout).unwrap();
    let url = format!("file://{}", dist.path().display());
    assert!(script.contains("https://example.com/recorderd"));
    let path = dist.path().join("script");
    fs::write(&path, script.replace("https://example.com/recorderd", &url)).unwrap();
    for right in [false, true] {
        sums(right);
        let image = image();
        let mut command = Command::new("sh");
        command.arg(&path).arg("--root").arg(image.path());
        let output = command.output().unwrap();
        assert_eq!(output.status.success(), right, "{output:?}");
        match right {
            true => is_installed(&image),
            false => assert!(!image.path().join("etc").exists()),
        }
    }
    Ok(())
}

/// And it says what the text for Butane does.
fn ignition_takes_it() -> Outcome {
    let [text, config] = ["recorderd.bu", "recorderd.ign"].map(|it| contrib("ignition").join(it));
    let output = Command::new(IGNITION).arg(&config).output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    // What Butane does with the few things that are in it.
    let translate = "import json, sys, urllib.parse, yaml\n\
                     data = yaml.safe_load(open(sys.argv[1]))\n\
                     assert (data.pop('variant'), data.pop('version')) == ('flatcar', '1.0.0')\n\
                     for file in data['storage']['files']:\n\
                     \x20   text = file['contents'].pop('inline', None)\n\
                     \x20   if text: file['contents']['source'] = 'data:,' + urllib.parse.quote(text)\n\
                     print(json.dumps({'ignition': {'version': '3.3.0'}, **data}))";
    let mut python = Command::new(common::PYTHON);
    let output = python.args(["-c", translate]).arg(text).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let translated: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&fs::read(config).unwrap()).unwrap();
    assert_eq!(translated, config);
    Ok(())
}

/// By ssh, into an image.
fn one_line() -> Outcome {
    let running = include_str!("../docs/running.md").replace(" \\\n      ", " ");
    assert!(running.contains(LINE), "{LINE}");
    let host = Host::start();
    let (image, place) = (image(), Folder::new());
    let line = LINE
        .replace("/var/tmp", &place.path().display().to_string())
        .replace(
            "install;",
            &format!("install --root {};", image.path().display()),
        );
    let mut ssh = host.client("ssh");
    ssh.arg("root@127.0.0.1").arg(line);
    let output = ssh
        .stdin(Stdio::from(File::open(binary()).unwrap()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    is_installed(&image);
    Ok(())
}

/// Each crate with its hash.
fn made_of() -> Outcome {
    let output = Command::new(contrib("sbom")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let components = list["components"].as_array().unwrap();
    let names: Vec<_> = components
        .iter()
        .map(|component| component["name"].as_str().unwrap())
        .collect();
    for name in ["rust-std", "aya", "libc", "memchr", "lexopt"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert!(
        !names.contains(&"jsonschema"),
        "what only tests it is in: {names:?}"
    );
    for component in components
        .iter()
        .filter(|component| component["name"] != "rust-std")
    {
        assert_eq!(
            component["hashes"][0]["content"].as_str().map(str::len),
            Some(64),
            "{component}"
        );
    }
    Ok(())
}
