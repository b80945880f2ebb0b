//! The requests the offline model understands: one row each.
//!
//! A row holds patterns in English and Chinese and reads an intent out of what
//! they captured. Patterns must match a whole clause; the first row that gives
//! an intent wins, so narrow rows stand before broad ones. The examples of a
//! row are what `help` shows, and a test plays each of them.

use std::sync::LazyLock;

use regex::{Captures, Regex, RegexBuilder};

use super::target::{Order, Target, count, file, files, unquote};

/// What one clause of a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Intent {
    Greet,
    Introduce,
    Help,
    List { path: Option<String>, order: Order, count: Option<usize> },
    Read { file: Target },
    Write { path: String, content: String },
    Append { file: Target, text: String },
    Replace { file: Target, old: String, new: String },
    Search { pattern: String, path: Option<String> },
    Run { command: String },
    Fetch { url: String },
    Remember { text: String },
    Recall { query: String },
}

/// One kind of request.
pub(super) struct Row {
    /// Patterns; `{p}` stands for a path, `{q}` for a quoted or bare text.
    english: &'static [&'static str],
    chinese: &'static [&'static str],
    /// One example per language; none for small talk.
    pub(super) examples: Option<(&'static str, &'static str)>,
    /// Reads the intents; `None` when the words do not fit after all.
    read: fn(&Captures<'_>) -> Option<Vec<Intent>>,
}

