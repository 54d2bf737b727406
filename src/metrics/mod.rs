//! Numbers for those who watch the recorder, as text for Prometheus.

mod control;
mod file;
mod latency;

use std::fmt::{Display, Write};

pub use control::{Control, ask};
pub use file::MetricsFile;
pub use latency::Latency;

use crate::abi::{LOGINS, MissedCounts, PROBES};
use crate::base::{ALL_CAUSES, Account, Backend, Family, Fill, Ledger};

/// How the numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text format of Prometheus, version 0.0.4, which the node exporter reads from files.
    Text,
}

/// What the recorder knows of itself, since its start.
pub struct Facts<'a, Accounts> {
    /// Sessions that are open, by how somebody logged in: [`LOGINS`].
    pub sessions: [usize; LOGINS.len()],
    /// Events written and lost, by the same.
    pub ledgers: &'a [Ledger; LOGINS.len()],
    /// Logins and processes that found no room in the kernel's tables.
    pub refused: (u64, u64),
    /// How often each of [`PROBES`] was not run.
    pub missed: &'a MissedCounts,
    /// Whether the hook of all calls is attached, where there is one.
    pub hooked: Option<bool>,
    /// Each family of the plans, and how it is hooked, if it is.
    pub families: &'a [(&'static str, Option<Backend>)],
    /// When the recorder started. Nanoseconds since 1970.
    pub started: u64,
    /// Families that are recorded by a worse plan than this kernel allows, and why.
    pub fallbacks: &'a [(&'static str, String)],
    /// Records that could not be read.
    pub malformed: u64,
    /// What became of the lines, by output.
    pub accounts: Accounts,
    /// The rings, and how full each was at most of late, in percent.
    pub fill: Fill,
    /// From acts to their lines, by how somebody logged in.
    pub latency: &'a [Latency; LOGINS.len()],
    /// Of the processor, for each round of reading the rings.
    pub rounds: &'a Latency,
}

impl<Accounts: Iterator<Item = Account> + Clone> Facts<'_, Accounts> {
    /// All of them as text.
    pub fn text(&self, form: Form) -> String {
        let mut out = Text {
            out: String::with_capacity(32 << 10),
            form,
        };
        out.info(
            "build",
            "Version of recorderd.",
            [("version", env!("CARGO_PKG_VERSION"))],
        );
        out.gauge(
            "start_time_seconds",
            "Start time of recorderd, in seconds since 1970.",
            [([], Seconds(self.started))],
        );
        out.gauge(
            "family_hooked",
            "Whether a family of events is recorded, and by which backend.",
            self.families.iter().map(|(family, backend)| {
                let name = backend.map_or("none", Backend::name);
                let labels = [("family", *family), ("backend", name)];
                (labels, u8::from(backend.is_some()))
            }),
        );
        let sessions = LOGINS.iter().zip(self.sessions).skip(1);
        out.gauge(
            "sessions",
            "Open sessions, by login type.",
            sessions.map(|(login, count)| ([("login_type", *login)], count)),
        );
        out.counter(
            "events",
            "Events written, by family and login type.",
            self.by_login(Family::counted(), |ledger, family| {
                ledger.events[family as usize]
            }),
        );
        let causes = ALL_CAUSES.iter().enumerate();
        out.counter(
            "dropped_events",
            "Events dropped, by family, cause and login type.",
            causes.flat_map(|(index, cause)| {
                let lost = move |ledger: &Ledger, family| {
                    ledger.losses(family).nth(index).unwrap_or_default()
                };
                let samples = self.by_login(Family::ALL.into_iter(), lost);
                samples.map(|([family, login], count)| ([family, ("cause", *cause), login], count))
            }),
        );
        out.counter(
            "excluded_events",
            "Events excluded by the config, of sessions that ended.",
            self.by_login(Family::counted(), |ledger, family| {
                ledger.excluded()[family as usize]
            }),
        );
        out.counter(
            "not_recorded",
            "Logins and processes that found no space in the BPF maps.",
            [("login", self.refused.0), ("process", self.refused.1)]
                .map(|(what, count)| ([("what", what)], count)),
        );
        out.counter(
            "missed_probes",
            "How often the kernel skipped a probe.",
            PROBES
                .iter()
                .zip(self.missed)
                .map(|(program, count)| ([("program", *program)], *count)),
        );
        out.gauge(
            "syscall_exit_hook_attached",
            "Whether the syscall-exit hook of the tracepoint backend is attached.",
            self.hooked.map(|hooked| ([], u8::from(hooked))),
        );
        out.gauge(
            "backend_fallback",
            "Families that use the tracepoint backend although this kernel has fexit.",
            self.fallbacks
                .iter()
                .map(|(family, _)| ([("family", *family)], 1)),
        );
        out.counter(
            "malformed_records",
            "Records that couldn't be decoded.",
            [([], self.malformed)],
        );
        let by_output = |count: fn(&Account) -> u64| {
            let accounts = self.accounts.clone();
            accounts.map(move |it| ([("output", it.output.name())], count(&it)))
        };
        out.counter(
            "written_bytes",
            "Bytes written to an output.",
            by_output(|account| account.written),
        );
        out.counter(
            "output_dropped_lines",
            "Lines that an output misses.",
            by_output(|account| account.lost),
        );
        let accounts = self.accounts.clone();
        out.gauge(
            "last_write_timestamp_seconds",
            "Time of the last write to an output, in seconds since 1970; 0 before the first.",
            accounts.map(|it| ([("output", it.output.name())], Seconds(it.last))),
        );
        out.gauge(
            "ring_buffer_fill_ratio",
            "Maximum fill level of a ring buffer since the last recorder.status.",
            self.fill
                .map(|(ring, percent)| ([("ring", ring)], Ratio(percent))),
        );
        out.head(
            "event_latency_seconds",
            "histogram",
            "Time from an event in the kernel to its line, by login type.",
        );
        for (login, latency) in LOGINS.iter().zip(self.latency).skip(1) {
            out.histogram("event_latency_seconds", [("login_type", *login)], latency);
        }
        out.head(
            "round_cpu_seconds",
            "histogram",
            "Processor time of one round over the ring buffers.",
        );
        out.histogram("round_cpu_seconds", [], self.rounds);
        if form == Form::OpenMetrics {
            out.out.push_str("# EOF\n");
        }
        out.out
    }

    /// A count of each of the families, and each kind of login.
    fn by_login(
        &self,
        families: impl Iterator<Item = Family>,
        count: impl Fn(&Ledger, Family) -> u64,
    ) -> impl Iterator<Item = ([Label; 2], u64)> {
        families.flat_map(move |family| {
            let logins = LOGINS.iter().zip(self.ledgers).skip(1);
            let samples = logins.map(|(login, ledger)| {
                let labels = [("family", family.name()), ("login_type", *login)];
                (labels, count(ledger, family))
            });
            samples.collect::<Vec<_>>()
        })
    }
}

