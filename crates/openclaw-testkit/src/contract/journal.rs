//! Conformance of the journal port.
//!
//! [`journal`] runs every rule against a fresh store and panics at the first
//! that is broken. A store that journals also keeps sessions, because a run and
//! the transcript it writes change in one transaction.

#![expect(clippy::unwrap_used, reason = "a conformance suite fails by panicking")]

use std::sync::Arc;

use openclaw_domain::conversation::Turn;
use openclaw_domain::event::RunEvent;
use openclaw_domain::ids::{Epoch, RunId, Seq, SessionKey, Timestamp};
use openclaw_domain::message::{AssistantTurn, Block, ToolCall, ToolResult, ToolStatus, UserTurn};
use openclaw_domain::model::{ModelRef, StopReason, Usage};
use openclaw_domain::ports::{
    Admission, Admitted, Batch, Durability, Journal, JournalError as Error, RunRecord, Sessions,
};
use openclaw_domain::run::{End, Limits, Outcome, RunRequest, Source, Status};
use openclaw_domain::runtime::{Runtime, ThreadBound};
use openclaw_domain::session::{Entry, EntryQuery, Session, SessionChange, SessionState};
use openclaw_domain::tool::Effect;

/// Checks every rule of the journal; `make` returns a fresh, empty store.
pub async fn journal<S, F>(make: F)
where
    S: Journal + Sessions + 'static,
    F: Fn() -> Arc<S>,
{
    an_admission_is_recorded_whole(&*make()).await;
    the_same_request_again_is_known(&*make()).await;
    the_same_key_for_another_request_is_refused(&*make()).await;
    the_same_key_in_another_session_is_another_run(&*make()).await;
    a_queued_input_waits_outside_the_transcript(&*make()).await;
    an_admission_needs_its_claim_and_its_events(&*make()).await;
    a_session_has_one_running_turn(&*make()).await;
    a_batch_is_written_whole_or_not_at_all(&*make()).await;
    the_final_batch_ends_the_run_and_adds_its_usage(&*make()).await;
    nothing_is_added_to_a_run_that_ended(&*make()).await;
    an_old_owner_is_fenced(&*make()).await;
    a_claim_leaves_a_run_waiting(&*make()).await;
    a_taken_position_is_refused_and_a_gap_too(&*make()).await;
    an_entry_with_open_calls_is_amended_in_place(&*make()).await;
    a_large_event_comes_back_as_it_was(&*make()).await;
    runs_are_listed_newest_first(&*make()).await;
    unfinished_runs_are_listed_oldest_first_with_what_was_asked(&*make()).await;
    unknown_runs_are_named(&*make()).await;
    super::kept_scratch::kept_scratch(&make).await;
    runs_with_an_instance_of_their_own_run_side_by_side(&*make()).await;
    removing_a_session_cancels_what_runs(&*make()).await;
    removing_a_transcript_removes_its_runs(&*make()).await;
    concurrent_admissions_of_one_request_make_one_run(make()).await;
}

/// Returns a session key of agent `main`.
pub fn key(rest: &str) -> SessionKey {
    format!("agent:main:{rest}").parse().unwrap()
}

/// Returns a run id.
pub fn run_id(id: &str) -> RunId {
    id.parse().unwrap()
}

/// Returns a request of the owner.
pub fn request(session: &SessionKey, id: &str, text: &str) -> RunRequest {
    RunRequest::new(run_id(id), session.clone(), UserTurn::owner(text, Timestamp(1000)), Source::Chat)
}

/// Returns the admission of a request that starts at once.
pub fn admission(session: &SessionKey, id: &str, text: &str) -> Admission {
    let request = request(session, id, text);
    let accepted = RunEvent::Accepted {
        request: Box::new(request.clone()),
        limits: Limits::default(),
        runtime: Default::default(),
    };
    let claimed = RunEvent::Claimed { owner: "boot-1".to_owned() };
    Admission {
        request,
        events: vec![accepted, claimed],
        transcript: true,
        owner: Some("boot-1".to_owned()),
        at: Timestamp(1000),
    }
}

