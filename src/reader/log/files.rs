//! The files of a log, in the order in which they were written.

use super::fault::Fault;
use crate::base::{SUMMARY, instant};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How deep below a folder logs are looked for: `<data_dir>/log/<host>/`.
const DEPTH: usize = 2;

/// Where lines come from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    /// Standard input.
    Input,
    /// A file.
    File(PathBuf),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Input => f.write_str("standard input"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// The sources that the places name: `-` is standard input, a file is itself, and of a folder all
/// files of days in it and two levels below, in the order of time. `since`, in milliseconds since
/// 1970-01-01, leaves out the days that ended before it: an event is never in the file of a day
/// before its own.
///
/// # Errors
/// What can't be read or holds no log, by name, and the remedy.
pub fn find(places: &[PathBuf], since: Option<i64>) -> Result<Vec<Source>, Fault> {
    let mut sources = Vec::new();
    for place in places {
        if place.as_os_str() == "-" {
            sources.push(Source::Input);
            continue;
        }
        let fault = |error| Fault::Place(place.clone(), error);
        if !fs::metadata(place).map_err(fault)?.is_dir() {
            sources.push(Source::File(place.clone()));
            continue;
        }
        let mut files = Vec::new();
        walk(place, DEPTH, &mut files).map_err(fault)?;
        if files.is_empty() {
            return Err(Fault::Empty(place.clone()));
        }
        files.sort();
        let files = files.into_iter();
        let late = files.filter(|(name, _)| since.is_none_or(|since| ends(name) > since));
        sources.extend(late.map(|(_, path)| Source::File(path)));
    }
    Ok(sources)
}

/// The name of a file, and the file.
type Named = (String, PathBuf);

fn walk(folder: &Path, depth: usize, files: &mut Vec<Named>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A link is another name of a file that is found under its own.
        let kind = entry.file_type()?;
        if kind.is_dir() && (depth > 0 || entry.file_name() == SUMMARY) {
            walk(&entry.path(), depth.saturating_sub(1), files)?;
        } else if kind.is_file()
            && let Some(name) = entry.file_name().to_str()
            && is_log(name)
        {
            files.push((name.to_owned(), entry.path()));
        }
    }
    Ok(())
}

/// Whether a name is like `2023-07-04.16:42:20.log`: the time at which the file was begun.
pub fn is_log(name: &str) -> bool {
    let time = name
        .strip_suffix(".log")
        .and_then(|time| time.split_once('.'));
    time.is_some_and(|(day, time)| {
        time.len() == "16:42:20".len() && instant(&format!("{day}T{time}Z")).is_some()
    })
}

/// When the day of a file ends, milliseconds since 1970-01-01.
fn ends(name: &str) -> i64 {
    let begins = name.get(..10).and_then(instant).unwrap_or(0);
    begins + 86_400_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_time() {
        let folder = std::env::temp_dir().join(format!("recorderd-files-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let host = folder.join("log/host");
        fs::create_dir_all(host.join("deeper")).unwrap();
        fs::create_dir_all(host.join("summary")).unwrap();
        let days = [
            "2023-12-31.00:00:00.log",
            "2024-01-01.00:00:00.log",
            "2024-01-01.02:00:00.log",
            "2024-01-01.10:00:00.log",
            "2024-01-02.00:00:00.log",
        ];
        let others = [
            "host_uuid",
            "deeper/2023-01-01.00:00:00.log",
            "summary/.new",
            "2024-01-03.log",
            "2024-01-03.25:00:00.log",
            "2024-01-03.00:00.log",
            "é024-01-01.00:00:00.log",
        ];
        for name in days.iter().chain(&others) {
            fs::write(host.join(name), "").unwrap();
        }
        // Of a file that was removed, something is left.
        fs::rename(host.join(days[0]), host.join("summary").join(days[0])).unwrap();
        std::os::unix::fs::symlink(days[4], host.join("events.log")).unwrap();
        let names = |place: &Path, since| -> Vec<String> {
            let found = find(&[place.to_owned()], since).unwrap();
            let name = |source: &Source| source.to_string().rsplit('/').next().unwrap().to_owned();
            found.iter().map(name).collect()
        };
        assert_eq!(names(&folder, None), days);
        assert_eq!(names(&host.join(days[2]), instant("2025-01-01")), [days[2]]);
        assert_eq!(
            names(&folder, instant("2024-01-01T23:59:59.999Z")),
            days[1..]
        );
        assert_eq!(names(&folder, instant("2024-01-02")), days[4..]);
        assert!(find(&[folder.join("log/host/deeper/..")], None).is_ok());
        assert!(
            find(&[folder.join("none")], None)
                .unwrap_err()
                .to_string()
                .contains("--log")
        );
        fs::create_dir(folder.join("empty")).unwrap();
        let empty = find(&[folder.join("empty")], None).unwrap_err().to_string();
        assert!(empty.contains("has no daily log file"), "{empty}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
