//! What lets bash complete the command line.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{COMMANDS, OPTIONS};
use crate::base::Family;

/// The script that bash reads.
pub fn bash() -> String {
    let names: BTreeSet<_> = COMMANDS.iter().map(|command| command.name).collect();
    let mut cases = String::new();
    for name in &names {
        let mut words = words_of(name);
        if name.is_empty() {
            words.extend(names.iter().filter(|name| !name.is_empty()));
        }
        let words: Vec<_> = words.into_iter().collect();
        let name = if name.is_empty() { "''" } else { name };
        let _ = writeln!(cases, "\t{name}) words='{}' ;;", words.join(" "));
    }
    let commands: Vec<_> = names.into_iter().filter(|name| !name.is_empty()).collect();
    let families = Family::CHOICES.map(Family::name).join(" ");
    format!(
        "_recorderd() {{
\tlocal word=${{COMP_WORDS[COMP_CWORD]}} command= words= index
\tfor ((index = 1; index < COMP_CWORD; index++)); do
\t\tcase ${{COMP_WORDS[index]}} in
\t\t{}) command=${{COMP_WORDS[index]}} && break ;;
\t\tesac
\tdone
\tcase ${{COMP_WORDS[COMP_CWORD - 1]}} in
\t{}) mapfile -t COMPREPLY < <(compgen -f -- \"$word\") && return ;;
\t--family) words='{families}' ;;
\t*) case $command in
{cases}\tesac ;;
\tesac
\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")
}}
complete -o default -o filenames -F _recorderd recorderd
",
        commands.join("|"),
        before_files().join("|"),
    )
}

/// What can follow a command of this name and is written as it stands.
pub(super) fn words_of(name: &str) -> BTreeSet<&'static str> {
    let of_name = COMMANDS.iter().filter(|command| command.name == name);
    let mut words: BTreeSet<_> = of_name.clone().flat_map(|c| words(c.arguments)).collect();
    if of_name.clone().any(|c| c.arguments.contains("[OPTIONS]")) {
        words.extend(OPTIONS.iter().flat_map(|(option, _)| self::words(option)));
    }
    // A report has a form of its own.
    if name == "report" {
        words.retain(|word| !matches!(*word, "--json" | "--plain"));
    }
    words
}

/// The words of arguments that are written as they stand: options, and names in small letters.
fn words(arguments: &str) -> impl Iterator<Item = &str> {
    let words = arguments.split([' ', ',', '[', ']', '|']);
    words.filter(|word| {
        let is_word = |letter: char| letter.is_ascii_lowercase() || letter == '-';
        !word.is_empty() && *word != "--" && word.chars().all(is_word)
    })
}

/// The options behind which a file stands.
fn before_files() -> Vec<&'static str> {
    let arguments = COMMANDS.iter().map(|command| command.arguments);
    let all = arguments.chain(OPTIONS.iter().map(|(option, _)| *option));
    let is_file = |word: &str| {
        ["FILE", "PATH", "DIR"]
            .iter()
            .any(|kind| word.starts_with(kind))
    };
    let mut found = BTreeSet::new();
    for arguments in all {
        let words: Vec<_> = arguments.split([' ', '[', ']']).collect();
        let pairs = words.windows(2);
        found.extend(
            pairs
                .filter(|pair| pair[0].starts_with('-') && is_file(pair[1]))
                .map(|pair| pair[0]),
        );
    }
    found.into_iter().collect()
}
