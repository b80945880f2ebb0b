//! Which session a chat thread speaks to.

use openclaw_domain::binding::{Binding, Thread};
use serde_json::{Value, json};

use super::target;
use crate::convert;
use crate::dispatch::{Answer, Cx, Params, now};

/// Binds a thread to a session.
pub(crate) async fn bind(cx: Cx, params: Params) -> Answer {
    let session = target::key(&cx, &params, "key")?;
    let bound = cx.gateway.ports.bindings.bind(thread(&params), session).await;
    now(json!({ "ok": true, "binding": shown(&bound.map_err(|fault| convert::fault::error(&fault))?) }))
}

/// Ends a binding.
pub(crate) async fn unbind(cx: Cx, params: Params) -> Answer {
    let was_bound = cx.gateway.ports.bindings.unbind(&thread(&params)).await;
    now(json!({ "ok": true, "unbound": was_bound.map_err(|fault| convert::fault::error(&fault))? }))
}

/// Lists what is bound.
pub(crate) async fn list(cx: Cx, params: Params) -> Answer {
    let session = params.text("key").map(|_| target::key(&cx, &params, "key")).transpose()?;
    let bound = cx.gateway.ports.bindings.list(session.as_ref()).await;
    let bound = bound.map_err(|fault| convert::fault::error(&fault))?;
    now(json!({ "bindings": bound.iter().map(shown).collect::<Vec<Value>>() }))
}

fn thread(params: &Params) -> Thread {
    Thread {
        channel: params.required("channel").to_owned(),
        account: params.text("accountId").unwrap_or_default().to_owned(),
        thread: params.required("threadId").to_owned(),
    }
}

fn shown(binding: &Binding) -> Value {
    json!({ "channel": binding.thread.channel, "accountId": binding.thread.account,
        "threadId": binding.thread.thread, "key": binding.session, "boundAt": binding.bound_at,
        "usedAt": binding.used_at })
}
