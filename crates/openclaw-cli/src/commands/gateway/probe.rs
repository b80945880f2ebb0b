//! Whether the gateway runs, and every way to reach it.

use serde_json::json;
use tokio::time::Instant;

use crate::cx::Cx;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out::{Column, Line, Report, Table, Tone, time};
use crate::service::{Service, holder, is_held};
use crate::{link, peek, text};

/// Tells whether the gateway runs, how, and whether a service keeps it.
pub(super) async fn status(cx: &Cx<'_>) -> Result<Report, Failure> {
    let client = link::connect(cx).await?;
    let hello = client.hello().clone();
    let endpoint = client.endpoint().to_string();
    let address = cx.address(client.endpoint());
    client.close().await;
    let state_dir = &cx.home.state_dir;
    let holder = if is_held(state_dir) { holder(state_dir) } else { None };
    let service = Service::of(cx).filter(Service::is_installed);
    let row = |label: &str, value: String| Line::new().tone(Tone::Dim, format!("{label:<10}")).text(value);
    let up = cx.say(&text::GATEWAY_UP, &[("address", &address)]);
    let version = peek::text(&hello.server, "/version");
    let mut report = Report::of(json!({
        "running": true, "endpoint": endpoint, "version": version, "uptimeMs": hello.snapshot.uptime_ms,
        "pid": holder.as_ref().map(|holder| holder.pid), "port": holder.as_ref().and_then(|holder| holder.port),
        "service": service.as_ref().map(|service| service.path.clone()),
    }))
    .line(Line::marked(Tone::Done, "ok", up))
    .line(row("version", version))
    .line(row("uptime", time::span(hello.snapshot.uptime_ms)));
    if let Some(holder) = holder {
        report = report.line(row("pid", holder.pid.to_string()));
        if let Some(port) = holder.port {
            report = report.line(row("port", port.to_string()));
        }
    }
    let service = service.map_or_else(|| cx.say(&text::NONE, &[]), |service| cx.shown(&service.path));
    Ok(report.line(row("service", service)))
}

/// Tries every place, in the order a command would, and says what each answered.
pub(super) async fn probe(cx: &Cx<'_>) -> Result<Report, Failure> {
    let mut table = Table::new(vec![
        Column::id("place"),
        Column::text("reachable", 5),
        Column::number("took", 4),
        Column::text("credential", 3),
        Column::text("said", 2),
    ]);
    let (mut rows, mut best) = (Vec::new(), None);
    for place in link::places(cx)? {
        let began = Instant::now();
        let result = link::try_place(cx, &place).await;
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (is_up, said) = match result {
            Ok(client) => {
                let version = peek::text(&client.hello().server, "/version");
                client.close().await;
                (true, version)
            }
            Err(failure) => {
                let said = failure.message.clone();
                best = best.or(Some(failure));
                (false, said)
            }
        };
        let (tone, word) = if is_up { (Tone::Done, "yes") } else { (Tone::Failed, "no") };
        table.row([
            (Tone::Plain, cx.address(place.endpoint())),
            (tone, word.to_owned()),
            (Tone::Plain, time::span(took_ms)),
            (Tone::Plain, place.source().to_owned()),
            (Tone::Plain, said.clone()),
        ]);
        rows.push(
            json!({"address": place.endpoint().to_string(), "reachable": is_up, "tookMs": took_ms, "said": said}),
        );
    }
    if rows.iter().any(|row| row["reachable"] == true) {
        return Ok(Report::of(json!({"reachable": true, "places": rows})).table(table));
    }
    let failure = best
        .unwrap_or_else(|| Failure::new(Exit::Unreachable, "GATEWAY_DOWN", "no gateway").next("openclaw gateway run"));
    Err(failure.with_details(json!({"reachable": false, "places": rows})))
}
