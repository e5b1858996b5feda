//! Signals that end the process at once: what was printed last is forwarded before it dies.
//!
//! A handler may do very little: it takes no lock, allocates nothing and frees nothing. So it finds the
//! streams in a static table, and takes the place of the thread that forwards: that is kept from
//! beginning another piece, and a piece that it has begun is waited for.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, Ordering};

use libc::{c_int, c_void, sigaction, siginfo_t};

use super::source::Source;

/// Streams beyond these are not forwarded by a handler.
const MAX_STREAMS: usize = 16;
const NONE: i32 = -1;
/// Signals that say that a process is broken.
const FATAL: [c_int; 5] = [
    libc::SIGSEGV,
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
];
/// Others that end a process by default, beside those of real time; `termination` sees to SIGTERM and
/// SIGHUP, and nobody can see to SIGKILL.
const KILLING: [c_int; 15] = [
    libc::SIGALRM,
    libc::SIGINT,
    libc::SIGIO,
    libc::SIGPIPE,
    libc::SIGPROF,
    libc::SIGPWR,
    libc::SIGQUIT,
    libc::SIGSTKFLT,
    libc::SIGSYS,
    libc::SIGTRAP,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGVTALRM,
    libc::SIGXCPU,
    libc::SIGXFSZ,
];
/// Longest time that a handler waits for another thread's.
const OTHERS_WAIT_MILLIS: c_int = 2000;
/// Longest time that a handler waits for the thread that forwards, or for an original, milliseconds.
const WAIT_MILLIS: c_int = 200;
/// A signal's stack may be small.
const PIECE: usize = 1024;

type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

struct Slot {
    file: AtomicI32,
    original: AtomicI32,
    number: AtomicI32,
    /// The thread has begun to forward up to here.
    claimed: AtomicU64,
    /// And has done so up to here.
    done: AtomicU64,
}

static SLOTS: [Slot; MAX_STREAMS] = [const {
    Slot {
        file: AtomicI32::new(NONE),
        original: AtomicI32::new(NONE),
        number: AtomicI32::new(0),
        claimed: AtomicU64::new(0),
        done: AtomicU64::new(0),
    }
}; MAX_STREAMS];
/// The process that forwards; in its forked children the table says nothing.
static OWNER: AtomicI32 = AtomicI32::new(0);
/// A handler has begun: the thread begins nothing more.
static IS_ENDING: AtomicBool = AtomicBool::new(false);
/// The thread whose handler forwards now.
static FORWARDER: AtomicI32 = AtomicI32::new(NONE);
/// What the signals did before.
static BEFORE: [AtomicPtr<sigaction>; FATAL.len()] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; FATAL.len()];

/// A stream's place in the table.
#[derive(Debug)]
pub(super) struct Place(Option<usize>);

impl Place {
    /// Enters a stream; one of a terminal has nothing that a handler could forward.
    pub(super) fn new(source: &Source, original: BorrowedFd<'_>, number: u8) -> Self {
        let Some(file) = source.as_file() else {
            return Self(None);
        };
        let place = SLOTS.iter().position(|slot| {
            // Only one thread at a time makes streams: who finds it free has it.
            slot.file.load(Ordering::SeqCst) == NONE
        });
        if let Some(slot) = place.and_then(|at| SLOTS.get(at)) {
            slot.original.store(original.as_raw_fd(), Ordering::SeqCst);
            slot.number.store(i32::from(number), Ordering::SeqCst);
            slot.claimed.store(0, Ordering::SeqCst);
            slot.done.store(0, Ordering::SeqCst);
            slot.file.store(file.as_raw_fd(), Ordering::SeqCst);
        }
        Self(place)
    }

