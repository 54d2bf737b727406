//! What this host has, and how far it can be recorded: for a person or for a machine.

pub mod service;

use std::fmt::Write;
use std::path::Path;

use crate::base::Family;
use crate::base::quote;
use crate::config::Config;
use crate::kernel::{self, Coverage, Probes, Settings, preflight};
use line::Object;

/// How far this host can be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All families.
    Ready,
    /// All that the config requires.
    Degraded,
    /// Not as the config requires.
    Unable,
}

impl State {
    /// As it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Unable => "unable",
        }
    }
}

/// What was found.
pub struct Report {
    /// The sum of it.
    pub state: State,
    /// What was asked, and the answer.
    facts: Vec<(&'static str, String)>,
    /// What keeps this host from being recorded.
    faults: Vec<String>,
    /// What is worse than it has to be.
    warnings: Vec<String>,
    coverage: Vec<Coverage>,
}

/// Looks at the host as the daemon would with this config, and attaches the probes for a moment.
/// `validity` is what there is to say of the config itself, or what is wrong with it.
pub fn check(config: &Config, validity: Result<String, Vec<String>>) -> Report {
    let btf = preflight::btf(config.btf_path.as_deref());
    let mut facts = Vec::new();
    let mut faults = Vec::new();
    for (name, answer) in [
        ("kernel", preflight::kernel()),
        ("architecture", Ok(std::env::consts::ARCH.to_owned())),
        ("btf", preflight::types(&btf)),
        ("lsm", Ok(preflight::security_modules())),
        ("lockdown", preflight::lockdown()),
        ("privilege", preflight::privilege()),
        ("audit", preflight::audit()),
        ("cgroup", Ok(preflight::cgroup(&config.cgroup_path))),
        ("tracefs", Ok(preflight::tracefs())),
    ] {
        facts.push((
            name,
            answer.unwrap_or_else(|lack| {
                faults.push(lack.to_string());
                lack.to_string()
            }),
        ));
    }
    let mut coverage = Vec::new();
    if faults.is_empty() {
        match Probes::start(&Settings::new(config, &btf)) {
            Ok(mut probes) => coverage = std::mem::take(&mut probes.coverage),
            Err(error) => faults.push(error.to_string()),
        }
    }
    if coverage.iter().any(Coverage::hooks_all_calls) {
        facts.push(("calls", when_hooked(config.logins).to_owned()));
    }
    faults.extend(missing(&coverage, &config.required));
    facts.push(match validity {
        Ok(text) => ("config", text),
        Err(errors) => {
            faults.extend(errors);
            ("config", "wrong".into())
        }
    });
    let state = match (
        faults.is_empty(),
        coverage.iter().all(|it| it.taken.is_some()),
    ) {
        (false, _) => State::Unable,
        (true, true) => State::Ready,
        (true, false) => State::Degraded,
    };
    Report {
        state,
        facts,
        faults,
        warnings: warnings(&coverage),
        coverage,
    }
}

/// When the ends of all calls are hooked, which makes each of them slower.
fn when_hooked(logins: u64) -> &'static str {
    match kernel::can_wait(logins) {
        true => {
            "all are hooked, and slower, while somebody is logged in, and once a session has asked for a job"
        }
        false => "all are hooked, and slower, at all times: login_types names others than ssh",
    }
}

/// One line for each family that has to be recorded and can't be.
pub fn missing(coverage: &[Coverage], required: &[Family]) -> Vec<String> {
    let needed = |family| family == Family::Session || required.contains(&family);
    let needed = coverage.iter().filter(|it| needed(it.family));
    needed
        .filter_map(|it| Some(format!("{} can't be recorded: {}", it.family, it.fault()?)))
        .collect()
}

/// One line for each family that slows all calls of the host, though this kernel has a better way.
pub fn warnings(coverage: &[Coverage]) -> Vec<String> {
    let fallbacks = kernel::fallbacks(coverage);
    fallbacks
        .map(|(family, reason)| {
            format!(
                "{family} is recorded by the tracepoint backend, which slows all calls while somebody is logged \
                 in, though this kernel has fexit: {reason}"
            )
        })
        .collect()
}

