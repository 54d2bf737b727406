//! Calls of 32 bits on a 64-bit kernel of x86: each gives the line of its twin of 64 bits.

use crate::common;
use libtest_mimic::Trial;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests(
        module_path!(),
        &[
            #[cfg(target_arch = "x86_64")]
            ("every call, beside its twin", x86::twins),
            #[cfg(target_arch = "x86_64")]
            ("a program of 32 bits", x86::program),
            #[cfg(target_arch = "x86_64")]
            ("nothing outside a session", x86::outside),
        ],
    )
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::fs;
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::Command;

    use serde_json::Value;

    use crate::common::{Host, ONE, Outcome, PYTHON, of_kind, plain, printed};

    /// Makes every call that is looked at.
    const CALLS: &str = include_str!("compat/calls.py");

    /// Lines of what it does through io_uring: an open, two connects of TCP with their results, two to
    /// local sockets, and a datagram.
    const THROUGH_URING: usize = 8;

    /// Makes all calls by one of the two ways, in a folder that is new each time.
    fn calls(place: &Path, way: &str, peers: &(TcpListener, UdpSocket)) -> String {
        let script = place.join("calls.py");
        fs::write(&script, CALLS).unwrap();
        let tcp = peers.0.local_addr().unwrap().port();
        let udp = peers.1.local_addr().unwrap().port();
        let (script, folder) = (script.display(), place.join("here"));
        let folder = folder.display();
        format!("mkdir {folder} && {PYTHON} -I {script} {way} {folder} {tcp} {udp}; rm -r {folder}")
    }

    /// To connect and to send to.
    fn peers() -> (TcpListener, UdpSocket) {
        let address = "127.0.0.1:0";
        let tcp = TcpListener::bind(address).unwrap();
        (tcp, UdpSocket::bind(address).unwrap())
    }

    /// What was done between the two marks, without what differs from time to time.
    fn between(lines: &[Value]) -> Vec<String> {
        let at = |path: &str| lines.iter().position(|line| line["path"] == path).unwrap();
        let lines = &lines[at("/nowhere/begin") + 1..at("/nowhere/end")];
        let plain = |line: &Value| {
            let mut line = line.clone();
            let is_accepted = line["operation"] == 3;
            let line_keys = line.as_object_mut().unwrap();
            let times = ["duration_us", "cpu_us", "max_memory_kb", "command_uid"];
            for key in times.iter().chain(&["target_pid", "src_port"]) {
                line_keys.shift_remove(*key);
            }
            if is_accepted {
                line_keys.shift_remove("dst_port");
            }
            plain(&line)
        };
        lines.iter().map(plain).collect()
    }

    /// By a program of 64 bits, so that in their lines nothing else differs
    pub fn twins() -> Outcome {
        let host = Host::shared();
        let (place, peers) = (host.folder.shared(), peers());
        let ways = ["native", "compat"].map(|way| calls(&place, way, &peers));
        let results = ways.each_ref().map(|way| host.ssh("root", way));
        assert_eq!(results[0], results[1]);
        // The lines of commands are held against the host.
        fs::create_dir(place.join("here"))?;
        let [native, compat] = ways.map(|way| between(&host.session(&way)));
        for (native, compat) in native.iter().zip(&compat) {
            assert_eq!(native, compat);
        }
        assert_eq!(native.len(), compat.len(), "{native:#?} {compat:#?}");
        assert!(native.len() >= results[0].lines().count(), "{native:#?}");
        let through = compat
            .iter()
            .filter(|line| line.contains(r#""via":"io_uring""#));
        assert_eq!(through.count(), THROUGH_URING, "{compat:#?}");
        Ok(())
    }

    /// An ELF header, one program header that loads all, the code, and what it points to.
    fn executable(code: impl Fn(u32) -> Vec<u8>, texts: &[u8]) -> Vec<u8> {
        let base: u32 = 0x0804_8000;
        let length = code(0).len() as u32 + 84;
        let mut file = b"\x7fELF\x01\x01\x01".to_vec();
        file.resize(16, 0);
        let half_words = |file: &mut Vec<u8>, all: &[u16]| {
            file.extend(all.iter().flat_map(|one| one.to_le_bytes()));
        };
        let words = |file: &mut Vec<u8>, all: &[u32]| {
            file.extend(all.iter().flat_map(|one| one.to_le_bytes()));
        };
        half_words(&mut file, &[2 /* ET_EXEC */, 3 /* EM_386 */]);
        words(&mut file, &[1, base + 84, 52, 0, 0]);
        half_words(&mut file, &[52, 32, 1, 0, 0, 0]);
        let whole = length + texts.len() as u32;
        words(
            &mut file,
            &[1 /* PT_LOAD */, 0, base, base, whole, whole, 5, 4096],
        );
        file.extend(code(base + length));
        file.extend(texts);
        file
    }

    /// The code of a call: its number, and three arguments.
    fn call(registers: [u32; 4]) -> Vec<u8> {
        let load = |(code, value): (u8, u32)| [&[code][..], &value.to_le_bytes()].concat();
        // mov eax, ebx, ecx, edx; int 0x80
        let loads = [0xb8, 0xbb, 0xb9, 0xba].into_iter().zip(registers);
        [loads.flat_map(load).collect(), vec![0xcd, 0x80]].concat()
    }

    /// Marked as such, and told of as any other
    pub fn program() -> Outcome {
        let code = |path| {
            let calls = [
                [39 /* mkdir */, path, 0o750, 0],
                [11 /* execve */, path, 0, 0],
                [23 /* setuid, of 16 bits */, 0xffff, 0, 0],
                [23, 7, 0, 0],
                // By their numbers, of 64 bits these would be an open and an unlink.
                [257 /* remap_file_pages */, path, path, 0],
                [263 /* timer_delete */, path, path, 0],
                [1 /* exit */, 7, 0, 0],
            ];
            calls.into_iter().flat_map(call).collect()
        };
        let host = Host::shared();
        let program = host.folder.path().join("old");
        fs::write(&program, executable(code, b"/nowhere/old\0"))?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        let printed = host.ssh(ONE, &format!("{}; echo $?", program.display()));
        assert_eq!(printed, "7\n");
        let lines = host.sessions(1).remove(0);
        let commands = of_kind(&lines, "session.command").into_iter();
        let ran = commands.map(|line| (&line["path"], &line["compat"], &line["return_code"]));
        let (yes, no) = (Value::Bool(true), Value::Null);
        let [path, nowhere] = [program.to_str().unwrap(), "/nowhere/old"].map(Value::from);
        let [success, missing] = [0, -libc::ENOENT].map(Value::from);
        assert_eq!(
            ran.skip(1).collect::<Vec<_>>(),
            [(&path, &yes, &success), (&nowhere, &no, &missing)]
        );
        let of_program = |event| {
            let all = of_kind(&lines, event).into_iter();
            all.filter(|line| line["program"] == "old")
        };
        let disk = of_program("session.disk").map(|line| {
            let keys = ["operation", "path", "mode", "return_code"];
            keys.map(|key| line[key].to_string())
        });
        assert_eq!(
            disk.collect::<Vec<_>>(),
            [[r#""mkdir""#, r#""/nowhere/old""#, r#""0750""#, "-2"]]
        );
        let privilege = of_program("session.privilege").map(|line| {
            let keys = ["operation", "requested", "return_code"];
            keys.map(|key| line[key].to_string())
        });
        assert_eq!(
            privilege.collect::<Vec<_>>(),
            [[r#""setuid""#, "[-1]", "-22"], [r#""setuid""#, "[7]", "-1"]]
        );
        Ok(())
    }

    /// Of the same calls
    pub fn outside() -> Outcome {
        let host = Host::shared();
        let (place, peers) = (host.folder.shared(), peers());
        let way = calls(&place, "compat", &peers);
        printed(Command::new("sh").args(["-c", &way]));
        host.did(ONE, "true");
        let text = host.text();
        for trace in [place.to_str().unwrap(), "/nowhere/"] {
            assert!(!text.contains(trace), "{text}");
        }
        Ok(())
    }
}
