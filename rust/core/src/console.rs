//! What was printed, as lines: carriage returns, cursor movements and erasures resolved as a terminal
//! would, so that a progress bar is one line, which says how often it was written anew.

mod escapes;
mod screen;
mod writing;

use vte::Parser;

use crate::error::Result;
use crate::value::{Cursor, write_array_len, write_u64_fixed};
use escapes::{whole_until, without_open_strings};
use screen::Screen;
use writing::Writing;

/// A line of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number among all lines of the writer, from 0.
    pub number: u64,
    /// When it was begun, nanoseconds since the epoch.
    pub wall: i64,
    /// 1 for stdout, 2 for stderr.
    pub stream: u8,
    /// How often it was written anew.
    pub rewrites: u32,
    /// The text; of escape sequences only those of colours are left.
    pub text: String,
    /// The text without those, where it has some; else empty.
    pub plain: String,
    /// What it was before, a line each.
    pub versions: String,
}

/// The output of a writer.
#[derive(Debug, Default, PartialEq)]
pub struct Console {
    next: u64,
    out: Screen,
    err: Screen,
}

impl Console {
    /// Takes a piece of text that was written to a stream (1 or 2); lines that are finished by it go
    /// into `done`.
    pub fn feed(&mut self, stream: u8, wall: i64, text: &str, done: &mut Vec<Line>) {
        let screen = if stream == 2 {
            &mut self.err
        } else {
            &mut self.out
        };
        let mut text = text;
        let joined;
        if !screen.pending.is_empty() {
            joined = std::mem::take(&mut screen.pending) + text;
            text = &joined;
        }
        let (whole, rest) = text.split_at(whole_until(text));
        screen.pending.push_str(rest);
        let mut writing = Writing {
            screen,
            next: &mut self.next,
            stream,
            wall,
            done,
        };
        Parser::new().advance(&mut writing, without_open_strings(whole).as_bytes());
    }

    /// Everything is finished: the output is at its end.
    pub fn flush(&mut self, done: &mut Vec<Line>) {
        done.extend(self.open());
        (self.out, self.err) = Default::default();
    }

    /// The lines that may still change, by number.
    #[must_use]
    pub fn open(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = (1_u8..)
            .zip([&self.out, &self.err])
            .flat_map(|(stream, screen)| {
                screen.rows.iter().map(move |row| row.clone().line(stream))
            })
            .collect();
        lines.sort_by_key(|line| line.number);
        lines
    }

