//! Whether the kernel may preempt a program, and skip it for others meanwhile.

use std::fs;
use std::io::{self, Read};
use std::os::fd::AsRawFd;

use memchr::memmem;
use miniz_oxide::inflate::decompress_to_vec;

use super::filesystem::Filesystem;
use super::{kfunc, preflight};
use crate::base::owned;

/// Since when programs have copies: before, tracing programs can't keep anything with a task.
const OLDEST: (u32, u32) = (5, 15);

/// How long the header of a file is that gzip has made without a name. Bytes.
const GZIP_HEADER: usize = 10;

/// Where a kernel that can change its model tells of it.
const MODEL: &std::ffi::CStr = c"sched/preempt";

/// Whether the kernel can run copies of programs.
pub fn has_copies() -> bool {
    preflight::version(&preflight::release()).is_some_and(|version| version >= OLDEST)
}

/// Whether a program can keep from being preempted while it runs.
pub fn can_be_forbidden() -> bool {
    preflight::version(&preflight::release()).is_some_and(|version| version >= kfunc::WHOLE_RUN)
}

/// Whether it may preempt them, as far as that can be told.
pub fn is_possible() -> bool {
    let build = fs::read_to_string("/proc/sys/kernel/version").unwrap_or_default();
    let boot = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    has_copies() && is_possible_by(&build, &boot, model().ok().as_deref(), config)
}

/// How the kernel was made, where it tells or a file beside it does.
fn config() -> Option<Vec<u8>> {
    let file = format!("/boot/config-{}", preflight::release());
    fs::read(file).ok().or_else(|| {
        let packed = fs::read("/proc/config.gz").ok()?;
        decompress_to_vec(packed.get(GZIP_HEADER..)?).ok()
    })
}

/// By what `uname -v` says, the kernel's command line, what it says of its model, with the one that it has in
/// brackets, and how it was made.
fn is_possible_by(
    build: &str,
    boot: &str,
    model: Option<&str>,
    config: impl Fn() -> Option<Vec<u8>>,
) -> bool {
    let is_preemptive = |model: &str| matches!(model, "full" | "lazy");
    if !build.contains("PREEMPT_DYNAMIC") {
        return build.contains("PREEMPT");
    }
    let taken = model.and_then(|model| Some(model.split_once('(')?.1.split_once(')')?.0));
    let mut asked = boot
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("preempt="));
    if let Some(model) = taken.or(asked.next_back()) {
        return is_preemptive(model);
    }
    let is_made = |config: Vec<u8>| {
        let models = [
            &b"\nCONFIG_PREEMPT_NONE=y\n"[..],
            b"\nCONFIG_PREEMPT_VOLUNTARY=y\n",
        ];
        let has = |model: &[u8]| memmem::find(&config, model).is_some();
        !models.into_iter().any(has)
    };
    config().is_none_or(is_made)
}

fn model() -> io::Result<String> {
    let files = Filesystem::open(c"debugfs")?;
    let root = files.root().as_raw_fd();
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: reads a string that is ended by zero.
    let file = owned(unsafe { libc::openat(root, MODEL.as_ptr(), flags) }.into())?;
    let mut model = String::new();
    fs::File::from(file).read_to_string(&mut model)?;
    Ok(model)
}

#[cfg(test)]
mod tests {
    use super::is_possible_by;

    #[test]
    fn models_are_known_by_what_the_kernel_says() {
        let dynamic = "#1 SMP PREEMPT_DYNAMIC Debian";
        let (none, lazy) = ("none (voluntary) full\n", "none voluntary full (lazy)\n");
        for (build, boot, model, made, expected) in [
            ("#1 SMP Debian 5.10", "", None, "", false),
            ("#1 SMP PREEMPT_RT Debian", "preempt=none", None, "", true),
            ("#1 SMP PREEMPT Mon", "", None, "", true),
            (dynamic, "quiet", None, "", true),
            (
                dynamic,
                "quiet",
                None,
                "# made\nCONFIG_PREEMPT_LAZY=y\n",
                true,
            ),
            (
                dynamic,
                "quiet",
                None,
                "# made\nCONFIG_PREEMPT_NONE=y\n",
                false,
            ),
            (
                dynamic,
                "quiet",
                None,
                "# made\nCONFIG_PREEMPT_VOLUNTARY=y\n",
                false,
            ),
            (dynamic, "preempt=none", None, "", false),
            (
                dynamic,
                "preempt=full",
                None,
                "# made\nCONFIG_PREEMPT_NONE=y\n",
                true,
            ),
            (dynamic, "preempt=full", Some(none), "", false),
            (dynamic, "", Some(lazy), "", true),
        ] {
            let config = || (!made.is_empty()).then(|| made.as_bytes().to_vec());
            assert_eq!(
                is_possible_by(build, boot, model, config),
                expected,
                "{build} {boot} {model:?} {made}"
            );
        }
    }
}
