//! Bytes on disk: the head of a segment, and the frame around each record.
//!
//! Segment head (256 bytes, little-endian):
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | magic `89 53 4C 57 0D 0A 1A 0A` |
//! | 8..10 | format version |
//! | 10..12 | zero |
//! | 12..16 | segment number, from 1 |
//! | 16..20 | CRC-32C of the 256 bytes with this field zero |
//! | 20..24 | zero |
//! | 24, 25..152 | length and text of the run id |
//! | 152, 153..216 | length and text of the writer id |
//! | 216..256 | zero |
//!
//! Frame (at a multiple of 8): payload length (u32), CRC-32C (u32), payload, zeros up to the next
//! multiple of 8. The CRC runs over segment number, frame offset and length (u32 each), then the
//! payload, so that bytes inside a payload can never pass for a frame.

use crate::error::{Error, Result};
use crate::record::{FORMAT, MAX_RECORD_BYTES};
use crate::sums::Sums;

/// Size of a segment's head.
pub const SEGMENT_HEAD: usize = 256;
/// Size of a frame's head.
pub const FRAME_HEAD: usize = 8;
/// Greatest length of a run id in bytes.
pub const MAX_RUN_ID: usize = 127;
/// Greatest length of a writer id in bytes.
pub const MAX_WRITER_ID: usize = 63;

const MAGIC: [u8; 8] = *b"\x89SLW\r\n\x1a\n";

/// A record's number: where its frame begins.
#[must_use]
pub fn position(segment: u32, offset: usize) -> u64 {
    // A segment is at most 64 MiB, or one record longer.
    (u64::from(segment) << 32) | (offset as u64 & 0xffff_ffff)
}

/// The segment and the offset of a position.
#[must_use]
pub fn place(position: u64) -> (u32, usize) {
    let [s0, s1, s2, s3, o0, o1, o2, o3] = position.to_be_bytes();
    let offset = u32::from_be_bytes([o0, o1, o2, o3]);
    (u32::from_be_bytes([s0, s1, s2, s3]), offset as usize)
}

/// Bytes that a frame with a payload of `len` bytes takes.
#[must_use]
pub fn framed_len(len: usize) -> usize {
    FRAME_HEAD + len.next_multiple_of(8)
}

/// The head word of a frame: length in the low half, CRC in the high half.
#[inline]
#[must_use]
pub fn head_word(segment: u32, offset: usize, payload: &[u8]) -> u64 {
    let len = payload.len() as u64 & 0xffff_ffff;
    let crc = crc32c::crc32c_append(seed(segment, offset, len), payload);
    (u64::from(crc) << 32) | len
}

/// The CRC of what stands before a payload, though not in the file.
#[inline]
fn seed(segment: u32, offset: usize, len: u64) -> u32 {
    let mut seed = [0_u8; 12];
    seed[0..4].copy_from_slice(&segment.to_le_bytes());
    let offset = (offset as u64).to_le_bytes();
    seed[4..8].copy_from_slice(&[offset[0], offset[1], offset[2], offset[3]]);
    let low = len.to_le_bytes();
    seed[8..12].copy_from_slice(&[low[0], low[1], low[2], low[3]]);
    crc32c::crc32c(&seed)
}

/// The head word of a frame that is being written: no length yet, and in the place of the CRC the
/// length to come, so that recovery knows the hole that a thread leaves which dies at it.
#[inline]
pub(crate) fn announced(len: usize) -> u64 {
    (len as u64) << 32
}

/// Where a hole ends that begins at `offset`, if this head word announces one.
pub(crate) fn hole_end(word: u64, offset: usize) -> Option<usize> {
    let len = payload_len(word >> 32);
    let is_announced = payload_len(word) == 0 && (1..=MAX_RECORD_BYTES).contains(&len);
    is_announced.then(|| offset + framed_len(len))
}

/// The payload length of a head word.
#[must_use]
pub fn payload_len(word: u64) -> usize {
    let [l0, l1, l2, l3, ..] = word.to_le_bytes();
    u32::from_le_bytes([l0, l1, l2, l3]) as usize
}

/// Who writes a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Run id.
    pub run: String,
    /// Writer id.
    pub writer: String,
}

impl Identity {
    /// Checks the lengths and letters that the format can hold.
    ///
    /// # Errors
    /// An id is empty, too long, or a writer id has letters outside `[A-Za-z0-9_-]`.
    pub fn check(&self) -> Result<()> {
        let id = |what, value: &str, reason| Error::Id {
            what,
            value: value.to_owned(),
            reason,
        };
        if self.run.is_empty() || self.run.len() > MAX_RUN_ID {
            return Err(id("run id", &self.run, "it must have 1 to 127 bytes"));
        }
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if self.writer.is_empty()
            || self.writer.len() > MAX_WRITER_ID
            || !self.writer.bytes().all(letters)
        {
            return Err(id(
                "writer id",
                &self.writer,
                "it must have 1 to 63 of A-Z a-z 0-9 _ -",
            ));
        }
        Ok(())
    }
}

