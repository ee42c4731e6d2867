//! How much memory a fold takes.

use feature::{Span, State};

use super::{Ring, RowState, Tile};
use crate::packed::{Layout, RingPlan};

/// Bytes that an allocation, a key and what finds it take besides.
const BESIDES: usize = 112;
/// Bytes of a value, with its share of texts and lists.
const VALUE: usize = 32;
/// Bytes that a state has outside its own bytes, as some lists and sketches do.
const OUTSIDE: usize = 16;

impl RowState {
    /// About how many bytes of memory the fold of so many rows takes that happened within such a time.
    pub fn likely_bytes(layout: &Layout, rows: u64, within: Span) -> u64 {
        let rings: u64 = layout.rings.iter().map(|ring| ring_bytes(ring, rows, within)).sum();
        (size_of::<Self>() + BESIDES + VALUE * layout.latest.len()) as u64 + rings
    }
}

fn ring_bytes(ring: &RingPlan, rows: u64, within: Span) -> u64 {
    let tile = size_of::<Tile>() + OUTSIDE + ring.components.len() * (size_of::<State>() + OUTSIDE);
    size_of::<Ring>() as u64 + tile as u64 * tiles(ring, rows, within)
}

/// No more tiles are filled than there are rows, of which mostly no more than twice the average lie in a window.
fn tiles(ring: &RingPlan, rows: u64, within: Span) -> u64 {
    let Some(hop) = ring.hop else { return 1 };
    let most = rows.min(ring.tiles as u64);
    let reach = hop.micros() as u128 * ring.tiles as u128;
    let likely = 1 + 2 * u128::from(rows) * reach / within.micros().max(1) as u128;
    u64::try_from(likely).unwrap_or(u64::MAX).min(most)
}

#[cfg(test)]
mod tests {
    use feature::oracle::History;

    use super::*;

    #[test]
    fn tiles_are_no_more_than_rows_or_than_a_ring_has() {
        let layout = Layout::new(&History::generate(0, 0).view);
        let hour = Span::HOUR;
        // Of windows of an hour with a hop of ten minutes: seven tiles.
        let ring = layout.rings.iter().find(|ring| ring.tiles == 7).unwrap();
        assert_eq!(tiles(ring, 3, hour), 3);
        assert_eq!(tiles(ring, 1000, hour), 7);
        assert_eq!(tiles(ring, 1000, Span::of(10_000, Span::HOUR).unwrap()), 1);
        let whole = layout.rings.iter().find(|ring| ring.hop.is_none()).unwrap();
        assert_eq!(tiles(whole, 1000, hour), 1);
        assert!(RowState::likely_bytes(&layout, 1000, hour) > RowState::likely_bytes(&layout, 1, hour));
    }
}