/// Returns the admission of a request that has an instance of its own.
pub fn own_instance(session: &SessionKey, id: &str, text: &str) -> Admission {
    let mut admission = admission(session, id, text);
    for event in &mut admission.events {
        if let RunEvent::Accepted { runtime, .. } = event {
            *runtime = Runtime::ThreadBound(ThreadBound::default());
        }
    }
    admission
}

/// Returns the admission of a request that waits.
pub fn queued(session: &SessionKey, id: &str, text: &str) -> Admission {
    let mut admission = admission(session, id, text);
    admission.events.truncate(1);
    Admission { transcript: false, owner: None, ..admission }
}

/// Returns a batch without content at a position of the first epoch.
pub fn batch(session: &SessionKey, id: &str, first: u64) -> Batch {
    Batch {
        session: session.clone(),
        run: run_id(id),
        epoch: Epoch(1),
        first: Seq(first),
        events: Vec::new(),
        entries: Vec::new(),
        amended: None,
        status: None,
        outcome: None,
        deliveries: Vec::new(),
        at: Timestamp(2000),
        durability: Durability::Committed,
    }
}

/// Returns a turn of the model.
pub fn assistant(blocks: Vec<Block>) -> AssistantTurn {
    AssistantTurn {
        blocks,
        model: ModelRef::new("test", "model"),
        stop: StopReason::EndTurn,
        native: None,
        at: Timestamp(2000),
    }
}

/// Returns an outcome that used ten tokens of input and five of output.
pub fn outcome(end: End) -> Outcome {
    Outcome {
        end,
        text: "done".to_owned(),
        answered_by: None,
        usage: Usage { input: 10, output: 5, cost_usd: Some(0.25), ..Usage::default() },
        iterations: 1,
        tool_calls: 0,
        started_at: Timestamp(1000),
        ended_at: Timestamp(3000),
    }
}

/// Returns the batch that ends a run with an answer.
pub fn ending(session: &SessionKey, id: &str, first: u64) -> Batch {
    let outcome = outcome(End::Done);
    let turn = assistant(vec![Block::Text { text: "hello".to_owned() }]);
    Batch {
        events: vec![
            RunEvent::Began { transcript_head: 1 },
            RunEvent::ModelStarted { step: 1, idempotency_key: format!("{id}-1") },
            RunEvent::ModelDone { turn: Box::new(turn.clone()), usage: outcome.usage },
            RunEvent::Ended { outcome: Box::new(outcome.clone()) },
        ],
        entries: vec![Turn::Assistant(turn)],
        status: Some(Status::Done),
        outcome: Some(Box::new(outcome)),
        at: Timestamp(3000),
        durability: Durability::Barrier,
        ..batch(session, id, first)
    }
}

async fn admit(store: &impl Journal, admission: Admission) -> (Epoch, Seq, Option<Entry>) {
    match store.admit(admission).await.unwrap() {
        Admitted::New { epoch, seq, entry } => (epoch, seq, entry),
        Admitted::Known(record) => panic!("run {} was known", record.id),
    }
}

async fn the_run(store: &impl Journal, session: &SessionKey, id: &str) -> RunRecord {
    let runs = store.runs(Some(session), false, 100).await.unwrap();
    runs.into_iter().find(|run| run.id.as_str() == id).unwrap()
}

async fn the_session(store: &impl Sessions, key: &SessionKey) -> Session {
    store.get(key).await.unwrap().unwrap()
}

async fn transcript(store: &impl Sessions, key: &SessionKey) -> Vec<Entry> {
    store.entries(key, EntryQuery::default()).await.unwrap().entries
}

