//! The gates of a cutover, as rules over what was observed: each says in one sentence whether the new version may answer
//! instead of the old one, and if not, what to look at.

use feature::{Field, HelpTopic, Micros, ServicePlan, Span, VersionId, counted, thousands};
use materializer::MigrationState;
use registry::ParityStanding;
use serde::Serialize;

use crate::quality::kept_out::KeptOut;

/// The share of an old version's entities that the new one must have online, in per cent.
const LEAST_ENTITIES_PERCENT: u64 = 95;
/// How far the last event of the new version may lie before that of the old one.
const MOST_BEHIND: Span = Span::HOUR;
/// The share of rows that may have been refused, in per cent.
const MOST_BAD_PERCENT: u64 = 5;

/// What a gate looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GateKind {
    /// Clients of the service's own name are answered as before: the same inputs, and no feature less.
    Shape,
    /// The new version was compared with the old one, and is within its bounds.
    Parity,
    /// A view's log and online rows are there.
    Loaded,
    /// They cover what those of the version before cover.
    Coverage,
    /// Few of a view's rows were refused or wait in quarantine.
    Quality,
    /// The newest values of a view are as on the dates before.
    Values,
    /// A view's circuit breaker is closed.
    Breaker,
    /// A view's rows could be read within its objective.
    Freshness,
}

/// A gate, and what it said.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Gate {
    /// What it looks at.
    pub gate: GateKind,
    /// Of which view; `None` if of the service.
    pub view: Option<VersionId>,
    /// Whether it lets the cutover pass.
    pub passed: bool,
    /// What it found.
    pub said: String,
    /// What to do where it failed.
    #[serde(skip)]
    pub help: Option<HelpTopic>,
}

/// What was observed of a service version that is to answer instead of another.
#[derive(Clone, Debug)]
pub(super) struct ServiceFacts<'a> {
    pub(super) old: &'a ServicePlan,
    pub(super) new: &'a ServicePlan,
    /// What the newest comparison of both says.
    pub(super) parity: ParityStanding,
    /// The views that the new version reads, each once.
    pub(super) views: Vec<ViewFacts>,
}

/// What was observed of a view that the new version reads.
#[derive(Clone, Debug)]
pub(super) struct ViewFacts {
    pub(super) view: VersionId,
    pub(super) has_history: bool,
    pub(super) stored: StoredRows,
    /// Whether all of its history was loaded, if it has some.
    pub(super) is_whole: bool,
    /// How far its newest backfill by dates is; `None` if none ever began.
    pub(super) migration: Option<MigrationState>,
    /// The version of the same view that the old service version reads, and what is there of it; `None` if that is the
    /// same one, or there is none.
    pub(super) replaces: Option<(VersionId, StoredRows)>,
    /// Rows that came and were not loaded.
    pub(super) kept_out: KeptOut,
    /// Since when and why its circuit breaker is open; `None` while it is closed.
    pub(super) breaker: Option<String>,
    /// What changed lately in its values, a sentence each.
    pub(super) changed: Vec<String>,
    pub(super) freshness: Option<FreshnessFacts>,
}

/// What both stores hold of a view.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct StoredRows {
    /// Rows of its log.
    pub(super) log_rows: u64,
    /// When the last of them happened; `None` without any, and of a source without an event time.
    pub(super) last_event: Option<Micros>,
    /// Entities that have an online row.
    pub(super) entities: u64,
}

/// How fresh the rows of a view's stream were in the last hour.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct FreshnessFacts {
    pub(super) objective: Span,
    /// In per cent.
    pub(super) target: f64,
    /// Rows that were counted.
    pub(super) rows: u64,
    /// Of these, rows that could be read within the objective after their events.
    pub(super) within: u64,
}

/// All gates, those of the service first.
pub(super) fn gates(facts: &ServiceFacts<'_>) -> Vec<Gate> {
    let mut gates = vec![shape(facts.old, facts.new), parity(facts)];
    for view in &facts.views {
        gates.push(loaded(view));
        gates.extend(coverage(view));
        gates.push(quality(view));
        gates.push(values(view));
        gates.push(breaker(view));
        gates.extend(freshness(view));
    }
    gates
}

impl Gate {
    fn of(gate: GateKind, view: Option<&VersionId>) -> Self {
        Self { gate, view: view.cloned(), passed: true, said: String::new(), help: None }
    }

