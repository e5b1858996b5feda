//! Run folders without a server: `ls`, `cat`, `sync`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use steplog_core::background::start_sync;
use steplog_core::progress::{Progress, Stage};
use steplog_core::runlog;
use steplog_core::transport::{KeySource, Target};

use crate::convert::{to_dict, to_object};
use crate::encode::to_value;
use crate::error::classes::UsageError;
use crate::error::{to_py, to_py_log};
use crate::writer::{set_blobs, set_upload};

/// A run's folder, read once.
#[pyclass(frozen)]
pub(crate) struct RunLog {
    inner: runlog::RunLog,
}

#[pymethods]
impl RunLog {
    #[new]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an extracted argument is owned"
    )]
    fn new(py: Python<'_>, run_dir: PathBuf) -> PyResult<Self> {
        let inner = py
            .detach(|| runlog::RunLog::open(&run_dir))
            .map_err(to_py_log)?;
        Ok(Self { inner })
    }

    #[getter]
    fn row_count(&self, py: Python<'_>) -> usize {
        py.detach(|| self.inner.row_count())
    }

    fn writers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for writer in &self.inner.writers {
            let dict = PyDict::new(py);
            dict.set_item("writer", &writer.writer)?;
            dict.set_item("label", &writer.label)?;
            dict.set_item("live", writer.live)?;
            dict.set_item("records", writer.records)?;
            dict.set_item("last", writer.last)?;
            dict.set_item("exit_code", writer.exit_code)?;
            dict.set_item("preempting", writer.preempting)?;
            dict.set_item("last_step", writer.last_step)?;
            dict.set_item("next_step", writer.next_step())?;
            dict.set_item("walls", writer.walls)?;
            let start = writer
                .start
                .as_ref()
                .map(|value| to_object(py, value))
                .transpose()?;
            dict.set_item("start", start)?;
            let damage: Vec<_> = writer
                .damage
                .iter()
                .map(|found| (&found.path, found.offset, &found.what))
                .collect();
            dict.set_item("damage", damage)?;
            let torn: Vec<_> = writer
                .torn
                .iter()
                .map(|found| (&found.path, found.offset, found.bytes))
                .collect();
            dict.set_item("torn", torn)?;
            dict.set_item("incomplete", &writer.incomplete)?;
            list.append(dict)?;
        }
        Ok(list)
    }

    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        to_dict(py, &self.inner.config())
    }

    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        to_dict(py, &self.inner.summary().to_map())
    }

    /// What the writers of a label have come to, and all others.
    fn summary_states(&self, label: &str) -> (Vec<u8>, Vec<u8>) {
        let (own, others) = self.inner.summaries(label);
        (own.to_bytes(), others.to_bytes())
    }

    #[pyo3(signature = (end_step, label=None))]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an extracted argument is owned"
    )]
    fn summary_before(
        &self,
        py: Python<'_>,
        end_step: i64,
        label: Option<String>,
    ) -> PyResult<Vec<u8>> {
        let summary = py.detach(|| self.inner.summary_before(end_step, label.as_deref()));
        Ok(summary.map_err(to_py_log)?.to_bytes())
    }

    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_object(py, &self.inner.summary().metrics().to_value())
    }

    fn rows(&self) -> Rows {
        Rows {
            inner: Mutex::new(self.inner.rows()),
        }
    }

    #[pyo3(signature = (writer, *, base_url, entity, project, run, api_key, keys_file, timeout_secs, ca_file=None, start=None, revive=false))]
    #[expect(clippy::too_many_arguments, reason = "all but the first are keywords")]
    fn sync(
        &self,
        writer: &str,
        base_url: String,
        entity: String,
        project: String,
        run: String,
        api_key: Option<String>,
        keys_file: PathBuf,
        timeout_secs: f64,
        ca_file: Option<PathBuf>,
        start: Option<&Bound<'_, PyDict>>,
        revive: bool,
    ) -> PyResult<SyncJob> {
        let Some(log) = self.inner.writers.iter().find(|log| log.writer == writer) else {
            return Err(UsageError::new_err(format!(
                "the run has no writer {writer:?}"
            )));
        };
        let key = api_key.map_or(KeySource::File(keys_file), KeySource::Given);
        let target = Target {
            base_url,
            entity,
            project,
            run,
            writer: writer.to_owned(),
            key,
            ca_file,
            revive,
        };
        let start = start.map(|start| to_value(start.as_any())).transpose()?;
        let deadline =
            Instant::now() + Duration::try_from_secs_f64(timeout_secs).unwrap_or(Duration::ZERO);
        let progress =
            start_sync(&target, &log.source(), start.as_ref(), deadline).map_err(to_py)?;
        Ok(SyncJob { progress })
    }
}

/// Rows, merged one at a time.
#[pyclass(frozen)]
pub(crate) struct Rows {
    inner: Mutex<runlog::Rows>,
}

#[pymethods]
impl Rows {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let row = py.detach(|| {
            self.inner
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .next_row()
        });
        row.map_err(to_py_log)?
            .map(|row| to_dict(py, &row))
            .transpose()
    }
}

/// The upload of one writer's folder, going on in a thread.
#[pyclass(frozen)]
pub(crate) struct SyncJob {
    progress: Arc<Progress>,
}

#[pymethods]
impl SyncJob {
    fn wait(&self, py: Python<'_>, timeout_secs: f64) -> bool {
        let timeout = Duration::try_from_secs_f64(timeout_secs).unwrap_or(Duration::ZERO);
        py.detach(|| self.progress.wait(Stage::Done, 0, timeout))
    }

    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let state = self.progress.get();
        let dict = PyDict::new(py);
        dict.set_item("last", state.last)?;
        dict.set_item("acknowledged", state.acknowledged)?;
        dict.set_item("sent", state.sent)?;
        dict.set_item("server", &state.server)?;
        set_blobs(&dict, &state.blobs)?;
        set_upload(&dict, &state.upload)?;
        Ok(dict)
    }
}

/// Whether a live process writes this log.
#[pyfunction]
#[expect(
    clippy::needless_pass_by_value,
    reason = "an extracted argument is owned"
)]
pub(crate) fn is_live(writer_dir: PathBuf) -> bool {
    steplog_core::wal::is_live(&writer_dir)
}
