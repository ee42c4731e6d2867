//! What `capacity` takes: a demand, in numbers that people write.

use capacity::Demand;
use clap::Args;

use super::FormatArg;

/// What `capacity` takes.
#[derive(Args, Debug)]
pub struct CapacityArgs {
    /// Requests a second, averaged over a day
    #[arg(long, value_name = "N", value_parser = number, default_value = "1.16M")]
    pub requests: f64,
    /// Entities that a request reads
    #[arg(long, value_name = "N", value_parser = number, default_value = "1")]
    pub entities_per_request: f64,
    /// Features that a request reads of each entity
    #[arg(long, value_name = "N", value_parser = number, default_value = "100")]
    pub features: f64,
    /// Of these, features with a window
    #[arg(long, value_name = "N", value_parser = number, default_value = "40")]
    pub windows: f64,
    /// Tiles of a window: window / hop + 1
    #[arg(long, value_name = "N", value_parser = number, default_value = "31")]
    pub tiles: f64,
    /// Views that the features are of
    #[arg(long, value_name = "N", value_parser = number, default_value = "10")]
    pub views: f64,
    /// Entities that each view knows
    #[arg(long, value_name = "N", value_parser = number, default_value = "100M")]
    pub entities: f64,
    /// The share of rows that the hot tiers do not have
    #[arg(long, value_name = "SHARE", default_value_t = Demand::default().misses)]
    pub misses: f64,
    /// Rows that are written to each view in a second, averaged over a day
    #[arg(long, value_name = "N", value_parser = number, default_value = "10k")]
    pub rows: f64,
    /// Bytes of a row of the log; `offline loads` and the files of a log say how many yours have
    #[arg(long, value_name = "BYTES", value_parser = number, default_value = "89")]
    pub row_bytes: f64,
    /// Years that the log keeps
    #[arg(long, value_name = "N", default_value_t = Demand::default().years)]
    pub years: f64,
    /// How many times the average the peaks are
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,5,10")]
    pub peaks: Vec<f64>,
    /// Servers that may be gone at once
    #[arg(long, value_name = "N", value_parser = number, default_value = "2")]
    pub failures: f64,
    /// Cores of a machine
    #[arg(long, value_name = "N", value_parser = number, default_value = "32")]
    pub cores: f64,
    /// The share of the cores that is to be busy at most while nothing fails
    #[arg(long, value_name = "SHARE", default_value_t = Demand::default().utilisation)]
    pub utilisation: f64,
    /// Bytes of memory of a machine with a Redis
    #[arg(long, value_name = "BYTES", value_parser = number, default_value = "256G")]
    pub memory: f64,
    /// Bytes of disk of a machine with a log
    #[arg(long, value_name = "BYTES", value_parser = number, default_value = "30T")]
    pub disk: f64,
    /// Bits a second of a machine's network
    #[arg(long, value_name = "BITS", value_parser = number, default_value = "25G")]
    pub network: f64,
    /// What determines the simulation
    #[arg(long, value_name = "N", default_value_t = Demand::default().seed)]
    pub seed: u64,
    /// Show the measured figures that everything is computed from, and nothing else
    #[arg(long)]
    pub figures: bool,
    /// How the result is written
    #[command(flatten)]
    pub format: FormatArg,
}

impl CapacityArgs {
    /// The demand that they say.
    pub fn demand(&self) -> Demand {
        Demand {
            requests_per_second: self.requests,
            entities_per_request: self.entities_per_request,
            features: self.features,
            windows: self.windows,
            tiles: self.tiles,
            views: self.views,
            entities: self.entities,
            misses: self.misses,
            rows_per_second: self.rows,
            row_bytes: self.row_bytes,
            years: self.years,
            peaks: self.peaks.clone(),
            failures: self.failures,
            cores: self.cores,
            utilisation: self.utilisation,
            memory_bytes: self.memory,
            disk_bytes: self.disk,
            network_bits: self.network,
            seed: self.seed,
        }
    }
}

/// A number, as in `250`, `11.6k` or `1.16M`.
fn number(text: &str) -> Result<f64, String> {
    let refused = || "write it as 250, 11.6k, 1.16M, 2G or 30T".to_owned();
    let units = [('k', 1e3), ('M', 1e6), ('G', 1e9), ('T', 1e12)];
    let unit = units.into_iter().find_map(|(unit, times)| Some((text.strip_suffix(unit)?, times)));
    let (digits, times) = unit.unwrap_or((text, 1.0));
    let number: f64 = digits.parse().map_err(|_| refused())?;
    if number.is_finite() { Ok(number * times) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_units_of_a_thousand() {
        assert_eq!(number("250"), Ok(250.0));
        assert_eq!(number("11.5k"), Ok(11_500.0));
        assert_eq!(number("1.5M"), Ok(1_500_000.0));
        assert_eq!(number("30T"), Ok(30e12));
        for wrong in ["", "k", "1.5m", "NaN", "inf", "1 M", "1.5KB"] {
            assert!(number(wrong).is_err(), "{wrong}");
        }
    }
}
