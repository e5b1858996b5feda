//! What is printed in this process, beside the writers that take it.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
#[cfg(target_os = "linux")]
use steplog_core::output;
use steplog_core::rest;

use crate::error::to_py_log;

/// Elsewhere nothing is redirected, and so nothing is to be done.
#[cfg(not(target_os = "linux"))]
mod output {
    use std::time::Duration;

    pub(super) fn cut() {}
    pub(super) fn append(_stream: u8, _bytes: &[u8]) -> Option<usize> {
        None
    }
    pub(super) fn has_unread() -> bool {
        false
    }
    pub(super) fn give_back(_stream: u8) -> bool {
        false
    }
    pub(super) fn has_given_back(_stream: u8) -> bool {
        false
    }
    pub(super) fn ask() -> u64 {
        0
    }
    pub(super) fn wait(_asked: u64, _timeout: Duration) -> bool {
        true
    }
    pub(super) fn suspend() {}
    pub(super) fn resume() {}
}

/// The program goes over to another stream.
#[pyfunction]
pub(crate) fn cut_output() {
    output::cut();
}

/// What is longer is written with the interpreter's lock let go: nobody waits long for the others.
const LONG_BYTES: usize = 16 << 10;

/// The `write` of a raw stream whose number is redirected.
///
/// It does not let go of the interpreter's lock: the pieces of a `print`, each a call, would have those of
/// other threads between them.
#[pyclass(frozen)]
pub(crate) struct RawWrite {
    stream: u8,
    original: Py<PyAny>,
}

#[pymethods]
impl RawWrite {
    #[new]
    fn new(stream: u8, original: Py<PyAny>) -> Self {
        Self { stream, original }
    }

    fn __call__<'py>(&self, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = data.py();
        let bytes = PyBuffer::<u8>::get(data)?;
        if bytes.item_count() <= LONG_BYTES
            && let Some(count) = output::append(self.stream, &bytes.to_vec(py)?)
        {
            return Ok(count.into_pyobject(py)?.into_any());
        }
        self.original.bind(py).call1((data,))
    }
}

/// Whether children have written to a terminal what is not forwarded yet.
#[pyfunction]
pub(crate) fn has_unread_output() -> bool {
    output::has_unread()
}

/// A stream cannot be written: it has its original back, also in a forked child.
#[pyfunction]
pub(crate) fn give_output_back(stream: u8) -> bool {
    output::give_back(stream)
}

/// Whether a stream has its original back because that fails.
#[pyfunction]
pub(crate) fn is_output_given_back(stream: u8) -> bool {
    output::has_given_back(stream)
}

/// All that was printed is to be forwarded and recorded.
#[pyfunction]
pub(crate) fn ask_output(py: Python<'_>) -> u64 {
    py.detach(output::ask)
}

/// Whether that is done.
#[pyfunction]
pub(crate) fn wait_output(py: Python<'_>, asked: u64, timeout_secs: f64) -> bool {
    let timeout = Duration::try_from_secs_f64(timeout_secs).unwrap_or(Duration::ZERO);
    py.detach(|| output::wait(asked, timeout))
}

/// The streams have their originals back until `resume_output`.
#[pyfunction]
pub(crate) fn suspend_output(py: Python<'_>) {
    py.detach(output::suspend);
}

/// What stood in for the streams does so again.
#[pyfunction]
pub(crate) fn resume_output(py: Python<'_>) {
    py.detach(output::resume);
}

/// Appends to the logs of a run's processes that are over what they had printed; gives its bytes, and
/// those that are left.
#[pyfunction]
#[expect(
    clippy::needless_pass_by_value,
    reason = "an extracted argument is owned"
)]
pub(crate) fn take_rests(py: Python<'_>, run_dir: PathBuf) -> PyResult<(u64, u64)> {
    let rests = py.detach(|| rest::take_rests(&run_dir));
    let rests = rests.map_err(to_py_log)?;
    Ok((rests.taken, rests.left))
}
