//! The features that a server answered, each value with its status and times. An answer from the cache is older than it was
//! when it came, and its ages say so.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proto::v1;

use crate::error::Error;
use crate::values::{FromValues, Values, from_micros};

/// Why a value is what it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Status {
    /// There is a value.
    Present,
    /// The entity is known, and the value is null: the feature's default replaces it, if it has one.
    NullValue,
    /// The entity has no row in the view, or its key has a null. The value is null.
    NotFound,
    /// The entity's latest row is older than the view's ttl. The value is null.
    OutsideMaxAge,
    /// The view's circuit breaker is open: the value is the last good one, with its own event time and age.
    LastKnownGood,
    /// The view's circuit breaker is open, and nothing is answered of it meanwhile. The value is null.
    BreakerOpen,
}

/// The features of a batch of entities, as one version of a service gave them at one moment.
#[derive(Clone, Debug)]
pub struct Features {
    answer: Arc<Answer>,
    /// How long ago the answer was requested; `None` where it was not in the cache.
    cached_for: Option<Duration>,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    service: String,
    at_us: i64,
    /// Whether the caller named the moment: values do not get older then.
    is_at_chosen: bool,
    rows: usize,
    columns: Vec<AnsweredColumn>,
    times: Vec<Times>,
    deprecated: Option<String>,
    endpoint: Arc<str>,
}

#[derive(Debug)]
struct AnsweredColumn {
    name: String,
    values: Values,
    statuses: Vec<Status>,
    /// Which of the answer's times are theirs.
    times: usize,
}

/// The times of the latest row of each entity; `None` for one without a row.
#[derive(Debug)]
struct Times(Vec<Option<RowTimes>>);

#[derive(Clone, Copy, Debug)]
struct RowTimes {
    event_time_us: i64,
    available_at_us: i64,
}

impl Features {
    pub(crate) fn new(answer: Arc<Answer>, cached_for: Option<Duration>) -> Self {
        Self { answer, cached_for }
    }

    /// The exact version that answered, as `name@version`.
    pub fn service(&self) -> &str {
        &self.answer.service
    }

    /// The moment that was read at.
    pub fn at(&self) -> SystemTime {
        from_micros(self.answer.at_us)
    }

    /// How many entities there are.
    pub fn rows(&self) -> usize {
        self.answer.rows
    }

    /// The features in the service's order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = Column<'_>> {
        self.answer.columns.iter().map(|column| self.shown(column))
    }

    /// One feature, by its name in the service.
    pub fn column(&self, name: &str) -> Result<Column<'_>, Error> {
        let found = self.answer.columns.iter().find(|column| column.name == name);
        found.map(|column| self.shown(column)).ok_or_else(|| Error::NoSuchFeature {
            name: name.to_owned(),
            there_are: self.answer.columns.iter().map(|column| column.name.clone()).collect(),
        })
    }

    /// What is deprecated among the versions that were read, and what to use instead.
    pub fn deprecated(&self) -> Option<&str> {
        self.answer.deprecated.as_deref()
    }

    /// The server that answered.
    pub fn endpoint(&self) -> &str {
        &self.answer.endpoint
    }

    /// How long ago the answer was requested, where the cache gave it.
    pub fn cached_for(&self) -> Option<Duration> {
        self.cached_for
    }

    fn shown<'a>(&'a self, column: &'a AnsweredColumn) -> Column<'a> {
        let Answer { at_us, is_at_chosen, times, .. } = &*self.answer;
        let later = self.cached_for.filter(|_| !is_at_chosen).unwrap_or_default();
        Column { column, at_us: *at_us, times: times.get(column.times), later }
    }
}

/// One feature of all entities of a batch. Rows are counted from 0, in the order of the request.
#[derive(Clone, Copy, Debug)]
pub struct Column<'a> {
    column: &'a AnsweredColumn,
    at_us: i64,
    times: Option<&'a Times>,
    /// How much older the values are than when they were answered.
    later: Duration,
}

impl<'a> Column<'a> {
    /// The feature, as the service calls it.
    pub fn name(&self) -> &'a str {
        &self.column.name
    }

    /// Its values.
    pub fn values(&self) -> &'a Values {
        &self.column.values
    }

    /// The value of a row; `None` for null. An integer or a single may be read as what holds all of its values.
    pub fn get<T: FromValues>(&self, row: usize) -> Result<Option<T>, Error> {
        let (feature, values) = (&self.column.name, &self.column.values);
        if row >= values.len() {
            return Err(Error::NoSuchRow { feature: feature.clone(), row, rows: values.len() });
        }
        T::of_row(values, row).ok_or_else(|| Error::WrongType {
            feature: feature.clone(),
            holds: values.name(),
            wanted: T::NAME,
        })
    }

    /// Why the value of a row is what it is; `None` where there is no such row.
    pub fn status(&self, row: usize) -> Option<Status> {
        self.column.statuses.get(row).copied()
    }

    /// When the latest row of an entity happened, dead or not; `None` where it has no time.
    pub fn event_time(&self, row: usize) -> Option<SystemTime> {
        Some(from_micros(self.times(row)?.event_time_us))
    }

    /// When that row could first have been read online.
    pub fn available_at(&self, row: usize) -> Option<SystemTime> {
        Some(from_micros(self.times(row)?.available_at_us))
    }

    /// How old that row is: as of the moment that was read at, and for an answer from the cache as of now.
    pub fn age(&self, row: usize) -> Option<Duration> {
        let age_us = self.at_us.saturating_sub(self.times(row)?.event_time_us);
        Some(Duration::from_micros(u64::try_from(age_us).unwrap_or(0)) + self.later)
    }

    fn times(&self, row: usize) -> Option<RowTimes> {
        self.times?.0.get(row).copied().flatten()
    }
}

