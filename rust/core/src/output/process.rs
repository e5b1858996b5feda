//! The output of this process: its streams, the runs that take them, and the thread between the two.
//!
//! Locks, in this order: `state`, `cuts`. None is held while something is written to an original, which
//! may block. A forked child makes a whole of its own: the thread does not exist there, and the locks of
//! its parent may be held for ever.

use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::Path;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::fatal;
use super::source::{Source, above};
use super::stream::{self, Stream, Unforwarded};
use super::system;
use super::taker::{Log, PIECE, Taker};
use super::watch::{Watch, Watched};
use crate::background::spawn;
use crate::error::{Result, io_at};
use crate::memory::ForkFlag;
use crate::rest::stream_file;
use crate::standing;

/// Moments between the forwarding thread's looks whose order is kept; later ones are left out then.
const MAX_CUTS: usize = 4096;
/// So much in a moment is a flood, which is as long as this waited for to be over.
const FLOOD_BYTES: u64 = 64 << 10;
const FLOOD: Duration = Duration::from_millis(250);
/// Bytes of a terminal that are taken before others have their turn.
const TURN: usize = 1 << 20;

/// How a stream's output is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// All that is written to its number.
    Redirected,
    /// All that others write to its number; this process writes to the terminal itself, by this number.
    Terminal(i32),
    /// Only what this process gives: it is closed.
    Given,
}

/// What a run has not of its output, or its reader has not.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// How many texts could not be recorded.
    pub unrecorded: u64,
    /// What could not be forwarded, and no other run has been told.
    pub unforwarded: Vec<Unforwarded>,
}

/// How long each file was at a moment when the program went over to the other stream.
type Cut = Vec<(u64, u64)>;

/// What is needed to keep the order of two streams.
#[derive(Debug, Default)]
struct Cuts {
    /// Those that the program prints to.
    streams: Vec<Arc<Stream>>,
    list: VecDeque<Cut>,
}

#[derive(Debug, Default)]
struct State {
    streams: Vec<Arc<Stream>>,
    takers: Vec<Taker>,
    is_running: bool,
    /// How often somebody has asked for all that is there, and how often that has been done.
    asked: u64,
    answered: u64,
}

#[derive(Debug)]
struct Process {
    fork: ForkFlag,
    state: Mutex<State>,
    /// All was read that was there when it was asked for.
    answered: Condvar,
    cuts: Mutex<Cuts>,
    /// A bit for each stream's number that has its original back because that fails.
    given_back: AtomicU8,
    watch: Watch,
}

static PROCESS: ArcSwapOption<Process> = ArcSwapOption::const_empty();
/// Streams of all times, so that none is taken for another one.
static STREAMS: AtomicU64 = AtomicU64::new(1);

/// The present process's, if it has one.
fn present() -> Option<Arc<Process>> {
    PROCESS
        .load_full()
        .filter(|process| !process.fork.is_forked())
}

fn present_or_made() -> io::Result<Arc<Process>> {
    loop {
        let found = PROCESS.load_full();
        if let Some(process) = found.as_ref().filter(|process| !process.fork.is_forked()) {
            return Ok(Arc::clone(process));
        }
        let made = Arc::new(Process {
            fork: ForkFlag::new()?,
            state: Mutex::default(),
            answered: Condvar::new(),
            cuts: Mutex::default(),
            given_back: AtomicU8::new(0),
            watch: Watch::new()?,
        });
        let before = PROCESS.compare_and_swap(&found, Some(Arc::clone(&made)));
        let is_ours = match (&*before, &found) {
            (Some(before), Some(found)) => Arc::ptr_eq(before, found),
            (None, None) => true,
            _ => false,
        };
        if is_ours {
            // The parent's names threads and locks that do not exist here: it is never dropped.
            let _kept = ManuallyDrop::new(found);
            fatal::begin();
            return Ok(made);
        }
    }
}

/// Has a run take a stream, 1 for stdout and 2 for stderr: what comes from now on is forwarded and
/// recorded.
///
/// # Errors
/// The writer's folder cannot be written, or no thread can be started: nothing has changed.
pub fn take(number: u8, log: &Arc<dyn Log>) -> Result<Way> {
    let fd = stream::present(number);
    if standing::is_closed(fd) {
        return Ok(Way::Given);
    }
    let path = log.dir().join(stream_file(number));
    let process = present_or_made().map_err(io_at("watch", &path))?;
    process.take(number, log, &path)
}

/// Has a run take no more. What was printed before is forwarded and recorded when this returns, unless
/// that takes longer than `timeout`: then it is recorded, and forwarded while the process lives.
pub fn leave(log: &Arc<dyn Log>, timeout: Duration) -> Left {
    present().map_or_else(Left::default, |process| process.leave(log, timeout))
}

