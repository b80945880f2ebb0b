//! SQLite answers any sequence of requests as the store in memory does.
//!
//! The store in memory is short enough to be believed; this finds what the
//! hand-written rules of the contract did not think of.

use openclaw_domain::conversation::Turn;
use openclaw_domain::event::RunEvent;
use openclaw_domain::ids::{Epoch, Seq, SessionKey, Timestamp};
use openclaw_domain::message::UserTurn;
use openclaw_domain::ports::{Admitted, Batch, Journal, JournalError, RecordError, Sessions};
use openclaw_domain::run::{End, Status};
use openclaw_domain::session::{EntryQuery, Session, SessionChange, SessionPatch, SessionQuery, SessionState};
use openclaw_store::{Options, Store};
use openclaw_testkit::contract::journal::{admission, batch, key, outcome, queued, run_id};
use openclaw_testkit::memory;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Request {
    Admit {
        lane: u8,
        id: u8,
        text: u8,
        starts: bool,
    },
    Claim {
        lane: u8,
        id: u8,
    },
    /// Epoch and position are relative to the right ones.
    Append {
        lane: u8,
        id: u8,
        epoch: i64,
        first: i64,
        entries: usize,
        amended: Option<u64>,
        status: Option<Status>,
    },
    Change {
        lane: u8,
        change: u8,
        expected: Option<u64>,
    },
    Open {
        lane: u8,
    },
}

fn requests() -> impl Strategy<Value = Request> {
    let status = proptest::option::of(proptest::sample::select(vec![
        Status::Queued,
        Status::Running,
        Status::Waiting,
        Status::Done,
        Status::Cancelled,
    ]));
    let (lane, id) = (0..2_u8, 0..3_u8);
    prop_oneof![
        4 => (lane.clone(), id.clone(), 0..2_u8, any::<bool>())
            .prop_map(|(lane, id, text, starts)| Request::Admit { lane, id, text, starts }),
        2 => (lane.clone(), id.clone()).prop_map(|(lane, id)| Request::Claim { lane, id }),
        8 => (lane.clone(), id, off_by(), off_by(), 0..3_usize, proptest::option::of(0..6_u64), status).prop_map(
            |(lane, id, epoch, first, entries, amended, status)| {
                Request::Append { lane, id, epoch, first, entries, amended, status }
            }
        ),
        3 => (lane.clone(), 0..9_u8, proptest::option::weighted(0.2, 1..6_u64))
            .prop_map(|(lane, change, expected)| Request::Change { lane, change, expected }),
        1 => lane.prop_map(|lane| Request::Open { lane }),
    ]
}

/// Mostly nothing.
fn off_by() -> impl Strategy<Value = i64> {
    prop_oneof![8 => Just(0), 1 => -2..3_i64]
}

/// An answer in a form in which two stores can be compared: failures by kind,
/// sessions without their uuid.
type Answer = Result<String, String>;

fn journal_failure(error: JournalError) -> String {
    match error {
        JournalError::Store(_) => "store".to_owned(),
        error => error.to_string(),
    }
}

fn record_failure(error: RecordError) -> String {
    match error {
        RecordError::Store(_) => "store".to_owned(),
        error => error.to_string(),
    }
}

fn shown(session: &Session) -> String {
    format!("{:?}", Session { id: "any".parse().unwrap(), ..session.clone() })
}

