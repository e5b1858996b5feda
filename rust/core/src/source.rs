//! What a log on disk has to send.

use std::path::PathBuf;

use crate::reader::Limit;

/// A writer's folder that is uploaded as it stands.
#[derive(Debug, Clone)]
pub struct Source {
    /// The folder.
    pub dir: PathBuf,
    /// Where its records end.
    pub limit: Limit,
    /// Position of the last one.
    pub last: u64,
    /// Whether a process writes it now.
    pub is_live: bool,
}
