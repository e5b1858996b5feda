//! A batch: the records that one request carries (`docs/format.md`), compressed with zstd.

use std::io::Read as _;

use crate::error::{Error, Result};
use crate::value::{Cursor, write_array_len, write_u64_fixed};

/// Version of the batch format, also sent as `Steplog-Protocol`.
pub const PROTOCOL: u64 = 1;

/// Compression level: on batches of scalars level 1 is within a few percent of level 3 in size.
const LEVEL: i32 = 1;

/// Records to be sent, in log order.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    after: u64,
    end: u64,
    count: usize,
    payload_bytes: u64,
    items: Vec<u8>,
}

impl BatchBuilder {
    /// An empty batch that begins behind position `after`.
    #[must_use]
    pub fn new(after: u64) -> Self {
        Self {
            after,
            end: after,
            count: 0,
            payload_bytes: 0,
            items: Vec::new(),
        }
    }

    /// Adds the record that follows.
    pub fn push(&mut self, position: u64, payload: &[u8]) {
        self.items.push(0x92);
        write_u64_fixed(&mut self.items, position);
        self.items.extend_from_slice(payload);
        self.end = position;
        self.count += 1;
        self.payload_bytes += payload.len() as u64;
    }

    /// Bytes gathered so far, before compression.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.items.len()
    }

    /// Records gathered so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Position of the last record, or where the batch begins.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The body of the request.
    ///
    /// # Errors
    /// The compressor failed (out of memory).
    pub fn finish(self) -> Result<Batch> {
        let mut plain = Vec::with_capacity(self.items.len() + 32);
        plain.push(0x94);
        for number in [PROTOCOL, self.after, self.end] {
            write_u64_fixed(&mut plain, number);
        }
        write_array_len(&mut plain, self.count);
        plain.extend_from_slice(&self.items);
        let body = zstd::bulk::compress(&plain, LEVEL).map_err(|source| Error::Io {
            action: "compress",
            path: "a batch".into(),
            source,
        })?;
        Ok(Batch {
            after: self.after,
            end: self.end,
            count: self.count,
            payload_bytes: self.payload_bytes,
            body,
        })
    }
}

/// What one request carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Position behind which the batch begins.
    pub after: u64,
    /// Position of its last record.
    pub end: u64,
    /// How many records.
    pub count: usize,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// The compressed body.
    pub body: Vec<u8>,
}

/// Decompresses a body, up to `limit` bytes.
///
/// # Errors
/// The body is not whole zstd, or larger than `limit` decoded.
pub fn decompress(body: &[u8], limit: usize) -> Result<Vec<u8>> {
    let malformed = || Error::Malformed {
        what: "zstd body",
        at: 0,
    };
    let decoder = zstd::Decoder::new(body).map_err(|_not_zstd| malformed())?;
    let mut plain = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder
        .take(bound)
        .read_to_end(&mut plain)
        .map_err(|_cut_or_damaged| malformed())?;
    if plain.len() > limit {
        Err(Error::BatchTooLarge { limit })
    } else {
        Ok(plain)
    }
}

/// The records of a decompressed batch.
#[derive(Debug)]
pub struct Records<'a> {
    /// Position behind which the batch says that it begins.
    pub after: u64,
    /// Position of the last record, `after` when there is none.
    pub end: u64,
    /// (position, payload), strictly increasing.
    pub items: Vec<(u64, &'a [u8])>,
}

/// Reads a decompressed batch; the payloads stay as bytes.
///
/// # Errors
/// The bytes are not a batch, or its positions do not increase from `after` to `end`.
pub fn read(plain: &[u8]) -> Result<Records<'_>> {
    let mut cursor = Cursor::new(plain);
    let bad = |what, at| Error::Malformed { what, at };
    if cursor.array_len("batch")? != 4 {
        return Err(bad("batch", 0));
    }
    let protocol = cursor.u64("batch version")?;
    if protocol != PROTOCOL {
        let found = u16::try_from(protocol).unwrap_or(u16::MAX);
        return Err(Error::Version {
            found,
            supported: 1,
        });
    }
    let (after, end) = (cursor.u64("batch start")?, cursor.u64("batch end")?);
    let count = cursor.array_len("batch records")?;
    let mut items = Vec::with_capacity(count.min(plain.len() / 4));
    let mut last = after;
    for _ in 0..count {
        let at = cursor.at();
        if cursor.array_len("batch item")? != 2 {
            return Err(bad("batch item", at));
        }
        let position = cursor.u64("position")?;
        if position <= last {
            return Err(bad("position: not increasing", at));
        }
        last = position;
        items.push((position, cursor.raw_record("record")?));
    }
    // Databases count in int64; no log has as many segments.
    if last != end || i64::try_from(end).is_err() || !cursor.is_empty() {
        return Err(bad("batch end", cursor.at()));
    }
    Ok(Records { after, end, items })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record;

    #[test]
    fn batch_comes_back() {
        let payloads: Vec<Vec<u8>> = (0..100).map(|code| record::exit(1, code)).collect();
        let mut builder = BatchBuilder::new(5);
        for (position, payload) in (6..).zip(&payloads) {
            builder.push(position, payload);
        }
        let batch = builder.finish().unwrap();
        let plain = decompress(&batch.body, 1 << 20).unwrap();
        let records = read(&plain).unwrap();
        assert_eq!(
            (records.after, records.end, records.items.len()),
            (5, 105, 100)
        );
        assert_eq!(records.items[3], (9, payloads[3].as_slice()));
    }

    #[test]
    fn bombs_cuts_and_disorder_are_refused() {
        let bomb = zstd::bulk::compress(&vec![0; 1 << 20], 1).unwrap();
        assert!(matches!(
            decompress(&bomb, 1 << 10),
            Err(Error::BatchTooLarge { limit: 1024 })
        ));
        let mut builder = BatchBuilder::new(9);
        builder.push(3, &record::exit(1, 0));
        let batch = builder.finish().unwrap();
        assert!(read(&decompress(&batch.body, 1 << 10).unwrap()).is_err());
        let most = i64::MAX.unsigned_abs();
        for (position, is_taken) in [(most, true), (most + 1, false), (u64::MAX, false)] {
            let mut builder = BatchBuilder::new(0);
            builder.push(position, &record::exit(1, 0));
            let batch = builder.finish().unwrap();
            let plain = decompress(&batch.body, 1 << 10).unwrap();
            assert_eq!(read(&plain).is_ok(), is_taken);
        }
        let whole = BatchBuilder::new(9).finish().unwrap();
        for len in 0..whole.body.len() {
            assert!(
                decompress(&whole.body[..len], 1 << 10).map_or(true, |plain| read(&plain).is_err())
            );
        }
    }
}
