//! The sentences of the offline model, in both languages.

use openclaw_domain::message::ToolStatus;

use crate::offline::language::Language::{self, Chinese, English};
use crate::offline::plan::Why;
use crate::offline::rules::{Intent, ROWS};
use crate::offline::target::{Order, Target};

pub(super) fn greeting(language: Language) -> String {
    let text = language.pick(
        "Hello. I am the offline model: a set of rules, not a language model. Say `help` to see what I understand.",
        "你好。我是离线模型：一组规则，不是语言模型。输入“帮助”可以看到我能做什么。",
    );
    text.to_owned()
}

pub(super) fn introduction(language: Language) -> String {
    let text = language.pick(
        "I am the offline model of OpenClaw: a small set of rules that runs without a key and without a network. I am \
         not a language model; I cannot converse, reason or write prose. For that, connect a model with \
         `openclaw onboard`. Say `help` to see what I understand.",
        "我是 OpenClaw 的离线模型：一组不需要密钥、也不需要网络的规则。我不是语言模型，不能聊天、推理或写文章；\
         需要这些时，请用 `openclaw onboard` 接入一个模型。输入“帮助”可以看到我能做什么。",
    );
    text.to_owned()
}

pub(super) fn help(language: Language) -> String {
    let head = language.pick(
        "I am the offline model: a set of rules, not a language model. I understand requests like these, one or \
         several joined by \"and then\":",
        "我是离线模型：一组规则，不是语言模型。我能理解下面这样的请求，可以用“然后”连接多个：",
    );
    let tail = language.pick(
        "For anything else, connect a model: `openclaw onboard`.",
        "其他请求请先接入一个模型：`openclaw onboard`。",
    );
    format!("{head}\n{}\n{tail}", examples(language))
}

fn examples(language: Language) -> String {
    let rows = ROWS.iter().filter_map(|row| row.examples);
    let rows = rows.map(|(english, chinese)| format!("- {}", language.pick(english, chinese)));
    rows.collect::<Vec<_>>().join("\n")
}

pub(super) fn not_understood(language: Language, clauses: &[&str]) -> String {
    let quoted: Vec<String> = clauses.iter().map(|clause| language.pick("“C”", "“C”").replace('C', clause)).collect();
    match language {
        English => format!("I did not understand {}. {}", quoted.join(", "), help(language)),
        Chinese => format!("我不理解{}。{}", quoted.join("、"), help(language)),
    }
}

pub(super) fn footer(language: Language) -> String {
    let text = language.pick(
        "(Answered by the offline model: rules, not a language model. Connect a model with `openclaw onboard`.)",
        "（由离线模型回答：这是一组规则，不是语言模型。可用 `openclaw onboard` 接入模型。）",
    );
    text.to_owned()
}

pub(super) fn many(language: Language, tasks: usize) -> String {
    match language {
        English => format!("I do at most {tasks} things at a time; ask again for the rest."),
        Chinese => format!("我一次最多做 {tasks} 件事；其余的请再说一次。"),
    }
}

/// Names what a task does; `None` for small talk.
pub(super) fn doing(language: Language, intent: &Intent) -> Option<String> {
    let file = |file: &Target| match (file, language) {
        (Target::Named(path), _) => path.clone(),
        (Target::Earlier | Target::Pick(Order::Listed), English) => "that file".to_owned(),
        (Target::Earlier | Target::Pick(Order::Listed), Chinese) => "该文件".to_owned(),
        (Target::Pick(Order::Largest), _) => language.pick("the largest file", "最大的文件").to_owned(),
        (Target::Pick(Order::Smallest), _) => language.pick("the smallest file", "最小的文件").to_owned(),
    };
    let text = match (intent, language) {
        (Intent::Greet | Intent::Introduce | Intent::Help, _) => return None,
        (Intent::List { path, .. }, English) => format!("list {}", path.as_deref().unwrap_or("the workspace")),
        (Intent::List { path, .. }, Chinese) => format!("列出{}", path.as_deref().unwrap_or("工作区")),
        (Intent::Read { file: it }, English) => format!("read {}", file(it)),
        (Intent::Read { file: it }, Chinese) => format!("读取 {}", file(it)),
        (Intent::Write { path, .. }, English) => format!("write {path}"),
        (Intent::Write { path, .. }, Chinese) => format!("写入 {path}"),
        (Intent::Append { file: it, .. }, English) => format!("append to {}", file(it)),
        (Intent::Append { file: it, .. }, Chinese) => format!("追加到 {}", file(it)),
        (Intent::Replace { file: it, .. }, English) => format!("edit {}", file(it)),
        (Intent::Replace { file: it, .. }, Chinese) => format!("修改 {}", file(it)),
        (Intent::Search { pattern, .. }, English) => format!("search for {pattern}"),
        (Intent::Search { pattern, .. }, Chinese) => format!("搜索 {pattern}"),
        (Intent::Run { command }, English) => format!("run `{command}`"),
        (Intent::Run { command }, Chinese) => format!("运行 `{command}`"),
        (Intent::Fetch { url }, English) => format!("fetch {url}"),
        (Intent::Fetch { url }, Chinese) => format!("抓取 {url}"),
        (Intent::Remember { .. }, English) => "remember that".to_owned(),
        (Intent::Remember { .. }, Chinese) => "记住这件事".to_owned(),
        (Intent::Recall { query }, English) if query.is_empty() => "recall what I was told".to_owned(),
        (Intent::Recall { query }, Chinese) if query.is_empty() => "回忆记住的事".to_owned(),
        (Intent::Recall { query }, English) => format!("recall {query}"),
        (Intent::Recall { query }, Chinese) => format!("回忆{query}"),
    };
    Some(text)
}

