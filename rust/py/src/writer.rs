//! The SDK's side: one writer of a run.

use std::cell::Cell;
use std::os::fd::IntoRawFd as _;
use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt};
use steplog_core::error::Error;
use steplog_core::frame::Identity;
use steplog_core::metric::Metric;
#[cfg(target_os = "linux")]
use steplog_core::output::Way;
use steplog_core::progress::{BlobState, Stage, UploadState};
use steplog_core::record::{self, HistoryBuilder};
use steplog_core::steps::{LateSteps, MAX_STEP};
use steplog_core::summary::Summary;
use steplog_core::transport::{KeySource, Target};
use steplog_core::value::Value;
use steplog_core::wal::{Mode, SegmentSizes};
use steplog_core::writer::{self, Logged, Options, Past};

use crate::convert::to_dict;
use crate::encode::{Stop, to_value};
use crate::error::classes::{ArgumentTypeError, UsageError};
use crate::error::{os_error, to_py, to_py_log};
use crate::row::Row;

/// What a call left for Python to deal with.
#[pyclass(frozen, get_all)]
#[derive(Default)]
pub(crate) struct Outcome {
    /// Where the record is, if it is in the log.
    position: Option<u64>,
    /// Step and runtime of the row, if the record is in the log.
    row: Option<(u64, u64)>,
    /// Nothing was logged: a value must be converted first.
    convert: bool,
    /// Nothing was logged: (step asked for, current step).
    refused: Option<(i64, u64)>,
    /// Values left out, with the reason.
    skipped: Vec<(String, String)>,
    /// The record is lost: the system's error number, 0 for none, and the reason.
    lost: Option<(i32, String)>,
}

impl Outcome {
    /// Encodes the values of a call; false when they must be converted first.
    #[inline]
    fn encode(&mut self, row: &mut Row, data: &Bound<'_, PyDict>) -> PyResult<bool> {
        match row.write(data, &mut self.skipped) {
            Ok(()) => Ok(true),
            Err(Stop::Convert) => {
                *self = Self {
                    convert: true,
                    ..Self::default()
                };
                Ok(false)
            }
            Err(Stop::Skip(reason)) => Err(ArgumentTypeError::new_err(reason)),
            Err(Stop::Error(error)) => Err(error),
        }
    }

