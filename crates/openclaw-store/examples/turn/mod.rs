//! What a turn of the load generator records: a person asks, the model answers
//! in a few words, no tool is called. The events are those the engine writes.

use openclaw_domain::conversation::Turn;
use openclaw_domain::event::RunEvent;
use openclaw_domain::ids::{SessionKey, Timestamp};
use openclaw_domain::message::Block;
use openclaw_domain::model::{ModelRef, Selected};
use openclaw_domain::ports::{Admission, Batch, Durability, Journal, JournalError};
use openclaw_domain::run::{End, Status};
use openclaw_testkit::contract::journal::{admission, assistant, batch, key, outcome};

/// Turns of a session before its lane begins another one.
pub(crate) const SESSION_TURNS: u64 = 20;

/// What the model says: 20 deltas.
const ANSWER: &str = "tok00 tok01 tok02 tok03 tok04 tok05 tok06 tok07 tok08 tok09 \
                      tok10 tok11 tok12 tok13 tok14 tok15 tok16 tok17 tok18 tok19 ";

/// Returns the session and the run id of a lane's turn.
pub(crate) fn names(lane: usize, turn: u64) -> (SessionKey, String) {
    let session = key(&format!("load-{lane}-{}", turn / SESSION_TURNS));
    (session, format!("0199c2d4-7c5e-7b32-a{lane:03x}-{turn:012x}"))
}

/// The input, with its claim and the first model call: recorded and synced before anything is done.
pub(crate) fn beginning(session: &SessionKey, run: &str) -> Admission {
    let mut admission = admission(session, run, "What is the weather like in Paris today?");
    admission.events.push(RunEvent::Began { transcript_head: 12 });
    admission.events.push(RunEvent::ModelStarted { step: 1, idempotency_key: format!("{run}-1") });
    admission
}

/// The answer and the end: recorded and synced before anybody is told.
pub(crate) fn ending(session: &SessionKey, run: &str) -> Batch {
    let mut outcome = outcome(End::Done);
    ANSWER.clone_into(&mut outcome.text);
    let turn = assistant(vec![Block::Text { text: ANSWER.to_owned() }]);
    let model = ModelRef::new("test", "model");
    let selected = Selected { model, profile: None, thinking: None, why: None };
    Batch {
        events: vec![
            RunEvent::ModelSelected { selected },
            RunEvent::ModelDone { turn: Box::new(turn.clone()), usage: outcome.usage },
            RunEvent::Ended { outcome: Box::new(outcome.clone()) },
        ],
        entries: vec![Turn::Assistant(turn)],
        status: Some(Status::Done),
        outcome: Some(Box::new(outcome)),
        at: Timestamp(3000),
        durability: Durability::Barrier,
        ..batch(session, run, 5)
    }
}

/// Records a whole turn.
pub(crate) async fn record(journal: &impl Journal, lane: usize, turn: u64) -> Result<(), JournalError> {
    let (session, run) = names(lane, turn);
    journal.admit(beginning(&session, &run)).await?;
    journal.append(ending(&session, &run)).await.map(drop)
}
