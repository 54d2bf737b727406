//! What tells this host from others.

use std::error::Error;
use std::ffi::CStr;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use line::Ids;

/// The host's name, which can be set while the recorder runs, as by cloud-init.
pub struct Hostname {
    name: [u8; 256],
}

impl Hostname {
    /// What it is now.
    pub fn now() -> Self {
        let mut name = [0; 256];
        // SAFETY: the call writes at most the length, and the last byte stays zero.
        let failed = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) } != 0;
        match failed {
            true => Self { name: [0; 256] },
            false => Self { name },
        }
    }

    /// As it is written; an empty string where it has none.
    pub fn text(&self) -> String {
        let name = CStr::from_bytes_until_nul(&self.name).unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Looks again; tells whether it has changed.
    pub fn has_changed(&mut self) -> bool {
        let now = Self::now();
        let changed = now.name != self.name;
        self.name = now.name;
        changed
    }
}

/// Why the host's UUID can't be had.
#[derive(Debug)]
pub struct IdError {
    path: PathBuf,
    what: &'static str,
    why: Box<dyn Error>,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.path.display(), self.what, self.why)
    }
}

impl Error for IdError {}

/// The host's UUID: what `<data_dir>/host_uuid` says, or a new one that is written there.
///
/// # Errors
/// What can't be read, written or understood, by name, and why.
pub fn id(data_dir: &Path) -> Result<String, IdError> {
    let path = data_dir.join("host_uuid");
    let fault = |what, why: Box<dyn Error>| IdError {
        path: path.clone(),
        what,
        why,
    };
    match fs::read_to_string(&path) {
        Ok(text) => match uuid::Uuid::try_parse(text.trim()) {
            Ok(id) => Ok(id.to_string()),
            Err(e) => Err(fault(
                "doesn't have a UUID; remove the file for a new one, or restore it",
                e.into(),
            )),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let id = new_id();
            fs::create_dir_all(data_dir)
                .map_err(|e| fault("can't create its directory", e.into()))?;
            fs::write(&path, format!("{id}\n")).map_err(|e| fault("can't be written", e.into()))?;
            Ok(id)
        }
        Err(e) => Err(fault("can't be read", e.into())),
    }
}

/// A UUID for a host that keeps none.
pub fn new_id() -> String {
    String::from_utf8_lossy(&Ids::new().next()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_stays() {
        let folder = std::env::temp_dir().join(format!("recorderd-id-{}", std::process::id()));
        let first = id(&folder).unwrap();
        assert_eq!(id(&folder).unwrap(), first);
        fs::write(folder.join("host_uuid"), "nonsense").unwrap();
        assert!(id(&folder).unwrap_err().to_string().contains("have a UUID"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
