//! Reads a file: text by lines, pictures whole.
//!
//! Refuses folders, other binary files, and pictures past 5 MiB. Text is cut at
//! whole lines, and the notice says how to go on.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use openclaw_domain::Permit;
use openclaw_domain::message::Part;
use openclaw_domain::origin::Origin;
use openclaw_domain::ports::{FileError, Tool, ToolCx};
use openclaw_domain::tool::{Capability, Effect, Error, ToolOutput, ToolSpec};
use serde::Deserialize;
use serde_json::json;

use crate::registry::Entry;
use crate::{args, charset, text};

/// The row of `ALL`.
pub const ENTRY: Entry = Entry {
    id: NAME,
    group: "group:fs",
    summary: "Reads a file, by lines",
    build: |_| Some(Arc::new(Read { spec: spec() })),
};

const NAME: &str = "read";

/// Largest text file read, in bytes.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Largest picture shown, in bytes.
const IMAGE_BYTES_MAX: usize = 5 * 1024 * 1024;

/// Most lines shown at once.
const LINES_MAX: usize = 2000;

struct Read {
    spec: ToolSpec,
}

#[derive(Deserialize)]
struct Args {
    path: String,
    offset: Option<usize>,
    limit: Option<usize>,
}

#[async_trait]
impl Tool for Read {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn run(&self, permit: Permit, cx: &ToolCx) -> Result<ToolOutput, Error> {
        let args: Args = args::parse(&self.spec, PATH_ALIASES, permit.call())?;
        let bytes = fetch(cx, &args.path).await?;
        if let Some(media_type) = image_type(&bytes) {
            return image(&args.path, media_type, &bytes);
        }
        if charset::is_binary(&bytes) {
            return Err(Error::tell(format!(
                "{} is a binary file of {} bytes; read shows text and pictures only",
                args.path,
                bytes.len()
            )));
        }
        Ok(lines(&args, &bytes))
    }
}

/// Names other products give to `path`.
pub(crate) const PATH_ALIASES: &[args::Alias] = &[("file_path", "path"), ("filePath", "path"), ("file", "path")];

async fn fetch(cx: &ToolCx, path: &str) -> Result<bytes::Bytes, Error> {
    cx.files.read(path, FILE_BYTES_MAX).await.map_err(|error| failed(&error))
}

/// Says what went wrong and what to do next.
pub(crate) fn failed(error: &FileError) -> Error {
    let hint = match error {
        FileError::NotFound(_) => "use list to see what is there",
        FileError::Outside { .. } => "use a path inside the workspace",
        FileError::TooLarge { .. } => "use search, or exec with head or tail, to see a part of it",
        FileError::WrongKind { .. } => "use list to see what is there",
        FileError::Io { .. } => return Error::tell(error.to_string()),
    };
    Error::tell(format!("{error}; {hint}"))
}

fn lines(args: &Args, bytes: &[u8]) -> ToolOutput {
    let decoded = charset::decode(bytes, None);
    let total = decoded.text.lines().count();
    let first = args.offset.unwrap_or(1).max(1);
    let limit = args.limit.unwrap_or(LINES_MAX).min(LINES_MAX);
    let mut shown = String::new();
    let wanted = decoded.text.lines().skip(first - 1).take(limit);
    let taken = text::fill(&mut shown, wanted, text::BYTES_MAX);
    let mut notices = Vec::new();
    if total == 0 {
        notices.push("the file is empty".to_owned());
    } else if taken == 0 {
        notices.push(format!("the file has {}; offset {first} is past its end", text::count(total, "line")));
    }
    let next = first + taken;
    if taken > 0 && next <= total {
        notices.push(format!("{}, use offset {next}", text::count(total - next + 1, "more line")));
    }
    if decoded.encoding != "UTF-8" {
        notices.push(format!("decoded from {}", decoded.encoding));
    }
    if !notices.is_empty() {
        shown.push_str(&format!("[{}]", notices.join("; ")));
    }
    ToolOutput::text(shown, Origin::File).with_details(json!({
        "path": args.path, "bytes": bytes.len(), "lines": total, "firstLine": first, "shownLines": taken,
        "truncated": taken > 0 && next <= total, "encoding": decoded.encoding,
    }))
}

fn image(path: &str, media_type: &str, bytes: &[u8]) -> Result<ToolOutput, Error> {
    if bytes.len() > IMAGE_BYTES_MAX {
        return Err(Error::tell(format!(
            "{path} is a picture of {} bytes, more than the limit of {IMAGE_BYTES_MAX}; make it smaller first",
            bytes.len()
        )));
    }
    let data = base64::engine::general_purpose::STANDARD.encode(bytes);
    let parts = vec![
        Part::text(format!("{path}: {media_type}, {} bytes", bytes.len())),
        Part::Image { media_type: media_type.to_owned(), data },
    ];
    let details = json!({ "path": path, "bytes": bytes.len(), "mediaType": media_type });
    Ok(ToolOutput { parts, origin: Origin::File, details })
}

/// Recognises the picture formats that models take, by content and not by name.
fn image_type(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some("image/png");
    }
    if bytes.starts_with(b"\xff\xd8\xff") {
        return Some("image/jpeg");
    }
    if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
        return Some("image/gif");
    }
    (bytes.len() > 12 && bytes.starts_with(b"RIFF") && &bytes[8..12] == b"WEBP").then_some("image/webp")
}

fn spec() -> ToolSpec {
    ToolSpec {
        name: NAME.into(),
        description: "Reads a file of the workspace. Text is shown by lines, at most 2000 lines or 32 KiB at a time; \
                      use offset and limit for the rest. Pictures (PNG, JPEG, GIF, WebP) are shown as pictures."
            .into(),
        parameters: json!({
            "type": "object",
            "properties": {
                "path": { "type": "string", "description": "The file, relative to the workspace." },
                "offset": { "type": "integer", "minimum": 1, "description": "First line to show, from 1." },
                "limit": { "type": "integer", "minimum": 1, "description": "Most lines to show." },
            },
            "required": ["path"],
        }),
        effect: Effect::Pure,
        capability: Capability::FsRead,
    }
}
