//! Programs that only pretend to run.
//!
//! [`FakeProcesses`] implements the processes port: a closure decides what each
//! command prints and how it ends; a test may also feed output and end a program
//! by hand. It starts nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use openclaw_domain::SessionKey;
use openclaw_domain::ports::{Clock, Command, Exit, Leash, ProcessError, ProcessInfo, Processes, Snapshot, Spawned};
use tokio::sync::watch;

use crate::clock::FakeClock;

/// Signal a killed program ends with.
const SIGTERM: i32 = 15;

/// Decides what a command does.
type Answer = Box<dyn Fn(&Command) -> Result<Program, ProcessError> + Send + Sync>;

/// Processes of a test.
pub struct FakeProcesses {
    clock: FakeClock,
    answer: Answer,
    shared: Arc<Shared>,
}

/// What a command does.
#[derive(Debug, Clone, Default)]
pub struct Program {
    output: String,
    exit: Option<Exit>,
}

impl Program {
    /// Prints this and returns `code` at once.
    pub fn ended(output: &str, code: i32) -> Self {
        Self { output: output.to_owned(), exit: Some(Exit::Code(code)) }
    }

    /// Prints this and goes on running until a test ends it.
    pub fn running(output: &str) -> Self {
        Self { output: output.to_owned(), exit: None }
    }
}

struct Shared {
    table: Mutex<BTreeMap<String, Process>>,
    changed: watch::Sender<u64>,
}

struct Process {
    command: Command,
    started: Duration,
    ended: Option<Duration>,
    output: String,
    input: Vec<u8>,
    exit: Option<Exit>,
}

impl FakeProcesses {
    /// Makes processes of which `answer` knows what each command does.
    pub fn new(
        clock: &FakeClock,
        answer: impl Fn(&Command) -> Result<Program, ProcessError> + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared { table: Mutex::default(), changed: watch::Sender::new(0) };
        Self { clock: clock.clone(), answer: Box::new(answer), shared: Arc::new(shared) }
    }

    /// Makes processes that print their script back and return 0.
    pub fn echo(clock: &FakeClock) -> Self {
        Self::new(clock, |command| Ok(Program::ended(&format!("{}\n", command.script), 0)))
    }

    /// Lets a running program print more.
    pub fn print(&self, id: &str, output: &str) {
        self.touch(id, |process| process.output.push_str(output));
    }

    /// Ends a running program.
    pub fn end(&self, id: &str, exit: Exit) {
        let now = self.clock.monotonic();
        self.touch(id, |process| process.end(exit, now));
    }

    /// Returns the commands so far, oldest first.
    pub fn commands(&self) -> Vec<Command> {
        self.table().values().map(|process| process.command.clone()).collect()
    }

    /// Returns what was written to a program's input.
    pub fn input_of(&self, id: &str) -> Vec<u8> {
        self.table().get(id).map(|process| process.input.clone()).unwrap_or_default()
    }

    /// Tells whether nothing runs any more.
    pub fn is_quiet(&self) -> bool {
        self.table().values().all(|process| process.exit.is_some())
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Process>> {
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self, id: &str, act: impl FnOnce(&mut Process)) {
        if let Some(process) = self.table().get_mut(id) {
            act(process);
        }
        self.shared.changed.send_modify(|version| *version += 1);
    }

    fn snapshot(&self, id: &str, offset: u64) -> Result<Snapshot, ProcessError> {
        let table = self.table();
        let process = table.get(id).ok_or_else(|| ProcessError::NoSuchProcess(id.to_owned()))?;
        let bytes = process.output.as_bytes();
        let kept_from = bytes.len().saturating_sub(process.command.output_bytes_max);
        let asked = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let from = asked.max(kept_from);
        Ok(Snapshot {
            output: String::from_utf8_lossy(&bytes[from..]).into_owned(),
            offset: bytes.len() as u64,
            is_truncated: from > asked,
            exit: process.exit,
            took: process.ended.unwrap_or_else(|| self.clock.monotonic()).saturating_sub(process.started),
        })
    }
}

impl Process {
    fn end(&mut self, exit: Exit, now: Duration) {
        if self.exit.is_none() {
            self.exit = Some(exit);
            self.ended = Some(now);
        }
    }
}

#[async_trait]
impl Processes for FakeProcesses {
    async fn spawn(&self, command: Command) -> Result<Spawned, ProcessError> {
        let program = (self.answer)(&command)?;
        let started = self.clock.monotonic();
        let mut table = self.table();
        let id = format!("p{:04}", table.len() + 1);
        let ended = program.exit.map(|_| started);
        let process =
            Process { command, started, ended, output: program.output, input: Vec::new(), exit: program.exit };
        table.insert(id.clone(), process);
        let (shared, clock, leashed) = (Arc::clone(&self.shared), self.clock.clone(), id.clone());
        let leash = Leash::new(move || {
            let now = clock.monotonic();
            let mut table = shared.table.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(process) = table.get_mut(&leashed) {
                process.end(Exit::Signal(SIGTERM), now);
            }
            drop(table);
            shared.changed.send_modify(|version| *version += 1);
        });
        Ok(Spawned { id, leash })
    }