    fn passes(self, said: String) -> Self {
        Self { said, ..self }
    }

    fn fails(self, said: String, help: Option<HelpTopic>) -> Self {
        Self { passed: false, said, help, ..self }
    }
}

fn shape(old: &ServicePlan, new: &ServicePlan) -> Gate {
    let gate = Gate::of(GateKind::Shape, None);
    let (name, old_id, new_id) = (&new.id.name, &old.id, &new.id);
    let lacks = |fields: &[Field], others: &[Field]| -> Vec<String> {
        let lacking = fields.iter().filter(|field| !others.contains(field));
        lacking.map(|field| format!("{} ({})", field.name, field.data_type)).collect()
    };
    let inputs = |plan: &ServicePlan| [plan.keys.clone(), plan.request.clone()].concat();
    let (old_inputs, new_inputs) = (inputs(old), inputs(new));
    let given = |output: &&feature::Output| {
        !new.outputs.iter().any(|other| other.name == output.name && other.data_type == output.data_type)
    };
    let gone: Vec<String> = old
        .outputs
        .iter()
        .filter(given)
        .map(|output| format!("{} ({})", output.name, output.data_type))
        .collect();
    let mut problems = Vec::new();
    for (what, names) in [
        ("needs", lacks(&new_inputs, &old_inputs)),
        ("takes no", lacks(&old_inputs, &new_inputs)),
        ("does not give", gone),
    ] {
        if !names.is_empty() {
            problems.push(format!("{what} {}", names.join(", ")));
        }
    }
    match problems.is_empty() {
        true => gate.passes(format!("{new_id} takes what {old_id} takes, and gives what it gives")),
        false => gate.fails(
            format!(
                "requests to `{name}` that {old_id} answers would be refused, as {new_id} {}: change its definition, or let clients name the version",
                problems.join("; it ")
            ),
            None,
        ),
    }
}

fn parity(facts: &ServiceFacts<'_>) -> Gate {
    let gate = Gate::of(GateKind::Parity, None);
    let (old, new) = (&facts.old.id, &facts.new.id);
    let help = || Some(HelpTopic::Compare { old: old.clone(), new: new.clone() });
    match &facts.parity {
        ParityStanding::Passed => gate.passes(format!("{new} is within its bounds beside {old}")),
        ParityStanding::Failed => {
            gate.fails(format!("{new} is outside its bounds beside {old}: see which features"), help())
        }
        ParityStanding::TooFew { rows, needed } => gate.fails(
            format!(
                "{new} was compared with {old} at {}, and at least {} are needed: compare them at more entities and moments",
                counted(*rows, "row"),
                thousands(*needed)
            ),
            help(),
        ),
        ParityStanding::Missing => gate.fails(format!("{new} was never compared with {old}"), help()),
        ParityStanding::Stale(why) => {
            let why: Vec<String> = why.iter().map(ToString::to_string).collect();
            let said = format!("{new} was compared with {old}, and {}: compare them again", why.join(", "));
            gate.fails(said, help())
        }
    }
}

fn loaded(facts: &ViewFacts) -> Gate {
    let ViewFacts { view, stored, .. } = facts;
    let gate = Gate::of(GateKind::Loaded, Some(view));
    let help = || facts.has_history.then(|| HelpTopic::Backfill(view.clone()));
    match facts.migration.filter(|migration| !migration.is_whole) {
        Some(migration) if migration.is_cancelled => {
            return gate
                .fails(format!("{view} is loaded in part, as its backfill by dates was cancelled"), help());
        }
        Some(_) => {
            let help = Some(HelpTopic::ResumeBackfill(view.clone()));
            return gate.fails(format!("{view} is loaded in part: its backfill by dates is not done"), help);
        }
        None => {}
    }
    let KeptOut { waiting_files, waiting_rows, .. } = facts.kept_out;
    if waiting_files > 0 {
        let (files, rows) = (counted(waiting_files, "file"), counted(waiting_rows, "row"));
        return gate.fails(
            format!(
                "{view} is loaded in part: {files} of it in quarantine with {rows}: release or drop them"
            ),
            Some(HelpTopic::Quarantine(view.clone())),
        );
    }
    match (stored.log_rows, stored.entities) {
        (0, _) => gate.fails(format!("{view} has no row in its log"), help()),
        _ if facts.has_history && !facts.is_whole => {
            gate.fails(format!("{view} is loaded in part: not all of its history was loaded"), help())
        }
        (_, 0) => gate.fails(format!("{view} has no row online"), Some(HelpTopic::Rebuild(view.clone()))),
        (rows, entities) => gate.passes(format!(
            "{view} has {} in its log and {} online",
            counted(rows, "row"),
            counted(entities, "entity")
        )),
    }
}

