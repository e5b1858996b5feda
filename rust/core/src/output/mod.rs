//! What is printed, whoever prints it: this process, its children, C libraries.
//!
//! The way of a byte: the stream's number leads to an append-only file in the writer's folder, so that
//! it is kept whatever dies. The thread `steplog-output` copies it from there to where it would have
//! gone, then as text into the log of each run that takes it.

#[expect(
    unsafe_code,
    reason = "handlers of signals, and calls that may be made in one"
)]
mod fatal;
mod process;
mod source;
mod stream;
#[expect(unsafe_code, reason = "calls of the C library")]
mod system;
mod taker;
mod watch;

pub(crate) use fatal::forward_rest;
pub use process::{
    Left, Way, append, ask, cut, give_back, has_given_back, has_unread, leave, resume, suspend,
    take, wait,
};
pub use stream::Unforwarded;
pub use taker::Log;
