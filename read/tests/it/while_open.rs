//! Reads while a circuit breaker is open: what is answered is the fold at the last good moment, or nothing.

use std::collections::BTreeMap;

use feature::oracle::{self, History};
use feature::{AsOf, Micros, Name, OpenAnswer, Opening, Openings, Row, Status, Value, View};
use online::{Embedded, Writer};
use read::{Moment, ReadAt, ReadError, RequestError};
use tempfile::TempDir;

use crate::engine::{ages, cells, column, request_of, requested};
use crate::flights::{self, APPLIED, at, noon, text};

#[tokio::test]
async fn what_is_served_while_a_breaker_is_open_equals_the_oracle_whatever_came_since() {
    for seed in 0..20 {
        let mut history = History::generate(seed, 12);
        history.view.ttl = (seed % 2 == 0).then(|| "1m".parse().unwrap());
        let Some(last) = history.moments.last().copied() else { continue };
        let good_until = history.moments[history.moments.len() / 2];
        let folder = TempDir::new().unwrap();
        let store = Embedded::open(folder.path()).unwrap();
        let (reader, request, rows) = requested(&history);
        flights::fill(&store, &history.view, &rows, last).await;
        let request = reader.validate(request, 10_000).unwrap();
        for answers in [OpenAnswer::LastKnownGood, OpenAnswer::NoValue] {
            let view = history.view.id.clone();
            let opening = Opening {
                number: 7,
                view,
                answers,
                from: good_until,
                until: None,
                good_until,
                features: Vec::new(),
            };
            let openings = Openings::new([opening.clone()]);
            let read_at = || ReadAt { moment: Moment::At(last), openings: &openings };
            if answers == OpenAnswer::LastKnownGood {
                let lost = reader.read(&store, &request, read_at()).await.unwrap();
                let statuses = lost.columns.iter().flat_map(|column| column.statuses.iter());
                assert!(
                    statuses.copied().all(|status| status == Status::BreakerOpen),
                    "no later row is given"
                );
                let kept = View { id: opening.kept_rows(), ..history.view.clone() };
                let visible = |row: &&Row| row.visible_at(AsOf::Available) <= good_until;
                let good = rows.iter().map(|(keys, rows)| {
                    (keys.clone(), rows.iter().filter(visible).cloned().collect::<Vec<Row>>())
                });
                let good = good.filter(|(_, rows)| !rows.is_empty()).collect();
                flights::fill(&store, &kept, &good, good_until).await;
                store.replace(&kept.id, &[], Some(good_until)).await.unwrap();
            }
            let features = reader.read(&store, &request, read_at()).await.unwrap();
            for (row, (keys, rows)) in history.entities.iter().enumerate() {
                let expected = oracle::answer_while_open(&history.view, rows, last, &opening);
                for (column, expected) in features.columns.iter().zip(&expected.cells) {
                    let cell = features.cell(column, row).unwrap();
                    assert_eq!(
                        (&cell.value, cell.status),
                        (&expected.value, expected.status),
                        "seed {seed}, {keys:?}, {}",
                        column.name
                    );
                }
                assert_eq!(features.times[0][row], expected.times, "seed {seed}, {keys:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_moment_of_an_opening_that_ended_is_refused_once_its_rows_are_gone() {
    let history = History::generate(3, 12);
    let last = *history.moments.last().unwrap();
    let folder = TempDir::new().unwrap();
    let store = Embedded::open(folder.path()).unwrap();
    let (reader, request, rows) = requested(&history);
    flights::fill(&store, &history.view, &rows, last).await;
    let request = reader.validate(request, 10_000).unwrap();
    let until = Some(Micros::new(last.get() + 1).unwrap());
    let (view, answers) = (history.view.id.clone(), OpenAnswer::LastKnownGood);
    let opening =
        Opening { number: 7, view, answers, from: last, until, good_until: last, features: Vec::new() };
    let openings = Openings::new([opening]);
    let read = reader.read(&store, &request, ReadAt { moment: Moment::At(last), openings: &openings }).await;
    let error = read.unwrap_err();
    assert!(matches!(error, ReadError::Request(RequestError::BreakerClosed { .. })), "{error}");
}

/// Writes the rows of an opening's last good moment, as whoever opens a breaker does.
async fn keep(store: &Embedded, history: &History, opening: &Opening) {
    let kept = View { id: opening.kept_rows(), ..history.view.clone() };
    let visible = |row: &&Row| row.visible_at(AsOf::Available) <= opening.good_until;
    let good = history
        .entities
        .iter()
        .map(|(keys, rows)| (keys.clone(), rows.iter().filter(visible).cloned().collect::<Vec<Row>>()));
    let good = good.filter(|(_, rows)| !rows.is_empty()).collect();
    flights::fill(store, &kept, &good, opening.good_until).await;
    store.replace(&kept.id, &[], Some(opening.good_until)).await.unwrap();
}

#[tokio::test]
async fn a_read_that_is_moved_on_is_answered_by_the_openings_of_the_moment_that_it_is_of() {
    let (_folder, store) = flights::store().await;
    let reader = flights::reader();
    let opening = Opening {
        number: 7,
        view: "arrivals@1".parse().unwrap(),
        answers: OpenAnswer::NoValue,
        from: at(APPLIED),
        until: None,
        good_until: at("2013-06-01T10:00:00Z"),
        features: Vec::new(),
    };
    let openings = Openings::new([opening]);
    let dest = || vec![column("dest", &[text("BOS")])];
    let request = reader.validate(request_of(&["dest_last_delay"], dest(), vec![]), 10).unwrap();
    // The clock is behind the store: what the rows of the view say is of the moment that the breaker opened.
    let early = at(APPLIED).get() - 1_000_000;
    let moment = Moment::Now(Micros::new(early).unwrap());
    let features = reader.read(&store, &request, ReadAt { moment, openings: &openings }).await.unwrap();
    assert_eq!(features.at, at(APPLIED));
    assert_eq!(cells(&features, "dest_last_delay"), [(Value::Null, Status::BreakerOpen)]);
}

#[tokio::test]
async fn only_the_features_that_a_breaker_names_are_held_each_with_its_own_times() {
    let mut compared = 0;
    for seed in 0..20 {
        let mut history = History::generate(seed, 12);
        history.view.ttl = (seed % 2 == 0).then(|| "1m".parse().unwrap());
        let Some(last) = history.moments.last().copied() else { continue };
        let folder = TempDir::new().unwrap();
        let store = Embedded::open(folder.path()).unwrap();
        let (reader, request, rows) = requested(&history);
        flights::fill(&store, &history.view, &rows, last).await;
        let request = reader.validate(request, 10_000).unwrap();
        let count = history.moments.len();
        let every = |nth: usize| -> Vec<Name> {
            history.view.features.iter().skip(nth).step_by(4).map(|feature| feature.name.clone()).collect()
        };
        let kinds = [OpenAnswer::LastKnownGood, OpenAnswer::LastKnownGood, OpenAnswer::NoValue];
        let opening = |(nth, answers): (usize, OpenAnswer)| Opening {
            number: 7 + nth as u32,
            view: history.view.id.clone(),
            answers,
            from: history.moments[count * (nth + 1) / 4],
            until: None,
            good_until: history.moments[count * (nth + 1) / 4],
            features: every(nth),
        };
        let openings: Vec<Opening> = kinds.into_iter().enumerate().map(opening).collect();
        for opening in openings.iter().filter(|opening| opening.answers == OpenAnswer::LastKnownGood) {
            keep(&store, &history, opening).await;
        }
        let openings = Openings::new(openings);
        let read_at = ReadAt { moment: Moment::At(last), openings: &openings };
        let features = reader.read(&store, &request, read_at).await.unwrap();
        for (row, (keys, rows)) in history.entities.iter().enumerate() {
            for (index, column) in features.columns.iter().enumerate() {
                let cell = features.cell(column, row).unwrap();
                let (expected, times) =
                    oracle::answer_of_feature(&history.view, rows, index, last, &openings);
                assert_eq!(
                    (&cell.value, cell.status, cell.times),
                    (&expected.value, expected.status, times),
                    "seed {seed}, {keys:?}, {}",
                    column.name
                );
                compared += usize::from(cell.status == Status::LastKnownGood);
            }
        }
    }
    assert!(compared > 100, "{compared} values of last good moments");
}

#[tokio::test]
async fn what_is_computed_says_that_an_input_is_held_and_what_reads_no_held_feature_does_not() {
    let (_folder, store) = flights::store().await;
    let reader = flights::reader();
    let opening = |name: &str| Opening {
        number: 7,
        view: "arrivals@1".parse().unwrap(),
        answers: OpenAnswer::LastKnownGood,
        from: at(APPLIED),
        until: None,
        good_until: at("2013-06-01T11:15:00Z"),
        features: vec![name.parse().unwrap()],
    };
    let delay = |number, time: &str, delay: f64| flights::row(number, at(time), vec![Value::Float64(delay)]);
    let kept = View { id: opening("last_delay").kept_rows(), ..flights::arrivals() };
    let until_then = [delay(0, "2013-06-01T10:00:00Z", 5.0), delay(1, "2013-06-01T11:10:00Z", 7.0)];
    let rows = BTreeMap::from([(vec![text("BOS")], until_then.to_vec())]);
    flights::fill(&store, &kept, &rows, at("2013-06-01T11:15:00Z")).await;
    let request = || {
        let entities = ["origin", "dest"].map(|name| column(name, &[text("BOS")]));
        let entities = entities.into_iter().chain([column("tailnum", &[text("N123")])]).collect();
        let request = vec![column("distance", &[Value::Int64(187)]), column("scale", &[Value::Float64(2.0)])];
        reader.validate(request_of(&[], entities, request), 10).unwrap()
    };
    let openings = Openings::new([opening("last_delay")]);
    let read_at = ReadAt { moment: Moment::At(noon()), openings: &openings };
    let features = reader.read(&store, &request(), read_at).await.unwrap();
    let good = |value: f64| vec![(Value::Float64(value), Status::LastKnownGood)];
    assert_eq!(cells(&features, "dest_last_delay"), good(7.0));
    assert_eq!(cells(&features, "both_delays"), good(14.0));
    assert_eq!(cells(&features, "twice"), good(28.0));
    assert_eq!(ages(&features, "twice"), [Some(3000.0)]);
    assert_eq!(cells(&features, "dest_arrivals_1h"), [(Value::Int64(2), Status::Present)]);
    assert_eq!(ages(&features, "dest_arrivals_1h"), [Some(1800.0)]);
    assert_eq!(cells(&features, "maker"), [(text("BOEING"), Status::Present)]);
    // Of an airport that was not known at the last good moment there is no value, so none is computed.
    let of_sea = || {
        let entities = ["origin", "dest"].map(|name| column(name, &[text("SEA")]));
        let entities = entities.into_iter().chain([column("tailnum", &[text("N123")])]).collect();
        let request = vec![column("distance", &[Value::Int64(187)]), column("scale", &[Value::Float64(2.0)])];
        reader.validate(request_of(&[], entities, request), 10).unwrap()
    };
    let features = reader.read(&store, &of_sea(), read_at).await.unwrap();
    assert_eq!(cells(&features, "dest_last_delay")[0].1, Status::NotFound);
    let computed = ["both_delays", "twice"].map(|name| cells(&features, name)[0].1);
    assert!(!computed.contains(&Status::LastKnownGood), "{computed:?}");
    // Where the rows of the moment are lost, nothing is computed from their absence.
    let lost = Openings::new([Opening { number: 8, ..opening("last_delay") }]);
    let read_at = ReadAt { moment: Moment::At(noon()), openings: &lost };
    let features = reader.read(&store, &request(), read_at).await.unwrap();
    for name in ["dest_last_delay", "both_delays", "twice"] {
        assert_eq!(cells(&features, name), [(Value::Null, Status::BreakerOpen)], "{name}");
    }
    assert_eq!(cells(&features, "dest_arrivals_1h"), [(Value::Int64(2), Status::Present)]);
    // A count that is held: what is computed from delays alone is that of now.
    let openings = Openings::new([opening("arrivals_1h")]);
    let read_at = ReadAt { moment: Moment::At(noon()), openings: &openings };
    let features = reader.read(&store, &request(), read_at).await.unwrap();
    assert_eq!(cells(&features, "both_delays"), [(Value::Float64(-5.0), Status::Present)]);
    assert_eq!(cells(&features, "origin_arrivals_1h"), [(Value::Int64(1), Status::LastKnownGood)]);
}
