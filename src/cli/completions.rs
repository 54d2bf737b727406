//! What lets bash complete the command line.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::command;
use crate::base::Family;

/// The script that bash reads.
pub fn bash() -> String {
    let commands: BTreeSet<_> = command::names().collect();
    let mut cases = String::new();
    for name in [""].iter().chain(&commands) {
        let mut words = words_of(name);
        if name.is_empty() {
            words.extend(&commands);
        }
        let words: Vec<_> = words.into_iter().collect();
        let name = if name.is_empty() { "''" } else { name };
        let _ = writeln!(cases, "\t{name}) words='{}' ;;", words.join(" "));
    }
    let commands: Vec<_> = commands.into_iter().collect();
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
    let of_name = || command::all().filter(|command| command.name == name);
    let options = of_name().flat_map(|command| command.options());
    let options = options.flat_map(|row| row.words.iter().map(|word| word.name));
    let second = of_name().flat_map(|command| command.forms);
    let second = second.filter_map(|form| form.word);
    options.chain(second).collect()
}

/// The options behind which a file stands.
fn before_files() -> Vec<&'static str> {
    let rows = command::all().flat_map(|command| command.options());
    let words = rows
        .filter(|row| row.takes_file())
        .flat_map(|row| row.words);
    let names: BTreeSet<_> = words.map(|word| word.name).collect();
    names.into_iter().collect()
}