    fn slot(&self) -> Option<&'static Slot> {
        self.0.and_then(|at| SLOTS.get(at))
    }

    /// Begins to forward up to here; false when a handler does that now.
    pub(super) fn claim(&self, to: u64) -> bool {
        let Some(slot) = self.slot() else {
            return true;
        };
        if IS_ENDING.load(Ordering::SeqCst) {
            return false;
        }
        let before = slot.done.load(Ordering::SeqCst);
        slot.claimed.store(to, Ordering::SeqCst);
        let is_ours = !IS_ENDING.load(Ordering::SeqCst);
        if !is_ours {
            // The handler has waited for this, or has not looked yet.
            let order = Ordering::SeqCst;
            let _handlers = slot.claimed.compare_exchange(to, before, order, order);
        }
        is_ours
    }

    /// It is forwarded up to here, which may be less.
    pub(super) fn done(&self, to: u64) {
        if let Some(slot) = self.slot() {
            slot.done.store(to, Ordering::SeqCst);
            slot.claimed.store(to, Ordering::SeqCst);
        }
    }

    /// The file was emptied.
    pub(super) fn restart(&self) {
        if let Some(slot) = self.slot() {
            slot.claimed.store(0, Ordering::SeqCst);
            slot.done.store(0, Ordering::SeqCst);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(slot) = self.slot() {
            slot.file.store(NONE, Ordering::SeqCst);
        }
    }
}

/// Makes the table this process's, with nothing in it yet, and puts the handlers in place.
pub(super) fn begin() {
    for slot in &SLOTS {
        slot.file.store(NONE, Ordering::SeqCst);
    }
    IS_ENDING.store(false, Ordering::SeqCst);
    FORWARDER.store(NONE, Ordering::SeqCst);
    // SAFETY: the call touches no memory.
    OWNER.store(unsafe { libc::getpid() }, Ordering::SeqCst);
    for (signal, before) in FATAL.iter().zip(&BEFORE) {
        // A forked child has its parent's.
        if before.load(Ordering::SeqCst).is_null() {
            install(*signal, before);
        }
    }
}

fn install(signal: c_int, before: &AtomicPtr<sigaction>) {
    let mut found = MaybeUninit::<sigaction>::zeroed();
    // SAFETY: reads the present action into `found`, and changes nothing.
    let read = unsafe { libc::sigaction(signal, std::ptr::null(), found.as_mut_ptr()) };
    // SAFETY: all zeros is a valid `sigaction`, which the call has filled.
    let found = unsafe { found.assume_init() };
    if read != 0 || found.sa_sigaction == libc::SIG_IGN {
        return;
    }
    // Kept as long as the process: a handler may be looking at it.
    before.store(Box::leak(Box::new(found)), Ordering::SeqCst);
    // SAFETY: all zeros is a valid set, of no signals.
    let none = unsafe { MaybeUninit::<libc::sigset_t>::zeroed().assume_init() };
    put(signal, on_signal, none);
}

fn put(signal: c_int, handler: Handler, held_back: libc::sigset_t) {
    let ours = MaybeUninit::<sigaction>::zeroed();
    // SAFETY: all zeros is a valid `sigaction`.
    let mut ours = unsafe { ours.assume_init() };
    ours.sa_sigaction = handler as usize;
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    ours.sa_mask = held_back;
    // SAFETY: `ours` is a whole action, and its handler does only what a handler may do.
    let _refused = unsafe { libc::sigaction(signal, &raw const ours, std::ptr::null_mut()) };
}

/// Signals whose default is to end the process, and that nobody else sees to.
fn killing() -> impl Iterator<Item = c_int> {
    KILLING
        .into_iter()
        .chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
}

/// Has what is left forwarded before signals end the process that nobody handles or ignores now. Whoever
/// sets another action later is not hindered.
pub(super) fn keep() {
    for signal in killing() {
        let mut found = MaybeUninit::<sigaction>::zeroed();
        // SAFETY: reads the present action into `found`, and changes nothing.
        let read = unsafe { libc::sigaction(signal, std::ptr::null(), found.as_mut_ptr()) };
        // SAFETY: all zeros is a valid `sigaction`, which the call has filled.
        let found = unsafe { found.assume_init() };
        if read == 0 && found.sa_sigaction == libc::SIG_DFL {
            // One at a time.
            put(signal, on_killing, killing_set());
        }
    }
}