/// All rows, narrow ones first.
pub(super) static ROWS: [Row; 13] = [
    Row {
        english: &["(?:hi|hello|hey|good (?:morning|afternoon|evening)|thanks|thank you)(?: there)?"],
        chinese: &["(?:你好|您好|嗨|早上好|晚上好|谢谢)"],
        examples: None,
        read: |_| Some(vec![Intent::Greet]),
    },
    Row {
        english: &["(?:who|what) are you", "are you (?:an? )?(?:ai|llm|language model|human|bot).*"],
        chinese: &["你是(?:谁|什么|什么模型|哪个模型)", "你是(?:人工智能|语言模型|大模型|机器人).*"],
        examples: None,
        read: |_| Some(vec![Intent::Introduce]),
    },
    Row {
        english: &["help(?: me)?", "what can you do", "what do you understand", r"\?"],
        chinese: &["帮助", "你(?:能|会|可以)(?:做|干)?(?:什么|啥|做什么)", "怎么用", "？"],
        examples: Some(("help", "帮助")),
        read: |_| Some(vec![Intent::Help]),
    },
    Row {
        english: &[
            r"(?:fetch|get|download|open|visit|browse|read|summari[sz]e)(?: me)?(?: the)?(?: web)?(?: ?page| url| website| site)?(?: at| from)? [`<]?(?<url>https?://[^\s`>]+)[`>]?",
            "(?<url>https?://[^\\s`>]+)",
        ],
        chinese: &[
            r"(?:抓取|获取|打开|访问|下载|读取|查看|看看?)(?:一下)?(?:这个)?(?:网页|页面|网站|网址)?\s*[:：]?\s*[`<]?(?<url>https?://[^\s`>，。；]+)[`>]?(?:的内容|这个网页)?",
        ],
        examples: Some(("fetch https://example.com", "抓取 https://example.com")),
        read: |found| {
            let url = text(found, "url")?.trim_end_matches(['.', ',', ';', ')']).to_owned();
            Some(vec![Intent::Fetch { url }])
        },
    },
    Row {
        english: &[
            r"(?:list|show|display|what are|which are|find|give)(?: me)?(?: all)?(?: of)?(?: the)?(?: (?<count>\d+|[a-z]+))?(?: (?<order>largest|biggest|smallest))?(?: files| entries| folders| directories| contents| directory| folder| dir)(?: and (?:files|folders|directories))?(?: here| there)?(?: (?:in|of|under|inside)(?: the)?(?: folder| directory)? (?<path>{p}))?(?: folder| directory)?(?: here)?",
            r"(?:ls|dir|list)(?: (?<path>{p}))?",
            r"(?:what|which) files (?:are|do (?:i|you|we) have)(?: there)?(?: here)?(?: (?:in|under|inside) (?<path>{p}))?",
            r"what(?:'s| is) (?:in|inside|under) (?:the )?(?:file |folder |directory )?(?<thing>{p})(?: folder| directory)?",
        ],
        chinese: &[
            r"(?:查看|看看|看一下|列出)?(?:一下)?(?<path>{p})??(?:里面?|目录|文件夹|下面?|中)*(?:有|包含)(?:哪些|什么)(?:文件|东西)?",
            r"(?:列出|列一下|显示|展示|查看|看看|看一下|找出)(?:一下)?(?<path>{p})??(?:里面?|目录|文件夹|下面?|中)*的?(?:所有|全部)?(?:(?<order>最大|最小)的?)?(?<count>\d+|[一二两三四五六七八九十])?个?(?:的)?(?:文件和(?:目录|文件夹)|文件|(?:目录|文件夹)(?:的?内容)?)(?:列表)?",
        ],
        examples: Some(("list the five largest files", "列出最大的五个文件")),
        read: list,
    },
    Row {
        english: &[
            r"(?:append|add) (?<text>.+?) to(?: the end of)? (?<path>.+)",
            r"(?:append|add) to (?<path>{p}):? (?<text>.+)",
        ],
        chinese: &[
            r"(?:在|往|向|给)(?<path>.+?)(?:文件)?(?:的)?(?:末尾|后面|最后|结尾|里面?|中)?(?:追加|添加|加上)(?:一行)?[:：]?(?<text>.+)",
            r"(?:把|将)(?<text>.+?)(?:追加|添加|加)(?:到|进)(?<path>.+?)(?:文件)?(?:的?(?:末尾|后面|里面?|中))?",
        ],
        examples: Some(("append \"buy milk\" to notes.txt", "往 notes.txt 追加 “买牛奶”")),
        read: |found| {
            let file = file(text(found, "path")?, true)?;
            Some(vec![Intent::Append { file, text: quoted(found, "text")? }])
        },
    },
    Row {
        english: &[
            r"(?:replace|change) (?<old>{q}) (?:with|by|to) (?<new>{q}) in (?<path>.+)",
            r"in (?<path>{p}),? (?:replace|change) (?<old>{q}) (?:with|by|to) (?<new>{q})",
        ],
        chinese: &[
            r"(?:把|将|在)?(?<path>{p})\s*(?:文件)?(?:中的?|里面?的?)(?:把|将)?(?<old>{q})\s*(?:替换为|替换成|换成|改成|改为)(?<new>.+)",
        ],
        examples: Some(("replace \"tea\" with \"coffee\" in notes.txt", "把 notes.txt 里的 “茶” 换成 “咖啡”")),
        read: |found| {
            let file = file(text(found, "path")?, true)?;
            Some(vec![Intent::Replace { file, old: quoted(found, "old")?, new: quoted(found, "new")? }])
        },
    },
    Row {
        english: &[
            r"(?:write|create|make|save|put|add)(?: me)?(?: an?)?(?: new)?(?: text)?(?: file)?(?: called| named)? (?<path>{p}),? (?:with|containing|saying|that says|and write)(?: the| this)?(?: content| contents| text)?:? (?<text>.+)",
            r"(?:write|save|put) (?<text>.+) (?:to|into|in)(?: an?| the)?(?: new)?(?: file)?(?: called| named)? (?<path>{p})",
        ],
        chinese: &[
            r"(?:创建|新建|建立|写入?|保存|生成)(?:一个)?(?:新的?)?(?:文件)?\s*(?<path>{p})\s*(?:文件)?[,，]?\s*(?:内容(?:为|是)?|写上|写入|并写入|里面写)\s*[:：]?(?<text>.+)",
            r"(?:把|将)(?<text>.+?)(?:写入|写到|写进|保存到|存到|存进)(?:文件)?(?<path>.+?)(?:文件)?(?:里面?|中)?",
            r"(?:在|往)(?<path>{p})(?:文件)?(?:里面?|中)(?:写入|写上|写)[:：]?(?<text>.+)",
        ],
        examples: Some(("write notes.txt with hello", "创建 notes.txt 内容为 你好")),
        read: |found| {
            let Target::Named(path) = file(text(found, "path")?, false)? else { return None };
            Some(vec![Intent::Write { path, content: quoted(found, "text")? }])
        },
    },
    Row {
        english: &[
            r"(?:run|execute|exec)(?:(?: the| this)?(?: shell)? command:?)? (?<command>.+)",
            r"\$ ?(?<command>.+)",
        ],
        chinese: &[r"(?:运行|执行|跑)(?:一下)?(?:这个)?(?:shell)?(?:命令)?\s*[:：]?\s*(?<command>.+?)(?:命令)?"],
        examples: Some(("run `uname -a`", "运行 `uname -a`")),
        read: run,
    },
    Row {
        english: &[r"remember(?: that| this)?:? (?<text>.+)", "(?:note|keep in mind) that (?<text>.+)"],
        chinese: &[r"(?:记住|记下|记一下|记得)[:：，,]?\s*(?<text>.+)"],
        examples: Some(("remember that my dog is called Rex", "记住我的狗叫小黑")),
        read: |found| Some(vec![Intent::Remember { text: quoted(found, "text")? }]),
    },
    Row {
        english: &[
            r"(?:recall|what do you (?:remember|know|recall) about|do you remember|what did i (?:say|tell you) about) (?<query>.+)",
            "what do you (?:remember|recall)(?<query>)",
            r"what(?:'s| is) my (?<query>.+)",
        ],
        chinese: &[
            "你(?:还)?(?:记得|记住了)(?:些)?(?:什么|哪些)(?<query>)",
            r"(?:回忆|回想|想起)(?:一下)?(?:关于)?(?<query>.+?)(?:的事)?",
            r"你?还?记得(?:关于)?(?<query>.+?)(?:的事)?(?:吗|么)",
            r"(?<query>我的.+?)(?:叫什么(?:名字)?|是什么|是谁|是多少)",
        ],
        examples: Some(("recall dog", "回忆 小黑")),
        read: |found| {
            let query = text(found, "query").map(unquote).unwrap_or_default();
            Some(vec![Intent::Recall { query: query.to_owned() }])
        },
    },
    Row {
        english: &[
            r"(?:search|grep|look)(?: (?:in|through|the|all|my) (?:files|workspace))?(?: for)? (?<pattern>{q}|.+?)(?: in(?: (?:the|all|my))?(?: (?:files|workspace|folder)| (?<path>{p})))?",
            r"find (?<pattern>{q}|.+?) in(?: (?:the|all|my))?(?: (?:files|workspace)| (?<path>{p}))",
            r"where is (?<pattern>{q}) (?:used|defined|mentioned|set)",
        ],
        chinese: &[
            r"在(?<path>{p})(?:文件)?(?:里面?|中|下面?)(?:搜索|查找|搜|找)(?:一下)?(?<pattern>.+)",
            r"(?:在文件(?:里面?|中))?(?:搜索|查找|搜一下|搜|找一下|找)(?:一下)?(?:文件中的?|包含)?(?<pattern>.+?)(?:的文件)?",
        ],
        examples: Some(("search for TODO", "搜索 TODO")),
        read: search,
    },
    Row {
        english: &[
            r"(?<sure>read|cat)(?: me)?(?: the)?(?: files?)?(?: contents? of)? (?<paths>.+)",
            r"(?:open|show|display|print|view|look at)(?: me)?(?: the)?(?: (?:contents? of|files?))? (?<paths>.+)",
            r"what(?:'s| is| does) (?<paths>{p}) (?:say|contain)",
            r"what does (?<paths>{p}) (?:say|contain)",
        ],
        chinese: &[
            r"(?:读取|阅读|读一下|读|打开|查看|看看|看一下|显示|打印)(?:一下)?(?:文件)?(?<paths>.+?)(?:文件)?(?:的(?:全部)?内容)?",
            r"(?<paths>{p})(?:文件)?(?:里面?|中)?(?:写了(?:什么|些什么|啥)|有什么内容)",
        ],
        examples: Some(("read README.md", "读取 README.md")),
        read: |found| {
            let targets = files(text(found, "paths")?, found.name("sure").is_some())?;
            Some(targets.into_iter().map(|file| Intent::Read { file }).collect())
        },
    },
];

