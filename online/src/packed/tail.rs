//! The end of a packed row, which reads of latest values do not need: positions folded and pending rows. What writes it,
//! what reads it, and the script in Redis take its layout from here.

use feature::{DataType, Position, Row, Scalar, Value};

use super::bits::{is_set, set};
use super::scan::Scan;
use crate::positions::Positions;

/// Where the parts of a tail lie, from its first byte on.
pub(crate) mod in_tail {
    use feature::Position;

    /// Whether history was folded (u8), after the position of the latest row.
    pub(crate) const HAS_HISTORY: usize = Position::WIDTH;
    /// Its version (u64).
    pub(crate) const HISTORY: usize = HAS_HISTORY + 1;
    /// How many partitions there are (u32).
    pub(crate) const PARTITION_COUNT: usize = HISTORY + 8;
    /// How many pending rows there are (u32).
    pub(crate) const PENDING_COUNT: usize = PARTITION_COUNT + 4;
    /// The partitions, then the pending rows.
    pub(crate) const PARTITIONS: usize = PENDING_COUNT + 4;
}

/// Bytes of a partition and its offset.
pub(crate) const PARTITION: usize = 4 + 8;
/// Bytes of a pending row before its values: times, position, whether it is a tombstone.
pub(crate) const PENDING_HEAD: usize = 8 + 8 + Position::WIDTH + 1;

/// The end of a packed row, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Tail {
    /// The position of the latest row; `None` if no row was folded.
    pub(crate) latest: Option<Position>,
    pub(crate) positions: Positions,
    /// By `visible_at`, then position.
    pub(crate) pending: Vec<Row>,
}

/// Appends the tail, without the checksum.
pub(crate) fn write(latest: Option<Position>, positions: &Positions, pending: &[Row], out: &mut Vec<u8>) {
    out.extend_from_slice(&latest.map_or([0; Position::WIDTH], Position::to_bytes));
    out.push(u8::from(positions.history().is_some()));
    out.extend_from_slice(&positions.history().unwrap_or(0).to_le_bytes());
    out.extend_from_slice(&(positions.partitions().len() as u32).to_le_bytes());
    out.extend_from_slice(&(pending.len() as u32).to_le_bytes());
    for (partition, offset) in positions.partitions() {
        out.extend_from_slice(&partition.to_le_bytes());
        out.extend_from_slice(&offset.to_le_bytes());
    }
    for row in pending {
        write_row(row, out);
    }
}

fn write_row(row: &Row, out: &mut Vec<u8>) {
    out.extend_from_slice(&row.event_time.get().to_le_bytes());
    out.extend_from_slice(&row.available_at.get().to_le_bytes());
    out.extend_from_slice(&row.position.to_bytes());
    out.push(u8::from(row.deleted));
    let nulls_at = out.len();
    out.resize(nulls_at + row.values.len().div_ceil(8), 0);
    for (column, value) in row.values.iter().enumerate() {
        if value.is_null() {
            continue;
        }
        if let Some(bits) = out.get_mut(nulls_at..) {
            set(bits, column);
        }
        let length_at = out.len();
        let sized = matches!(value, Value::String(_) | Value::Bytes(_) | Value::List(_));
        if sized {
            out.extend_from_slice(&[0; 4]);
        }
        value.write(out);
        let length = (out.len() - length_at) as u32;
        if sized && let Some(length_field) = out.get_mut(length_at..length_at + 4) {
            length_field.copy_from_slice(&(length - 4).to_le_bytes());
        }
    }
}

impl Tail {
    /// Reads the tail, without the checksum; `None` if the bytes are not a valid tail of these columns.
    pub(crate) fn read(folded: bool, columns: &[DataType], bytes: &[u8]) -> Option<Tail> {
        let mut scan = Scan(bytes);
        let latest = scan.bytes(Position::WIDTH)?;
        let (positions, pending) = read_positions(&mut scan)?;
        let mut rows = Vec::new();
        for _ in 0..pending {
            rows.push(read_row(columns, &mut scan)?);
        }
        let latest = if folded { Some(Scan(latest).position()?) } else { None };
        scan.0.is_empty().then_some(Tail { latest, positions, pending: rows })
    }

    /// Reads the positions alone.
    pub(crate) fn read_positions(bytes: &[u8]) -> Option<Positions> {
        let mut scan = Scan(bytes.get(Position::WIDTH..)?);
        read_positions(&mut scan).map(|(positions, _)| positions)
    }
}

fn read_positions(scan: &mut Scan<'_>) -> Option<(Positions, u32)> {
    let has_history = match scan.u8()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let history = scan.u64()?;
    let partitions = scan.u32()?;
    let pending = scan.u32()?;
    let mut offsets = Vec::new();
    for _ in 0..partitions {
        offsets.push((scan.u32()?, scan.u64()?));
    }
    Some((Positions::from_parts(has_history.then_some(history), offsets)?, pending))
}

fn read_row(columns: &[DataType], scan: &mut Scan<'_>) -> Option<Row> {
    let event_time = scan.micros()?;
    let available_at = scan.micros()?;
    let position = scan.position()?;
    let deleted = match scan.u8()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let bits = scan.bytes(columns.len().div_ceil(8))?;
    let read_value = |(column, data_type): (usize, &DataType)| {
        if !is_set(bits, column) {
            return Some(Value::Null);
        }
        let width = match data_type.scalar().and_then(Scalar::width) {
            Some(width) => width,
            None => scan.u32()? as usize,
        };
        Value::read(*data_type, scan.bytes(width)?)
    };
    let values: Option<Vec<Value>> = columns.iter().enumerate().map(read_value).collect();
    Some(Row { event_time, available_at, position, deleted, values: values? })
}