/// Its name, and what it is.
type Label = (&'static str, &'static str);

/// Nanoseconds, shown as seconds.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}.{:09}",
            self.0 / 1_000_000_000,
            self.0 % 1_000_000_000
        )
    }
}

/// Hundredths, shown as a ratio.
struct Ratio(u64);

impl Display for Ratio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// What is written so far. Values of labels are names of our own, which need no escapes.
struct Text {
    out: String,
    form: Form,
}

impl Text {
    /// What a metric is.
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(
            self.out,
            "# HELP recorderd_{name} {help}\n# TYPE recorderd_{name} {kind}\n"
        );
    }

    /// A fact that is told by its labels. The older format has no type for that.
    fn info<const LABELS: usize>(&mut self, name: &str, help: &str, labels: [Label; LABELS]) {
        let sample = format!("{name}_info");
        match self.form {
            Form::OpenMetrics => self.head(name, "info", help),
            Form::Text => self.head(&sample, "gauge", help),
        }
        self.sample(&sample, labels, 1);
    }

    fn gauge<const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = ([Label; LABELS], impl Display)>,
    ) {
        self.head(name, "gauge", help);
        for (labels, value) in samples {
            self.sample(name, labels, value);
        }
    }

    fn counter<const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = ([Label; LABELS], impl Display)>,
    ) {
        let total = format!("{name}_total");
        // In OpenMetrics, the name of a counter is that of its sample without the end.
        let name = match self.form {
            Form::OpenMetrics => name,
            Form::Text => &total,
        };
        self.head(name, "counter", help);
        for (labels, value) in samples {
            self.sample(&total, labels, value);
        }
    }

    fn histogram<const LABELS: usize>(
        &mut self,
        name: &str,
        labels: [Label; LABELS],
        times: &Latency,
    ) {
        let (count, sum) = times.total();
        let classes = times.classes().chain([("+Inf", count)]);
        let bucket = format!("{name}_bucket");
        for (end, count) in classes {
            let all: Vec<_> = labels.iter().copied().chain([("le", end)]).collect();
            self.sample(&bucket, all, count);
        }
        self.sample(&format!("{name}_count"), labels, count);
        self.sample(&format!("{name}_sum"), labels, Seconds(sum));
    }

    fn sample(&mut self, name: &str, labels: impl AsRef<[Label]>, value: impl Display) {
        let labels = labels.as_ref();
        let _ = write!(self.out, "recorderd_{name}");
        for (index, (label, value)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let _ = write!(self.out, "{before}{label}=\"{value}\"");
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.out, "{end} {value}");
    }
}
