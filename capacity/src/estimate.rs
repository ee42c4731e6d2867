//! An estimate: everything that is computed of a demand, and the tail that is simulated for it.

use serde::Serialize;

use crate::demand::{Demand, DemandError};
use crate::limits::{Limit, limits};
use crate::needs::{Kept, Needs, kept, needs, request_seconds};
use crate::tail::{Tail, tails};

/// What a demand takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The demand.
    pub demand: Demand,
    /// What is needed at each peak.
    pub needs: Vec<Needs>,
    /// What is kept.
    pub kept: Kept,
    /// What breaks first.
    pub limits: Vec<Limit>,
    /// How slow answers are, at some utilisations, before, during and after failures.
    pub tails: Vec<Tail>,
}

/// What a demand takes.
///
/// # Errors
/// If a number of the demand is outside of its bounds.
pub fn estimate(demand: &Demand) -> Result<Estimate, DemandError> {
    demand.check()?;
    let needs: Vec<Needs> = demand.peaks.iter().map(|peak| needs(demand, *peak)).collect();
    let largest = needs.iter().max_by(|one, other| one.peak.total_cmp(&other.peak));
    let largest = largest.expect("invariant: a demand that was checked has a peak");
    Ok(Estimate {
        demand: demand.clone(),
        tails: tails(demand, largest, request_seconds(demand)),
        needs,
        kept: kept(demand),
        limits: limits(demand),
    })
}
