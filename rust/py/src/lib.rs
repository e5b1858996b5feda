//! `steplog._core`: types cross here, logic does not.

mod convert;
mod encode;
mod error;
mod histogram;
mod ingest;
mod left_files;
mod output;
mod pattern;
mod png;
mod recorder;
mod row;
mod runlog;
mod table;
mod table_file;
mod writer;

use pyo3::prelude::*;

/// The Rust core of steplog.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use crate::histogram::histogram;
    #[pymodule_export]
    use crate::ingest::{
        Decoded, Decoder, attempt_parts, merge_summaries, open_lines, peek_start, unpack_value,
    };

    #[pymodule_export]
    use crate::left_files::LeftFiles;
    #[pymodule_export]
    use crate::output::{
        RawWrite, ask_output, cut_output, give_output_back, has_unread_output,
        is_output_given_back, resume_output, suspend_output, take_rests, wait_output,
    };
    #[pymodule_export]
    use crate::pattern::Pattern;
    #[pymodule_export]
    use crate::png::encode_png;
    #[pymodule_export]
    use crate::recorder::Recorder;
    #[pymodule_export]
    use crate::runlog::{Rows, RunLog, SyncJob, is_live};
    #[pymodule_export]
    use crate::table::encode_rows;
    #[pymodule_export]
    use crate::table_file::{TableBlocks, TableScan};
    #[pymodule_export]
    use crate::writer::{Outcome, Writer};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::error::import_classes(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
