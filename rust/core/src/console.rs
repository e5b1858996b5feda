//! What was printed, as lines: carriage returns, cursor movements and erasures resolved as a terminal
//! would, so that a progress bar is one line, which says how often it was written anew.

use std::borrow::Cow;
use std::collections::VecDeque;

use vte::{Params, Parser, Perform};

use crate::error::Result;
use crate::sgr::Style;
use crate::value::{Cursor, write_array_len, write_bool, write_int, write_str, write_u64_fixed};

/// Lines that the cursor can go back to; what is above them is finished.
const WINDOW: usize = 64;
/// Letters of a line; what is behind them is counted.
const MAX_LETTERS: usize = 16_384;
/// Bytes of what a line was before; of more the oldest are kept, and the newest.
const MAX_VERSION_BYTES: usize = 16_384;
/// An escape sequence that is longer is taken for text of its own.
const MAX_ESCAPE: usize = 4_096;
/// What is written to a line that was wiped out so long ago is another line: nobody redraws a bar so late.
const WIPED_NANOS: i64 = 1_000_000_000;

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

#[derive(Debug, Clone, Default, PartialEq)]
struct Row {
    number: u64,
    wall: i64,
    /// When it was written to last.
    touched: i64,
    letters: Vec<(char, Style)>,
    cut: u64,
    rewrites: u32,
    versions: VecDeque<String>,
    left_out: u64,
}

/// One stream, from the oldest line that may still change.
#[derive(Debug, Default, PartialEq)]
struct Screen {
    rows: VecDeque<Row>,
    row: usize,
    column: usize,
    style: Style,
    /// The cursor went back: what is written next over something writes it anew.
    returned: bool,
    /// The beginning of an escape sequence whose rest is to come.
    pending: String,
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

impl Screen {
    fn write(&self, out: &mut Vec<u8>) {
        write_array_len(out, 6);
        write_u64_fixed(out, self.row as u64);
        write_u64_fixed(out, self.column as u64);
        write_str(out, &self.style.params());
        write_bool(out, self.returned);
        write_str(out, &self.pending);
        write_array_len(out, self.rows.len());
        for row in &self.rows {
            write_array_len(out, 8);
            write_u64_fixed(out, row.number);
            write_int(out, row.wall);
            write_str(out, &row.text());
            write_u64_fixed(out, row.cut);
            write_u64_fixed(out, u64::from(row.rewrites));
            write_u64_fixed(out, row.left_out);
            write_array_len(out, row.versions.len());
            for version in &row.versions {
                write_str(out, version);
            }
            write_int(out, row.touched);
        }
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        cursor.array_len("screen")?;
        let place = |number| usize::try_from(number).unwrap_or(0);
        let mut screen = Self {
            row: place(cursor.u64("row")?).min(WINDOW),
            column: place(cursor.u64("column")?).min(MAX_LETTERS),
            style: style_of(cursor.str("style")?),
            returned: cursor.bool("returned")?,
            pending: cursor.str("pending")?.to_owned(),
            ..Self::default()
        };
        for _ in 0..cursor.array_len("rows")? {
            let items = cursor.array_len("row")?;
            let mut row = Row {
                number: cursor.u64("number")?,
                wall: cursor.i64("wall")?,
                letters: letters_of(cursor.str("text")?),
                cut: cursor.u64("cut")?,
                rewrites: u32::try_from(cursor.u64("rewrites")?).unwrap_or(u32::MAX),
                left_out: cursor.u64("left out")?,
                ..Row::default()
            };
            for _ in 0..cursor.array_len("versions")? {
                row.versions.push_back(cursor.str("version")?.to_owned());
            }
            // Earlier ones did not say it.
            row.touched = if items > 7 {
                cursor.i64("when it was written to")?
            } else {
                i64::MAX
            };
            screen.rows.push_back(row);
        }
        Ok(screen)
    }
}

impl Row {
    /// The letters with their colours.
    fn text(&self) -> String {
        let mut out = String::with_capacity(self.letters.len());
        let mut style = Style::default();
        for &(letter, look) in &self.letters {
            if look != style {
                out.push_str("\x1b[0");
                let params = look.params();
                if !params.is_empty() {
                    out.push(';');
                    out.push_str(&params);
                }
                out.push('m');
                style = look;
            }
            out.push(letter);
        }
        if style != Style::default() {
            out.push_str("\x1b[0m");
        }
        out
    }