/// Reads the intents of one clause; `None` when no row fits.
pub(super) fn classify(clause: &str) -> Option<Vec<Intent>> {
    PATTERNS.iter().find_map(|(pattern, row)| pattern.captures(clause).and_then(|found| (row.read)(&found)))
}

static PATTERNS: LazyLock<Vec<(Regex, &'static Row)>> = LazyLock::new(|| {
    let patterns = ROWS.iter().flat_map(|row| row.english.iter().chain(row.chinese).map(move |it| (compile(it), row)));
    patterns.collect()
});

#[expect(clippy::expect_used, reason = "the patterns are constants, and a test compiles every one of them")]
fn compile(pattern: &str) -> Regex {
    let path = r#"\s*(?:"[^"]+"|`[^`]+`|'[^']+'|“[^”]+”|[^\s，。；、]+?)\s*"#;
    let text = r#"\s*(?:"[^"]+"|`[^`]+`|'[^']+'|“[^”]+”|「[^」]+」|\S+?)\s*"#;
    let whole = format!(r"^\s*(?:{})\s*$", pattern.replace("{p}", path).replace("{q}", text));
    RegexBuilder::new(&whole)
        .case_insensitive(true)
        .dot_matches_new_line(true)
        .build()
        .expect("the patterns of the table are valid")
}

