//! SIGTERM and SIGHUP: where nobody else has a handler, the exit record is published before the
//! process dies of them.
//!
//! A handler may do very little: it takes no lock, allocates nothing and frees nothing. It appends to
//! the segment that is mapped already, then the signal takes its default course. A user's handler is
//! never touched: one that is set later replaces this one, one that was set before keeps it out.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::record::signal_exit;
use crate::segment::Segment;
use crate::wal::Wal;

/// Logs beyond these are ended by such a signal without an exit record.
const MAX_LOGS: usize = 64;

static LOGS: [AtomicPtr<Wal>; MAX_LOGS] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; MAX_LOGS];
/// The handler has begun: from now on nothing that it may look at is freed.
static HANDLING: AtomicBool = AtomicBool::new(false);

/// Frees what the handler may look at, unless that has begun: then the process is about to end.
pub(crate) fn release<T>(kept: T) {
    let kept = ManuallyDrop::new(kept);
    if !HANDLING.load(Ordering::SeqCst) {
        drop(ManuallyDrop::into_inner(kept));
    }
}

/// A log's current segment, for the handler.
///
/// Invariant: whoever sets another one frees the last but one, and that with [`release`].
#[derive(Debug)]
pub(crate) struct Latest(AtomicPtr<Segment>);

impl Latest {
    pub(crate) fn new(segment: &Arc<Segment>) -> Self {
        Self(AtomicPtr::new(Arc::as_ptr(segment).cast_mut()))
    }

    pub(crate) fn set(&self, segment: &Arc<Segment>) {
        self.0
            .store(Arc::as_ptr(segment).cast_mut(), Ordering::SeqCst);
    }

    /// Appends in the handler.
    pub(crate) fn append(&self, payload: &[u8]) {
        // SAFETY: it is the current segment, or was until just now: by the invariant it is alive.
        if let Some(segment) = unsafe { self.0.load(Ordering::SeqCst).as_ref() } {
            segment.append_in_handler(payload);
        }
    }
}

/// A log that the handler ends, and what it is part of.
#[derive(Debug)]
pub(crate) struct Watched<T: AsRef<Wal>> {
    place: Option<usize>,
    owner: Arc<T>,
}

impl<T: AsRef<Wal>> Watched<T> {
    /// Has a log ended by the handler, and puts that in place where the signals do nothing else.
    pub(crate) fn new(owner: Arc<T>) -> Self {
        let log = std::ptr::from_ref((*owner).as_ref()).cast_mut();
        let place = LOGS.iter().position(|place| {
            let null = std::ptr::null_mut();
            place
                .compare_exchange(null, log, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
        });
        install();
        Self { place, owner }
    }
}

impl<T: AsRef<Wal>> Drop for Watched<T> {
    fn drop(&mut self) {
        if let Some(place) = self.place.and_then(|place| LOGS.get(place)) {
            place.store(std::ptr::null_mut(), Ordering::SeqCst);
        }
        release(Arc::clone(&self.owner));
    }
}

/// Puts the handler in place where the signals do nothing else any more: Python knows nothing of it, so
/// whoever sets another one for a while puts the default action back.
pub(crate) fn keep() {
    if !HANDLING.load(Ordering::SeqCst) {
        install();
    }
}

#[cfg(unix)]
fn install() {
    for signal in [libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: all zeros is a valid `sigaction`, which the next call fills.
        let mut found: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: reads the present action into `found`, and changes nothing.
        let read = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut found) };
        if read != 0 || found.sa_sigaction != libc::SIG_DFL {
            continue;
        }
        // SAFETY: as above.
        let mut ours: libc::sigaction = unsafe { std::mem::zeroed() };
        ours.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as usize;
        ours.sa_flags = libc::SA_RESETHAND | libc::SA_ONSTACK;
        // SAFETY: `ours` is a whole action, and its handler does only what a handler may do.
        let _refused = unsafe { libc::sigaction(signal, &raw const ours, std::ptr::null_mut()) };
    }
}

/// Elsewhere there are no such signals.
#[cfg(not(unix))]
fn install() {}

#[cfg(unix)]
#[expect(
    clippy::disallowed_methods,
    reason = "nobody can hand a signal handler the time"
)]
extern "C" fn on_signal(signal: libc::c_int) {
    HANDLING.store(true, Ordering::SeqCst);
    let wall = SystemTime::now().duration_since(UNIX_EPOCH);
    let wall = wall.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(0));
    let record = signal_exit(wall, i8::try_from(signal).unwrap_or(0));
    for log in &LOGS {
        // SAFETY: a log in this list is alive: who takes it out frees nothing from `HANDLING` on.
        if let Some(log) = unsafe { log.load(Ordering::SeqCst).as_ref() } {
            log.append_in_handler(&record);
        }
    }
    #[cfg(all(feature = "upload", target_os = "linux"))]
    crate::output::forward_rest();
    // SAFETY: `raise` may be called in a handler; the action is the default one again, and the signal
    // comes when this returns.
    unsafe { libc::raise(signal) };
}
