//! A disk that tests watch and let fail, by the folder that a log is in.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::platform::{Call, Span};

/// What a call that fails does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Fails, until the fault is taken away.
    Errno(i32),
    /// Is interrupted by a signal this many times.
    Interrupted(u32),
    /// A write takes half, then a disk is full.
    Short,
}

type Meanwhile = Box<dyn FnOnce() + Send>;

/// The disk under one folder, while a test holds it.
pub(crate) struct Disk {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    faults: Vec<(Call, Fault)>,
    made: Vec<(Call, PathBuf, Span)>,
    failed: usize,
    meanwhile: Option<(Call, Meanwhile)>,
}

static DISKS: Mutex<Vec<Weak<Disk>>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    /// Watches the calls for files in `folder`.
    pub(crate) fn under(folder: &Path) -> Arc<Self> {
        let disk = Arc::new(Self {
            folder: folder.to_path_buf(),
            state: Mutex::default(),
        });
        let mut disks = lock(&DISKS);
        disks.retain(|disk| disk.strong_count() > 0);
        disks.push(Arc::downgrade(&disk));
        disk
    }

    /// Lets a call fail from now on.
    pub(crate) fn fail(&self, call: Call, fault: Fault) {
        lock(&self.state).faults.push((call, fault));
    }

    /// Lets all calls succeed again.
    pub(crate) fn mend(&self) {
        lock(&self.state).faults.clear();
    }

    /// How many calls have failed.
    pub(crate) fn failed(&self) -> usize {
        lock(&self.state).failed
    }

    /// Does something while the next call of this kind is made.
    pub(crate) fn meanwhile(&self, call: Call, act: impl FnOnce() + Send + 'static) {
        lock(&self.state).meanwhile = Some((call, Box::new(act)));
    }

    /// The calls made since this was last asked.
    pub(crate) fn take_made(&self) -> Vec<(Call, PathBuf, Span)> {
        std::mem::take(&mut lock(&self.state).made)
    }

    fn seen(&self, call: Call, path: &Path, span: Span) -> io::Result<usize> {
        let due = lock(&self.state).meanwhile.take_if(|(at, _)| *at == call);
        if let Some((_, act)) = due {
            act();
        }
        let mut state = lock(&self.state);
        let State { faults, failed, .. } = &mut *state;
        if let Some((_, fault)) = faults.iter_mut().find(|(at, _)| *at == call) {
            match fault {
                Fault::Errno(errno) => {
                    *failed += 1;
                    return Err(io::Error::from_raw_os_error(*errno));
                }
                Fault::Interrupted(0) => {}
                Fault::Interrupted(left) => {
                    *left -= 1;
                    *failed += 1;
                    return Err(io::Error::from_raw_os_error(libc::EINTR));
                }
                Fault::Short if span.len > 16 => return Ok(span.len / 2),
                Fault::Short => {
                    *failed += 1;
                    return Err(io::Error::from_raw_os_error(libc::ENOSPC));
                }
            }
        }
        state.made.push((call, path.to_path_buf(), span));
        Ok(span.len)
    }
}

/// What the platform asks before each call: how many bytes it may take.
pub(crate) fn seen(call: Call, path: &Path, span: Span) -> io::Result<usize> {
    let disks: Vec<_> = lock(&DISKS).iter().filter_map(Weak::upgrade).collect();
    let disk = disks.iter().find(|disk| path.starts_with(&disk.folder));
    disk.map_or(Ok(span.len), |disk| disk.seen(call, path, span))
}
