//! Replaces exact text in a file.
//!
//! The old text must be there exactly once, or `replaceAll` must say that every
//! place is meant. Several replacements go in order, all or none. A text that is
//! not found is answered with the nearest line, so that the next try can be right.

use std::sync::Arc;

use async_trait::async_trait;
use openclaw_domain::origin::Origin;
use openclaw_domain::ports::{FileChange, Tool, ToolCx};
use openclaw_domain::tool::{Capability, Effect, Error, Probed, ToolOutput, ToolSpec};
use openclaw_domain::{Permit, ToolCall};
use serde::Deserialize;
use serde_json::json;

use crate::args::Alias;
use crate::read::failed;
use crate::registry::Entry;
use crate::{args, text};

/// The row of `ALL`.
pub const ENTRY: Entry = Entry {
    id: NAME,
    group: "group:fs",
    summary: "Replaces exact text in a file",
    build: |_| Some(Arc::new(Edit { spec: spec() })),
};

const NAME: &str = "edit";

/// Largest file edited, in bytes.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Most replacements of one call.
const EDITS_MAX: usize = 100;

const ALIASES: &[Alias] = &[
    ("file_path", "path"),
    ("filePath", "path"),
    ("file", "path"),
    ("old_string", "oldText"),
    ("oldString", "oldText"),
    ("old_str", "oldText"),
    ("old_text", "oldText"),
    ("new_string", "newText"),
    ("newString", "newText"),
    ("new_str", "newText"),
    ("new_text", "newText"),
    ("replace_all", "replaceAll"),
];

struct Edit {
    spec: ToolSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Args {
    path: String,
    old_text: Option<String>,
    new_text: Option<String>,
    #[serde(default)]
    replace_all: bool,
    #[serde(default)]
    edits: Vec<Replacement>,
}

/// One replacement.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Replacement {
    #[serde(alias = "old_string", alias = "old_text")]
    old_text: String,
    #[serde(alias = "new_string", alias = "new_text")]
    new_text: String,
    #[serde(default, alias = "replace_all")]
    replace_all: bool,
}

impl Args {
    fn replacements(self) -> Result<(String, Vec<Replacement>), Error> {
        let mut edits = self.edits;
        match (self.old_text, self.new_text) {
            (Some(old_text), Some(new_text)) => {
                edits.insert(0, Replacement { old_text, new_text, replace_all: self.replace_all });
            }
            (None, None) => {}
            (Some(_), None) => {
                return Err(Error::tell("edit: argument `newText` is missing; use \"\" to delete the text"));
            }
            (None, Some(_)) => {
                return Err(Error::tell("edit: argument `oldText` is missing; it is the text to replace"));
            }
        }
        match edits.len() {
            0 => Err(Error::tell("edit: give oldText and newText, or edits with one or more of them")),
            n if n > EDITS_MAX => {
                Err(Error::tell(format!("edit: {n} edits are more than {EDITS_MAX}; use several calls")))
            }
            _ => Ok((self.path, edits)),
        }
    }
}

#[async_trait]
impl Tool for Edit {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let args: Args = args::parse(&self.spec, ALIASES, permit.call())?;
        let (path, edits) = args.replacements()?;
        let bytes = cx.files.read(&path, FILE_BYTES_MAX).await.map_err(|error| failed(&error))?;
        let Ok(mut content) = String::from_utf8(bytes.into()) else {
            return Err(Error::tell(format!("{path} is not UTF-8 text; edit changes UTF-8 files only")));
        };
        let (mut places, mut first_line) = (0, usize::MAX);
        for (index, edit) in edits.iter().enumerate() {
            let which =
                if edits.len() == 1 { String::new() } else { format!("edit {} of {}: ", index + 1, edits.len()) };
            let edited = replace(&content, edit)
                .map_err(|why| Error::tell(format!("{path}: {which}{why}; nothing was changed")))?;
            content = edited.text;
            places += edited.places;
            first_line = first_line.min(edited.first_line);
        }
        let change = FileChange::Write { path: path.clone(), content: content.into_bytes().into() };
        cx.files.change(change).await.map_err(|error| failed(&error))?;
        let said = format!("edited {path}: {} from line {first_line}", text::count(places, "replacement"));
        Ok(ToolOutput::text(said, Origin::System)
            .with_details(json!({ "path": path, "replacements": places, "firstLine": first_line })))
    }

    async fn probe(&self, call: &ToolCall, cx: &ToolCx) -> Probed {
        let parsed = args::parse::<Args>(&self.spec, ALIASES, call).and_then(Args::replacements);
        let Ok((path, edits)) = parsed else { return Probed::Unknown };
        let Ok(bytes) = cx.files.read(&path, FILE_BYTES_MAX).await else { return Probed::Unknown };
        let Ok(content) = String::from_utf8(bytes.into()) else { return Probed::Unknown };
        if edits.iter().all(|edit| was_made(&content, edit)) {
            let said = format!("edited {path}: the new text is there (found after a restart)");
            return Probed::Happened(ToolOutput::text(said, Origin::System).with_details(json!({ "path": path })));
        }
        if edits.iter().all(|edit| was_not_made(&content, edit)) { Probed::NotHappened } else { Probed::Unknown }
    }
}

