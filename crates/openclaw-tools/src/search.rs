//! Searches the content of files.
//!
//! Walks with the files port, so that nothing outside the workspace is read, and
//! matches with ripgrep's engine. Hidden, ignored and binary files are left out.
//! Files, bytes, matches and line lengths are bounded; what was left out is said.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkMatch};
use openclaw_domain::Permit;
use openclaw_domain::origin::Origin;
use openclaw_domain::ports::{FileKind, Tool, ToolCx, Walk};
use openclaw_domain::tool::{Capability, Effect, Error, ToolOutput, ToolSpec};
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
    summary: "Searches the content of files",
    build: |_| Some(Arc::new(Search { spec: spec() })),
};

const NAME: &str = "search";

/// Most files looked at.
const FILES_MAX: usize = 20_000;

/// Largest file searched, in bytes.
const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Most bytes searched in all.
const TOTAL_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Matches shown unless asked otherwise, and at most.
const MATCHES: usize = 100;
const MATCHES_MAX: usize = 1000;

/// Longest matching line shown whole, in characters.
const LINE_CHARS: usize = 400;

/// Files read ahead while one is searched.
const READ_AHEAD: usize = 8;

const ALIASES: &[Alias] = &[("query", "pattern"), ("regex", "pattern"), ("include", "glob"), ("maxResults", "limit")];

struct Search {
    spec: ToolSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Args {
    pattern: String,
    path: Option<String>,
    glob: Option<String>,
    #[serde(default)]
    ignore_case: bool,
    #[serde(default)]
    literal: bool,
    #[serde(default)]
    context: usize,
    limit: Option<usize>,
    #[serde(default)]
    files_only: bool,
    #[serde(default)]
    all: bool,
}

#[async_trait]
impl Tool for Search {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let args: Args = args::parse(&self.spec, ALIASES, permit.call())?;
        let matcher = matcher(&args)?;
        let found = files(cx, &args).await?;
        let mut hits = Hits::new(&args);
        hits.is_partial = found.len() > FILES_MAX;
        let mut left = TOTAL_BYTES_MAX;
        let paths = found.into_iter().take(FILES_MAX).map(|path| async move {
            // A file that vanished or may not be read is no reason to stop.
            let bytes = cx.files.read(&path, FILE_BYTES_MAX).await;
            (path, bytes)
        });
        let mut contents = stream::iter(paths).buffered(READ_AHEAD);
        while let Some((path, bytes)) = contents.next().await {
            let Ok(bytes) = bytes else {
                hits.unread += 1;
                continue;
            };
            left = left.saturating_sub(bytes.len() as u64);
            hits.search(&matcher, path, &bytes)?;
            if hits.is_full() || left == 0 {
                hits.is_partial = true;
                break;
            }
        }
        Ok(hits.report(&args.pattern))
    }
}

fn matcher(args: &Args) -> Result<RegexMatcher, Error> {
    if args.pattern.is_empty() {
        return Err(Error::tell("search: argument `pattern` is empty"));
    }
    RegexMatcherBuilder::new()
        .case_insensitive(args.ignore_case)
        .fixed_strings(args.literal)
        .line_terminator(Some(b'\n'))
        .build(&args.pattern)
        .map_err(|error| Error::tell(format!("search: {error}; set literal: true to search for plain text")))
}

async fn files(cx: &ToolCx, args: &Args) -> Result<Vec<String>, Error> {
    let path = args.path.as_deref().filter(|path| !path.trim().is_empty()).unwrap_or(".");
    let metadata = cx.files.stat(path).await.map_err(|error| failed(&error))?;
    if metadata.kind == FileKind::File {
        return Ok(vec![path.to_owned()]);
    }
    let walk = Walk {
        depth_max: 0,
        globs: args.glob.iter().cloned().collect(),
        respect_ignore: !args.all,
        entries_max: FILES_MAX + 1,
    };
    let found = cx.files.walk(path, &walk).await.map_err(|error| failed(&error))?;
    Ok(found.into_iter().filter(|it| it.metadata.kind == FileKind::File).map(|it| it.path).collect())
}

/// What was found so far.
struct Hits {
    searcher: Searcher,
    shown: String,
    matches: usize,
    matches_max: usize,
    files: usize,
    files_only: bool,
    unread: usize,
    is_partial: bool,
}

