//! Every way in which the core can fail.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong, with what is needed to say where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused an operation on a file.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The writer has been finished and takes no more records.
    #[error("the run is finished: it takes nothing more")]
    Closed,
    /// This process is a fork of the one that opened the writer.
    #[error("the log belongs to the parent process of this fork")]
    Forked,
    /// No segment could be had for the record, which is lost.
    #[error("the log takes no more: {reason}")]
    NoSegment {
        /// The system's error number, 0 when it gave none.
        errno: i32,
        /// The system's reason.
        reason: String,
    },
    /// A record is larger than the format allows.
    #[error("a record of {bytes} bytes is over the limit of {limit} bytes")]
    RecordTooLarge {
        /// Size of the encoded record.
        bytes: usize,
        /// Greatest size of a record.
        limit: usize,
    },
    /// Another live process writes this log.
    #[error("{} is being written by a live process", path.display())]
    Locked {
        /// The writer's folder.
        path: PathBuf,
    },
    /// An id cannot name a writer or a run.
    #[error("the {what} {value:?} is not valid: {reason}")]
    Id {
        /// Which id.
        what: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Bytes are not what the format says they are.
    #[error("malformed {what} at byte {at}")]
    Malformed {
        /// What was being read.
        what: &'static str,
        /// Where, from the start of what was handed in.
        at: usize,
    },
    /// The file of a table cannot be read.
    #[error("{what} (byte {at})")]
    Table {
        /// Why.
        what: &'static str,
        /// Where in the file.
        at: u64,
    },
    /// A row of a table is longer or shorter than it has columns.
    #[error("row {row} has {cells} cells, there are {columns} columns")]
    TableRow {
        /// Its number, from 0 on.
        row: u64,
        /// How many it has; one more than there are columns stands for any more.
        cells: usize,
        /// How many it should have.
        columns: usize,
    },
    /// A file is of a format version that this build does not read.
    #[error("format version {found} is not supported, this build reads {supported}")]
    Version {
        /// The version found.
        found: u16,
        /// The version that can be read.
        supported: u16,
    },
    /// A batch is larger, decoded, than the receiver accepts.
    #[error("the batch is over the limit of {limit} bytes decoded")]
    BatchTooLarge {
        /// Greatest size in bytes.
        limit: usize,
    },
    /// A text is not a regex that can be matched in linear time.
    #[error("not a regex: {reason}")]
    Pattern {
        /// What is wrong with it.
        reason: String,
    },
    /// The server's address cannot be used.
    #[error("the server's address {url:?} cannot be used: {reason}")]
    Address {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificates to trust cannot be read.
    #[error("ca_file cannot be used: {reason}: {}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A thread of ours died; always a bug.
    #[error("the thread {name} died")]
    Thread {
        /// The thread's name.
        name: &'static str,
    },
}

/// Result of the core's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Adapts an `io::Error` to [`Error::Io`] with the file it is about.
pub(crate) fn io_at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_path_buf();
    move |source| Error::Io {
        action,
        path,
        source,
    }
}
