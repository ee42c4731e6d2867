//! Every packed fold is the oracle's, to the bit, for generated histories and however the rows came.

use std::sync::Arc;

use feature::oracle::{self, History, Numbers};
use feature::{AsOf, Fold, Function, Micros, Position, Retention, Row, Span, Value, View};
use proptest::prelude::*;

use super::{Applied, RowState};
use crate::error::OnlineError;
use crate::packed::PENDING_BOUND;
use crate::packed::{Layout, PackedRow};

fn packed(state: &RowState) -> Vec<u8> {
    let mut bytes = Vec::new();
    state.encode(&mut bytes).unwrap();
    bytes
}

fn visible_at(row: &Row) -> Micros {
    row.visible_at(AsOf::Available)
}

/// Fewer moments than the history has, the same for the same seed.
fn some_moments(history: &History, numbers: &mut Numbers, count: u64) -> Vec<Micros> {
    let all = history.moments.len() as u64;
    history.moments.iter().copied().filter(|_| numbers.below(all) < count).collect()
}

/// Compares what the fold says at a moment, in memory and packed, with what the oracle says.
fn assert_is_the_oracles(layout: &Layout, state: &RowState, view: &View, rows: &[Row], at: Micros) {
    let expected = oracle::answer(view, rows, at, AsOf::Available);
    let bytes = packed(state);
    let row = PackedRow::new(layout, &bytes).unwrap();
    for got in [state.answer(at), row.answer(at).unwrap()] {
        assert_eq!(got.times, expected.times, "at {at}");
        for ((feature, got), expected) in view.features.iter().zip(&got.cells).zip(&expected.cells) {
            assert_eq!(got, expected, "{} at {at}", feature.name);
        }
        assert_eq!(got, expected);
    }
    let every_seventh: Vec<usize> = (0..view.features.len()).step_by(7).rev().collect();
    let some = row.answer_some(&every_seventh, at).unwrap();
    for (index, got) in every_seventh.iter().zip(&some.cells) {
        assert_eq!(Some(got), expected.cells.get(*index));
    }
    row.verify().unwrap();
}

/// Applies each row once it is visible, some of them earlier, and asks at every moment.
fn replay(view: &View, rows: &[Row], moments: &[Micros], numbers: &mut Numbers) {
    let layout = Arc::new(Layout::new(view));
    let mut state = RowState::new(&layout);
    let mut waiting = rows.to_vec();
    waiting.sort_by_key(visible_at);
    let mut written: Vec<Row> = Vec::new();
    let mut now = Micros::MIN;
    for at in moments {
        if numbers.once_in(2) {
            now = *at;
        }
        let due = |row: &Row, numbers: &mut Numbers| visible_at(row) <= *at || numbers.once_in(9);
        let (apply, wait): (Vec<Row>, Vec<Row>) = waiting.into_iter().partition(|row| due(row, numbers));
        waiting = wait;
        for row in apply {
            let expected = if visible_at(&row) <= now { Applied::Folded } else { Applied::Pending };
            assert_eq!(state.fold(&row, now), expected);
            written.push(row);
        }
        assert!(state.applied_at().is_none_or(|applied| applied <= *at));
        assert_is_the_oracles(&layout, &state, view, &written, *at);
        if numbers.once_in(2) {
            state = RowState::decode(&layout, &packed(&state)).unwrap();
        }
    }
}

/// The view without what retention refuses.
fn with_retention(mut view: View, online: Span) -> View {
    view.ttl = view.ttl.or(Some(Span::MINUTE));
    view.retention = Some(Retention { online: Some(online), offline: None });
    view.features.retain(|feature| !matches!(feature.fold, Fold::Aggregate { window: None, .. }));
    view
}

