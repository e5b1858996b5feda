//! The one map from the core's errors to Python's exceptions.

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use steplog_core::error::Error;

/// The exception classes, defined once in `steplog/_errors.py`.
pub(crate) mod classes {
    pyo3::import_exception!(steplog._errors, ArgumentTypeError);
    pyo3::import_exception!(steplog._errors, BatchError);
    pyo3::import_exception!(steplog._errors, BatchTooLargeError);
    pyo3::import_exception!(steplog._errors, CorruptLogError);
    pyo3::import_exception!(steplog._errors, InternalError);
    pyo3::import_exception!(steplog._errors, RunClosedError);
    pyo3::import_exception!(steplog._errors, StorageError);
    pyo3::import_exception!(steplog._errors, UsageError);
}

/// Looks the classes up now: when the interpreter ends, a finalizer that logs can import nothing.
pub(crate) fn import_classes(py: Python<'_>) -> PyResult<()> {
    py.import("steplog._errors")?;
    py.get_type::<classes::ArgumentTypeError>();
    py.get_type::<classes::BatchError>();
    py.get_type::<classes::BatchTooLargeError>();
    py.get_type::<classes::CorruptLogError>();
    py.get_type::<classes::InternalError>();
    py.get_type::<classes::RunClosedError>();
    py.get_type::<classes::StorageError>();
    py.get_type::<classes::UsageError>();
    Ok(())
}

/// Adapts an error of the core, for `map_err`.
pub(crate) fn to_py(error: Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::Io { source, .. } => match source.raw_os_error() {
            Some(errno) => classes::StorageError::new_err((errno, text)),
            None => classes::StorageError::new_err(text),
        },
        Error::NoSegment { errno, .. } => classes::StorageError::new_err((errno, text)),
        Error::Locked { .. } => classes::StorageError::new_err(text),
        Error::Closed => classes::RunClosedError::new_err(text),
        Error::RecordTooLarge { .. }
        | Error::Id { .. }
        | Error::Address { .. }
        | Error::Certificates { .. }
        | Error::Pattern { .. } => classes::UsageError::new_err(text),
        Error::Malformed { .. } | Error::Version { .. } => classes::BatchError::new_err(text),
        Error::Table { .. } | Error::TableRow { .. } => PyValueError::new_err(text),
        Error::BatchTooLarge { .. } => classes::BatchTooLargeError::new_err(text),
        Error::Forked | Error::Thread { .. } => classes::InternalError::new_err(text),
    }
}

/// Names the call of a run that is finished.
#[cold]
pub(crate) fn name_closed(error: PyErr, py: Python<'_>, call: &str) -> PyErr {
    if !error.is_instance_of::<classes::RunClosedError>(py) {
        return error;
    }
    let named = py
        .get_type::<classes::RunClosedError>()
        .call_method1("at", (call,));
    named.map_or_else(|error| error, PyErr::from_value)
}

/// For errors of reading a log rather than a batch.
pub(crate) fn to_py_log(error: Error) -> PyErr {
    match error {
        Error::Malformed { .. } | Error::Version { .. } => {
            classes::CorruptLogError::new_err(error.to_string())
        }
        other => to_py(other),
    }
}

/// An `OSError` of the interpreter's own kind, for errors that are not about the log.
pub(crate) fn os_error(error: &std::io::Error) -> PyErr {
    PyOSError::new_err((error.raw_os_error(), error.to_string()))
}
