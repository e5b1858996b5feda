//! What a terminal does with what is written to it.

use vte::{Params, Perform};

use super::Line;
use super::screen::{BLANK, MAX_LETTERS, Row, SECOND_HALF, Screen, WINDOW, is_wide};
use crate::sgr::Style;

/// The screen while a piece of text is written onto it.
pub(super) struct Writing<'a> {
    pub(super) screen: &'a mut Screen,
    pub(super) next: &'a mut u64,
    pub(super) stream: u8,
    pub(super) wall: i64,
    pub(super) done: &'a mut Vec<Line>,
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
        row.part_at(column + usize::from(how == 1));
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
        let halves = [Some(letter), is_wide(letter).then_some(SECOND_HALF)];
        let end = column + halves.iter().flatten().count();
        row.part_at(column);
        row.part_at(end);
        for (at, half) in (column..).zip(halves.into_iter().flatten()) {
            match row.letters.get_mut(at) {
                Some(place) => *place = (half, style),
                None => row.letters.push((half, style)),
            }
        }
        self.screen.column = end.min(MAX_LETTERS);
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
