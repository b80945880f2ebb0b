//! Which ceiling ended a run, told by the exit code: of a gateway and inside the command.

use openclaw_testkit::latch::Latch;
use openclaw_testkit::server::{Reply, Script};
use serde_json::json;

use super::{Home, Model};

#[test]
fn the_agents_own_time_is_12_and_the_persons_is_124() {
    let door = Latch::new();
    let model = Model::start(Script::answering(move |_| Reply::new().hold(&door).text("late")));
    let home =
        |seconds: u64| Home::with_model(&model.url(), json!({"agents": {"defaults": {"timeoutSeconds": seconds}}}));
    let code = |home: &Home, arguments: &[&str]| {
        let output = home.run(arguments);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (short, long) = (home(1), home(3600));
    for is_local in [true, false] {
        let _gateways = (!is_local).then(|| (short.gateway(), long.gateway()));
        let local = if is_local { vec!["--local"] } else { Vec::new() };
        let with = |more: &[&'static str]| [&["agent", "hi"][..], &local, more].concat();
        let (exit, said) = code(&short, &with(&[]));
        assert_eq!(exit, Some(12), "{said}");
        assert!(said.contains("next   openclaw config explain agents.defaults.timeoutSeconds"), "{said}");
        assert_eq!(code(&short, &with(&["--timeout", "60s"])).0, Some(12));
        let (exit, said) = code(&long, &with(&["--timeout", "1s"]));
        assert_eq!(exit, Some(124), "{said}");
    }
}
