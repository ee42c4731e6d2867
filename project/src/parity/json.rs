//! A report as JSON, for programs: `docs/how-to/compare-two-versions.md` says what stands in it.

use feature::{ExpectedChange, Value};
use monitor::{Bar, Bounds, Exceeded, Figures, MeanShift, QuantilePair};
use read::json::AsJson;
use serde_json::{Value as Json, json};

use super::report::{ComparedFeature, DifferingRow, InputRow, Moments, ParityReport};

/// The number of this form.
const FORMAT: u32 = 1;

impl ParityReport {
    /// The report in the form that programs read.
    pub fn json(&self) -> Json {
        let moments = match &self.moments {
            Moments::Drawn { views, seed } => json!({"drawn_from": views, "seed": seed}),
            Moments::Spine { path, time } => json!({"spine": path, "time": time}),
        };
        json!({
            "format": FORMAT,
            "kind": self.kind.name(),
            "old": self.old,
            "new": self.new,
            "at": self.at.to_string(),
            "passed": self.passed(),
            "failure": self.failure(),
            "rows": self.rows(),
            "moments": moments,
            "features": self.features.iter().map(|feature| self.feature(feature)).collect::<Vec<_>>(),
            "only_old": self.only_old,
            "only_new": self.only_new,
            "not_compared": self.not_compared.iter()
                .map(|one| json!({"name": one.name, "needs": one.request, "same_definition": one.is_same}))
                .collect::<Vec<_>>(),
            "logs": self.logs.iter()
                .map(|log| json!({"view": log.view, "version": log.version, "rows": log.rows}))
                .collect::<Vec<_>>(),
        })
    }

    fn feature(&self, feature: &ComparedFeature) -> Json {
        let figures = &feature.figures;
        let (nulls, all) = (figures.nulls, figures.null_shares());
        json!({
            "name": feature.name,
            "verdict": feature.judgement.verdict.name(),
            "exceeded": feature.judgement.exceeded.iter().map(exceeded).collect::<Vec<_>>(),
            "likely_causes": figures.likely_causes().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "expected": feature.expected.as_ref().map(declared),
            "bounds": bounds(&feature.bounds),
            "type": {"old": feature.old_type.to_string(), "new": feature.new_type.to_string()},
            "unit": {"old": feature.old_unit, "new": feature.new_unit},
            "rows": figures.rows,
            "equal": figures.equal,
            "equal_share": figures.equal_share(),
            "nulls": {
                "old_share": all.map(|(old, _)| old), "new_share": all.map(|(_, new)| new),
                "both": nulls.both, "default_in_both": nulls.defaults, "lost": nulls.lost, "gained": nulls.gained,
                "filled_by_default": nulls.filled, "default_gone": nulls.emptied,
            },
            "statuses_changed": figures.statuses.iter()
                .map(|change| json!({"old": change.old.name(), "new": change.new.name(), "rows": change.rows}))
                .collect::<Vec<_>>(),
            "psi": figures.psi,
            "ks": figures.ks,
            "ks_error": figures.ks_error,
            "mean": figures.mean.map(mean),
            "quantiles": figures.quantiles.iter().map(quantile).collect::<Vec<_>>(),
            "bars": figures.bars.iter().map(bar).collect::<Vec<_>>(),
            "age_s": self.ages.get(feature.ages).map(ages),
            "differences": feature.differences.iter().map(difference).collect::<Vec<_>>(),
        })
    }
}

fn exceeded(exceeded: &Exceeded) -> Json {
    json!({"figure": exceeded.figure.name(), "value": exceeded.value, "bound": exceeded.bound})
}

fn declared(change: &ExpectedChange) -> Json {
    json!(change)
}

fn bounds(bounds: &Bounds) -> Json {
    let Bounds { psi, ks, mean, nulls, equal } = *bounds;
    json!({"psi": psi, "ks": ks, "mean": mean, "nulls": nulls, "equal": equal})
}

fn mean(mean: MeanShift) -> Json {
    json!({"old": mean.old, "new": mean.new, "relative_shift": mean.relative})
}

fn quantile(pair: &QuantilePair) -> Json {
    json!({"q": pair.per_mille as f64 / 1000.0, "old": AsJson(&pair.old), "new": AsJson(&pair.new)})
}

fn bar(bar: &Bar) -> Json {
    json!({"from": AsJson(&bar.from), "to": AsJson(&bar.to), "old": bar.old, "new": bar.new})
}

/// Quantiles of ages in seconds, and the share of rows that are as old in both versions.
fn ages(figures: &Figures) -> Json {
    let seconds = |value: &Value| match value {
        Value::Int64(micros) => Some(*micros as f64 / 1e6),
        _ => None,
    };
    let of = |per_mille: u64| {
        let pair = figures.quantiles.iter().find(|pair| pair.per_mille == per_mille);
        json!({
            "old": pair.and_then(|pair| seconds(&pair.old)),
            "new": pair.and_then(|pair| seconds(&pair.new)),
        })
    };
    json!({"equal_share": figures.equal_share(), "p50": of(500), "p99": of(990), "most": of(1000)})
}

fn difference(row: &DifferingRow) -> Json {
    let entity = row.entity.iter().map(|(name, value)| (name.clone(), json!(AsJson(value))));
    json!({
        "entity": entity.collect::<serde_json::Map<_, _>>(),
        "at": row.at.to_string(),
        "old": AsJson(&row.old),
        "new": AsJson(&row.new),
        "old_inputs": row.old_inputs.iter().map(input).collect::<Vec<_>>(),
        "new_inputs": row.new_inputs.iter().map(input).collect::<Vec<_>>(),
    })
}

fn input(row: &InputRow) -> Json {
    let values = row.values.iter().map(|(name, value)| (name.clone(), json!(AsJson(value))));
    json!({
        "view": row.view,
        "event_time": row.event_time.map(|time| time.to_string()),
        "available_at": row.available_at.map(|time| time.to_string()),
        "position": row.position.to_string(),
        "deleted": row.deleted,
        "values": values.collect::<serde_json::Map<_, _>>(),
    })
}