async fn ask(store: &(impl Journal + Sessions), request: &Request, at: Timestamp) -> Answer {
    let lane = |lane: &u8| key(&format!("lane-{lane}"));
    match request {
        Request::Admit { lane: l, id, text, starts } => {
            let make = if *starts { admission } else { queued };
            let mut admission = make(&lane(l), &format!("r{id}"), &format!("text {text}"));
            admission.at = at;
            let answer = store.admit(admission).await.map_err(journal_failure)?;
            Ok(match answer {
                Admitted::New { epoch, seq, entry } => format!("{epoch:?} {seq:?} {entry:?}"),
                Admitted::Known(run) => format!("{run:?}"),
            })
        }
        Request::Claim { lane: l, id } => {
            let claimed = store.claim(&lane(l), &run_id(&format!("r{id}")), "other").await;
            claimed.map(|claimed| format!("{claimed:?}")).map_err(journal_failure)
        }
        Request::Append { lane: l, id, epoch, first, entries, amended, status } => {
            let known = store.runs(Some(&lane(l)), false, 100).await.map_err(journal_failure)?;
            let known = known.into_iter().find(|run| run.id == run_id(&format!("r{id}")));
            let (known_epoch, known_seq) = known.map_or((1, 2), |run| (run.epoch.0, run.seq.0));
            let turn = |text: String| Turn::User(UserTurn::owner(text, at));
            let batch = Batch {
                epoch: Epoch(known_epoch.saturating_add_signed(*epoch)),
                events: vec![RunEvent::DeadlinePassed],
                entries: (0..*entries).map(|n| turn(format!("entry {n}"))).collect(),
                amended: amended.map(|n| (n, turn("amended".to_owned()))),
                status: *status,
                outcome: status.filter(|status| status.is_final()).map(|_| Box::new(outcome(End::Done))),
                at,
                ..batch(&lane(l), &format!("r{id}"), (known_seq + 1).saturating_add_signed(*first))
            };
            store.append(batch).await.map(|entries| format!("{entries:?}")).map_err(journal_failure)
        }
        Request::Change { lane: l, change, expected } => {
            let changed = store.change(&lane(l), session_change(*change, at), *expected, at).await;
            changed.map(|session| shown(&session)).map_err(record_failure)
        }
        Request::Open { lane: l } => {
            let opened = Sessions::open(store, &lane(l), at).await;
            opened.map(|session| shown(&session)).map_err(record_failure)
        }
    }
}

fn session_change(n: u8, at: Timestamp) -> SessionChange {
    match n {
        0 => SessionChange::Reset,
        1 => SessionChange::Delete { transcript: true },
        2 => SessionChange::Delete { transcript: false },
        3 => SessionChange::Inject(Turn::User(UserTurn::owner("note", at))),
        4 => SessionChange::Patch(SessionPatch { is_pinned: Some(true), ..SessionPatch::default() }),
        n => SessionChange::Transition(SessionState::ALL[usize::from(n - 4)]),
    }
}

/// Everything a store can be asked about two lanes.
async fn state(store: &(impl Journal + Sessions)) -> Vec<String> {
    let mut state = Vec::new();
    for lane in 0..2 {
        let key: SessionKey = key(&format!("lane-{lane}"));
        state.push(format!("{:?}", Sessions::get(store, &key).await.unwrap().as_ref().map(shown)));
        state.push(format!("{:?}", store.entries(&key, EntryQuery::default()).await.unwrap()));
        for id in 0..3 {
            let events = store.events(&key, &run_id(&format!("r{id}")), Seq(0), 100).await;
            state.push(format!("{events:?}"));
        }
    }
    for unfinished_only in [false, true] {
        state.push(format!("{:?}", store.runs(None, unfinished_only, 100).await.unwrap()));
    }
    let page = Sessions::list(store, &SessionQuery::default()).await.unwrap();
    state.push(format!("{}", page.total));
    state
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_and_memory_give_the_same_answers(requests in proptest::collection::vec(requests(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let sqlite = Store::open(Options::new(folder.path())).unwrap();
            let memory = memory::Store::new();
            for (n, request) in requests.iter().enumerate() {
                let at = Timestamp(1000 + i64::try_from(n).unwrap());
                let (left, right) = (ask(&sqlite, request, at).await, ask(&memory, request, at).await);
                assert_eq!(left, right, "request {n}: {request:?}");
            }
            for (left, right) in state(&sqlite).await.into_iter().zip(state(&memory).await) {
                assert_eq!(left, right);
            }
        });
    }
}