fn coverage(facts: &ViewFacts) -> Option<Gate> {
    let ViewFacts { view, stored, replaces, .. } = facts;
    // That nothing was loaded is said already.
    let (old, before) = replaces.as_ref().filter(|_| stored.log_rows > 0)?;
    let gate = Gate::of(GateKind::Coverage, Some(view));
    let help = || match facts.migration.filter(|migration| migration.is_under_way()) {
        // The short form is refused until then.
        Some(_) => Some(HelpTopic::ResumeBackfill(view.clone())),
        None => facts.has_history.then(|| HelpTopic::Backfill(view.clone())),
    };
    let entities = format!(
        "{view} has {} online and {old} {}",
        counted(stored.entities, "entity"),
        thousands(before.entities)
    );
    let last = |stored: &StoredRows| stored.last_event.map_or("nothing".to_owned(), |at| at.to_string());
    let ends = format!("the log of {view} ends at {} and that of {old} at {}", last(stored), last(before));
    let is_behind = match (stored.last_event, before.last_event) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(new), Some(old)) => new.saturating_add(MOST_BEHIND) < old,
    };
    let is_short =
        u128::from(stored.entities) * 100 < u128::from(before.entities) * u128::from(LEAST_ENTITIES_PERCENT);
    Some(match (is_short, is_behind) {
        (false, false) => gate.passes(format!("{entities}; {ends}")),
        (true, false) => gate.fails(
            format!("{entities}, and {LEAST_ENTITIES_PERCENT}% of them are needed: load what is missing"),
            help(),
        ),
        (false, true) => gate.fails(format!("{ends}: load it further"), help()),
        (true, true) => gate.fails(format!("{entities}, and {ends}: load what is missing"), help()),
    })
}

fn quality(facts: &ViewFacts) -> Gate {
    let ViewFacts { view, stored, kept_out, .. } = facts;
    let gate = Gate::of(GateKind::Quality, Some(view));
    let KeptOut { refused, waiting_rows, .. } = *kept_out;
    let bad = refused.saturating_add(waiting_rows);
    let all = u128::from(stored.log_rows) + u128::from(bad);
    let sentence = format!("{view} refused {} of {}", thousands(bad), counted(all as u64, "row"));
    let said = match waiting_rows {
        0 => sentence,
        waiting => format!("{sentence}, {} of them in quarantine", thousands(waiting)),
    };
    match u128::from(bad) * 100 > all * u128::from(MOST_BAD_PERCENT) {
        false => gate.passes(said),
        true => {
            let see = match waiting_rows {
                0 => HelpTopic::DeadLetters(view.clone()),
                _ => HelpTopic::Quarantine(view.clone()),
            };
            gate.fails(format!("{said}, and at most {MOST_BAD_PERCENT}% may be: see why"), Some(see))
        }
    }
}

fn values(facts: &ViewFacts) -> Gate {
    let view = &facts.view;
    let gate = Gate::of(GateKind::Values, Some(view));
    match facts.changed.as_slice() {
        [] => gate.passes(format!(
            "the newest values of {view} are as on the dates before, as far as it has enough"
        )),
        changed => gate.fails(
            format!("{}: see what came on these dates", changed.join("; ")),
            Some(HelpTopic::ColumnStatistics(view.clone())),
        ),
    }
}

fn breaker(facts: &ViewFacts) -> Gate {
    let view = &facts.view;
    let gate = Gate::of(GateKind::Breaker, Some(view));
    match &facts.breaker {
        None => gate.passes(format!("the circuit breaker of {view} is closed")),
        Some(open) => gate.fails(
            format!("{view} is known to be wrong, as {open}: mend it and close the breaker"),
            Some(HelpTopic::Breakers(view.clone())),
        ),
    }
}