async fn an_admission_is_recorded_whole(store: &(impl Journal + Sessions)) {
    let key = key("whole");
    let admission = admission(&key, "r1", "hi");
    let (epoch, seq, entry) = admit(store, admission.clone()).await;
    assert_eq!((epoch, seq), (Epoch(1), Seq(2)));

    let expected =
        Entry { n: 1, run: Some(run_id("r1")), turn: Turn::User(admission.request.input.clone()), at: Timestamp(1000) };
    assert_eq!(entry.as_ref(), Some(&expected));
    assert_eq!(transcript(store, &key).await, vec![expected]);
    let session = the_session(store, &key).await;
    assert_eq!((session.state, session.entries, session.head), (SessionState::Active, 1, 1));

    let events = store.events(&key, &run_id("r1"), Seq(0), 10).await.unwrap();
    let seen: Vec<_> = events.iter().map(|event| (event.seq, event.epoch, event.event.clone())).collect();
    let [accepted, claimed] = &admission.events[..] else { panic!("two events") };
    assert_eq!(seen, vec![(Seq(1), Epoch(0), accepted.clone()), (Seq(2), Epoch(1), claimed.clone())]);
    let run = the_run(store, &key, "r1").await;
    assert_eq!((run.status, run.epoch, run.seq, run.outcome), (Status::Running, Epoch(1), Seq(2), None));
}

async fn the_same_request_again_is_known(store: &(impl Journal + Sessions)) {
    let key = key("again");
    admit(store, admission(&key, "r1", "hi")).await;
    // A repetition comes later and with another trace; it is the same request.
    let mut again = admission(&key, "r1", "hi");
    again.at = Timestamp(9000);
    again.request.input.at = Timestamp(9000);
    again.request.trace = Some("t2".to_owned());
    let Admitted::Known(known) = store.admit(again).await.unwrap() else { panic!("it was new") };
    assert_eq!(*known, the_run(store, &key, "r1").await);
    assert_eq!(transcript(store, &key).await.len(), 1);

    store.append(ending(&key, "r1", 3)).await.unwrap();
    let Admitted::Known(known) = store.admit(admission(&key, "r1", "hi")).await.unwrap() else { panic!("new") };
    assert_eq!((known.status, known.outcome), (Status::Done, Some(outcome(End::Done))));
}

async fn the_same_key_for_another_request_is_refused(store: &(impl Journal + Sessions)) {
    let key = key("mismatch");
    admit(store, admission(&key, "r1", "pay 5")).await;
    let refused = store.admit(admission(&key, "r1", "pay 50")).await;
    assert_eq!(refused, Err(Error::Mismatch(run_id("r1"))));
    assert_eq!(transcript(store, &key).await.len(), 1);
}

async fn the_same_key_in_another_session_is_another_run(store: &(impl Journal + Sessions)) {
    admit(store, admission(&key("one"), "r1", "hi")).await;
    admit(store, admission(&key("two"), "r1", "hi")).await;
    assert_eq!(store.runs(None, false, 10).await.unwrap().len(), 2);
}

async fn a_queued_input_waits_outside_the_transcript(store: &(impl Journal + Sessions)) {
    let key = key("queue");
    let waiting = queued(&key, "r1", "later");
    let (epoch, seq, entry) = admit(store, waiting.clone()).await;
    assert_eq!((epoch, seq, entry), (Epoch(0), Seq(1), None));
    assert_eq!(the_run(store, &key, "r1").await.status, Status::Queued);
    assert_eq!(the_session(store, &key).await.state, SessionState::Created);

    let unclaimed = Batch { epoch: Epoch(0), status: Some(Status::Running), ..batch(&key, "r1", 2) };
    assert!(matches!(store.append(unclaimed).await, Err(Error::Store(_))));
    let (epoch, seq) = store.claim(&key, &run_id("r1"), "boot-1").await.unwrap();
    assert_eq!((epoch, seq), (Epoch(1), Seq(2)));
    let turn = Turn::User(waiting.request.input);
    let written = store.append(Batch { entries: vec![turn.clone()], ..batch(&key, "r1", 3) }).await.unwrap();
    assert_eq!(written, vec![Entry { n: 1, run: Some(run_id("r1")), turn, at: Timestamp(2000) }]);
    assert_eq!(the_run(store, &key, "r1").await.status, Status::Running);
}

