//! The loop of the terminal UI: keys, events, answers and time go into the state;
//! what it asks for is done here. One task owns everything; dropping the future
//! ends it, runs at the gateway go on.

use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use crossterm::event::{Event as Happening, EventStream, KeyEventKind};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use openclaw_client::{Backoff, Call, Client, Error, Events, Notice};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::drafts::{self, Draft};
use super::outside::Outside;
use super::screen::Screen;
use super::state::{Asked, Beginning, CURSORS, Effect, Input, Link, Motion, Offers, State};
use super::terminal::{self, Raw};
use super::{TuiOptions, time_of_day, view};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::peek;

/// Shortest time between two frames: at most 30 a second.
const FRAME: Duration = Duration::from_millis(33);

/// Longest wait for a summary: its maker has a time limit of its own.
pub(super) const SUMMARY_MAX: Duration = Duration::from_secs(900);

/// How long what was typed may be only in memory.
const SAVE_AFTER: Duration = Duration::from_secs(1);

/// Calls that may be under way.
const CALLS_MAX: usize = 64;

/// Events taken in before the screen gets its turn.
const BURST: usize = 256;

/// An attempt to connect.
pub(crate) type Dialling<'a> = Pin<Box<dyn Future<Output = Result<Client, Failure>> + 'a>>;

/// Connects again; given by the command that knows how.
pub(crate) type Dial<'a> = dyn Fn() -> Dialling<'a> + 'a;

/// An answer, or why there is none.
type Reply = (Asked, Result<Value, Error>);

struct Session<'a, W> {
    state: State,
    screen: Screen<W>,
    client: Option<Client>,
    events: Option<Events>,
    calls: FuturesUnordered<BoxFuture<'static, Reply>>,
    dialling: Option<Dialling<'a>>,
    backoff: Backoff,
    now: fn() -> jiff::Timestamp,
    drawn_at: Option<Instant>,
    is_dirty: bool,
    /// A text that waits to be opened in the person's editor.
    to_edit: Option<String>,
    unsaved_since: Option<Instant>,
    draft_path: PathBuf,
    saving: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
}

/// Talks until the person leaves. `dial` connects again after the connection was lost.
pub(super) async fn run<'a>(
    client: Client,
    options: TuiOptions,
    dial: &'a Dial<'a>,
    outside: Outside<'_>,
) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Failed, "TERMINAL", format!("cannot use the terminal: {error}"))
            .next("openclaw agent --help")
    };
    let path = drafts::path(&options.state_dir);
    let draft = {
        let path = path.clone();
        tokio::task::spawn_blocking(move || drafts::load(&path)).await.unwrap_or_default()
    };
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut raw = Raw::begin().map_err(failed)?;
    let mut keys = EventStream::new();
    let mut session = Session::begin(client, &options, draft, path);
    let mut next = options.first_message;
    let result = loop {
        let tick = session.tick();
        let draw_at = session.draw_at();
        tokio::select! {
            biased;
            happening = keys.next() => match happening {
                Some(Ok(happening)) => if session.happened(happening) { break Ok(()) },
                // The terminal is gone.
                Some(Err(_)) | None => break Ok(()),
            },
            _ = terminate.recv() => break Ok(()),
            _ = hangup.recv() => break Ok(()),
            () = tokio::time::sleep_until(draw_at), if session.is_dirty => session.draw().map_err(failed)?,
            Some((asked, result)) = session.calls.next(), if !session.calls.is_empty() => {
                if session.answered(asked, result) { break Ok(()) }
            }
            notice = notice(&mut session.events) => session.noticed(notice, dial),
            dialled = dialled(&mut session.dialling) => session.dialled(dialled, dial),
            () = tokio::time::sleep(tick) => {
                session.input(Input::Tick);
                session.save();
            }
        }
        if let Some(text) = session.to_edit.take() {
            // The editor has the terminal for itself: no key of it is read here.
            drop((keys, raw));
            let stop = async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
            };
            let gone = session.edit(outside, &text, stop).await;
            raw = Raw::begin().map_err(failed)?;
            keys = EventStream::new();
            if gone {
                break Ok(());
            }
        }
        if let Some(message) = next.take_if(|_| session.state.is_ready()) {
            session.first(&message);
        }
    };
    session.leave().await;
    drop(raw);
    result
}

async fn notice(events: &mut Option<Events>) -> Option<Notice> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

async fn dialled(dialling: &mut Option<Dialling<'_>>) -> Result<Client, Failure> {
    match dialling {
        Some(dialling) => dialling.await,
        None => std::future::pending().await,
    }
}

