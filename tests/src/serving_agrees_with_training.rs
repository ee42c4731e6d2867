//! What a model is trained on is what it is served: after an ordinary backfill of both stores, a
//! service with one entity in two roles, a static view and on-demand features says the same of any
//! entity, online as of a moment and in a training set with a label at that moment.

use std::sync::Arc;

use feature::oracle::Numbers;
use feature::{AsOf, Micros, ServicePlan, Span, Value};
use online::Reader;
use read::{FeatureReader, Moment};

use crate::flights;
use crate::label::{LABEL_TIME, Label, spine, validated_request};
use crate::project::Project;

const CONNECTION: &str = "
kind: feature_service
name: connection
version: 1
features:
  - {from: airport_arrivals@1, on: {airport: dest}, prefix: dest_}
  - {from: airport_arrivals@1, on: {airport: via}, take: [mean_delay_1d, last_delay, worst_7d], prefix: via_}
  - {from: airport_weather@1, on: {airport: origin}, prefix: origin_}
  - {from: aircraft_last_flight@1, prefix: aircraft_}
  - {from: airframe@1, prefix: airframe_}
  - {from: route@1}
";

/// Entities that are read at each moment.
const ENTITIES: usize = 150;

#[tokio::test]
async fn serving_as_of_a_moment_is_training_with_a_label_at_that_moment() {
    let project = flights::project(CONNECTION).await;
    let plan = project.plan("connection");
    project.backfill(&plan).await;
    let reader = FeatureReader::new(plan.clone()).unwrap();
    let moments = moments_after(applied_at(&project, &plan).await);
    let labels = labels(&plan, &moments);
    let set = project.training_set(&plan, &spine(&plan, &labels), LABEL_TIME, AsOf::Available).await;

    let mut present = vec![0; plan.outputs.len()];
    for (index, labels) in labels.chunks(ENTITIES).enumerate() {
        let validated = validated_request(&reader, labels);
        let moment = Moment::At(moments[index]);
        let served = reader.read(&project.materializer.online, &validated, moment).await.unwrap();
        for (output, (column, present)) in plan.outputs.iter().zip(served.columns.iter().zip(&mut present)) {
            for (row, label) in labels.iter().enumerate() {
                let trained = set.value(&output.name, index * ENTITIES + row, output.data_type);
                let served = served.cell(column, row).unwrap().value;
                assert_eq!(served, trained, "{} for {label}", output.name);
                *present += usize::from(!served.is_null());
            }
        }
    }
    for (output, present) in plan.outputs.iter().zip(present) {
        assert!(present > ENTITIES / 4, "{} was there only {present} times", output.name);
    }
}

/// From when on every view may be read.
async fn applied_at(project: &Project, plan: &ServicePlan) -> Micros {
    let mut applied = Micros::MIN;
    for lookup in &plan.lookups {
        let stats = project.materializer.online.stats(&lookup.view.id).await.unwrap();
        applied = applied.max(stats.applied_at.unwrap());
    }
    applied
}

/// The first moment that may be read, and later ones: hops turn, windows run empty, rows die.
fn moments_after(applied: Micros) -> Vec<Micros> {
    let later = |count, unit| applied.saturating_add(Span::of(count, unit).unwrap());
    let mut moments = vec![applied];
    moments.extend([1, 3, 10, 59].map(|minutes| later(minutes, Span::MINUTE)));
    moments.extend([1, 3, 11, 25, 49].map(|hours| later(hours, Span::HOUR)));
    moments.extend([6, 7, 8, 29, 31].map(|days| later(days, Span::DAY)));
    moments
}

/// The same number of entities at each moment.
fn labels(plan: &Arc<ServicePlan>, moments: &[Micros]) -> Vec<Label> {
    let numbers = &mut Numbers::new(20_130_222);
    let known: Vec<Vec<Value>> = plan
        .keys
        .iter()
        .map(|key| match key.name.as_str() {
            "via" => flights::known_keys("dest"),
            column => flights::known_keys(column),
        })
        .collect();
    let mut labels = Vec::new();
    for at in moments {
        for _ in 0..ENTITIES {
            let keys = known.iter().map(|known| flights::any_key(numbers, known)).collect();
            let request = plan.request.iter().map(|_| flights::any_distance(numbers)).collect();
            labels.push(Label { keys, request, at: *at });
        }
    }
    labels
}
