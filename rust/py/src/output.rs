//! What is printed in this process, beside the writers that take it.

use std::path::PathBuf;
use std::time::Duration;

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
