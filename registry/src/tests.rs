//! Tests of the whole crate: definitions from text to plan to registry and back.

mod backfilling;
mod breaking;
mod cases;
mod damage;
mod home;
mod lineages;
mod parities;
mod pinning;
mod reading;
mod recording;
mod registering;
mod retiring;
mod rolling_out;
mod tokens;
mod uses;
mod versions;

pub(crate) use home::{Home, on_both};

use crate::{Definitions, Plan, Registered, RowBound};

/// What every case may refer to.
const BASE: &str = include_str!("../cases/base.yaml");

fn base() -> Definitions {
    definitions(BASE, &Registered::default())
}

fn definitions(text: &str, registered: &Registered) -> Definitions {
    Definitions::of([("features/base.yaml", text)], registered)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// The base with one text instead of another, which must be there.
fn edited(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "the base holds {from}");
    BASE.replace(from, to)
}

/// What an apply would change, where rows of any length are taken.
fn plan_of(definitions: &Definitions, registered: &Registered) -> Plan {
    Plan::of(definitions, registered, &RowBound { longest: |_| 0, max_bytes: 0 })
}