extern "C" fn on_killing(signal: c_int, _info: *mut siginfo_t, _context: *mut c_void) {
    forward_rest();
    die(signal);
}

/// Has the calling thread, which forwards, run no handler that would wait for it.
pub(super) fn leave_to_others() {
    let signals = killing_set();
    // SAFETY: a whole set; nobody wants to know the one before.
    let _refused =
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const signals, std::ptr::null_mut()) };
}

fn killing_set() -> libc::sigset_t {
    let set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: all zeros is a valid set, of no signals.
    let mut set = unsafe { set.assume_init() };
    for signal in killing().chain([libc::SIGTERM, libc::SIGHUP]) {
        // SAFETY: the set is on the stack; a number that is no signal changes nothing.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    set
}

extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    forward_rest();
    let place = FATAL.iter().position(|one| *one == signal);
    let before = place.and_then(|at| BEFORE.get(at));
    let before = before.map_or(std::ptr::null_mut(), |kept| kept.load(Ordering::SeqCst));
    // SAFETY: what is kept there is never freed.
    let Some(before) = (unsafe { before.as_ref() }) else {
        return;
    };
    match before.sa_sigaction {
        libc::SIG_DFL => die(signal),
        libc::SIG_IGN => {}
        function if before.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: whoever set this action has said that its function is of this kind.
            let function: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
                unsafe { std::mem::transmute(function) };
            function(signal, info, context);
        }
        function => {
            // SAFETY: as above.
            let function: extern "C" fn(c_int) = unsafe { std::mem::transmute(function) };
            function(signal);
        }
    }
    // It has printed, and has sent the signal once more, which comes when this returns; or it has put
    // right what was wrong.
    forward_rest();
    IS_ENDING.store(false, Ordering::SeqCst);
}

/// The signal takes its default course when the handler returns.
fn die(signal: c_int) {
    // SAFETY: all zeros is the default action.
    let default = unsafe { MaybeUninit::<sigaction>::zeroed().assume_init() };
    // SAFETY: a whole action; the call may be made in a handler.
    unsafe { libc::sigaction(signal, &raw const default, std::ptr::null_mut()) };
    // SAFETY: `raise` may be called in a handler.
    unsafe { libc::raise(signal) };
}

/// Forwards what is not forwarded yet; for handlers.
pub(crate) fn forward_rest() {
    // SAFETY: the call touches no memory.
    if OWNER.load(Ordering::SeqCst) != unsafe { libc::getpid() } {
        return;
    }
    // SAFETY: gives the thread's own place, which lives as long as the thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let kept = unsafe { *errno };
    if begin_alone() {
        IS_ENDING.store(true, Ordering::SeqCst);
        for slot in &SLOTS {
            if slot.file.load(Ordering::SeqCst) != NONE {
                forward(slot);
            }
        }
        FORWARDER.store(NONE, Ordering::SeqCst);
    }
    // SAFETY: as above.
    unsafe { *errno = kept };
}

/// Waits for another thread's handler; false in a handler that has come while this thread is in one.
fn begin_alone() -> bool {
    // SAFETY: the call touches no memory.
    let thread = unsafe { libc::gettid() };
    let order = Ordering::SeqCst;
    for _ in 0..OTHERS_WAIT_MILLIS {
        match FORWARDER.compare_exchange(NONE, thread, order, order) {
            Ok(_) => return true,
            Err(other) if other == thread => return false,
            Err(_) => pause(),
        }
    }
    false
}

