//! The protocol under many orders of events, without a database.
//!
//! A model checker runs callers, a closer and the writing side, and switches
//! between them wherever they pause: between jobs, before and after a commit,
//! between answers. Queues are the real ones. A schedule that breaks a promise
//! panics and is printed; nobody being answered is a deadlock, which it reports.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex as Cell};

use shuttle::future::block_on;
use shuttle::rand::Rng;
use shuttle::scheduler::DfsScheduler;
use shuttle::{Config, Runner, thread};

use super::*;

/// What is run.
#[derive(Debug, Clone, Copy)]
struct Plan {
    callers: u32,
    jobs_each: u32,
    queue_max: usize,
    group_max: usize,
    /// Which commits fail, by bits; `None` draws it.
    failures: Option<u8>,
    closes: bool,
    pauses: Pauses,
    planted: Option<Planted>,
}

/// Where others get a turn, besides wherever somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pauses {
    Everywhere,
    /// Only before a commit is kept, so that every schedule can be run.
    BeforeCommit,
}

impl Pauses {
    fn anywhere(self) {
        if self == Pauses::Everywhere {
            thread::yield_now();
        }
    }
}

/// A defect of the protocol, so that the test proves it would notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Planted {
    AnswersBeforeCommit,
    LosesAJob,
    RunsTwice,
}

/// What a transaction has changed so far.
#[derive(Default)]
struct Staged(Cell<Vec<u32>>);

impl Staged {
    fn with<T>(&self, act: impl FnOnce(&mut Vec<u32>) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }
}

/// A disk with jobs on it.
struct Disk {
    staged: Staged,
    /// Jobs in the order of their commits.
    kept: Arc<Cell<Vec<u32>>>,
    failures: u8,
    pauses: Pauses,
}

impl Target for Disk {
    type Cx = Staged;

    fn commit(&mut self, group: &mut [Box<dyn Job<Staged>>]) -> Result<(), Failure> {
        for job in group {
            self.pauses.anywhere();
            let before = self.staged.with(|staged| staged.len());
            if !job.run(&self.staged) {
                self.staged.with(|staged| staged.truncate(before));
            }
        }
        thread::yield_now();
        let staged = self.staged.with(std::mem::take);
        let fails = self.failures & 1 == 1;
        self.failures >>= 1;
        if fails {
            return Err(Failure::Full);
        }
        self.kept.lock().unwrap().extend(staged);
        self.pauses.anywhere();
        Ok(())
    }
}

/// The queue's end, where others get a turn between messages.
struct Watched {
    jobs: mpsc::Receiver<Message<Staged>>,
    pauses: Pauses,
    planted: Option<Planted>,
}

impl Inbox<Staged> for Watched {
    fn wait(&mut self) -> Option<Message<Staged>> {
        self.pauses.anywhere();
        block_on(self.jobs.recv()).map(|message| watch(message, self.pauses, self.planted))
    }

    fn take(&mut self) -> Option<Message<Staged>> {
        self.pauses.anywhere();
        let message = self.jobs.try_recv().ok()?;
        let is_lost = self.planted == Some(Planted::LosesAJob) && matches!(message, Message::Job(_));
        (!is_lost).then(|| watch(message, self.pauses, self.planted))
    }

    fn linger(&mut self) {
        self.pauses.anywhere();
    }
}

fn watch(message: Message<Staged>, pauses: Pauses, planted: Option<Planted>) -> Message<Staged> {
    match message {
        Message::Job(job) => {
            Message::Job(Box::new(WatchedJob { job: Some(job), sites: Sites::default(), pauses, planted }))
        }
        Message::Close(done) => Message::Close(done),
    }
}

/// A job, where others get a turn before it is answered.
struct WatchedJob {
    /// Empty once it was answered.
    job: Option<Box<dyn Job<Staged>>>,
    sites: Sites,
    pauses: Pauses,
    planted: Option<Planted>,
}

impl Job<Staged> for WatchedJob {
    fn durability(&self) -> Durability {
        Durability::Barrier
    }

    fn sites(&self) -> &Sites {
        &self.sites
    }

    fn run(&mut self, staged: &Staged) -> bool {
        let Some(mut job) = self.job.take() else { return true };
        if self.planted == Some(Planted::RunsTwice) {
            job.run(staged);
        }
        let keep = job.run(staged);
        if self.planted == Some(Planted::AnswersBeforeCommit) {
            job.answer(Ok(()));
        } else {
            self.job = Some(job);
        }
        keep
    }

