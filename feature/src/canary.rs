//! Which entities a canary answers: a stable share of them, so that one entity sees one version for as long as the
//! canary stands, and a larger share keeps the entities of a smaller one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use twox_hash::XxHash64;

use crate::name::VersionId;

/// A share in whole per cent, from 0 to 100.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Percent(u8);

/// A number that is not a share in per cent.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("`{0}` is not a share in whole per cent: write a number from 0 to 100")]
pub struct NotAPercent(String);

/// A version of a service that answers the service's name for some of its entities.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Canary {
    /// The version.
    pub version: VersionId,
    /// For how many of the entities.
    pub percent: Percent,
}

impl Percent {
    /// None of it.
    pub const NONE: Percent = Percent(0);
    /// All of it.
    pub const ALL: Percent = Percent(100);

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Canary {
    /// Whether it answers for an entity, by the encoding of its key ([`crate::EntityKey`]); an empty one stands for a key that is null. The
    /// entity's bucket of 100 is the XXH64 of its key, seeded by the XXH64 of the canary's name and version: another
    /// canary answers for others.
    pub fn answers(&self, key: &[u8]) -> bool {
        let seed = XxHash64::oneshot(0, self.version.to_string().as_bytes());
        let hash = XxHash64::oneshot(seed, key);
        let bucket = (u128::from(hash) * 100) >> 64;
        bucket < u128::from(self.percent.0)
    }
}

impl TryFrom<u8> for Percent {
    type Error = NotAPercent;

    fn try_from(percent: u8) -> Result<Self, NotAPercent> {
        if percent <= 100 { Ok(Self(percent)) } else { Err(NotAPercent(percent.to_string())) }
    }
}

impl From<Percent> for u8 {
    fn from(percent: Percent) -> u8 {
        percent.0
    }
}

impl FromStr for Percent {
    type Err = NotAPercent;

    fn from_str(text: &str) -> Result<Self, NotAPercent> {
        let number = text.strip_suffix('%').unwrap_or(text).parse::<u8>();
        number.ok().and_then(|number| number.try_into().ok()).ok_or_else(|| NotAPercent(text.to_owned()))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canary(version: &str, percent: u8) -> Canary {
        Canary { version: version.parse().unwrap(), percent: percent.try_into().unwrap() }
    }

    fn answered(canary: &Canary) -> Vec<u32> {
        (0..10_000_u32).filter(|key| canary.answers(&key.to_le_bytes())).collect()
    }

    #[test]
    fn a_canary_answers_for_its_share_of_the_entities_and_keeps_them_as_it_grows() {
        assert_eq!(answered(&canary("late_arrival@2", 0)), [0_u32; 0]);
        assert_eq!(answered(&canary("late_arrival@2", 100)).len(), 10_000);
        let mut before = Vec::new();
        for percent in [1, 10, 50, 99] {
            let now = answered(&canary("late_arrival@2", percent));
            let share = now.len() as f64 / 100.0;
            assert!((share - f64::from(percent)).abs() < 2.0, "{share} of {percent}%");
            assert!(before.iter().all(|key| now.contains(key)), "{percent}%");
            before = now;
        }
        let (one, other) = (answered(&canary("late_arrival@2", 10)), answered(&canary("late_arrival@3", 10)));
        let both = one.iter().filter(|key| other.contains(key)).count();
        assert!(both < 200, "{both} entities are in both");
    }

    /// Servers of different releases must agree on whom a canary answers for.
    #[test]
    fn the_entities_of_a_canary_are_pinned() {
        let first = answered(&canary("late_arrival@2", 1));
        assert_eq!(first.get(..4), Some([131_u32, 154, 242, 580].as_slice()));
    }

    #[test]
    fn a_share_is_a_number_from_0_to_100() {
        assert_eq!("10".parse::<Percent>().unwrap().get(), 10);
        assert_eq!("10%".parse::<Percent>().unwrap().to_string(), "10%");
        for bad in ["", "-1", "101", "1.5", "ten"] {
            assert!(bad.parse::<Percent>().is_err(), "{bad}");
        }
    }
}
