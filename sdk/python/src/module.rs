//! What the extension has: its classes, and the command as a function.

use std::ffi::OsString;

use pyo3::prelude::*;

use crate::features::Features;
use crate::project::Project;
use crate::server::Server;

/// Runs the command with these arguments, the program's name first, and gives its exit code.
#[pyfunction]
fn main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| cli::main(arguments))
}

/// What columns are called in a definition, each by its name in the files: as `init --from` calls them.
#[pyfunction]
fn column_names(stored: Vec<String>) -> Vec<String> {
    twinstore::column_names(stored.iter().map(String::as_str)).iter().map(ToString::to_string).collect()
}

#[pymodule]
fn _twinstore(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // Two providers of TLS are compiled in, so one has to be chosen; where one is already, that one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<Features>()?;
    module.add_class::<Project>()?;
    module.add_class::<Server>()?;
    module.add_function(wrap_pyfunction!(column_names, module)?)?;
    module.add_function(wrap_pyfunction!(main, module)?)
}
