//! How much a consumer may take, and who comes first where there is not enough for all.

use std::str::FromStr;

use feature::Name;

/// So many a second, and so many at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// So many a second in the long run.
    pub per_second: u32,
    /// So many at once, after a while without any.
    pub burst: u32,
}

/// Who is refused last where the server is overloaded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Priority {
    /// Refused first.
    Low,
    /// Refused where refusing the low ones is not enough.
    #[default]
    Normal,
    /// Refused where nothing else is enough.
    High,
}

impl Priority {
    /// The name of each, the lowest first.
    pub const NAMES: [&'static str; 3] = ["low", "normal", "high"];
}

impl FromStr for Priority {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "low" => Ok(Priority::Low),
            "normal" => Ok(Priority::Normal),
            "high" => Ok(Priority::High),
            _ => Err(format!("`{text}` is no priority: name one of {}", Priority::NAMES.join(", "))),
        }
    }
}

/// What one consumer may take. Nothing is bounded where nothing is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Share {
    /// Who comes first under overload.
    pub priority: Priority,
    /// Requests.
    pub requests: Option<Rate>,
    /// Entities that are read, and rows that are pushed.
    pub keys: Option<Rate>,
}

/// A consumer as the policy names it: several members may share what it may take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Consumer {
    /// What it is called. `default` is what each has that belongs to no other, by itself.
    pub name: Name,
    /// What it may take.
    pub share: Share,
}