impl Hits {
    fn new(args: &Args) -> Self {
        let searcher = SearcherBuilder::new()
            .line_number(true)
            .before_context(args.context)
            .after_context(args.context)
            .binary_detection(BinaryDetection::quit(0))
            .build();
        Self {
            searcher,
            shown: String::new(),
            matches: 0,
            matches_max: args.limit.unwrap_or(MATCHES).min(MATCHES_MAX),
            files: 0,
            files_only: args.files_only,
            unread: 0,
            is_partial: false,
        }
    }

    fn is_full(&self) -> bool {
        let found = if self.files_only { self.files } else { self.matches };
        found >= self.matches_max || self.shown.len() >= text::BYTES_MAX
    }

    fn search(&mut self, matcher: &RegexMatcher, path: String, bytes: &Bytes) -> Result<(), Error> {
        let room = if self.files_only { usize::MAX } else { self.matches_max - self.matches };
        let mut sink = Lines { path: &path, room, matches: 0, shown: String::new() };
        let searched = self.searcher.search_slice(matcher, bytes, &mut sink);
        searched.map_err(|error| Error::tell(format!("search: {path}: {error}")))?;
        if sink.matches == 0 {
            return Ok(());
        }
        self.files += 1;
        self.matches += sink.matches;
        if self.files_only {
            self.shown.push_str(&format!("{path}  {}\n", text::count_of(sink.matches, "match", "matches")));
        } else {
            self.shown.push_str(&sink.shown);
        }
        Ok(())
    }

    fn report(self, pattern: &str) -> ToolOutput {
        let mut shown = self.shown;
        let is_cut = shown.len() > text::BYTES_MAX;
        if is_cut {
            let kept = text::head(&shown, text::BYTES_MAX);
            shown.truncate(kept.rfind('\n').map_or(kept.len(), |end| end + 1));
        }
        let is_partial = self.is_partial || is_cut;
        if self.matches == 0 {
            shown = format!("[no match for {pattern:?}]");
        }
        if is_partial {
            shown.push_str("[there may be more; narrow path, glob or pattern, or raise limit]");
        }
        if self.unread > 0 {
            shown.push_str(&format!("[{} too large or not readable, left out]", text::count(self.unread, "file")));
        }
        ToolOutput::text(shown, Origin::File).with_details(json!({
            "matches": self.matches, "files": self.files, "unread": self.unread, "truncated": is_partial,
        }))
    }
}

/// Takes the lines of one file as the searcher finds them.
struct Lines<'a> {
    path: &'a str,
    room: usize,
    matches: usize,
    shown: String,
}

impl Lines<'_> {
    fn push(&mut self, number: Option<u64>, mark: char, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches(['\n', '\r']);
        let cut: String = line.chars().take(LINE_CHARS).collect();
        let more = if cut.len() < line.len() { " [line cut]" } else { "" };
        let number = number.unwrap_or(0);
        self.shown.push_str(&format!("{}{mark}{number}{mark} {cut}{more}\n", self.path));
    }
}

impl Sink for Lines<'_> {
    type Error = io::Error;

    fn matched(&mut self, _searcher: &Searcher, found: &SinkMatch<'_>) -> Result<bool, io::Error> {
        self.matches += 1;
        self.push(found.line_number(), ':', found.bytes());
        Ok(self.matches < self.room && self.shown.len() < text::BYTES_MAX)
    }

    fn context(&mut self, _searcher: &Searcher, found: &SinkContext<'_>) -> Result<bool, io::Error> {
        self.push(found.line_number(), '-', found.bytes());
        Ok(true)
    }

    fn context_break(&mut self, _searcher: &Searcher) -> Result<bool, io::Error> {
        self.shown.push_str("--\n");
        Ok(true)
    }
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: NAME.into(),
        description: "Searches the content of files in the workspace with a regular expression, line by line. \
                      Matches are shown as path:line: text."
            .into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "pattern": { "type": "string", "description": "Regular expression (Rust syntax)." },
                "path": { "type": "string", "description": "File or folder to search. Default: the workspace." },
                "glob": { "type": "string", "description": "Only files that match, for example **/*.rs." },
                "ignoreCase": { "type": "boolean", "description": "Treat upper and lower case alike." },
                "literal": { "type": "boolean", "description": "The pattern is plain text." },
                "context": { "type": "integer", "minimum": 0, "maximum": 10,
                    "description": "Lines shown around each match." },
                "limit": { "type": "integer", "minimum": 1, "description": "Most matches, default 100, at most 1000." },
                "filesOnly": { "type": "boolean", "description": "Show only which files match, with counts." },
                "all": { "type": "boolean", "description": "Search hidden and ignored files too." },
            },
            "required": ["pattern"],
        }),
        effect: Effect::Pure,
        capability: Capability::FsRead,
    }
}
