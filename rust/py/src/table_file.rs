//! The files of tables, for the server's queries.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use steplog_core::table::{Blocks, Scan};

use crate::error::to_py;

fn locked<T>(inner: &Mutex<T>) -> MutexGuard<'_, T> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first reading: what the columns hold.
#[pyclass(frozen)]
#[derive(Default)]
pub(crate) struct TableScan {
    inner: Mutex<Scan>,
}

#[pymethods]
impl TableScan {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn feed(&self, py: Python<'_>, piece: &[u8]) -> PyResult<()> {
        py.detach(|| locked(&self.inner).feed(piece)).map_err(to_py)
    }

    fn end_file(&self) -> PyResult<()> {
        locked(&self.inner).end_file().map_err(to_py)
    }

    #[getter]
    fn rows(&self) -> u64 {
        locked(&self.inner).rows()
    }

    /// Of each column its name, what it is stored as, its type as the file says it, and whether
    /// there is a column with digits beside it.
    fn columns(&self) -> Vec<(String, &'static str, String, bool)> {
        let columns = locked(&self.inner).columns();
        columns
            .into_iter()
            .map(|one| (one.name, one.kind.name(), one.said, one.has_digits))
            .collect()
    }

    fn blocks(&self) -> TableBlocks {
        TableBlocks {
            inner: Mutex::new(locked(&self.inner).blocks()),
        }
    }
}

/// The second reading: the rows.
#[pyclass(frozen)]
pub(crate) struct TableBlocks {
    inner: Mutex<Blocks>,
}

#[pymethods]
impl TableBlocks {
    fn feed<'py>(&self, py: Python<'py>, piece: &[u8]) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let blocks = py
            .detach(|| locked(&self.inner).feed(piece))
            .map_err(to_py)?;
        Ok(blocks.iter().map(|one| PyBytes::new(py, one)).collect())
    }

    fn end_file(&self) -> PyResult<()> {
        locked(&self.inner).end_file().map_err(to_py)
    }

    fn finish<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &locked(&self.inner).finish())
    }
}
