//! The recorder as a service of its host: put there, and taken away again.

mod fault;
mod file;
mod service;

use std::ffi::CString;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::chroot;
use std::path::{Path, PathBuf};

use crate::config::defaults;
pub use fault::Fault;
use file::{Content, Found, Item};
use service::Init;

/// The config that the service is started with, and that is read where none is named.
pub const CONFIG: &str = "/etc/recorderd.yaml";

/// Where the program goes: the first that can be written to. On Flatcar and the like, /usr can't.
const FOLDERS: [&str; 2] = ["/usr/local/bin", "/opt/bin"];

const NAME: &str = "recorderd";

/// What is asked for.
#[derive(Debug, Default)]
pub struct Request {
    /// An image in which to do it, instead of this host.
    pub root: Option<PathBuf>,
    /// Whether program and service are replaced, or removed, where they are not those of this
    /// version. The config never is.
    pub force: bool,
}

/// Puts program, config and service on the host; says what it does on standard output. Tells
/// whether everything is there as it should be.
///
/// # Errors
/// What can't be done, and why.
pub fn install(request: &Request) -> Result<bool, Fault> {
    let own = own_program()?;
    let init = enter(request)?;
    let (program, there) = match home(&own.path) {
        Some(path) if request.root.is_none() => (path, true),
        _ => (place()?, false),
    };
    let mut complete = true;
    if there {
        say(format_args!(
            "{}: kept, because it is running",
            program.display()
        ));
    } else {
        let item = Item::new(&program, 0o755, Content::Bytes(own.bytes));
        complete &= put(&item, request.force)?;
    }
    let config = config();
    match config.look()? {
        Found::Different => say(format_args!("{CONFIG}: kept")),
        _ => complete &= put(&config, false)?,
    }
    for item in init.items(&program.display().to_string()) {
        complete &= put(&item, request.force)?;
    }
    if request.root.is_none() {
        say(format_args!("to start it: {}", init.start()));
    }
    Ok(complete)
}

/// Takes away what [`install`] has put there; the log and the host's id stay, and so does a config
/// that was changed.
///
/// # Errors
/// What can't be done, and why.
pub fn uninstall(request: &Request) -> Result<bool, Fault> {
    let own = own_program()?;
    let init = enter(request)?;
    let places = places();
    let program = places.iter().find(|place| place.exists());
    let program = program.unwrap_or(&places[0]);
    let mut items = vec![Item::new(program, 0o755, Content::Bytes(own.bytes))];
    items.extend(init.items(&program.display().to_string()));
    let mut complete = true;
    // The program last: nothing starts what is not there.
    for item in items.iter().rev() {
        complete &= take(item, request.force)?;
    }
    let config = config();
    match config.look()? {
        Found::Different => say(format_args!("{CONFIG}: kept, because it was modified")),
        _ => complete &= take(&config, false)?,
    }
    say(format_args!("the log is kept"));
    if request.root.is_none() {
        say(format_args!("if it still runs: {}", init.stop()));
    }
    Ok(complete)
}

/// The program that runs.
struct Own {
    path: PathBuf,
    bytes: Vec<u8>,
}

fn own_program() -> Result<Own, Fault> {
    let read = std::env::current_exe().and_then(|path| {
        let bytes = fs::read("/proc/self/exe")?;
        Ok(Own { path, bytes })
    });
    read.map_err(Fault::Own)
}

/// Goes into the image, if there is one, and finds out what starts its services.
fn enter(request: &Request) -> Result<Init, Fault> {
    if let Some(root) = &request.root {
        chroot(root)
            .and_then(|()| std::env::set_current_dir("/"))
            .map_err(|error| Fault::Root(root.clone(), error))?;
    }
    Init::of_host().ok_or(Fault::NoInit)
}

/// Where the program can be.
fn places() -> [PathBuf; 2] {
    FOLDERS.map(|folder| Path::new(folder).join(NAME))
}

/// The place of a program that is where an installation would put it.
fn home(program: &Path) -> Option<PathBuf> {
    places().into_iter().find(|place| place == program)
}

fn config() -> Item {
    let text = defaults::template().into_bytes();
    Item::new(CONFIG, 0o640, Content::Bytes(text))
}

fn place() -> Result<PathBuf, Fault> {
    let found = FOLDERS.iter().map(Path::new).find(|it| takes_files(it));
    found.map(|folder| folder.join(NAME)).ok_or(Fault::NoFolder)
}

/// Whether files can be made in `folder`, which is made first if it can be.
fn takes_files(folder: &Path) -> bool {
    // What can't be created shows at the question itself.
    let _ = fs::create_dir_all(folder);
    let Ok(path) = CString::new(folder.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: a string that ends in zero.
    unsafe { libc::access(path.as_ptr(), libc::W_OK) == 0 }
}

fn put(item: &Item, force: bool) -> Result<bool, Fault> {
    let path = item.path.display();
    match item.look()? {
        Found::Same => say(format_args!("{path}: up to date")),
        Found::Different if !force => {
            say(format_args!(
                "{path}: kept, because it was modified; --force replaces it"
            ));
            return Ok(false);
        }
        Found::Absent | Found::Different => {
            item.put()?;
            say(format_args!("{path}: written"));
        }
    }
    Ok(true)
}

fn take(item: &Item, force: bool) -> Result<bool, Fault> {
    let path = item.path.display();
    match item.look()? {
        Found::Absent => {}
        Found::Different if !force => {
            say(format_args!(
                "{path}: kept, because it was modified; --force removes it"
            ));
            return Ok(false);
        }
        Found::Same | Found::Different => {
            item.take()?;
            say(format_args!("{path}: removed"));
        }
    }
    Ok(true)
}

/// Nobody has to read it.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
