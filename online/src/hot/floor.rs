//! What no table of this kind can go below on a machine, measured beside it: for each key a random line,
//! then the random line that it names, both prefetched. Only benchmarks use it.

use super::region::{LINE, Region};

/// Keys of a group, as in the table's own batches.
const AHEAD: usize = 64;

/// As many lines as a table's buckets, each of which names one of as many lines as its entries.
#[derive(Debug)]
pub struct Floor {
    first: Lines,
    second: Lines,
}

struct Lines(Region);

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lines({})", self.0.lines())
    }
}

impl Lines {
    /// The first number in a line.
    #[inline(always)]
    fn number(&self, line: usize) -> u64 {
        // SAFETY: the line lies in the region: the number is below its lines.
        unsafe { self.0.line(line.min(self.0.lines() - 1)).cast::<u64>().read() }
    }

    fn set(&mut self, line: usize, number: u64) {
        // SAFETY: as above, and the region is borrowed for writing.
        unsafe { self.0.line(line.min(self.0.lines() - 1)).cast::<u64>().write(number) }
    }
}

/// A permutation's next number, as far as a benchmark can tell.
fn scattered(n: usize) -> u64 {
    (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

impl Floor {
    /// So many lines of each kind; none where there is no memory for them.
    pub fn new(buckets: usize, entries: usize, huge_pages: bool) -> Option<Floor> {
        let mut first = Lines(Region::reserve(buckets.max(1), huge_pages)?);
        let mut second = Lines(Region::reserve(entries.max(1), huge_pages)?);
        for line in 0..buckets {
            first.set(line, scattered(line) % entries.max(1) as u64);
        }
        for line in 0..entries {
            second.set(line, line as u64);
        }
        Some(Floor { first, second })
    }

    /// Bytes of both kinds of lines.
    pub fn bytes(&self) -> usize {
        (self.first.0.lines() + self.second.0.lines()) * LINE
    }

    /// Goes from each of these keys to a line, and from there to another; the sum of what is there.
    pub fn walk(&self, keys: &[[u8; 8]]) -> u64 {
        let mask = self.first.0.lines().next_power_of_two() - 1;
        let mut sum = 0_u64;
        let (mut first_lines, mut second_lines) = ([0_usize; AHEAD], [0_usize; AHEAD]);
        let groups = keys.chunks(AHEAD).map(Some).chain([None, None]);
        for group in groups {
            sum = second_lines.iter().fold(sum, |sum, line| sum.wrapping_add(self.second.number(*line)));
            for (second, first) in second_lines.iter_mut().zip(first_lines) {
                *second = self.first.number(first) as usize;
                self.second.0.prefetch(*second);
            }
            for (line, key) in first_lines.iter_mut().zip(group.unwrap_or_default()) {
                *line = (u64::from_le_bytes(*key) >> 20) as usize & mask;
                self.first.0.prefetch(*line);
            }
        }
        sum
    }
}
