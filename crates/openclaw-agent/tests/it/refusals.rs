//! A journal that refuses, as one on a full disk does.

use std::sync::Arc;

use openclaw_domain::run::End;
use openclaw_testkit::model::Turn;
use openclaw_testkit::{FlawedJournal, ScriptedModel};

use crate::harness::{Rig, Setup};

fn rig(refusals: usize) -> Rig {
    let mut setup = Setup::new(ScriptedModel::answering(|_| Turn::say("fine")));
    setup.journal = Some(Arc::new(FlawedJournal::new(setup.store.clone()).refusing(refusals)));
    setup.build()
}

#[tokio::test]
async fn a_full_disk_ends_the_turn_with_the_reason_and_the_session_goes_on_afterwards() {
    let rig = rig(1);
    rig.start("r1", "hi").await.unwrap();
    let End::Failed { message } = rig.ended("r1").await.end else { panic!("not failed") };
    assert!(message.contains("no space left"), "{message}");
    rig.start("r2", "again").await.unwrap();
    assert_eq!(rig.ended("r2").await.text, "fine");
    assert_eq!(rig.transcript().await, ["user: hi", "user: again", "assistant: fine"]);
}

#[tokio::test]
async fn while_the_disk_is_full_new_input_is_refused_not_lost() {
    let rig = rig(2);
    rig.start("r1", "hi").await.unwrap();
    rig.ended("r1").await;
    let refused = rig.start("r2", "again").await.unwrap_err();
    assert!(refused.message.contains("no space left"), "{refused}");
    assert!(refused.hint.unwrap().contains("disk"));
    rig.start("r3", "now").await.unwrap();
    assert_eq!(rig.ended("r3").await.text, "fine");
}
