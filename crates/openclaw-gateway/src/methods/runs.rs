//! `runs.*`: what runs did, what they wait for, and what became of their calls.

use openclaw_domain::ports::{JournalError, RunRecord, TakeUp};
use openclaw_domain::run::{Abort, End, Outcome, Status};
use openclaw_domain::{RunId, Seq, SessionKey};
use openclaw_protocol::{ErrorBody, ErrorCode};
use serde_json::{Value, json};

use super::target;
use crate::convert;
use crate::convert::fault::{error, invalid};
use crate::convert::run::Summary;
use crate::dispatch::{Answer, Cx, Params, now};

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 500;
const EVENTS_DEFAULT: usize = 200;
const EVENTS_MAX: usize = 1000;

/// Runs searched for an id, newest first: few at first, for it is most often a new one.
const SEARCHED: [usize; 3] = [32, 1000, 10_000];

/// Events folded for a summary; longer runs are summed up as far as this.
const FOLDED_MAX: u64 = 100_000;

/// Returns the wire form of a journal error.
pub(crate) fn journal(error: &JournalError) -> ErrorBody {
    match error {
        JournalError::NoSuchRun(_) | JournalError::Ended(_) | JournalError::Mismatch(_) => invalid(error.to_string()),
        JournalError::Fenced(_) | JournalError::Blocked { .. } | JournalError::Full(_) | JournalError::Store(_) => {
            let mut body = ErrorBody::new(ErrorCode::Unavailable, error.to_string());
            body.retryable = Some(true);
            body
        }
    }
}

/// Finds the run a request names; with the same id in several sessions, the newest.
pub(crate) async fn find(cx: &Cx, params: &Params) -> Result<RunRecord, ErrorBody> {
    let run: RunId = params.required("runId").parse().map_err(|error| invalid(format!("{error}")))?;
    let session = session(cx, params)?;
    // What works now is found without reading the journal's past.
    let live = cx.gateway.ports.runs.active(session.as_ref()).into_iter().find(|active| active.id == run);
    let session = live.map(|active| active.session).or(session);
    let mut found = None;
    for limit in SEARCHED {
        let records = cx.gateway.ports.journal.runs(session.as_ref(), false, limit).await;
        let records = records.map_err(|error| journal(&error))?;
        let is_all = records.len() < limit;
        found = records.into_iter().find(|record| record.id == run);
        if found.is_some() || is_all {
            break;
        }
    }
    found.ok_or_else(|| {
        invalid(format!("there is no run {run}; list runs with `openclaw runs list`"))
            .with_details(json!({ "code": "RUN_NOT_FOUND", "runId": run }))
    })
}

fn session(cx: &Cx, params: &Params) -> Result<Option<SessionKey>, ErrorBody> {
    params.text("sessionKey").map(|_| target::key(cx, params, "sessionKey")).transpose()
}

/// Lists runs, newest first.
pub(crate) async fn list(cx: Cx, params: Params) -> Answer {
    let session = session(&cx, &params)?;
    let limit = params.count("limit").unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let active = params.flag("active").unwrap_or(false);
    let records = cx.gateway.ports.journal.runs(session.as_ref(), active, limit).await;
    let records = records.map_err(|error| journal(&error))?;
    now(json!({ "runs": records.iter().map(convert::run::row).collect::<Vec<_>>(), "ts": cx.gateway.now() }))
}

/// Tells about one run: its record, and what it did.
pub(crate) async fn get(cx: Cx, params: Params) -> Answer {
    let record = find(&cx, &params).await?;
    let summary = summary(&cx, &record).await?;
    let mut payload = json!({ "run": convert::run::row(&record), "summary": summary.into_value() });
    let name = (record.session.clone(), record.id.clone());
    if let Some(feed) = cx.gateway.hub.feeds().find(&name) {
        let (cursor, _) = feed.position();
        payload["cursor"] = crate::stream::payload::cursor_of(record.id.as_str(), cursor);
    }
    now(payload)
}

async fn summary(cx: &Cx, record: &RunRecord) -> Result<Summary, ErrorBody> {
    let mut summary = Summary::new();
    let mut after = Seq(0);
    while after.0 < FOLDED_MAX {
        let events = cx.gateway.ports.journal.events(&record.session, &record.id, after, EVENTS_MAX).await;
        let events = events.map_err(|error| journal(&error))?;
        events.iter().for_each(|recorded| summary.add(recorded));
        after = events.last().map_or(after, |last| last.seq);
        if events.len() < EVENTS_MAX {
            break;
        }
    }
    Ok(summary)
}

/// Reads a page of a run's journal.
pub(crate) async fn events(cx: Cx, params: Params) -> Answer {
    let record = find(&cx, &params).await?;
    let after = Seq(params.number("after").unwrap_or(0));
    let limit = params.count("limit").unwrap_or(EVENTS_DEFAULT).clamp(1, EVENTS_MAX);
    let read = cx.gateway.ports.journal.events(&record.session, &record.id, after, limit).await;
    let read = read.map_err(|error| journal(&error))?;
    let last = read.last().map_or(after, |last| last.seq);
    let rows: Vec<Value> = read.iter().map(|recorded| convert::run::event(record.id.as_str(), recorded)).collect();
    now(json!({ "runId": record.id, "sessionKey": record.session, "events": rows, "after": last.0,
        "hasMore": read.len() == limit && last < record.seq }))
}

