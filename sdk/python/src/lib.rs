//! The extension of the Python package `twinstore`: a project opened in process on the library of `project/`, and the
//! command of `cli/`. Python calls, this crate converts and calls; results go back as Arrow data or JSON, which the
//! package under `twinstore/` dresses for people. Nothing is decided here.
//!
//! `error` says what is raised, `runtime` how Python waits, `answers` what goes as text, `columns` and `features` what a read
//! takes and gives, `project` what a project does, `server` what a server does.

mod answers;
mod columns;
mod error;
mod features;
mod help;
mod module;
mod online;
mod project;
mod runtime;
mod server;
mod spine;
mod watched;