/// The view without counts and sums: any bytes are one, so that only their checksum shows a wrong one.
fn without_numbers(mut view: View) -> View {
    view.features.retain(|feature| match feature.fold {
        Fold::Latest { .. } => true,
        Fold::Aggregate { function, .. } => !matches!(
            function,
            Function::Count
                | Function::CountIf
                | Function::Sum
                | Function::Mean
                | Function::Variance
                | Function::VarPop
                | Function::Stddev
                | Function::StddevPop
        ),
    });
    view
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_answer_is_the_oracles_at_every_moment(seed: u64, rows in 0_usize..40) {
        let history = History::generate(seed, rows);
        let mut numbers = Numbers::new(seed ^ 1);
        for (_, rows) in &history.entities {
            let moments = some_moments(&history, &mut numbers, 12);
            replay(&history.view, rows, &moments, &mut numbers);
        }
    }

    #[test]
    fn rows_beyond_retention_are_as_if_they_had_never_been(seed: u64, rows in 0_usize..12) {
        let history = History::generate(seed, rows);
        let view = with_retention(history.view.clone(), "71m".parse().unwrap());
        let mut numbers = Numbers::new(seed ^ 2);
        for (_, rows) in &history.entities {
            let mut moments = some_moments(&history, &mut numbers, 6);
            moments.extend(rows.iter().flat_map(|row| [71, 72].map(|minutes| {
                row.event_time.saturating_add(Span::of(minutes, Span::MINUTE).unwrap())
            })));
            moments.sort_unstable();
            replay(&view, rows, &moments, &mut numbers);
        }
    }

    #[test]
    fn the_bytes_do_not_depend_on_the_order_of_the_rows(seed: u64, rows in 0_usize..40) {
        let history = History::generate(seed, rows);
        let layout = Arc::new(Layout::new(&history.view));
        let now = Numbers::new(seed).pick(&history.moments).unwrap();
        for (_, rows) in &history.entities {
            let mut shuffled = rows.clone();
            shuffled.sort_by_key(|row| Numbers::new(seed ^ row.position.parts().2).draw());
            let [one, other] = [rows, &shuffled].map(|rows| {
                let mut state = RowState::new(&layout);
                rows.iter().for_each(|row| assert_ne!(state.fold(row, now), Applied::Refused));
                state
            });
            prop_assert_eq!(packed(&one), packed(&other));
            let again = RowState::decode(&layout, &packed(&one)).unwrap();
            prop_assert_eq!(packed(&again), packed(&one));
            prop_assert_eq!(again.pending(), one.pending());
        }
    }

    #[test]
    fn a_replay_changes_nothing(seed: u64, rows in 1_usize..30) {
        let history = History::generate(seed, rows);
        let layout = Arc::new(Layout::new(&history.view));
        let mut numbers = Numbers::new(seed ^ 3);
        let now = numbers.pick(&history.moments).unwrap();
        for (_, rows) in &history.entities {
            let mut streamed = rows.clone();
            for (offset, row) in streamed.iter_mut().enumerate() {
                row.position = Position::Stream { partition: numbers.below(3) as u32, offset: offset as u64 };
            }
            let mut once = RowState::new(&layout);
            let mut twice = RowState::new(&layout);
            for (count, row) in streamed.iter().enumerate() {
                once.apply(row, now);
                twice.apply(row, now);
                let back = numbers.below(count as u64 + 1) as usize;
                for again in &streamed[back..=count] {
                    prop_assert!(twice.is_folded(again.position));
                    prop_assert_eq!(twice.apply(again, now), Applied::PassedOver);
                }
            }
            prop_assert_eq!(packed(&once), packed(&twice));
        }
    }

    #[test]
    fn no_row_is_larger_than_the_largest(seed: u64, rows in 0_usize..60) {
        let history = History::generate(seed, rows);
        let layout = Arc::new(Layout::new(&history.view));
        for (_, rows) in &history.entities {
            let mut state = RowState::new(&layout);
            for row in rows {
                state.fold(row, history.moments[history.moments.len() / 2]);
            }
            // No string of the history has more than 2 bytes, and no list more than 2 floats.
            prop_assert!(packed(&state).len() <= layout.largest_row(14, 2));
        }
    }

    #[test]
    fn a_flipped_bit_is_found_and_never_panics(seed: u64, flip: u32) {
        let history = History::generate(seed, 12);
        let layout = Arc::new(Layout::new(&history.view));
        let at = Numbers::new(seed).pick(&history.moments).unwrap();
        for (_, rows) in &history.entities {
            let mut state = RowState::new(&layout);
            rows.iter().for_each(|row| { state.fold(row, at); });
            let mut bytes = packed(&state);
            let bit = flip as usize % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(RowState::decode(&layout, &bytes).is_err());
            let found = PackedRow::new(&layout, &bytes).and_then(|row| row.verify());
            prop_assert!(found.is_err());
            read_whatever(&layout, &bytes, at);
        }
    }

    #[test]
    fn a_wrong_row_with_a_right_checksum_never_panics(seed: u64, flips in prop::collection::vec(any::<u32>(), 1..4)) {
        let history = History::generate(seed, 12);
        let view = without_numbers(history.view.clone());
        let layout = Arc::new(Layout::new(&view));
        let at = Numbers::new(seed).pick(&history.moments).unwrap();
        for (_, rows) in &history.entities {
            let mut state = RowState::new(&layout);
            rows.iter().for_each(|row| { state.fold(row, at); });
            let mut bytes = packed(&state);
            for flip in &flips {
                let bit = *flip as usize % (bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            with_checksum(&mut bytes);
            read_whatever(&layout, &bytes, at);
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read_and_never_panic(seed: u64, noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let layout = Arc::new(Layout::new(&without_numbers(History::generate(seed, 0).view)));
        read_whatever(&layout, &noise, Micros::MIN);
        let mut bytes = packed(&RowState::new(&layout));
        let end = bytes.len() - 4;
        for (byte, noise) in bytes[36..end].iter_mut().rev().zip(&noise) {
            *byte = *noise;
        }
        bytes[3] = 3;
        with_checksum(&mut bytes);
        read_whatever(&layout, &bytes, Micros::MAX);
    }
}

fn with_checksum(bytes: &mut [u8]) {
    let end = bytes.len() - 4;
    let sum = crc32fast::hash(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&sum);
}

fn read_whatever(layout: &Arc<Layout>, bytes: &[u8], at: Micros) {
    if let Ok(row) = PackedRow::new(layout, bytes) {
        let _ = (row.answer(at), row.answer(Micros::MAX), row.positions(), row.verify());
    }
    if let Ok(mut state) = RowState::decode(layout, bytes) {
        let _ = (state.answer(at), state.encode(&mut Vec::new()));
        let row = Row {
            event_time: at,
            available_at: at,
            position: Position::Stream { partition: 0, offset: u64::MAX },
            deleted: false,
            values: vec![Value::Null; layout.columns.len()],
        };
        state.apply(&row, at);
    }
}

fn one_row(event_time: i64, available_at: i64, offset: u64) -> Row {
    Row {
        event_time: Micros::new(event_time).unwrap(),
        available_at: Micros::new(available_at).unwrap(),
        position: Position::Stream { partition: 0, offset },
        deleted: false,
        values: vec![Value::Null; 9],
    }
}

#[test]
fn a_row_beyond_the_bound_of_waiting_rows_is_refused_and_leaves_no_trace() {
    let layout = Arc::new(Layout::new(&History::generate(0, 0).view));
    let mut state = RowState::new(&layout);
    let now = Micros::new(0).unwrap();
    for offset in 0..PENDING_BOUND as u64 {
        assert_eq!(state.apply(&one_row(0, 100, offset), now), Applied::Pending);
    }
    let before = packed(&state);
    let beyond = one_row(0, 100, PENDING_BOUND as u64);
    assert_eq!(state.apply(&beyond, now), Applied::Refused);
    assert_eq!(packed(&state), before);
    assert_eq!(state.apply(&beyond, Micros::new(100).unwrap()), Applied::Folded);
    assert!(state.pending().is_empty());
}

#[test]
fn the_applied_time_is_that_of_rows_that_do_not_wait() {
    let layout = Arc::new(Layout::new(&History::generate(0, 0).view));
    let mut state = RowState::new(&layout);
    state.apply(&one_row(5, 10, 0), Micros::new(50).unwrap());
    state.apply(&one_row(5, 90, 1), Micros::new(50).unwrap());
    assert_eq!(state.applied_at(), Some(Micros::new(10).unwrap()));
    state.apply(&one_row(5, 20, 2), Micros::new(95).unwrap());
    assert_eq!(state.applied_at(), Some(Micros::new(90).unwrap()));
}

#[test]
fn a_row_of_another_definition_or_a_newer_layout_is_refused_by_name() {
    let view = History::generate(0, 0).view;
    let layout = Arc::new(Layout::new(&view));
    let bytes = packed(&RowState::new(&layout));
    let mut other = view.clone();
    other.hash = view.hash.replace('0', "1");
    let refusal = PackedRow::new(&Layout::new(&other), &bytes).unwrap_err();
    assert!(refusal.to_string().contains("another definition"), "{refusal}");
    let mut newer = bytes;
    newer[2] = 2;
    let refusal = RowState::decode(&layout, &newer).unwrap_err();
    assert!(matches!(refusal, OnlineError::Newer { found: 2, known: 1, .. }), "{refusal}");
}

#[test]
fn a_sum_that_no_slot_holds_lies_in_the_variable_part() {
    let view = History::generate(0, 0).view;
    let layout = Arc::new(Layout::new(&view));
    let mut state = RowState::new(&layout);
    let mut rows = Vec::new();
    for (offset, x) in [1e300, 1.0, 1e-300, f64::MAX, f64::NAN].into_iter().enumerate() {
        let mut row = one_row(0, 0, offset as u64);
        row.values[0] = Value::Float64(x);
        row.values[2] = Value::Int64(i64::MAX);
        state.fold(&row, row.event_time);
        rows.push(row);
        assert_is_the_oracles(&layout, &state, &view, &rows, Micros::new(1).unwrap());
        state = RowState::decode(&layout, &packed(&state)).unwrap();
    }
}

#[test]
fn sketches_of_more_values_than_they_hold_one_by_one_are_the_oracles() {
    let mut view = History::generate(0, 0).view;
    view.features.retain(|feature| match feature.fold {
        Fold::Aggregate { function, column: Some(0 | 4), .. } => {
            matches!(function, Function::ApproxCountDistinct | Function::ApproxPercentile(_))
        }
        _ => false,
    });
    assert_eq!(view.features.len(), 7);
    let layout = Arc::new(Layout::new(&view));
    let mut state = RowState::new(&layout);
    let mut rows = Vec::new();
    for offset in 0..6000_u64 {
        let time = offset as i64 * Span::MINUTE.micros() / 100;
        let mut row = one_row(time, time, offset);
        // Over all magnitudes, so that the buckets collapse.
        row.values[0] =
            Value::Float64(f64::from_bits(offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1 & !(1 << 62)));
        row.values[4] = Value::String(format!("{}", offset % 1500).into());
        assert_eq!(state.apply(&row, row.event_time), Applied::Folded);
        rows.push(row);
        if offset % 1000 == 999 {
            assert_is_the_oracles(&layout, &state, &view, &rows, Micros::new(time).unwrap());
            state = RowState::decode(&layout, &packed(&state)).unwrap();
        }
    }
    assert!(packed(&state).len() <= layout.largest_row(14, 1));
}

#[test]
fn a_waiting_row_wins_a_tie_by_its_position() {
    let view = History::generate(0, 0).view;
    let layout = Arc::new(Layout::new(&view));
    for (waiting, folded) in [(1, 0), (0, 1)] {
        let mut rows = [one_row(5, 5, folded), one_row(5, 9, waiting)];
        rows[0].values[0] = Value::Float64(1.0);
        rows[1].values[0] = Value::Float64(2.0);
        let mut state = RowState::new(&layout);
        rows.iter().for_each(|row| {
            state.fold(row, Micros::new(5).unwrap());
        });
        assert_is_the_oracles(&layout, &state, &view, &rows, Micros::new(8).unwrap());
        assert_is_the_oracles(&layout, &state, &view, &rows, Micros::new(9).unwrap());
    }
}
