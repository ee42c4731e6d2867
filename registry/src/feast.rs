//! Definitions from a Feast repository. Feast's own code describes the repository as a document; here its objects become
//! definitions, its functions SQL, and what has no counterpart is listed.

mod carried;
mod carried_text;
mod code_line;
mod column_sql;
mod feast_functions;
mod feast_services;
mod feast_sources;
mod feast_types;
mod feast_views;
mod finding;
mod function_body;
mod importing;
mod naming;
mod python_calls;
mod python_literal;
mod python_tree;
mod python_value;
mod repository;

pub use code_line::CodeLine;
pub use finding::{FeastFinding, FeastOutcome};
pub use importing::{CarriedObject, FeastImport, import_feast};
