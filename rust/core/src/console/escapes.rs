//! Escape sequences that come in pieces, or never end.

use std::borrow::Cow;

/// An escape sequence that is longer is taken for text of its own.
const MAX_ESCAPE: usize = 4_096;

/// A string of a terminal, such as its title: it begins so behind ESC.
const STRINGS: [char; 5] = [']', 'P', 'X', '^', '_'];

/// Where the text ends before an escape sequence that is not whole.
pub(super) fn whole_until(text: &str) -> usize {
    let mut end = text.len();
    for (at, _) in text.rmatch_indices('\x1b') {
        let sequence = text.get(at + 1..end).unwrap_or_default();
        let is_string = sequence.starts_with(STRINGS);
        let is_whole = match sequence.strip_prefix('[') {
            Some(rest) => rest.bytes().any(|byte| (0x40..=0x7e).contains(&byte)),
            // It ends with BEL, with an escape sequence that stays, or where the line does.
            None if is_string => sequence.contains(['\x07', '\n']),
            None => !sequence.is_empty(),
        };
        // What is held back may turn out to be none: then it ends no string before it.
        if is_whole || text.len() - at > MAX_ESCAPE {
            break;
        }
        end = at;
        if !is_string && !sequence.is_empty() {
            break;
        }
    }
    end
}

/// The text without the beginnings of strings that do not end in their line: a terminal would wait
/// for their end, and show nothing until then.
pub(super) fn without_open_strings(text: &str) -> Cow<'_, str> {
    let mut open = Vec::new();
    let mut next = text.len();
    for (at, _) in text.rmatch_indices('\x1b') {
        let sequence = text.get(at + 1..next).unwrap_or_default();
        let ending = sequence
            .chars()
            .find(|letter| matches!(letter, '\x07' | '\n'));
        if sequence.starts_with(STRINGS) && ending == Some('\n') {
            open.push(at);
        } else {
            next = at;
        }
    }
    if open.is_empty() {
        return text.into();
    }
    let mut kept = String::new();
    let mut from = 0;
    for at in open.into_iter().rev() {
        kept.push_str(text.get(from..at).unwrap_or_default());
        from = at + 2;
    }
    kept.push_str(text.get(from..).unwrap_or_default());
    kept.into()
}
