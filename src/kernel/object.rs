//! The compiled object: loaded with the config's sizes, and attached.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use aya::maps::{Map, MapData, MapError};
use aya::{Btf, Ebpf, EbpfLoader, Endianness};

use super::attach::{self, Attacher};
use super::coverage::Coverage;
use super::egress::Egress;
use super::error::{ProbeError, chain};
use super::kfunc;
use super::missed::{Skipped, Skips};
use super::plan::PLANS;
use super::policy::{self, Policy};
use super::preemption;
use super::preflight;
use super::presence::Presence;
use super::processes::Processes;
use super::requests::Requests;
use super::ring::Ring;
use super::selftest::selftest;
use super::settings::Settings;
use super::share::Shares;
use super::shared::{Shared, slots_of};
use super::syscall::{Dispatcher, Dispatchers};
use super::tables::Tables;
use super::types;
use crate::abi::{HELD_SIZE, PROCESSES_SIZE, SESSIONS_SIZE};
use crate::base::packed::OBJECT;
use crate::base::{Backend, Family, RingName, page_size};
use crate::config::{Config, Filter};

/// How many rings there are.
const RINGS: usize = RingName::ALL.len();

/// The attached probes. They are detached when this is dropped.
pub struct Probes {
    /// How each family is seen.
    pub coverage: Vec<Coverage>,
    /// The rings, in the order of [`RingName::ALL`].
    pub rings: [Ring; RINGS],
    /// The ring of what was on terminals.
    pub terminal_ring: Ring,
    terminal_map: MapData,
    /// Control page and slots.
    pub shared: Shared,
    /// The kernel's tables.
    pub tables: Tables,
    pub(super) policy: Policy,
    /// The kernel's table of requests to io_uring.
    pub requests: Requests,
    held_descriptor: RawFd,
    ring_maps: [MapData; RINGS],
    /// Looks at all processes.
    pub(super) finder: Result<OwnedFd, ProbeError>,
    /// Compares them with the tables.
    pub(super) checker: Result<OwnedFd, ProbeError>,
    pub(super) egress: Egress,
    /// None where the ends of calls are hooked at all times.
    pub(super) presence: Option<Presence>,
    pub(super) dispatchers: Option<Dispatchers>,
    /// Whether the kernel may preempt a program, and skip it for others meanwhile.
    pub may_skip: bool,
    skips: Skips,
}

