//! What becomes of each family on this host: the plan that works, or why none does.

use super::attach::Attached;
use super::error::ProbeError;
use super::plan::Plan;
use super::selftest::Verdict;
use crate::base::{Backend, COMPAT, Family};

/// Of a program without which a kernel can be.
const UNHEARD: &str = "attached, but never fired in the self-test";

/// Of programs that are preempted while they run.
const SKIPPED: &str = "this kernel preempts its probes, and skips those of others meanwhile";

/// How one family is seen.
pub struct Coverage {
    /// Which.
    pub family: Family,
    /// The plan at work; none where none works here.
    pub taken: Option<(Backend, Attached)>,
    /// Kinds that would have come first, and why they do not work here.
    pub refused: Vec<(Backend, String)>,
    /// Programs at work that can't be tried here, and why.
    pub untried: Vec<(&'static str, String)>,
    plan: &'static Plan,
    /// Kinds that are left to be tried, the best last.
    left: Vec<Backend>,
}

impl Coverage {
    /// Nothing yet. Only `kind` is to be tried, if there is one. Without it, the better one comes first,
    /// unless its programs `can_be_skipped`.
    pub fn new(plan: &'static Plan, kind: Option<Backend>, can_be_skipped: bool) -> Self {
        let kinds = plan.kinds();
        let of_kind = |it: &&Backend| kinds.len() == 1 || kind.is_none_or(|kind| **it == kind);
        let mut left: Vec<_> = kinds.iter().filter(of_kind).rev().copied().collect();
        let mut refused = Vec::new();
        if can_be_skipped && left.len() > 1 {
            left.reverse();
            refused.push((Backend::Fexit, SKIPPED.to_owned()));
        }
        Self {
            family: plan.family,
            taken: None,
            refused,
            untried: Vec::new(),
            plan,
            left,
        }
    }

    /// What happens on the host, belongs to the family, and is not seen.
    pub fn unseen(&self) -> impl Iterator<Item = &'static str> + Clone {
        let has_calls = self.plan.kinds().len() > 1;
        let taken = self.taken.as_ref().filter(|_| has_calls);
        let sees_compat = taken.is_some_and(|(_, attached)| attached.sees_compat());
        let taken = taken.map_or(&[][..], |(kind, _)| kind.unseen());
        let taken = taken
            .iter()
            .filter(move |it| !sees_compat || **it != COMPAT);
        let hooks = self.plan.hooks.iter();
        let missing = hooks.filter(|hook| !self.is_at_work(hook.program));
        let of_missing = missing.filter_map(|hook| hook.unseen);
        let unseen = self.plan.unseen.iter().chain(taken).copied();
        unseen.chain(of_missing)
    }

    fn is_at_work(&self, program: &str) -> bool {
        let mut taken = self.taken.iter();
        taken.any(|(_, attached)| attached.places_at(program).next().is_some())
    }

    /// Whether it is seen by the hook of all calls.
    pub fn hooks_all_calls(&self) -> bool {
        let is_portable = |(kind, _): &(Backend, Attached)| *kind == Backend::Tracepoint;
        self.plan.kinds().len() > 1 && self.taken.as_ref().is_some_and(is_portable)
    }

    /// What is to be tried next, if none works yet.
    pub fn try_next(&mut self) -> Option<(&'static Plan, Backend)> {
        match self.taken {
            None => Some((self.plan, self.left.pop()?)),
            Some(_) => None,
        }
    }

    /// Takes notice of what became of that.
    pub fn tried(&mut self, kind: Backend, attached: Result<Attached, ProbeError>) {
        match attached {
            Ok(attached) => self.taken = Some((kind, attached)),
            Err(error) => self.refused.push((kind, error.to_string())),
        }
    }

    /// Takes notice of the self-test: a plan with a silent program does not work, and is given back.
    pub fn hear(&mut self, verdict: &Verdict) -> Option<Attached> {
        let (_, attached) = self.taken.as_ref()?;
        let at_work = |name: &str| attached.places.iter().any(|(program, _)| *program == name);
        let silent = verdict.silent.iter().copied().filter(|name| at_work(name));
        let (silent, spared): (Vec<_>, Vec<_>) = silent.partition(|name| self.plan.needs(name));
        if silent.is_empty() {
            let untried = verdict.untried.iter().filter(|(name, _)| at_work(name));
            let spared = spared.into_iter().map(|name| (name, UNHEARD.to_owned()));
            self.untried = untried.cloned().chain(spared).collect();
            return None;
        }
        let mut reason = String::from("attached, but never fired in the self-test:");
        for name in silent {
            reason.push_str(&format!(" {name} (at {})", attached.places_of(name)));
        }
        let (kind, attached) = self.taken.take()?;
        self.refused.push((kind, reason));
        Some(attached)
    }

    /// Why the family is not recorded, if it is not.
    pub fn fault(&self) -> Option<String> {
        if self.taken.is_some() {
            return None;
        }
        let reasons = self
            .refused
            .iter()
            .map(|(kind, reason)| format!("{kind}: {reason}"));
        Some(reasons.collect::<Vec<_>>().join("; "))
    }
}

/// Families that are seen by a worse plan than others here, which slows all calls of the host; and why.
pub fn fallbacks(coverage: &[Coverage]) -> impl Iterator<Item = (Family, &str)> {
    let is_better = |it: &Coverage| matches!(it.taken, Some((Backend::Fexit, _)));
    let has_better = coverage.iter().any(is_better);
    let worse = coverage
        .iter()
        .filter(move |it| has_better && it.hooks_all_calls());
    worse.filter_map(|it| {
        let mut refused = it.refused.iter();
        let (_, reason) = refused.find(|(kind, _)| *kind == Backend::Fexit)?;
        Some((it.family, reason.as_str()))
    })
}
