//! The online store as a process has it open: opened at the first read.

use std::ffi::CString;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;
use twinstore::{OnlineReads, Project};

use crate::error::sentence;
use crate::runtime::{wait, wait_here};
use crate::watched::Watched;

/// The reads of a project, if its store is open. Processes that are forked from this one are refused before they get here.
#[derive(Default)]
pub struct Sessions(Mutex<Option<Arc<OnlineReads>>>);

impl Sessions {
    /// The reads; the store is opened for the first of them.
    pub fn reads(&self, py: Python<'_>, project: &Project) -> PyResult<Arc<OnlineReads>> {
        if let Some(reads) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(reads.clone());
        }
        let opened = project.clone();
        let reads = wait(py, &Watched::by_nobody(), async move { opened.online_reads().await })?;
        for other in reads.other_logs() {
            let said = CString::new(sentence(&other.said, other.help.as_ref()))?;
            // Of the caller of the method of Python that has just called this.
            PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &said, 2)?;
        }
        let reads = Arc::new(reads);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reads.clone());
        Ok(reads)
    }

    /// What this process has just changed in the registry is what its next read answers by.
    pub fn look_up(&self, py: Python<'_>) -> PyResult<()> {
        let opened = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match opened {
            Some(reads) => wait_here(py, async move { reads.look_up().await }),
            None => Ok(()),
        }
    }

    /// Closes what is open.
    pub fn close(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
