//! Snapshots of the live region, and what holds at every size.

use crossterm::event::KeyCode;
use serde_json::json;

use super::*;
use crate::text::Lang;
use crate::tui::state::Input;
use crate::tui::state::tests::{Bench, KEY};

fn drawn(bench: &mut Bench) -> Vec<String> {
    draw(&mut bench.state).rows.iter().map(Row::text).collect()
}

/// A turn with a running tool, a queued and a steered message, and numbers.
fn busy_bench(columns: usize, height: usize, lang: Lang) -> Bench {
    let mut bench = Bench::in_lang(columns, height, lang);
    let row = json!({"model": "sonnet-x", "totalTokens": 41_000, "contextTokens": 100_000, "estimatedCostUsd": 0.031});
    bench.event("sessions.changed", json!({"sessionKey": KEY, "session": row}));
    let run = bench.say("send Ana the plan");
    let args = json!({"command": "cargo test -p gateway"});
    bench.stream(&run, "tool", json!({"phase": "start", "name": "exec", "toolCallId": "1", "args": args}));
    let partial = json!({"content": [{"type": "text", "text": "test a ... ok\ntest b ... ok\ntest c ... ok\n"}]});
    bench.stream(&run, "tool", json!({"phase": "update", "toolCallId": "1", "partialResult": partial}));
    bench.typed("also cc Bo");
    bench.key(KeyCode::Enter);
    bench.now += 12_000;
    bench.input(Input::Tick);
    bench
}

#[test]
fn a_busy_turn_at_120_by_40_and_80_by_24() {
    for (columns, height) in [(120, 40), (80, 24)] {
        assert_eq!(
            drawn(&mut busy_bench(columns, height, Lang::En)),
            [
                "v exec  cargo test -p gateway  12 s  running",
                "| test b ... ok",
                "| test c ... ok",
                " queued  1 after this turn: \"also cc Bo\"",
                "> type a message, / commands, Ctrl+P palette",
                " live | main  sonnet-x | ctx [####......] 41% | $0.031 | 12 s | queued 1",
            ]
        );
    }
}

#[test]
fn a_busy_turn_at_46_by_20_and_40_by_10() {
    for (columns, height) in [(46, 20), (40, 10)] {
        let rows = drawn(&mut busy_bench(columns, height, Lang::En));
        assert_eq!(rows.last().unwrap(), " live | main | ctx 41% | $0.031");
        assert_eq!(
            rows[0],
            if columns == 46 {
                "v exec  cargo test -p gateway  12 s  running"
            } else {
                "v exec  cargo t...gateway  12 s  running"
            }
        );
    }
}

#[test]
fn a_question_looks_like_nothing_else() {
    let mut bench = Bench::new(80, 24);
    bench.ask("p1", "df -h / && echo ok > file");
    bench.now += 1000;
    bench.input(Input::Tick);
    let rows = drawn(&mut bench);
    assert_eq!(rows[0], format!("== NEEDS YOU {} 9:59 left ==", "=".repeat(54)));
    assert_eq!(
        rows[1..9],
        [
            " main wants to run exec",
            "   in  /work",
            "   why asked  exec asks",
            " | df -h / && echo ok > file",
            " all 1 lines shown",
            " [a] allow this once   [w] always allow exactly this   [d] deny",
            "[n] deny with a note",
            &"=".repeat(80),
        ]
    );
}

#[test]
fn a_question_at_40_by_10_shows_its_literal_and_its_keys() {
    let mut bench = Bench::new(40, 10);
    bench.ask("p1", &"x".repeat(200));
    bench.now += 1000;
    for _ in 0..20 {
        bench.key(KeyCode::PageDown);
    }
    bench.now += 1000;
    bench.input(Input::Tick);
    let rows = drawn(&mut bench);
    assert!(rows.len() <= 9, "{rows:#?}");
    assert!(rows.iter().any(|row| row.contains("xxxx")), "{rows:#?}");
    assert!(rows.iter().any(|row| row.contains("[a] allow")), "{rows:#?}");
    assert!(rows[0].starts_with("== NEEDS YOU"), "{rows:#?}");
}

#[test]
fn nothing_passes_the_edges_at_any_size_in_either_language() {
    for lang in [Lang::En, Lang::Zh] {
        for (columns, height) in
            [(120, 40), (80, 24), (79, 24), (60, 20), (59, 20), (46, 20), (40, 10), (20, 5), (5, 3)]
        {
            let mut bench = busy_bench(columns, height, lang);
            bench.state.columns = columns;
            bench.typed("中文 mixed 👩\u{200d}💻 input that is long enough to wrap on narrow screens");
            check(&mut bench, columns, height);
            bench.ask("p1", "rm -rf 中文目录 && echo done");
            check(&mut bench, columns, height);
            bench.state.asks.clear();
            bench.state.pick = Some(crate::tui::pick::Pick::palette(lang));
            check(&mut bench, columns, height);
            bench.input(Input::Link(crate::tui::state::Link::Offline {
                cause: "x".to_owned(),
                retry_at: bench.now + 4000,
            }));
            check(&mut bench, columns, height);
        }
    }
}

fn check(bench: &mut Bench, columns: usize, height: usize) {
    let live = draw(&mut bench.state);
    assert!(live.rows.len() <= height.max(3), "{columns}x{height}: {:#?}", live.rows);
    for row in &live.rows {
        assert!(row.width() <= columns.max(6), "{columns}x{height}: {:?}", row.text());
    }
    assert!(live.cursor.0 < live.rows.len(), "{columns}x{height}");
}

#[test]
fn the_cursor_stands_where_the_next_character_goes() {
    let mut bench = Bench::new(80, 24);
    bench.typed("中a👩\u{200d}💻");
    bench.key(KeyCode::Left);
    let live = draw(&mut bench.state);
    assert_eq!(live.cursor, (0, 2 + 3));
}

#[test]
fn a_lost_connection_is_said_with_its_age_and_next_try() {
    let mut bench = Bench::new(80, 24);
    bench.input(Input::Link(crate::tui::state::Link::Offline { cause: "x".to_owned(), retry_at: bench.now + 45_000 }));
    bench.now += 41_000;
    bench.input(Input::Tick);
    assert_eq!(drawn(&mut bench)[1], " offline 0:41, retry in 4 s, input is kept | main");
}

#[test]
fn with_motion_off_a_frame_changes_once_a_second_only() {
    let mut bench = Bench::new(80, 24);
    bench.say("go");
    let first = draw(&mut bench.state);
    bench.now += 900;
    bench.input(Input::Tick);
    assert_eq!(draw(&mut bench.state), first);
    bench.now += 100;
    bench.input(Input::Tick);
    assert_ne!(draw(&mut bench.state), first);
}
