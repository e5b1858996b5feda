//! Files that a killed process has left, into its log.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use steplog_core::left_files::{self, Left};
use steplog_core::record::is_file_name;

use crate::error::to_py_log;

/// The log of a process that was killed.
#[pyclass(frozen)]
pub(crate) struct LeftFiles {
    inner: Mutex<left_files::LeftFiles>,
}

#[pymethods]
impl LeftFiles {
    #[staticmethod]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an extracted argument is owned"
    )]
    fn open(py: Python<'_>, writer_dir: PathBuf) -> PyResult<Option<Self>> {
        let opened = py.detach(|| left_files::LeftFiles::open(&writer_dir));
        Ok(opened.map_err(to_py_log)?.map(|inner| Self {
            inner: Mutex::new(inner),
        }))
    }

    fn append_file(&self, name: &str, wall: u64, content: Vec<u8>) -> PyResult<bool> {
        self.append(name, wall, &Left::Bytes(content))
    }

    fn append_blob(&self, name: &str, wall: u64, sha256: [u8; 32], size: u64) -> PyResult<bool> {
        self.append(name, wall, &Left::Blob { sha256, size })
    }

    fn show(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.lock().show()).map_err(to_py_log)
    }
}

impl LeftFiles {
    fn lock(&self) -> std::sync::MutexGuard<'_, left_files::LeftFiles> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, name: &str, wall: u64, left: &Left) -> PyResult<bool> {
        if !is_file_name(name) {
            return Ok(false);
        }
        self.lock().append(name, wall, left).map_err(to_py_log)
    }
}
