//! `steplog._core`: types cross here, logic does not.

mod convert;
mod error;
mod ingest;

use pyo3::prelude::*;

/// The Rust core of steplog.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use crate::ingest::{Decoded, Decoder, merge_summaries, peek_start, unpack_value};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
