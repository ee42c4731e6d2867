//! What a backfill by dates does next, as a function of the state of each date. Pure: what is done is elsewhere.

use std::collections::BTreeMap;

use feature::EventDate;

/// In which order dates are loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DateOrder {
    /// The newest first; rows without a date last.
    #[default]
    Newest,
    /// The oldest first; rows without a date before them.
    Oldest,
}

/// How far a date is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DateState {
    /// It is to be loaded.
    Waiting,
    /// All that is to be loaded of it is in the log.
    Done,
    /// It was set aside: none of its rows is in the log by this backfill.
    Failed,
}

/// What somebody else wants of a running backfill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopRequest {
    /// It ends, and can be resumed.
    Pause,
    /// It ends for good. What is loaded stays in the log.
    Cancel,
}

/// A date of a backfill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PlannedDate {
    pub(crate) state: DateState,
    /// Rows that the source has of it.
    pub(crate) rows: u64,
}

/// What is done next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum NextStep {
    /// These dates are read together and committed one after the other, in this order.
    Load(Vec<EventDate>),
    /// All dates are loaded: the log is declared whole, and everything goes online.
    Finish,
    /// Dates have failed, and all others are loaded. Nothing goes online.
    EndIncomplete,
    /// As was requested.
    Stop(StopRequest),
}

/// The next step of a backfill with these dates. `rows_at_once` is how many rows fit into memory; a date with more
/// is loaded alone.
pub(crate) fn next_step(
    dates: &BTreeMap<EventDate, PlannedDate>,
    order: DateOrder,
    rows_at_once: u64,
    request: Option<StopRequest>,
) -> NextStep {
    if let Some(request) = request {
        return NextStep::Stop(request);
    }
    let mut group = Vec::new();
    let mut rows = 0_u64;
    let mut add = |(date, planned): (&EventDate, &PlannedDate)| {
        rows = rows.saturating_add(planned.rows);
        let fits = group.is_empty() || rows <= rows_at_once;
        if fits {
            group.push(*date);
        }
        fits
    };
    let waiting = dates.iter().filter(|(_, planned)| planned.state == DateState::Waiting);
    match order {
        DateOrder::Oldest => waiting.take_while(|date| add(*date)).for_each(drop),
        DateOrder::Newest => waiting.rev().take_while(|date| add(*date)).for_each(drop),
    }
    let has_failed = dates.values().any(|planned| planned.state == DateState::Failed);
    match (group.is_empty(), has_failed) {
        (false, _) => NextStep::Load(group),
        (true, true) => NextStep::EndIncomplete,
        (true, false) => NextStep::Finish,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dates(states: &[(i32, DateState, u64)]) -> BTreeMap<EventDate, PlannedDate> {
        let date = |(day, state, rows): &(i32, DateState, u64)| {
            (EventDate::Day(*day), PlannedDate { state: *state, rows: *rows })
        };
        states.iter().map(date).collect()
    }

    fn days(days: &[i32]) -> NextStep {
        NextStep::Load(days.iter().map(|day| EventDate::Day(*day)).collect())
    }

    #[test]
    fn dates_are_loaded_in_their_order_as_many_together_as_memory_fits_for() {
        use DateState::{Done, Failed, Waiting};
        let all =
            dates(&[(1, Waiting, 10), (2, Done, 10), (3, Waiting, 10), (4, Failed, 10), (5, Waiting, 10)]);
        assert_eq!(next_step(&all, DateOrder::Oldest, 20, None), days(&[1, 3]));
        assert_eq!(next_step(&all, DateOrder::Newest, 20, None), days(&[5, 3]));
        assert_eq!(next_step(&all, DateOrder::Newest, 100, None), days(&[5, 3, 1]));
        // One that is larger than memory is loaded all the same, alone.
        assert_eq!(next_step(&all, DateOrder::Oldest, 1, None), days(&[1]));
    }

    #[test]
    fn the_end_is_whole_only_if_no_date_failed() {
        use DateState::{Done, Failed};
        let whole = dates(&[(1, Done, 10), (2, Done, 10)]);
        assert_eq!(next_step(&whole, DateOrder::Newest, 10, None), NextStep::Finish);
        assert_eq!(next_step(&BTreeMap::new(), DateOrder::Newest, 10, None), NextStep::Finish);
        let failed = dates(&[(1, Done, 10), (2, Failed, 10)]);
        assert_eq!(next_step(&failed, DateOrder::Newest, 10, None), NextStep::EndIncomplete);
    }

    #[test]
    fn a_request_comes_before_everything_else() {
        let waiting = dates(&[(1, DateState::Waiting, 10)]);
        for request in [StopRequest::Pause, StopRequest::Cancel] {
            let step = next_step(&waiting, DateOrder::Newest, 10, Some(request));
            assert_eq!(step, NextStep::Stop(request));
        }
    }

    proptest! {
        #[test]
        fn every_waiting_date_is_loaded_once_in_order_whatever_the_memory(
            rows in prop::collection::vec(0_u64..50, 0..30),
            capacity in 0_u64..200,
            newest in any::<bool>(),
        ) {
            let order = if newest { DateOrder::Newest } else { DateOrder::Oldest };
            let planned = rows.iter().enumerate().map(|(day, rows)| (day as i32, DateState::Waiting, *rows));
            let mut all = dates(&planned.collect::<Vec<_>>());
            let mut loaded = Vec::new();
            while let NextStep::Load(group) = next_step(&all, order, capacity, None) {
                let sum: u64 = group.iter().map(|date| all[date].rows).sum();
                prop_assert!(group.len() == 1 || sum <= capacity);
                for date in group {
                    all.get_mut(&date).unwrap().state = DateState::Done;
                    loaded.push(date);
                }
            }
            let mut expected: Vec<EventDate> = all.keys().copied().collect();
            if newest {
                expected.reverse();
            }
            prop_assert_eq!(loaded, expected);
            prop_assert_eq!(next_step(&all, order, capacity, None), NextStep::Finish);
        }
    }
}