/// Encodes a segment's head.
pub fn segment_head(identity: &Identity, segment: u32) -> [u8; SEGMENT_HEAD] {
    let mut head = [0_u8; SEGMENT_HEAD];
    head[0..8].copy_from_slice(&MAGIC);
    head[8..10].copy_from_slice(&FORMAT.to_le_bytes());
    head[12..16].copy_from_slice(&segment.to_le_bytes());
    for (at, text) in [(24_usize, &identity.run), (152, &identity.writer)] {
        let [len, ..] = text.len().to_le_bytes();
        if let Some((first, rest)) = head
            .get_mut(at..=at + text.len())
            .and_then(<[u8]>::split_first_mut)
        {
            *first = len;
            rest.copy_from_slice(text.as_bytes());
        }
    }
    let crc = crc32c::crc32c(&head);
    head[16..20].copy_from_slice(&crc.to_le_bytes());
    head
}

/// Reads a segment's head: its number and who wrote it.
///
/// # Errors
/// The bytes are no segment head, are damaged, or are of another format version.
pub fn read_segment_head(bytes: &[u8]) -> Result<(u32, Identity)> {
    let malformed = |what| Error::Malformed { what, at: 0 };
    let head = bytes
        .first_chunk::<SEGMENT_HEAD>()
        .ok_or_else(|| malformed("segment head: cut short"))?;
    if head[0..8] != MAGIC {
        return Err(malformed("segment head: not a steplog log"));
    }
    let found = u16::from_le_bytes([head[8], head[9]]);
    if found != FORMAT {
        return Err(Error::Version {
            found,
            supported: FORMAT,
        });
    }
    let mut blank = *head;
    blank[16..20].fill(0);
    if crc32c::crc32c(&blank).to_le_bytes() != head[16..20] {
        return Err(malformed("segment head: checksum"));
    }
    let text = |at: usize| {
        let len = usize::from(*head.get(at)?);
        let field = head.get(at + 1..at + 1 + len)?;
        Some(std::str::from_utf8(field).ok()?.to_owned())
    };
    let (Some(run), Some(writer)) = (text(24), text(152)) else {
        return Err(malformed("segment head: ids"));
    };
    let number = u32::from_le_bytes([head[12], head[13], head[14], head[15]]);
    Ok((number, Identity { run, writer }))
}

/// The payload of the frame at `offset`, if a whole frame that checks stands there. `bytes` are the
/// segment's from `base` on.
#[must_use]
pub fn checked(bytes: &[u8], base: usize, segment: u32, offset: usize) -> Option<&[u8]> {
    let bytes = bytes.get(offset.checked_sub(base)?..)?;
    let head = bytes.get(..FRAME_HEAD)?;
    let word = u64::from_le_bytes(head.try_into().ok()?);
    let len = payload_len(word);
    if len == 0 || len > MAX_RECORD_BYTES {
        return None;
    }
    let payload = bytes.get(FRAME_HEAD..FRAME_HEAD + len)?;
    (head_word(segment, offset, payload) == word).then_some(payload)
}

/// What stands in a segment, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// A record.
    Frame {
        /// Where its frame begins.
        offset: usize,
        /// The record.
        payload: &'a [u8],
    },
    /// Bytes that are no frame: damage. A gap of zeros, or of bytes that were announced and never
    /// published, is what a thread leaves that died in its call.
    Damage {
        /// Where it begins.
        offset: usize,
        /// Where the next frame begins, or the bytes end.
        end: usize,
    },
    /// The beginning of a frame that ends behind the bytes: a write cut short. Nothing follows.
    Torn {
        /// Where it begins.
        offset: usize,
    },
}

/// Walks the frames of a segment's bytes and finds every one that checks.
///
/// A hole, or a torn tail at the very end, is normal and ends the walk.
#[derive(Debug)]
pub struct Scan<'a> {
    bytes: &'a [u8],
    base: usize,
    segment: u32,
    offset: usize,
    /// Bytes read of what looked like frames and was none.
    in_vain: usize,
    sums: Option<Sums<'a>>,
}

impl<'a> Scan<'a> {
    /// Starts behind the head of a whole segment.
    #[must_use]
    pub fn new(bytes: &'a [u8], segment: u32) -> Self {
        Self {
            bytes,
            base: 0,
            segment,
            offset: SEGMENT_HEAD,
            in_vain: 0,
            sums: None,
        }
    }

    /// Starts at offset `base`, a multiple of 8, with the segment's bytes from there on.
    #[must_use]
    pub fn from(bytes: &'a [u8], segment: u32, base: usize) -> Self {
        Self {
            bytes,
            base,
            segment,
            offset: base,
            in_vain: 0,
            sums: None,
        }
    }

