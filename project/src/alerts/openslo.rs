//! Objectives as OpenSLO v1: written with the queries of their metrics, and read back as the lines of definitions.

use std::str::FromStr;

use feature::{Name, Span, VersionId};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::not_open_slo::NotOpenSlo;
use super::openslo_read::{self, METHOD, WINDOW};
use super::watched::{Watched, WatchedConsumer, WatchedFeature, WatchedView};

/// The annotations that a written objective is known by again.
const WITHIN: &str = "twinstore/within";
const VIEW: &str = "twinstore/view";
const SERVICE: &str = "twinstore/service";
/// Beside that of its view.
const FEATURE: &str = "twinstore/feature";

/// What an objective is of.
enum Subject<'a> {
    View(&'a WatchedView),
    Consumer(&'a WatchedConsumer),
    Feature(&'a WatchedFeature),
}

/// A document for each objective.
pub(super) fn documents(project: &str, watched: &Watched) -> Vec<Value> {
    let views = watched.sources.iter().flat_map(|source| &source.views).map(Subject::View);
    let features = watched.sources.iter().flat_map(|source| &source.features).map(Subject::Feature);
    let consumers = watched.consumers.iter().map(Subject::Consumer);
    views.chain(features).chain(consumers).map(|subject| subject.document(project)).collect()
}

impl Subject<'_> {
    fn document(&self, project: &str) -> Value {
        let reads = reads(self.label());
        let query = |outcome: &str| {
            let query = format!("sum({reads}{{{},{outcome}}})", self.matched());
            json!({"metricSource": {"type": "Prometheus", "spec": {"query": query}}})
        };
        let (within, target) = self.objective();
        let within_text = within.map_or("the objective of each view".to_owned(), |within| within.to_string());
        let mut annotations = self.annotations();
        if let Some(within) = within {
            annotations.insert(WITHIN.to_owned(), within.to_string().into());
        }
        let name = self.metadata_name();
        // As people write it: 99.9 by a hundred is not 0.999 to the last bit.
        let share = (target * 1e7).round() / 1e9;
        json!({
            "apiVersion": "openslo/v1",
            "kind": "SLO",
            "metadata": {
                "name": name,
                "displayName": format!("Freshness of {}", self.shown()),
                "annotations": annotations,
            },
            "spec": {
                "description": self.description(),
                "service": project,
                "indicator": {
                    "metadata": {"name": format!("{name}-reads")},
                    "spec": {"ratioMetric": {
                        "counter": true,
                        "good": query("outcome=\"good\""),
                        "total": query("outcome=~\"good|bad\""),
                    }},
                },
                "timeWindow": [{"duration": WINDOW, "isRolling": true}],
                "budgetingMethod": METHOD,
                "objectives": [{"displayName": format!("within {within_text}"), "target": share}],
            },
        })
    }

    /// What its metrics call it.
    fn label(&self) -> &'static str {
        match self {
            Subject::View(_) => "view",
            Subject::Consumer(_) => "service",
            Subject::Feature(_) => "feature",
        }
    }

    fn id(&self) -> &VersionId {
        match self {
            Subject::View(view) => &view.id,
            Subject::Consumer(consumer) => &consumer.id,
            Subject::Feature(feature) => &feature.view,
        }
    }

    fn objective(&self) -> (Option<Span>, f64) {
        match self {
            Subject::View(view) => (Some(view.within), view.target),
            Subject::Consumer(consumer) => (consumer.within, consumer.target),
            Subject::Feature(feature) => (feature.within, feature.target),
        }
    }

    fn matched(&self) -> String {
        match self {
            Subject::View(view) => format!("view=\"{}\"", view.id),
            Subject::Consumer(consumer) => format!("service=\"{}\"", consumer.id),
            Subject::Feature(WatchedFeature { view, name, .. }) => {
                format!("view=\"{view}\",feature=\"{name}\"")
            }
        }
    }

    fn annotations(&self) -> Map<String, Value> {
        let (annotation, feature) = match self {
            Subject::View(_) => (VIEW, None),
            Subject::Consumer(_) => (SERVICE, None),
            Subject::Feature(feature) => (VIEW, Some(feature.name.to_string())),
        };
        let own = (annotation.to_owned(), self.id().to_string().into());
        std::iter::once(own).chain(feature.map(|name| (FEATURE.to_owned(), name.into()))).collect()
    }

    fn metadata_name(&self) -> String {
        let id = self.id();
        let feature = match self {
            Subject::Feature(feature) => format!("-{}", feature.name),
            Subject::View(_) | Subject::Consumer(_) => String::new(),
        };
        format!("{}-v{}{feature}-freshness", id.name, id.version).replace('_', "-")
    }

    fn shown(&self) -> String {
        match self {
            Subject::Feature(feature) => format!("{} of {}", feature.name, feature.view),
            Subject::View(_) | Subject::Consumer(_) => self.id().to_string(),
        }
    }

    fn description(&self) -> String {
        match self {
            Subject::View(WatchedView { description: Some(description), .. }) => description.clone(),
            Subject::Consumer(consumer) => {
                format!("Freshness of {} as {} needs it.", consumer.id, consumer.model)
            }
            Subject::View(_) | Subject::Feature(_) => format!("Freshness of {}.", self.shown()),
        }
    }
}

