//! A server as Python reads it: features of many requests over one connection, and pushes.

use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};

use feature::Micros;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use read::FeatureRequest;
use twinstore::{ReadEntities, RemoteColumn, RemoteReads};

use crate::answers::{parsed, parsed_if, pushed};
use crate::columns::Column;
use crate::features::Features;
use crate::runtime::wait_here;

/// A server, by the address of its gRPC.
#[pyclass(frozen, module = "twinstore._twinstore")]
pub struct Server {
    address: String,
    token: String,
    /// The file of the authorities by which it is trusted.
    ca: String,
    /// The connection, beside the process that opened it.
    reads: Mutex<Option<(u32, Arc<RemoteReads>)>>,
}

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (address, token = String::new(), ca = String::new()))]
    fn new(address: String, token: String, ca: String) -> Self {
        Self { address, token, ca, reads: Mutex::default() }
    }

    /// Its address.
    #[getter]
    fn address(&self) -> &str {
        &self.address
    }

    /// Closes the connection, where one is open.
    fn close(&self) {
        forget_a_parents(self.reads.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Reads features online.
    #[pyo3(signature = (service, features, entities, request, at, trained_on))]
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of one method of Python")]
    fn features(
        &self,
        py: Python<'_>,
        service: String,
        features: Vec<String>,
        entities: &Bound<'_, PyDict>,
        request: &Bound<'_, PyDict>,
        at: Option<&str>,
        trained_on: Option<String>,
    ) -> PyResult<Features> {
        let at: Option<Micros> = parsed_if(py, at)?;
        let (entities, request) = (columns(entities)?, columns(request)?);
        let request = FeatureRequest { features, entities, request };
        let reads = self.reads();
        let answer = wait_here(py, reads.read(ReadEntities { service, request, at, trained_on }))?;
        Ok(Features { features: answer.features, notice: answer.notice })
    }

    /// Pushes rows, a JSON object on each line.
    fn push(&self, py: Python<'_>, source: &str, lines: Vec<u8>) -> PyResult<String> {
        let source = parsed(py, source)?;
        let reads = self.reads();
        let done = wait_here(py, reads.push(&source, Cursor::new(lines)))?;
        pushed(py, &done)
    }
}

impl Server {
    /// The connection of this process.
    fn reads(&self) -> Arc<RemoteReads> {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        match &*reads {
            Some((owner, reads)) if *owner == process => reads.clone(),
            _ => {
                let opened = Arc::new(
                    RemoteReads::at(&self.address).with_token(&self.token).with_authorities(&self.ca),
                );
                forget_a_parents(reads.replace((process, opened.clone())));
                opened
            }
        }
    }
}

/// A connection that a parent opened is the parent's: it is not closed here.
fn forget_a_parents(reads: Option<(u32, Arc<RemoteReads>)>) {
    if let Some(reads) = reads.filter(|(owner, _)| *owner != std::process::id()) {
        std::mem::forget(reads);
    }
}

/// Columns by their names.
fn columns(columns: &Bound<'_, PyDict>) -> PyResult<Vec<(String, RemoteColumn)>> {
    let one = |(name, column): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let name: String = name.extract()?;
        let column = match Column::of(&name, &column)? {
            Column::Objects(values) => RemoteColumn::Values(values),
            Column::Arrow(array) => RemoteColumn::Array(array),
        };
        Ok((name, column))
    };
    columns.iter().map(one).collect()
}
