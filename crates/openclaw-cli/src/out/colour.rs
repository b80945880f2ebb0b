//! Colour tells state and is never the only signal: each tone goes with a word.
//! Off when not a terminal, with `NO_COLOR`, `TERM=dumb` or `--no-color`.

/// What a stretch of text says about state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// No state.
    #[default]
    Plain,
    /// Done, working.
    Done,
    /// Waits for you, needs a look.
    Waits,
    /// Failed.
    Failed,
    /// At work.
    Running,
    /// Secondary.
    Dim,
    /// What the eye should find.
    Strong,
}

/// Paints or leaves text alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint {
    /// Whether escape sequences may be written.
    pub(crate) is_on: bool,
}

impl Paint {
    /// Returns the text in its tone.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Done => "32",
            Tone::Waits => "33",
            Tone::Failed => "31",
            Tone::Running => "34",
            Tone::Dim => "2",
            Tone::Strong => "1",
        };
        if self.is_on && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// What decides about colour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    /// `--color`: `always`, `never` or `auto`.
    pub(crate) flag: &'a str,
    /// `--no-color`.
    pub(crate) is_refused: bool,
    /// `NO_COLOR`, set to anything but nothing.
    pub(crate) no_color: Option<&'a str>,
    /// `TERM`.
    pub(crate) term: Option<&'a str>,
    /// Whether the stream is a terminal.
    pub(crate) is_terminal: bool,
}

impl Wish<'_> {
    /// Decides; an explicit flag beats the environment.
    pub(crate) fn decide(self) -> Paint {
        let is_on = match (self.is_refused, self.flag) {
            (true, _) | (_, "never") => false,
            (false, "always") => true,
            (false, _) => {
                let refused = self.no_color.is_some_and(|value| !value.is_empty());
                self.is_terminal && !refused && self.term != Some("dumb")
            }
        };
        Paint { is_on }
    }
}

#[cfg(test)]
mod tests {
    use super::{Paint, Tone, Wish};

    const TERMINAL: Wish<'_> =
        Wish { flag: "auto", is_refused: false, no_color: None, term: Some("xterm"), is_terminal: true };

    #[test]
    fn colour_is_on_only_at_a_willing_terminal() {
        assert!(TERMINAL.decide().is_on);
        assert!(!Wish { is_terminal: false, ..TERMINAL }.decide().is_on);
        assert!(!Wish { no_color: Some("1"), ..TERMINAL }.decide().is_on);
        assert!(Wish { no_color: Some(""), ..TERMINAL }.decide().is_on);
        assert!(!Wish { term: Some("dumb"), ..TERMINAL }.decide().is_on);
        assert!(!Wish { is_refused: true, ..TERMINAL }.decide().is_on);
        assert!(!Wish { flag: "never", ..TERMINAL }.decide().is_on);
    }

    #[test]
    fn an_explicit_flag_beats_the_environment_but_not_a_refusal() {
        let always = Wish { flag: "always", is_terminal: false, no_color: Some("1"), ..TERMINAL };
        assert!(always.decide().is_on);
        assert!(!Wish { is_refused: true, ..always }.decide().is_on);
    }

    #[test]
    fn without_colour_no_escape_byte_is_written() {
        let tones = [Tone::Plain, Tone::Done, Tone::Waits, Tone::Failed, Tone::Running, Tone::Dim, Tone::Strong];
        for tone in tones {
            assert_eq!(Paint { is_on: false }.paint(tone, "x"), "x");
        }
        assert_eq!(Paint { is_on: true }.paint(Tone::Failed, "x"), "\x1b[31mx\x1b[0m");
    }
}
