//! What a power cut may leave of a folder: of each page what was last synced, or what it was since.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::platform::{Call, Span};
use crate::proof::disk::Disk;

/// What a disk writes at once.
const PAGE: usize = 4096;

/// What is known to be on the disk.
#[derive(Debug, Default)]
pub(crate) struct Synced {
    pages: BTreeMap<PathBuf, BTreeMap<usize, Vec<u8>>>,
    named: BTreeSet<PathBuf>,
}

/// What a power cut took from one file.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Range<usize>,
}

fn page_at(bytes: &[u8], page: usize) -> Vec<u8> {
    let mut found = vec![0; PAGE];
    for (to, from) in found.iter_mut().zip(bytes.iter().skip(page * PAGE)) {
        *to = *from;
    }
    found
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "wal"))
        .collect();
    paths.sort();
    paths
}

impl Synced {
    /// Learns from the calls that were made since the last time.
    pub(crate) fn learn(&mut self, dir: &Path, disk: &Disk) {
        for (call, path, Span { from, len }) in disk.take_made() {
            match call {
                Call::SyncFolder if path == dir => self.named.extend(segments(dir)),
                Call::SyncMap | Call::SyncFile => {
                    let bytes = std::fs::read(&path).unwrap();
                    let last = bytes.len().min(from.saturating_add(len)).div_ceil(PAGE);
                    let pages = self.pages.entry(path).or_default();
                    pages.extend((from / PAGE..last).map(|page| (page, page_at(&bytes, page))));
                }
                _ => {}
            }
        }
    }

    /// Copies `dir` as a power cut may leave it: `keeps` says whether the present state of a page, or
    /// of a name, has reached the disk.
    pub(crate) fn cut(&self, dir: &Path, to: &Path, mut keeps: impl FnMut() -> bool) -> Vec<Lost> {
        let mut lost = Vec::new();
        for path in segments(dir) {
            if !self.named.contains(&path) && !keeps() {
                let bytes = 0..usize::MAX;
                lost.push(Lost { path, bytes });
                continue;
            }
            let mut bytes = std::fs::read(&path).unwrap();
            let synced = self.pages.get(&path);
            for (page, now) in bytes.chunks_mut(PAGE).enumerate() {
                let before = synced.and_then(|pages| pages.get(&page));
                let before = before.cloned().unwrap_or_else(|| vec![0; PAGE]);
                if !before.starts_with(now) && !keeps() {
                    let bytes = page * PAGE..(page + 1) * PAGE;
                    now.copy_from_slice(&before[..now.len()]);
                    let path = path.clone();
                    lost.push(Lost { path, bytes });
                }
            }
            std::fs::write(to.join(path.file_name().unwrap()), bytes).unwrap();
        }
        lost
    }
}