/// Tells whether a replacement was certainly made: before it the old text was
/// there, so a file without it and with the new one is the file after it.
fn was_made(content: &str, edit: &Replacement) -> bool {
    can_tell(content, edit) && content.contains(&edit.new_text) && !content.contains(&edit.old_text)
}

/// Tells whether a replacement was certainly not made: after it the new text would be there.
fn was_not_made(content: &str, edit: &Replacement) -> bool {
    can_tell(content, edit) && !content.contains(&edit.new_text) && replace(content, edit).is_ok()
}

/// A deletion leaves nothing to tell it by, and line ends may have been adapted.
fn can_tell(content: &str, edit: &Replacement) -> bool {
    !edit.new_text.is_empty() && !edit.old_text.is_empty() && !content.contains("\r\n")
}

#[derive(Debug, PartialEq, Eq)]
struct Edited {
    text: String,
    places: usize,
    first_line: usize,
}

/// Why a replacement cannot be made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Mismatch {
    #[error("oldText is empty; use write to make a file")]
    Empty,
    #[error("oldText and newText are the same")]
    Same,
    #[error("oldText is there {} times (lines {}); add lines around it, or set replaceAll", .0.len(), joined(.0))]
    Ambiguous(Vec<usize>),
    #[error("oldText is not there; it must match exactly, with spaces and indentation. {0}")]
    Missing(String),
}

fn joined(lines: &[usize]) -> String {
    let shown: Vec<_> = lines.iter().take(10).map(ToString::to_string).collect();
    let more = if lines.len() > 10 { ", ..." } else { "" };
    format!("{}{more}", shown.join(", "))
}