async fn an_admission_needs_its_claim_and_its_events(store: &(impl Journal + Sessions)) {
    let key = key("rules");
    let mut unclaimed = admission(&key, "r1", "hi");
    unclaimed.events.truncate(1);
    let unowned = Admission { owner: None, ..admission(&key, "r1", "hi") };
    let empty = Admission { events: Vec::new(), ..queued(&key, "r1", "hi") };
    for broken in [unclaimed, unowned, empty] {
        assert!(matches!(store.admit(broken).await, Err(Error::Store(_))));
    }
    assert_eq!(store.runs(None, false, 10).await.unwrap(), Vec::new());
}

async fn a_session_has_one_running_turn(store: &(impl Journal + Sessions)) {
    let key = key("turn");
    admit(store, admission(&key, "r1", "first")).await;
    let Err(Error::Store(message)) = store.admit(admission(&key, "r2", "second")).await else { panic!("two turns") };
    assert!(message.contains("r1"), "{message}");
    assert_eq!(transcript(store, &key).await.len(), 1);

    admit(store, queued(&key, "r2", "second")).await;
    assert!(store.claim(&key, &run_id("r2"), "boot-1").await.is_err());
    store.append(ending(&key, "r1", 3)).await.unwrap();
    store.claim(&key, &run_id("r2"), "boot-1").await.unwrap();
}

async fn a_batch_is_written_whole_or_not_at_all(store: &(impl Journal + Sessions)) {
    let key = key("atomic");
    admit(store, admission(&key, "r1", "hi")).await;
    let note = Turn::User(UserTurn::owner("never", Timestamp(0)));
    let broken = Batch {
        events: vec![RunEvent::DeadlinePassed],
        entries: vec![note.clone()],
        amended: Some((77, note)),
        status: Some(Status::Waiting),
        ..batch(&key, "r1", 3)
    };
    let before = the_session(store, &key).await;
    assert!(matches!(store.append(broken).await, Err(Error::Store(_))));
    assert_eq!(the_session(store, &key).await, before);
    assert_eq!(transcript(store, &key).await.len(), 1);
    let run = the_run(store, &key, "r1").await;
    assert_eq!((run.seq, run.status), (Seq(2), Status::Running));
    assert_eq!(store.events(&key, &run_id("r1"), Seq(2), 10).await.unwrap(), Vec::new());
}

async fn the_final_batch_ends_the_run_and_adds_its_usage(store: &(impl Journal + Sessions)) {
    let key = key("final");
    for (n, id) in ["r1", "r2"].into_iter().enumerate() {
        let before = store.get(&key).await.unwrap().map_or(0, |session| session.revision);
        admit(store, admission(&key, id, "hi")).await;
        let entries = store.append(ending(&key, id, 3)).await.unwrap();
        assert_eq!(entries.len(), 1);
        let runs = u64::try_from(n).unwrap() + 1;
        let session = the_session(store, &key).await;
        assert_eq!((session.usage.input, session.usage.output), (10 * runs, 5 * runs));
        assert_eq!(session.usage.cost_usd, Some(0.25 * f64::from(u32::try_from(runs).unwrap())));
        assert_eq!((session.entries, session.updated_at), (2 * runs, Timestamp(3000)));
        assert!(session.revision > before);
        let run = the_run(store, &key, id).await;
        assert_eq!((run.status, run.seq, run.outcome), (Status::Done, Seq(6), Some(outcome(End::Done))));
    }
    assert_eq!(store.runs(None, true, 10).await.unwrap(), Vec::new());
}

async fn nothing_is_added_to_a_run_that_ended(store: &(impl Journal + Sessions)) {
    let key = key("ended");
    admit(store, admission(&key, "r1", "hi")).await;
    let without_outcome = Batch { status: Some(Status::Done), ..batch(&key, "r1", 3) };
    assert!(matches!(store.append(without_outcome).await, Err(Error::Store(_))));
    store.append(ending(&key, "r1", 3)).await.unwrap();
    let late = Batch { events: vec![RunEvent::DeadlinePassed], ..batch(&key, "r1", 7) };
    assert_eq!(store.append(late).await, Err(Error::Ended(run_id("r1"))));
    assert_eq!(store.claim(&key, &run_id("r1"), "boot-2").await, Err(Error::Ended(run_id("r1"))));
}

