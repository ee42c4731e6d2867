//! An answer as `GetFeaturesResponse` lies on the wire, from the columns that were folded: byte by byte
//! what the generated code would write of the same message, without the message.

use std::borrow::Cow;

use bytes::BufMut;
use feature::{Output, Status, Times};
use online::Column;
use read::ReadResult;

use super::values::Packed;
use super::wire::{
    filled_bytes, number_bytes, put_filled, put_fixed, put_head, put_number, put_varints, sized_bytes,
    varints_bytes,
};

/// A column of the answer.
struct Part<'a> {
    output: &'a Output,
    statuses: &'a [Status],
    values: Packed<'a>,
    times: usize,
}

/// Writes the answer; `reserve` gets how many bytes it takes before the first.
pub(super) fn write<B: BufMut>(answered: &ReadResult, out: &mut B, reserve: impl FnOnce(&mut B, usize)) {
    let columns: Vec<(&Output, Cow<'_, Column>, usize)> = answered.columns().collect();
    let nulls: Vec<Vec<u32>> = columns.iter().map(|(_, column, _)| nulls(column)).collect();
    let parts = columns.iter().zip(&nulls).map(|((output, column, times), nulls)| Part {
        output,
        statuses: &column.statuses,
        values: Packed::of(&column.values, nulls, output.data_type),
        times: *times,
    });
    let parts: Vec<Part<'_>> = parts.collect();
    let times: Vec<Cow<'_, [Option<Times>]>> = answered.times().collect();
    let service = answered.plan.id.to_string();
    let at = answered.at.get() as u64;
    let bytes = filled_bytes(service.len())
        + number_bytes(at)
        + parts.iter().map(|part| sized_bytes(part.bytes())).sum::<usize>()
        + times.iter().map(|times| sized_bytes(times_bytes(times))).sum::<usize>();
    reserve(out, bytes);
    put_filled(1, service.as_bytes(), out);
    put_number(2, at, out);
    for part in &parts {
        put_head(3, part.bytes(), out);
        part.write(out);
    }
    for times in &times {
        put_head(4, times_bytes(times), out);
        write_times(answered, times, out);
    }
}

/// The rows that have no value.
fn nulls(column: &Column) -> Vec<u32> {
    if column.has_values().all(|has_value| has_value) {
        return Vec::new();
    }
    column.has_values().zip(0..).filter(|(has_value, _)| !has_value).map(|(_, row)| row).collect()
}

impl Part<'_> {
    fn bytes(&self) -> usize {
        filled_bytes(self.output.name.len())
            + sized_bytes(self.values.bytes())
            + filled_bytes(self.statuses.len())
            + number_bytes(self.times as u64)
    }

    fn write(&self, out: &mut impl BufMut) {
        put_filled(1, self.output.name.as_bytes(), out);
        put_head(2, self.values.bytes(), out);
        self.values.write(self.output.data_type, out);
        put_fixed(3, self.statuses, |status| [number(*status)], out);
        put_number(4, self.times as u64, out);
    }
}

/// A status as the message numbers it.
fn number(status: Status) -> u8 {
    match status {
        Status::Present => 1,
        Status::NullValue => 2,
        Status::NotFound => 3,
        Status::OutsideMaxAge => 4,
        Status::LastKnownGood => 5,
        Status::BreakerOpen => 6,
    }
}

/// The rows that have no times.
fn timeless(times: &[Option<Times>]) -> impl Iterator<Item = u64> {
    times.iter().zip(0_u64..).filter(|(times, _)| times.is_none()).map(|(_, row)| row)
}

fn times_bytes(times: &[Option<Times>]) -> usize {
    3 * filled_bytes(times.len() * 8) + filled_bytes(varints_bytes(timeless(times)))
}

fn write_times(answered: &ReadResult, times: &[Option<Times>], out: &mut impl BufMut) {
    let micros = |micros: Option<i64>| micros.unwrap_or(0).to_le_bytes();
    put_fixed(1, times, |times| micros(times.map(|times| times.event_time.get())), out);
    put_fixed(2, times, |times| micros(times.map(|times| times.available_at.get())), out);
    put_fixed(3, times, |times| times.map_or(0.0, |times| answered.age_s(times)).to_le_bytes(), out);
    put_varints(4, varints_bytes(timeless(times)), timeless(times), out);
}
