//! Histograms of what lies in memory.

use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyMemoryView, PySlice};
use steplog_core::histogram::{MAX_BINS, Real, histogram as histogram_of};

/// Elements that are copied at once; in between another thread may run.
const BLOCK: usize = 1 << 13;
const TURN: usize = 1 << 20;

/// Counts, edges, and how many are NaN, infinite, and infinite below zero.
type Found = (Vec<u64>, Vec<f64>, u64, u64, u64);

/// The histogram of a buffer of float32 or float64 in one dimension.
#[pyfunction]
pub(crate) fn histogram(numbers: &Bound<'_, PyAny>, bins: usize) -> PyResult<Found> {
    if !(1..=MAX_BINS).contains(&bins) {
        return Err(PyValueError::new_err(format!(
            "a histogram has 1 to {MAX_BINS} bins, got {bins}"
        )));
    }
    let view = PyMemoryView::from(numbers)?;
    if PyBuffer::<f32>::get(&view).is_ok() {
        return found::<f32>(&view, bins);
    }
    if PyBuffer::<f64>::get(&view).is_ok() {
        return found::<f64>(&view, bins);
    }
    Err(PyTypeError::new_err(
        "a histogram is counted of float32 or float64",
    ))
}

fn found<R: Real + Element + Default>(
    view: &Bound<'_, PyMemoryView>,
    bins: usize,
) -> PyResult<Found> {
    let len = view.len()?;
    let mut failed = Ok(());
    let found = histogram_of(len, bins, |each: &mut dyn FnMut(&[R])| {
        if failed.is_ok() {
            failed = by_blocks(view, len, each);
        }
    });
    failed?;
    Ok((
        found.counts,
        found.edges,
        found.nan,
        found.inf,
        found.neg_inf,
    ))
}

fn by_blocks<R: Real + Element + Default>(
    view: &Bound<'_, PyMemoryView>,
    len: usize,
    each: &mut dyn FnMut(&[R]),
) -> PyResult<()> {
    let py = view.py();
    let mut copied = vec![R::default(); BLOCK.min(len)];
    for start in (0..len).step_by(BLOCK) {
        let stop = len.min(start + BLOCK);
        let range = PySlice::new(py, start.cast_signed(), stop.cast_signed(), 1);
        let block = copied.get_mut(..stop - start).unwrap_or_default();
        PyBuffer::<R>::get(&view.get_item(range)?)?.copy_to_slice(py, block)?;
        each(block);
        if start.is_multiple_of(TURN) {
            py.detach(|| ());
        }
    }
    Ok(())
}