/// Whether a stream has its original back because that fails: what is printed there is not taken.
pub fn has_given_back(number: u8) -> bool {
    present().is_some_and(|process| process.given_back.load(Ordering::Acquire) & bit(number) != 0)
}

/// Notes that the program goes over to another stream: what it has written so far comes first.
pub fn cut() {
    if let Some(process) = present() {
        process.cut();
    }
}

/// Appends to the file that stands in for a stream, and says how much; none where that cannot be: then
/// whoever writes to the stream's number meets the reason.
pub fn append(number: u8, bytes: &[u8]) -> Option<usize> {
    fatal::append(number, bytes)
}

/// Whether a terminal has been given something that is not forwarded yet; does not wait.
pub fn has_unread() -> bool {
    present().is_some_and(|process| {
        let state = process.state();
        state.streams.iter().any(|stream| stream.has_unread())
    })
}

/// Gives a stream its original back because ours cannot be written. Nothing more of it is recorded.
pub fn give_back(number: u8) -> bool {
    fatal::give_back(number)
}

/// Asks for all that has been printed by now to be forwarded and recorded; see [`wait`].
pub fn ask() -> u64 {
    present().map_or(0, |process| {
        system::flush_stdio();
        process.ask()
    })
}

/// Waits until that is done; false when it takes longer than `timeout`.
pub fn wait(asked: u64, timeout: Duration) -> bool {
    present().is_none_or(|process| process.wait(asked, Instant::now() + timeout).1)
}

/// Gives the streams their originals back for a while.
pub fn suspend() {
    if let Some(process) = present() {
        process.each_active(|stream| drop(stream.give_back()));
    }
}

/// Puts ours in their places again.
pub fn resume() {
    if let Some(process) = present() {
        process.each_active(|stream| drop(stream.put_in_place()));
    }
}

/// Gives the stream's file a name in another run's folder as well, so that it is found there after a
/// kill.
fn link(state: &State, number: u8, path: &Path) {
    let mut names = state
        .takers
        .iter()
        .map(|taker| taker.log.dir().join(stream_file(number)));
    // Folders on two disks cannot share it: then only the first run's has all of it after a kill.
    let _linked = names.any(|name| std::fs::hard_link(name, path).is_ok());
}

fn bit(number: u8) -> u8 {
    1 << number
}

fn sizes(streams: &[Arc<Stream>]) -> Cut {
    let sizes = streams
        .iter()
        .map(|stream| (stream.id, stream.source.size()));
    sizes.collect()
}

/// How much is in all files.
fn whole(streams: &[Arc<Stream>]) -> u64 {
    streams.iter().map(|stream| stream.source.size()).sum()
}

/// Whether both streams go to one place: then their order is seen, and taking what has come at once keeps
/// most of it.
fn is_mixed(streams: &[Arc<Stream>]) -> bool {
    let mut active = streams.iter().filter(|stream| stream.is_active());
    let (one, other) = (active.next(), active.next());
    one.zip(other)
        .is_some_and(|(one, other)| one.is_mixed_with(other))
}

fn is_of(taker: &Taker, log: &Arc<dyn Log>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(&taker.log), Arc::as_ptr(log))
}