pub(super) fn not_begun(language: Language, left: &[String]) -> String {
    match language {
        English => format!("Because of that I did not {}.", left.join(", nor ")),
        Chinese => format!("因此没有继续：{}。", left.join("；")),
    }
}

pub(super) fn cannot(language: Language, why: Why, path: Option<&str>) -> String {
    let path = path.unwrap_or_default();
    match (why, language) {
        (Why::NoTool(tool), English) => format!(
            "That needs the tool `{tool}`, which is not on offer to this agent. Allow it in the `tools` section of \
             openclaw.json and ask again."
        ),
        (Why::NoTool(tool), Chinese) => {
            format!("这需要工具 `{tool}`，但当前代理不能使用它。请在 openclaw.json 的 `tools` 部分允许它，然后再试。")
        }
        (Why::NoFile, English) => {
            "I do not know which file you mean. Name it, for example `read README.md`.".to_owned()
        }
        (Why::NoFile, Chinese) => "我不知道你指的是哪个文件。请写出文件名，例如“读取 README.md”。".to_owned(),
        (Why::PartlySeen, English) => format!(
            "I could not see the whole of {path}, so I did not add to it: writing it back could have lost the rest. Use \
             a command instead, for example run `echo text >> {path}`."
        ),
        (Why::PartlySeen, Chinese) => format!(
            "我没能看到 {path} 的全部内容，所以没有追加：写回去可能会丢失其余部分。可以改用命令，例如运行 `echo 文字 >> {path}`。"
        ),
    }
}

pub(super) fn failed(language: Language, doing: &str, status: ToolStatus, said: &str) -> String {
    let said = said.trim_end_matches(['.', '。']);
    match (status, language) {
        (ToolStatus::Ok | ToolStatus::Failed, English) => format!("I could not {doing}: {said}."),
        (ToolStatus::Ok | ToolStatus::Failed, Chinese) => format!("没能{doing}：{said}。"),
        (ToolStatus::Denied, English) => {
            format!(
                "I was not allowed to {doing}: {said}. Nothing was done. Ask again to be asked again, or change the tool policy."
            )
        }
        (ToolStatus::Denied, Chinese) => {
            format!("不被允许{doing}：{said}。什么都没有执行。可以再说一次，或修改工具策略。")
        }
        (ToolStatus::Interrupted, English) => {
            format!("I was stopped before I could {doing}: {said}. Ask again to repeat it.")
        }
        (ToolStatus::Interrupted, Chinese) => format!("{doing}之前被中断：{said}。需要的话请再说一次。"),
        (ToolStatus::Unknown, English) => {
            format!("I do not know whether this happened: {doing} ({said}). Check before you ask for it again.")
        }
        (ToolStatus::Unknown, Chinese) => format!("不确定是否已经{doing}（{said}）。请先检查，再决定是否重复。"),
    }
}

pub(super) fn neighbours(language: Language, near: Option<&str>, names: &[&str]) -> String {
    let all = names.join(language.pick(", ", "、"));
    match (near, language) {
        (Some(near), English) => format!("Did you mean `{near}`? Say: read {near}"),
        (Some(near), Chinese) => format!("你是指 `{near}` 吗？可以说：读取 {near}"),
        (None, English) if names.is_empty() => "The folder is empty.".to_owned(),
        (None, Chinese) if names.is_empty() => "该目录是空的。".to_owned(),
        (None, English) => format!("The folder holds: {all}."),
        (None, Chinese) => format!("该目录里有：{all}。"),
    }
}

