//! What a run is in Python: its `log`, at the cost of one call.

use std::sync::OnceLock;
use std::thread::{self, ThreadId};

use arc_swap::ArcSwapOption;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyTuple};

use crate::error::name_closed;
use crate::writer::{Outcome, Writer};

/// The base of a run. Its `log` goes straight to a writer; what is not plain data for it, or leaves
/// something to be told, goes to the methods `_log_otherwise` and `_settle` of the run.
#[pyclass(frozen, subclass)]
pub(crate) struct Recorder {
    writer: ArcSwapOption<Py<Writer>>,
    /// The thread that has ended it while the interpreter ends; unset until then.
    ended_by: OnceLock<ThreadId>,
}

#[pymethods]
impl Recorder {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            writer: ArcSwapOption::empty(),
            ended_by: OnceLock::new(),
        }
    }

    /// Sends what is logged from now on to a writer; without one, to `_log_otherwise`.
    #[pyo3(signature = (writer))]
    fn _record_into(&self, writer: Option<Py<Writer>>) {
        self.writer.store(writer.map(std::sync::Arc::new));
    }

    /// Takes nothing more. Daemon threads go on logging while the interpreter ends; one that then had
    /// to go back into Python would be ended there, below our frames, and the process would abort: to
    /// their calls nothing happens. To the thread that calls this the run is closed, as after `finish`.
    fn _stop_recording(&self) {
        self.ended_by.get_or_init(|| thread::current().id());
        self.writer.store(None);
    }

    #[getter(_is_over)]
    fn is_stopped(&self) -> bool {
        self.ended_by
            .get()
            .is_some_and(|ended_by| *ended_by != thread::current().id())
    }

    /// Record values at a step.
    ///
    /// Returns once the values are in the write-ahead log, where they survive the death of this
    /// process; arrays above 4 kB and what lies on a device are taken over at once, read by a
    /// thread, and are in the log when `status()["deferred"]` is 0. Never waits for disk, network
    /// or GPU. Safe from any thread.
    ///
    /// Args:
    ///     data: Key to value; nested dicts are paths. A value that cannot be stored costs only
    ///         itself, with one warning per key.
    ///     step: Row to write, >= 0 and at least the current one; a smaller one is refused with a
    ///         warning, or merged into its row under `Settings(late_steps="merge")`. Defaults to
    ///         the current row.
    ///     commit: Whether the row is complete. Defaults to true unless `step` is given.
    ///
    /// Raises:
    ///     ArgumentTypeError: `data` is not a mapping with str keys, or `step` is not an integer.
    ///     RunClosedError: The run has finished.
    #[expect(clippy::doc_markdown, reason = "what Python shows")]
    #[pyo3(signature = (data, step=None, commit=None))]
    fn log(
        slf: &Bound<'_, Self>,
        data: &Bound<'_, PyAny>,
        step: Option<&Bound<'_, PyAny>>,
        commit: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let recorded = slf.get().record(data, (step, commit));
        match recorded.map_err(|error| name_closed(error, slf.py(), "log()"))? {
            Recorded::Clean => Ok(()),
            Recorded::Left(outcome) => slf
                .call_method1("_settle", (outcome, (data, step, commit)))
                .map(drop),
            Recorded::Not => slf
                .call_method1("_log_otherwise", (data, step, commit))
                .map(drop),
        }
    }

    /// As `log`, but leaves the rest to the caller.
    ///
    /// Returns:
    ///     True when everything is in the log; what `_settle` is to deal with; or None when nothing
    ///     was done, which is for `_log_otherwise`.
    #[pyo3(signature = (data, step, commit))]
    fn _try_log<'py>(
        &self,
        data: &Bound<'py, PyAny>,
        step: Option<&Bound<'py, PyAny>>,
        commit: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = data.py();
        let recorded = self.record(data, (step, commit));
        Ok(
            match recorded.map_err(|error| name_closed(error, py, "alog()"))? {
                Recorded::Clean => PyBool::new(py, true).to_owned().into_any(),
                Recorded::Left(outcome) => Bound::new(py, outcome)?.into_any(),
                Recorded::Not => py.None().into_bound(py),
            },
        )
    }
}

impl Recorder {
    fn record(
        &self,
        data: &Bound<'_, PyAny>,
        call: (Argument<'_, '_>, Argument<'_, '_>),
    ) -> PyResult<Recorded> {
        let writer = self.writer.load();
        let (Some(writer), Ok(values)) = (writer.as_ref(), data.cast_exact::<PyDict>()) else {
            return Ok(self.not_recorded());
        };
        let writer = writer.get();
        match writer.write(values, call, None) {
            Ok(outcome) if outcome.is_clean() => Ok(Recorded::Clean),
            Ok(outcome) => Ok(Recorded::Left(outcome)),
            Err(_) if writer.is_forked() || self.is_stopped() => Ok(self.not_recorded()),
            Err(error) => Err(error),
        }
    }

    #[cold]
    fn not_recorded(&self) -> Recorded {
        // To a thread whose calls come too late nothing happens.
        if self.is_stopped() {
            Recorded::Clean
        } else {
            Recorded::Not
        }
    }
}

/// What has become of a call.
enum Recorded {
    Clean,
    Left(Outcome),
    Not,
}

type Argument<'a, 'py> = Option<&'a Bound<'py, PyAny>>;
