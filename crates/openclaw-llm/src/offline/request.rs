//! Cuts a request into clauses and reads each one.
//!
//! A request is cut only where both sides make sense, so that the text of a file
//! may hold commas and "and" without being torn apart. Quoted text is never cut.
//! What no rule understands is kept, to be told to the person.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

use super::language::Language;
use super::rules::{Intent, classify};
use super::target::{Order, Target};

/// Most bytes of a request that are looked at.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Most places where a request may be cut.
const CUTS_MAX: usize = 16;
/// Most tasks of one request.
pub(super) const TASKS_MAX: usize = 12;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) intent: Intent,
    /// Whether the person asked for it after what stands before it.
    pub(super) is_after: bool,
}

/// A request, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) language: Language,
    pub(super) tasks: Vec<Task>,
    /// Clauses no rule understands.
    pub(super) unknown: Vec<String>,
}

/// Reads a request.
pub(super) fn parse(text: &str) -> Request {
    let language = Language::of(text);
    let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
    let text = ENVELOPE.replace(text, "");
    let text = text.trim();
    let cuts = cuts(text);
    let Some(mut tasks) = read_from(text, &cuts, 0, false, &mut vec![None; cuts.len() + 1]) else {
        return in_parts(text, &cuts, language);
    };
    // A greeting around a request wants no answer of its own.
    if tasks.iter().any(|task| task.intent != Intent::Greet) {
        tasks.retain(|task| task.intent != Intent::Greet);
    }
    tasks = with_sources(tasks);
    tasks.truncate(TASKS_MAX);
    Request { language, tasks, unknown: Vec::new() }
}

/// Puts a list before "read the largest file", when there is none to pick from.
fn with_sources(tasks: Vec<Task>) -> Vec<Task> {
    let mut all: Vec<Task> = Vec::new();
    for task in tasks {
        let has_source = all.iter().any(|task| matches!(task.intent, Intent::List { .. } | Intent::Search { .. }));
        match task.intent {
            Intent::Read { file: Target::Pick(order @ (Order::Largest | Order::Smallest)) } if !has_source => {
                let list = Intent::List { path: None, order, count: Some(1) };
                all.push(Task { intent: list, is_after: task.is_after });
                all.push(Task { intent: task.intent, is_after: true });
            }
            _ => all.push(task),
        }
    }
    all
}

/// A place where the text may be cut: the connector from `start` to `end` falls away.
#[derive(Debug, Clone, Copy)]
struct Cut {
    start: usize,
    end: usize,
    /// "then" rather than "and".
    is_after: bool,
}

/// What is known of the rest of the text from each cut on: `Some(None)` makes no sense.
type Known = Vec<Option<Option<Vec<Task>>>>;

/// Reads the text from cut number `from` (0: the beginning) to its end.
///
/// Prefers the earliest cut at which both sides make sense; the whole rest as
/// one clause comes last, because the text of a file swallows everything.
fn read_from(text: &str, cuts: &[Cut], from: usize, is_after: bool, known: &mut Known) -> Option<Vec<Task>> {
    if let Some(result) = &known[from] {
        return result.clone();
    }
    let start = if from == 0 { 0 } else { cuts[from - 1].end };
    let mut result = None;
    for (index, cut) in cuts.iter().enumerate().skip(from) {
        if cut.start < start {
            continue;
        }
        let Some(intents) = clause(&text[start..cut.start]) else { continue };
        let Some(rest) = read_from(text, cuts, index + 1, cut.is_after, known) else { continue };
        result = Some(tasks(intents, is_after).chain(rest).collect());
        break;
    }
    let result = result.or_else(|| clause(&text[start..]).map(|intents| tasks(intents, is_after).collect()));
    known[from] = Some(result.clone());
    result
}

fn tasks(intents: Vec<Intent>, is_after: bool) -> impl Iterator<Item = Task> {
    // Only the first of several (`read a and b`) waits for what came before.
    intents.into_iter().enumerate().map(move |(index, intent)| Task { intent, is_after: is_after && index == 0 })
}

/// Reads a clause without its courtesies; an empty one asks for nothing.
fn clause(text: &str) -> Option<Vec<Intent>> {
    let mut rest = trim(text);
    if rest.is_empty() {
        return Some(Vec::new());
    }
    // The words as they are first, and again after each courtesy that is taken
    // off: "help me" and "你能做什么" begin like courtesies themselves.
    loop {
        if let Some(intents) = classify(rest) {
            return Some(intents);
        }
        let shorter = match (POLITE_START.find(rest), POLITE_END.find(rest)) {
            (Some(start), _) if start.end() > 0 => trim(&rest[start.end()..]),
            (_, Some(end)) if end.start() > 0 => trim(&rest[..end.start()]),
            _ => return None,
        };
        if shorter.is_empty() || shorter.len() >= rest.len() {
            return None;
        }
        rest = shorter;
    }
}

