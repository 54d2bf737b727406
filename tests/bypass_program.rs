//! Ways to hide what is run behind another name or program, or to need no program at all.
//!
//! Programs in memory, deleted ones and chains of `#!` are in tests/fidelity.rs, `base64 -d | sh` and
//! `eval` in tests/command.rs.

use std::fs;
use std::net::TcpListener;

use crate::common::ways::{PYTHON_ALONE, command_of, connections, opened, place, ran};
use crate::common::{self, Host, ONE, Outcome, of_kind};
use libc::{O_APPEND, O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY};
use libtest_mimic::Trial;
use serde_json::json;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests_on(
        module_path!(),
        Host::start,
        &[
            ("one program that is many", busybox),
            ("the loader run as a program", loader),
            ("a library put before all others", preload),
            ("what the shell does itself", builtins),
            ("what an interpreter does itself", interpreters),
            ("a program made of character codes", character_codes),
            ("a program without letters", punctuation),
            ("a program in fragments", fragments),
        ],
    )
}

/// Its file, its name for what it does, and what it opens
fn busybox(host: &Host) -> Outcome {
    let place = place(host, "busybox");
    fs::write(place.join("there"), "text\n")?;
    std::os::unix::fs::symlink("/usr/bin/busybox", place.join("cat"))?;
    let script = format!("cd {}; busybox cat there; ./cat there; :", place.display());
    let lines = host.did(ONE, &script);
    assert_eq!(
        ran(&lines)[1..],
        [
            json!(["/usr/bin/busybox", "cat", "there"]),
            json!(["./cat", "there"])
        ]
    );
    for command in &of_kind(&lines, "session.command")[1..] {
        assert_eq!(command["exe"], "/usr/bin/busybox");
    }
    for program in ["busybox", "cat"] {
        assert_eq!(
            opened(&lines, program, &place),
            [json!(["there", O_RDONLY, 0])]
        );
    }
    Ok(())
}

/// The command is the loader; that it opens the program is on record, too
fn loader(host: &Host) -> Outcome {
    let place = place(host, "loader");
    let program = place.join("hidden");
    fs::copy("/bin/true", &program)?;
    // Not executable: the kernel would refuse it.
    std::fs::set_permissions(
        &program,
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )?;
    let loader = match cfg!(target_arch = "x86_64") {
        true => "/lib64/ld-linux-x86-64.so.2",
        false => "/lib/ld-linux-aarch64.so.1",
    };
    let script = format!("{loader} {} loaded; :", program.display());
    let lines = host.did(ONE, &script);
    assert_eq!(ran(&lines)[1..], [json!([loader, program, "loaded"])]);
    let name = loader.rsplit('/').next().unwrap();
    let opened = opened(&lines, &name[..name.len().min(15)], &place);
    assert_eq!(opened.len(), 1, "{opened:?}");
    assert_eq!(
        (&opened[0][0], &opened[0][2]),
        (&json!("hidden"), &json!(0))
    );
    Ok(())
}

/// The variable is shown with the command, and the library is opened
fn preload(host: &Host) -> Outcome {
    let place = place(host, "preload");
    let library = common::printed(
        std::process::Command::new("sh").args(["-c", "ls /lib/*-linux-gnu/libm.so.6"]),
    );
    fs::copy(library.trim(), place.join("evil.so"))?;
    let script = format!(
        "LD_PRELOAD={}/evil.so /bin/true preloaded; :",
        place.display()
    );
    let lines = host.did(ONE, &script);
    assert_eq!(
        command_of(&lines, "preloaded")["environment"],
        json!({"LD_PRELOAD": place.join("evil.so")})
    );
    let opened = opened(&lines, "true", &place);
    assert_eq!(opened.len(), 1, "{lines:#?}");
    assert_eq!(
        (&opened[0][0], &opened[0][2]),
        (&json!("evil.so"), &json!(0))
    );
    Ok(())
}

/// Files and connections without running anything
fn builtins(host: &Host) -> Outcome {
    let place = place(host, "builtins");
    fs::write(
        place.join("sourced"),
        "read line < there; echo $line > copy; echo more >> copy\n",
    )?;
    fs::write(place.join("there"), "text\n")?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let script = format!(
        "cd {}; source ./sourced; exec 3<>/dev/tcp/127.0.0.1/{port}; echo word >&3",
        place.display()
    );
    let lines = host.did(ONE, &script);
    assert_eq!(ran(&lines), [json!(["/bin/bash", "-c", script])]);
    assert_eq!(
        opened(&lines, "bash", &place),
        [
            json!(["sourced", O_RDONLY, 0]),
            json!(["there", O_RDONLY, 0]),
            json!(["copy", O_WRONLY | O_CREAT | O_TRUNC, 0]),
            json!(["copy", O_WRONLY | O_CREAT | O_APPEND, 0]),
        ]
    );
    assert_eq!(connections(&lines), [json!(["bash", 0, port])]);
    Ok(())
}