    /// A record that there is no room for is lost, which is no error of the caller's.
    #[cold]
    fn lose(&mut self, error: Error) -> PyResult<()> {
        match error {
            Error::NoSegment { errno, .. } => {
                self.lost = Some((errno, error.to_string()));
                Ok(())
            }
            Error::RecordTooLarge { .. } => {
                self.lost = Some((0, error.to_string()));
                Ok(())
            }
            error => Err(to_py(error)),
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        !self.convert && self.refused.is_none() && self.skipped.is_empty() && self.lost.is_none()
    }
}

thread_local! {
    /// Each thread encodes over its last row. Taken out while it is in use: encoding can run a
    /// user's code, which may log.
    static LAST: Cell<Option<Box<Row>>> = const { Cell::new(None) };
}

/// One writer of a run.
#[pyclass(frozen)]
pub(crate) struct Writer {
    inner: writer::Writer,
    /// Nothing of a row is recorded of which a value cannot be.
    strict: bool,
}

fn stage(name: &str) -> PyResult<Stage> {
    match name {
        "disk" => Ok(Stage::Disk),
        "server" => Ok(Stage::Server),
        "done" => Ok(Stage::Done),
        other => Err(UsageError::new_err(format!("no such stage: {other:?}"))),
    }
}

fn to_step(step: &Bound<'_, PyAny>) -> PyResult<i64> {
    if let Ok(step) = step.extract::<i64>() {
        return if step <= MAX_STEP {
            Ok(step)
        } else {
            Err(step_too_large())
        };
    }
    let py = step.py();
    match py.import("operator")?.call_method1("index", (step,)) {
        // Below every step: refused as one that is smaller than the current one.
        Ok(index) if index.lt(0)? => Ok(i64::MIN),
        Ok(_) => Err(step_too_large()),
        Err(error) if error.is_instance_of::<PyTypeError>(py) => Err(not_a_step(step, None)),
        Err(error) if error.is_instance_of::<PyException>(py) => {
            Err(not_a_step(step, Some(&error)))
        }
        Err(error) => Err(error),
    }
}

#[cold]
fn not_a_step(step: &Bound<'_, PyAny>, error: Option<&PyErr>) -> PyErr {
    let name = match step.get_type().name() {
        Ok(name) => name.to_string(),
        Err(error) => return error,
    };
    let reason = error.map_or_else(String::new, |error| format!(": {error}"));
    ArgumentTypeError::new_err(format!("step must be an integer, got {name}{reason}"))
}

fn to_commit(commit: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
    if commit.is_none() {
        return Ok(None);
    }
    if let Ok(flag) = commit.cast::<PyBool>() {
        return Ok(Some(flag.is_true()));
    }
    let name = commit.get_type().name()?;
    // NumPy's, as of a comparison, and 0 and 1.
    let is_flag = match commit.cast::<PyInt>() {
        Ok(number) => matches!(number.extract::<i64>(), Ok(0 | 1)),
        Err(_other) => name == "bool" || name == "bool_",
    };
    if is_flag {
        return commit.is_truthy().map(Some);
    }
    Err(ArgumentTypeError::new_err(format!(
        "commit must be True, False or None, got {name}"
    )))
}

fn check_file_name(name: &str) -> PyResult<()> {
    if record::is_file_name(name) {
        Ok(())
    } else {
        let text = format!("{name:?} is no name of a file in a run");
        Err(UsageError::new_err(text))
    }
}

fn step_too_large() -> PyErr {
    UsageError::new_err(format!("step must be at most {MAX_STEP}"))
}

/// The summary that some states come to together.
pub(crate) fn whole(states: &[Vec<u8>]) -> PyResult<Summary> {
    let mut summary = Summary::default();
    for state in states {
        summary.absorb(&Summary::from_bytes(state).map_err(to_py)?);
    }
    Ok(summary)
}

impl Writer {
    #[inline]
    pub(crate) fn write(
        &self,
        data: &Bound<'_, PyDict>,
        (step, commit): (Option<&Bound<'_, PyAny>>, Option<&Bound<'_, PyAny>>),
        late: Option<&[u8]>,
    ) -> PyResult<Outcome> {
        let commit = commit.map_or(Ok(None), to_commit)?;
        let step = match step {
            Some(step) if !step.is_none() => Some(to_step(step)?),
            _ => None,
        };
        let mut row = LAST.take().unwrap_or_default();
        let outcome = self.write_row(&mut row, data, (step, commit), late);
        if !row.is_large() {
            LAST.set(Some(row));
        }
        outcome
    }

    #[inline]
    fn write_row(
        &self,
        row: &mut Row,
        data: &Bound<'_, PyDict>,
        (step, commit): (Option<i64>, Option<bool>),
        late: Option<&[u8]>,
    ) -> PyResult<Outcome> {
        let mut outcome = Outcome::default();
        if !outcome.encode(row, data)? || (self.strict && !outcome.skipped.is_empty()) {
            return Ok(outcome);
        }
        let wall = row.wall();
        match self.inner.log(row.bytes(), step, commit, wall, late) {
            Ok(Logged::At {
                position,
                step,
                runtime,
            }) => {
                outcome.position = Some(position);
                outcome.row = Some((step, runtime));
            }
            Ok(Logged::Refused(refused)) => {
                outcome.refused = Some((refused.step, refused.current));
            }
            Err(error) => outcome.lose(error)?,
        }
        Ok(outcome)
    }