fn replace(text: &str, edit: &Replacement) -> Result<Edited, Mismatch> {
    if edit.old_text.is_empty() {
        return Err(Mismatch::Empty);
    }
    if edit.old_text == edit.new_text {
        return Err(Mismatch::Same);
    }
    let (mut old, mut new) = (edit.old_text.clone(), edit.new_text.clone());
    if !text.contains(&old) && text.contains("\r\n") && !old.contains('\r') {
        // Models see lines without their carriage returns and write them so.
        (old, new) = (old.replace('\n', "\r\n"), new.replace("\r\n", "\n").replace('\n', "\r\n"));
    }
    let lines: Vec<_> = text.match_indices(&old).map(|(at, _)| line_of(text, at)).collect();
    let Some(&first_line) = lines.first() else { return Err(Mismatch::Missing(nearest(text, &old))) };
    if lines.len() > 1 && !edit.replace_all {
        return Err(Mismatch::Ambiguous(lines));
    }
    Ok(Edited { text: text.replace(&old, &new), places: lines.len(), first_line })
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Describes the line that is most like the first line looked for.
pub(crate) fn nearest(text: &str, wanted: &str) -> String {
    let Some(wanted) = wanted.lines().map(str::trim).find(|line| !line.is_empty()) else {
        return "The text looked for holds only blank lines.".to_owned();
    };
    let scored = text.lines().enumerate().map(|(index, line)| (likeness(line.trim(), wanted), index + 1, line));
    // Of equals the first is the better hint.
    let best = scored.reduce(|best, it| if it.0 > best.0 { it } else { best });
    match best {
        Some((score, number, line)) if score * 2 >= wanted.chars().count() => {
            let same = if line.trim() == wanted { ", which differs in spaces or in the lines after it" } else { "" };
            format!("The nearest line is {number}{same}: {}", shorten(line))
        }
        Some(_) | None => "No line is like it; read the file again.".to_owned(),
    }
}

/// Counts characters shared at both ends.
fn likeness(line: &str, wanted: &str) -> usize {
    let shared = line.chars().zip(wanted.chars()).take_while(|(a, b)| a == b).count();
    let ending = line.chars().rev().zip(wanted.chars().rev()).take_while(|(a, b)| a == b).count();
    (shared + ending).min(line.chars().count()).min(wanted.chars().count())
}

fn shorten(line: &str) -> String {
    let cut: String = line.chars().take(200).collect();
    if cut.len() < line.len() { format!("{cut}...") } else { cut }
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: NAME.into(),
        description: "Replaces exact text in a file of the workspace. oldText must match exactly and be there once; \
                      replaceAll replaces every place. Several edits of one file go into edits, all or none."
            .into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "path": { "type": "string", "description": "The file, relative to the workspace." },
                "oldText": { "type": "string", "description": "The exact text to replace." },
                "newText": { "type": "string", "description": "The text to put there." },
                "replaceAll": { "type": "boolean", "description": "Replace every place." },
                "edits": { "type": "array", "description": "Several replacements, made in order.",
                    "items": { "type": "object", "description": "One replacement.",
                        "properties": {
                            "oldText": { "type": "string", "description": "The exact text to replace." },
                            "newText": { "type": "string", "description": "The text to put there." },
                            "replaceAll": { "type": "boolean", "description": "Replace every place." },
                        },
                        "required": ["oldText", "newText"] } },
            },
            "required": ["path"],
        }),
        // The new text may hold the old one, so a second run could change it again.
        effect: Effect::Once,
        capability: Capability::FsWrite,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, old: &str, new: &str, all: bool) -> Result<Edited, String> {
        let edit = Replacement { old_text: old.into(), new_text: new.into(), replace_all: all };
        replace(text, &edit).map_err(|why| why.to_string())
    }

    fn edited(text: &str, places: usize, first_line: usize) -> Result<Edited, String> {
        Ok(Edited { text: text.into(), places, first_line })
    }

    #[test]
    fn one_exact_place_is_replaced_and_several_only_when_meant() {
        assert_eq!(check("a\nb\nc\n", "b", "x", false), edited("a\nx\nc\n", 1, 2));
        assert_eq!(check("a b a", "a", "x", true), edited("x b x", 2, 1));
        assert_eq!(
            check("a\nb\na", "a", "x", false).unwrap_err(),
            "oldText is there 2 times (lines 1, 3); add lines around it, or set replaceAll"
        );
    }

    #[test]
    fn whether_an_edit_was_made_is_told_where_the_texts_tell_it() {
        let told = |content: &str, old: &str, new: &str| {
            let edit = Replacement { old_text: old.into(), new_text: new.into(), replace_all: false };
            (was_made(content, &edit), was_not_made(content, &edit))
        };
        assert_eq!(told("a x c", "b", "x"), (true, false));
        assert_eq!(told("a b c", "b", "x"), (false, true));
        assert_eq!(told("a b x", "b", "x"), (false, false), "the new text was there before");
        assert_eq!(told("a c", "b", ""), (false, false), "a deletion leaves no trace");
        assert_eq!(told("a\r\nx", "b", "x"), (false, false), "line ends may have been adapted");
    }

    proptest! {
        #[test]
        fn what_is_told_of_an_edit_is_never_wrong(
            before in "[abc\n]{0,12}", old in "[abc]{1,3}", new in "[abc]{0,3}", all: bool
        ) {
            let edit = Replacement { old_text: old, new_text: new, replace_all: all };
            if let Ok(after) = replace(&before, &edit) {
                prop_assert!(!was_made(&before, &edit), "before: {before:?}");
                prop_assert!(!was_not_made(&after.text, &edit), "after: {:?}", after.text);
            }
        }
    }

    #[test]
    fn windows_line_ends_are_kept() {
        assert_eq!(check("a\r\nb\r\nc", "a\nb", "x\ny", false), edited("x\r\ny\r\nc", 1, 1));
    }

    #[test]
    fn a_miss_names_the_nearest_line() {
        let error = check("fn main() {\n    let x = 10;\n}\n", "let x = 11;", "y", false).unwrap_err();
        assert!(error.ends_with("The nearest line is 2:     let x = 10;"), "{error}");
        let error = check("\tfoo()\nbar\n", "foo()\nbaz", "y", false).unwrap_err();
        assert!(error.contains("line is 1, which differs in spaces or in the lines after it"), "{error}");
        let error = check("abc", "zzz", "y", false).unwrap_err();
        assert!(error.ends_with("No line is like it; read the file again."), "{error}");
    }

    #[test]
    fn empty_and_equal_texts_are_refused() {
        assert!(check("abc", "", "x", false).unwrap_err().contains("use write"));
        assert!(check("abc", "a", "a", false).unwrap_err().contains("the same"));
    }

    proptest! {
        #[test]
        fn replacing_a_unique_text_and_back_changes_nothing(before in "[a-f\n]{0,40}", after in "[a-f\n]{0,40}") {
            let text = format!("{before}XYZ{after}");
            let there = check(&text, "XYZ", "QRS", false).unwrap().text;
            prop_assert_eq!(check(&there, "QRS", "XYZ", false).unwrap().text, text);
        }
    }
}
