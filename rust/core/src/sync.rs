//! What the log's threads share their state through.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize};
pub(crate) use std::sync::{Mutex, MutexGuard};

pub(crate) use arc_swap::ArcSwap;