    /// How many lines there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.next
    }

    /// All that is needed to go on.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if *self == Self::default() {
            return out;
        }
        write_array_len(&mut out, 3);
        write_u64_fixed(&mut out, self.next);
        self.out.write(&mut out);
        self.err.write(&mut out);
        out
    }

    /// Goes on from [`Console::to_bytes`].
    ///
    /// # Errors
    /// The bytes are none of these.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut cursor = Cursor::new(bytes);
        cursor.array_len("console")?;
        Ok(Self {
            next: cursor.u64("count of lines")?,
            out: Screen::read(&mut cursor)?,
            err: Screen::read(&mut cursor)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::screen::{MAX_VERSION_BYTES, WINDOW};
    use super::*;
    use proptest::prelude::*;

    fn lines(pieces: &[(u8, &str)]) -> Vec<Line> {
        let mut console = Console::default();
        let mut done = Vec::new();
        for (wall, (stream, text)) in (0..).zip(pieces) {
            console.feed(*stream, wall, text, &mut done);
        }
        console.flush(&mut done);
        done.sort_by_key(|line| line.number);
        done
    }

    fn bar(steps: std::ops::RangeInclusive<u32>, end: &str) -> String {
        let steps: Vec<String> = steps.map(|step| format!("\r{step:3}{end}")).collect();
        steps.concat()
    }

    fn texts(text: &str) -> Vec<String> {
        lines(&[(1, text)])
            .into_iter()
            .map(|line| line.text)
            .collect()
    }

    #[test]
    fn lines_are_what_a_terminal_shows() {
        for (written, shown) in [
            ("a\nb\n\nc", vec!["a", "b", "", "c"]),
            ("  1%\r 50%\r100%\n", vec!["100%"]),
            ("abc\rX\n", vec!["Xbc"]),
            // Of letters that take two columns no half stays.
            ("漢字x\rAB\n", vec!["AB字x"]),
            ("😀 wide\rAB\n", vec!["AB wide"]),
            ("漢字\r\x1b[1Cx\n", vec![" x字"]),
            ("漢字\rx\n", vec!["x 字"]),
            ("a字b\r漢\n", vec!["漢 b"]),
            ("漢字\x1b[3D\x1b[K\n", vec![""]),
            ("漢字\x1b[4D\x1b[1K\n", vec!["  字"]),
            ("a\r\nb\r\n", vec!["a", "b"]),
            ("loading\r\x1b[2Kdone\n", vec!["done"]),
            ("abcdef\x1b[3D\x1b[K\n", vec!["abc"]),
            ("one\ntwo\x1b[1A\rONE\n\n", vec!["ONE", "two"]),
            ("a\nb\nc\x1b[2A\r\x1b[Jx\n", vec!["x", "", ""]),
            ("|\x08/\x08-\n", vec!["-"]),
            ("a\x1b[3Cb\n", vec!["a   b"]),
            ("\x1b]0;title\x07text\n", vec!["text"]),
            ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\\n", vec!["link"]),
            ("junk \x1bP tail\nline\n", vec!["junk  tail", "line"]),
            (
                "\x1b[31mred\x1b[0m plain\n",
                vec!["\x1b[0;31mred\x1b[0m plain"],
            ),
            ("a\tb  \n", vec!["a\tb  "]),
            ("\x1b[?25lhidden cursor\x1b[?25h\n", vec!["hidden cursor"]),
        ] {
            assert_eq!(texts(written), shown, "{written:?}");
        }
    }

    #[test]
    fn a_progress_bar_is_one_line_that_knows_what_it_was() {
        let bar: String = bar(0..=412, "|bar");
        let found = lines(&[(2, &bar), (1, "hello\n"), (2, "\n")]);
        assert_eq!(
            (found[0].text.as_str(), found[0].rewrites, found[0].stream),
            ("412|bar", 412, 2)
        );
        assert!(found[0].versions.starts_with("  0|bar\n  1|bar\n"));
        assert!(found[0].versions.ends_with("411|bar"));
        assert_eq!((found[1].text.as_str(), found[1].wall), ("hello", 1));
    }

    #[test]
    fn what_comes_long_after_a_bar_was_wiped_out_is_a_line_of_its_own() {
        for wipe in ["\r     \r", "\r\x1b[K", "\r\x1b[2K\r"] {
            for (later, texts) in [
                (1_000_000_000, vec!["", "saved", "Error"]),
                (999_999_999, vec!["Error", "saved"]),
            ] {
                let mut console = Console::default();
                let mut done = Vec::new();
                console.feed(2, 5, "\r 50%", &mut done);
                console.feed(2, 6, &format!("\r100%{wipe}"), &mut done);
                console.feed(1, 7, "saved\n", &mut done);
                // It is the same when it goes on from what was kept.
                let mut console = Console::from_bytes(&console.to_bytes()).unwrap();
                console.feed(2, 6 + later, "Error", &mut done);
                console.flush(&mut done);
                done.sort_by_key(|line| line.number);
                let found: Vec<_> = done.iter().map(|line| line.text.as_str()).collect();
                assert_eq!(found, texts, "{wipe:?} {later}");
                let last = done.iter().find(|line| line.text == "Error").unwrap();
                if texts.len() == 3 {
                    assert_eq!((last.wall, last.rewrites), (6 + later, 0));
                    assert_eq!((done[0].wall, done[0].rewrites), (5, 2));
                    assert_eq!(done[0].versions, " 50%\n100%");
                } else {
                    assert_eq!(last.wall, 5);
                }
            }
        }
    }

    #[test]
    fn lines_are_bounded() {
        let long = "x".repeat(20_000) + "\n";
        let found = lines(&[(1, &long)]);
        assert!(found[0].text.ends_with("x … 3616 more letters"));
        let bar: String = bar(0..=99_999, "");
        let found = lines(&[(1, &bar)]);
        assert_eq!(found[0].rewrites, 99_999);
        assert!(found[0].versions.len() < MAX_VERSION_BYTES + 100);
        assert!(found[0].versions.contains(" more …"));
    }

    #[test]
    fn what_is_finished_is_given_at_once() {
        let mut console = Console::default();
        let mut done = Vec::new();
        for number in 0..200 {
            console.feed(1, 0, &format!("{number}\n"), &mut done);
        }
        assert_eq!(done.len(), 200 - WINDOW);
        assert_eq!(console.open().len(), WINDOW);
        assert_eq!(console.count(), 200);
    }

    fn piece() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            "[a-z ]{0,5}",
            Just("\n".to_owned()),
            Just("\r".to_owned()),
            Just("\x08".to_owned()),
            Just("\x1b[A".to_owned()),
            Just("\x1b[2K".to_owned()),
            Just("\x1b[J".to_owned()),
            Just("\x1b[1;38;5;200m".to_owned()),
            Just("\x1b[0m".to_owned()),
            Just("\x1b]0;t\x07".to_owned()),
            Just("\x1b_".to_owned()),
            Just("é☃漢".to_owned()),
        ];
        prop::collection::vec(part, 0..30).prop_map(|parts| parts.concat())
    }

    proptest! {
        /// However the text is cut into pieces, and wherever a reader goes on from the state.
        #[test]
        fn pieces_and_restarts_change_nothing(
            text in piece(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
            other in "[a-z\n]{0,9}",
        ) {
            let whole = lines(&[(1, &text), (2, &other)]);
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            at.retain(|cut| text.is_char_boundary(*cut));
            at.extend([0, text.len()]);
            at.sort_unstable();
            let mut console = Console::default();
            let mut done = Vec::new();
            for pair in at.windows(2) {
                console.feed(1, 0, &text[pair[0]..pair[1]], &mut done);
                console = Console::from_bytes(&console.to_bytes()).unwrap();
            }
            console.feed(2, 1, &other, &mut done);
            console.flush(&mut done);
            done.sort_by_key(|line| line.number);
            prop_assert_eq!(done, whole);
        }

        #[test]
        fn anything_can_be_printed(text in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = lines(&[(1, &text)]);
            if let Ok(console) = Console::from_bytes(&bytes) {
                prop_assert_eq!(Console::from_bytes(&console.to_bytes()).unwrap(), console);
            }
        }
    }
}
