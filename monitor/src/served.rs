//! Whether what was served is what the log gives at the same positions, to the bit.

use feature::{Answer, Cell, Micros};

/// How what was served differs from what the log gives.
#[derive(Clone, PartialEq, Debug)]
pub enum ServedDifference {
    /// A feature has another value, or another status.
    Cell {
        /// Its index among those that were served.
        index: usize,
        /// What was served.
        served: Cell,
        /// What the log gives.
        folded: Cell,
    },
    /// The values are the same, and are said to be of another time.
    EventTime {
        /// What was served.
        served: Option<Micros>,
        /// What the log gives.
        folded: Option<Micros>,
    },
}

/// Every difference between a served answer and the first of those that the log gives; none where it is one of them.
/// Answers have one cell for each feature that was served. When a row became available is not compared: a streamed one
/// is served before its time is stamped.
pub fn served_differences(served: &Answer, folded: &[Answer]) -> Vec<ServedDifference> {
    let mut differences = folded.iter().map(|folded| between(served, folded));
    let first = differences.next().unwrap_or_default();
    if differences.any(|other| other.is_empty()) { Vec::new() } else { first }
}

fn between(served: &Answer, folded: &Answer) -> Vec<ServedDifference> {
    let cells =
        served.cells.iter().zip(&folded.cells).enumerate().filter(|(_, (served, folded))| served != folded);
    let mut differences: Vec<ServedDifference> = cells
        .map(|(index, (served, folded))| ServedDifference::Cell {
            index,
            served: served.clone(),
            folded: folded.clone(),
        })
        .collect();
    let event_time = |answer: &Answer| answer.times.map(|times| times.event_time);
    let (served, folded) = (event_time(served), event_time(folded));
    if differences.is_empty() && served != folded {
        differences.push(ServedDifference::EventTime { served, folded });
    }
    differences
}

#[cfg(test)]
mod tests {
    use feature::{Times, Value};

    use super::*;

    fn answer(value: f64, seconds: i64) -> Answer {
        let event_time = Micros::new(1_370_001_600_000_000 + seconds * 1_000_000).unwrap();
        let times = Times { event_time, available_at: event_time };
        Answer { cells: vec![Cell::of(Value::Float64(value))], times: Some(times) }
    }

    #[test]
    fn bits_decide_and_one_of_the_answers_is_enough() {
        assert_eq!(served_differences(&answer(0.1, 0), &[answer(0.1, 0)]), []);
        assert_eq!(served_differences(&answer(0.1, 0), &[answer(0.2, 0), answer(0.1, 0)]), []);
        let differences = served_differences(&answer(0.1 + 0.2, 0), &[answer(0.3, 0), answer(0.4, 0)]);
        let (served, folded) = (Cell::of(Value::Float64(0.1 + 0.2)), Cell::of(Value::Float64(0.3)));
        assert_eq!(differences, [ServedDifference::Cell { index: 0, served, folded }]);
        assert_eq!(served_differences(&answer(-0.0, 0), &[answer(0.0, 0)]).len(), 1);
    }

    #[test]
    fn the_same_values_of_another_time_differ() {
        let differences = served_differences(&answer(1.0, 5), &[answer(1.0, 0)]);
        assert!(matches!(differences[..], [ServedDifference::EventTime { .. }]), "{differences:?}");
    }
}
