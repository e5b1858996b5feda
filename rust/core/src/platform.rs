//! The system calls of the log: where systems differ each has a fallback that is correct if slower,
//! and all of them go through one seam, where tests let them fail.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::memory::Map;
use crate::standing;

/// A system call that the log makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Create,
    Write,
    Allocate,
    Map,
    Read,
    SyncMap,
    SyncFile,
    SyncFolder,
    Cut,
    Remove,
    Rename,
}

/// Bytes of a file that a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: usize,
    pub(crate) len: usize,
}

const WHOLE: Span = Span {
    from: 0,
    len: usize::MAX,
};

#[cfg(test)]
use crate::proof::disk::seen;

/// How many bytes a call may take at once.
#[cfg(not(test))]
#[inline]
#[expect(clippy::unnecessary_wraps, reason = "in tests it is an error, or less")]
fn seen(_call: Call, _path: &Path, span: Span) -> io::Result<usize> {
    Ok(span.len)
}

/// Makes a call, again when a signal interrupts it.
fn call<T>(
    call: Call,
    path: &Path,
    span: Span,
    mut made: impl FnMut(usize) -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match seen(call, path, span).and_then(&mut made) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Makes a file that must not be there yet.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    standing::keep_off();
    call(Call::Create, path, WHOLE, |_| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
    })
}

/// Writes all of the bytes at a place.
pub(crate) fn write(file: &File, path: &Path, bytes: &[u8], offset: usize) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        let from = offset + done;
        let span = Span {
            from,
            len: rest.len(),
        };
        done += match call(Call::Write, path, span, |len| {
            file.write_at(rest.get(..len).unwrap_or(rest), from as u64)
        })? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => count,
        };
    }
    Ok(())
}

/// Fills the buffer from a place.
pub(crate) fn read(file: &File, path: &Path, buffer: &mut [u8], offset: usize) -> io::Result<()> {
    let span = Span {
        from: offset,
        len: buffer.len(),
    };
    call(Call::Read, path, span, |_| {
        file.read_exact_at(buffer, offset as u64)
    })
}

/// Takes the space on the disk now.
pub(crate) fn allocate(file: &File, path: &Path, bytes: usize) -> io::Result<()> {
    call(Call::Allocate, path, WHOLE, |_| {
        #[cfg(target_os = "linux")]
        return rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes as u64)
            .map_err(io::Error::from);
        // Never called: nothing is mapped there.
        #[cfg(not(target_os = "linux"))]
        return file.set_len(bytes as u64);
    })
}

/// Maps an allocated file and faults its pages in. Kernels before 5.14 do not know that call: there
/// the first touch of each page pays, and nothing else changes.
pub(crate) fn map(file: &File, path: &Path, bytes: usize) -> io::Result<Map> {
    let map = call(Call::Map, path, WHOLE, |_| Map::new(file, bytes))?;
    let supported = map.populate();
    debug_assert!(supported || cfg!(not(test)), "this kernel populates");
    Ok(map)
}

/// Waits until mapped bytes are on the disk.
pub(crate) fn sync_map(map: &Map, path: &Path, span: Span) -> io::Result<()> {
    call(Call::SyncMap, path, span, |_| {
        map.flush(span.from, span.len)
    })
}

/// Waits until what was written is on the disk.
pub(crate) fn sync_file(file: &File, path: &Path) -> io::Result<()> {
    call(Call::SyncFile, path, WHOLE, |_| file.sync_data())
}

/// Waits until the names in a folder are on the disk.
#[cfg(unix)]
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    call(Call::SyncFolder, path, WHOLE, |_| {
        File::open(path).and_then(|folder| folder.sync_all())
    })
}

/// Names reach the disk with their file here.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Cuts a file to a length.
pub(crate) fn cut(file: &File, path: &Path, bytes: usize) -> io::Result<()> {
    call(Call::Cut, path, WHOLE, |_| file.set_len(bytes as u64))
}

/// Removes a file.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    call(Call::Remove, path, WHOLE, |_| std::fs::remove_file(path))
}

/// Gives a file another name.
pub(crate) fn rename(path: &Path, name: &Path) -> io::Result<()> {
    call(Call::Rename, path, WHOLE, |_| std::fs::rename(path, name))
}

/// Whether files of this folder can be mapped: only file systems that keep `fallocate`'s word, so
/// that a full disk is met when a segment is prepared and never as SIGBUS in the caller.
#[cfg(target_os = "linux")]
pub(crate) fn can_map(dir: &Path) -> bool {
    // ext2/3/4, xfs, tmpfs, overlayfs, from `statfs(2)`.
    const MAPPED: [u64; 4] = [0xef53, 0x5846_5342, 0x0102_1994, 0x794c_7630];
    rustix::fs::statfs(dir)
        .is_ok_and(|info| u64::try_from(info.f_type).is_ok_and(|kind| MAPPED.contains(&kind)))
}

/// Elsewhere records go through `write`.
#[cfg(not(target_os = "linux"))]
pub(crate) fn can_map(_dir: &Path) -> bool {
    false
}