/// The counter of the reads of views, services or features.
fn reads(label: &str) -> String {
    format!("twinstore_freshness_{label}_reads_total")
}

/// An objective that an OpenSLO document gives to a view, a feature or a consumer.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ImportedObjective {
    /// Whether it is the consumer of a service, and not a view.
    pub is_consumer: bool,
    /// Of which version.
    pub id: VersionId,
    /// Of which feature of the view, where it is not of the view itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature: Option<Name>,
    /// How stale a good read is at most; `None` of a consumer for which that of each view counts.
    pub within: Option<Span>,
    /// The share of good reads, in percent.
    pub target: f64,
}

/// The objectives of a file of OpenSLO v1, one or several documents.
pub(super) fn import(text: &str) -> Result<Vec<ImportedObjective>, NotOpenSlo> {
    let mut found = Vec::new();
    for (index, text) in text.split("\n---").enumerate() {
        let text = text.trim_start_matches('-').trim();
        if text.is_empty() || text.lines().all(|line| line.trim_start().starts_with('#')) {
            continue;
        }
        let wrong = |why: &str| NotOpenSlo::Document { document: index + 1, why: why.to_owned() };
        let value: Value = serde_saphyr::from_str(text).map_err(|error| {
            let first = error.to_string().lines().next().unwrap_or_default().to_owned();
            wrong(&first)
        })?;
        let text_at = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
        if text_at("/apiVersion") != Some("openslo/v1") {
            return Err(wrong("its `apiVersion` is not `openslo/v1`"));
        }
        if text_at("/kind") != Some("SLO") {
            continue;
        }
        found.push(objective(&value).map_err(|why| wrong(&why))?);
    }
    Ok(found)
}

/// The objective of one document; an error says what it lacks.
fn objective(value: &Value) -> Result<ImportedObjective, String> {
    let annotation = |key: &str| value.pointer("/metadata/annotations")?.get(key)?.as_str();
    let label = match (annotation(SERVICE), annotation(FEATURE)) {
        (Some(_), _) => "service",
        (None, Some(_)) => "feature",
        (None, None) => "view",
    };
    openslo_read::check(value, &[WITHIN, VIEW, SERVICE, FEATURE], &reads(label))?;
    let (is_consumer, id) = match (annotation(VIEW), annotation(SERVICE)) {
        (Some(_), Some(_)) => {
            return Err(format!(
                "it has the annotation `{VIEW}` and `{SERVICE}`: an objective is of one of them"
            ));
        }
        (Some(view), None) => (false, view),
        (None, Some(service)) => (true, service),
        (None, None) => {
            return Err(format!(
                "it does not say what it is about: give it the annotation `{VIEW}` or `{SERVICE}` with a name and version"
            ));
        }
    };
    let id = VersionId::from_str(id).map_err(|error| error.to_string())?;
    let within = annotation(WITHIN).map(|within| within.parse::<Span>().map_err(|error| error.to_string()));
    let within = within.transpose()?;
    if is_consumer && annotation(FEATURE).is_some() {
        return Err(format!(
            "it has the annotation `{SERVICE}` and `{FEATURE}`, and a feature is one of a view"
        ));
    }
    let feature = annotation(FEATURE).map(str::parse::<Name>);
    let feature = feature.transpose().map_err(|error| error.to_string())?;
    if within.is_none() && !is_consumer && feature.is_none() {
        return Err(format!("the view {id} needs the annotation `{WITHIN}`, as 1m"));
    }
    let objectives = value.pointer("/spec/objectives").and_then(Value::as_array);
    let Some([objective]) = objectives.map(Vec::as_slice) else {
        return Err("it has to have one objective".to_owned());
    };
    let target = match (objective.get("target"), objective.get("targetPercent")) {
        (Some(target), _) => target.as_f64().map(|target| target * 100.0),
        (None, percent) => percent.and_then(Value::as_f64),
    };
    let target = target.filter(|target| *target > 0.0 && *target < 100.0);
    let target = target.ok_or("its `target` is not above 0 and below 1")?;
    // A share such as 0.999 times a hundred is not 99.9 to the last bit.
    Ok(ImportedObjective { is_consumer, id, feature, within, target: (target * 1e9).round() / 1e9 })
}

#[cfg(test)]
mod tests {
    use super::super::watched::WatchedSource;
    use super::super::yaml;
    use super::*;

