//! Waiting for an answer that somebody else gives: to an approval, to a question.

use std::ops::ControlFlow;
use std::time::Duration;

use futures_util::future::FutureExt as _;
use openclaw_protocol::ErrorBody;
use serde_json::Value;

use crate::dispatch::{Answer, Cx, Params, Reply};
use crate::gateway::Gateway;

/// How long is waited when the caller does not say.
const DEFAULT: Duration = Duration::from_secs(30 * 60);

/// Looks now and after every decision, until there is an answer or the time
/// (`timeoutMs`, never past the request's deadline) is over.
///
/// `look` breaks with the answer, or continues with what to say if none comes.
/// Its error ends the wait.
pub(super) fn until(
    cx: Cx,
    params: &Params,
    look: impl Fn(&Gateway) -> Result<ControlFlow<Value, Value>, ErrorBody> + Send + Sync + 'static,
) -> Answer {
    let limit = params.number("timeoutMs").map_or(DEFAULT, Duration::from_millis);
    let limit = cx.meta.deadline.map_or(limit, |deadline| limit.min(deadline));
    let gateway = cx.gateway;
    let wait = async move {
        let timeout = gateway.ports.clock.sleep(limit);
        tokio::pin!(timeout);
        loop {
            let next = gateway.hub.next_decision();
            tokio::pin!(next);
            // Listening begins before looking, so that no answer falls between the two.
            next.as_mut().enable();
            let late = match look(&gateway)? {
                ControlFlow::Break(answer) => return Ok(answer),
                ControlFlow::Continue(late) => late,
            };
            tokio::select! {
                () = next => {}
                () = &mut timeout => return Ok(late),
            }
        }
    };
    Ok(Reply::Later(wait.boxed()))
}
