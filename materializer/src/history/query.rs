//! A source whose history is what a query over Postgres gives.
//!
//! A load first *extracts*: the rows of the query that no earlier extract has are written into a file of the source's
//! own folder, its next extract. From there on these are files like any others, and what holds for files holds for
//! them: a position for each row, hashes, quarantine, dead letters, loads that change nothing when they are repeated.
//!
//! | file | what it decides |
//! |---|---|
//! | `connecting.rs`, `tls.rs` | how a database is reached |
//! | `query_columns.rs` | which column of a query is read as which declared type |
//! | `copied_row.rs`, `field_text.rs` | what a value of Postgres is in an extract |
//! | `extracts.rs` | the folder of extracts |
//! | `extract_summary.rs` | what an extract says of its rows at its end |
//! | `extracted_rows.rs` | which rows of a query are new |
//! | `new_extract.rs`, `extraction.rs` | an extraction, from the transaction to the named file |
//! | `query_check.rs` | what a database says against a definition, before anything is extracted |

mod connecting;
mod copied_row;
mod extract_summary;
mod extracted_rows;
mod extraction;
mod extracts;
mod field_text;
mod new_extract;
mod query_check;
mod query_columns;
mod tls;

pub use connecting::Database;
pub use extraction::{ExtractReport, extract};
pub(crate) use extracts::Extracts;
pub use query_check::check_query;