impl Probes {
    /// Loads and attaches the probes of each family, by the first plan whose programs are heard of
    /// in a self-test. A family without such a plan is left out.
    ///
    /// # Errors
    /// What no family can be recorded without, and why it can't be had.
    pub fn start(settings: &Settings<'_>) -> Result<Self, ProbeError> {
        let Settings {
            sizes, environment, ..
        } = settings;
        let users_limit = policy::users_limit(settings.filter);
        raise_memory_limit();
        let slots = slots_of(possible_cpus()?);
        let copies = preemption::is_possible();
        let ring_names = RingName::ALL.map(RingName::map);
        let mut unpacked = OBJECT.unpack();
        let btf = kernel_types(settings.btf, &mut unpacked)?;
        let mut loader = loader();
        loader
            .btf(Some(&btf))
            .map_max_entries("sessions", SESSIONS_SIZE as u32)
            .map_max_entries("processes", PROCESSES_SIZE as u32)
            .map_max_entries(
                "held",
                if settings.throttle {
                    HELD_SIZE as u32
                } else {
                    1
                },
            )
            .map_max_entries("slots", slots as u32)
            // At a reload those before are there until the others are.
            .map_max_entries("users", 2 * users_limit as u32);
        for (name, size) in ring_names.iter().zip(sizes) {
            loader.map_max_entries(name, *size as u32);
        }
        let terminal_size = settings.terminal_size.max(page_size());
        loader.map_max_entries("terminal_ring", terminal_size as u32);
        if !preemption::has_copies() {
            types::make_plain(&mut unpacked);
            loader.map_max_entries("led", 1);
        }
        let mut object = loader
            .allow_unsupported_maps()
            .load(&unpacked)
            .map_err(|e| ProbeError::new("probes", chain(&e)))?;
        let mut ring_maps = Vec::new();
        for name in &ring_names {
            ring_maps.push(take(&mut object, name)?);
        }
        let mut rings = Vec::new();
        for (map, size) in ring_maps.iter().zip(sizes) {
            rings.push(Ring::map(map.fd().as_fd(), *size).map_err(|e| ProbeError::new("ring", e))?);
        }
        let terminal_map = take(&mut object, "terminal_ring")?;
        let terminal_ring = Ring::map(terminal_map.fd().as_fd(), terminal_size)
            .map_err(|e| ProbeError::new("ring", e))?;
        let control = take(&mut object, "control")?;
        let slot_map = take(&mut object, "slots")?;
        let slot_size = slot_map
            .info()
            .map_err(|e| ProbeError::new("map slots", e))?
            .value_size() as usize;
        let shared = Shared::map(
            control.fd().as_fd(),
            slot_map.fd().as_fd(),
            slot_size.next_multiple_of(8),
            slots,
        )
        .map_err(|e| ProbeError::new("shared memory", e))?;
        shared.set_rings(*sizes);
        shared.set_terminal_ring(terminal_size);
        shared.set_aggregation(settings.silence.as_nanos() as u64);
        shared.set_mount_namespace(mount_namespace());
        let held_descriptor = match object.map("held") {
            Some(Map::HashMap(map)) => map.fd().as_fd().as_raw_fd(),
            _ => return Err(ProbeError::new("held", "not in the object")),
        };
        let counts = take(&mut object, "process_counts")?;
        let shares = take(&mut object, "shares")?;
        let tables = Tables {
            shares: Shares::map(shares.fd().as_fd())
                .map_err(|e| ProbeError::new("map shares", e))?,
            sessions: typed(&mut object, "sessions")?,
            processes: Processes::new(typed(&mut object, "processes")?, counts.fd().as_fd())
                .map_err(|e| ProbeError::new("map process_counts", e))?,
            sends: typed(&mut object, "sends")?,
            job_files: typed(&mut object, "job_files")?,
            job_tables: typed(&mut object, "job_tables")?,
            held: typed(&mut object, "held")?,
            terminals: typed(&mut object, "terminals")?,
        };
        let requests = typed(&mut object, "requests")?;
        let array = |_| ProbeError::new("rings", "another number of them");
        let mut probes = Self {
            coverage: Vec::new(),
            rings: rings.try_into().map_err(|_| array(()))?,
            terminal_ring,
            terminal_map,
            shared,
            tables,
            policy: Policy::new(&mut object, users_limit)?,
            requests: Requests(requests),
            held_descriptor,
            ring_maps: ring_maps.try_into().map_err(|_| array(()))?,
            finder: Err(ProbeError::new("processes", "not looked at")),
            checker: Err(ProbeError::new("processes", "not looked at")),
            egress: Egress::default(),
            presence: None,
            dispatchers: None,
            may_skip: copies,
            skips: Skips::new(typed(&mut object, "made_up")?),
        };
        probes.policy.show(environment)?;
        let mut dispatchers = Dispatchers {
            all: dispatcher(&mut object, "dispatch")?,
            compat: dispatcher(&mut object, "dispatch_compat")?,
        };
        probes.shared.set_copies(copies, possible_cpus()?);
        let mut attacher = Attacher::new(&mut object, &btf, &mut dispatchers, copies);
        probes.cover(settings.backend, &mut attacher)?;
        probes.finder = attacher.finder();
        probes.checker = attacher.checker();
        probes.egress = Egress::attached();
        let looker = attacher.looker().ok();
        let taken = probes.coverage.iter().filter_map(|one| one.taken.as_ref());
        let at_hooks = taken.flat_map(|(_, attached)| attached.instances());
        probes
            .skips
            .of(at_hooks.chain(dispatchers.programs()), looker);
        probes.dispatchers = Some(dispatchers);
        probes.shared.set_terminal_ring(settings.terminal_size);
        // The self-test is over, of which nothing is left out.
        probes.exclude(settings.filter)?;
        Ok(probes)
    }

    /// Does from now on as `config` says of variables, of silence, and of what is left out. Which
    /// families are recorded of a session is decided when it begins.
    ///
    /// # Errors
    /// What the kernel refuses, and why.
    pub fn follow(&mut self, config: &Config) -> Result<(), ProbeError> {
        self.exclude(&config.filter)?;
        self.policy.show(&config.environment)?;
        let silence = config.network_aggregation.as_nanos() as u64;
        self.shared.set_aggregation(silence);
        Ok(())
    }

    fn exclude(&mut self, filter: &Filter) -> Result<(), ProbeError> {
        if self.policy.exclude(filter)? {
            self.shared.set_goes_without();
        }
        Ok(())
    }

    /// Bits of the families that a session of this user goes without.
    pub fn families_excluded(&self, uid: u32) -> u64 {
        self.policy.families_excluded(uid)
    }

    fn cover(
        &mut self,
        kind: Option<Backend>,
        attacher: &mut Attacher<'_>,
    ) -> Result<(), ProbeError> {
        let can_be_skipped = self.may_skip && !preemption::can_be_forbidden();
        let coverages = PLANS
            .iter()
            .map(|plan| Coverage::new(plan, kind, can_be_skipped));
        self.coverage = coverages.collect();
        loop {
            let (mut tried, mut plans) = (Vec::new(), Vec::new());
            for coverage in &mut self.coverage {
                if let Some(plan) = coverage.try_next() {
                    tried.push(coverage);
                    plans.push(plan);
                }
            }
            if !plans.is_empty() {
                let attached = attacher.attach(&plans)?;
                for ((coverage, (_, kind)), attached) in tried.into_iter().zip(plans).zip(attached)
                {
                    coverage.tried(kind, attached);
                }
                continue;
            }
            let is_session = |it: &Coverage| it.family == Family::Session;
            // All others would be silent.
            if !self
                .coverage
                .iter()
                .any(|it| is_session(it) && it.taken.is_some())
            {
                self.coverage.retain(is_session);
                return Ok(());
            }
            let verdict = selftest(self)?;
            let coverages = self.coverage.iter_mut();
            let silent: Vec<_> = coverages.filter_map(|it| it.hear(&verdict)).collect();
            if silent.is_empty() {
                return Ok(());
            }
            for attached in silent {
                attacher.withdraw(attached);
            }
        }
    }

