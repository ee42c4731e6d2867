//! Which entities and moments are read: most lie on a boundary of some row, or a microsecond
//! beside it, since that is where two implementations part.

use feature::oracle::Numbers;
use feature::{AsOf, EntityKey, Fold, Lookup, Micros, Row, ServicePlan, Span, Value, View, Window, floor};

use super::Logs;
use crate::flights;
use crate::label::Label;

/// As many labels, in the order of their moments.
pub(super) fn labels(numbers: &mut Numbers, count: usize, plan: &ServicePlan, logs: &Logs) -> Vec<Label> {
    let known: Vec<_> = plan.keys.iter().map(|key| flights::known_keys(key.name.as_str())).collect();
    let timed: Vec<Timed<'_>> = plan
        .lookups
        .iter()
        .filter(|lookup| !lookup.view.is_static)
        .map(|lookup| Timed::new(lookup, logs))
        .collect();
    let mut labels: Vec<Label> = (0..count)
        .map(|_| {
            let timed = &timed[numbers.below(timed.len() as u64) as usize];
            let (entity, rows) = &timed.entities[numbers.below(timed.entities.len() as u64) as usize];
            let mut keys: Vec<Value> = known.iter().map(|known| flights::any_key(numbers, known)).collect();
            for (index, value) in
                timed.lookup.keys.iter().zip(entity.decode(&timed.lookup.view.keys).unwrap())
            {
                keys[*index] = value;
            }
            let request = plan.request.iter().map(|_| flights::any_distance(numbers)).collect();
            Label { keys, request, at: timed.moment(numbers, rows) }
        })
        .collect();
    labels.sort_by_key(|label| label.at);
    labels
}

/// A lookup whose rows have times.
struct Timed<'a> {
    lookup: &'a Lookup,
    /// Each entity's rows, in the order in which they happened; the entities in the order of their keys.
    entities: Vec<(&'a EntityKey, Vec<&'a Row>)>,
    windows: Vec<Window>,
}

impl<'a> Timed<'a> {
    fn new(lookup: &'a Lookup, logs: &'a Logs) -> Self {
        let mut entities: Vec<(&EntityKey, Vec<&Row>)> =
            logs[&lookup.view.id].iter().map(|(key, rows)| (key, rows.iter().collect())).collect();
        entities.sort_by_key(|(key, _)| *key);
        for (_, rows) in &mut entities {
            rows.sort_by_key(|row| row.recency());
        }
        Self { lookup, entities, windows: windows(&lookup.view) }
    }

    /// A moment on or beside a boundary of one of these rows; sometimes any moment.
    fn moment(&self, numbers: &mut Numbers, rows: &[&Row]) -> Micros {
        let row = rows[numbers.below(rows.len() as u64) as usize];
        let window = numbers.pick(&self.windows);
        let visible_at = row.visible_at(AsOf::Available).get();
        let on = match (numbers.below(6), window, self.lookup.view.ttl) {
            (0 | 1, ..) => visible_at,
            (2, _, Some(ttl)) => {
                // A row's life ends unnoticed where another has replaced it.
                let row = last_before_a_gap(numbers, rows, ttl).unwrap_or(row);
                row.event_time.saturating_add(ttl).get()
            }
            (3, Some(window), _) => window.leaves_at(row.event_time),
            (4, Some(window), _) => floor(visible_at, window.hop()) + window.hop().micros(),
            _ => visible_at + numbers.below(Span::DAY.micros() as u64) as i64,
        };
        Micros::new(on + numbers.pick(&[-1, 0, 0, 1]).unwrap_or(0)).unwrap()
    }
}

/// A row that dies before the next one of its entity happens.
fn last_before_a_gap<'a>(numbers: &mut Numbers, rows: &[&'a Row], ttl: Span) -> Option<&'a Row> {
    let gaps = rows.windows(2).filter(|pair| pair[1].event_time.since(pair[0].event_time) > ttl.micros());
    let dying: Vec<&Row> = gaps.map(|pair| pair[0]).chain(rows.last().copied()).collect();
    numbers.pick(&dying)
}

fn windows(view: &View) -> Vec<Window> {
    let mut windows: Vec<Window> = view
        .features
        .iter()
        .filter_map(|feature| match feature.fold {
            Fold::Aggregate { window, .. } => window,
            Fold::Latest { .. } => None,
        })
        .collect();
    windows.sort();
    windows.dedup();
    windows
}
