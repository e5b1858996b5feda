//! Attempts of a run: one that goes on at a step masks what earlier ones of its label have there and
//! behind it, also where it never comes to. Earlier is who has the smaller generation, whatever the
//! clocks say.

/// One writer of a run, as far as others mask it.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// Its label.
    pub label: &'a str,
    /// Its generation.
    pub generation: u32,
    /// Whether it goes on where its label had come to. Whoever does not masks nothing.
    pub resumed: bool,
    /// Its first step.
    pub start_step: i64,
}

/// What is left of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The first step that is masked.
    pub end_step: i64,
    /// Whether its summary counts: one that goes on begins with what those before have come to.
    pub is_summed: bool,
}

/// What is left of each attempt.
#[must_use]
pub fn parts(attempts: &[Attempt<'_>]) -> Vec<Part> {
    let left = |one: &Attempt<'_>| {
        let later = attempts.iter().filter(|other| {
            other.resumed && other.label == one.label && other.generation > one.generation
        });
        let end_step = later.map(|other| other.start_step).min();
        Part {
            end_step: end_step.unwrap_or(i64::MAX),
            is_summed: end_step.is_none(),
        }
    };
    attempts.iter().map(left).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_attempt_masks_its_label_from_its_first_step_on() {
        let attempt = |label, generation, resumed, start_step| Attempt {
            label,
            generation,
            resumed,
            start_step,
        };
        let found = parts(&[
            attempt("a", 0, false, 0),
            attempt("a", 1, true, 50),
            attempt("a", 2, true, 20),
            attempt("b", 0, false, 0),
            // Another process that has the label by chance.
            attempt("b", 1, false, 0),
            attempt("a", 3, true, 40),
        ]);
        let ends: Vec<_> = found.iter().map(|part| part.end_step).collect();
        assert_eq!(ends, [20, 20, 40, i64::MAX, i64::MAX, i64::MAX]);
        let summed: Vec<_> = found.iter().map(|part| part.is_summed).collect();
        assert_eq!(summed, [false, false, false, true, true, true]);
    }
}