fn forward(slot: &Slot) {
    let mut waited = 0;
    while slot.claimed.load(Ordering::SeqCst) > slot.done.load(Ordering::SeqCst) {
        if waited == WAIT_MILLIS {
            // The original takes nothing: it would hold this thread up as well.
            return;
        }
        waited += 1;
        pause();
    }
    let mut at = slot.done.load(Ordering::SeqCst);
    let (file, original) = (
        slot.file.load(Ordering::SeqCst),
        slot.original.load(Ordering::SeqCst),
    );
    let mut buffer = [0_u8; PIECE];
    loop {
        let place = i64::try_from(at).unwrap_or(i64::MAX);
        // SAFETY: the buffer has as many bytes as are asked for.
        let read = unsafe { libc::pread(file, buffer.as_mut_ptr().cast(), PIECE, place) };
        let Some(piece) = usize::try_from(read).ok().and_then(|len| buffer.get(..len)) else {
            break;
        };
        if piece.is_empty() || !write(original, piece) {
            break;
        }
        at += piece.len() as u64;
    }
    slot.claimed.store(at, Ordering::SeqCst);
    slot.done.store(at, Ordering::SeqCst);
}

fn pause() {
    let millisecond = libc::timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000,
    };
    // SAFETY: the time is on the stack, and nobody wants to know what is left of it.
    unsafe { libc::nanosleep(&raw const millisecond, std::ptr::null_mut()) };
}

/// Writes all; false when the original does not take it soon: a signal must end the process.
fn write(original: c_int, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let mut wanted = libc::pollfd {
            fd: original,
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: it is one, on the stack.
        let ready = unsafe { libc::poll(&raw mut wanted, 1, WAIT_MILLIS) };
        if ready == 0 {
            return false;
        }
        // SAFETY: so many bytes are there.
        let count = unsafe { libc::write(original, bytes.as_ptr().cast(), bytes.len()) };
        if let Ok(count) = usize::try_from(count) {
            bytes = bytes.get(count..).unwrap_or_default();
            continue;
        }
        // SAFETY: gives the thread's own place.
        let place = unsafe { libc::__errno_location() };
        // SAFETY: it lives as long as the thread.
        let errno = unsafe { *place };
        if errno != libc::EINTR && errno != libc::EAGAIN {
            return false;
        }
    }
    true
}

/// Appends to the file that stands in for a stream, also in a forked child, without a lock; none where
/// something else is at the stream's number, or the disk does not take it.
pub(super) fn append(number: u8, bytes: &[u8]) -> Option<usize> {
    let target = c_int::from(number);
    let is_ours = SLOTS.iter().any(|slot| {
        let file = slot.file.load(Ordering::SeqCst);
        slot.number.load(Ordering::SeqCst) == target && file != NONE && is_same(file, target)
    });
    if !is_ours {
        return None;
    }
    // SAFETY: so many bytes are there.
    let written = unsafe { libc::write(target, bytes.as_ptr().cast(), bytes.len()) };
    usize::try_from(written).ok()
}

/// Whether two numbers stand for the same file.
fn is_same(one: c_int, other: c_int) -> bool {
    id(one).is_some_and(|id_of_one| id(other) == Some(id_of_one))
}

fn id(fd: c_int) -> Option<(libc::dev_t, libc::ino_t)> {
    let mut found = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: writes into `found`, and fails where the number is that of no open file.
    let status = unsafe { libc::fstat(fd, found.as_mut_ptr()) };
    // SAFETY: all zeros is a valid `stat`, which the call may have filled.
    let found = unsafe { found.assume_init() };
    (status == 0).then_some((found.st_dev, found.st_ino))
}

/// Gives a stream its original back, also in a forked child: nothing more is recorded there.
pub(super) fn give_back(number: u8) -> bool {
    let slot = SLOTS.iter().find(|slot| {
        slot.number.load(Ordering::SeqCst) == i32::from(number)
            && slot.file.load(Ordering::SeqCst) != NONE
    });
    slot.is_some_and(|slot| {
        let original = slot.original.load(Ordering::SeqCst);
        // SAFETY: the call touches no memory; both numbers are open files of this process.
        unsafe { libc::dup2(original, c_int::from(number)) >= 0 }
    })
}
