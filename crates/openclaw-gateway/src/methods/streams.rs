//! `agent.subscribe` and `agent.unsubscribe`: a run's stream, from any cursor.

use std::sync::Arc;

use futures_util::future::FutureExt as _;
use openclaw_domain::ports::RunRecord;
use openclaw_domain::run::{StartState, Started};
use openclaw_domain::{Cursor, Recorded, RunEvent, Seq};
use openclaw_protocol::{ErrorBody, ErrorCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::runs;
use crate::client::Subscription;
use crate::convert::fault::invalid;
use crate::dispatch::{Answer, Cx, Params, Reply, now};
use crate::stream::feed::Name;
use crate::stream::pace::{Pace, Terms};
use crate::stream::payload::cursor_of;
use crate::stream::pump::{PAGE, Pump};
use crate::stream::telling::Telling;

/// Events after the cursor that are read with those up to it.
const FIRST_PAGE: usize = 4;

/// Carries a run to this connection: what came after the cursor, then what comes.
pub(crate) async fn subscribe(cx: Cx, params: Params) -> Answer {
    let record = runs::find(&cx, &params).await?;
    let name = (record.session.clone(), record.id.clone());
    let after = after(&params)?;
    let (telling, Read { known, rest }) = begin(&cx, &record, after).await?;
    let is_screen = cx.client.info.mode == "ui";
    let terms = Terms::new(
        params.number("tokenInterval"),
        params.number("tokenBatchSize"),
        params.number("tokenBatchDelay"),
        is_screen,
    );
    let registered = register(&cx, &name)?;
    let mut reply = json!({ "runId": record.id, "sessionKey": record.session, "status": record.status.as_str(),
        "subscription": registered.0, "cursor": cursor_of(record.id.as_str(), telling.cursor()) });
    if record.status.is_final() {
        reply["ended"] = json!(true);
    }
    let mut pump =
        Pump::new(Arc::clone(&cx.gateway), Arc::clone(&cx.client), name, telling, Pace::new(terms), registered);
    known.iter().for_each(|recorded| pump.remember(recorded));
    pump.begin_with(rest);
    Ok(Reply::Stream(reply, pump.run().boxed()))
}

/// Says where a run stands that a repeated request finds in flight, to clients that know cursors.
pub(crate) fn put_position(cx: &Cx, started: &Started, payload: &mut Value) {
    if !cx.client.hears_cursor || started.state != StartState::InFlight {
        return;
    }
    if let Some(feed) = cx.gateway.hub.feeds().find(&(started.session.clone(), started.run.clone())) {
        payload["resumeFrom"] = cursor_of(started.run.as_str(), feed.position().0);
    }
}

/// Reads the cursor; `resumeFrom` is another name for `after`.
fn after(params: &Params) -> Result<Cursor, ErrorBody> {
    let Some(value) = params.0.get("after").or_else(|| params.0.get("resumeFrom")) else {
        return Ok(Cursor::default());
    };
    let number = |name: &str| match value.get(name) {
        None if name == "off" => Some(0),
        value => value.and_then(Value::as_u64),
    };
    match (number("seq"), number("off")) {
        (Some(seq), Some(off)) => Ok(Cursor { seq: Seq(seq), off }),
        _ => Err(invalid("invalid agent.subscribe params: at /after: must be {seq, off}, both whole numbers from 0")),
    }
}

/// Finds where the client is, and the calls that later events may name: the
/// fold of the events it has, from the last one that began or ended a turn on.
async fn begin(cx: &Cx, record: &RunRecord, after: Cursor) -> Result<(Telling, Read), ErrorBody> {
    if after.seq > record.seq {
        let message = format!(
            "run {} has {} events and the cursor says {}; subscribe without a cursor",
            record.id, record.seq.0, after.seq.0
        );
        return Err(invalid(message).with_details(json!({ "code": "CURSOR_AHEAD", "seq": record.seq.0 })));
    }
    let mut telling = Telling::new();
    let read = since_turn(cx, record, after.seq).await?;
    read.known.iter().for_each(|recorded| telling.skip(recorded));
    telling.has_live(after.off);
    Ok((telling, read))
}

/// Events that were read for a cursor: up to it, and the first ones after it.
#[derive(Default)]
struct Read {
    known: Vec<Recorded>,
    rest: Vec<Recorded>,
}

/// Reads the events up to one, from the last turn's first or last event on at least.
async fn since_turn(cx: &Cx, record: &RunRecord, to: Seq) -> Result<Read, ErrorBody> {
    let mut window = PAGE as u64;
    loop {
        let from = Seq(to.0.saturating_sub(window));
        let read = read_around(cx, record, from, to).await?;
        if from.0 == 0 || read.known.iter().any(bounds_turn) {
            return Ok(read);
        }
        window = window.saturating_mul(4);
    }
}

/// Reads the events after one and up to another, and a few more in the same
/// read: the client has its first event without another one.
async fn read_around(cx: &Cx, record: &RunRecord, from: Seq, to: Seq) -> Result<Read, ErrorBody> {
    let mut read = Read::default();
    loop {
        let last = read.known.last().map_or(from, |last| last.seq);
        let wanted = usize::try_from(to.0.saturating_sub(last.0)).unwrap_or(usize::MAX);
        let limit = wanted.saturating_add(FIRST_PAGE).min(PAGE);
        let events = cx.gateway.ports.journal.events(&record.session, &record.id, last, limit).await;
        let events = events.map_err(|error| runs::journal(&error))?;
        let is_last = events.len() < limit || events.last().is_some_and(|recorded| recorded.seq >= to);
        let (known, rest): (Vec<_>, Vec<_>) = events.into_iter().partition(|recorded| recorded.seq <= to);
        read.known.extend(known);
        read.rest.extend(rest);
        if is_last {
            return Ok(read);
        }
    }
}

/// Tells whether a turn's text begins or ends with this event.
fn bounds_turn(recorded: &Recorded) -> bool {
    matches!(
        recorded.event,
        RunEvent::ModelStarted { .. } | RunEvent::ModelSuperseded { .. } | RunEvent::ModelDone { .. }
    )
}

/// Notes the subscription; an earlier one of the same run on this connection ends.
fn register(cx: &Cx, name: &Name) -> Result<(String, CancellationToken), ErrorBody> {
    let mut subscriptions = cx.client.subscriptions();
    subscriptions.retain(|_, known| {
        let is_other = known.name != *name;
        if !is_other {
            known.stop.cancel();
        }
        is_other
    });
    let max = cx.gateway.options.limits.subscriptions_max;
    if subscriptions.len() >= max {
        let message = format!("this connection follows {max} runs, its limit; unsubscribe from some first");
        return Err(ErrorBody::new(ErrorCode::Unavailable, message));
    }
    let (id, stop) = (uuid::Uuid::new_v4().to_string(), CancellationToken::new());
    subscriptions.insert(id.clone(), Subscription { name: name.clone(), stop: stop.clone() });
    drop(subscriptions);
    cx.gateway.hub.interests_changed();
    Ok((id, stop))
}

/// Ends subscriptions of this connection: one by its id, or those of a run.
pub(crate) async fn unsubscribe(cx: Cx, params: Params) -> Answer {
    let (id, run) = (params.text("subscription"), params.text("runId"));
    if id.is_none() && run.is_none() {
        return Err(invalid("invalid agent.unsubscribe params: must have property 'subscription' or 'runId'"));
    }
    let mut ended = 0;
    cx.client.subscriptions().retain(|known, subscription| {
        let fits = id.is_none_or(|id| id == known) && run.is_none_or(|run| subscription.name.1.as_str() == run);
        if fits {
            subscription.stop.cancel();
            ended += 1;
        }
        !fits
    });
    cx.gateway.hub.interests_changed();
    now(json!({ "ok": true, "unsubscribed": ended }))
}
