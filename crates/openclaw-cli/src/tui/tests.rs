//! The whole way from events and keys to the cells of a terminal.

use crossterm::event::KeyCode;
use openclaw_config::Env;
use serde_json::json;

use super::row::{Look, Row};
use super::screen::Screen;
use super::screen::tests::Terminal;
use super::state::Input;
use super::state::tests::Bench;
use super::*;

/// What a terminal makes of another size.
type Kind = fn(&mut Terminal, usize, usize);

/// A state, the screen it is drawn on, and the terminal that obeys it.
struct Window {
    bench: Bench,
    screen: Screen<Vec<u8>>,
    terminal: Terminal,
    /// Rows of the state that were printed.
    printed: usize,
}

impl Window {
    fn new(columns: usize, height: usize) -> Self {
        let screen = Screen::new(Vec::new(), columns, true);
        Self { bench: Bench::new(columns, height), screen, terminal: Terminal::new(columns, height), printed: 0 }
    }

    /// Draws a frame; returns its bytes.
    fn frame(&mut self) -> String {
        let live = view::draw(&mut self.bench.state);
        let finished: Vec<Row> =
            self.bench.printed[self.printed..].iter().map(|row| Row::of(Look::Plain, row.as_str())).collect();
        self.printed = self.bench.printed.len();
        self.screen.draw(&finished, &live).unwrap();
        self.obey()
    }

    fn obey(&mut self) -> String {
        let bytes = std::mem::take(&mut self.screen.out);
        self.terminal.take(&bytes);
        String::from_utf8(bytes).unwrap()
    }

    fn resize(&mut self, columns: usize, height: usize, kind: Kind) {
        kind(&mut self.terminal, columns, height);
        self.screen.resize(columns).unwrap();
        self.obey();
        self.bench.input(Input::Resize(columns, height));
        self.frame();
    }
}

#[test]
fn a_stream_of_100_000_tokens_rewrites_no_cell_outside_the_live_region() {
    let mut window = Window::new(100, 30);
    let run = window.bench.say("go");
    window.frame();
    let (mut bytes, mut largest) = (0, 0);
    for number in 0..100_000 {
        let delta = if number % 40 == 39 { "token.\n\n" } else { "token " };
        window.bench.stream(&run, "assistant", json!({"delta": delta, "itemId": "a:1"}));
        // 200 tokens and 30 frames a second.
        if number % 7 > 0 {
            continue;
        }
        let finished = window.printed;
        window.terminal.touched.clear();
        let frame = window.frame().len();
        let first = window.terminal.touched.first().copied().unwrap_or(finished);
        assert!(first >= finished, "frame at token {number} wrote row {first}, {finished} rows were final");
        (bytes, largest) = (bytes + frame, largest.max(frame));
    }
    window.bench.stream(&run, "lifecycle", json!({"phase": "end"}));
    window.frame();
    let text = window.terminal.lines().join("\n");
    assert_eq!(text.matches("token").count(), 100_000);
    // 600 kB of text; a full layout per frame would be over 4 GB.
    assert!(window.bench.state.transcript.work < 4_000_000, "{}", window.bench.state.transcript.work);
    // The bytes of a frame do not grow with what was said before it.
    assert!(largest < 2_000 && bytes < 6_000_000, "{largest} {bytes}");
}

#[test]
fn a_resize_from_200x50_to_40x10_and_back_loses_nothing() {
    let mut window = resized(Terminal::resize);
    // Nothing of what was said is cut anywhere.
    let all = window.terminal.lines().concat();
    assert_eq!(all.matches('x').count() - all.matches("exec").count(), (0..120).sum::<usize>());
    window.frame();
}

#[test]
fn a_resize_on_a_terminal_that_cuts_long_rows_erases_no_row() {
    let window = resized(Terminal::resize_by_cutting);
    // Its own cutting costs the ends of the rows that were on screen, no row before them.
    let lines = window.terminal.lines();
    let whole = lines.iter().filter(|line| line.starts_with("row-") && line.len() >= 8).count();
    assert!(whole >= 119, "{whole}");
}

