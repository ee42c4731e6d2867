//! What there is to say of a version that is deprecated or retired.

use std::fmt;

use feature::Micros;
use serde::Serialize;

use crate::audit::Reason;
use crate::body::DefinitionId;
use crate::first_use::as_text;

/// A version that is to be retired.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Deprecation {
    /// Since when.
    #[serde(serialize_with = "as_text")]
    pub since: Micros,
    /// When it is to be retired.
    #[serde(serialize_with = "as_text")]
    pub sunset: Micros,
    /// Why, and what to use instead.
    pub reason: Reason,
}

/// A version that is not used any more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Retirement {
    /// Since when.
    #[serde(serialize_with = "as_text")]
    pub since: Micros,
    /// Why, where it was said.
    pub reason: Option<Reason>,
    /// Whether all that it took in both stores is freed.
    pub is_freed: bool,
}

/// A deprecated version where it is read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Deprecated {
    /// Which.
    #[serde(serialize_with = "id_text")]
    pub version: DefinitionId,
    /// Until when, and why.
    #[serde(flatten)]
    pub deprecation: Deprecation,
}

fn id_text<S: serde::Serializer>(id: &DefinitionId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

impl fmt::Display for Deprecated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Deprecation { sunset, reason, .. } = &self.deprecation;
        write!(f, "{} is deprecated, to be retired on {}: {reason}", self.version.reference(), day(*sunset))
    }
}

impl fmt::Display for Retirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Some(reason) => write!(f, "retired on {} ({reason})", day(self.since)),
            None => write!(f, "retired on {}", day(self.since)),
        }
    }
}

/// The day of a moment.
pub(super) fn day(moment: Micros) -> String {
    let text = moment.to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}
