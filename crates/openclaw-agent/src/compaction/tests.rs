//! Summaries: what passes, what does not, and that a question always fits.

use openclaw_domain::catalog::Compacting;
use openclaw_domain::compaction::Summary;
use openclaw_domain::message::{AssistantTurn, Block, ToolCall, ToolResult, ToolStatus};
use openclaw_domain::model::{ModelChoice, ModelRef, StopReason};
use openclaw_domain::{Timestamp, Turn, UserTurn};
use proptest::prelude::*;

use super::budget::Budget;
use super::check::{Fault, Originals};
use super::*;
use crate::step::Why;

fn user(text: &str) -> Turn {
    Turn::User(UserTurn::owner(text, Timestamp(1)))
}

fn assistant(text: &str, calls: &[(&str, &str)]) -> Turn {
    let mut blocks = vec![Block::Text { text: text.into() }];
    blocks.extend(calls.iter().enumerate().map(|(n, (arguments, result))| {
        let id = format!("c{n}");
        let call = ToolCall {
            id: id.parse().unwrap(),
            provider_id: id,
            name: "exec".into(),
            arguments: (*arguments).to_owned(),
        };
        Block::Call { call, result: Some(ToolResult::notice(ToolStatus::Ok, *result)) }
    }));
    let stop = if calls.is_empty() { StopReason::EndTurn } else { StopReason::ToolUse };
    Turn::Assistant(AssistantTurn { blocks, model: ModelRef::new("p", "m"), stop, native: None, at: Timestamp(2) })
}

