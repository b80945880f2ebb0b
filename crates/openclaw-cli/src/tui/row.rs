//! One line on the screen: stretches of text, each with a look. Made by the view
//! and the transcript, drawn by the screen, compared by tests.

use super::width;

/// How a stretch of text looks; each goes with a word or a mark, colour is extra.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Look {
    /// No state.
    #[default]
    Plain,
    /// Secondary.
    Dim,
    /// What the eye should find.
    Strong,
    /// Stressed text.
    Italic,
    /// Code and commands.
    Code,
    /// Done, working.
    Done,
    /// At work.
    Running,
    /// Waits for the person.
    Waits,
    /// Failed.
    Failed,
    /// The chosen row of a list.
    Chosen,
}

/// A stretch of text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) look: Look,
    pub(crate) text: String,
}

impl Span {
    pub(crate) fn new(look: Look, text: impl Into<String>) -> Self {
        Self { look, text: text.into() }
    }
}

/// One line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) spans: Vec<Span>,
}

impl Row {
    /// Makes a row of one stretch.
    pub(crate) fn of(look: Look, text: impl Into<String>) -> Self {
        Self { spans: vec![Span::new(look, text)] }
    }

    /// Adds a stretch.
    #[must_use]
    pub(crate) fn with(mut self, look: Look, text: &str) -> Self {
        self.push(look, text);
        self
    }

    /// Adds text, joined to the stretch before when it looks the same.
    pub(crate) fn push(&mut self, look: Look, text: &str) {
        match self.spans.last_mut() {
            Some(last) if last.look == look => last.text.push_str(text),
            Some(_) | None => self.spans.push(Span::new(look, text)),
        }
    }

    /// Puts a stretch before the others.
    #[must_use]
    pub(crate) fn after(mut self, look: Look, text: &str) -> Self {
        if !text.is_empty() {
            self.spans.insert(0, Span::new(look, text));
        }
        self
    }

    /// Returns the text without its looks.
    pub(crate) fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
    }

    /// Returns the columns it takes.
    pub(crate) fn width(&self) -> usize {
        self.spans.iter().map(|span| width::of(&span.text)).sum()
    }
}

/// Wraps text under a lead: the first row begins with it, the others with as many spaces.
pub(crate) fn hang(lead: &Row, spans: &[Span], columns: usize) -> Vec<Row> {
    // A lead that takes most of the line would leave nothing for the text.
    let indent = lead.width().min(columns / 2);
    let mut rows = Vec::new();
    for row in width::wrap(spans, columns.saturating_sub(lead.width().max(indent)).max(2)) {
        let mut led = if rows.is_empty() { lead.clone() } else { Row::of(Look::Plain, " ".repeat(indent)) };
        for span in &row.spans {
            led.push(span.look, &span.text);
        }
        rows.push(led);
    }
    rows
}
