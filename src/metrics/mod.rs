//! Numbers for those who watch the recorder, as text of OpenMetrics 1.0.

mod control;
mod file;
mod latency;

use std::fmt::{Display, Write};

pub use control::{Control, ask};
pub use file::MetricsFile;
pub use latency::Latency;

use crate::abi::{LOGINS, MissedCounts, PROBES};
use crate::base::{ALL_CAUSES, Account, Family, Fill, Ledger};

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
    pub fn text(&self) -> String {
        let mut out = Text(String::with_capacity(32 << 10));
        out.family("build", "info", "Version of recorderd.");
        out.sample("build_info", [("version", env!("CARGO_PKG_VERSION"))], 1);
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
            "lost_events",
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
            "left_out_events",
            "Events excluded by the config, of sessions that ended.",
            self.by_login(Family::counted(), |ledger, family| {
                ledger.left_out()[family as usize]
            }),
        );
        out.counter(
            "not_recorded",
            "Logins and processes that found no space in the BPF maps.",
            [("login", self.refused.0), ("process", self.refused.1)]
                .map(|(what, count)| ([("what", what)], count)),
        );
        out.counter(
            "hook_missed",
            "How often the kernel skipped a probe.",
            PROBES
                .iter()
                .zip(self.missed)
                .map(|(program, count)| ([("program", *program)], *count)),
        );
        out.gauge(
            "calls_hooked",
            "Whether the syscall-exit hook of the portable backend is attached.",
            self.hooked.map(|hooked| ([], u8::from(hooked))),
        );
        out.gauge(
            "plan_fallback",
            "Families that use the portable backend although this kernel has fentry.",
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
            "output_lost_lines",
            "Lines that an output misses.",
            by_output(|account| account.lost),
        );
        out.gauge(
            "ring_fill_percent",
            "Maximum fill level of a ring buffer since the last recorder.status.",
            self.fill.map(|(ring, percent)| ([("ring", ring)], percent)),
        );
        out.family(
            "latency_seconds",
            "histogram",
            "Time from an event in the kernel to its line, by login type.",
        );
        for (login, latency) in LOGINS.iter().zip(self.latency).skip(1) {
            out.histogram("latency_seconds", [("login_type", *login)], latency);
        }
        out.family(
            "round_cpu_seconds",
            "histogram",
            "Processor time of one round over the ring buffers.",
        );
        out.histogram("round_cpu_seconds", [], self.rounds);
        out.0.push_str("# EOF\n");
        out.0
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

/// What is written so far. Values of labels are names of our own, which need no escapes.
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(
            self.0,
            "# TYPE recorderd_{name} {kind}\n# HELP recorderd_{name} {help}\n"
        );
    }

    fn gauge<const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = ([Label; LABELS], impl Display)>,
    ) {
        self.family(name, "gauge", help);
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
        self.family(name, "counter", help);
        for (labels, value) in samples {
            self.sample(&format!("{name}_total"), labels, value);
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
        let _ = write!(self.0, "recorderd_{name}");
        for (index, (label, value)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{before}{label}=\"{value}\"");
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }
}
