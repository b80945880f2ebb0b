//! A program and everything it started.
//!
//! On Linux the members are found in `/proc`: the same process group or session,
//! descendants (the shell is made a subreaper, so while it lives daemons stay its
//! descendants), and any process whose initial environment carries the program's
//! mark, which finds daemons after the shell's end. A process that does all three
//! of leaving the session, outliving the shell and starting with an emptied
//! environment escapes; only a PID namespace stops that. Elsewhere the members are
//! the process group.

use std::collections::BTreeMap;
use std::sync::Mutex;

use rustix::process::{Pid, Signal};

/// Name of the variable that marks a program and its descendants.
pub(super) const MARK_VARIABLE: &str = "OPENCLAW_EXEC_ID";

/// How firmly to end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urge {
    /// SIGTERM: it may clean up.
    Please,
    /// SIGKILL.
    Now,
}

/// A program and everything it started. Valid until the program is reaped.
#[derive(Debug)]
pub(crate) struct Family {
    leader: Pid,
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only /proc shows environments"))]
    mark: String,
    /// Members seen so far, by id and start time. Once its parents are dead nothing
    /// else may tell that a process belonged here.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "elsewhere there is only the group"))]
    seen: Mutex<BTreeMap<i32, u64>>,
}

impl Family {
    pub(super) fn new(leader: Pid, mark: String) -> Self {
        Self { leader, mark, seen: Mutex::new(BTreeMap::new()) }
    }

    /// Counts the members that still run. Blocks.
    pub(crate) fn count(&self) -> usize {
        self.members().len()
    }

    /// Signals all members. Blocks; for [`Urge::Now`] until they are gone or a
    /// bounded number of attempts was made.
    pub(crate) fn signal(&self, urge: Urge) {
        match urge {
            Urge::Please => {
                self.signal_members(Signal::TERM);
                // A stopped process cannot act on it otherwise.
                self.signal_group(Signal::CONT);
            }
            Urge::Now => self.kill(),
        }
    }

    fn kill(&self) {
        // Members may fork while they are listed; each round catches those born in
        // the one before. The group is signalled as one, which forks cannot outrun.
        const ROUNDS_MAX: usize = 200;
        const ROUND_PAUSE: std::time::Duration = std::time::Duration::from_millis(5);
        for _ in 0..ROUNDS_MAX {
            self.signal_members(Signal::KILL);
            if self.count() == 0 {
                return;
            }
            std::thread::sleep(ROUND_PAUSE);
        }
        tracing::warn!(leader = %self.leader.as_raw_nonzero(), "a program does not end although it was killed");
    }

    fn signal_group(&self, signal: Signal) {
        // Fails when nothing is left of the group, which is what is wanted.
        let _ = rustix::process::kill_process_group(self.leader, signal);
    }

    #[cfg(not(target_os = "linux"))]
    fn signal_members(&self, signal: Signal) {
        self.signal_group(signal);
    }

    #[cfg(not(target_os = "linux"))]
    fn members(&self) -> Vec<()> {
        // Zombies do not count: the kernel finds nothing to signal in their group.
        match rustix::process::test_kill_process_group(self.leader) {
            Ok(()) => vec![()],
            Err(_) => Vec::new(),
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::sync::{MutexGuard, PoisonError};

    use rustix::process::{Pid, PidfdFlags, Signal};

    use super::{Family, MARK_VARIABLE};

    /// A line of `/proc/<pid>/stat`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(in crate::os) struct Line {
        state: u8,
        parent: i32,
        group: i32,
        session: i32,
        /// Clock ticks after boot; tells a process from a later one of the same id.
        started: u64,
    }

    impl Family {
        pub(super) fn members(&self) -> Vec<(i32, Line)> {
            let table = table();
            let mut members: BTreeMap<i32, Line> = BTreeMap::new();
            for (pid, line) in &table {
                if self.is_kin(*pid, line) {
                    members.insert(*pid, *line);
                }
            }
            // Descendants of members, to the last generation.
            loop {
                let born = |(_, line): &(&i32, &Line)| members.contains_key(&line.parent);
                let children = table.iter().filter(born).filter(|(pid, _)| !members.contains_key(pid));
                let children: Vec<(i32, Line)> = children.map(|(pid, line)| (*pid, *line)).collect();
                if children.is_empty() {
                    break;
                }
                members.extend(children);
            }
            let alive = members.into_iter().filter(|(_, line)| !matches!(line.state, b'Z' | b'X'));
            let alive: Vec<(i32, Line)> = alive.collect();
            *self.seen() = alive.iter().map(|(pid, line)| (*pid, line.started)).collect();
            alive
        }

        pub(super) fn signal_members(&self, signal: Signal) {
            // Listed before any is signalled: children of the dead are hard to find.
            self.signal_listed(self.members(), signal);
        }

        /// Signals the group as one, with those born since the listing, then each
        /// member, for those that left the group.
        pub(in crate::os) fn signal_listed(&self, members: Vec<(i32, Line)>, signal: Signal) {
            self.signal_group(signal);
            for (pid, line) in members {
                signal_one(pid, &line, signal);
            }
        }

        fn is_kin(&self, pid: i32, line: &Line) -> bool {
            let leader = self.leader.as_raw_nonzero().get();
            let is_related = pid == leader || line.group == leader || line.session == leader;
            is_related || self.seen().get(&pid) == Some(&line.started) || self.is_marked(pid)
        }

        fn seen(&self) -> MutexGuard<'_, BTreeMap<i32, u64>> {
            self.seen.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn is_marked(&self, pid: i32) -> bool {
            // Unreadable for other users' processes, which cannot be ours.
            let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else {
                return false;
            };
            let mark = format!("{MARK_VARIABLE}={}", self.mark);
            environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        }
    }

    /// Signals a process unless its id has passed to another meanwhile.
    fn signal_one(pid: i32, line: &Line, signal: Signal) {
        let Some(id) = Pid::from_raw(pid) else { return };
        let Ok(handle) = rustix::process::pidfd_open(id, PidfdFlags::empty()) else {
            return;
        };
        if read(pid).is_some_and(|now| now.started == line.started) {
            let _ = rustix::process::pidfd_send_signal(&handle, signal);
        }
    }

    fn table() -> BTreeMap<i32, Line> {
        let Ok(entries) = std::fs::read_dir("/proc") else {
            return BTreeMap::new();
        };
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter_map(|pid| Some((pid, read(pid)?))).collect()
    }

    fn read(pid: i32) -> Option<Line> {
        parse(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Parses a line. The name in brackets is the program's choice and may hold
    /// brackets and spaces, so fields are counted from the last bracket.
    fn parse(text: &[u8]) -> Option<Line> {
        let end = text.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(&text[end + 1..]).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Line {
            state: *fields.first()?.as_bytes().first()?,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_name_with_brackets_does_not_shift_the_fields() {
            let text = b"42 (a) R 1 1) S 7 8 9 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 1";
            let expected = Line { state: b'S', parent: 7, group: 8, session: 9, started: 12345 };
            assert_eq!(parse(text), Some(expected));
            assert_eq!(parse(b"42 (a"), None);
            assert_eq!(parse(b"42 (a) S 1"), None);
        }
    }
}
