//! The core of steplog: records, the write-ahead log, the merge of steps into rows, the summary and
//! the upload. Nothing here knows Python.
//!
//! The way of a value: [`record`] → the log → [`batch`] → the server's [`ingest`] → [`native`].

#![cfg_attr(
    not(feature = "upload"),
    allow(
        dead_code,
        unused_imports,
        reason = "what only the threads that write and send use"
    )
)]

mod aggregate;
pub mod attempt;
#[cfg(feature = "upload")]
pub mod background;
pub mod batch;
#[cfg(feature = "upload")]
pub mod blobs;
pub mod clock;
pub mod console;
mod dead_log;
pub mod drain;
pub mod error;
#[cfg(feature = "upload")]
#[expect(unsafe_code, reason = "one call of the C library")]
mod exit_status;
pub mod frame;
pub mod histogram;
pub mod ingest;
pub mod left_files;
mod memory;
pub mod metric;
pub mod native;
pub mod octaves;
#[cfg(all(feature = "upload", target_os = "linux"))]
pub mod output;
pub mod path;
pub mod pattern;
mod platform;
#[cfg(feature = "upload")]
mod printed;
pub mod progress;
#[cfg(test)]
mod proof;
pub mod reader;
pub mod record;
mod repeat;
#[cfg(feature = "upload")]
pub mod rest;
pub mod runlog;
mod segment;
mod sgr;
pub mod signal;
pub mod source;
pub mod standing;
pub mod steps;
mod stepset;
pub mod summary;
mod sums;
mod sync;
mod synced;
pub mod table;
pub mod table_json;
#[expect(
    unsafe_code,
    reason = "a signal handler finds the logs through a static list"
)]
mod termination;
#[cfg(feature = "upload")]
pub mod transport;
pub mod trend;
mod unsent;
#[cfg(feature = "upload")]
pub mod upload;
pub mod value;
pub mod wal;
#[cfg(feature = "upload")]
pub mod writer;