fn freshness(facts: &ViewFacts) -> Option<Gate> {
    let view = &facts.view;
    let FreshnessFacts { objective, target, rows, within } = facts.freshness?;
    let gate = Gate::of(GateKind::Freshness, Some(view));
    if rows == 0 {
        return Some(gate.passes(format!(
            "no row of {view} was streamed in the last hour, so its freshness is not measured"
        )));
    }
    let share = 100.0 * within as f64 / rows as f64;
    let said = format!(
        "{share:.1}% of the {} that {view} streamed in the last hour could be read within {objective} after their events",
        counted(rows, "row")
    );
    Some(match share >= target {
        true => gate.passes(said),
        false => gate.fails(
            format!("{said}, and its objective is {target}%: see which stage of its stream takes long"),
            Some(HelpTopic::StreamMetrics),
        ),
    })
}

#[cfg(test)]
mod tests {
    use registry::StaleParity;

    use super::*;

    fn at(text: &str) -> Option<Micros> {
        Some(text.parse().unwrap())
    }

    fn good() -> ViewFacts {
        let stored = StoredRows { log_rows: 1_000, last_event: at("2013-06-08T00:00:00Z"), entities: 100 };
        ViewFacts {
            view: "a@2".parse().unwrap(),
            has_history: true,
            stored,
            is_whole: true,
            migration: None,
            replaces: Some(("a@1".parse().unwrap(), stored)),
            kept_out: KeptOut::default(),
            breaker: None,
            changed: Vec::new(),
            freshness: Some(FreshnessFacts {
                objective: Span::MINUTE,
                target: 99.0,
                rows: 1_000,
                within: 995,
            }),
        }
    }

    fn failing(facts: &ViewFacts) -> Vec<(GateKind, String)> {
        let gates = [
            Some(loaded(facts)),
            coverage(facts),
            Some(quality(facts)),
            Some(values(facts)),
            Some(breaker(facts)),
            freshness(facts),
        ];
        let failed = gates.into_iter().flatten().filter(|gate| !gate.passed);
        failed.map(|gate| (gate.gate, gate.said)).collect()
    }

    #[test]
    fn a_view_that_was_loaded_like_the_one_before_it_passes() {
        assert_eq!(failing(&good()), []);
        // Nothing before it, nothing measured, nothing refused.
        let alone = ViewFacts { replaces: None, freshness: None, ..good() };
        assert_eq!(failing(&alone), []);
        // On the bounds.
        let mut bounds = good();
        bounds.stored.entities = 95;
        bounds.stored.last_event = at("2013-06-07T23:00:00Z");
        bounds.stored.log_rows = 950;
        bounds.kept_out.refused = 50;
        bounds.freshness.as_mut().unwrap().within = 990;
        assert_eq!(failing(&bounds), []);
    }

