//! The mean and the spread of numbers, from sums that are exact: the order of the numbers changes no bit.

use feature::FloatSum;

/// The sums of one side's finite numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moments {
    count: u64,
    ints: i128,
    floats: FloatSum,
    squares: FloatSum,
}

impl Moments {
    pub(crate) fn add_int(&mut self, x: i64) {
        self.count += 1;
        self.ints += i128::from(x);
        self.squares.add_square(x as f64);
    }

    pub(crate) fn add_float(&mut self, x: f64) {
        if x.is_finite() {
            self.count += 1;
            self.floats.add(x);
            self.squares.add_square(x);
        }
    }

    /// The mean; `None` of no numbers, and where it is no double.
    pub(crate) fn mean(&self) -> Option<f64> {
        let sum = self.floats.round() + self.ints as f64;
        (self.count > 0).then(|| sum / self.count as f64).filter(|mean| mean.is_finite())
    }

    /// The standard deviation, as a scale to compare shifts with: it is rounded more than once.
    pub(crate) fn spread(&self) -> Option<f64> {
        let mean = self.mean()?;
        let variance = self.squares.round() / self.count as f64 - mean * mean;
        Some(variance.max(0.0).sqrt()).filter(|spread| spread.is_finite())
    }
}