    async fn watch(&self, id: &str, offset: u64, wait: Duration) -> Result<Snapshot, ProcessError> {
        let mut changed = self.shared.changed.subscribe();
        let mut late = Box::pin(self.clock.sleep(wait));
        loop {
            changed.mark_unchanged();
            let snapshot = self.snapshot(id, offset)?;
            if snapshot.exit.is_some() || snapshot.offset > offset {
                return Ok(snapshot);
            }
            tokio::select! {
                // The sender lives in `self`, so this cannot spin on an error.
                _ = changed.changed() => {}
                () = &mut late => return self.snapshot(id, offset),
            }
        }
    }

    async fn input(&self, id: &str, bytes: &[u8], _eof: bool) -> Result<(), ProcessError> {
        let mut table = self.table();
        let process = table.get_mut(id).ok_or_else(|| ProcessError::NoSuchProcess(id.to_owned()))?;
        if process.exit.is_some() {
            return Err(ProcessError::Ended(id.to_owned()));
        }
        process.input.extend_from_slice(bytes);
        Ok(())
    }

    async fn kill(&self, id: &str) -> Result<Snapshot, ProcessError> {
        self.end(id, Exit::Signal(SIGTERM));
        self.snapshot(id, 0)
    }

    fn list(&self, owner: &SessionKey) -> Vec<ProcessInfo> {
        let now = self.clock.monotonic();
        let table = self.table();
        let own = table.iter().filter(|(_, process)| process.command.owner == *owner);
        let info = own.map(|(id, process)| ProcessInfo {
            id: id.clone(),
            script: process.command.script.clone(),
            exit: process.exit,
            took: process.ended.unwrap_or(now).saturating_sub(process.started),
        });
        info.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(script: &str) -> Command {
        Command {
            owner: "agent:main:main".parse().unwrap(),
            script: script.to_owned(),
            cwd: None,
            env: Vec::new(),
            pty: false,
            timeout: Duration::from_secs(60),
            output_bytes_max: 8,
        }
    }

    #[tokio::test]
    async fn watching_returns_on_output_on_the_end_and_when_time_is_up() {
        let clock = FakeClock::new();
        let processes = Arc::new(FakeProcesses::new(&clock, |_| Ok(Program::running(""))));
        let spawned = processes.spawn(command("sleep")).await.unwrap();
        let watch = |offset| {
            let (processes, id) = (Arc::clone(&processes), spawned.id.clone());
            tokio::spawn(async move { processes.watch(&id, offset, Duration::from_secs(2)).await.unwrap() })
        };
        let late = watch(0);
        clock.wait_for_sleepers(1).await;
        clock.advance(Duration::from_secs(2)).await;
        assert_eq!(late.await.unwrap().offset, 0);
        let told = watch(0);
        processes.print(&spawned.id, "0123456789");
        let seen = told.await.unwrap();
        assert_eq!((seen.output.as_str(), seen.is_truncated), ("23456789", true));
        let ended = watch(10);
        processes.end(&spawned.id, Exit::Code(3));
        assert_eq!(ended.await.unwrap().exit, Some(Exit::Code(3)));
    }

    #[tokio::test]
    async fn a_dropped_leash_ends_the_program_and_a_released_one_does_not() {
        let clock = FakeClock::new();
        let processes = FakeProcesses::new(&clock, |_| Ok(Program::running("")));
        drop(processes.spawn(command("a")).await.unwrap());
        assert!(processes.is_quiet());
        processes.spawn(command("b")).await.unwrap().leash.release();
        assert!(!processes.is_quiet());
        assert_eq!(processes.list(&"agent:main:main".parse().unwrap()).len(), 2);
    }
}
