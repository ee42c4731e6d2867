//! How long a window takes, 168 tiles of count and sum: in the packed row, one state after the other, and
//! in the other layouts that `docs/decisions/0010` weighs. All of them but the binned one are exact.

use std::hint::black_box;
use std::time::Instant;

use feature::{Component, DataType, Scalar, State};
use online::{Probe, merge_window};

const TILES: usize = 168;
const REPEAT: usize = 20_000;

/// The sum of a tile: two decimals, a few rows, as prices and delays are.
fn sum(tile: usize) -> f64 {
    ((tile * 7919) % 200_000) as f64 / 100.0 - 700.0
}

fn nanoseconds(mut run: impl FnMut()) -> f64 {
    run();
    let began = Instant::now();
    (0..REPEAT).for_each(|_| run());
    began.elapsed().as_nanos() as f64 / REPEAT as f64
}

/// A tile as the sum's limbs of 64 bits: the lowest one's number, then two or three of them.
struct Sparse {
    low: usize,
    limbs: [u64; 3],
}

fn sparse(x: f64) -> Sparse {
    let bits = x.to_bits();
    let mantissa = i128::from(bits & ((1 << 52) - 1) | 1 << 52);
    let mantissa = if x < 0.0 { -mantissa } else { mantissa };
    let at = (bits >> 52 & 0x7ff) as usize;
    let (low, shift) = (at / 64, at % 64);
    let wide = mantissa << shift.min(64);
    Sparse { low, limbs: [wide as u64, (wide >> 64) as u64, (wide >> 127) as u64] }
}

fn add_sparse(total: &mut [u64; 40], tile: &Sparse) {
    let mut carry = false;
    let sign = if tile.limbs[2] >> 63 == 1 { u64::MAX } else { 0 };
    let limbs = tile.limbs.iter().copied().chain(std::iter::repeat(sign));
    for (there, limb) in total.iter_mut().skip(tile.low).zip(limbs) {
        let (sum, over) = there.overflowing_add(limb);
        let (sum, again) = sum.overflowing_add(u64::from(carry));
        *there = sum;
        carry = over || again;
    }
}

/// The report: one line for each layout.
pub fn report() {
    let (mut counts, mut sums) = (Vec::new(), Vec::new());
    let argument = Some(DataType::Scalar(Scalar::Float64));
    let mut states = Vec::new();
    for tile in 0..TILES {
        let mut state = Component::Sum.identity(argument);
        state.add_float(sum(tile));
        state.write(&mut sums);
        counts.extend_from_slice(&(tile as u64).to_le_bytes());
        states.push((State::Count(tile as u64), state));
    }
    let scalar = nanoseconds(|| {
        let mut both = (State::Count(0), Component::Sum.identity(argument));
        for (count, sum) in black_box(&states) {
            both.0.merge(count);
            both.1.merge(sum);
        }
        black_box(both);
    });
    let read = nanoseconds(|| {
        let mut both = (State::Count(0), Component::Sum.identity(argument));
        let (counts, sums) = black_box((&counts, &sums));
        for (count, sum) in counts.as_chunks::<8>().0.iter().zip(sums.as_chunks::<16>().0) {
            if let (Some(count), Some(sum)) = (
                State::read(Component::Count, argument, true, count),
                State::read(Component::Sum, argument, true, sum),
            ) {
                both.0.merge(&count);
                both.1.merge(&sum);
            }
        }
        black_box(both);
    });
    println!(
        "\n{TILES} tiles of count and sum, ns a window\n| layout | bytes a tile | ns | times |\n|---|---|---|---|"
    );
    println!("| two doubles, states in memory one after the other | 24 | {scalar:.0} | 1.0× |");
    println!(
        "| two doubles, read from the row one after the other | 24 | {read:.0} | {:.1}× |",
        scalar / read
    );
    for probe in Probe::available() {
        let took = nanoseconds(|| {
            black_box(merge_window(probe, black_box(&counts), black_box(&sums)));
        });
        println!("| two doubles, {probe:?} | 24 | {took:.0} | {:.1}× |", scalar / took);
    }
    let common: Vec<(u64, i64)> = (0..TILES).map(|tile| (tile as u64, (sum(tile) * 1024.0) as i64)).collect();
    let took = nanoseconds(|| {
        let sums = black_box(&common)
            .iter()
            .fold((0_u64, 0_i128), |(count, sum), tile| (count + tile.0, sum + i128::from(tile.1)));
        black_box(sums);
    });
    println!("| one exponent for a ring, int64 | 16 | {took:.0} | {:.1}× |", scalar / took);
    let wide: Vec<(u64, i128)> = common.iter().map(|(count, sum)| (*count, i128::from(*sum) << 40)).collect();
    let took = nanoseconds(|| {
        let sums = black_box(&wide)
            .iter()
            .fold((0_u64, 0_i128), |(count, sum), tile| (count + tile.0, sum + tile.1));
        black_box(sums);
    });
    println!("| one exponent for a ring, int128 | 24 | {took:.0} | {:.1}× |", scalar / took);
    let limbs: Vec<(u64, Sparse)> = (0..TILES).map(|tile| (tile as u64, sparse(sum(tile)))).collect();
    let took = nanoseconds(|| {
        let (mut count, mut total) = (0_u64, [0_u64; 40]);
        for (tile, sparse) in black_box(&limbs) {
            count += tile;
            add_sparse(&mut total, sparse);
        }
        black_box((count, total));
    });
    println!("| sparse limbs, two or three of 64 bits | 26 to 34 | {took:.0} | {:.1}× |", scalar / took);
    let bins: Vec<(u64, [f64; 6])> =
        (0..TILES).map(|tile| (tile as u64, [sum(tile), 0.0, 0.0, 0.0, 0.0, 0.0])).collect();
    let took = nanoseconds(|| {
        let (mut count, mut total) = (0_u64, [0.0_f64; 6]);
        for (tile, bins) in black_box(&bins) {
            count += tile;
            total.iter_mut().zip(bins).for_each(|(there, bin)| *there += bin);
        }
        black_box((count, total));
    });
    println!("| binned, three bins and their carries (not exact) | 56 | {took:.0} | {:.1}× |", scalar / took);
}
