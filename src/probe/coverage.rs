//! What becomes of each family on this host: the plan that works, or why none does.

use super::attach::{Attached, Attacher};
use super::plan::{Family, Kind, Plan};
use super::selftest::Verdict;

/// How one family is seen.
pub struct Coverage {
    /// Which.
    pub family: Family,
    /// The plan at work; none where none works here.
    pub taken: Option<(Plan, Attached)>,
    /// Plans that would have come first, and why they do not work here.
    pub refused: Vec<(Kind, String)>,
    /// Programs at work that can't be tried here, and why.
    pub untried: Vec<(&'static str, String)>,
    /// Plans that are left to be tried, the best last.
    left: Vec<Plan>,
}

impl Coverage {
    /// Nothing yet; `plans` are to be tried in this order.
    pub fn new(family: Family, plans: &[Plan]) -> Self {
        let of_family = plans.iter().filter(|plan| plan.family == family);
        Self {
            family,
            taken: None,
            refused: Vec::new(),
            untried: Vec::new(),
            left: of_family.rev().copied().collect(),
        }
    }

    /// Tries what is left until one works; tells whether one does.
    pub fn take(&mut self, attacher: &mut Attacher<'_>) -> bool {
        while let Some(plan) = self.left.pop() {
            match attacher.attach(&plan) {
                Ok(attached) => {
                    self.taken = Some((plan, attached));
                    return true;
                }
                Err(error) => self.refused.push((plan.kind, error.to_string())),
            }
        }
        false
    }

    /// Takes notice of the self-test: a plan with a silent program does not work. Tells whether it
    /// does.
    pub fn hear(&mut self, verdict: &Verdict) -> bool {
        let Some((plan, attached)) = &self.taken else {
            return true;
        };
        let at_work = |name: &str| attached.places.iter().any(|(program, _)| *program == name);
        let silent: Vec<_> = verdict.silent.iter().filter(|name| at_work(name)).collect();
        if silent.is_empty() {
            let untried = verdict.untried.iter().filter(|(name, _)| at_work(name));
            self.untried = untried.cloned().collect();
            return true;
        }
        let mut reason = String::from("attached, but the self-test was not seen by");
        for name in silent {
            reason.push_str(&format!(" {name} (at {})", attached.places_of(name)));
        }
        self.refused.push((plan.kind, reason));
        self.taken = None;
        false
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