    fn answer(self: Box<Self>, committed: Result<(), Failure>) {
        self.pauses.anywhere();
        if let Some(job) = self.job {
            job.answer(committed);
        }
    }
}

/// One schedule.
fn play(plan: Plan) {
    let (queue, jobs) = queue(plan.queue_max);
    let kept = Arc::new(Cell::new(Vec::new()));
    let failures = plan.failures.unwrap_or_else(|| shuttle::rand::thread_rng().r#gen());
    let mut disk = Disk { staged: Staged::default(), kept: Arc::clone(&kept), failures, pauses: plan.pauses };
    let mut threads = vec![thread::spawn(move || {
        let mut inbox = Watched { jobs, pauses: plan.pauses, planted: plan.planted };
        let closer = serve(&mut disk, &mut inbox, plan.group_max);
        inbox.jobs.close();
        thread::yield_now();
        if let Some(done) = closer {
            done.send(()).ok();
        }
    })];
    for caller in 0..plan.callers {
        let (queue, kept) = (queue.clone(), Arc::clone(&kept));
        threads.push(thread::spawn(move || call(plan, caller, &queue, &kept)));
    }
    if plan.closes {
        let kept = Arc::clone(&kept);
        threads.push(thread::spawn(move || {
            block_on(queue.close());
            let at_close = kept.lock().unwrap().clone();
            thread::yield_now();
            assert_eq!(*kept.lock().unwrap(), at_close, "something was written after the close");
        }));
    } else {
        drop(queue);
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// One caller: queues its jobs one after the other and checks each answer.
fn call(plan: Plan, caller: u32, queue: &Queue<Staged>, kept: &Cell<Vec<u32>>) {
    for n in 0..plan.jobs_each {
        let id = caller * plan.jobs_each + n;
        // Every third job is refused for reasons of its own.
        let is_refused = id % 3 == 2;
        let work = move |staged: &Staged| {
            staged.with(|staged| staged.push(id));
            if is_refused { Err(WorkError::Refused(id)) } else { Ok(id) }
        };
        let answer = block_on(queue.write(Durability::Barrier, Sites::default(), work));
        let times = kept.lock().unwrap().iter().filter(|kept| **kept == id).count();
        match answer {
            Ok(own) => assert_eq!((own, times), (id, 1), "acknowledged, so it is committed once"),
            Err(WorkError::Refused(own)) => assert_eq!((own, times, is_refused), (id, 0, true)),
            Err(WorkError::Failed(failure)) => {
                assert_eq!(times, 0, "job {id} was said to have failed");
                assert!(failure != Failure::Closed || plan.closes, "job {id} is lost");
            }
        }
    }
}

const LARGE: Plan = Plan {
    callers: 4,
    jobs_each: 3,
    queue_max: 3,
    group_max: 3,
    failures: None,
    closes: true,
    pauses: Pauses::Everywhere,
    planted: None,
};

/// The smallest run with all there is: a group of two, a job that waits for room.
const SMALL: Plan = Plan {
    callers: 2,
    jobs_each: 1,
    queue_max: 1,
    group_max: 2,
    failures: Some(0),
    closes: false,
    pauses: Pauses::BeforeCommit,
    planted: None,
};

#[test]
fn what_is_acknowledged_is_committed_once_in_random_schedules() {
    shuttle::check_random(|| play(LARGE), 1_500);
    shuttle::check_random(|| play(Plan { closes: false, ..LARGE }), 500);
    shuttle::check_pct(|| play(LARGE), 500, 3);
}

#[test]
fn what_is_acknowledged_is_committed_once_in_every_schedule_of_a_small_run() {
    for failures in 0..4 {
        let plan = Plan { failures: Some(failures), ..SMALL };
        let scheduler = DfsScheduler::new(Some(20_000), false);
        let schedules = Runner::new(scheduler, Config::default()).run(move || play(plan));
        println!("{failures:#b}: {schedules}");
        assert!(schedules < 20_000, "every schedule was run");
    }
}

#[test]
fn a_protocol_that_answers_too_early_or_loses_or_repeats_a_job_is_noticed() {
    for planted in [Planted::AnswersBeforeCommit, Planted::LosesAJob, Planted::RunsTwice] {
        let plan = Plan { closes: false, failures: Some(0), planted: Some(planted), ..LARGE };
        let checked = catch_unwind(AssertUnwindSafe(|| shuttle::check_random(move || play(plan), 200)));
        assert!(checked.is_err(), "{planted:?} was not noticed");
    }
}
