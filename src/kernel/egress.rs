//! The links to cgroups: of all links, only such can be detached by others.

/// Those of this process, by their descriptors.
#[derive(Default)]
pub struct Egress {
    links: Vec<i32>,
    is_told: bool,
}

impl Egress {
    /// What is attached now.
    pub fn attached() -> Self {
        let all = std::fs::read_dir("/proc/self/fdinfo").into_iter().flatten();
        let numbers = all
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Self {
            links: numbers.filter(|fd| of_link(*fd).is_some()).collect(),
            is_told: false,
        }
    }

    /// None, since they are to be detached.
    pub fn clear(&mut self) {
        self.links.clear();
    }

    /// Whether one has been detached by somebody else since this was told last.
    pub fn has_lost(&mut self) -> bool {
        let is_detached = self.links.iter().any(is_detached);
        is_detached && !std::mem::replace(&mut self.is_told, is_detached)
    }
}

/// Whether a link of ours has no cgroup any more.
fn is_detached(fd: &i32) -> bool {
    of_link(*fd).is_none_or(|cgroup| cgroup == "0")
}

/// The cgroup of a link, as the kernel tells it.
fn of_link(fd: i32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
    let value = |key| {
        text.lines()
            .find_map(|line| line.strip_prefix(key))
            .map(str::trim)
    };
    (value("link_type:") == Some("cgroup")).then_some(())?;
    value("cgroup_id:").map(str::to_owned)
}
