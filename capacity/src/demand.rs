//! What is to be served, written and kept, and on which machines: numbers that are checked before anything is computed.

use serde::Serialize;
use thiserror::Error;

/// A demand. Rates are means over a day; the peaks are multiples of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Demand {
    /// Requests a second, on average.
    pub requests_per_second: f64,
    /// Entities that a request reads.
    pub entities_per_request: f64,
    /// Features that a request reads of each entity.
    pub features: f64,
    /// Of these, features with a window.
    pub windows: f64,
    /// Tiles of a window: window / hop + 1.
    pub tiles: f64,
    /// Views that these features are of.
    pub views: f64,
    /// Entities that each view knows.
    pub entities: f64,
    /// The share of rows that the hot tiers do not have, from 0 to 1.
    pub misses: f64,
    /// Rows that are written to each view in a second, on average.
    pub rows_per_second: f64,
    /// Bytes of a row of the log.
    pub row_bytes: f64,
    /// Years that the log keeps.
    pub years: f64,
    /// How many times the average the peaks are that are computed.
    pub peaks: Vec<f64>,
    /// Servers that may be gone at once without harm.
    pub failures: f64,
    /// Cores of a machine.
    pub cores: f64,
    /// The share of a machine's cores that is to be used at most with no failure, above 0 and below 1.
    pub utilisation: f64,
    /// Bytes of memory of a machine that holds rows.
    pub memory_bytes: f64,
    /// Bytes of disk of a machine.
    pub disk_bytes: f64,
    /// Bits a second of a machine's network.
    pub network_bits: f64,
    /// What determines the simulation.
    pub seed: u64,
}

impl Default for Demand {
    /// A billion recommendations a day that each read 100 features: if every feature is a request of its own, 1.16
    /// million a second.
    fn default() -> Self {
        Self {
            requests_per_second: 1e9 * 100.0 / 86_400.0,
            entities_per_request: 1.0,
            features: 100.0,
            windows: 40.0,
            tiles: 31.0,
            views: 10.0,
            entities: 100e6,
            misses: 0.05,
            rows_per_second: 10_000.0,
            row_bytes: 89.0,
            years: 3.0,
            peaks: vec![1.0, 5.0, 10.0],
            failures: 2.0,
            cores: 32.0,
            utilisation: 0.5,
            memory_bytes: 256e9,
            disk_bytes: 30e12,
            network_bits: 25e9,
            seed: 1,
        }
    }
}

/// Why a demand cannot be computed.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum DemandError {
    /// A number is outside of what it may be.
    #[error("{what} is {value}, but has to be {bounds}")]
    OutOfBounds {
        /// Which number.
        what: &'static str,
        /// What it is.
        value: f64,
        /// What it may be.
        bounds: &'static str,
    },
    /// More windows than features.
    #[error("{windows} of {features} features cannot have a window: give as many features or fewer windows")]
    MoreWindowsThanFeatures {
        /// Features with a window.
        windows: f64,
        /// All features.
        features: f64,
    },
    /// No peak, or too many.
    #[error("{0} peaks are given, but a table has 1 to 8 of them")]
    Peaks(usize),
}

/// The most that any number may be: beyond it, sums of them would say nothing.
const MOST: f64 = 1e18;

impl Demand {
    /// That every number is one that can be computed with.
    pub(crate) fn check(&self) -> Result<(), DemandError> {
        let positive = [
            ("the number of requests a second", self.requests_per_second),
            ("the number of entities of a request", self.entities_per_request),
            ("the number of features", self.features),
            ("the number of tiles", self.tiles),
            ("the number of views", self.views),
            ("the number of entities", self.entities),
            ("the size of a row", self.row_bytes),
            ("the number of years", self.years),
            ("the number of cores", self.cores),
            ("the memory", self.memory_bytes),
            ("the disk", self.disk_bytes),
            ("the network", self.network_bits),
        ];
        for (what, value) in positive {
            within(what, value, f64::MIN_POSITIVE..=MOST, "a number above 0 and of at most 1e18")?;
        }
        for &peak in &self.peaks {
            within("a peak", peak, 1.0..=1_000.0, "1 to 1000")?;
        }
        within("the number of cores", self.cores, 1.0..=1_024.0, "1 to 1024")?;
        within("the number of windows", self.windows, 0.0..=MOST, "0 or more")?;
        within("the number of rows a second", self.rows_per_second, 0.0..=MOST, "0 or more")?;
        within("the number of failures", self.failures, 0.0..=1_000.0, "0 to 1000")?;
        within("the share of misses", self.misses, 0.0..=1.0, "0 to 1")?;
        within("the utilisation", self.utilisation, 0.05..=0.95, "0.05 to 0.95")?;
        if self.windows > self.features {
            return Err(DemandError::MoreWindowsThanFeatures {
                windows: self.windows,
                features: self.features,
            });
        }
        if !(1..=8).contains(&self.peaks.len()) {
            return Err(DemandError::Peaks(self.peaks.len()));
        }
        Ok(())
    }
}

fn within(
    what: &'static str,
    value: f64,
    range: std::ops::RangeInclusive<f64>,
    bounds: &'static str,
) -> Result<(), DemandError> {
    if range.contains(&value) { Ok(()) } else { Err(DemandError::OutOfBounds { what, value, bounds }) }
}
