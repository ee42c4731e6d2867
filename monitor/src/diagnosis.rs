//! What a check of a project found, and which of it is the probable cause: what is wrong deepest down explains what is
//! wrong above it.

use feature::HelpTopic;

/// A part of a project that is looked at, in the order of the walk: from what people see down to what everything stands
/// on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Area {
    /// What was changed lately.
    Changes,
    /// The files that define what is registered next.
    Definitions,
    /// Freshness objectives.
    Freshness,
    /// What values came lately, beside the dates before.
    Values,
    /// Rows that came and were not loaded: refused ones, and files in quarantine.
    KeptOut,
    /// The ways of rows from their sources into both stores.
    Pipeline,
    /// Where streams come from.
    Broker,
    /// The online store.
    Store,
    /// What is registered.
    Registry,
    /// The versions of the programs that load and follow.
    Versions,
    /// The addresses that a server is to listen at.
    Ports,
    /// The clock of this machine.
    Clock,
    /// The folders of the project, and their space.
    Disk,
}

impl Area {
    /// Every area, in the order of the walk.
    pub const ALL: [Area; 13] = [
        Area::Changes,
        Area::Definitions,
        Area::Freshness,
        Area::Values,
        Area::KeptOut,
        Area::Pipeline,
        Area::Broker,
        Area::Store,
        Area::Registry,
        Area::Versions,
        Area::Ports,
        Area::Clock,
        Area::Disk,
    ];

    /// What reports call it.
    pub const fn name(self) -> &'static str {
        match self {
            Area::Changes => "changes",
            Area::Definitions => "definitions",
            Area::Freshness => "freshness",
            Area::Values => "values",
            Area::KeptOut => "kept out",
            Area::Pipeline => "pipeline",
            Area::Broker => "broker",
            Area::Store => "online store",
            Area::Registry => "registry",
            Area::Versions => "versions",
            Area::Ports => "ports",
            Area::Clock => "clock",
            Area::Disk => "disk",
        }
    }
}

/// How something is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Condition {
    /// As it should be.
    Fine,
    /// Worth knowing, and not wrong.
    Noted,
    /// Wrong.
    Wrong,
}

impl Condition {
    /// What reports call it.
    pub const fn name(self) -> &'static str {
        match self {
            Condition::Fine => "ok",
            Condition::Noted => "note",
            Condition::Wrong => "WRONG",
        }
    }
}

/// What was found in one area.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Where.
    pub area: Area,
    /// How it is.
    pub condition: Condition,
    /// What is so, in a sentence without its full stop.
    pub said: String,
    /// The operation that helps; `None` where the sentence says it all.
    pub help: Option<HelpTopic>,
}

impl Finding {
    /// Something as it should be.
    pub fn fine(area: Area, said: impl Into<String>) -> Self {
        Self { area, condition: Condition::Fine, said: said.into(), help: None }
    }

    /// Something worth knowing.
    pub fn noted(area: Area, said: impl Into<String>) -> Self {
        Self { condition: Condition::Noted, ..Self::fine(area, said) }
    }

    /// Something wrong.
    pub fn wrong(area: Area, said: impl Into<String>) -> Self {
        Self { condition: Condition::Wrong, ..Self::fine(area, said) }
    }

    /// The same, with the operation that helps.
    #[must_use]
    pub fn helped_by(self, help: Option<HelpTopic>) -> Self {
        Self { help, ..self }
    }
}

/// The probable cause: what is wrong deepest down, the first of it. Where nothing is wrong, `None`.
pub fn probable_cause(findings: &[Finding]) -> Option<&Finding> {
    first_of_deepest(findings, |finding| finding.condition == Condition::Wrong)
}

/// Where nothing is wrong, what to do next: the help of the first note that has one, looked for from below.
pub fn next_step(findings: &[Finding]) -> Option<&Finding> {
    first_of_deepest(findings, |finding| finding.condition == Condition::Noted && finding.help.is_some())
}

fn first_of_deepest(findings: &[Finding], is_meant: impl Fn(&&Finding) -> bool) -> Option<&Finding> {
    let deepest = findings.iter().filter(&is_meant).map(|finding| finding.area).max()?;
    findings.iter().filter(is_meant).find(|finding| finding.area == deepest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_deepest_down_is_the_probable_cause() {
        let stale = Finding::wrong(Area::Freshness, "reads are stale");
        let stuck = Finding::wrong(Area::Pipeline, "the stream is held up");
        let other = Finding::wrong(Area::Pipeline, "another stream is held up");
        let full = Finding::wrong(Area::Disk, "the disk is full");
        let noted = Finding::noted(Area::Clock, "a note");
        let all = [stale.clone(), stuck.clone(), other.clone(), noted.clone(), full.clone()];
        assert_eq!(probable_cause(&all), Some(&full));
        assert_eq!(probable_cause(&all[..4]), Some(&stuck));
        assert_eq!(probable_cause(&all[..1]), Some(&stale));
        assert_eq!(probable_cause(std::slice::from_ref(&noted)), None);
        assert_eq!(next_step(std::slice::from_ref(&noted)), None);
        let apply = Finding::noted(Area::Registry, "nothing is registered");
        let apply = apply.helped_by(Some(HelpTopic::RegisterDefinitions));
        assert_eq!(next_step(&[noted, apply.clone()]), Some(&apply));
    }

    #[test]
    fn the_walk_goes_from_what_people_see_to_what_everything_stands_on() {
        assert!(Area::ALL.is_sorted());
    }
}
