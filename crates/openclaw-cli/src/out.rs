//! What a command hands back and how it reaches the person: one report, drawn
//! for people or printed as JSON. Nothing here knows a gateway or a command.

pub(crate) mod colour;
pub(crate) mod failure;
pub(crate) mod json;
pub(crate) mod line;
pub(crate) mod number;
pub(crate) mod progress;
pub(crate) mod table;
pub(crate) mod time;
pub(crate) mod visible;

use serde_json::Value;

pub(crate) use colour::{Paint, Tone};
pub(crate) use line::Line;
pub(crate) use table::{Column, Table};

/// What a command found or did.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// For `--json`: everything, in full.
    pub(crate) data: Value,
    /// For `--jsonl`: one line each, when the command lists something.
    pub(crate) items: Option<Vec<Value>>,
    /// Things to know that are not errors.
    pub(crate) warnings: Vec<String>,
    /// Commands that make sense next.
    pub(crate) next: Vec<String>,
    /// Revision of what was read or written.
    pub(crate) revision: Option<Value>,
    /// For people.
    pub(crate) blocks: Vec<Block>,
    /// Whether the command already wrote all there is to say.
    pub(crate) is_told: bool,
    /// Exit code of a command that worked but found something.
    pub(crate) exit: Option<crate::exit::Exit>,
}

/// A part of a report for people.
#[derive(Debug)]
pub(crate) enum Block {
    /// One line, wrapped to the terminal.
    Line(Line),
    /// A table, fitted to the terminal.
    Table(Table),
    /// Text as it is, for files and scripts.
    Raw(String),
}

impl Report {
    /// Makes a report of data without a drawing.
    pub(crate) fn of(data: Value) -> Self {
        Self { data, ..Self::default() }
    }

    /// Makes the report of a command that has written everything itself.
    pub(crate) fn told() -> Self {
        Self { is_told: true, ..Self::default() }
    }

    /// Says what it lists, one line each with `--jsonl`.
    #[must_use]
    pub(crate) fn items(mut self, items: Vec<Value>) -> Self {
        self.items = Some(items);
        self
    }

    /// Adds a line.
    #[must_use]
    pub(crate) fn line(mut self, line: Line) -> Self {
        self.blocks.push(Block::Line(line));
        self
    }

    /// Adds a table.
    #[must_use]
    pub(crate) fn table(mut self, table: Table) -> Self {
        self.blocks.push(Block::Table(table));
        self
    }

    /// Adds text as it is.
    #[must_use]
    pub(crate) fn raw(mut self, text: impl Into<String>) -> Self {
        self.blocks.push(Block::Raw(text.into()));
        self
    }

    /// Adds a command that makes sense next.
    #[must_use]
    pub(crate) fn next(mut self, command: impl Into<String>) -> Self {
        self.next.push(command.into());
        self
    }
}
