//! Checksums of any piece of a segment, from one pass over it.
//!
//! In damaged bytes every word may look like the length of a frame. To run over each of these frames
//! takes the square of the segment's size, hours for one that was made for it.

/// The CRC-32C of all bytes before each word.
#[derive(Debug)]
pub(crate) struct Sums<'a> {
    bytes: &'a [u8],
    before: Vec<u32>,
}

impl<'a> Sums<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        let mut sum = 0;
        let before = bytes.chunks(8).map(|word| {
            let before = sum;
            sum = crc32c::crc32c_append(sum, word);
            before
        });
        let before = before.collect();
        Self { bytes, before }
    }

    /// The CRC of all bytes before `at`.
    fn before(&self, at: usize) -> Option<u32> {
        let Some(sum) = self.before.get(at / 8) else {
            // Behind the last word.
            let last = self.before.len().checked_sub(1)?;
            let rest = self.bytes.get(last * 8..at)?;
            return Some(crc32c::crc32c_append(*self.before.get(last)?, rest));
        };
        let rest = self.bytes.get(at / 8 * 8..at)?;
        Some(crc32c::crc32c_append(*sum, rest))
    }

    /// The CRC that `crc` becomes with `len` bytes from `from` on appended to it.
    pub(crate) fn append(&self, crc: u32, from: usize, len: usize) -> Option<u32> {
        let (before, to) = (self.before(from)?, self.before(from + len)?);
        Some(crc32c::crc32c_combine(crc ^ before, 0, len) ^ to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_piece_has_the_sum_that_it_has_alone(
            bytes in prop::collection::vec(any::<u8>(), 1..100),
            crc in any::<u32>(),
            from in any::<prop::sample::Index>(),
            len in any::<prop::sample::Index>(),
        ) {
            let from = from.index(bytes.len());
            let len = len.index(bytes.len() - from + 1);
            let alone = crc32c::crc32c_append(crc, &bytes[from..from + len]);
            prop_assert_eq!(Sums::of(&bytes).append(crc, from, len), Some(alone));
        }
    }
}