async fn an_old_owner_is_fenced(store: &(impl Journal + Sessions)) {
    let key = key("fence");
    admit(store, admission(&key, "r1", "hi")).await;
    let (epoch, seq) = store.claim(&key, &run_id("r1"), "boot-2").await.unwrap();
    assert_eq!((epoch, seq), (Epoch(2), Seq(3)));
    let zombie = Batch { events: vec![RunEvent::DeadlinePassed], ..batch(&key, "r1", 4) };
    assert_eq!(store.append(zombie.clone()).await, Err(Error::Fenced(run_id("r1"))));
    store.append(Batch { epoch, ..zombie }).await.unwrap();

    let events = store.events(&key, &run_id("r1"), Seq(0), 10).await.unwrap();
    let epochs: Vec<_> = events.iter().map(|event| (event.seq.0, event.epoch.0, event.event.name())).collect();
    let expected = [(1, 0, "accepted"), (2, 1, "claimed"), (3, 2, "claimed"), (4, 2, "deadline_passed")];
    assert_eq!(epochs, expected);
    let forged = Batch { epoch, events: vec![RunEvent::Claimed { owner: "x".to_owned() }], ..batch(&key, "r1", 5) };
    assert!(matches!(store.append(forged).await, Err(Error::Store(_))));
}

async fn a_claim_leaves_a_run_waiting(store: &(impl Journal + Sessions)) {
    let key = key("waits");
    for (id, status) in [("r1", Status::Waiting), ("r2", Status::Attention)] {
        admit(store, admission(&key, id, "hi")).await;
        let events = vec![RunEvent::CancelRequested { by: "x".to_owned() }];
        store.append(Batch { events, status: Some(status), ..batch(&key, id, 3) }).await.unwrap();
        store.claim(&key, &run_id(id), "boot-2").await.unwrap();
        assert_eq!(the_run(store, &key, id).await.status, status);
    }
}

async fn a_taken_position_is_refused_and_a_gap_too(store: &(impl Journal + Sessions)) {
    let key = key("position");
    admit(store, admission(&key, "r1", "hi")).await;
    let at = |first| Batch { events: vec![RunEvent::DeadlinePassed], ..batch(&key, "r1", first) };
    assert_eq!(store.append(at(2)).await, Err(Error::Fenced(run_id("r1"))));
    assert!(matches!(store.append(at(4)).await, Err(Error::Store(_))));
    store.append(at(3)).await.unwrap();
    assert_eq!(the_run(store, &key, "r1").await.seq, Seq(3));
}

async fn an_entry_with_open_calls_is_amended_in_place(store: &(impl Journal + Sessions)) {
    let key = key("amend");
    admit(store, admission(&key, "r1", "hi")).await;
    let call = ToolCall {
        id: "c1".parse().unwrap(),
        provider_id: "p1".to_owned(),
        name: "read".to_owned(),
        arguments: "{}".to_owned(),
    };
    let open = assistant(vec![Block::Call { call: call.clone(), result: None }]);
    let intent = RunEvent::ToolIntent {
        call: call.id.clone(),
        tool: "read".to_owned(),
        digest: "00ff".to_owned(),
        effect: Effect::Pure,
        action: String::new(),
    };
    let started = RunEvent::ToolStarted { call: call.id.clone(), idempotency_key: "k1".to_owned() };
    let first =
        Batch { events: vec![intent, started], entries: vec![Turn::Assistant(open.clone())], ..batch(&key, "r1", 3) };
    let n = store.append(first).await.unwrap()[0].n;

    let result = ToolResult::notice(ToolStatus::Ok, "content");
    let mut answered = open;
    assert!(answered.answer(&call.id, result.clone()));
    let ended = RunEvent::ToolEnded { call: call.id, result: Box::new(result) };
    let amended = Some((n, Turn::Assistant(answered.clone())));
    let second = Batch { events: vec![ended], amended, ..batch(&key, "r1", 5) };
    assert_eq!(store.append(second).await.unwrap(), Vec::new());
    let entries = transcript(store, &key).await;
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1].turn, Turn::Assistant(answered));
}

