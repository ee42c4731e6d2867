//! What people see in a browser: the pages that a server shows to operators, and the report that compares two versions.
//!
//! [`OperatorPages`] gathers what an [`Observer`] says of a project, one request at a time and away from the threads that
//! answer reads, and the modules of pages turn it into HTML: pure functions of typed values and of the moment, which tests
//! check without a server. No page has a script, asks another host, or tells a program what to do: the same answers are
//! those of the command line.
//!
//! It knows no store, no registry and no protocol, and computes no figure: those are the library's. All text of
//! definitions, of data and of requests is escaped by the templates.
//!
//! [`Observer`]: twinstore::Observer
//!
//! ```no_run
//! # use twinstore_pages as pages;
//! # fn clock() -> feature::Micros { feature::Micros::MIN }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use pages::OperatorPages;
//! use twinstore::{Project, Serve};
//!
//! let project = Project::open(".".as_ref(), clock)?;
//! let pages = OperatorPages::new(&project, |_| "ask whoever runs it".to_owned());
//! let serve = Serve { pages: Some(Arc::new(pages)), ..Serve::default() };
//! # Ok(())
//! # }
//! ```

mod address;
mod changes_page;
mod drawing;
mod feature_page;
mod frame;
mod gathering;
mod layers;
mod overview_page;
mod parity_page;
mod problem_page;
mod read_form;
mod runs_table;
mod search_page;
mod service_page;
mod shown;
mod shown_figures;
mod site;
mod statistics_plots;
mod stylesheet;
mod view_page;

pub use parity_page::parity_page;
pub use shown_figures::{age, changed_nulls, entity, exact, few_rows, number, percent, shift, three};
pub use site::OperatorPages;