    /// Where the bytes end.
    fn end(&self) -> usize {
        self.base + self.bytes.len()
    }

    fn rest(&self, from: usize) -> &'a [u8] {
        self.bytes
            .get(from.saturating_sub(self.base)..)
            .unwrap_or_default()
    }

    /// The head word at `at`; what stands behind the last whole one is a tail, torn off.
    fn word(&self, at: usize) -> u64 {
        let word = self.rest(at).first_chunk::<FRAME_HEAD>();
        word.map_or(0, |word| u64::from_le_bytes(*word))
    }

    /// The payload of the frame at `at`, as [`checked`] finds it.
    fn frame_at(&mut self, at: usize) -> Option<&'a [u8]> {
        let word = self.word(at);
        let len = payload_len(word);
        if len == 0 || len > MAX_RECORD_BYTES || at + FRAME_HEAD + len > self.end() {
            return None;
        }
        if self.in_vain > self.bytes.len() {
            let bytes = self.bytes;
            let sums = self.sums.get_or_insert_with(|| Sums::of(bytes));
            let seed = seed(self.segment, at, len as u64);
            let crc = sums.append(seed, at + FRAME_HEAD - self.base, len)?;
            if u64::from(crc) != word >> 32 {
                return None;
            }
        }
        let payload = checked(self.bytes, self.base, self.segment, at);
        self.in_vain += payload.map_or(len, |_| 0);
        payload
    }

    /// Whether the bytes from `from` on are one frame that ends behind the file: a write cut short.
    fn is_cut_short(&self, from: usize) -> bool {
        let len = payload_len(self.word(from));
        len <= MAX_RECORD_BYTES && FRAME_HEAD + len > self.rest(from).len()
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        let start = self.offset;
        let mut at = start;
        // Where the hole ends that `at` is in, and the first bytes that are in none.
        let mut hole = start;
        let mut stray = None;
        while at < self.end() {
            if let Some(payload) = self.frame_at(at) {
                if stray.is_some() {
                    self.offset = at;
                    return Some(Found::Damage {
                        offset: start,
                        end: at,
                    });
                }
                self.offset = at + framed_len(payload.len());
                return Some(Found::Frame {
                    offset: at,
                    payload,
                });
            }
            let word = self.word(at);
            if at >= hole && stray.is_none() && word != 0 {
                match hole_end(word, at) {
                    Some(end) => hole = end,
                    None => stray = Some(at),
                }
            }
            at += 8;
        }
        let end = self.end();
        self.offset = end;
        match stray {
            Some(stray) if self.is_cut_short(stray) => Some(Found::Torn { offset: stray }),
            Some(_) => Some(Found::Damage { offset: start, end }),
            // Less than the head of a frame.
            None => {
                let last = end / 8 * 8;
                let is_torn = last >= start.max(hole) && self.rest(last).iter().any(|&b| b != 0);
                is_torn.then_some(Found::Torn { offset: last })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment(payloads: &[Vec<u8>], tail: usize) -> (Vec<u8>, Vec<usize>) {
        let identity = Identity {
            run: "run".to_owned(),
            writer: "w".to_owned(),
        };
        let mut bytes = segment_head(&identity, 3).to_vec();
        let mut offsets = Vec::new();
        for payload in payloads {
            let offset = bytes.len();
            offsets.push(offset);
            bytes.extend_from_slice(&head_word(3, offset, payload).to_le_bytes());
            bytes.extend_from_slice(payload);
            bytes.resize(offset + framed_len(payload.len()), 0);
        }
        bytes.resize(bytes.len() + tail, 0);
        (bytes, offsets)
    }

    fn frames(bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
        let mut payloads = Vec::new();
        let mut damages = 0;
        for found in Scan::new(bytes, 3) {
            match found {
                Found::Frame { payload, .. } => payloads.push(payload.to_vec()),
                Found::Damage { .. } => damages += 1,
                Found::Torn { .. } => {}
            }
        }
        (payloads, damages)
    }

    fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 1..12)
    }

    proptest! {
        #[test]
        fn scan_finds_every_frame(payloads in payloads(), tail in 0_usize..9) {
            let (bytes, _) = segment(&payloads, tail * 8);
            prop_assert_eq!(frames(&bytes), (payloads, 0));
        }

        #[test]
        fn scan_stops_at_a_torn_tail_and_keeps_the_rest(payloads in payloads(), cut in 0_usize..2000) {
            let (bytes, offsets) = segment(&payloads, 0);
            let cut = SEGMENT_HEAD + cut % (bytes.len() - SEGMENT_HEAD);
            let whole = offsets.iter().zip(&payloads).filter(|(at, p)| **at + FRAME_HEAD + p.len() <= cut).count();
            prop_assert_eq!(frames(&bytes[..cut]), (payloads[..whole].to_vec(), 0));
        }

        #[test]
        fn sums_find_what_checking_finds(payloads in payloads(), which in any::<usize>()) {
            let (mut bytes, offsets) = segment(&payloads, 64);
            bytes[offsets[which % payloads.len()]] ^= 1;
            let mut scan = Scan::new(&bytes, 3);
            scan.in_vain = usize::MAX / 2;
            prop_assert!(scan.eq(Scan::new(&bytes, 3)));
        }

        #[test]
        fn a_flipped_byte_costs_one_frame_and_is_reported(payloads in payloads(), which in any::<usize>(), bit in 0_u8..8) {
            let (mut bytes, offsets) = segment(&payloads, 64);
            let victim = which % payloads.len();
            let at = offsets[victim] + FRAME_HEAD + which % payloads[victim].len();
            bytes[at] ^= 1 << bit;
            let mut rest = payloads;
            rest.remove(victim);
            prop_assert_eq!(frames(&bytes), (rest, 1));
        }

        #[test]
        fn holes_between_frames_are_skipped(payloads in payloads(), which in any::<usize>(), copied in any::<bool>()) {
            let (mut bytes, offsets) = segment(&payloads, 64);
            let victim = which % payloads.len();
            let end = offsets[victim] + framed_len(payloads[victim].len());
            if copied {
                let word = announced(payloads[victim].len());
                bytes[offsets[victim]..offsets[victim] + FRAME_HEAD].copy_from_slice(&word.to_le_bytes());
            } else {
                bytes[offsets[victim]..end].fill(0);
            }
            let mut rest = payloads;
            rest.remove(victim);
            prop_assert_eq!(frames(&bytes), (rest, 0));
        }
    }

    #[test]
    fn bytes_that_all_look_like_lengths_are_read_a_few_times_only() {
        let looks = 0x0001_0000_u64.to_le_bytes().repeat(1 << 14);
        let (mut bytes, offsets) = segment(&[looks, b"after".to_vec()], 0);
        bytes[SEGMENT_HEAD] ^= 8;
        let mut scan = Scan::new(&bytes, 3);
        let frame = Found::Frame {
            offset: offsets[1],
            payload: b"after",
        };
        assert_eq!(scan.nth(1), Some(frame));
        assert!(scan.in_vain < 3 * bytes.len());
    }

    #[test]
    fn a_hole_excuses_its_own_bytes_and_no_more() {
        let payloads = [vec![7; 20], vec![8; 20], vec![9; 20]];
        let (mut bytes, offsets) = segment(&payloads, 16);
        bytes[offsets[0]..offsets[0] + 8].copy_from_slice(&announced(20).to_le_bytes());
        assert_eq!(frames(&bytes), (payloads[1..].to_vec(), 0));
        bytes[offsets[1] + 9] ^= 1;
        assert_eq!(frames(&bytes), (payloads[2..].to_vec(), 1));
        // Behind a hole a tail may be torn, too.
        bytes.truncate(offsets[1] + 12);
        assert_eq!(frames(&bytes), (vec![], 0));
    }

    #[test]
    fn a_frame_inside_a_payload_is_not_taken_for_one() {
        let (inner, offsets) = segment(&[b"inner".to_vec()], 0);
        let copied = inner[offsets[0]..].to_vec();
        let (mut bytes, outer) = segment(&[copied], 0);
        bytes[outer[0] + 4] ^= 1;
        assert_eq!(frames(&bytes), (vec![], 1));
    }

    #[test]
    fn heads_come_back_and_damage_is_told() {
        let identity = Identity {
            run: "läuft".to_owned(),
            writer: "w-1".to_owned(),
        };
        let head = segment_head(&identity, 9);
        assert_eq!(read_segment_head(&head).unwrap(), (9, identity));
        let mut flipped = head;
        flipped[30] ^= 1;
        assert!(read_segment_head(&flipped).is_err());
        let mut newer = head;
        newer[8] = 2;
        assert!(matches!(
            read_segment_head(&newer),
            Err(Error::Version { found: 2, .. })
        ));
        assert!(read_segment_head(b"short").is_err());
        assert_eq!(place(position(7, 4096)), (7, 4096));
    }

    #[test]
    fn ids_are_checked() {
        let identity = |run: &str, writer: &str| Identity {
            run: run.to_owned(),
            writer: writer.to_owned(),
        };
        assert!(identity("a", "b_2-C").check().is_ok());
        for (run, writer) in [("", "b"), ("a", ""), ("a", "../b"), ("a", "b c")] {
            assert!(identity(run, writer).check().is_err(), "{run:?} {writer:?}");
        }
        assert!(identity(&"x".repeat(128), "b").check().is_err());
    }
}