fn trim(text: &str) -> &str {
    let marks = [',', ';', '.', '!', '，', '；', '。', '！', '、', ':', '：'];
    let text = text.trim().trim_start_matches(marks).trim_start();
    let text = text.trim_end_matches(|it: char| it.is_whitespace() || (marks.contains(&it) && it != ':'));
    // A lone question mark asks for help.
    if text.chars().count() > 1 { text.trim_end_matches(['?', '？', ' ']) } else { text }
}

/// Reads what can be read of a text that makes no sense as a whole.
fn in_parts(text: &str, cuts: &[Cut], language: Language) -> Request {
    let mut request = Request { language, tasks: Vec::new(), unknown: Vec::new() };
    let mut start = 0;
    let mut is_after = false;
    let ends = cuts.iter().map(|cut| (cut.start, cut.end, cut.is_after)).chain([(text.len(), text.len(), false)]);
    for (end, next, next_is_after) in ends {
        if end < start {
            continue;
        }
        let part = &text[start..end];
        match clause(part) {
            Some(intents) => request.tasks.extend(tasks(intents, is_after)),
            None => request.unknown.push(trim(part).to_owned()),
        }
        (start, is_after) = (next, next_is_after);
    }
    request.tasks.truncate(TASKS_MAX);
    // Courtesy beside something that was not understood is not an answer to it.
    let only_small_talk = request.tasks.iter().all(|task| matches!(task.intent, Intent::Greet));
    if only_small_talk {
        request.tasks.clear();
        request.unknown = vec![text.to_owned()];
    }
    request
}

fn cuts(text: &str) -> Vec<Cut> {
    let quoted = quoted(text);
    let outside = |at: usize| !quoted.iter().any(|range| range.contains(&at));
    let found = CONNECTOR.find_iter(text).filter(|found| outside(found.start()));
    let cut =
        found.map(|found| Cut { start: found.start(), end: found.end(), is_after: AFTER.is_match(found.as_str()) });
    cut.take(CUTS_MAX).collect()
}

/// Finds quoted stretches: fences, code marks, double and Chinese quotes.
fn quoted(text: &str) -> Vec<std::ops::Range<usize>> {
    QUOTED.find_iter(text).map(|found| found.range()).collect()
}

static CONNECTOR: LazyLock<Regex> = LazyLock::new(|| {
    let english = r"\s*[,;.]?\s+(?:and then|then|and after that|after that|afterwards|and finally|finally|and also|and|also)\b,?\s*";
    let chinese = r"\s*[，,；;。]?\s*(?:然后再?|接着|随后|之后|最后|并且|同时|再|并)[，,]?\s*";
    let marks = r"\s*[,;.!?]\s+|\s*[，；。！？]\s*|\s*\n\s*";
    compile(&format!("{english}|{chinese}|{marks}"))
});
static AFTER: LazyLock<Regex> = LazyLock::new(|| compile("then|after|finally|然后|接着|随后|之后|最后|再"));
static QUOTED: LazyLock<Regex> =
    LazyLock::new(|| compile(r#"```.*?```|`[^`]*`|"[^"]*"|“[^”]*”|「[^」]*」|《[^》]*》"#));
/// A time or sender that a surface put before the person's words.
static ENVELOPE: LazyLock<Regex> = LazyLock::new(|| compile(r"^\s*\[[^\]\n]{1,120}\]\s+"));
static POLITE_START: LazyLock<Regex> = LazyLock::new(|| {
    let english = r"(?:and|then|also|please|pls|kindly|now|first|firstly|next|ok|okay|so|hi|hello|hey|(?:can|could|would|will) you|i(?:'d| would) like you to|i (?:want|need) you to|let's|let us|help me|just)\b[,!]?";
    let chinese = r"(?:然后|接着|再|并|请你?|麻烦你?|帮我|帮忙|你?能不能|你?能否|你?可以|能|我想|我要|给我|先|首先|现在|你好|您好)[，,！]?";
    compile(&format!(r"^\s*(?:{english}|{chinese})\s*"))
});
static POLITE_END: LazyLock<Regex> = LazyLock::new(|| {
    compile(r"[,，]?\s*(?:\b(?:please|for me|thanks|thank you)|吗|呢|吧|谢谢|好吗|可以吗|给我|给我看看?|一下)$")
});

#[expect(clippy::expect_used, reason = "the patterns are constants, and a test uses every one of them")]
fn compile(pattern: &str) -> Regex {
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .dot_matches_new_line(true)
        .build()
        .expect("the patterns of this file are valid")
}

#[cfg(test)]
mod tests;
