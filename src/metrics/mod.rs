//! Numbers for those who watch the recorder, as text of OpenMetrics 1.0.

mod control;
mod file;
mod latency;

use std::fmt::{Display, Write};

pub use control::{Control, ask};
pub use file::MetricsFile;
pub use latency::Latency;

use crate::record::layout::FAMILIES;
use crate::session::{ALL_CAUSES, Ledger};
use crate::sink::Account;

/// What the recorder knows of itself, since its start.
pub struct Facts<'a, Accounts> {
    /// Sessions that are open.
    pub sessions: usize,
    /// Events written and lost.
    pub ledger: &'a Ledger,
    /// Logins and processes that found no room in the kernel's tables.
    pub refused: (u64, u64),
    /// How often a program was not run: its name, and how often.
    pub missed: &'a [(&'static str, u64)],
    /// Records that could not be read.
    pub malformed: u64,
    /// What became of the lines, by output.
    pub accounts: Accounts,
    /// The rings, and how full each was at most of late, in percent.
    pub fill: [(&'static str, u64); 4],
    /// From acts to their lines.
    pub latency: &'a Latency,
}

impl<Accounts: Iterator<Item = Account> + Clone> Facts<'_, Accounts> {
    /// All of them as text.
    pub fn text(&self) -> String {
        let mut out = Text(String::with_capacity(8 << 10));
        out.family("build", "info", "The program that records.");
        out.sample("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        out.family("sessions", "gauge", "Sessions that are open.");
        out.sample("sessions", &[], self.sessions);
        out.family("events", "counter", "Events written, by family.");
        for (family, count) in FAMILIES.iter().zip(self.ledger.events).skip(1) {
            out.sample("events_total", &[("family", family)], count);
        }
        out.family(
            "lost_events",
            "counter",
            "Events that are not in the log, by family and cause.",
        );
        for (index, family) in FAMILIES.iter().enumerate() {
            for (cause, count) in ALL_CAUSES.iter().zip(self.ledger.losses(index)) {
                out.sample(
                    "lost_events_total",
                    &[("family", family), ("cause", cause)],
                    count,
                );
            }
        }
        out.family(
            "left_out_events",
            "counter",
            "Events that the config leaves out, of sessions that have ended.",
        );
        for (family, count) in FAMILIES.iter().zip(self.ledger.left_out).skip(1) {
            out.sample("left_out_events_total", &[("family", family)], count);
        }
        out.family(
            "not_recorded",
            "counter",
            "Logins and processes without room in the kernel's tables.",
        );
        for (what, count) in [("login", self.refused.0), ("process", self.refused.1)] {
            out.sample("not_recorded_total", &[("what", what)], count);
        }
        out.family(
            "hook_missed",
            "counter",
            "How often the kernel did not run a program.",
        );
        for (program, count) in self.missed {
            out.sample("hook_missed_total", &[("program", program)], *count);
        }
        out.family(
            "malformed_records",
            "counter",
            "Records that could not be read.",
        );
        out.sample("malformed_records_total", &[], self.malformed);
        out.family(
            "written_bytes",
            "counter",
            "Bytes that an output has taken.",
        );
        for account in self.accounts.clone() {
            let output = [("output", account.output.name())];
            out.sample("written_bytes_total", &output, account.written);
        }
        out.family(
            "output_lost_lines",
            "counter",
            "Lines that an output did not get.",
        );
        for account in self.accounts.clone() {
            let output = [("output", account.output.name())];
            out.sample("output_lost_lines_total", &output, account.lost);
        }
        out.family(
            "ring_fill_percent",
            "gauge",
            "How full a ring was at most since the last recorder.status.",
        );
        for (ring, percent) in self.fill {
            out.sample("ring_fill_percent", &[("ring", ring)], percent);
        }
        out.family("latency_seconds", "histogram", "From an act to its line.");
        let (count, sum) = self.latency.total();
        for (end, count) in self.latency.classes() {
            out.sample("latency_seconds_bucket", &[("le", end)], count);
        }
        out.sample("latency_seconds_bucket", &[("le", "+Inf")], count);
        out.sample("latency_seconds_count", &[], count);
        out.sample("latency_seconds_sum", &[], Seconds(sum));
        out.0.push_str("# EOF\n");
        out.0
    }
}

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

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.0, "recorderd_{name}");
        for (index, (label, value)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{before}{label}=\"{value}\"");
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }
}
