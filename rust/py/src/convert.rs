//! Core values as Python objects.

use pyo3::IntoPyObjectExt as _;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyList};
use steplog_core::value::Value;

/// The Python object of a value: int of any size, float bit for bit.
pub(crate) fn to_object<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Nil => Ok(py.None().into_bound(py)),
        Value::Bool(value) => value.into_bound_py_any(py),
        Value::Int(value) => value.into_bound_py_any(py),
        Value::BigInt(text) => py.get_type::<PyInt>().call1((text,)),
        Value::Float(value) => value.into_bound_py_any(py),
        Value::Str(text) => text.into_bound_py_any(py),
        Value::List(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(to_object(py, item)?)?;
            }
            Ok(list.into_any())
        }
        Value::Map(entries) => Ok(to_dict(py, entries)?.into_any()),
    }
}

/// A dict of the entries, in order.
pub(crate) fn to_dict<'py>(
    py: Python<'py>,
    entries: &[(String, Value)],
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (key, value) in entries {
        dict.set_item(key, to_object(py, value)?)?;
    }
    Ok(dict)
}