impl Session<'_, std::io::Stdout> {
    fn begin(client: Client, options: &TuiOptions, draft: Draft, draft_path: PathBuf) -> Self {
        let (columns, height) = terminal::size();
        let mut state = State::new(Beginning {
            columns,
            height,
            lang: options.lang,
            motion: options.manner.motion,
            agent: options.agent.clone(),
            session: options.session_key.clone(),
            is_embedded: options.is_embedded,
            new_id: || uuid::Uuid::new_v4().to_string(),
            clock: time_of_day,
        });
        state.restore(draft);
        let mut session = Self {
            state,
            screen: Screen::new(std::io::stdout(), columns, options.is_coloured),
            events: Some(client.events()),
            client: Some(client.clone()),
            calls: FuturesUnordered::new(),
            dialling: None,
            backoff: Backoff::default(),
            now: options.now,
            drawn_at: None,
            is_dirty: true,
            to_edit: None,
            unsaved_since: None,
            draft_path,
            saving: None,
        };
        session.input(Input::Link(live(&client)));
        session
    }
}

impl<'a, W: std::io::Write> Session<'a, W> {
    fn now_ms(&self) -> i64 {
        (self.now)().as_millisecond()
    }

    /// Gives an input to the state and does what it asks for; tells whether to leave.
    fn input(&mut self, input: Input) -> bool {
        let now = self.now_ms();
        let is_time_only = matches!(input, Input::Tick);
        let effects = self.state.update(now, input);
        self.is_dirty |= !is_time_only || self.state.is_moving();
        let mut is_leaving = false;
        for effect in effects {
            match effect {
                Effect::Call { asked, method, params } => self.call(asked, method, params),
                Effect::Bell => drop(self.screen.bell()),
                Effect::Edit(text) => self.to_edit = Some(text),
                Effect::Quit => is_leaving = true,
            }
        }
        is_leaving
    }

    fn answered(&mut self, asked: Asked, result: Result<Value, Error>) -> bool {
        self.input(match result {
            Ok(answer) => Input::Reply(asked, Ok(answer)),
            Err(Error::Closed { .. }) => Input::Lost(asked),
            Err(error) => Input::Reply(asked, Err(error.to_string())),
        })
    }

    fn call(&mut self, asked: Asked, method: &'static str, params: Value) {
        let client = self.client.clone().filter(|_| self.calls.len() < CALLS_MAX);
        let not_now =
            Error::Unreachable { endpoint: method.to_owned(), cause: "not connected, or too busy".to_owned() };
        self.calls.push(match client {
            Some(client) => {
                // A summary is made by the model, in several answers perhaps.
                let timeout = matches!(asked, Asked::Compact).then_some(SUMMARY_MAX);
                let call = Call { method: method.to_owned(), params, timeout, ..Call::default() };
                Box::pin(async move { (asked, client.perform(call).await) })
            }
            None => Box::pin(std::future::ready((asked, Err(not_now)))),
        });
    }

    fn happened(&mut self, happening: Happening) -> bool {
        let input = match happening {
            Happening::Key(key) if key.kind != KeyEventKind::Release => Input::Key(key),
            Happening::Paste(text) => Input::Paste(text),
            Happening::Resize(columns, rows) => {
                let columns = usize::from(columns);
                if self.screen.resize(columns).is_err() {
                    return true;
                }
                Input::Resize(columns, usize::from(rows))
            }
            Happening::Key(_) | Happening::Mouse(_) | Happening::FocusGained | Happening::FocusLost => return false,
        };
        self.unsaved_since.get_or_insert_with(Instant::now);
        let is_leaving = self.input(input);
        // What is typed is seen at once, whatever streams.
        is_leaving || self.draw().is_err()
    }

    fn noticed(&mut self, first: Option<Notice>, dial: &'a Dial<'a>) {
        let mut next = first;
        let mut is_over = next.is_none();
        for _ in 0..BURST {
            match next.take() {
                Some(Notice::Event(event)) => drop(self.input(Input::Event(Box::new(event)))),
                Some(Notice::Gap { .. } | Notice::Missed(_)) => drop(self.input(Input::Gap)),
                None => break,
            }
            next = self.events.as_mut().and_then(Events::try_next);
        }
        is_over |= self.client.as_ref().is_some_and(Client::is_ended) && next.is_none();
        if is_over {
            (self.client, self.events) = (None, None);
            self.redial("the connection was lost", dial);
        }
    }

    fn redial(&mut self, cause: &str, dial: &'a Dial<'a>) {
        let pause = self.backoff.next_pause();
        let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        let retry_at = self.now_ms().saturating_add(pause_ms);
        self.input(Input::Link(Link::Offline { cause: cause.to_owned(), retry_at }));
        self.dialling = Some(Box::pin(async move {
            tokio::time::sleep(pause).await;
            dial().await
        }));
    }

    fn dialled(&mut self, result: Result<Client, Failure>, dial: &'a Dial<'a>) {
        self.dialling = None;
        match result {
            Ok(client) => {
                self.backoff.reset();
                self.events = Some(client.events());
                self.client = Some(client.clone());
                self.input(Input::Link(live(&client)));
            }
            Err(failure) => self.redial(&failure.message, dial),
        }
    }

    fn first(&mut self, message: &str) {
        let now = self.now_ms();
        let effects = self.state.start(now, message);
        for effect in effects {
            if let Effect::Call { asked, method, params } = effect {
                self.call(asked, method, params);
            }
        }
        self.is_dirty = true;
    }