/// Python, Perl and awk read a file and connect
fn interpreters(host: &Host) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let programs = [
        (
            "python3",
            format!(
                "{PYTHON_ALONE} 'import socket; open(\"there\"); \
                 socket.create_connection((\"127.0.0.1\", {port}))'"
            ),
        ),
        (
            "perl",
            format!(
                "perl -e 'use Socket; open(F, \"there\"); socket(S, AF_INET, SOCK_STREAM, 0); \
                 connect(S, pack_sockaddr_in({port}, inet_aton(\"127.0.0.1\")))'"
            ),
        ),
        (
            "gawk",
            format!(
                "gawk 'BEGIN {{ getline < \"there\"; print \"word\" |& \"/inet/tcp/0/127.0.0.1/{port}\" }}'"
            ),
        ),
    ];
    for (program, command) in programs {
        let place = place(host, program);
        fs::write(place.join("there"), "text\n")?;
        let lines = host.did(ONE, &format!("cd {}; {command}", place.display()));
        assert_eq!(ran(&lines).len(), 2, "{:#?}", ran(&lines));
        let opened = opened(&lines, program, &place);
        assert_eq!(opened.len(), 1, "{opened:?}");
        assert_eq!((&opened[0][0], &opened[0][2]), (&json!("there"), &json!(0)));
        // gawk asks the kernel for addresses by datagram sockets of port 0.
        let mut connections = connections(&lines);
        connections.retain(|connection| connection[2] != 0);
        assert_eq!(connections, [json!([program, 0, port])]);
    }
    Ok(())
}

/// Numbers, turned into characters by arithmetic, turned into a command by `eval`
fn character_codes(host: &Host) -> Outcome {
    // Each is its place in the list away from the code that is meant.
    let meant = "/bin/true counted out";
    let codes: Vec<String> = meant
        .bytes()
        .zip(0..)
        .map(|(code, index)| (u32::from(code) + 3 * index).to_string())
        .collect();
    let script = format!(
        "i=0; p=; for n in {}; do printf -v o %o $((n - 3 * i++)); printf -v c \"\\\\$o\"; p+=$c; done; eval \"$p\"; :",
        codes.join(" ")
    );
    let lines = host.did(ONE, &script);
    assert_eq!(ran(&lines)[1..], [json!(["/bin/true", "counted", "out"])]);
    Ok(())
}

/// Letters are taken out of the name of the home, by numbers counted up from that of the arguments
fn punctuation(host: &Host) -> Outcome {
    // 0, 1, 2, and where the letters of `od` are in /home/recorded-one: 2 and 11.
    let script = "__=~; ___=$#; ((____=++___+___)); ((_____=____**____*____+____+___)); \
                  ${__:____:___}${__:_____:___}";
    assert!(!script.contains(|c: char| c.is_ascii_alphanumeric()));
    let lines = host.did(ONE, script);
    assert_eq!(ran(&lines)[1..], [json!(["/usr/bin/od"])]);
    Ok(())
}

/// Written to folders with odd names, and put together by their pattern
fn fragments(host: &Host) -> Outcome {
    let place = place(host, "fragments");
    let script = format!(
        "cd {}; mkdir ' ' '...' $'\\t' '-'; printf %s /bin/ > ' /1'; printf %s tru > '.../2'; \
         printf 'e put ' > $'\\t/3'; printf together > './-/4'; \
         for i in 1 2 3 4; do for f in */$i .../$i; do [[ -f $f ]] && p+=$(<\"$f\"); done; done; \
         eval \"$p\"; :",
        place.display()
    );
    let lines = host.did(ONE, &script);
    let commands = ran(&lines);
    assert_eq!(
        commands[1],
        json!(["/usr/bin/mkdir", " ", "...", "\t", "-"])
    );
    assert_eq!(commands[2..], [json!(["/bin/true", "put", "together"])]);
    let mut files: Vec<String> = opened(&lines, "bash", &place)
        .into_iter()
        .filter(|file| file[1] == O_RDONLY)
        .map(|file| file[0].as_str().unwrap().to_owned())
        .filter(|name| name.contains('/'))
        .collect();
    files.sort();
    assert_eq!(files, ["\t/3", " /1", "-/4", ".../2"]);
    Ok(())
}
