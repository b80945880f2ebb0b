//! Reads the patch format into operations.
//!
//! Refuses anything it does not know, with the line. It does not look at files.

/// One thing a patch does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    /// Makes a file.
    Add { path: String, content: String },
    /// Removes a file.
    Delete { path: String },
    /// Changes a file, and moves it when told so.
    Update { path: String, move_to: Option<String>, chunks: Vec<Chunk> },
}

impl Operation {
    /// Returns the paths it names.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        let (path, other) = match self {
            Operation::Add { path, .. } | Operation::Delete { path } => (path, None),
            Operation::Update { path, move_to, .. } => (path, move_to.as_deref()),
        };
        [Some(path.as_str()), other].into_iter().flatten()
    }
}

/// A stretch of changed lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    /// A line that stands somewhere before the change.
    pub(super) after: Option<String>,
    /// The lines, in order.
    pub(super) lines: Vec<(Mark, String)>,
    /// The stretch ends the file.
    pub(super) at_end: bool,
}

/// What a line of a chunk says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Keep,
    Remove,
    Add,
}

/// Why a text is not a patch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("the patch must begin with the line `*** Begin Patch`")]
    NoBegin,
    #[error("the patch must end with the line `*** End Patch`")]
    NoEnd,
    #[error("the patch is empty")]
    Empty,
    #[error("the patch has more than {OPERATIONS_MAX} files; split it")]
    TooMany,
    #[error("line {line}: {what}")]
    Line { line: usize, what: &'static str },
}

/// Most files of one patch.
const OPERATIONS_MAX: usize = 200;

/// Reads a patch.
pub(super) fn parse(input: &str) -> Result<Vec<Operation>, Error> {
    let mut lines: Vec<(usize, &str)> = input
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .enumerate()
        .map(|(n, it)| (n + 1, it))
        .collect();
    let blank = |it: &(usize, &str)| it.1.trim().is_empty();
    while lines.last().is_some_and(blank) {
        lines.pop();
    }
    let first = lines.iter().position(|it| !blank(it)).unwrap_or(0);
    let lines = &lines[first..];
    let [(_, begin), body @ ..] = lines else { return Err(Error::NoBegin) };
    if begin.trim() != "*** Begin Patch" {
        return Err(Error::NoBegin);
    }
    let [body @ .., (_, end)] = body else { return Err(Error::NoEnd) };
    if end.trim() != "*** End Patch" {
        return Err(Error::NoEnd);
    }
    operations(body)
}

fn operations(mut rest: &[(usize, &str)]) -> Result<Vec<Operation>, Error> {
    let mut operations = Vec::new();
    while let Some(((number, line), after)) = rest.split_first() {
        let stop = after.iter().position(|(_, line)| is_header(line)).unwrap_or(after.len());
        let (body, next) = after.split_at(stop);
        let bad = |what| Error::Line { line: *number, what };
        if let Some(path) = line.strip_prefix("*** Add File:") {
            operations.push(Operation::Add { path: name(path).ok_or(bad(NO_PATH))?, content: added(body)? });
        } else if let Some(path) = line.strip_prefix("*** Delete File:") {
            if let Some((number, _)) = body.iter().find(|(_, line)| !line.trim().is_empty()) {
                return Err(Error::Line { line: *number, what: "a deleted file takes no lines" });
            }
            operations.push(Operation::Delete { path: name(path).ok_or(bad(NO_PATH))? });
        } else if let Some(path) = line.strip_prefix("*** Update File:") {
            operations.push(update(name(path).ok_or(bad(NO_PATH))?, *number, body)?);
        } else if !line.trim().is_empty() {
            return Err(bad("expected `*** Add File:`, `*** Update File:` or `*** Delete File:` with a path"));
        }
        if operations.len() > OPERATIONS_MAX {
            return Err(Error::TooMany);
        }
        rest = next;
    }
    if operations.is_empty() { Err(Error::Empty) } else { Ok(operations) }
}

const NO_PATH: &str = "the path is missing";

fn is_header(line: &str) -> bool {
    ["*** Add File:", "*** Delete File:", "*** Update File:"].iter().any(|header| line.starts_with(header))
}

fn name(path: &str) -> Option<String> {
    let path = path.trim();
    (!path.is_empty()).then(|| path.to_owned())
}

fn added(body: &[(usize, &str)]) -> Result<String, Error> {
    let mut content = String::new();
    for (number, line) in body {
        let Some(text) = line.strip_prefix('+') else {
            return Err(Error::Line { line: *number, what: "each line of an added file begins with `+`" });
        };
        content.push_str(text);
        content.push('\n');
    }
    Ok(content)
}