    fn append(&self, payload: &[u8]) -> PyResult<u64> {
        self.inner.append(payload).map_err(to_py)
    }
}

#[pymethods]
impl Writer {
    #[new]
    #[pyo3(signature = (dir, *, run, writer, start, mapped, late_steps, strict, fsync_millis, heartbeat_millis, batch_bytes, base_url, entity, project, api_key, keys_file, ca_file=None, max_unsent_bytes=None, next_step=0, runtime_nanos=0, base=None, others=Vec::new()))]
    #[expect(clippy::too_many_arguments, reason = "all but the first are keywords")]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an extracted argument is owned"
    )]
    fn new(
        py: Python<'_>,
        dir: PathBuf,
        run: String,
        writer: String,
        start: &Bound<'_, PyDict>,
        mapped: bool,
        late_steps: bool,
        strict: bool,
        fsync_millis: u64,
        heartbeat_millis: u64,
        batch_bytes: usize,
        base_url: Option<String>,
        entity: String,
        project: String,
        api_key: Option<String>,
        keys_file: PathBuf,
        ca_file: Option<PathBuf>,
        max_unsent_bytes: Option<u64>,
        next_step: u64,
        runtime_nanos: u64,
        base: Option<Vec<Vec<u8>>>,
        others: Vec<Vec<u8>>,
    ) -> PyResult<Self> {
        if next_step > MAX_STEP.unsigned_abs() {
            return Err(step_too_large());
        }
        let base = base.map(|states| whole(&states)).transpose()?;
        let others = whole(&others)?;
        let target = base_url.map(|base_url| Target {
            base_url,
            entity,
            project,
            run: run.clone(),
            writer: writer.clone(),
            key: api_key.map_or(KeySource::File(keys_file), KeySource::Given),
            ca_file,
            revive: false,
        });
        let options = Options {
            dir,
            identity: Identity { run, writer },
            start: to_value(start.as_any())?,
            mode: if mapped { Mode::Auto } else { Mode::Written },
            sizes: SegmentSizes {
                unsent_bytes: max_unsent_bytes.unwrap_or(u64::MAX),
                ..SegmentSizes::default()
            },
            fsync: Duration::from_millis(fsync_millis),
            target,
            heartbeat: Duration::from_millis(heartbeat_millis),
            batch_bytes,
            late_steps: if late_steps {
                LateSteps::Merge
            } else {
                LateSteps::Refuse
            },
            past: Past {
                next_step,
                runtime: Duration::from_nanos(runtime_nanos),
                base,
                others,
            },
        };
        let inner = py.detach(|| writer::Writer::open(options)).map_err(to_py)?;
        Ok(Self { inner, strict })
    }

    /// `late` has the keys whose values `log_late` will log, each with None.
    #[pyo3(signature = (data, step=None, commit=None, late=None))]
    fn log(
        &self,
        data: &Bound<'_, PyDict>,
        step: Option<&Bound<'_, PyAny>>,
        commit: Option<&Bound<'_, PyAny>>,
        late: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Outcome> {
        let mut row = Row::default();
        let late = match late {
            Some(late) if Outcome::default().encode(&mut row, late)? => {
                row.bytes().get(HistoryBuilder::VALUES_AT..)
            }
            _ => None,
        };
        self.write(data, (step, commit), late)
    }

    /// Values that were not ready when their row was logged.
    fn log_late(&self, data: &Bound<'_, PyDict>, row: (u64, u64)) -> PyResult<Outcome> {
        let mut outcome = Outcome::default();
        let mut late = Row::default();
        if outcome.encode(&mut late, data)? {
            match self.inner.log_late(late.bytes(), row.0, row.1) {
                Ok(position) => outcome.position = Some(position),
                Err(error) => outcome.lose(error)?,
            }
        }
        Ok(outcome)
    }

    fn define_metric(
        &self,
        py: Python<'_>,
        definition: &Bound<'_, PyDict>,
        overwrite: bool,
    ) -> PyResult<u64> {
        let metric = Metric::from_value(&to_value(definition.as_any())?).map_err(to_py)?;
        py.detach(|| self.inner.define(&metric, overwrite))
            .map_err(to_py)
    }

    fn put_config(&self, entries: &Bound<'_, PyDict>) -> PyResult<u64> {
        self.append(&record::config(
            self.inner.wall(),
            &to_value(entries.as_any())?,
        ))
    }

    #[pyo3(signature = (written, deleted))]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an extracted argument is owned"
    )]
    fn put_summary(
        &self,
        written: Vec<(Vec<String>, Bound<'_, PyAny>)>,
        deleted: Vec<Vec<String>>,
    ) -> PyResult<u64> {
        let mut set = Vec::with_capacity(written.len());
        for (path, value) in written {
            set.push((path, to_value(&value)?));
        }
        self.append(&record::summary(self.inner.wall(), &deleted, &set))
    }

    fn put_facts(&self, facts: &Bound<'_, PyDict>) -> PyResult<u64> {
        self.append(&record::facts(
            self.inner.wall(),
            &to_value(facts.as_any())?,
        ))
    }

    fn put_artifact(&self, said: &Bound<'_, PyDict>) -> PyResult<u64> {
        self.append(&record::artifact(
            self.inner.wall(),
            &to_value(said.as_any())?,
        ))
    }

    fn put_file(&self, name: &str, content: &[u8]) -> PyResult<u64> {
        check_file_name(name)?;
        self.append(&record::file(self.inner.wall(), name, content))
    }

    fn put_blob(&self, name: &str, sha256: [u8; 32], size: u64) -> PyResult<u64> {
        check_file_name(name)?;
        self.append(&record::blob(self.inner.wall(), name, &sha256, size))
    }

    fn put_sample(&self, values: &Bound<'_, PyDict>) -> PyResult<u64> {
        let values = to_value(values.as_any())?;
        let (wall, runtime) = self.inner.now();
        let Value::Map(values) = &values else {
            return Err(UsageError::new_err("a sample is a dict"));
        };
        let values: Vec<_> = values
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        self.append(&record::sample(wall, runtime, &values))
    }

    fn put_output(&self, stream: u8, text: &str) -> PyResult<u64> {
        if !matches!(stream, 1 | 2) {
            return Err(UsageError::new_err("a stream is 1 or 2"));
        }
        self.append(&record::output(self.inner.wall(), stream, text, None))
    }

    /// How the stream is taken: `redirect`, `terminal` with the terminal's own number, or `given`.
    fn take_output(&self, py: Python<'_>, stream: u8) -> PyResult<(&'static str, i32)> {
        if !matches!(stream, 1 | 2) {
            return Err(UsageError::new_err("a stream is 1 or 2"));
        }
        #[cfg(target_os = "linux")]
        return py
            .detach(|| self.inner.take_output(stream))
            .map(|way| match way {
                Way::Redirected => ("redirect", -1),
                Way::Terminal(number) => ("terminal", number),
                Way::Given => ("given", -1),
            })
            .map_err(to_py);
        #[cfg(not(target_os = "linux"))]
        {
            let _nothing_to_take = py;
            Ok(("given", -1))
        }
    }

    /// How many texts are not recorded; and what is not forwarded: stream, bytes and error of each.
    fn leave_output(&self, py: Python<'_>, timeout_secs: f64) -> (u64, Vec<(u8, u64, i32)>) {
        let timeout = Duration::try_from_secs_f64(timeout_secs).unwrap_or(Duration::ZERO);
        #[cfg(target_os = "linux")]
        {
            let left = py.detach(|| self.inner.leave_output(timeout));
            let lost = left.unforwarded.iter();
            let lost = lost.map(|lost| (lost.number, lost.bytes, lost.errno));
            (left.unrecorded, lost.collect())
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _nothing_to_wait_for = (py, timeout);
            (0, Vec::new())
        }
    }

    fn put_alert(&self, title: &str, text: &str, level: &str, wait_millis: i64) -> PyResult<u64> {
        let alert = record::Alert {
            title,
            text,
            level,
            wait_millis,
        };
        self.append(&record::alert(self.inner.wall(), &alert))
    }

    fn mark_preempting(&self) -> PyResult<u64> {
        self.append(&record::preempting(self.inner.wall()))
    }

    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let summary = py.detach(|| self.inner.summary()).map_err(to_py)?;
        to_dict(py, &summary.to_map())
    }

    fn trends(&self, py: Python<'_>) -> PyResult<Vec<(String, Vec<f64>)>> {
        py.detach(|| self.inner.trends()).map_err(to_py)
    }

    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let status = py.detach(|| self.inner.status());
        let dict = PyDict::new(py);
        for (name, value) in [
            ("records", status.records),
            ("rows", status.rows),
            ("values", status.values),
            ("lost", status.lost),
            ("last", status.last),
            ("synced", status.synced),
            ("synced_records", status.synced_records),
            ("acknowledged", status.acknowledged),
            ("acknowledged_records", status.acknowledged_records),
            ("waiting_bytes", status.waiting_bytes),
        ] {
            dict.set_item(name, value)?;
        }
        dict.set_item("rate", status.rate)?;
        dict.set_item("mapped", status.mapped)?;
        dict.set_item("server", status.server)?;
        dict.set_item(
            "storage_error",
            status.storage_error.map(|(_, reason)| reason),
        )?;
        set_blobs(&dict, &status.blobs)?;
        set_upload(&dict, &status.upload)?;
        Ok(dict)
    }

    #[getter]
    fn step(&self) -> u64 {
        self.inner.step()
    }

    #[getter]
    fn end(&self) -> u64 {
        self.inner.end()
    }

    #[getter]
    pub(crate) fn is_forked(&self) -> bool {
        self.inner.is_forked()
    }

    #[getter]
    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn release_inherited_lock(&self) {
        self.inner.release_inherited_lock();
    }

    fn want_sync(&self) {
        self.inner.want_sync();
    }

    fn subscribe(&self, name: &str, position: u64) -> PyResult<i32> {
        let stage = stage(name)?;
        let socket = self
            .inner
            .progress()
            .subscribe(stage, position)
            .map_err(|error| os_error(&error))?;
        Ok(socket.into_raw_fd())
    }

    fn wait(&self, py: Python<'_>, name: &str, position: u64, timeout_secs: f64) -> PyResult<bool> {
        let stage = stage(name)?;
        let timeout = Duration::try_from_secs_f64(timeout_secs).unwrap_or(Duration::ZERO);
        Ok(py.detach(|| self.inner.progress().wait(stage, position, timeout)))
    }

    fn begin_finish(&self, py: Python<'_>, exit_code: i64, deadline_secs: f64) -> PyResult<()> {
        let deadline = Duration::try_from_secs_f64(deadline_secs).unwrap_or(Duration::ZERO);
        py.detach(|| self.inner.begin_finish(exit_code, deadline))
            .map_err(to_py)
    }

    fn correct_exit(&self, py: Python<'_>, exit_code: i32) -> PyResult<()> {
        py.detach(|| self.inner.correct_exit(exit_code))
            .map_err(to_py_log)
    }

    fn expect_exit(&self, py: Python<'_>, exit_code: i64) {
        py.detach(|| self.inner.expect_exit(exit_code));
    }

    fn join(&self, py: Python<'_>, timeout_secs: f64) -> PyResult<bool> {
        let timeout = Duration::try_from_secs_f64(timeout_secs).unwrap_or(Duration::ZERO);
        py.detach(|| self.inner.join(timeout)).map_err(to_py)
    }
}

/// Writes an upload's state into a dict, as `upload`, `upload_status` and `upload_reason`.
pub(crate) fn set_upload(dict: &Bound<'_, PyDict>, upload: &UploadState) -> PyResult<()> {
    let (name, status, reason) = match upload {
        UploadState::Off => ("off", None, None),
        UploadState::Connecting => ("connecting", None, None),
        UploadState::Connected => ("connected", None, None),
        UploadState::Waiting { reason } => ("waiting", None, Some(reason)),
        UploadState::Refused { status, reason } => ("refused", Some(*status), Some(reason)),
    };
    dict.set_item("upload", name)?;
    dict.set_item("upload_status", status)?;
    dict.set_item("upload_reason", reason)
}

/// Writes how far large files are into a dict: how many wait, how much was sent, and why no more.
pub(crate) fn set_blobs(dict: &Bound<'_, PyDict>, blobs: &BlobState) -> PyResult<()> {
    dict.set_item("files_waiting", blobs.wanted)?;
    dict.set_item("file_bytes_sent", blobs.sent_bytes)?;
    dict.set_item("files_reason", &blobs.reason)
}