    fn line(self, stream: u8) -> Line {
        let mut row = self;
        // What blanks have wiped out is not there.
        if row.rewrites > 0 {
            while row.letters.last().is_some_and(|&last| last == BLANK) {
                row.letters.pop();
            }
        }
        let mut text = row.text();
        let mut plain: String = row.letters.iter().map(|&(letter, _)| letter).collect();
        if row.cut > 0 {
            let note = format!(" … {} more letters", row.cut);
            text.push_str(&note);
            plain.push_str(&note);
        }
        if plain == text {
            plain.clear();
        }
        let mut versions: Vec<String> = std::mem::take(&mut row.versions).into();
        if row.left_out > 0 {
            let note = format!("… {} more …", row.left_out);
            versions.insert(versions.len() / 2, note);
        }
        Line {
            number: row.number,
            wall: row.wall,
            stream,
            rewrites: row.rewrites,
            text,
            plain,
            versions: versions.join("\n"),
        }
    }

    /// Whether there was something, which was wiped out for good.
    fn is_wiped(&self, wall: i64) -> bool {
        self.rewrites > 0
            && wall.saturating_sub(self.touched) >= WIPED_NANOS
            && self.letters.iter().all(|&(letter, _)| letter == ' ')
    }

    /// Keeps what the line is, since it is about to be another.
    fn keep_version(&mut self) {
        self.rewrites = self.rewrites.saturating_add(1);
        let text: String = self.letters.iter().map(|&(letter, _)| letter).collect();
        self.versions.push_back(text.trim_end().to_owned());
        let bytes =
            |versions: &VecDeque<String>| versions.iter().map(|one| one.len() + 1).sum::<usize>();
        while bytes(&self.versions) > MAX_VERSION_BYTES && self.versions.len() > 1 {
            self.versions.remove(self.versions.len() / 2);
            self.left_out += 1;
        }
    }
}

const BLANK: (char, Style) = (' ', Style::NONE);

fn style_of(params: &str) -> Style {
    let mut style = Style::default();
    let codes: Vec<u16> = params
        .split(';')
        .filter_map(|code| code.parse().ok())
        .collect();
    style.apply(codes.iter().map(std::slice::from_ref));
    style
}

/// The letters of [`Row::text`].
fn letters_of(text: &str) -> Vec<(char, Style)> {
    let mut letters = Vec::new();
    let mut style = Style::default();
    let mut parts = text.split("\x1b[");
    letters.extend(
        parts
            .next()
            .unwrap_or("")
            .chars()
            .map(|letter| (letter, style)),
    );
    for part in parts {
        let (params, rest) = part.split_once('m').unwrap_or(("", part));
        style = style_of(params);
        letters.extend(rest.chars().map(|letter| (letter, style)));
    }
    letters
}

/// A string of a terminal, such as its title: it begins so behind ESC.
const STRINGS: [char; 5] = [']', 'P', 'X', '^', '_'];

/// Where the text ends before an escape sequence that is not whole.
fn whole_until(text: &str) -> usize {
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
fn without_open_strings(text: &str) -> Cow<'_, str> {
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

/// The screen while a piece of text is written onto it.
struct Writing<'a> {
    screen: &'a mut Screen,
    next: &'a mut u64,
    stream: u8,
    wall: i64,
    done: &'a mut Vec<Line>,
}

impl Writing<'_> {
    /// The row of the cursor, made if it is not there yet.
    fn row(&mut self) -> &mut Row {
        while self.screen.rows.len() <= self.screen.row {
            self.screen.rows.push_back(Row {
                number: *self.next,
                wall: self.wall,
                ..Row::default()
            });
            *self.next += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "it has just been made")]
        &mut self.screen.rows[self.screen.row]
    }

    fn line_feed(&mut self) {
        self.row();
        self.screen.row += 1;
        self.screen.column = 0;
        while self.screen.row > WINDOW {
            if let Some(row) = self.screen.rows.pop_front() {
                self.done.push(row.line(self.stream));
            }
            self.screen.row -= 1;
        }
    }

    /// Goes on below a line that was wiped out, if that is the last one of the stream.
    fn leave_wiped(&mut self) {
        let (row, wall) = (self.screen.row, self.wall);
        let is_last = row + 1 == self.screen.rows.len();
        if is_last && self.row().is_wiped(wall) {
            let column = self.screen.column;
            self.line_feed();
            (self.screen.column, self.screen.returned) = (column, false);
        }
    }

    /// Something that is there is about to go.
    fn change(&mut self) {
        if std::mem::take(&mut self.screen.returned) && !self.row().letters.is_empty() {
            self.row().keep_version();
        }
    }

    fn erase_line(&mut self, how: u16) {
        if self.screen.row >= self.screen.rows.len() {
            return;
        }
        self.change();
        let (column, wall) = (self.screen.column, self.wall);
        let row = self.row();
        row.touched = wall;
        let letters = &mut row.letters;
        match how {
            0 => letters.truncate(column),
            1 => letters
                .iter_mut()
                .take(column + 1)
                .for_each(|one| *one = BLANK),
            _ => letters.clear(),
        }
    }

    fn erase_below(&mut self) {
        let (row, column) = (self.screen.row, self.screen.column);
        self.erase_line(0);
        for below in row + 1..self.screen.rows.len() {
            (self.screen.row, self.screen.column, self.screen.returned) = (below, 0, true);
            self.erase_line(2);
        }
        (self.screen.row, self.screen.column) = (row, column);
    }
}

