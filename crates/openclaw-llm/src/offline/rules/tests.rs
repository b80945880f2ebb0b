//! Each row in both languages: what it takes, and what it leaves alone.

use super::*;
use crate::offline::request::parse;

fn intents(request: &str) -> Vec<Intent> {
    parse(request).tasks.into_iter().map(|task| task.intent).collect()
}

fn check(requests: &[&str], expected: &Intent) {
    for request in requests {
        assert_eq!(intents(request), std::slice::from_ref(expected), "{request}");
    }
}

fn named(path: &str) -> Target {
    Target::Named(path.to_owned())
}

#[test]
fn every_pattern_compiles_and_every_example_is_understood() {
    for row in &ROWS {
        row.english.iter().chain(row.chinese).for_each(|pattern| drop(compile(pattern)));
        let Some((english, chinese)) = row.examples else { continue };
        for example in [english, chinese] {
            let found = parse(example);
            assert!(found.unknown.is_empty() && found.tasks.len() == 1, "{example}: {found:?}");
        }
    }
}

#[test]
fn small_talk_and_help() {
    check(&["hi", "Hello there!", "你好", "谢谢！"], &Intent::Greet);
    check(&["who are you?", "Are you a language model?", "你是谁？", "你是什么模型"], &Intent::Introduce);
    check(&["help", "what can you do?", "Can you help me?", "?", "帮助", "你能做什么？", "你会什么"], &Intent::Help);
}

#[test]
fn listing() {
    let here = Intent::List { path: None, order: Order::Listed, count: None };
    check(
        &["list files", "List the files here.", "please list all the files", "ls", "ls -la", "what files are there?"],
        &here,
    );
    check(&["列出文件", "列出当前目录的文件", "请列出所有文件", "看看有哪些文件", "当前目录里有哪些文件？"], &here);
    let source = Intent::List { path: Some("src".to_owned()), order: Order::Listed, count: None };
    check(
        &["list the files in src", "ls src", "what is in the folder src?", "列出 src 目录的文件", "src 里有哪些文件"],
        &source,
    );
    let largest = Intent::List { path: None, order: Order::Largest, count: Some(5) };
    check(
        &[
            "list the five largest files",
            "what are the 5 largest files here?",
            "列出最大的五个文件",
            "列出最大的5个文件",
        ],
        &largest,
    );
}

#[test]
fn reading() {
    let readme = Intent::Read { file: named("README.md") };
    check(
        &[
            "read README.md",
            "Could you read the file README.md for me?",
            "show me `README.md`",
            "cat README.md",
            "what is in README.md?",
        ],
        &readme,
    );
    check(
        &["读取 README.md", "请读一下README.md", "打开 README.md", "查看 README.md 的内容", "README.md里写了什么？"],
        &readme,
    );
    let two = [Intent::Read { file: named("a.txt") }, Intent::Read { file: named("b.txt") }];
    assert_eq!(intents("read a.txt and b.txt"), two);
    assert_eq!(intents("读取 a.txt 和 b.txt"), two);
}

#[test]
fn writing() {
    let hello = Intent::Write { path: "notes.txt".to_owned(), content: "hello, world".to_owned() };
    check(
        &[
            "write notes.txt with hello, world",
            "create a file notes.txt containing \"hello, world\"",
            "write \"hello, world\" to notes.txt",
        ],
        &hello,
    );
    check(
        &[
            "创建 notes.txt 内容为 hello, world",
            "新建文件 notes.txt，内容是“hello, world”",
            "把 hello, world 写入 notes.txt",
        ],
        &hello,
    );
}

#[test]
fn appending_and_replacing() {
    let milk = Intent::Append { file: named("list.txt"), text: "milk".to_owned() };
    check(
        &[
            "append milk to list.txt",
            "add \"milk\" to the end of list.txt",
            "往 list.txt 追加 milk",
            "把 milk 追加到 list.txt",
        ],
        &milk,
    );
    let tea = Intent::Replace { file: named("list.txt"), old: "tea".to_owned(), new: "green tea".to_owned() };
    check(&["replace tea with \"green tea\" in list.txt", "in list.txt replace \"tea\" with \"green tea\""], &tea);
    check(&["把 list.txt 里的 tea 换成 green tea", "将list.txt中的“tea”替换为“green tea”"], &tea);
}

#[test]
fn searching() {
    let todo = Intent::Search { pattern: "TODO".to_owned(), path: None };
    check(
        &[
            "search for TODO",
            "grep TODO",
            "search the files for TODO",
            "find TODO in the files",
            "where is `TODO` used?",
        ],
        &todo,
    );
    check(&["搜索 TODO", "查找TODO", "在文件中搜索 TODO"], &todo);
    let below = Intent::Search { pattern: "fn main".to_owned(), path: Some("src".to_owned()) };
    check(&["search for \"fn main\" in src", "search for fn main in src", "在 src 里搜索 fn main"], &below);
}

#[test]
fn running() {
    let uname = Intent::Run { command: "uname -a".to_owned() };
    check(&["run uname -a", "run `uname -a`", "execute the command: uname -a", "$ uname -a"], &uname);
    check(&["运行 uname -a", "执行命令 `uname -a`", "请执行命令：uname -a"], &uname);
    for prose in ["run a marathon", "run away", "run the show"] {
        assert_eq!(intents(prose), [], "{prose}");
    }
    let quoted = Intent::Run { command: "a.out, and then b".to_owned() };
    check(&["run `a.out, and then b`"], &quoted);
}

#[test]
fn fetching() {
    let page = Intent::Fetch { url: "https://example.com/a?b=1".to_owned() };
    check(
        &["fetch https://example.com/a?b=1", "open the page https://example.com/a?b=1.", "https://example.com/a?b=1"],
        &page,
    );
    check(&["抓取 https://example.com/a?b=1", "打开网页https://example.com/a?b=1。"], &page);
}

#[test]
fn remembering_and_recalling() {
    let dog = Intent::Remember { text: "my dog is called Rex".to_owned() };
    check(&["remember that my dog is called Rex", "Please remember: my dog is called Rex."], &dog);
    check(&["记住我的狗叫小黑", "请记住：我的狗叫小黑"], &Intent::Remember { text: "我的狗叫小黑".to_owned() });
    let recall = |query: &str| Intent::Recall { query: query.to_owned() };
    check(&["recall dog", "what do you remember about dog?", "do you remember dog?"], &recall("dog"));
    check(&["what do you remember?"], &recall(""));
    check(&["what's my name?"], &recall("name"));
    check(&["回忆小黑", "你还记得小黑吗？", "你记得关于小黑的事吗"], &recall("小黑"));
    check(&["你记得什么？"], &recall(""));
    check(&["我的狗叫什么名字？"], &recall("我的狗"));
}

#[test]
fn what_no_row_fits_is_left_alone() {
    for prose in [
        "tell me a joke",
        "show me the meaning of life",
        "write a poem",
        "讲个笑话",
        "看看天气",
        "今天天气怎么样",
        "why?",
        "读书有什么好处呢",
    ] {
        let request = parse(prose);
        assert!(request.tasks.is_empty() && !request.unknown.is_empty(), "{prose}: {request:?}");
    }
}
