//! Starting a program so that it can be ended with everything it starts.
//!
//! Runs `/bin/sh -c script` in a new session, in a folder given by descriptor, with
//! descriptors 0, 1 and 2 only. All programs are started by one thread: on Linux
//! their shells are killed when that thread ends, which is when this process ends,
//! however it ends. Called by `process`.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Resource, Rlimit};
use rustix::termios::Winsize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use super::family::{Family, MARK_VARIABLE, Urge};

/// Size of a program's terminal.
const TERMINAL: Winsize = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };

/// What to start.
pub(crate) struct Plan {
    pub(crate) script: String,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) cwd: OwnedFd,
    pub(crate) is_terminal: bool,
}

type Job = Box<dyn FnOnce() + Send>;

/// The thread that starts programs, made when the first one is started.
pub(crate) struct Spawner {
    queue_max: usize,
    jobs: Mutex<Option<SyncSender<Job>>>,
}

impl Spawner {
    pub(crate) fn new(queue_max: usize) -> Self {
        Self { queue_max, jobs: Mutex::new(None) }
    }

    /// Starts a program. Dropping the future ends what was started meanwhile.
    pub(crate) async fn spawn(&self, plan: Plan) -> io::Result<Started> {
        let (sender, receiver) = oneshot::channel();
        let job = move || {
            // Nobody waits any more: the program comes back and is dropped, so ended.
            drop(sender.send(start(plan)));
        };
        self.submit(Box::new(job))?;
        receiver.await.map_err(|_| io::Error::other("the thread that starts programs has stopped"))?
    }

    fn submit(&self, job: Job) -> io::Result<()> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.is_none() {
            let (sender, receiver) = sync_channel::<Job>(self.queue_max.max(1));
            // Thread "spawn": ends when its sender, owned here, is dropped.
            std::thread::Builder::new()
                .name("spawn".to_owned())
                .spawn(move || receiver.iter().for_each(|job| job()))?;
            *jobs = Some(sender);
        }
        let sent = jobs.as_ref().map(|sender| sender.try_send(job));
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(io::Error::other("too many programs are being started")),
            Some(Err(TrySendError::Disconnected(_))) | None => {
                *jobs = None;
                Err(io::Error::other("the thread that starts programs had stopped; try again"))
            }
        }
    }
}

/// A program that runs, or has ended and is not yet reaped. Dropping it ends it.
pub(crate) struct Started {
    child: Child,
    family: Arc<Family>,
    watcher: Arc<Watcher>,
    output: Option<OwnedFd>,
    terminal: Option<OwnedFd>,
    is_reaped: bool,
}

impl Started {
    /// Takes the reading end of its output; it never blocks.
    pub(crate) fn take_output(&mut self) -> io::Result<AsyncFd<OwnedFd>> {
        let output = self.output.take().ok_or_else(|| io::Error::other("the output is taken already"))?;
        watched(output, Interest::READABLE)
    }

    /// Takes the writing end of its terminal, if it has one; it never blocks.
    pub(crate) fn take_terminal(&mut self) -> io::Result<Option<AsyncFd<OwnedFd>>> {
        self.terminal.take().map(|terminal| watched(terminal, Interest::WRITABLE)).transpose()
    }

    /// Returns the program and what it started.
    pub(crate) fn family(&self) -> Arc<Family> {
        Arc::clone(&self.family)
    }

    /// Waits for the script's end, without reaping it.
    pub(crate) fn exited(&self) -> impl Future<Output = ()> + Send + use<> {
        let watcher = Arc::clone(&self.watcher);
        async move { watcher.exited().await }
    }

    /// Reaps the program; `None` when it has not ended although it was killed.
    pub(crate) fn reap(&mut self) -> io::Result<Option<ExitStatus>> {
        // Whatever the answer: there is nothing more to be done about it.
        self.is_reaped = true;
        self.child.try_wait()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if !self.is_reaped {
            self.family.signal(Urge::Now);
            // It was killed; if the kernel has not finished with it, init reaps it later.
            drop(self.child.try_wait());
        }
    }
}

/// Starts a program. Blocks until it runs.
fn start(plan: Plan) -> io::Result<Started> {
    let mark = new_mark()?;
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(&plan.script).env_clear().envs(plan.environment).env(MARK_VARIABLE, &mark);
    let (output, terminal) = if plan.is_terminal {
        let (ours, theirs) = open_terminal()?;
        command.stdin(theirs.try_clone()?).stdout(theirs.try_clone()?).stderr(theirs);
        (ours.try_clone()?, Some(ours))
    } else {
        let (ours, theirs) = io::pipe()?;
        command.stdin(Stdio::null()).stdout(theirs.try_clone()?).stderr(theirs);
        (OwnedFd::from(ours), None)
    };
    rustix::io::ioctl_fionbio(&output, true)?;
    prepare_child(&mut command, plan.cwd, plan.is_terminal);
    let mut child = command.spawn()?;
    let leader = Pid::from_child(&child);
    let family = Arc::new(Family::new(leader, mark));
    let watcher = match Watcher::new(leader) {
        Ok(watcher) => Arc::new(watcher),
        Err(error) => {
            family.signal(Urge::Now);
            drop(child.try_wait());
            return Err(error);
        }
    };
    Ok(Started { child, family, watcher, output: Some(output), terminal, is_reaped: false })
}

fn new_mark() -> io::Result<String> {
    let random = || getrandom::u64().map_err(|error| io::Error::other(error.to_string()));
    Ok(format!("{:016x}{:016x}", random()?, random()?))
}