impl Perform for Writing<'_> {
    fn print(&mut self, letter: char) {
        if letter != ' ' {
            self.leave_wiped();
        }
        let (column, style) = (self.screen.column, self.screen.style);
        if column < self.row().letters.len() {
            self.change();
        } else {
            self.screen.returned = false; // it goes on where the line ends
        }
        let wall = self.wall;
        let row = self.row();
        row.touched = wall;
        if column >= MAX_LETTERS {
            row.cut += 1;
            return;
        }
        if row.letters.len() < column {
            row.letters.resize(column, BLANK);
        }
        match row.letters.get_mut(column) {
            Some(place) => *place = (letter, style),
            None => row.letters.push((letter, style)),
        }
        self.screen.column += 1;
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\n' => self.line_feed(),
            b'\r' => {
                self.screen.column = 0;
                self.screen.returned = true;
            }
            b'\t' => self.print('\t'),
            0x08 => {
                self.screen.column = self.screen.column.saturating_sub(1);
                self.screen.returned = true;
            }
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: char) {
        if ignore || !intermediates.is_empty() {
            return;
        }
        let first = params
            .iter()
            .next()
            .and_then(|param| param.first().copied());
        let count = usize::from(first.unwrap_or(1).max(1));
        let screen = &mut *self.screen;
        match action {
            'm' if params.is_empty() => screen.style = Style::default(),
            'm' => screen.style.apply(params),
            'A' | 'F' => {
                screen.row = screen.row.saturating_sub(count);
                screen.returned = true;
            }
            'B' | 'E' => screen.row = (screen.row + count).min(screen.rows.len()),
            'C' => screen.column = (screen.column + count).min(MAX_LETTERS),
            'D' => {
                screen.column = screen.column.saturating_sub(count);
                screen.returned = true;
            }
            'G' => {
                screen.column = (count - 1).min(MAX_LETTERS);
                screen.returned = true;
            }
            'K' => self.erase_line(first.unwrap_or(0)),
            'J' if first.unwrap_or(0) == 0 => self.erase_below(),
            _ => {}
        }
        if matches!(action, 'E' | 'F') {
            self.screen.column = 0;
        }
    }
}

#[cfg(test)]
mod tests {
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
            Just("é☃".to_owned()),
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