async fn a_large_event_comes_back_as_it_was(store: &(impl Journal + Sessions)) {
    let key = key("large");
    admit(store, admission(&key, "r1", &"大".repeat(100_000))).await;
    let text = "x".repeat(1_000_000);
    let delta = RunEvent::ModelDelta { text };
    store.append(Batch { events: vec![delta.clone(), delta.clone()], ..batch(&key, "r1", 3) }).await.unwrap();
    let events = store.events(&key, &run_id("r1"), Seq(2), 10).await.unwrap();
    assert!(events.len() == 2 && events.iter().all(|event| event.event == delta));
    let Turn::User(input) = &transcript(store, &key).await[0].turn else { panic!("the input") };
    assert_eq!(input.text().chars().count(), 100_000);
}

async fn runs_are_listed_newest_first(store: &(impl Journal + Sessions)) {
    let (one, two) = (key("one"), key("two"));
    admit(store, admission(&one, "r1", "hi")).await;
    store.append(ending(&one, "r1", 3)).await.unwrap();
    admit(store, admission(&one, "r2", "hi")).await;
    admit(store, queued(&two, "r3", "hi")).await;
    let ids = |runs: Vec<RunRecord>| runs.into_iter().map(|run| run.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(store.runs(None, false, 10).await.unwrap()), ["r3", "r2", "r1"]);
    assert_eq!(ids(store.runs(None, true, 10).await.unwrap()), ["r3", "r2"]);
    assert_eq!(ids(store.runs(Some(&one), false, 10).await.unwrap()), ["r2", "r1"]);
    assert_eq!(ids(store.runs(None, false, 1).await.unwrap()), ["r3"]);
    assert_eq!(ids(store.runs(Some(&key("none")), false, 10).await.unwrap()), Vec::<String>::new());

    let page = store.events(&one, &run_id("r1"), Seq(1), 2).await.unwrap();
    assert_eq!(page.iter().map(|event| event.seq.0).collect::<Vec<_>>(), [2, 3]);
}

async fn unfinished_runs_are_listed_oldest_first_with_what_was_asked(store: &(impl Journal + Sessions)) {
    let key = key("left");
    admit(store, admission(&key, "r1", "hi")).await;
    store.append(ending(&key, "r1", 3)).await.unwrap();
    let large = admission(&key, "r2", &"long ".repeat(10_000));
    admit(store, large.clone()).await;
    admit(store, queued(&key, "r3", "later")).await;
    let found = store.unfinished(10).await.unwrap();
    let ids: Vec<&str> = found.iter().map(|(record, _)| record.id.as_str()).collect();
    assert_eq!(ids, ["r2", "r3"]);
    assert_eq!(found[0].0, the_run(store, &key, "r2").await);
    assert_eq!(found[0].1.as_ref(), large.events.first(), "however large it is");
    assert_eq!(store.unfinished(1).await.unwrap().len(), 1);
}

async fn runs_with_an_instance_of_their_own_run_side_by_side(store: &(impl Journal + Sessions)) {
    let key = key("own");
    admit(store, own_instance(&key, "r1", "a")).await;
    admit(store, own_instance(&key, "r2", "b")).await;
    admit(store, admission(&key, "turn", "c")).await;
    let mut waiting = own_instance(&key, "r3", "d");
    waiting.events.truncate(1);
    waiting.owner = None;
    admit(store, waiting).await;
    let (epoch, seq) = store.claim(&key, &run_id("r3"), "boot-1").await.unwrap();
    let going_on = Batch {
        epoch,
        status: Some(Status::Running),
        events: vec![RunEvent::Began { transcript_head: 0 }],
        ..batch(&key, "r3", seq.next().0)
    };
    store.append(going_on).await.unwrap();
    let running = store.runs(Some(&key), true, 10).await.unwrap();
    assert!(running.iter().all(|run| run.status == Status::Running) && running.len() == 4, "{running:?}");
    let second = store.admit(admission(&key, "turn-2", "e")).await;
    assert!(matches!(second, Err(Error::Store(_))), "two turns of the session still never run at once: {second:?}");
}