impl Answer {
    /// The answer of a message; the error says what is wrong with it.
    pub fn of(
        message: v1::GetFeaturesResponse,
        is_at_chosen: bool,
        deprecated: Option<String>,
        endpoint: Arc<str>,
    ) -> Result<Self, String> {
        let v1::GetFeaturesResponse { service, at_us, columns, times } = message;
        let rows = columns.first().map_or(0, |column| column.statuses.len());
        let columns: Result<Vec<AnsweredColumn>, String> =
            columns.into_iter().map(|column| answered(column, rows, times.len())).collect();
        let times: Result<Vec<Times>, String> =
            times.into_iter().map(|group| of_group(group, rows)).collect();
        Ok(Self {
            service,
            at_us,
            is_at_chosen,
            rows,
            columns: columns?,
            times: times?,
            deprecated,
            endpoint,
        })
    }
}

fn answered(column: v1::Column, rows: usize, groups: usize) -> Result<AnsweredColumn, String> {
    let wrong = |why: &str| format!("the column `{}` {why}", column.name);
    let statuses: Option<Vec<Status>> = column.statuses().map(status).collect();
    let statuses = statuses.ok_or_else(|| wrong("has a row without a status"))?;
    let times = column.times as usize;
    if statuses.len() != rows || times >= groups {
        return Err(wrong("has other rows than the first one, or no times"));
    }
    let values = column.values.clone().unwrap_or_default();
    let values = Values::unpacked(values, rows).map_err(|why| wrong(&why))?;
    Ok(AnsweredColumn { values, statuses, times, name: column.name })
}

fn of_group(group: v1::Times, rows: usize) -> Result<Times, String> {
    let v1::Times { event_times_us, available_ats_us, nulls, .. } = group;
    if event_times_us.len() != rows || available_ats_us.len() != rows {
        return Err("there is not a time for each row".to_owned());
    }
    let pairs = event_times_us.into_iter().zip(available_ats_us);
    let mut times: Vec<Option<RowTimes>> = pairs
        .map(|(event_time_us, available_at_us)| Some(RowTimes { event_time_us, available_at_us }))
        .collect();
    for null in nulls {
        if let Some(row) = times.get_mut(null as usize) {
            *row = None;
        }
    }
    Ok(Times(times))
}

fn status(status: v1::column::Status) -> Option<Status> {
    match status {
        v1::column::Status::Unspecified => None,
        v1::column::Status::Present => Some(Status::Present),
        v1::column::Status::NullValue => Some(Status::NullValue),
        v1::column::Status::NotFound => Some(Status::NotFound),
        v1::column::Status::OutsideMaxAge => Some(Status::OutsideMaxAge),
        v1::column::Status::LastKnownGood => Some(Status::LastKnownGood),
        v1::column::Status::BreakerOpen => Some(Status::BreakerOpen),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An answer of two entities, the second of which has no row.
    pub(crate) fn message() -> v1::GetFeaturesResponse {
        let column = v1::Column {
            name: "f".to_owned(),
            values: Some(Values::from([Some(7), None]).packed()),
            statuses: vec![1, 3],
            times: 0,
        };
        let times = v1::Times {
            event_times_us: vec![1_000_000, 0],
            available_ats_us: vec![2_000_000, 0],
            ages_s: vec![2.0, 0.0],
            nulls: vec![1],
        };
        v1::GetFeaturesResponse {
            service: "s@1".to_owned(),
            at_us: 3_000_000,
            columns: vec![column],
            times: vec![times],
        }
    }

    pub(crate) fn answer(message: v1::GetFeaturesResponse, is_at_chosen: bool) -> Result<Answer, String> {
        Answer::of(message, is_at_chosen, None, "here:1".into())
    }

    #[test]
    fn values_come_with_their_status_and_times() {
        let features = Features::new(Arc::new(answer(message(), false).unwrap()), None);
        let column = features.column("f").unwrap();
        assert_eq!((column.get(0).unwrap(), column.get::<i64>(1).unwrap()), (Some(7_i32), None));
        assert_eq!(
            [0, 1, 2].map(|row| column.status(row)),
            [Some(Status::Present), Some(Status::NotFound), None]
        );
        assert_eq!(column.age(0), Some(Duration::from_secs(2)));
        assert_eq!((column.age(1), column.event_time(1), column.available_at(1)), (None, None, None));
        assert_eq!(column.available_at(0), Some(from_micros(2_000_000)));
        let wrong = column.get::<String>(0).unwrap_err().to_string();
        assert!(wrong.contains("`f` holds int32, not string"), "{wrong}");
        assert!(column.get::<i32>(2).unwrap_err().to_string().contains("no row 2"));
        assert!(features.column("g").unwrap_err().to_string().contains("it has `f`"));
    }

    #[test]
    fn an_answer_from_the_cache_gets_older_unless_its_moment_was_chosen() {
        let age = |is_at_chosen| {
            let answer = Arc::new(answer(message(), is_at_chosen).unwrap());
            Features::new(answer, Some(Duration::from_secs(5))).column("f").unwrap().age(0)
        };
        assert_eq!(age(false), Some(Duration::from_secs(7)));
        assert_eq!(age(true), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_message_that_is_no_answer_is_refused() {
        let damages: [fn(&mut v1::GetFeaturesResponse); 5] = [
            |message| message.columns[0].statuses = vec![1, 0],
            |message| message.columns[0].times = 1,
            |message| message.columns[0].values = None,
            |message| message.times[0].event_times_us = vec![1],
            |message| message.columns[0].statuses = vec![1],
        ];
        for damage in damages {
            let mut message = message();
            damage(&mut message);
            assert!(answer(message.clone(), false).is_err(), "{message:?}");
        }
    }
}
