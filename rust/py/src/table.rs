//! Rows of a table as JSON: the cells that are plain; what another one is, Python is asked.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use steplog_core::table_json::Rows;

use crate::error::classes::InternalError;

/// Deeper than what Python makes of a cell.
const MAX_DEPTH: usize = 80;

/// Why a cell is not taken as it is.
enum Stop {
    /// It holds something that is not plain.
    Convert,
    Error(PyErr),
}

impl From<PyErr> for Stop {
    fn from(error: PyErr) -> Self {
        Self::Error(error)
    }
}

/// Rows, which are lists or tuples, as JSON arrays with commas between them.
///
/// The interpreter's lock is held while cells are read, and let go while their text is written.
///
/// Args:
///     rows: Some thousand cells at most.
///     `nan_is_null`: For each column, whether NaN is null in it.
///     otherwise: What makes a cell plain that is not; called with it and its column's number.
///
/// Raises:
///     `InternalError`: What `otherwise` has returned is not plain.
#[pyfunction]
#[expect(
    clippy::needless_pass_by_value,
    reason = "an extracted argument is owned"
)]
pub(crate) fn encode_rows<'py>(
    rows: &Bound<'py, PyList>,
    nan_is_null: Vec<bool>,
    otherwise: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = rows.py();
    let mut gathered = Rows::default();
    for row in rows.iter() {
        gathered.open_list();
        if let Ok(cells) = row.cast::<PyList>() {
            for (column, cell) in cells.iter().enumerate() {
                add_cell(&mut gathered, (&cell, column), otherwise)?;
            }
        } else {
            for (column, cell) in row.cast::<PyTuple>()?.iter_borrowed().enumerate() {
                add_cell(&mut gathered, (&cell, column), otherwise)?;
            }
        }
        gathered.close();
    }
    let json = py.detach(|| gathered.to_json(&nan_is_null));
    Ok(PyBytes::new(py, &json))
}

fn add_cell(
    rows: &mut Rows,
    (cell, column): (&Bound<'_, PyAny>, usize),
    otherwise: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let mark = rows.mark();
    match add(rows, cell, MAX_DEPTH) {
        Ok(()) => return Ok(()),
        Err(Stop::Convert) => rows.cut(mark),
        Err(Stop::Error(error)) => return Err(error),
    }
    let plain = otherwise.call1((cell, column))?;
    match add(rows, &plain, MAX_DEPTH) {
        Ok(()) => Ok(()),
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::Convert) => Err(InternalError::new_err("a cell of a table is not plain")),
    }
}

#[inline]
fn add(rows: &mut Rows, value: &Bound<'_, PyAny>, depth: usize) -> Result<(), Stop> {
    if let Ok(float) = value.cast::<PyFloat>() {
        rows.add_float(float.value());
    } else if let Ok(flag) = value.cast::<PyBool>() {
        rows.add_bool(flag.is_true());
    } else if let Ok(integer) = value.cast_exact::<PyInt>() {
        add_integer(rows, integer)?;
    } else if let Ok(text) = value.cast::<PyString>() {
        rows.add_text(text.to_str().map_err(|_lone_surrogate| Stop::Convert)?);
    } else if value.is_none() {
        rows.add_null();
    } else {
        add_container(rows, value, depth)?;
    }
    Ok(())
}

fn add_integer(rows: &mut Rows, integer: &Bound<'_, PyInt>) -> Result<(), Stop> {
    if let Ok(small) = integer.extract::<i64>() {
        rows.add_int(small);
    } else {
        // Over the interpreter's limit of digits; Python says so of the cell.
        let digits = integer.repr().map_err(|_too_many_digits| Stop::Convert)?;
        rows.add_digits(digits.to_str()?);
    }
    Ok(())
}

fn add_container(rows: &mut Rows, value: &Bound<'_, PyAny>, depth: usize) -> Result<(), Stop> {
    let depth = depth.checked_sub(1).ok_or(Stop::Convert)?;
    if let Ok(list) = value.cast_exact::<PyList>() {
        rows.open_list();
        for item in list.iter() {
            add(rows, &item, depth)?;
        }
    } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        rows.open_list();
        for item in tuple.iter_borrowed() {
            add(rows, &item, depth)?;
        }
    } else if let Ok(dict) = value.cast_exact::<PyDict>() {
        rows.open_map();
        for (key, item) in dict.iter() {
            let key = key.cast::<PyString>().map_err(|_no_text| Stop::Convert)?;
            rows.add_text(key.to_str().map_err(|_lone_surrogate| Stop::Convert)?);
            add(rows, &item, depth)?;
        }
    } else {
        return Err(Stop::Convert);
    }
    rows.close();
    Ok(())
}