/// A conversation with an answered and an unanswered request.
fn talk() -> Vec<Turn> {
    let padding = "We looked at the garden and talked about the weather for a long while. ".repeat(20);
    vec![
        user("What is in /etc/motd on host-7?"),
        assistant("", &[(r#"{"command":"cat /etc/motd"}"#, &format!("Welcome. {padding}"))]),
        assistant(&format!("It says welcome. I will also check port 8443 later. {padding}"), &[]),
        user("Please rotate the certificate of example.org before Friday"),
        assistant("", &[(r#"{"command":"openssl"}"#, &padding)]),
    ]
}

fn good() -> Summary {
    Summary {
        gist: "They read a file; a certificate is still to be rotated.".into(),
        decisions: vec![],
        open_asks: vec!["rotate the certificate of example.org before Friday".into()],
        identifiers: vec!["/etc/motd".into(), "host-7".into()],
        commitments: vec!["check port 8443 later".into()],
    }
}

fn fault(summary: &Summary) -> Option<Fault> {
    Originals::of(&talk(), &[], None).check(summary, 4000).err()
}

#[test]
fn a_summary_that_keeps_to_the_conversation_passes() {
    assert_eq!(fault(&good()), None);
}

#[test]
fn a_token_that_stands_nowhere_is_named() {
    let invented = |field, token: &str| Some(Fault::Invented { field, token: token.to_owned() });
    let asks = Summary { open_asks: vec!["rotate the certificate of example.com before Friday".into()], ..good() };
    assert_eq!(fault(&asks), invented("open_asks", "example.com"));
    let promise = Summary { commitments: vec!["check port 8444 later".into()], ..good() };
    assert_eq!(fault(&promise), invented("commitments", "8444"));
    let identifiers = Summary { identifiers: vec!["host-8".into()], ..good() };
    assert_eq!(fault(&identifiers), invented("identifiers", "host-8"));
}

#[test]
fn an_unanswered_request_must_be_shown_and_an_answered_one_need_not() {
    let silent = Summary { open_asks: vec![], ..good() };
    assert!(matches!(fault(&silent), Some(Fault::Missing(ask)) if ask.contains("rotate the certificate")));
}

#[test]
fn a_request_that_is_answered_in_the_turns_that_stay_is_not_open() {
    let silent = Summary { open_asks: vec![], ..good() };
    let check = |after: &[Turn]| Originals::of(&talk(), after, None).check(&silent, 4000);
    assert_eq!(check(&[assistant("It is done.", &[])]), Ok(()));
    assert!(check(&[assistant("", &[("{}", "ok")])]).is_err(), "a call is not an answer");
}

#[test]
fn a_summary_must_be_shorter_than_what_it_stands_for() {
    let short = vec![user("hello there"), assistant("hello", &[])];
    let long = Summary { gist: "They said hello, at great length. ".repeat(9), ..Summary::default() };
    assert_eq!(Originals::of(&short, &[], None).check(&long, 4000), Err(Fault::NotShorter));
    let verbose = Summary { gist: "x".repeat(5000), ..good() };
    assert!(matches!(fault(&verbose), Some(Fault::TooLong { .. })));
}

#[test]
fn what_is_escaped_in_arguments_counts_as_said() {
    let turns = vec![user("open it"), assistant("", &[(r#"{"path":"C:\\temp\\a.txt"}"#, &"done ".repeat(300))])];
    let summary = Summary {
        gist: "A file was opened.".into(),
        open_asks: vec!["open it".into()],
        commitments: vec![r"close C:\temp\a.txt".into()],
        ..Summary::default()
    };
    assert_eq!(Originals::of(&turns, &[], None).check(&summary, 4000), Ok(()));
}

#[test]
fn a_summary_by_rule_passes_the_same_check() {
    let turns = talk();
    let originals = Originals::of(&turns, &[], None);
    let made = extract::summary(&turns, None, &originals, 4000).unwrap();
    assert_eq!(originals.check(&made, 4000), Ok(()));
    assert_eq!(made.open_asks, ["Please rotate the certificate of example.org before Friday"]);
    assert!(made.commitments.iter().any(|promise| promise.contains("port 8443")), "{made:?}");
    assert!(made.identifiers.iter().any(|identifier| identifier == "/etc/motd"), "{made:?}");
    // And it is carried on: the request is still open after the next compaction.
    let more = vec![user("hm"), assistant(&"Nothing new to say about this. ".repeat(60), &[])];
    let originals = Originals::of(&more, &[], Some(&made));
    let next = extract::summary(&more, Some(&made), &originals, 4000).unwrap();
    assert!(next.open_asks.iter().any(|ask| ask.contains("example.org")), "{next:?}");
}

#[test]
fn an_answer_must_have_the_asked_form_and_nothing_else() {
    let sizes = pieces::sizes(&Budget::new(None, 0), ask::INSTRUCTIONS).unwrap();
    let json = serde_json::to_string(&good()).unwrap();
    assert_eq!(ask::read(&json, &sizes), Ok(good()));
    assert_eq!(ask::read(&format!("```json\n{json}\n```"), &sizes), Ok(good()));
    for bad in
        ["Sure! Here is the summary.", "{\"gist\":\"x\"}", &json.replace("gist", "summary"), &format!("{json} ok")]
    {
        assert!(matches!(ask::read(bad, &sizes), Err(Fault::Form(_))), "{bad}");
    }
}

fn window(tokens: u32) -> Budget {
    let info = openclaw_testkit::catalog::model("p", "m");
    let info = openclaw_domain::catalog::ModelInfo { context_window: Some(tokens), ..info };
    Budget::new(Some(&info), 0)
}

fn turn() -> impl Strategy<Value = Turn> {
    let text = || prop_oneof![".{0,40}", "[a-z ]{0,3000}", "[ä€🦀\"\\\\\n]{0,900}"];
    prop_oneof![
        text().prop_map(|text| user(&text)),
        (text(), prop::collection::vec((text(), text()), 0..3)).prop_map(|(said, calls)| {
            let calls: Vec<(&str, &str)> = calls.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            assistant(&said, &calls)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever was said, the window, and how wrong the estimates were: a
    /// question fits, with the largest notes and the longest fault there can be.
    #[test]
    fn a_question_for_a_summary_always_fits_the_window(
        turns in prop::collection::vec(turn(), 1..12),
        tokens in 2_000..60_000u32,
        really in 1..8000u64,
    ) {
        let measured = estimate::Measured { tokens: really, estimated: 1000 };
        let budget = window(tokens).corrected(Some(measured));
        let Some(sizes) = pieces::sizes(&budget, ask::INSTRUCTIONS) else { return Ok(()) };
        let Some(pieces) = pieces::split(&turns, &sizes) else { return Ok(()) };
        let notes = extract::fit(
            Summary { gist: "\"n".repeat(sizes.summary_bytes), ..Summary::default() },
            sizes.summary_bytes,
        );
        let fault = Fault::Form("f".repeat(10_000));
        let choice = ModelChoice { primary: ModelRef::new("p", "m"), fallbacks: vec![], thinking: None };
        for piece in &pieces {
            let question = ask::Question {
                choice: &choice, notes: Some(&notes), piece, fault: Some(&fault), key: "k".into(), cache_key: "c".into(),
            };
            let request = ask::request(question, &sizes).unwrap();
            let prompt = estimate::bytes(request.system[0].len()) + estimate::turns(request.prompt.turns().iter());
            let all = budget.real(prompt) + u64::from(request.output_tokens_max.unwrap());
            prop_assert!(all <= budget.window, "{all} tokens of {}", budget.window);
        }
        let said: usize = pieces.iter().map(String::len).sum();
        prop_assert!(said > 0);
    }

    #[test]
    fn the_rule_makes_a_summary_that_passes_or_none(turns in prop::collection::vec(turn(), 1..10)) {
        let originals = Originals::of(&turns, &[], None);
        if let Ok(made) = extract::summary(&turns, None, &originals, 6000) {
            prop_assert_eq!(originals.check(&made, 6000), Ok(()));
        }
    }

    #[test]
    fn a_plan_hides_more_than_before_and_never_all_that_can_be_kept(
        turns in prop::collection::vec(turn(), 0..20),
        before in 0..5usize,
        tokens in 2_000..60_000u32,
    ) {
        let before = before.min(turns.len());
        for why in [Why::Full, Why::ByHand, Why::Overflow] {
            if let Some(hidden) = cut::plan(&turns, before, &Compacting::default(), &window(tokens), why) {
                prop_assert!(hidden > before && hidden <= turns.len());
            }
        }
    }
}

#[test]
fn recent_turns_are_kept_and_older_ones_are_hidden() {
    let long = "word ".repeat(600);
    let turns: Vec<Turn> = (0..20).map(|n| if n % 2 == 0 { user(&long) } else { assistant(&long, &[]) }).collect();
    let settings = Compacting { keep_tokens: 3000, keep_turns: 3, ..Compacting::default() };
    // Each turn is 1,008 tokens by the rule.
    assert_eq!(cut::plan(&turns, 0, &settings, &window(32_000), Why::Full), Some(17));
    let more = Compacting { keep_tokens: 6000, ..settings.clone() };
    assert_eq!(cut::plan(&turns, 0, &more, &window(32_000), Why::Full), Some(15));
    assert_eq!(cut::plan(&turns[..3], 0, &settings, &window(32_000), Why::ByHand), None);
}

#[test]
fn a_kept_summary_is_refused_once_entries_joined_among_its_turns() {
    let entry = |n: u64, turn: Turn| Entry { n, run: None, turn, at: Timestamp(1) };
    let entries: Vec<Entry> = talk().into_iter().zip(1..).map(|(turn, n)| entry(n, turn)).collect();
    let kept = Compaction { turns: 5, through: 5, summary: good(), tokens: None };
    assert_eq!(check_kept(&kept, &entries), Ok(()));
    let other = Compaction { through: 4, ..kept.clone() };
    assert_eq!(check_kept(&other, &entries), Err(Unfit::OtherTurns { claimed: 5, found: 4, through: 4 }));
    let invented = Summary { identifiers: vec!["host-9".into()], ..good() };
    assert!(matches!(check_kept(&Compaction { summary: invented, ..kept }, &entries), Err(Unfit::Fault(_))));
}