    /// Has a text edited outside. Events of the conversation wait meanwhile; what does
    /// not fit is read from the history afterwards. Tells whether `stop` came first.
    async fn edit(&mut self, outside: Outside<'_>, text: &str, stop: impl Future<Output = ()>) -> bool {
        let _gone = self.screen.leave();
        let folder = self.draft_path.parent().map(ToOwned::to_owned).unwrap_or_default();
        let Some(result) = outside.edit(&folder, text, stop).await else { return true };
        let now = self.now_ms();
        self.state.edited(now, result);
        self.unsaved_since.get_or_insert_with(Instant::now);
        // The terminal may have become another size while nobody read it.
        let (columns, height) = terminal::size();
        let _gone = self.screen.resize(columns);
        self.input(Input::Resize(columns, height));
        self.is_dirty = true;
        false
    }

    /// How long nothing changes by itself.
    fn tick(&self) -> Duration {
        match (self.state.is_moving(), self.state.motion) {
            (true, Motion::On) => Duration::from_millis(250),
            (true, Motion::Slow | Motion::Off) | (false, _) => Duration::from_secs(1),
        }
    }

    fn draw_at(&self) -> Instant {
        self.drawn_at.map_or_else(Instant::now, |at| at + FRAME)
    }

    fn draw(&mut self) -> std::io::Result<()> {
        let live = view::draw(&mut self.state);
        let finished = self.state.transcript.take_rows();
        self.screen.draw(&finished, &live)?;
        self.is_dirty = false;
        self.drawn_at = Some(Instant::now());
        Ok(())
    }

    /// Writes what was typed to its file, away from this thread, one write at a time.
    fn save(&mut self) {
        let is_due = self.unsaved_since.is_some_and(|since| since.elapsed() >= SAVE_AFTER);
        if !is_due || self.saving.as_ref().is_some_and(|saving| !saving.is_finished()) {
            return;
        }
        self.unsaved_since = None;
        let (path, draft) = (self.draft_path.clone(), self.state.draft());
        // Task `tui-draft`: ends by itself after one write; awaited when leaving.
        self.saving = Some(tokio::task::spawn_blocking(move || drafts::save(&path, &draft)));
    }

    async fn leave(&mut self) {
        self.state.transcript.close();
        let finished = self.state.transcript.take_rows();
        let _gone = self.screen.draw(&finished, &view::Live::default());
        let _gone = self.screen.leave();
        if let Some(saving) = self.saving.take() {
            let _written = saving.await;
        }
        let (path, draft) = (self.draft_path.clone(), self.state.draft());
        let _written = tokio::task::spawn_blocking(move || drafts::save(&path, &draft)).await;
    }
}

fn live(client: &Client) -> Link {
    let address = client.endpoint().to_string();
    let offers = Offers {
        questions: client.offers(crate::ask::QUESTIONS),
        cursors: client.hello().features.capabilities.iter().any(|name| name == CURSORS),
    };
    Link::Live { address, version: peek::text(&client.hello().server, "/version"), offers }
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use serde_json::json;

    use super::*;
    use crate::tui::state::tests::{Bench, KEY};

    fn session() -> Session<'static, Vec<u8>> {
        Session {
            state: Bench::new(80, 24).state,
            screen: Screen::new(Vec::new(), 80, false),
            client: None,
            events: None,
            calls: FuturesUnordered::new(),
            dialling: None,
            backoff: Backoff::default(),
            now: || jiff::Timestamp::UNIX_EPOCH,
            drawn_at: None,
            is_dirty: true,
            to_edit: None,
            unsaved_since: None,
            draft_path: PathBuf::new(),
            saving: None,
        }
    }

    fn written(session: &mut Session<'_, Vec<u8>>) -> String {
        String::from_utf8(std::mem::take(&mut session.screen.out)).unwrap()
    }

    #[test]
    fn a_key_is_drawn_at_once_while_text_streams() {
        let mut session = session();
        session.draw().unwrap();
        written(&mut session);
        for number in 0..BURST {
            let data = json!({"delta": format!("word{number} "), "itemId": "a:1"});
            let payload = json!({"runId": "r", "sessionKey": KEY, "stream": "assistant", "data": data});
            let event = openclaw_protocol::Event {
                event: "agent".to_owned(),
                payload: Some(payload),
                seq: None,
                state_version: None,
                recipient_profile_id: None,
            };
            session.input(Input::Event(Box::new(event)));
        }
        // Text waits for the next frame, at most 30 a second.
        assert_eq!(written(&mut session), "");
        assert!(session.draw_at() > Instant::now());
        let is_leaving = session.happened(Happening::Key(KeyEvent::new(KeyCode::Char('~'), KeyModifiers::NONE)));
        assert!(!is_leaving);
        let frame = written(&mut session);
        assert!(frame.contains('~') && frame.contains("word255"), "{frame:?}");
    }
}
