//! The server's side: batches in, blocks and metadata out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use steplog_core::attempt::{Attempt, parts};
use steplog_core::batch;
use steplog_core::console::Console;
use steplog_core::ingest::{self, Content, Progress};
use steplog_core::native::{Series, lines_block};
use steplog_core::record::Record;
use steplog_core::value::{Cursor, Value};

use crate::convert::{to_dict, to_object};
use crate::error::to_py;
use crate::writer::whole;

/// One writer's way from batches to blocks.
#[pyclass(frozen)]
pub(crate) struct Decoder {
    inner: Mutex<ingest::Decoder>,
}

impl Decoder {
    fn with<T>(&self, act: impl FnOnce(&mut ingest::Decoder) -> T) -> T {
        // The core leaves a decoder unchanged on errors, and it does not panic while it changes one.
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[pymethods]
impl Decoder {
    #[new]
    fn new(run: u64, writer: String, label: String, generation: u32) -> Self {
        let series = Series {
            run,
            writer,
            label,
            generation,
        };
        Self {
            inner: Mutex::new(ingest::Decoder::new(series)),
        }
    }

    fn restore(
        &self,
        py: Python<'_>,
        last_steps: Vec<(String, i64)>,
        summary: &[u8],
        console: &[u8],
    ) -> PyResult<()> {
        let last_steps: HashMap<String, i64> = last_steps.into_iter().collect();
        py.detach(|| self.with(|inner| inner.restore(last_steps, summary, console)))
            .map_err(to_py)
    }

    #[pyo3(signature = (body, *, after, acknowledged, points_after, patches_after, samples_after, lines_after, max_decoded_bytes))]
    #[expect(clippy::too_many_arguments, reason = "all but the first are keywords")]
    fn decode(
        &self,
        py: Python<'_>,
        body: &[u8],
        after: u64,
        acknowledged: u64,
        points_after: u64,
        patches_after: u64,
        samples_after: u64,
        lines_after: (u64, u64),
        max_decoded_bytes: usize,
    ) -> PyResult<Decoded> {
        let progress = Progress {
            acknowledged,
            points: points_after,
            patches: patches_after,
            samples: samples_after,
            lines: lines_after,
        };
        py.detach(|| {
            self.with(|inner| {
                let decoded = inner.decode(body, after, progress, max_decoded_bytes)?;
                let points = decoded.points.finish(inner.series());
                let patches = decoded.patches.finish(inner.series());
                let samples = decoded.samples.finish(inner.series());
                let lines = lines_block(&decoded.lines, inner.series());
                Ok(Decoded {
                    inner: decoded,
                    points,
                    patches,
                    samples,
                    lines,
                })
            })
        })
        .map_err(to_py)
    }

    fn console_state<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let state = py.detach(|| self.with(|inner| inner.console().to_bytes()));
        PyBytes::new(py, &state)
    }

    fn summary_state<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let state = py.detach(|| self.with(|inner| inner.summary().to_bytes()));
        PyBytes::new(py, &state)
    }
}

/// How many lines a writer has printed, and those that may still change: number, wall clock, stream,
/// rewrites, text, text without colours where it has some, what it was before.
#[pyfunction]
pub(crate) fn open_lines(state: &[u8]) -> PyResult<(u64, Vec<OpenLine>)> {
    let console = Console::from_bytes(state).map_err(to_py)?;
    let lines = console.open().into_iter();
    let lines = lines.map(|line| {
        let (text, plain, versions) = (line.text, line.plain, line.versions);
        (
            line.number,
            line.wall,
            line.stream,
            line.rewrites,
            text,
            plain,
            versions,
        )
    });
    Ok((console.count(), lines.collect()))
}

type OpenLine = (u64, i64, u8, u32, String, String, String);

/// What a batch comes to.
#[pyclass(frozen)]
pub(crate) struct Decoded {
    inner: ingest::Decoded,
    points: Vec<u8>,
    patches: Vec<u8>,
    samples: Vec<u8>,
    lines: Vec<u8>,
}

