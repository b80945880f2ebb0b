//! `deliveries.*`: what was sent to people, and what may not have arrived.

use openclaw_domain::delivery::{DeliveryRecord, DeliveryState};
use openclaw_protocol::ErrorBody;
use serde_json::json;

use super::runs::journal;
use crate::convert;
use crate::convert::fault::invalid;
use crate::dispatch::{Answer, Cx, Params, now};

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 500;

/// Lists deliveries, newest first.
pub(crate) async fn list(cx: Cx, params: Params) -> Answer {
    // The shape admits the names of states only.
    let asked = params.text("state");
    let state = asked.and_then(|name| DeliveryState::ALL.into_iter().find(|state| state.as_str() == name));
    let limit = params.count("limit").unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let found = cx.gateway.ports.outbox.deliveries(state, limit).await.map_err(|error| journal(&error))?;
    now(json!({ "deliveries": found.iter().map(convert::run::delivery).collect::<Vec<_>>() }))
}

/// Tells about one delivery.
pub(crate) async fn get(cx: Cx, params: Params) -> Answer {
    let record = find(&cx, params.number("id").unwrap_or_default()).await?;
    now(json!({ "delivery": convert::run::delivery(&record) }))
}

/// Sends a delivery again because a person said so.
pub(crate) async fn retry(cx: Cx, params: Params) -> Answer {
    let id = params.number("id").unwrap_or_default();
    let again = cx.gateway.ports.outbox.retry(id, cx.gateway.now()).await.map_err(|error| journal(&error))?;
    if !again {
        return Err(not_open(&find(&cx, id).await?));
    }
    now(json!({ "ok": true, "id": id }))
}

/// Settles a delivery that failed or may not have arrived, without sending it.
pub(crate) async fn discard(cx: Cx, params: Params) -> Answer {
    let id = params.number("id").unwrap_or_default();
    let (by, at) = (cx.client.label(), cx.gateway.now());
    let discarded = cx.gateway.ports.outbox.discard(id, &by, at).await.map_err(|error| journal(&error))?;
    if !discarded {
        return Err(not_open(&find(&cx, id).await?));
    }
    now(json!({ "ok": true, "id": id }))
}

async fn find(cx: &Cx, id: u64) -> Result<DeliveryRecord, ErrorBody> {
    let found = cx.gateway.ports.outbox.delivery(id).await.map_err(|error| journal(&error))?;
    found.ok_or_else(|| {
        invalid(format!("there is no delivery {id}; `openclaw deliveries list` shows them"))
            .with_details(json!({ "code": "DELIVERY_NOT_FOUND", "id": id }))
    })
}

/// Refuses what is only for deliveries somebody has to decide about.
fn not_open(record: &DeliveryRecord) -> ErrorBody {
    let (id, state) = (record.id, record.state.as_str());
    invalid(format!(
        "delivery {id} is {state}; only one that failed or may not have arrived can be settled or sent again"
    ))
    .with_details(json!({ "code": "DELIVERY_NOT_OPEN", "id": id, "state": state }))
}