    #[test]
    fn what_is_written_is_read_back_as_it_was() {
        let view = WatchedView {
            id: "airport_arrivals@1".parse().unwrap(),
            within: Span::MINUTE,
            target: 99.9,
            description: Some("How late: \"very\".".to_owned()),
        };
        let consumer = WatchedConsumer {
            id: "late_arrival@3".parse().unwrap(),
            model: "xgb".to_owned(),
            owner: None,
            within: None,
            target: 95.0,
            views: vec![view.id.clone()],
        };
        let feature = WatchedFeature {
            view: view.id.clone(),
            name: "mean_delay_1h".parse().unwrap(),
            within: Some(Span::MINUTE),
            target: 99.0,
        };
        let source = WatchedSource {
            name: "landings".to_owned(),
            views: vec![view],
            features: vec![feature],
            reaches: Vec::new(),
        };
        let watched = Watched { sources: vec![source], consumers: vec![consumer] };
        let documents = documents("flights", &watched);
        assert_eq!(documents[0]["metadata"]["name"], "airport-arrivals-v1-freshness");
        assert_eq!(documents[1]["metadata"]["name"], "airport-arrivals-v1-mean-delay-1h-freshness");
        let text = documents.iter().map(yaml::document).collect::<Vec<_>>().join("---\n");
        let read = import(&text).unwrap();
        let expected = [
            ImportedObjective {
                is_consumer: false,
                id: "airport_arrivals@1".parse().unwrap(),
                feature: None,
                within: Some(Span::MINUTE),
                target: 99.9,
            },
            ImportedObjective {
                is_consumer: false,
                id: "airport_arrivals@1".parse().unwrap(),
                feature: Some("mean_delay_1h".parse().unwrap()),
                within: Some(Span::MINUTE),
                target: 99.0,
            },
            ImportedObjective {
                is_consumer: true,
                id: "late_arrival@3".parse().unwrap(),
                feature: None,
                within: None,
                target: 95.0,
            },
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn what_a_document_says_and_nothing_counts_by_is_refused() {
        let plain = "apiVersion: openslo/v1\nkind: SLO\nmetadata:\n  annotations:\n    twinstore/view: v@1\n    twinstore/within: 1h\n\
                     spec:\n  objectives:\n  - target: 0.99\n";
        assert_eq!(import(plain).unwrap()[0].target, 99.0, "what is absent is as it is");
        let refused = |from: &str, to: &str| {
            assert!(plain.contains(from), "{from}");
            import(&plain.replace(from, to)).unwrap_err().to_string()
        };
        let spec = |more: &str| refused("spec:\n", &format!("spec:\n{more}\n"));
        for (window, is_refused) in [
            ("[{duration: 30d, isRolling: true}]", false),
            ("[{duration: 720h, isRolling: true}]", false),
            ("[{duration: 30d}]", false),
            ("[{duration: 7d, isRolling: true}]", true),
            ("[{duration: 1M, isRolling: true}]", true),
            ("[{duration: 30d, isRolling: false}]", true),
            ("[{duration: 30d, isRolling: true}, {duration: 7d, isRolling: true}]", true),
            ("[{duration: 30d, isRolling: true, calendar: {startTime: x}}]", true),
            ("[]", true),
        ] {
            let text = plain.replace("spec:\n", &format!("spec:\n  timeWindow: {window}\n"));
            assert_eq!(import(&text).is_err(), is_refused, "{window}");
        }
        let said = spec("  timeWindow: [{duration: 7d, isRolling: true}]");
        assert!(
            said.starts_with("document 1: its `timeWindow` is") && said.contains("the last 30 days"),
            "{said}"
        );
        let said = spec("  budgetingMethod: Timeslices");
        assert!(
            said.contains("`budgetingMethod` is \"Timeslices\"") && said.contains("`Occurrences`"),
            "{said}"
        );
        assert!(spec("  alertPolicies: [page]").contains("its spec has `alertPolicies`"));
        assert!(spec("  indicatorRef: other").contains("its spec has `indicatorRef`"));
        let threshold =
            "  indicator: {spec: {thresholdMetric: {metricSource: {type: Prometheus, spec: {query: up}}}}}";
        assert!(spec(threshold).contains("not a `ratioMetric` of twinstore_freshness_view_reads_total"));
        let beside = |more: &str| refused("target: 0.99\n", &format!("target: 0.99\n    {more}\n"));
        for more in ["op: lte", "timeSliceTarget: 0.9", "targetPercent: 95", "indicator: {}"] {
            let field = more.split(':').next().unwrap();
            assert!(beside(more).contains(&format!("`{field}`")), "{more}");
        }
        let annotated = |line: &str| refused("twinstore/within: 1h\n", &format!("{line}\n"));
        assert!(annotated("twinstore/withn: 1h").contains("`twinstore/withn` is not known"));
        assert!(annotated("twinstore/within: 60").contains("`twinstore/within` is 60"));
        assert!(annotated("twinstore/service: s@1").contains("an objective is of one of them"));
    }

    #[test]
    fn a_document_that_lacks_something_is_refused_by_its_number() {
        let refused = |text: &str| import(text).unwrap_err().to_string();
        assert!(refused("apiVersion: openslo/v2\nkind: SLO\n").contains("document 1: its `apiVersion`"));
        let service = "apiVersion: openslo/v1\nkind: Service\nmetadata: {name: x}\n";
        assert_eq!(import(service).unwrap(), []);
        let bare = format!("{service}---\napiVersion: openslo/v1\nkind: SLO\nmetadata: {{name: x}}\n");
        let said = refused(&bare);
        assert!(said.contains("document 2") && said.contains("`twinstore/view`"), "{said}");
    }
}
