//! A change of a feature's values that the author of a new version declares: by how much they may differ from those of
//! the version before, and why. It changes nothing that is computed.

use serde::{Deserialize, Serialize};

/// By how much the values of one feature may differ from those of the version before. A bound that is not named is
/// `None`; at least one is named.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ExpectedChange {
    /// Why they differ.
    pub reason: String,
    /// The greatest population stability index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psi: Option<Bound>,
    /// The greatest Kolmogorov–Smirnov distance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ks: Option<Bound>,
    /// The greatest relative shift of the mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Bound>,
    /// The greatest difference of the shares of nulls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nulls: Option<Bound>,
    /// The least share of rows with equal values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equal: Option<Bound>,
}

/// A finite bound that is not negative.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Bound(f64);

impl Bound {
    /// `None` where it is negative or not finite.
    pub fn new(bound: f64) -> Option<Self> {
        (bound.is_finite() && bound >= 0.0).then_some(Self(bound + 0.0))
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// No bound is NaN.
impl Eq for Bound {}

impl TryFrom<f64> for Bound {
    type Error = String;

    fn try_from(bound: f64) -> Result<Self, String> {
        Self::new(bound).ok_or_else(|| format!("{bound} is not a bound"))
    }
}

impl From<Bound> for f64 {
    fn from(bound: Bound) -> f64 {
        bound.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_finite_and_not_negative() {
        assert_eq!(Bound::new(-0.0).map(|bound| bound.get().to_bits()), Some(0));
        for none in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Bound::new(none), None);
        }
    }

    #[test]
    fn what_is_declared_reads_back_as_it_was_stored() {
        let text = r#"{"reason":"seven days","psi":0.3}"#;
        let change: ExpectedChange = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&change).unwrap(), text);
        assert!(serde_json::from_str::<ExpectedChange>(r#"{"reason":"x","psi":-1}"#).is_err());
    }
}
