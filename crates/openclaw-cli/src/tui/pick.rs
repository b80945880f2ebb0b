//! A list to choose from: commands, conversations, models, earlier messages.
//! Typing filters; at most twelve rows are shown.

use super::command::{self, Verb, fit};
use super::row::{Look, Row};
use super::width;
use crate::text::Lang;

/// Rows shown at once.
pub(crate) const ROWS_MAX: usize = 12;

/// Entries held.
const ITEMS_MAX: usize = 500;

/// What choosing does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    Run(Verb),
    Session(String),
    Model(String),
    Level(String),
    Recall(String),
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) right: String,
    pub(crate) choice: Choice,
}

/// A list that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pick {
    items: Vec<Item>,
    pub(crate) filter: String,
    chosen: usize,
}

impl Pick {
    pub(crate) fn new(mut items: Vec<Item>) -> Self {
        items.truncate(ITEMS_MAX);
        Self { items, filter: String::new(), chosen: 0 }
    }

    /// Makes the palette.
    pub(crate) fn palette(lang: Lang) -> Self {
        let item = |it: &command::Command| Item {
            group: it.group.in_lang(lang).to_owned(),
            name: format!("/{}", it.name),
            about: it.about.in_lang(lang).to_owned(),
            right: it.key.to_owned(),
            choice: Choice::Run(it.verb),
        };
        Self::new(command::ALL.iter().map(item).collect())
    }

    /// Returns the entries that fit, best first.
    fn fitting(&self) -> Vec<&Item> {
        let rate =
            |item: &Item| fit(&self.filter, &item.name).map(|it| it + 1000).or_else(|| fit(&self.filter, &item.about));
        let mut fitting: Vec<(i32, &Item)> = self.items.iter().filter_map(|item| Some((rate(item)?, item))).collect();
        if !self.filter.is_empty() {
            fitting.sort_by_key(|(rate, _)| std::cmp::Reverse(*rate));
        }
        fitting.into_iter().map(|(_, item)| item).collect()
    }

    /// Sets what was typed.
    pub(crate) fn set_filter(&mut self, filter: &str) {
        if filter != self.filter {
            filter.clone_into(&mut self.filter);
            self.chosen = 0;
        }
    }

    pub(crate) fn push(&mut self, c: char) {
        if self.filter.len() < 200 {
            self.filter.push(c);
            self.chosen = 0;
        }
    }

    pub(crate) fn backspace(&mut self) {
        self.filter.pop();
        self.chosen = 0;
    }

    pub(crate) fn up(&mut self) {
        self.chosen = self.chosen.saturating_sub(1);
    }

    pub(crate) fn down(&mut self) {
        self.chosen = (self.chosen + 1).min(self.fitting().len().saturating_sub(1));
    }

    /// Returns the chosen entry.
    pub(crate) fn chosen(&self) -> Option<&Item> {
        self.fitting().get(self.chosen).copied()
    }

    /// Draws the list.
    pub(crate) fn rows(&self, columns: usize, height: usize, none: &str) -> Vec<Row> {
        let fitting = self.fitting();
        if fitting.is_empty() {
            return vec![Row::of(Look::Dim, format!("  {none}"))];
        }
        let room = ROWS_MAX.min(height.max(1));
        let from = (self.chosen + 1).saturating_sub(room);
        let shown = &fitting[from..(from + room).min(fitting.len())];
        let wide = |text: fn(&Item) -> &str| shown.iter().map(|item| width::of(text(item))).max().unwrap_or(0);
        let (groups, names) = (wide(|it| &it.group), wide(|it| &it.name).min(columns / 2));
        let draw = |(at, item): (usize, &&Item)| {
            let is_chosen = from + at == self.chosen;
            let group = if columns < 60 { String::new() } else { pad(&item.group, groups + 2) };
            let left = format!(
                "{} {group}{}",
                if is_chosen { ">" } else { " " },
                pad(&width::cut_middle(&item.name, names), names + 2)
            );
            let room = columns.saturating_sub(width::of(&left) + width::of(&item.right) + 2);
            let text = format!("{left}{}  {}", pad(&width::cut_middle(&item.about, room), room), item.right);
            Row::of(if is_chosen { Look::Chosen } else { Look::Plain }, width::take(text.trim_end(), columns))
        };
        shown.iter().enumerate().map(draw).collect()
    }
}

fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width::of(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_filters_names_and_words() {
        let mut palette = Pick::palette(Lang::En);
        assert_eq!(palette.rows(80, 20, "none").len(), 12);
        palette.set_filter("mod");
        assert_eq!(palette.chosen().unwrap().choice, Choice::Run(Verb::Model));
        palette.set_filter("start");
        assert_eq!(palette.chosen().unwrap().choice, Choice::Run(Verb::Reset));
        palette.set_filter("zzzz");
        assert_eq!(palette.chosen(), None);
    }

    #[test]
    fn rows_fit_and_the_chosen_one_is_visible() {
        let mut palette = Pick::palette(Lang::Zh);
        for _ in 0..20 {
            palette.down();
        }
        let rows = palette.rows(40, 4, "none");
        assert_eq!(rows.len(), 4);
        assert!(rows[3].text().starts_with('>'));
        assert!(rows.iter().all(|row| row.width() <= 40));
    }
}
