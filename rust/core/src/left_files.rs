//! Files that a process which was killed has left in the run's folder, and that are not in its log.

use std::collections::HashMap;
use std::path::Path;

use crate::dead_log::DeadLog;
use crate::error::Result;
use crate::reader::LogReader;
use crate::record::{self, Record};

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Left {
    /// All of it.
    Bytes(Vec<u8>),
    /// What lies beside the log.
    Blob {
        /// Its SHA-256.
        sha256: [u8; 32],
        /// Its length in bytes.
        size: u64,
    },
}

/// What tells one content from another.
#[derive(Debug, PartialEq, Eq)]
enum Known {
    Bytes { crc: u32, len: usize },
    Blob([u8; 32]),
}

/// The log of a process that was killed, and the files that it has.
pub struct LeftFiles {
    log: DeadLog,
    known: HashMap<String, Known>,
}

impl LeftFiles {
    /// None where the process lives, or has ended by itself, or where the folder is a copy.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn open(dir: &Path) -> Result<Option<Self>> {
        let Some(log) = DeadLog::open(dir)?.filter(|log| log.is_original) else {
            return Ok(None);
        };
        let (mut known, mut exit) = (HashMap::new(), None);
        LogReader::new(dir).read(None, |_, payload| {
            match Record::parse(payload) {
                Ok(Record::File { name, content, .. }) => {
                    let crc = crc32c::crc32c(content);
                    let len = content.len();
                    known.insert(name.to_owned(), Known::Bytes { crc, len });
                }
                Ok(Record::Blob { name, sha256, .. }) => {
                    known.insert(name.to_owned(), Known::Blob(sha256));
                }
                Ok(Record::Exit { code, .. }) => exit = Some(code),
                _ => {}
            }
            true
        })?;
        // A signal's code is negative: nothing of the program's has run since.
        let is_killed = exit.is_none_or(|code| code < 0);
        Ok(is_killed.then_some(Self { log, known }))
    }

    /// Appends a file that was written at `wall`, nanoseconds since the epoch, unless the log has it as
    /// it is; whether it was appended.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn append(&mut self, name: &str, wall: u64, left: &Left) -> Result<bool> {
        let known = match left {
            Left::Bytes(content) => Known::Bytes {
                crc: crc32c::crc32c(content),
                len: content.len(),
            },
            Left::Blob { sha256, .. } => Known::Blob(*sha256),
        };
        if self.known.get(name) == Some(&known) {
            return Ok(false);
        }
        self.log.append(&match left {
            Left::Bytes(content) => record::file(wall, name, content),
            Left::Blob { sha256, size } => record::blob(wall, name, sha256, *size),
        })?;
        self.known.insert(name.to_owned(), known);
        Ok(true)
    }

    /// Lets readers find what was appended: all of it, or nothing when killed in it.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn show(&mut self) -> Result<()> {
        self.log.show()
    }
}
