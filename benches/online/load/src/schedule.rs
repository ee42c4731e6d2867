//! When requests are sent: fixed before the first one, so that no answer, however late, moves the next.

use std::time::Duration;

use clap::ValueEnum;

/// How the moments of sending lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Arrivals {
    /// At equal distances.
    Constant,
    /// At random, as those of many callers who know nothing of each other.
    Poisson,
}

impl Arrivals {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Poisson => "poisson",
        }
    }

    /// The moments, from the start, of `seconds` at `rate` a second.
    pub fn schedule(self, rate: f64, seconds: f64, seed: u64) -> Vec<Duration> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut moments = Vec::with_capacity((rate * seconds * 1.1) as usize);
        let mut at = 0.0;
        loop {
            at = match self {
                Self::Constant => (moments.len() + 1) as f64 / rate,
                Self::Poisson => at - (1.0 - random.f64()).ln() / rate,
            };
            // A rate of nothing has no moments.
            if at >= seconds || at.is_nan() {
                return moments;
            }
            moments.push(Duration::from_secs_f64(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_send_as_many_as_the_rate_says() {
        assert_eq!(Arrivals::Constant.schedule(1_000.0, 10.0, 1).len(), 9_999);
        let poisson = Arrivals::Poisson.schedule(1_000.0, 10.0, 1).len();
        assert!((9_500..10_500).contains(&poisson), "{poisson}");
    }

    #[test]
    fn moments_are_in_order_and_the_same_for_the_same_seed() {
        let moments = Arrivals::Poisson.schedule(500.0, 2.0, 7);
        assert!(moments.is_sorted());
        assert_eq!(moments, Arrivals::Poisson.schedule(500.0, 2.0, 7));
        assert_ne!(moments, Arrivals::Poisson.schedule(500.0, 2.0, 8));
    }

    #[test]
    fn random_distances_scatter_as_a_poisson_process_does() {
        let moments = Arrivals::Poisson.schedule(1_000.0, 20.0, 3);
        let gaps: Vec<f64> =
            moments.windows(2).filter_map(|two| Some((*two.last()? - *two.first()?).as_secs_f64())).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((0.9..1.1).contains(&(variance.sqrt() / mean)));
    }
}