    /// The descriptors that become readable when a probe wakes the daemon.
    pub fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let maps = self.ring_maps.iter().chain([&self.terminal_map]);
        maps.map(|map| map.fd().as_fd().as_raw_fd())
    }

    /// The descriptor of the table of processes that are stopped.
    pub fn held_descriptor(&self) -> RawFd {
        self.held_descriptor
    }

    /// How often the kernel ran neither a program nor its copy.
    pub fn missed(&self) -> Skipped {
        self.skips.count()
    }

    /// Detaches every hook; what is in the rings stays readable.
    pub fn detach(&mut self) {
        self.coverage.clear();
        self.dispatchers = None;
        self.egress.clear();
    }

    /// Whether the hooks are there, until [`Probes::detach`].
    pub fn is_attached(&self) -> bool {
        self.dispatchers.is_some()
    }
}

/// The kernel's types in the file `path`, as far as the object and its places have use for them. The
/// object's calls of functions of the kernel are resolved by it.
fn kernel_types(path: &Path, object: &mut [u8]) -> Result<Btf, ProbeError> {
    let whole = std::fs::read(path)
        .map_err(|e| ProbeError::new("BTF", format_args!("{}: {e}", path.display())))?;
    // A kernel that does not describe itself lets none of them be called.
    let described = if path == Path::new(preflight::BTF) {
        &whole[..]
    } else {
        &[]
    };
    let version = preflight::version(&preflight::release()).unwrap_or_default();
    kfunc::resolve(object, described, version);
    let places: Vec<_> = attach::places().collect();
    let mut names = types::names(types::description_in(object).unwrap_or(&[]));
    names.extend(places.iter().map(String::as_bytes));
    // What can't be read can't be parsed either, which says why.
    let btf = types::cut_down(&whole, &names).unwrap_or(whole);
    Btf::parse(&btf, Endianness::default()).map_err(|e| ProbeError::new("BTF", chain(&e)))
}

/// A new loader reads and keeps all the types that the kernel has, whatever it is given then; but for
/// this moment no file can be opened.
fn loader<'a>() -> EbpfLoader<'a> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the calls fill and read the structures.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        let none = libc::rlimit {
            rlim_cur: 0,
            ..limit
        };
        libc::setrlimit(libc::RLIMIT_NOFILE, &none);
    }
    let loader = EbpfLoader::new();
    // SAFETY: reads the structure.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    loader
}

fn take(object: &mut Ebpf, name: &str) -> Result<MapData, ProbeError> {
    match object.take_map(name) {
        Some(Map::RingBuf(map) | Map::Array(map)) => Ok(map),
        _ => Err(ProbeError::new(name, "not in the object")),
    }
}

/// A table of programs.
fn dispatcher<Link>(object: &mut Ebpf, name: &str) -> Result<Dispatcher<Link>, ProbeError> {
    let descriptor = match object.map(name) {
        Some(Map::ProgramArray(map)) => map.fd().as_fd().try_clone_to_owned(),
        _ => return Err(ProbeError::new(name, "not in the object")),
    };
    let descriptor = descriptor.map_err(|e| ProbeError::new(format!("map {name}"), e))?;
    Ok(Dispatcher::new(typed(object, name)?, descriptor))
}

/// A map of the type that its use asks for.
pub fn typed<T: TryFrom<Map, Error = MapError>>(
    object: &mut Ebpf,
    name: &str,
) -> Result<T, ProbeError> {
    let map = object
        .take_map(name)
        .ok_or_else(|| ProbeError::new(name, "not in the object"))?;
    T::try_from(map).map_err(|e| ProbeError::new(format!("map {name}"), e))
}

/// Before 5.11 maps count against RLIMIT_MEMLOCK. Where it can't be raised, loading says so.
fn raise_memory_limit() {
    let unlimited = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: reads the structure.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &unlimited) };
}

/// The tree of mounts that the config speaks of, by the inode of its namespace: that of the host's
/// first process, or our own where that is not to be seen.
fn mount_namespace() -> u64 {
    let inode = |path| fs::metadata(path).map(|file| file.ino());
    let first = inode("/proc/1/ns/mnt").or_else(|_| inode("/proc/self/ns/mnt"));
    first.unwrap_or_default()
}

fn possible_cpus() -> Result<usize, ProbeError> {
    aya::util::nr_cpus().map_err(|(path, e)| ProbeError::new(path, e))
}
