//! `deliveries.*`: what was sent to people, and what may not have arrived.

use openclaw_domain::delivery::DeliveryState;
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

/// Sends a delivery again because a person said so.
pub(crate) async fn retry(cx: Cx, params: Params) -> Answer {
    let id = params.number("id").unwrap_or_default();
    let again = cx.gateway.ports.outbox.retry(id, cx.gateway.now()).await.map_err(|error| journal(&error))?;
    if !again {
        return Err(invalid(format!(
            "delivery {id} is not one that failed or may not have arrived; see deliveries.list"
        )));
    }
    now(json!({ "ok": true, "id": id }))
}
