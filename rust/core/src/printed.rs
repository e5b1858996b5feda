//! Bytes that programs print, as text: UTF-8, and what is none as Windows-1252.

/// What Windows-1252 has at 0x80 to 0x9f; where it has nothing, the replacement character.
const UPPER_CONTROLS: [char; 32] = [
    '€', '\u{fffd}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{fffd}', 'Ž',
    '\u{fffd}', '\u{fffd}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{fffd}',
    'ž', 'Ÿ',
];

/// The text of these bytes, and how many of them it takes: a letter that is cut off at their end
/// waits for its rest, unless they are the last.
pub(crate) fn decode(bytes: &[u8], is_last: bool) -> (String, usize) {
    let mut text = String::with_capacity(bytes.len());
    let mut used = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        used += chunk.valid().len();
        let invalid = chunk.invalid();
        if !is_last && used + invalid.len() == bytes.len() && is_cut_off(invalid) {
            break;
        }
        text.extend(invalid.iter().map(|byte| letter(*byte)));
        used += invalid.len();
    }
    (text, used)
}

fn is_cut_off(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

fn letter(byte: u8) -> char {
    let control = byte.checked_sub(0x80).map(usize::from);
    let letter = control.and_then(|at| UPPER_CONTROLS.get(at));
    letter.copied().unwrap_or_else(|| char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_that_is_cut_anywhere_stays_whole() {
        let bytes = "aé☃🦀\n".as_bytes();
        for cut in 0..=bytes.len() {
            let (mut text, used) = decode(&bytes[..cut], false);
            assert!(cut - used <= 3);
            let (rest, end) = decode(&bytes[used..], false);
            text.push_str(&rest);
            assert_eq!((text.as_str(), used + end), ("aé☃🦀\n", bytes.len()));
        }
    }

    #[test]
    fn what_is_no_utf8_is_windows_1252() {
        assert_eq!(
            decode(b"caf\xe9 \x80\x81\xff!", false).0,
            "café €\u{fffd}ÿ!"
        );
        // It may be the beginning of a letter, until nothing more comes.
        assert_eq!(decode(b"caf\xe9", false), ("caf".to_owned(), 3));
        assert_eq!(decode(b"caf\xe9", true), ("café".to_owned(), 4));
        assert_eq!(decode(b"\xe2\x98", true), ("â˜".to_owned(), 2));
    }
}
