//! Whether the kernel may preempt a program, and skip it for others meanwhile.

use std::fs;
use std::io::{self, Read};
use std::os::fd::AsRawFd;

use super::filesystem::Filesystem;
use super::preflight;
use crate::descriptor::owned;

/// Since when programs have copies: before, tracing programs can't keep anything with a task.
const OLDEST: (u32, u32) = (5, 15);

/// Where a kernel that can change its model tells of it.
const MODEL: &std::ffi::CStr = c"sched/preempt";

/// Whether the kernel can run copies of programs.
pub fn has_copies() -> bool {
    preflight::version(&preflight::release()).is_some_and(|version| version >= OLDEST)
}

/// Whether it may preempt them, as far as that can be told.
pub fn is_possible() -> bool {
    let build = fs::read_to_string("/proc/sys/kernel/version").unwrap_or_default();
    let boot = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    has_copies() && is_possible_by(&build, &boot, model().ok().as_deref())
}

/// By what `uname -v` says, the kernel's command line, and what it says of its model, with the one that it has
/// in brackets.
fn is_possible_by(build: &str, boot: &str, model: Option<&str>) -> bool {
    let is_preemptive = |model: &str| matches!(model, "full" | "lazy");
    if !build.contains("PREEMPT_DYNAMIC") {
        return build.contains("PREEMPT");
    }
    let taken = model.and_then(|model| Some(model.split_once('(')?.1.split_once(')')?.0));
    let mut asked = boot
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("preempt="));
    // What it was built with is not told.
    taken.or(asked.next_back()).is_none_or(is_preemptive)
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
        for (build, boot, model, expected) in [
            ("#1 SMP Debian 5.10", "", None, false),
            ("#1 SMP PREEMPT_RT Debian", "preempt=none", None, true),
            ("#1 SMP PREEMPT Mon", "", None, true),
            ("#1 SMP PREEMPT_DYNAMIC Debian", "quiet", None, true),
            ("#1 SMP PREEMPT_DYNAMIC Debian", "preempt=none", None, false),
            ("#1 SMP PREEMPT_DYNAMIC Debian", "preempt=full", None, true),
            (
                "#1 SMP PREEMPT_DYNAMIC",
                "preempt=full",
                Some("none (voluntary) full\n"),
                false,
            ),
            (
                "#1 SMP PREEMPT_DYNAMIC",
                "",
                Some("none voluntary full (lazy)\n"),
                true,
            ),
        ] {
            assert_eq!(
                is_possible_by(build, boot, model),
                expected,
                "{build} {boot} {model:?}"
            );
        }
    }
}
