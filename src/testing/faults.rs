//! What a test wants to go wrong: pure bookkeeping, asked once per request.

use std::time::Duration;

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// This status instead of an answer; the request has no effect.
    Status(u16),
    /// The answer comes this much later.
    Delay(Duration),
    /// The request has its effect, but the answer breaks off.
    Half,
    /// The request has its effect, but is not answered.
    Lost,
    /// A page in place of JSON; the request has no effect.
    Html,
    /// An endless-looking list of this many bytes; the request has no effect.
    Huge(u64),
}

#[derive(Debug)]
struct Planned {
    fault: Fault,
    /// Concerns requests of which `METHOD /path` contains this.
    only: String,
    /// Requests left; for ever when `None`.
    left: Option<u64>,
}

/// All faults that are planned.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) down: bool,
    pub(crate) retry_after: Option<u32>,
    planned: Vec<Planned>,
}

impl Faults {
    /// Plans a fault for `times` requests (for ever: `None`) of which `METHOD /path` contains `only`.
    pub(crate) fn plan(&mut self, fault: Fault, only: &str, times: Option<u64>) {
        if times != Some(0) {
            self.planned.push(Planned { fault, only: only.to_owned(), left: times });
        }
    }

    /// Takes back what was planned for ever, as far as `which` says so.
    pub(crate) fn take_back(&mut self, only: &str, which: impl Fn(&Fault) -> bool) {
        self.planned.retain(|p| p.left.is_some() || p.only != only || !which(&p.fault));
    }

    /// What is to go wrong with a request: all delays together, and the first of the others.
    pub(crate) fn next(&mut self, method: &str, path: &str) -> (Duration, Option<Fault>) {
        let (mut delay, mut first) = (Duration::ZERO, None);
        let request = format!("{method} {path}");
        for planned in &mut self.planned {
            if !request.contains(&planned.only) {
                continue;
            }
            match planned.fault {
                Fault::Delay(more) => delay += more,
                _ if first.is_some() => continue,
                ref fault => first = Some(fault.clone()),
            }
            planned.left = planned.left.map(|left| left - 1);
        }
        self.planned.retain(|planned| planned.left != Some(0));
        (delay, first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_in_the_order_of_planning_and_end() {
        let mut faults = Faults::default();
        faults.plan(Fault::Status(500), "", Some(1));
        faults.plan(Fault::Status(503), "/values", Some(1));
        assert_eq!(faults.next("GET", "/a/values").1, Some(Fault::Status(500)));
        assert_eq!(faults.next("GET", "/a/entities").1, None);
        assert_eq!(faults.next("GET", "/a/values").1, Some(Fault::Status(503)));
        assert_eq!(faults.next("GET", "/a/values").1, None);
        faults.plan(Fault::Lost, "POST /a", Some(1));
        assert_eq!(faults.next("GET", "/a/entities").1, None);
        assert_eq!(faults.next("POST", "/a/entities").1, Some(Fault::Lost));
    }

    #[test]
    fn delays_add_up_and_leave_room_for_another_fault() {
        let mut faults = Faults::default();
        faults.plan(Fault::Delay(Duration::from_secs(1)), "", None);
        faults.plan(Fault::Delay(Duration::from_secs(2)), "", Some(1));
        faults.plan(Fault::Half, "", Some(1));
        assert_eq!(faults.next("GET", "/"), (Duration::from_secs(3), Some(Fault::Half)));
        assert_eq!(faults.next("GET", "/"), (Duration::from_secs(1), None));
        faults.take_back("", |fault| matches!(fault, Fault::Delay(_)));
        assert_eq!(faults.next("GET", "/"), (Duration::ZERO, None));
    }
}