fn update(path: String, number: usize, body: &[(usize, &str)]) -> Result<Operation, Error> {
    let mut move_to = None;
    let mut chunks: Vec<Chunk> = Vec::new();
    for (index, (number, line)) in body.iter().enumerate() {
        let bad = |what| Error::Line { line: *number, what };
        if let Some(target) = line.strip_prefix("*** Move to:") {
            if index != 0 {
                return Err(bad("`*** Move to:` belongs right after `*** Update File:`"));
            }
            move_to = Some(name(target).ok_or(bad(NO_PATH))?);
            continue;
        }
        if let Some(after) = line.strip_prefix("@@") {
            // Unified diffs put numbers here; they say nothing that context does not.
            let after = after.trim();
            let is_numbers = after.starts_with('-') && after.contains("@@");
            let after = (!after.is_empty() && !is_numbers).then(|| after.to_owned());
            chunks.push(Chunk { after, ..Chunk::default() });
            continue;
        }
        if chunks.is_empty() {
            chunks.push(Chunk::default());
        }
        let Some(chunk) = chunks.last_mut() else { continue };
        if line.trim_end() == "*** End of File" {
            chunk.at_end = true;
            continue;
        }
        if chunk.at_end {
            return Err(bad("nothing of this stretch may follow `*** End of File`; begin a new one with `@@`"));
        }
        chunk.lines.push(marked(line).ok_or(bad("each line begins with a space, `-` or `+`, or is empty"))?);
    }
    chunks.retain(|chunk| !chunk.lines.is_empty());
    if chunks.is_empty() && move_to.is_none() {
        return Err(Error::Line { line: number, what: "the update has no changed lines" });
    }
    Ok(Operation::Update { path, move_to, chunks })
}

fn marked(line: &str) -> Option<(Mark, String)> {
    let mut chars = line.chars();
    let mark = match chars.next() {
        // An empty line is a kept empty line whose space was lost on the way.
        None | Some(' ') => Mark::Keep,
        Some('-') => Mark::Remove,
        Some('+') => Mark::Add,
        Some(_) => return None,
    };
    Some((mark, chars.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_of_operation_is_read() {
        let patch = "*** Begin Patch\n*** Add File: a b.txt\n+one\n+\n*** Update File: old\n*** Move to: new\n@@ fn x\n keep\n-out\n+in\n\n@@\n+tail\n*** End of File\n*** Delete File: gone\n*** End Patch\n";
        let line = |mark, text: &str| (mark, text.to_owned());
        assert_eq!(
            parse(patch).unwrap(),
            [
                Operation::Add { path: "a b.txt".into(), content: "one\n\n".into() },
                Operation::Update {
                    path: "old".into(),
                    move_to: Some("new".into()),
                    chunks: vec![
                        Chunk {
                            after: Some("fn x".into()),
                            lines: vec![
                                line(Mark::Keep, "keep"),
                                line(Mark::Remove, "out"),
                                line(Mark::Add, "in"),
                                line(Mark::Keep, ""),
                            ],
                            at_end: false,
                        },
                        Chunk { after: None, lines: vec![line(Mark::Add, "tail")], at_end: true },
                    ],
                },
                Operation::Delete { path: "gone".into() },
            ]
        );
    }

    #[test]
    fn what_is_no_patch_is_refused_with_its_line() {
        for (patch, expected) in [
            ("", "the patch must begin with the line `*** Begin Patch`"),
            ("*** Begin Patch", "the patch must end with the line `*** End Patch`"),
            ("*** Begin Patch\n*** End Patch", "the patch is empty"),
            (
                "*** Begin Patch\nhello\n*** End Patch",
                "line 2: expected `*** Add File:`, `*** Update File:` or `*** Delete File:` with a path",
            ),
            (
                "*** Begin Patch\n*** Add File: a\nb\n*** End Patch",
                "line 3: each line of an added file begins with `+`",
            ),
            ("*** Begin Patch\n*** Add File:\n+b\n*** End Patch", "line 2: the path is missing"),
            ("*** Begin Patch\n*** Update File: a\n*** End Patch", "line 2: the update has no changed lines"),
            (
                "*** Begin Patch\n*** Update File: a\nxyz\n*** End Patch",
                "line 3: each line begins with a space, `-` or `+`, or is empty",
            ),
            (
                "*** Begin Patch\n*** Update File: a\n+x\n*** Move to: b\n*** End Patch",
                "line 4: `*** Move to:` belongs right after `*** Update File:`",
            ),
            ("*** Begin Patch\n*** Delete File: a\n-x\n*** End Patch", "line 3: a deleted file takes no lines"),
        ] {
            assert_eq!(parse(patch).unwrap_err().to_string(), expected, "{patch}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(body in "([-+ @*a-z]|\n|File: |\\*\\*\\* Update File: a\n){0,60}") {
            drop(parse(&body));
            drop(parse(&format!("*** Begin Patch\n{body}\n*** End Patch")));
        }
    }
}