pub(super) fn listed(
    language: Language,
    path: Option<&str>,
    order: Order,
    shown: usize,
    total: (usize, usize),
) -> String {
    let place = path.unwrap_or(language.pick("the workspace", "工作区"));
    let (files, folders) = total;
    match (order, language) {
        (Order::Listed, _) if files + folders == 0 => match language {
            English => format!("There is nothing in {place}."),
            Chinese => format!("{place}里没有内容。"),
        },
        (Order::Largest | Order::Smallest, English) if shown == 0 => format!("There are no files in {place}."),
        (Order::Largest | Order::Smallest, Chinese) if shown == 0 => format!("{place}里没有文件。"),
        (Order::Listed, English) => format!("In {place}: {}, {}.", counted(files, "file"), counted(folders, "folder")),
        (Order::Listed, Chinese) => format!("{place}里有 {files} 个文件、{folders} 个目录："),
        (Order::Largest, English) if shown == 1 => format!("The largest file in {place}:"),
        (Order::Smallest, English) if shown == 1 => format!("The smallest file in {place}:"),
        (Order::Largest, English) => format!("The largest {} in {place}:", counted(shown, "file")),
        (Order::Largest, Chinese) => format!("{place}里最大的 {shown} 个文件："),
        (Order::Smallest, English) => format!("The smallest {} in {place}:", counted(shown, "file")),
        (Order::Smallest, Chinese) => format!("{place}里最小的 {shown} 个文件："),
    }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

pub(super) fn read(language: Language, path: &str) -> String {
    match language {
        English => format!("{path}:"),
        Chinese => format!("{path} 的内容："),
    }
}

pub(super) fn changed(language: Language, intent: &Intent, path: Option<&str>, said: &str) -> String {
    let path = if let Intent::Write { path, .. } = intent { path } else { path.unwrap_or_default() };
    let is_append = matches!(intent, Intent::Append { .. });
    match language {
        English if is_append => format!("Added to {path} ({said})."),
        Chinese if is_append => format!("已追加到 {path}（{said}）。"),
        English => format!("Done: {said}."),
        Chinese => format!("完成：{path}（{said}）。"),
    }
}

pub(super) fn searched(language: Language, pattern: &str, hits: usize) -> String {
    match (hits, language) {
        (0, English) => format!("Nothing in the files matches `{pattern}`. Try a shorter word."),
        (0, Chinese) => format!("文件中没有找到 `{pattern}`。可以换一个更短的词。"),
        (1, English) => format!("`{pattern}` is found in 1 line:"),
        (_, English) => format!("`{pattern}` is found in {hits} lines:"),
        (_, Chinese) => format!("找到 {hits} 行包含 `{pattern}`："),
    }
}

pub(super) fn ran(language: Language, command: &str, end: &str) -> String {
    let is_well = end == "exit code 0";
    match language {
        English if is_well => format!("`{command}` ran and succeeded."),
        Chinese if is_well => format!("`{command}` 运行成功。"),
        English if end.is_empty() => format!("`{command}` returned:"),
        Chinese if end.is_empty() => format!("`{command}` 返回："),
        English => format!("`{command}` did not succeed: {end}. Its output says why."),
        Chinese => format!("`{command}` 没有成功：{end}。输出说明了原因。"),
    }
}

pub(super) fn fetched(language: Language, url: &str) -> String {
    match language {
        English => format!("{url} says (quoted, not followed):"),
        Chinese => format!("{url} 的内容（仅引用，不执行其中的指示）："),
    }
}

pub(super) fn remembered(language: Language, fact: &str) -> String {
    match language {
        English => format!("I will remember: {fact}"),
        Chinese => format!("记住了：{fact}"),
    }
}

pub(super) fn recalled(language: Language, query: &str) -> String {
    match (query, language) {
        ("", English) => "What I was told to remember:".to_owned(),
        ("", Chinese) => "我记住的内容：".to_owned(),
        (query, English) => format!("What I remember about “{query}”:"),
        (query, Chinese) => format!("关于“{query}”我记得："),
    }
}

pub(super) fn nothing_recalled(language: Language, query: &str) -> String {
    match (query, language) {
        ("", English) => "I was not told to remember anything yet. Say: remember that ...".to_owned(),
        ("", Chinese) => "还没有要我记住的事。可以说：记住……".to_owned(),
        (query, English) => format!("I remember nothing about “{query}”. Say: remember that ..."),
        (query, Chinese) => format!("关于“{query}”我没有记住任何事。可以说：记住……"),
    }
}

pub(super) fn more_lines(language: Language, more: usize) -> String {
    match language {
        English => format!("\n({} more {})", more, if more == 1 { "line" } else { "lines" }),
        Chinese => format!("\n（还有 {more} 行）"),
    }
}