fn open_terminal() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::pty::OpenptFlags;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    #[cfg(target_os = "linux")]
    let flags = flags | OpenptFlags::CLOEXEC;
    let ours = rustix::pty::openpt(flags)?;
    #[cfg(not(target_os = "linux"))]
    rustix::io::fcntl_setfd(&ours, rustix::io::FdFlags::CLOEXEC)?;
    rustix::pty::grantpt(&ours)?;
    rustix::pty::unlockpt(&ours)?;
    rustix::termios::tcsetwinsize(&ours, TERMINAL)?;
    let name = rustix::pty::ptsname(&ours, Vec::new())?;
    let theirs = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    Ok((ours, theirs))
}

/// Adds what the child does between fork and exec.
fn prepare_child(command: &mut Command, cwd: OwnedFd, is_terminal: bool) {
    let descriptors_max = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(4096).min(65_536);
    let steps = move || {
        rustix::process::setsid()?;
        if is_terminal {
            // SAFETY: descriptor 0 was set up by `Command` and stays open until exec.
            #[expect(unsafe_code, reason = "the child's own standard input")]
            let stdin = unsafe { BorrowedFd::borrow_raw(0) };
            rustix::process::ioctl_tiocsctty(stdin)?;
        }
        rustix::process::fchdir(cwd.as_fd())?;
        // A core file would hold whatever the program held, in the workspace.
        rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
        #[cfg(target_os = "linux")]
        stay_attached()?;
        close_descriptors(descriptors_max);
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed. Each
    // step is a plain system call; nothing allocates, locks or panics.
    #[expect(unsafe_code, reason = "there is no safe way to act between fork and exec")]
    unsafe {
        command.pre_exec(steps);
    }
}

/// Makes the shell die with the thread that started it, and keeps what it starts
/// among its descendants even if it daemonises.
#[cfg(target_os = "linux")]
fn stay_attached() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// Marks all descriptors above 2 to be closed at exec. Ours are marked anyway;
/// this is for those that a library opened without care.
fn close_descriptors(descriptors_max: u64) {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: takes three integers and touches no memory of ours.
        #[expect(unsafe_code, reason = "rustix has no close_range")]
        let result = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
        if result == 0 {
            return;
        }
    }
    for number in 3..libc::c_int::try_from(descriptors_max).unwrap_or(libc::c_int::MAX) {
        // SAFETY: takes two integers; a number that is no descriptor is an error that does not matter.
        #[expect(unsafe_code, reason = "a number, not a descriptor we own")]
        unsafe {
            libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

/// Has the runtime watch a descriptor.
fn watched(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` always names the same open descriptor until it is dropped,
    // which the returned value does not let happen earlier.
    #[expect(unsafe_code, reason = "tokio asks for a promise that OwnedFd keeps")]
    let watched = unsafe { AsyncFd::register_with_interest(descriptor, interest) };
    Ok(watched?)
}

/// Tells when a program has ended, without reaping it.
struct Watcher {
    #[cfg(target_os = "linux")]
    handle: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    leader: Pid,
}

#[cfg(target_os = "linux")]
impl Watcher {
    fn new(leader: Pid) -> io::Result<Self> {
        Ok(Self { handle: rustix::process::pidfd_open(leader, rustix::process::PidfdFlags::empty())? })
    }

    async fn exited(&self) {
        // A handle of a process becomes readable when the process has ended.
        let handle = self.handle.try_clone().and_then(|handle| watched(handle, Interest::READABLE));
        match handle {
            Ok(handle) => drop(handle.readable().await),
            Err(error) => {
                // Without it the time limit and `kill` still end the program.
                tracing::error!(%error, "the end of a program cannot be noticed");
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Watcher {
    fn new(leader: Pid) -> io::Result<Self> {
        Ok(Self { leader })
    }

    async fn exited(&self) {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let leader = self.leader;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        // Ends with the program, which the supervisor sees to.
        let _ = tokio::task::spawn_blocking(move || waitid(WaitId::Pid(leader), options)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Longer than anything here takes; reached only by a failure.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn plan(script: &str) -> Plan {
        let cwd = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let environment = vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
        Plan { script: script.to_owned(), environment, cwd, is_terminal: false }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_program_dies_with_the_thread_that_started_it() {
        let spawner = Spawner::new(1);
        let mut started = spawner.spawn(plan("sleep 600; true")).await.unwrap();
        drop(spawner);
        tokio::time::timeout(PATIENCE, started.exited()).await.unwrap();
        use std::os::unix::process::ExitStatusExt as _;
        assert_eq!(started.reap().unwrap().and_then(|status| status.signal()), Some(9));
    }

    /// Waits until a family has so many members.
    #[cfg(target_os = "linux")]
    async fn grown_to(family: &Family, count: usize) {
        let reached = async {
            while family.count() != count {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, reached).await;
        assert!(waited.is_ok(), "{} members run where {count} were expected", family.count());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn grandchildren_that_no_listing_saw_end_with_their_group() {
        use rustix::process::Signal;
        // A shell, its child and its grandchild.
        let spawner = Spawner::new(1);
        let started = spawner.spawn(plan("sh -c 'sleep 600; true'; true")).await.unwrap();
        let family = started.family();
        grown_to(&family, 3).await;
        // Those born since the members were listed are in no list.
        family.signal_listed(Vec::new(), Signal::KILL);
        grown_to(&family, 0).await;
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_dropped_program_ends_with_its_grandchildren() {
        let spawner = Spawner::new(1);
        let started = spawner.spawn(plan("sh -c 'sleep 600; true'; true")).await.unwrap();
        let family = started.family();
        grown_to(&family, 3).await;
        drop(started);
        assert_eq!(family.count(), 0);
    }

    #[tokio::test]
    async fn a_failed_step_before_exec_is_an_error_of_the_start() {
        let mut plan = plan("true");
        // A file is no folder to start in.
        plan.cwd = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        assert!(Spawner::new(1).spawn(plan).await.is_err());
    }
}