fn text<'a>(found: &Captures<'a>, name: &str) -> Option<&'a str> {
    found.name(name).map(|it| it.as_str().trim()).filter(|text| !text.is_empty())
}

fn quoted(found: &Captures<'_>, name: &str) -> Option<String> {
    text(found, name).map(|text| unquote(text).to_owned()).filter(|text| !text.is_empty())
}

fn list(found: &Captures<'_>) -> Option<Vec<Intent>> {
    let order = text(found, "order").map_or(Order::Listed, Order::of);
    let number = match text(found, "count") {
        Some(word) => Some(count(word)?),
        None => None,
    };
    if let Some(Target::Named(thing)) = text(found, "thing").and_then(|words| file(words, true))
        && has_extension(&thing)
    {
        return Some(vec![Intent::Read { file: Target::Named(thing) }]);
    }
    let path = match text(found, "path").or_else(|| text(found, "thing")) {
        // "here" and "this folder" are the workspace itself.
        None | Some("here" | "当前" | "这里" | "工作区" | "这个" | "." | "the" | "workspace") => None,
        Some(words) => match file(words, true)? {
            // `ls -la`: the list shows all it can without being told.
            Target::Named(path) => Some(path).filter(|path| !path.starts_with('-')),
            Target::Earlier | Target::Pick(_) => None,
        },
    };
    Some(vec![Intent::List { path, order, count: number }])
}

/// Tells a file from a folder by its name alone.
fn has_extension(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').is_some_and(|(stem, extension)| !stem.is_empty() && !extension.is_empty())
}

/// Takes a command; prose such as "run a marathon" is none.
fn run(found: &Captures<'_>) -> Option<Vec<Intent>> {
    const PROSE: [&str; 12] = ["a", "an", "the", "my", "some", "this", "that", "it", "away", "for", "it:", "them"];
    let words = text(found, "command")?;
    let command = unquote(words);
    let first = command.split_whitespace().next()?.to_lowercase();
    let is_marked = command.len() < words.len();
    let is_command = first.is_ascii() && !PROSE.contains(&first.as_str());
    (is_marked || is_command).then(|| vec![Intent::Run { command: command.to_owned() }])
}

fn search(found: &Captures<'_>) -> Option<Vec<Intent>> {
    let path = match text(found, "path").map(|words| file(words, true)) {
        Some(Some(Target::Named(path))) => Some(path),
        Some(Some(Target::Earlier | Target::Pick(_)) | None) | None => None,
    };
    Some(vec![Intent::Search { pattern: quoted(found, "pattern")?, path }])
}

#[cfg(test)]
mod tests;
