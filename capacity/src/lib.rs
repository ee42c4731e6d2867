//! What a demand takes: cores, servers, memory, disks and network, from figures that were measured on one core; which
//! part breaks first; and how slow the slowest answers are while servers fail, from a simulation of discrete events.
//!
//! It is a model. It knows nothing of stores, files or the network, reads no clock, and a seed determines all that is
//! random. Queueing theory checks the simulation where theory has a formula.
//!
//! ```
//! # use twinstore_capacity as capacity;
//! use capacity::{Demand, estimate};
//!
//! let demand = Demand { requests_per_second: 20_000.0, ..Demand::default() };
//! let estimate = estimate(&demand)?;
//! let at_peak = estimate.needs.last().expect("there is a row for each peak");
//! assert_eq!(at_peak.peak, 10.0);
//! assert!(at_peak.servers > 2.0);
//! # Ok::<(), capacity::DemandError>(())
//! ```

mod demand;
mod estimate;
mod figures;
mod limits;
mod needs;
mod queue;
mod random;
mod simulation;
mod tail;
mod tier;

pub use demand::{Demand, DemandError};
pub use estimate::{Estimate, estimate};
pub use figures::{FIGURES, Figure};
pub use limits::Limit;
pub use needs::Needs;
pub use queue::{delay_probability, mean_sojourn_of_two_choices, mean_wait, mean_wait_fixed, wait_quantile};
pub use simulation::{Outcome, Phase, simulate};
pub use tail::Tail;
pub use tier::{Balance, Failure, Service, Tier};
