//! A run that takes output: how far it has come with each stream.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use super::stream::Stream;
use crate::error::Result;
use crate::printed::decode;

/// Bytes of one record: small enough to be had in memory by every run at once.
pub(super) const PIECE: usize = 256 << 10;

/// Where output goes.
pub trait Log: Debug + Send + Sync {
    /// The writer's folder.
    fn dir(&self) -> &Path;

    /// Records a text of a stream; `taken` is where it ends in the stream's file.
    ///
    /// # Errors
    /// It is lost.
    fn put(&self, number: u8, text: &str, taken: Option<u64>) -> Result<u64>;
}

/// How far a run has come with one stream.
#[derive(Debug)]
struct Place {
    stream: u64,
    at: u64,
    /// Of a terminal: a letter that was cut off.
    cut_off: Vec<u8>,
}

/// A run that takes output.
#[derive(Debug)]
pub(super) struct Taker {
    pub(super) log: Arc<dyn Log>,
    places: Vec<Place>,
    /// Texts that could not be recorded.
    pub(super) lost: u64,
}

impl Taker {
    pub(super) fn new(log: &Arc<dyn Log>) -> Self {
        Self {
            log: Arc::clone(log),
            places: Vec::new(),
            lost: 0,
        }
    }

    /// Takes a stream from a place of its file on.
    pub(super) fn take(&mut self, stream: &Stream, at: u64) {
        if at > 0 {
            // Who goes on with the log of a process that was killed must know where it began.
            self.put(stream.number, "", Some(at));
        }
        self.places.push(Place {
            stream: stream.id,
            at,
            cut_off: Vec::new(),
        });
    }

    fn put(&mut self, number: u8, text: &str, taken: Option<u64>) {
        self.lost += u64::from(self.log.put(number, text, taken).is_err());
    }

    fn place(&mut self, stream: &Stream) -> Option<&mut Place> {
        self.places
            .iter_mut()
            .find(|place| place.stream == stream.id)
    }

    /// How far it has come with a stream, if it takes that.
    pub(super) fn at(&self, stream: &Stream) -> Option<u64> {
        let place = self.places.iter().find(|place| place.stream == stream.id);
        place.map(|place| place.at)
    }

    /// The stream's file was emptied.
    pub(super) fn restart(&mut self, stream: &Stream) {
        if let Some(place) = self.place(stream) {
            place.at = 0;
        }
    }

    /// Records a stream's file up to a place; false when nothing was to be recorded.
    pub(super) fn record(&mut self, stream: &Stream, to: u64, is_last: bool) -> bool {
        let Some(begin) = self.at(stream) else {
            return false;
        };
        let mut at = begin;
        let mut buffer =
            vec![0; PIECE.min(usize::try_from(to.saturating_sub(at)).unwrap_or(PIECE))];
        while at < to {
            let len = buffer.len().min(usize::try_from(to - at).unwrap_or(PIECE));
            let read = stream
                .source
                .read_at(buffer.get_mut(..len).unwrap_or_default(), at);
            let read = read
                .ok()
                .and_then(|len| buffer.get(..len))
                .unwrap_or_default();
            let is_end = is_last && at + read.len() as u64 >= to;
            let (text, used) = decode(read, is_end);
            if used == 0 {
                break;
            }
            at += used as u64;
            self.put(stream.number, &text, Some(at));
        }
        if let Some(place) = self.place(stream) {
            place.at = at;
        }
        at > begin
    }

    /// Records what was read from a stream's terminal.
    pub(super) fn record_bytes(&mut self, stream: &Stream, bytes: &[u8], is_last: bool) {
        let Some(place) = self.place(stream) else {
            return;
        };
        let mut whole = std::mem::take(&mut place.cut_off);
        whole.extend_from_slice(bytes);
        let (text, used) = decode(&whole, is_last);
        whole.drain(..used);
        place.cut_off = whole;
        if !text.is_empty() {
            self.put(stream.number, &text, None);
        }
    }
}
