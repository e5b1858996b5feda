//! The exit status of the process, where it is another one than its runs were told.
//!
//! At interpreter exit nobody knows yet what the process will end with: `raise SystemExit(4)` and a
//! `sys.exit(3)` that was caught look like success and failure. glibc tells it to `on_exit` handlers,
//! after the interpreter is gone: a second exit record then puts right what the first one said.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::background::start_sync;
use crate::error::{Result, io_at};
use crate::frame::{framed_len, head_word, position};
use crate::progress::{Progress, Stage};
use crate::reader::Limit;
use crate::record;
use crate::segment::file_name;
use crate::source::Source;
use crate::transport::Target;

/// Longest time that the process is held up for the server to be told.
const SEND: Duration = Duration::from_secs(3);

/// A log that was ended at interpreter exit.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) dir: PathBuf,
    /// Where its records end.
    pub(crate) limit: Limit,
    pub(crate) code: i64,
    /// The server, if it has all of the log.
    pub(crate) target: Option<Target>,
}

static ENDED: Mutex<Vec<Ended>> = Mutex::new(Vec::new());

/// Has a log corrected, should the process end with another status than it was told.
pub(crate) fn watch(ended: Ended) {
    let mut all = ENDED.lock().unwrap_or_else(PoisonError::into_inner);
    if all.is_empty() {
        register();
    }
    all.push(ended);
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn register() {
    use std::ffi::{c_int, c_void};

    unsafe extern "C" {
        fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
    }

    extern "C" fn correct_all(status: c_int, _argument: *mut c_void) {
        // Nobody is left to be told of a failure: the log then says what it said before.
        drop(std::panic::catch_unwind(|| correct(status)));
    }

    // SAFETY: the function is glibc's, and the handler lives as long as the process.
    let _no_memory = unsafe { on_exit(correct_all, std::ptr::null_mut()) };
}

/// Elsewhere the status stays unknown.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn register() {}

#[cfg_attr(
    not(all(target_os = "linux", target_env = "gnu")),
    expect(dead_code, reason = "nobody tells the status here")
)]
fn correct(status: i32) {
    let mut all = ENDED.lock().unwrap_or_else(PoisonError::into_inner);
    let until = Instant::now() + SEND;
    let mut sent = Vec::new();
    for ended in all.drain(..) {
        // The system keeps the low byte.
        if ended.code.to_le_bytes()[0] == status.to_le_bytes()[0] {
            continue;
        }
        // The log then says what it said before.
        let dir = ended.dir.clone();
        let progress = put_right(ended, status, until).ok().flatten();
        sent.extend(progress.map(|progress| (dir, progress)));
    }
    for (dir, progress) in sent {
        wait(&dir, &progress, until);
    }
}

/// Says in a log that is ended that it ended otherwise, and tells the server if that has all of it.
///
/// # Errors
/// The log cannot be written.
pub(crate) fn correct_now(ended: Ended, status: i32) -> Result<()> {
    let until = Instant::now() + SEND;
    let dir = ended.dir.clone();
    if let Some(progress) = put_right(ended, status, until)? {
        wait(&dir, &progress, until);
    }
    Ok(())
}

fn put_right(ended: Ended, status: i32, until: Instant) -> Result<Option<Arc<Progress>>> {
    let source = append(&ended, status)?;
    // A server that cannot be reached now is told by the next sync.
    Ok(ended
        .target
        .and_then(|target| start_sync(&target, &source, None, until).ok()))
}

fn wait(dir: &Path, progress: &Progress, until: Instant) {
    let left = until.saturating_duration_since(Instant::now());
    progress.wait(Stage::Done, 0, left);
    let (server, acknowledged) = {
        let state = progress.get();
        (state.server.clone(), state.acknowledged)
    };
    if let Some(server) = server {
        // Where that fails, the next sync finds that all is there.
        drop(note_cursor(&dir.join("cursor.json"), server, acknowledged));
    }
}

/// Notes in the file that says it how far a server has come, unless it says more already.
fn note_cursor(path: &Path, server: String, acknowledged: u64) -> io::Result<()> {
    let known = fs::read(path).unwrap_or_default();
    let mut cursor: serde_json::Map<_, _> = serde_json::from_slice(&known).unwrap_or_default();
    if cursor.get(&server).and_then(serde_json::Value::as_u64) >= Some(acknowledged) {
        return Ok(());
    }
    cursor.insert(server, acknowledged.into());
    let temporary = path.with_file_name(format!(".cursor.json.{}", std::process::id()));
    fs::write(&temporary, serde_json::to_vec_pretty(&cursor)?)?;
    fs::rename(&temporary, path)
}

/// Appends an exit record to a log that is closed.
fn append(ended: &Ended, status: i32) -> Result<Source> {
    let wall = u64::try_from(crate::clock::wall_now()).unwrap_or(0);
    let payload = record::exit(wall, i64::from(status));
    let Limit { segment, offset } = ended.limit;
    let mut frame = head_word(segment, offset, &payload).to_le_bytes().to_vec();
    frame.extend_from_slice(&payload);
    frame.resize(framed_len(payload.len()), 0);
    let path = ended.dir.join(file_name(segment));
    let file = OpenOptions::new()
        .write(true)
        .open(&path)
        .map_err(io_at("open", &path))?;
    file.write_all_at(&frame, offset as u64)
        .and_then(|()| file.sync_data())
        .map_err(io_at("write", &path))?;
    Ok(Source {
        dir: ended.dir.clone(),
        limit: Limit {
            segment,
            offset: offset + frame.len(),
        },
        last: position(segment, offset),
        is_live: false,
    })
}