/// Sees to it that a run works: one that nobody works on is taken up, one that
/// waits for people says for what.
pub(crate) async fn resume(cx: Cx, params: Params) -> Answer {
    let record = find(&cx, &params).await?;
    if let Some(outcome) = &record.outcome {
        return Err(has_ended(&record, outcome));
    }
    let taken = cx.gateway.ports.upkeep.take_up(&record).await.map_err(|fault| error(&fault))?;
    match record.status {
        Status::Waiting | Status::Attention => Err(waits(&record, &summary(&cx, &record).await?)),
        Status::Queued | Status::Running | Status::Done | Status::Failed | Status::Cancelled => {
            // As it stands here: what the journal says of one that was left is its owner's word.
            let live = cx.gateway.ports.runs.active(Some(&record.session)).into_iter();
            let live = live.filter(|active| active.id == record.id).map(|active| active.status).next();
            now(json!({ "ok": true, "runId": record.id, "status": live.unwrap_or(record.status).as_str(),
                "takenUp": taken == TakeUp::Taken }))
        }
    }
}

fn has_ended(record: &RunRecord, outcome: &Outcome) -> ErrorBody {
    let id = &record.id;
    let how = match &outcome.end {
        End::Done => "it is done".to_owned(),
        End::Cancelled { by } => format!("it was stopped by {by}"),
        End::Limited { message, .. } | End::ModelFailed { message, .. } | End::Failed { message } => {
            format!("it failed: {message}")
        }
    };
    invalid(format!("run {id} has ended: {how}; an ended run does not go on, a new one can begin at any of its steps"))
        .with_details(json!({ "code": "RUN_ENDED", "runId": id, "sessionKey": record.session,
            "status": record.status.as_str(), "endedAt": outcome.ended_at, "steps": outcome.iterations,
            "next": format!("openclaw replay {id} --from 1 --live") }))
}

fn waits(record: &RunRecord, summary: &Summary) -> ErrorBody {
    let waits = summary.waits_for();
    let named = |waits: &Value| {
        let text = |name: &str| waits[name].as_str().unwrap_or_default().to_owned();
        format!("{} {} about {}", text("kind"), text("id"), text("name"))
    };
    let list = waits.iter().map(named).collect::<Vec<_>>().join("; ");
    let what = if list.is_empty() { "another run or a timer".to_owned() } else { list };
    let message = format!("run {} goes on by itself once this is answered: {what}", record.id);
    invalid(message).with_details(json!({ "code": "RUN_WAITS", "runId": record.id,
        "status": record.status.as_str(), "waitsFor": waits }))
}

/// Stops a run.
pub(crate) async fn cancel(cx: Cx, params: Params) -> Answer {
    let record = find(&cx, &params).await?;
    let abort = Abort { session: Some(record.session), run: Some(record.id.clone()), by: cx.client.label() };
    let stopped = cx.gateway.ports.runs.abort(abort).await.map_err(|fault| error(&fault))?;
    now(json!({ "ok": true, "runId": record.id, "cancelled": !stopped.is_empty(), "runIds": stopped }))
}

/// Lists calls whose outcome is not known.
pub(crate) async fn unsettled(cx: Cx, _params: Params) -> Answer {
    let open = cx.gateway.ports.questions.unsettled().await.map_err(|fault| error(&fault))?;
    now(json!({ "calls": open.iter().map(convert::run::open_action).collect::<Vec<_>>() }))
}

/// Says what became of a call. A run that waits for the answer goes on.
pub(crate) async fn settle(cx: Cx, params: Params) -> Answer {
    let (run, call, text) = (params.required("runId"), params.required("callId"), params.required("answer"));
    let Some(answer) = convert::question::parse(text) else {
        return Err(invalid(format!("answer {text:?} is not one of happened, not-happened, unknown")));
    };
    let session = session(&cx, &params)?;
    let questions = &cx.gateway.ports.questions;
    let fits = |of: &SessionKey| session.as_ref().is_none_or(|session| session == of);
    let asked = questions
        .open()
        .into_iter()
        .find(|question| question.run.as_str() == run && question.call.id.as_str() == call && fits(&question.session));
    if let Some(question) = asked {
        questions.answer(&question.id, answer, &cx.client.label()).await.map_err(|fault| error(&fault))?;
        return now(json!({ "ok": true, "settled": true, "question": question.id }));
    }
    let open = questions.unsettled().await.map_err(|fault| error(&fault))?;
    let action = open
        .into_iter()
        .find(|action| action.run.as_str() == run && action.call.as_str() == call && fits(&action.session));
    let Some(action) = action else {
        return Err(invalid(format!(
            "call {call} of run {run} has a known outcome, or there is no such call; see `runs.unsettled`"
        ))
        .with_details(json!({ "code": "CALL_NOT_OPEN", "runId": run, "callId": call })));
    };
    let settled = questions.settle(&action, answer).await.map_err(|fault| error(&fault))?;
    now(json!({ "ok": true, "settled": settled }))
}
