//! The spans of a request and of a row.

use std::time::Duration;

use feature::{Micros, TraceParent, VersionId};
use materializer::TracedRow;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use server::TracedRequest;

/// What the spans of a store's stage say of the store, as `redis`.
pub(super) type StoreKind = &'static str;

pub(super) fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

pub(super) fn text(key: &str, value: impl ToString) -> KeyValue {
    attribute(key, Value::StringValue(value.to_string()))
}

fn number(key: &str, value: u64) -> KeyValue {
    attribute(key, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}

/// Nanoseconds since 1970, which nothing before has.
pub(super) fn nanos(at: Micros) -> u64 {
    u64::try_from(at.get()).unwrap_or(0).saturating_mul(1_000)
}

/// Where a span is: its trace, and the span that it is in.
#[derive(Clone, Copy)]
struct Within {
    trace: [u8; 16],
    parent: Option<[u8; 8]>,
}

fn span(within: Within, name: &str, (begins, ends): (u64, u64)) -> Span {
    Span {
        trace_id: within.trace.to_vec(),
        span_id: new_span().to_vec(),
        parent_span_id: within.parent.map(|parent| parent.to_vec()).unwrap_or_default(),
        name: name.to_owned(),
        kind: SpanKind::Internal as i32,
        start_time_unix_nano: begins,
        end_time_unix_nano: ends.max(begins),
        ..Span::default()
    }
}

fn new_span() -> [u8; 8] {
    fastrand::u64(1..).to_be_bytes()
}

fn within(parent: Option<TraceParent>) -> Within {
    match parent {
        Some(TraceParent { trace, span, .. }) => Within { trace, parent: Some(span) },
        None => Within { trace: fastrand::u128(1..).to_be_bytes(), parent: None },
    }
}

/// The stages of which the store takes the time.
const OF_THE_STORE: [&str; 1] = ["probe"];

/// A request that ended at this moment: a span for it, and one for each of its stages.
pub(super) fn of_request(request: &TracedRequest<'_>, ended_at: Micros, store: StoreKind) -> Vec<Span> {
    let ends = nanos(ended_at);
    let length = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let begins = ends.saturating_sub(length(request.took));
    let is_push = request.stages.iter().any(|stage| stage.name == "sync");
    let position = within(request.parent);
    let mut whole = span(position, if is_push { "push" } else { "features" }, (begins, ends));
    whole.kind = SpanKind::Server as i32;
    whole.attributes =
        vec![text("twinstore.protocol", request.protocol), text("twinstore.code", request.code)];
    whole.attributes.extend(request.service.map(|service| text("twinstore.service", service)));
    whole.attributes.extend(request.entities.map(|entities| number("twinstore.entities", entities)));
    if request.code != "OK" {
        whole.status = Some(Status { code: StatusCode::Error as i32, message: request.code.to_owned() });
    }
    let inner = Within { trace: position.trace, parent: whole.span_id.as_slice().try_into().ok() };
    let stages = request.stages.iter().map(|stage| {
        let began = begins.saturating_add(length(stage.began));
        let mut one = span(inner, stage.name, (began, began.saturating_add(length(stage.took))));
        if OF_THE_STORE.contains(&stage.name) {
            one.kind = SpanKind::Client as i32;
            one.attributes.push(text("db.system.name", store));
        }
        one
    });
    let stages: Vec<Span> = stages.collect();
    std::iter::once(whole).chain(stages).collect()
}

/// A row: a span from its topic to its commit, and one for each step.
pub(super) fn of_row(view: &VersionId, row: &TracedRow, store: StoreKind) -> Vec<Span> {
    let position = within(Some(row.parent));
    let times = [row.appended_at, row.received_at, row.transformed_at, row.acknowledged_at, row.committed_at];
    // A clock that is behind the broker's gives steps of no length.
    let mut latest = 0;
    let times = times.map(|at| {
        latest = nanos(at).max(latest);
        latest
    });
    let [appended, received, transformed, acknowledged, committed] = times;
    let mut whole = span(position, "materialize", (appended, committed));
    whole.kind = SpanKind::Consumer as i32;
    whole.attributes = vec![
        text("twinstore.view", view),
        number("messaging.kafka.partition", u64::from(row.partition)),
        number("messaging.kafka.offset", row.offset),
    ];
    let inner = Within { trace: position.trace, parent: whole.span_id.as_slice().try_into().ok() };
    let step = |name: &str, begins: u64, ends: u64| span(inner, name, (begins, ends));
    let mut online = step("online write", transformed, acknowledged);
    online.kind = SpanKind::Client as i32;
    online.attributes.push(text("db.system.name", store));
    vec![
        whole,
        step("receive", appended, received),
        step("transform", received, transformed),
        online,
        step("commit", acknowledged, committed),
    ]
}

#[cfg(test)]
mod tests {
    use server::TracedStage;

    use super::*;

    fn parent() -> TraceParent {
        TraceParent { trace: [7; 16], span: [9; 8], is_sampled: true }
    }

    #[test]
    fn a_request_is_in_the_trace_of_its_caller_and_its_stages_are_in_it() {
        let stage = |name, began, took| TracedStage {
            name,
            began: Duration::from_micros(began),
            took: Duration::from_micros(took),
        };
        let service: VersionId = "late_arrival@1".parse().unwrap();
        let request = TracedRequest {
            parent: Some(parent()),
            protocol: "grpc",
            service: Some(&service),
            code: "OK",
            entities: Some(3),
            took: Duration::from_micros(100),
            stages: vec![stage("decode", 5, 10), stage("probe", 15, 60)],
        };
        let spans = of_request(&request, Micros::new(1_000_000).unwrap(), "redis");
        let times: Vec<_> = spans
            .iter()
            .map(|span| (span.name.as_str(), span.start_time_unix_nano, span.end_time_unix_nano))
            .collect();
        assert_eq!(
            times,
            [
                ("features", 999_900_000, 1_000_000_000),
                ("decode", 999_905_000, 999_915_000),
                ("probe", 999_915_000, 999_975_000)
            ]
        );
        assert!(spans.iter().all(|span| span.trace_id == [7; 16]));
        assert_eq!(spans[0].parent_span_id, [9; 8]);
        assert!(spans[1..].iter().all(|span| span.parent_span_id == spans[0].span_id));
        assert!(spans[2].attributes.contains(&text("db.system.name", "redis")));
        let alone = of_request(&TracedRequest { parent: None, ..request }, Micros::new(1).unwrap(), "redis");
        assert!(alone[0].parent_span_id.is_empty() && alone[0].trace_id != [0; 16]);
    }

    #[test]
    fn a_row_whose_broker_is_ahead_has_steps_of_no_length_and_none_below() {
        let at = |micros| Micros::new(micros).unwrap();
        let row = TracedRow {
            parent: parent(),
            partition: 1,
            offset: 2,
            appended_at: at(50),
            received_at: at(10),
            transformed_at: at(20),
            acknowledged_at: at(60),
            committed_at: at(90),
        };
        let spans = of_row(&"landings@1".parse().unwrap(), &row, "embedded");
        let times: Vec<_> =
            spans.iter().map(|span| (span.start_time_unix_nano, span.end_time_unix_nano)).collect();
        assert_eq!(
            times,
            [(50_000, 90_000), (50_000, 50_000), (50_000, 50_000), (50_000, 60_000), (60_000, 90_000)]
        );
    }
}
