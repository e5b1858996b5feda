//! A regex for the server's searches.

use pyo3::prelude::*;
use steplog_core::pattern;

use crate::error::to_py;

/// A regex that is matched in linear time.
#[pyclass(frozen)]
pub(crate) struct Pattern {
    inner: pattern::Pattern,
}

#[pymethods]
impl Pattern {
    #[new]
    fn new(py: Python<'_>, source: &str) -> PyResult<Self> {
        let inner = py.detach(|| pattern::Pattern::new(source)).map_err(to_py)?;
        Ok(Self { inner })
    }

    fn is_match(&self, py: Python<'_>, text: &str) -> bool {
        py.detach(|| self.inner.is_match(text))
    }
}