impl Report {
    /// For a person.
    pub fn text(&self) -> String {
        let (mut text, mut shown) = (String::new(), String::new());
        self.write(&mut text).unwrap_or_default();
        for line in text.lines() {
            quote::plain(line, &mut shown);
            shown.push('\n');
        }
        shown
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        for (name, value) in &self.facts {
            writeln!(out, "{name:<13} {value}")?;
        }
        for coverage in &self.coverage {
            let family = coverage.family.name();
            let Some((kind, attached)) = &coverage.taken else {
                let fault = coverage.fault().unwrap_or_default();
                writeln!(out, "\n{family:<13} not recorded: {fault}")?;
                continue;
            };
            writeln!(out, "\n{family:<13} recorded; backend: {kind}")?;
            for program in attached.programs() {
                writeln!(out, "  {program:<17} {}", attached.places_of(program))?;
            }
            if !attached.lacking.is_empty() {
                writeln!(out, "  not in this kernel: {}", attached.lacking.join(", "))?;
            }
            for (program, reason) in &coverage.untried {
                writeln!(out, "  not tried: {program}: {reason}")?;
            }
            let unseen: Vec<_> = coverage.unseen().collect();
            if !unseen.is_empty() {
                writeln!(out, "  gaps: {}", unseen.join("; "))?;
            }
            for (kind, reason) in &coverage.refused {
                writeln!(out, "  {kind} would be better, but: {reason}")?;
            }
        }
        writeln!(out, "\n{}", self.state.name())?;
        for fault in &self.faults {
            writeln!(out, "  {fault}")?;
        }
        for warning in &self.warnings {
            writeln!(out, "  warning: {warning}")?;
        }
        Ok(())
    }

    /// For a machine: one object in one line.
    pub fn json(&self) -> String {
        let mut line = Object::text(|object| self.members(object));
        line.push('\n');
        line
    }

    fn members(&self, object: &mut Object<'_>) {
        object.string("state", self.state.name().as_bytes());
        for (name, value) in &self.facts {
            object.string(name, value.as_bytes());
        }
        strings(object, "faults", self.faults.iter().map(String::as_str));
        strings(object, "warnings", self.warnings.iter().map(String::as_str));
        object.object("families", |families| {
            for coverage in &self.coverage {
                families.object(coverage.family.name(), |object| describe(object, coverage));
            }
        });
    }
}

fn describe(object: &mut Object<'_>, coverage: &Coverage) {
    object.boolean("recorded", coverage.taken.is_some());
    if let Some((kind, attached)) = &coverage.taken {
        object.string("backend", kind.name().as_bytes());
        object.object("programs", |programs| {
            for program in attached.programs() {
                programs.object(program, |object| {
                    strings(object, "places", attached.places_at(program));
                    if let Some(count) = attached.instructions_of(program) {
                        object.number("verified_instructions", count);
                    }
                });
            }
        });
        strings(
            object,
            "not_in_this_kernel",
            attached.lacking.iter().copied(),
        );
        strings(object, "not_seen", coverage.unseen());
        object.object("not_tried", |object| {
            for (program, reason) in &coverage.untried {
                object.string(program, reason.as_bytes());
            }
        });
    }
    object.object("refused", |object| {
        for (kind, reason) in &coverage.refused {
            object.string(kind.name(), reason.as_bytes());
        }
    });
}

fn strings<'a>(object: &mut Object<'_>, key: &str, values: impl Iterator<Item = &'a str> + Clone) {
    object.list(key, "", values.map(str::as_bytes));
}

/// Where the config is, and that nothing is wrong with it.
pub fn validity(path: Option<&Path>, config: &Config) -> String {
    match path {
        None => "none given; the defaults".into(),
        Some(path) if !config.enabled => {
            format!(
                "{} is valid; recording is switched off in it (enabled: false)",
                path.display()
            )
        }
        Some(path) => format!("{} is valid", path.display()),
    }
}
