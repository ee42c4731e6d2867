//! A sample of the entities and moments of a log: which rows are drawn follows from their positions, so that the same
//! log gives the same sample in whatever order and in how many files its rows lie.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, filter_record_batch, sort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use feature::Position;
use futures::TryStreamExt;

use crate::blocking::blocking_future;
use crate::error::OfflineError;
use crate::log::columns::{
    AVAILABLE_AT, EVENT_TIME, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR, PROVENANCE,
};
use crate::log::rows::Positions;
use crate::log::view_log::Log;

/// The column by which drawn rows are ordered while they are drawn.
const DRAW: &str = "_draw";

impl Log {
    /// At most so many rows' entities and times, drawn by a seed: [`EVENT_TIME`], [`AVAILABLE_AT`], [`PROVENANCE`] and the
    /// join keys by their names. All rows have the same chance.
    pub async fn sample(&self, rows: u64, seed: u64) -> Result<RecordBatch, OfflineError> {
        let log = self.clone();
        blocking_future(move || async move { log.read_sample(rows, seed).await }).await
    }

    async fn read_sample(&self, rows: u64, seed: u64) -> Result<RecordBatch, OfflineError> {
        let view = self.view().clone();
        let facts = [EVENT_TIME, AVAILABLE_AT, PROVENANCE, POSITION_KIND, POSITION_MAJOR, POSITION_MINOR];
        let columns: Vec<&str> =
            facts.into_iter().chain(view.keys.iter().map(|key| key.name.as_str())).collect();
        let below = threshold(rows, self.row_count());
        let mut stream = self.scan(&columns)?;
        let mut schema = stream.schema().fields().to_vec();
        schema.push(Arc::new(Field::new(DRAW, DataType::UInt64, false)));
        let schema = Arc::new(Schema::new(schema));
        let mut drawn = Vec::new();
        while let Some(batch) = stream.try_next().await.map_err(OfflineError::from)? {
            let positions = Positions::of(&view, &batch)?;
            let draws = (0..batch.num_rows()).map(|row| Ok(draw(positions.at(row)?, seed)));
            let draws: Vec<u64> = draws.collect::<Result<_, OfflineError>>()?;
            let is_drawn: BooleanArray = draws.iter().map(|draw| Some(*draw <= below)).collect();
            let mut arrays = batch.columns().to_vec();
            arrays.push(Arc::new(UInt64Array::from(draws)));
            let found = filter_record_batch(&RecordBatch::try_new(schema.clone(), arrays)?, &is_drawn)?;
            if found.num_rows() > 0 {
                drawn.push(found);
            }
        }
        let all = concat_batches(&schema, &drawn)?;
        let order = all.column_by_name(DRAW).expect("invariant: the column was just added");
        let most = usize::try_from(rows).map_or(all.num_rows(), |rows| rows.min(all.num_rows()));
        let chosen = take_record_batch(&all, &sort_to_indices(order, None, Some(most))?)?;
        // The times with their provenance, and the keys: neither positions nor draws.
        let wanted: Vec<usize> = (0..3).chain(facts.len()..columns.len()).collect();
        Ok(chosen.project(&wanted)?)
    }
}

/// The draw that enough rows fall below, and few more: the expected number and six standard deviations.
fn threshold(rows: u64, all: u64) -> u64 {
    let expected = rows as f64 + 6.0 * (rows as f64).sqrt() + 6.0;
    match expected < all as f64 {
        true => (expected / all as f64 * u64::MAX as f64) as u64,
        false => u64::MAX,
    }
}

/// A number that looks random and follows from a position and a seed: three rounds of SplitMix64 (Steele, Lea and
/// Flood, 2014).
fn draw(position: Position, seed: u64) -> u64 {
    let (kind, major, minor) = position.parts();
    [u64::from(kind), u64::from(major), minor].into_iter().fold(seed, |state, part| {
        let mut x = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_as_many_rows_fall_below_the_threshold_as_are_wanted_and_never_fewer() {
        for (rows, all) in [(10_u64, 100_000_u64), (1000, 100_000), (50_000, 100_000), (100, 50)] {
            let below = threshold(rows, all);
            let drawn =
                (0..all).filter(|row| draw(Position::History { file: 1, row: *row }, 7) <= below).count();
            let most = (rows as f64 + 14.0 * (rows as f64).sqrt() + 14.0) as usize;
            assert!((rows.min(all) as usize..=most).contains(&drawn), "{rows} of {all}: {drawn}");
        }
    }

    #[test]
    fn another_seed_draws_other_rows() {
        let position = Position::Stream { partition: 3, offset: 9 };
        assert_eq!(draw(position, 1), draw(position, 1));
        assert_ne!(draw(position, 1), draw(position, 2));
    }
}