impl Process {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cuts(&self) -> MutexGuard<'_, Cuts> {
        self.cuts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, number: u8, log: &Arc<dyn Log>, path: &Path) -> Result<Way> {
        let mut state = self.state();
        let active = state
            .streams
            .iter()
            .find(|stream| stream.number == number && stream.is_active() && stream.is_present());
        let stream = if let Some(stream) = active.map(Arc::clone) {
            if stream.source.as_file().is_some() {
                link(&state, number, path);
            }
            stream
        } else {
            self.start(&mut state)?;
            let stream = self.make(number, path).map_err(io_at("create", path))?;
            state.streams.push(Arc::clone(&stream));
            if stream.source.as_file().is_some() {
                self.cuts().streams.push(Arc::clone(&stream));
            }
            stream
        };
        let at = stream.source.size();
        let taker = state.takers.iter_mut().find(|taker| is_of(taker, log));
        if let Some(taker) = taker {
            taker.take(&stream, at);
        } else {
            let mut taker = Taker::new(log);
            taker.take(&stream, at);
            state.takers.push(taker);
        }
        drop(state);
        self.watch.wake();
        Ok(match stream.source.as_terminal() {
            Some(_) => Way::Terminal(stream.original.as_raw_fd()),
            None => Way::Redirected,
        })
    }

    fn make(&self, number: u8, path: &Path) -> io::Result<Arc<Stream>> {
        let fd = stream::present(number);
        let original = above(&fd)?;
        let (source, watched) = if rustix::termios::isatty(fd) {
            (Source::terminal(original.as_fd())?, None)
        } else {
            (Source::file(path)?, self.watch.add(path))
        };
        let id = STREAMS.fetch_add(1, Ordering::Relaxed);
        let stream = Stream::new((id, number), source, original, watched);
        fatal::keep();
        self.given_back.fetch_and(!bit(number), Ordering::AcqRel);
        stream.put_in_place()?;
        Ok(Arc::new(stream))
    }

    /// Starts the thread, unless it runs.
    fn start(self: &Arc<Self>, state: &mut State) -> Result<()> {
        if !state.is_running {
            let process = Arc::clone(self);
            // It ends by itself when nothing is left to forward.
            let (_name, _detached) = spawn("steplog-output", move || process.run())?;
            state.is_running = true;
        }
        Ok(())
    }

    fn each_active(&self, act: impl Fn(&Stream)) {
        let state = self.state();
        state
            .streams
            .iter()
            .filter(|stream| stream.is_active())
            .for_each(|stream| act(stream));
    }

    fn cut(&self) {
        let mut cuts = self.cuts();
        if cuts.streams.len() > 1 && cuts.list.len() < MAX_CUTS {
            let cut = sizes(&cuts.streams);
            cuts.list.push_back(cut);
        }
    }

    fn ask(&self) -> u64 {
        let mut state = self.state();
        state.asked += 1;
        self.watch.wake();
        state.asked
    }

    fn wait(&self, asked: u64, until: Instant) -> (MutexGuard<'_, State>, bool) {
        let mut state = self.state();
        while state.is_running && state.answered < asked {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let woken = self.answered.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        let is_answered = !state.is_running || state.answered >= asked;
        (state, is_answered)
    }

    fn leave(&self, log: &Arc<dyn Log>, timeout: Duration) -> Left {
        if !self.state().takers.iter().any(|taker| is_of(taker, log)) {
            return Left::default();
        }
        let until = Instant::now() + timeout;
        system::flush_stdio();
        let (mut state, _) = self.wait(self.ask(), until);
        let is_last = state.takers.iter().all(|taker| is_of(taker, log));
        let mut waiting = Vec::new();
        if is_last {
            let active: Vec<_> = state
                .streams
                .iter()
                .filter(|stream| stream.is_active())
                .map(Arc::clone)
                .collect();
            for stream in &active {
                // One that cannot be put back is forwarded as long as the process lives.
                drop(stream.give_back());
            }
            drop(state);
            // Another thread has printed meanwhile.
            state = self.wait(self.ask(), until).0;
            self.cuts().streams.clear();
            for stream in active {
                waiting.extend(stream.waiting());
                stream.retire();
            }
        }
        let Some(at) = state.takers.iter().position(|taker| is_of(taker, log)) else {
            return Left::default();
        };
        let mut taker = state.takers.remove(at);
        for stream in &state.streams {
            if stream.source.as_file().is_some() {
                taker.record(stream, stream.source.size(), true);
            } else {
                taker.record_bytes(stream, &[], true);
            }
        }
        for number in [1, 2] {
            // All of it is in the log. A name that stays is taken for what a kill has left, and found to be
            // there already.
            drop(std::fs::remove_file(log.dir().join(stream_file(number))));
        }
        let lost = state.streams.iter().filter_map(|stream| stream.take_lost());
        let left = Left {
            unrecorded: taker.lost,
            unforwarded: lost.chain(waiting).collect(),
        };
        drop(state);
        self.watch.wake();
        left
    }

    /// The thread's work.
    fn run(&self) {
        fatal::leave_to_others();
        let mut buffer = vec![0; PIECE];
        let mut order = Vec::new();
        loop {
            let (streams, asked) = {
                let state = self.state();
                (state.streams.clone(), state.asked)
            };
            let has_moved = self.pass(&streams, &order, &mut buffer);
            {
                let mut state = self.state();
                if !streams.iter().any(|stream| stream.is_stuck()) {
                    state.answered = asked;
                    self.answered.notify_all();
                }
                self.tidy(&mut state);
                if state.streams.is_empty() && state.asked == asked {
                    state.is_running = false;
                    return;
                }
                if has_moved || state.asked != asked {
                    continue;
                }
            }
            let terminals: Vec<_> = streams
                .iter()
                .filter_map(|stream| stream.source.as_terminal())
                .collect();
            let stuck: Vec<_> = streams
                .iter()
                .filter(|stream| stream.is_stuck())
                .map(|stream| stream.original.as_fd())
                .collect();
            let is_looked = streams
                .iter()
                .any(|stream| stream.source.as_file().is_some() && stream.watched.is_none());
            order = self.watch.wait(&terminals, &stuck, is_looked);
            if !is_mixed(&streams) {
                self.gather(&streams);
            }
        }
    }

    /// Waits a moment for more of what has just come, and in a flood until that is over, or for a while:
    /// whoever writes it is not held up then by what is done with it. It is kept meanwhile, whatever dies.
    fn gather(&self, streams: &[Arc<Stream>]) {
        let began = Instant::now();
        let mut size = whole(streams);
        while !self.watch.gather() && began.elapsed() < FLOOD {
            let before = std::mem::replace(&mut size, whole(streams));
            if size < before + FLOOD_BYTES {
                break;
            }
        }
    }

    /// Forwards and records what is there now; false when there was nothing.
    fn pass(&self, streams: &[Arc<Stream>], order: &[Watched], buffer: &mut [u8]) -> bool {
        let mut has_moved = false;
        let mut last: Vec<_> = streams.iter().collect();
        last.sort_by_key(|stream| {
            let place = order.iter().position(|one| Some(*one) == stream.watched);
            place.unwrap_or(usize::MAX)
        });
        let (cuts, sizes) = {
            // The program goes over to another stream before this or after it.
            let mut cuts = self.cuts();
            let sizes = last.iter().map(|stream| (stream.id, stream.source.size()));
            let sizes: Cut = sizes.collect();
            (std::mem::take(&mut cuts.list), sizes)
        };
        for (stream, (_, size)) in last.iter().zip(&sizes) {
            if *size < stream.forwarded() {
                self.restart(stream);
            }
        }
        let mut ends = Vec::new();
        for (id, end) in cuts.into_iter().flatten().chain(sizes) {
            let stream = streams.iter().find(|stream| stream.id == id);
            ends.extend(stream.map(|stream| (stream, end)));
        }
        for (stream, end) in ends {
            has_moved |= self.forward(stream, end, buffer);
        }
        for stream in streams {
            has_moved |= self.forward_terminal(stream, buffer);
        }
        has_moved
    }

    fn restart(&self, stream: &Stream) {
        let mut state = self.state();
        stream.restart();
        for taker in &mut state.takers {
            taker.restart(stream);
        }
    }

    /// Forwards and records a stream's file up to `end`. Where the original takes no more now, it is
    /// recorded all the same.
    fn forward(&self, stream: &Stream, end: u64, buffer: &mut [u8]) -> bool {
        let mut has_moved = false;
        loop {
            let before = stream.forwarded();
            let at = stream.forward(end, buffer);
            let is_over = at >= end || at == before || stream.is_stuck();
            let mut state = self.state();
            self.give_up(stream);
            for taker in &mut state.takers {
                has_moved |= taker.record(stream, if is_over { end } else { at }, false);
            }
            let recorded = state.takers.iter().filter_map(|taker| taker.at(stream));
            stream.source.free(recorded.min().unwrap_or(at).min(at));
            has_moved |= at > before;
            if is_over {
                return has_moved;
            }
        }
    }

    /// Where the original fails, the stream has it back; while nobody else changes streams.
    fn give_up(&self, stream: &Stream) {
        if stream.give_up() {
            self.given_back
                .fetch_or(bit(stream.number), Ordering::AcqRel);
        }
    }

    fn forward_terminal(&self, stream: &Stream, buffer: &mut [u8]) -> bool {
        let Some(terminal) = stream.source.as_terminal() else {
            return false;
        };
        stream.source.follow_size(stream.original.as_fd());
        let mut taken = 0;
        while taken < TURN {
            let read = stream.read_terminal(terminal, buffer);
            let Ok(count @ 1..) = read else {
                if read != Err(rustix::io::Errno::AGAIN) && !stream.is_active() {
                    stream.end();
                }
                break;
            };
            let piece = buffer.get(..count).unwrap_or_default();
            stream.write(piece);
            stream.has_forwarded();
            taken += count;
            let mut state = self.state();
            self.give_up(stream);
            for taker in &mut state.takers {
                taker.record_bytes(stream, piece, false);
            }
        }
        taken > 0
    }

    /// Forgets streams that no run takes, and that nobody writes to any more.
    fn tidy(&self, state: &mut State) {
        state.streams.retain(|stream| {
            let is_used = stream.is_active()
                || stream.source.size() > stream.forwarded()
                || (!stream.is_over() && stream.source.is_written());
            if !is_used && let Some(watched) = stream.watched {
                self.watch.remove(watched);
            }
            is_used
        });
    }
}
