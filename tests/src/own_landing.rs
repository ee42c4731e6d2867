//! No flight sees its own landing: the leak that matters most, on the flights' own log.
//!
//! `departures` are joined with the `landings` of the very same flights, by the flight's number. A
//! label at the moment of departure finds nothing; one that is set as soon as the landing could be
//! known finds it, so the first finding means something.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::Float32Type;
use feature::{AsOf, Micros, ServicePlan, Span};

use crate::flights::{self, micros};
use crate::label::LABEL_TIME;
use crate::project::{Project, Trained};

const OWN_LANDING: &str = "
kind: entity
name: flight
keys: {flight_id: int64}
---
kind: feature_view
name: flight_landing
version: 1
entity: flight
source: landings
features:
  arr_delay: {latest: arr_delay}
  landings: {aggregate: count}
---
kind: feature_service
name: own_landing
version: 1
features:
  - {from: flight_landing@1, prefix: own_}
";

/// What the source assumes between a landing and its being known: two minutes.
const DELAY_MICROS: i64 = 2 * Span::MINUTE.micros();

#[tokio::test]
async fn no_departure_sees_its_own_landing() {
    let flights = Flights::loaded().await;
    // Every one of them has landed before the days are over, so its landing is in the log.
    let spine = flights::departures(&(flights.days.start..flights.hours_before_the_end(24)));
    assert!(spine.num_rows() > 10_000);
    let set = flights.join(&spine, "scheduled_departure", AsOf::Available).await;
    assert_eq!(set.batch.num_rows(), spine.num_rows());
    for feature in ["own_arr_delay", "own_landings"] {
        let seen = spine.num_rows() - set.batch.column_by_name(feature).unwrap().null_count();
        assert_eq!(seen, 0, "{seen} departures see {feature}");
    }
}

#[tokio::test]
async fn a_label_sees_the_landing_from_the_microsecond_on_at_which_it_is_known() {
    let flights = Flights::loaded().await;
    let landings = flights::landings(&flights.days);
    let rows = landings.num_rows();
    // From the landing, the first moment of each mode; the microsecond before it sees nothing.
    for (as_of, first) in [(AsOf::Available, DELAY_MICROS), (AsOf::Event, 0)] {
        let before = flights.join(&after_landing(&landings, first - 1), LABEL_TIME, as_of).await;
        for feature in &before.features {
            assert_eq!(feature.nulls, rows, "{} is seen too early, as of {as_of:?}", feature.name);
            // What had landed and was not known: a join on event time would have leaked all of it.
            assert_eq!(feature.leaked, (as_of == AsOf::Available).then_some(rows), "{}", feature.name);
        }
        let at = flights.join(&after_landing(&landings, first), LABEL_TIME, as_of).await;
        let seen = at.batch.column_by_name("own_arr_delay").unwrap().as_primitive::<Float32Type>();
        let own = landings.column_by_name("arr_delay").unwrap();
        let own = arrow::compute::cast(own, seen.data_type()).unwrap();
        assert_eq!(seen, own.as_primitive::<Float32Type>(), "as of {as_of:?}");
        assert!(at.features.iter().all(|feature| feature.nulls == 0 && feature.leaked.unwrap_or(0) == 0));
    }
}

/// Three weeks of flights, each an entity of its own.
struct Flights {
    project: Project,
    plan: Arc<ServicePlan>,
    days: Range<Micros>,
}

impl Flights {
    async fn loaded() -> Flights {
        let project = flights::project(OWN_LANDING).await;
        let plan = project.plan("own_landing");
        project.backfill(&plan).await;
        Flights { project, plan, days: flights::days() }
    }

    fn hours_before_the_end(&self, hours: i64) -> Micros {
        Micros::new(self.days.end.get() - hours * Span::HOUR.micros()).unwrap()
    }

    async fn join(&self, spine: &RecordBatch, time: &str, as_of: AsOf) -> Trained {
        self.project.training_set(&self.plan, spine, time, as_of).await
    }
}

/// A label for each landing, so many microseconds after it.
fn after_landing(landings: &RecordBatch, micros_after: i64) -> RecordBatch {
    let times = micros(landings, "landed_at").into_iter().map(|landed| landed + micros_after);
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"));
    let flights = landings.column_by_name("flight_id").unwrap().clone();
    RecordBatch::try_from_iter([("flight_id", flights), (LABEL_TIME, times)]).unwrap()
}