async fn unknown_runs_are_named(store: &(impl Journal + Sessions)) {
    let (key, id) = (key("unknown"), run_id("r9"));
    let missing = || Error::NoSuchRun(id.clone());
    assert_eq!(store.append(batch(&key, "r9", 1)).await, Err(missing()));
    assert_eq!(store.claim(&key, &id, "boot-1").await, Err(missing()));
    assert_eq!(store.events(&key, &id, Seq(0), 1).await, Err(missing()));
    Sessions::open(store, &key, Timestamp(0)).await.unwrap();
    assert_eq!(store.append(batch(&key, "r9", 1)).await, Err(missing()));
}

async fn removing_a_session_cancels_what_runs(store: &(impl Journal + Sessions)) {
    let key = key("cancel");
    admit(store, admission(&key, "r1", "hi")).await;
    let delete = SessionChange::Delete { transcript: false };
    store.change(&key, delete, None, Timestamp(5000)).await.unwrap();
    assert_eq!(store.append(ending(&key, "r1", 3)).await, Err(Error::NoSuchRun(run_id("r1"))));
    assert_eq!(store.runs(None, false, 10).await.unwrap(), Vec::new());

    // The key comes back: the old owner is still fenced, and the journal tells a whole story.
    Sessions::open(store, &key, Timestamp(6000)).await.unwrap();
    assert_eq!(store.append(ending(&key, "r1", 3)).await, Err(Error::Fenced(run_id("r1"))));
    let run = the_run(store, &key, "r1").await;
    assert_eq!((run.status, run.epoch, run.seq), (Status::Cancelled, Epoch(2), Seq(4)));
    let events = store.events(&key, &run_id("r1"), Seq(2), 10).await.unwrap();
    assert_eq!(events.iter().map(|event| event.event.name()).collect::<Vec<_>>(), ["claimed", "ended"]);
    admit(store, admission(&key, "r2", "hi")).await;
}

async fn removing_a_transcript_removes_its_runs(store: &(impl Journal + Sessions)) {
    let (gone, kept) = (key("gone"), key("kept"));
    // The same large text in both: what one session needs is not removed with the other.
    let text = "shared ".repeat(4000);
    for key in [&gone, &kept] {
        admit(store, admission(key, "r1", &text)).await;
        store.append(ending(key, "r1", 3)).await.unwrap();
    }
    store.change(&gone, SessionChange::Delete { transcript: true }, None, Timestamp(5000)).await.unwrap();
    Sessions::open(store, &gone, Timestamp(6000)).await.unwrap();
    assert_eq!(store.runs(Some(&gone), false, 10).await.unwrap(), Vec::new());
    assert_eq!(store.events(&gone, &run_id("r1"), Seq(0), 1).await, Err(Error::NoSuchRun(run_id("r1"))));
    assert_eq!(store.events(&kept, &run_id("r1"), Seq(0), 10).await.unwrap().len(), 6);
    assert_eq!(transcript(store, &kept).await.len(), 2);
    admit(store, admission(&gone, "r1", &text)).await;
}

async fn concurrent_admissions_of_one_request_make_one_run<S: Journal + Sessions + 'static>(store: Arc<S>) {
    let key = key("race");
    let admit = |n: i64| {
        let store = Arc::clone(&store);
        let admission = Admission { at: Timestamp(n), ..admission(&key, "r1", "hi") };
        async move { store.admit(admission).await.unwrap() }
    };
    let answers = futures_util::future::join_all((0..16).map(admit)).await;
    let new = answers.iter().filter(|answer| matches!(answer, Admitted::New { .. })).count();
    assert_eq!(new, 1);
    assert_eq!(transcript(&*store, &key).await.len(), 1);
}