#[pymethods]
impl Decoded {
    #[getter]
    fn after(&self) -> u64 {
        self.inner.after
    }
    #[getter]
    fn end(&self) -> u64 {
        self.inner.end
    }
    #[getter]
    fn records(&self) -> u64 {
        self.inner.records
    }
    #[getter]
    fn skipped_kinds(&self) -> u64 {
        self.inner.skipped
    }
    #[getter]
    fn points<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.points)
    }
    #[getter]
    fn point_rows(&self) -> usize {
        self.inner.points.rows()
    }
    #[getter]
    fn patches<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.patches)
    }
    #[getter]
    fn patch_rows(&self) -> usize {
        self.inner.patches.rows()
    }
    #[getter]
    fn samples<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.samples)
    }
    #[getter]
    fn lines<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.lines)
    }
    #[getter]
    fn last_sample(&self) -> u64 {
        self.inner.samples.last_position()
    }
    #[getter]
    fn last_point(&self) -> u64 {
        self.inner.points.last_position()
    }
    #[getter]
    fn last_patch(&self) -> u64 {
        self.inner.patches.last_position()
    }
    #[getter]
    fn start<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner
            .start
            .as_ref()
            .map(|value| to_object(py, value))
            .transpose()
    }
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Vec<(i64, Bound<'py, PyAny>)>> {
        timed(py, &self.inner.config)
    }
    #[getter]
    fn exit_code(&self) -> Option<i64> {
        self.inner.exit_code
    }

    #[getter]
    fn facts<'py>(&self, py: Python<'py>) -> PyResult<Vec<(i64, Bound<'py, PyAny>)>> {
        timed(py, &self.inner.facts)
    }

    #[getter]
    fn artifacts<'py>(&self, py: Python<'py>) -> PyResult<Vec<(i64, Bound<'py, PyAny>)>> {
        timed(py, &self.inner.artifacts)
    }

    #[getter]
    fn files<'py>(&self, py: Python<'py>) -> Vec<(&str, i64, Bound<'py, PyBytes>)> {
        let files = self.inner.files.iter();
        files
            .filter_map(|(name, (wall, content))| match content {
                Content::Bytes(bytes) => Some((name.as_str(), *wall, PyBytes::new(py, bytes))),
                Content::Blob { .. } => None,
            })
            .collect()
    }

    #[getter]
    fn blobs<'py>(&self, py: Python<'py>) -> Vec<(&str, i64, Bound<'py, PyBytes>, u64)> {
        let files = self.inner.files.iter();
        files
            .filter_map(|(name, (wall, content))| match content {
                Content::Bytes(_) => None,
                Content::Blob { sha256, size } => {
                    Some((name.as_str(), *wall, PyBytes::new(py, sha256), *size))
                }
            })
            .collect()
    }

    #[getter]
    fn alerts(&self) -> Vec<(u64, i64, &str, &str, &str, i64)> {
        let alerts = self.inner.alerts.iter();
        let alerts = alerts.map(|(position, wall, alert)| {
            let (title, text) = (alert.title.as_str(), alert.text.as_str());
            (
                *position,
                *wall,
                title,
                text,
                alert.level.as_str(),
                alert.wait_millis,
            )
        });
        alerts.collect()
    }

    #[getter]
    fn preempting(&self) -> bool {
        self.inner.preempting
    }
    #[getter]
    fn keys(&self) -> Vec<(&str, u32, u64, i64)> {
        let keys = self.inner.keys.iter();
        keys.map(|(key, stats)| (key.as_str(), stats.kinds, stats.count, stats.last_step))
            .collect()
    }
    #[getter]
    fn first_wall(&self) -> i64 {
        self.inner.walls.map_or(0, |(first, _)| first)
    }
    #[getter]
    fn last_wall(&self) -> i64 {
        self.inner.walls.map_or(0, |(_, last)| last)
    }
    #[getter]
    fn last_step(&self) -> i64 {
        self.inner.last_step
    }
    #[getter]
    fn heartbeat(&self) -> bool {
        self.inner.heartbeat
    }
}

fn timed<'py>(
    py: Python<'py>,
    records: &[(i64, Value)],
) -> PyResult<Vec<(i64, Bound<'py, PyAny>)>> {
    let records = records.iter();
    records
        .map(|(wall, value)| Ok((*wall, to_object(py, value)?)))
        .collect()
}

#[pyfunction]
pub(crate) fn peek_start<'py>(
    py: Python<'py>,
    body: &[u8],
    max_decoded_bytes: usize,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let plain = py
        .detach(|| batch::decompress(body, max_decoded_bytes))
        .map_err(to_py)?;
    let records = batch::read(&plain).map_err(to_py)?;
    let Some((_, payload)) = records.items.first() else {
        return Ok(None);
    };
    match Record::parse(payload).map_err(to_py)? {
        Record::Start(identity) => to_object(py, &identity).map(Some),
        _ => Ok(None),
    }
}

#[pyfunction]
#[expect(
    clippy::needless_pass_by_value,
    reason = "an extracted argument is owned"
)]
pub(crate) fn merge_summaries(
    py: Python<'_>,
    states: Vec<Vec<u8>>,
) -> PyResult<(Bound<'_, PyDict>, Bound<'_, PyAny>)> {
    let merged = whole(&states)?;
    let metrics = to_object(py, &merged.metrics().to_value())?;
    Ok((to_dict(py, &merged.to_map())?, metrics))
}

#[pyfunction]
pub(crate) fn unpack_value<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let mut cursor = Cursor::new(data);
    let value: Value = cursor.value("value").map_err(to_py)?;
    to_object(py, &value)
}

/// What is left of attempts (label, generation, resumed, first step): the first step that a later
/// one masks, None for no such, and whether its summary counts.
#[pyfunction]
#[expect(
    clippy::needless_pass_by_value,
    reason = "an extracted argument is owned"
)]
pub(crate) fn attempt_parts(attempts: Vec<(String, u32, bool, i64)>) -> Vec<(Option<i64>, bool)> {
    let attempts: Vec<_> = attempts
        .iter()
        .map(|(label, generation, resumed, start_step)| Attempt {
            label,
            generation: *generation,
            resumed: *resumed,
            start_step: *start_step,
        })
        .collect();
    let left = parts(&attempts).into_iter();
    left.map(|part| ((!part.is_summed).then_some(part.end_step), part.is_summed))
        .collect()
}