/// Has a window with everything in it become narrow and low, and wide and high again.
fn resized(kind: Kind) -> Window {
    let mut window = Window::new(200, 50);
    let run = window.bench.say("go");
    let rows: Vec<String> = (0..120).map(|number| format!("row-{number:03} {}", "x".repeat(number))).collect();
    let text = rows.join("\n\n");
    window.bench.stream(&run, "assistant", json!({"text": text, "delta": text, "itemId": "a:1"}));
    window.bench.stream(
        &run,
        "tool",
        json!({"phase": "start", "name": "exec", "toolCallId": "t", "args": {"command": "ls"}}),
    );
    window.bench.typed("queued words");
    window.bench.key(KeyCode::Enter);
    let draft = "a draft that is long ".repeat(12);
    window.bench.typed(&draft);
    window.frame();
    for (columns, height) in [(40, 10), (200, 50)] {
        window.resize(columns, height, kind);
        let live = view::draw(&mut window.bench.state);
        assert!(live.rows.last().unwrap().width() <= columns);
        assert!(live.rows.len() < height);
        let live: Vec<String> = live.rows.iter().map(|row| row.text().trim_end().to_owned()).collect();
        let shown = window.terminal.lines();
        assert_eq!(shown[shown.len() - live.len()..], live, "{columns}x{height}");
        let all = shown.concat();
        for row in &rows {
            assert_eq!(all.matches(row.trim_end().split_at(7).0).count(), 1, "{columns}x{height} {row}");
        }
        assert_eq!((window.bench.state.editor.text(), window.bench.state.queue.len()), (draft.as_str(), 1));
    }
    window
}

#[test]
fn with_motion_off_nothing_is_written_between_two_seconds_of_the_clock() {
    let mut window = Window::new(80, 24);
    window.bench.say("go");
    window.frame();
    let mut frames = Vec::new();
    for tenth in 1..=100 {
        window.bench.now += 100;
        window.bench.input(Input::Tick);
        if !window.frame().is_empty() {
            frames.push(tenth);
        }
    }
    // Once a second; what stops moving afterwards stays still.
    assert_eq!(frames, (1..=10).map(|second| second * 10).collect::<Vec<_>>());
    let mut idle = Window::new(80, 24);
    idle.frame();
    idle.bench.now += 60_000;
    idle.bench.input(Input::Tick);
    assert_eq!(idle.frame(), "");
}

#[test]
fn bidi_zero_width_return_and_escape_in_arguments_are_drawn_visibly() {
    let command = "echo \u{202e}a\u{200b}b\rc\x1b[2Jd";
    let shown = "echo \\u{202e}a\\u{200b}b\\rc\\u{1b}[2Jd";
    let mut window = Window::new(80, 24);
    let run = window.bench.say("go");
    let args = json!({"command": command});
    window.bench.stream(&run, "tool", json!({"phase": "start", "name": "exec", "toolCallId": "t", "args": args}));
    window.frame();
    assert_eq!(window.terminal.lines().concat().matches(shown).count(), 1, "{:#?}", window.terminal.lines());
    window.bench.ask("p1", command);
    window.frame();
    assert_eq!(window.terminal.lines().concat().matches(shown).count(), 1, "{:#?}", window.terminal.lines());
}

#[test]
fn variables_choose_how_it_moves_and_whether_lines_are_only_appended() {
    let manner = |pairs: &[(&str, &str)]| Manner::choose(&Env::from_pairs(pairs.iter().copied()));
    let xterm = ("TERM", "xterm-256color");
    assert_eq!(manner(&[xterm]), Manner { motion: Motion::On, is_append_only: false });
    assert_eq!(manner(&[xterm, ("OPENCLAW_TUI_MOTION", "off")]).motion, Motion::Off);
    assert_eq!(manner(&[xterm, ("OPENCLAW_TUI_MOTION", "slow")]).motion, Motion::Slow);
    assert!(manner(&[xterm, ("OPENCLAW_TUI_SCREENREADER", "1")]).is_append_only);
    assert!(!manner(&[xterm, ("OPENCLAW_TUI_SCREENREADER", "0")]).is_append_only);
    assert!(manner(&[("TERM", "dumb")]).is_append_only && manner(&[]).is_append_only);
}