    #[test]
    fn each_gate_fails_by_itself_and_says_what_to_look_at() {
        type Case = (fn(&mut ViewFacts), GateKind, &'static str);
        let cases: [Case; 10] = [
            (|f| f.stored.log_rows = 0, GateKind::Loaded, "a@2 has no row in its log"),
            (|f| f.is_whole = false, GateKind::Loaded, "a@2 is loaded in part"),
            (
                |f| {
                    f.stored.entities = 0;
                    f.replaces = None;
                },
                GateKind::Loaded,
                "a@2 has no row online",
            ),
            (
                |f| f.stored.entities = 94,
                GateKind::Coverage,
                "a@2 has 94 entities online and a@1 100, and 95%",
            ),
            (
                |f| f.stored.last_event = at("2013-06-07T22:59:59Z"),
                GateKind::Coverage,
                "the log of a@2 ends at 2013-06-07T22:59:59Z and that of a@1 at 2013-06-08T00:00:00Z: load it",
            ),
            (
                |f| f.kept_out.refused = 53,
                GateKind::Quality,
                "a@2 refused 53 of 1,053 rows, and at most 5% may be",
            ),
            (
                |f| (f.kept_out.waiting_files, f.kept_out.waiting_rows) = (2, 40),
                GateKind::Loaded,
                "a@2 is loaded in part: 2 files of it in quarantine with 40 rows: release or drop them",
            ),
            (
                |f| f.changed = vec!["`ms` of a@2 is not as before since 2013-06-07: x".to_owned()],
                GateKind::Values,
                "`ms` of a@2 is not as before since 2013-06-07: x: see what came",
            ),
            (
                |f| f.breaker = Some("its circuit breaker is open since noon by ops: ms is wrong".to_owned()),
                GateKind::Breaker,
                "a@2 is known to be wrong, as its circuit breaker is open since noon by ops: ms is wrong",
            ),
            (
                |f| f.freshness.as_mut().unwrap().within = 989,
                GateKind::Freshness,
                "98.9% of the 1,000 rows that a@2 streamed in the last hour could be read within 1m after their events, and its objective is 99%",
            ),
        ];
        for (worsen, gate, sentence) in cases {
            let mut facts = good();
            worsen(&mut facts);
            let failed = failing(&facts);
            assert_eq!(failed.len(), 1, "{failed:?}");
            assert_eq!(failed[0].0, gate);
            assert!(failed[0].1.starts_with(sentence), "{failed:?}");
        }
    }

    #[test]
    fn rows_in_quarantine_count_as_refused_beside_those_that_were() {
        let mut facts = good();
        facts.kept_out = KeptOut { refused: 13, waiting_files: 1, waiting_rows: 40 };
        let failed = failing(&facts);
        assert_eq!(failed.len(), 2, "{failed:?}");
        assert_eq!(failed[0].0, GateKind::Loaded);
        assert_eq!(
            failed[1],
            (
                GateKind::Quality,
                "a@2 refused 53 of 1,053 rows, 40 of them in quarantine, and at most 5% may be: see why"
                    .to_owned()
            )
        );
    }

    #[test]
    fn a_version_that_was_not_compared_or_not_since_its_newest_load_is_held_up() {
        let plan = |id: &str| ServicePlan {
            id: id.parse().unwrap(),
            hash: String::new(),
            keys: Vec::new(),
            request: Vec::new(),
            lookups: Vec::new(),
            computations: Vec::new(),
            outputs: Vec::new(),
        };
        let (old, new) = (plan("s@1"), plan("s@2"));
        let stale = StaleParity::Log("a@2".parse().unwrap());
        for (standing, said) in [
            (ParityStanding::Passed, None),
            (ParityStanding::Failed, Some("s@2 is outside its bounds beside s@1: see which features")),
            (ParityStanding::Missing, Some("s@2 was never compared with s@1")),
            (
                ParityStanding::Stale(vec![stale]),
                Some("s@2 was compared with s@1, and a@2 was loaded since: compare them again"),
            ),
        ] {
            let facts = ServiceFacts { old: &old, new: &new, parity: standing, views: Vec::new() };
            let gate = parity(&facts);
            assert_eq!((!gate.passed).then_some(gate.said.as_str()), said);
            let compare = HelpTopic::Compare { old: old.id.clone(), new: new.id.clone() };
            assert_eq!(gate.help, said.map(|_| compare));
        }
    }

    #[test]
    fn a_service_that_asks_for_more_or_gives_less_is_named_with_all_of_it() {
        let field = |name: &str, data_type: &str| Field {
            name: name.parse().unwrap(),
            data_type: data_type.parse().unwrap(),
        };
        let output = |name: &str| feature::Output {
            name: name.to_owned(),
            data_type: "float64".parse().unwrap(),
            origin: feature::Origin::Stored { lookup: 0, feature: 0 },
        };
        let plan = |id: &str, keys: Vec<Field>, outputs: &[&str]| ServicePlan {
            id: id.parse().unwrap(),
            hash: String::new(),
            keys,
            request: Vec::new(),
            lookups: Vec::new(),
            computations: Vec::new(),
            outputs: outputs.iter().map(|name| output(name)).collect(),
        };
        let old = plan("s@1", vec![field("dest", "string")], &["a", "b"]);
        let same = plan("s@2", vec![field("dest", "string")], &["b", "a", "c"]);
        assert!(shape(&old, &same).passed);
        let other = plan("s@2", vec![field("dest", "int64")], &["a"]);
        let gate = shape(&old, &other);
        assert!(!gate.passed);
        assert_eq!(
            gate.said,
            "requests to `s` that s@1 answers would be refused, as s@2 needs dest (int64); it takes no dest (string); \
             it does not give b (float64): change its definition, or let clients name the version"
        );
    }
}
