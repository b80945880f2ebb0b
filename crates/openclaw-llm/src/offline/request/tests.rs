use proptest::prelude::*;

use super::*;

fn read(path: &str) -> Intent {
    Intent::Read { file: Target::Named(path.to_owned()) }
}

fn write(path: &str, content: &str) -> Intent {
    Intent::Write { path: path.to_owned(), content: content.to_owned() }
}

fn list() -> Intent {
    Intent::List { path: None, order: Order::Listed, count: None }
}

fn check(text: &str, expected: &[(Intent, bool)]) {
    let tasks: Vec<_> = parse(text).tasks.into_iter().map(|task| (task.intent, task.is_after)).collect();
    assert_eq!(tasks, expected, "{text}");
}

#[test]
fn clauses_are_cut_where_both_sides_make_sense() {
    check("list the files and then read README.md", &[(list(), false), (read("README.md"), true)]);
    check("Hi! Please list the files, read a.txt.", &[(list(), false), (read("a.txt"), false)]);
    let it = Intent::Read { file: Target::Earlier };
    check("创建 notes.txt 内容为 hello，然后读取它", &[(write("notes.txt", "hello"), false), (it.clone(), true)]);
    check(
        "create notes.txt with milk and eggs, then read it",
        &[(write("notes.txt", "milk and eggs"), false), (it, true)],
    );
    check("先列出文件，再读取 a.txt", &[(list(), false), (read("a.txt"), true)]);
}

#[test]
fn the_text_of_a_file_is_not_cut() {
    check("write a.txt with milk, eggs and bread", &[(write("a.txt", "milk, eggs and bread"), false)]);
    check("write a.txt with \"one, then read b.txt\"", &[(write("a.txt", "one, then read b.txt"), false)]);
    check("write a.py with ```python\nprint(1)\n\nprint(2)\n```", &[(write("a.py", "print(1)\n\nprint(2)"), false)]);
}

#[test]
fn what_is_not_understood_is_kept_and_the_rest_is_done() {
    let request = parse("list the files and then dance a little");
    assert_eq!(request.tasks.len(), 1);
    assert_eq!(request.unknown, ["dance a little"]);
    let request = parse("hello, tell me a joke");
    assert_eq!((request.tasks.len(), request.unknown.len()), (0, 1));
}

#[test]
fn a_file_picked_by_size_needs_a_list_before_it() {
    let largest = Intent::List { path: None, order: Order::Largest, count: Some(1) };
    let it = Intent::Read { file: Target::Pick(Order::Largest) };
    check("read the largest file", &[(largest, false), (it.clone(), true)]);
    check("list files, then read the largest file", &[(list(), false), (it, true)]);
}

#[test]
fn a_time_stamp_before_the_words_is_passed_over() {
    check("[Fri 2026-11-20 09:00 UTC] list files", &[(list(), false)]);
}

#[test]
fn a_request_has_a_limited_number_of_tasks() {
    let many = vec!["read a.txt"; TASKS_MAX + 2].join("; ");
    assert_eq!(parse(&many).tasks.len(), TASKS_MAX);
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,200}") {
        let request = parse(&text);
        prop_assert!(request.tasks.len() <= TASKS_MAX);
    }

    #[test]
    fn words_of_the_rules_in_any_order_are_read_without_a_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "read", "list", "write", "with", "and then", "it", "a.txt", ",", "。", "然后", "读取", "\"", "`", "```",
            "append", "to", "把", "换成", "搜索", "https://x.y", "run", "$", "?", "\n", "the largest file", "最大的",
        ]), 0..40)
    ) {
        parse(&words.join(" "));
    }
}
