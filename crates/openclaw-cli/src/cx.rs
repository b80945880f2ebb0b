//! What every command is given: streams, flags, environment, folders, language
//! and the program behind it. No command reaches for anything else.

use std::sync::OnceLock;

use jiff::Timestamp;
use openclaw_config::{Env, Home, Loaded, Loader};

use crate::backend::Backend;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::flags::Flags;
use crate::io::{Hidden, Io, Terminal, WIDTH_MIN};
use crate::out::Paint;
use crate::out::colour::Wish;
use crate::text::{self, Copy, Lang, fill};

/// What every command is given.
pub(crate) struct Cx<'a> {
    pub(crate) backend: &'a dyn Backend,
    pub(crate) flags: Flags,
    pub(crate) env: Env,
    pub(crate) home: Home,
    pub(crate) lang: Lang,
    pub(crate) io: &'a Io,
    /// The wall clock; a fixed moment in tests.
    pub(crate) now: fn() -> Timestamp,
    /// Read at most once: most commands never need it.
    config: OnceLock<Loaded>,
}

impl<'a> Cx<'a> {
    pub(crate) fn new(
        backend: &'a dyn Backend,
        io: &'a Io,
        flags: Flags,
        env: Env,
        home: Home,
        now: fn() -> Timestamp,
    ) -> Self {
        let lang = Lang::choose(flags.lang.as_deref(), &env);
        Self { backend, flags, env, home, lang, io, now, config: OnceLock::new() }
    }

    pub(crate) fn terminal(&self) -> Terminal {
        self.io.terminal()
    }

    /// Writes data.
    pub(crate) fn out(&self, text: &str) {
        self.io.out(text);
    }

    /// Writes everything that is not data.
    pub(crate) fn err(&self, text: &str) {
        self.io.err(text);
    }

    /// Writes a note on stderr, unless told to be quiet.
    pub(crate) fn note(&self, line: &crate::out::Line) {
        if !self.flags.quiet && !self.flags.is_machine() {
            self.err(&(line.draw(self.paint_err(), self.terminal().err_width()) + "\n"));
        }
    }

    pub(crate) fn paint(&self) -> Paint {
        self.wish(self.terminal().out)
    }

    pub(crate) fn paint_err(&self) -> Paint {
        self.wish(self.terminal().err)
    }

    fn wish(&self, is_terminal: bool) -> Paint {
        let wish = Wish {
            flag: self.flags.color.as_str(),
            is_refused: self.flags.no_color,
            no_color: self.env.raw("NO_COLOR"),
            term: self.env.get("TERM"),
            is_terminal,
        };
        wish.decide()
    }

    pub(crate) fn width(&self) -> usize {
        self.terminal().width.max(WIDTH_MIN)
    }

    pub(crate) fn now_ms(&self) -> i64 {
        (self.now)().as_millisecond()
    }

    /// Returns copy in the person's language.
    pub(crate) fn say(&self, copy: &Copy, values: &[(&str, &str)]) -> String {
        fill(copy.in_lang(self.lang), values)
    }

    /// Returns the configuration, read on first use.
    pub(crate) fn config(&self) -> &Loaded {
        self.config.get_or_init(|| self.load_config())
    }

    /// Reads the configuration again.
    pub(crate) fn load_config(&self) -> Loaded {
        Loader::new(self.env.clone(), self.home.clone()).load()
    }

    /// Tells whether a question may be asked: a person sits at both ends.
    pub(crate) fn can_ask(&self) -> bool {
        !self.flags.no_input && self.terminal().input && self.terminal().err
    }

    /// Asks a question and returns the line, trimmed. `instead` is the flag to use
    /// when nobody can be asked.
    pub(crate) async fn ask(&self, question: &str, instead: &str) -> Result<String, Failure> {
        if !self.can_ask() {
            return Err(self.cannot_ask(instead));
        }
        self.err(question);
        let line = tokio::select! {
            line = self.io.read_line() => line,
            // Leaving here restores the terminal; being killed by the signal would not.
            _pressed = tokio::signal::ctrl_c() => {
                self.err("\n");
                return Err(self.interrupted());
            }
        };
        match line {
            Ok(Some(line)) => Ok(line.trim().to_owned()),
            Ok(None) => Err(self.interrupted()),
            Err(error) => Err(Failure::usage(format!("cannot read the answer: {error}")).next("openclaw --help")),
        }
    }

    /// Asks for a secret, which is not echoed.
    pub(crate) async fn ask_hidden(&self, question: &str, instead: &str) -> Result<String, Failure> {
        let _hidden = if self.can_ask() { Hidden::begin() } else { None };
        self.ask(question, instead).await
    }

    /// Asks before something is destroyed; `--yes` answers.
    pub(crate) async fn confirm(&self, question: &str) -> Result<(), Failure> {
        if self.flags.yes {
            return Ok(());
        }
        let answer = self.ask(&format!("{question} [y/N] "), "--yes").await?;
        if matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes" | "是") {
            Ok(())
        } else {
            Err(Failure::new(Exit::Failed, "NOT_CONFIRMED", self.say(&text::NOT_CONFIRMED, &[]))
                .next("openclaw --help"))
        }
    }

    pub(crate) fn cannot_ask(&self, instead: &str) -> Failure {
        Failure::new(Exit::Usage, "INPUT_NEEDED", self.say(&text::INPUT_NEEDED, &[("flag", instead)]))
            .next("openclaw --help")
    }

    pub(crate) fn interrupted(&self) -> Failure {
        Failure::new(Exit::Interrupted, "INTERRUPTED", self.say(&text::INTERRUPTED, &[])).next("openclaw status")
    }

    /// Returns a path as people write it, with `~` for the home directory.
    pub(crate) fn shown(&self, path: &std::path::Path) -> String {
        match path.strip_prefix(&self.home.home) {
            Ok(rest) => format!("~/{}", rest.display()),
            Err(_) => path.display().to_string(),
        }
    }

    /// Returns an address as people write it.
    pub(crate) fn address(&self, endpoint: &openclaw_client::Endpoint) -> String {
        match endpoint {
            openclaw_client::Endpoint::Unix(path) => format!("unix:{}", self.shown(path)),
            other => other.to_string().trim_start_matches("ws://").to_owned(),
        }
    }

    /// Returns `--profile NAME ` for commands that are suggested, so that they
    /// mean the same installation.
    pub(crate) fn program(&self) -> String {
        match &self.flags.profile_name() {
            Some(profile) => format!("openclaw --profile {profile}"),
            None => "openclaw".to_owned(),
        }
    }
}
