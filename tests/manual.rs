//! What is made from the command line: the manual page, and what completes it in a shell.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{self, Folder, Outcome, binary};
use libtest_mimic::Trial;

/// The tests of this file.
pub fn tests() -> Vec<Trial> {
    common::tests_with(
        module_path!(),
        &[
            ("the page is well formed", page_is_well_formed),
            ("the page is shown", page_is_shown),
            ("bash completes", bash_completes),
            ("all of it is taken", all_of_it_is_taken),
            ("nothing is asked for", nothing_asked),
            ("words are misspelled", misspelled),
            ("each command has a help", each_has_help),
        ],
        |name| {
            let lacks = name == "the page is well formed" && !Path::new("/usr/bin/mandoc").exists();
            lacks.then_some("mandoc")
        },
    )
}

fn printed(arguments: &[&str]) -> String {
    let output = Command::new(binary()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The page in a file.
fn page(folder: &Folder) -> std::path::PathBuf {
    let path = folder.path().join("recorderd.8");
    fs::write(&path, printed(&["man"])).unwrap();
    path
}

fn page_is_well_formed() -> Outcome {
    let folder = Folder::new();
    let output = Command::new("mandoc")
        .args(["-Tlint", "-Wwarning"])
        .arg(page(&folder))
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "{output:?}"
    );
    Ok(())
}

fn page_is_shown() -> Outcome {
    let folder = Folder::new();
    let output = Command::new("man")
        .args(["--warnings", "-l"])
        .arg(page(&folder))
        .env("MANWIDTH", "100")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "show SID [--flat] [OPTIONS]",
        "--since, --until TIME",
        "command_buffer_size",
        "(/dev/log)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    Ok(())
}

/// What bash offers for a command line that ends in the last word.
fn offered(words: &[&str]) -> Vec<String> {
    let script = format!(
        "set -eu\n{}\nCOMP_WORDS=({}) COMP_CWORD={}\n_recorderd\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        printed(&["completions", "bash"]),
        words
            .iter()
            .map(|word| format!("'{word}'"))
            .collect::<Vec<_>>()
            .join(" "),
        words.len() - 1,
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn bash_completes() -> Outcome {
    assert_eq!(
        offered(&["recorderd", "se"]),
        ["seal", "search", "sessions"]
    );
    assert_eq!(
        offered(&["recorderd", "show", "--f"]),
        ["--family", "--flat"]
    );
    assert_eq!(offered(&["recorderd", "tail", "--family", "d"]), ["disk"]);
    assert_eq!(
        offered(&["recorderd", "--config", "/etc/hostn"]),
        ["/etc/hostname"]
    );
    assert_eq!(
        offered(&["recorderd", "--config", "/x", "check", "--"]),
        ["--config", "--json", "--service"]
    );
    assert_eq!(
        offered(&["recorderd", "config", ""]),
        ["--print-default", "check"]
    );
    Ok(())
}

/// No option is offered that is not there.
fn all_of_it_is_taken() -> Outcome {
    for command in [
        "sessions",
        "show",
        "play",
        "tail",
        "search",
        "report",
        "check",
        "install",
        "uninstall",
        "metrics",
    ] {
        for option in offered(&["recorderd", command, "-"]) {
            let output = Command::new(binary())
                .args([command, &option, "1", "--nonsense"])
                .output()
                .unwrap();
            let errors = String::from_utf8(output.stderr).unwrap();
            assert!(
                !errors.contains(&format!("'{option}'")),
                "{command} {option}: {errors}"
            );
        }
    }
    Ok(())
}

/// What recorderd says of a wrong command line.
fn told(arguments: &[&str]) -> String {
    let output = Command::new(binary()).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// It says what there is
fn nothing_asked() -> Outcome {
    let help = printed(&["--help"]);
    let usage = help.split("\n\n").find(|part| part.starts_with("Usage:"));
    let usage = usage.unwrap();
    assert_eq!(usage.lines().count(), 22, "{usage}");
    assert_eq!(
        told(&[]),
        format!("recorderd: no command is given\n\n{usage}\n\nSee recorderd --help\n")
    );
    Ok(())
}

/// It has the lines of the command, and each of its options
fn each_has_help() -> Outcome {
    let help = printed(&["--help"]);
    let usage = help.split("\n\n").find(|part| part.starts_with("Usage:"));
    let lines = usage.unwrap().lines();
    let lines: Vec<_> = lines
        .filter(|line| line.starts_with("  recorderd "))
        .collect();
    let commands = offered(&["recorderd", ""]);
    let commands: Vec<_> = commands.iter().filter(|it| !it.starts_with('-')).collect();
    assert_eq!(commands.len(), 17);
    for command in commands {
        let start = format!("  recorderd {command}");
        let of_it = |line: &&&str| {
            let rest = line.strip_prefix(&start);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let expected: Vec<_> = lines.iter().filter(of_it).copied().collect();
        for option in ["--help", "-h"] {
            let text = printed(&[command, option]);
            let (usage, options) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
            assert_eq!(usage.lines().skip(1).collect::<Vec<_>>(), expected);
            for word in offered(&["recorderd", command, "-"]) {
                let is_there =
                    |text: &str| text.split([' ', ',', '[', ']', '\n']).any(|it| it == word);
                assert!(
                    is_there(options) || is_there(usage),
                    "{command} {word}: {text}"
                );
            }
        }
    }
    Ok(())
}

/// It says what may have been meant
fn misspelled() -> Outcome {
    let all = "record, check, install, uninstall, config, metrics, schema, man, completions, \
               sessions, show, play, report, tail, search, verify, seal";
    let unknown = format!("nonsense: unknown command; there are {all}");
    for (arguments, expected) in [
        (
            &["sesions"][..],
            "sesions: unknown command; did you mean sessions?",
        ),
        (
            &["--config", "/x", "chekc"],
            "chekc: unknown command; did you mean check?",
        ),
        (&["nonsense"], &unknown),
        (
            &["--confg", "/x"],
            "invalid option '--confg'; did you mean --config?",
        ),
        (
            &["sessions", "--sinse", "7d"],
            "invalid option '--sinse'; did you mean --since?",
        ),
        (
            &["config", "chek", "/x"],
            "unexpected argument \"chek\"; did you mean check?",
        ),
        (
            &["completions", "bsh"],
            "unexpected argument \"bsh\"; did you mean bash?",
        ),
        (&["schema", "all"], "unexpected argument \"all\""),
        (&["show", "1", "2"], "unexpected argument \"2\""),
        (
            &["tail", "-n", "x"],
            "-n \"x\" is no number of lines; write one, such as 20",
        ),
        (
            &["config", "--print-default", "check"],
            "unexpected argument \"check\"",
        ),
        (
            &["config", "check", "/x", "--print-default"],
            "invalid option '--print-default'",
        ),
        (&["config", "--json"], "invalid option '--json'"),
        (
            &["check", "--service", "all"],
            "unexpected argument \"all\"",
        ),
        (
            &["install", "--froce"],
            "invalid option '--froce'; did you mean --force?",
        ),
    ] {
        let more = if expected.ends_with('?') {
            " See"
        } else {
            "; see"
        };
        let expected = format!("recorderd: {expected}{more} recorderd --help\n");
        assert_eq!(told(arguments), expected, "{arguments:?}");
    }
    Ok(())
}
