//! Answers that are sent to people besides the transcript.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use openclaw_domain::delivery::{DeliveryRecord, DeliveryState, Destination, Retention};
use openclaw_domain::ports::{Courier, Due, Journal, Outbox, Runs, Sent};
use openclaw_domain::run::QueueMode;
use openclaw_domain::{Kind, RunRequest};
use openclaw_testkit::memory::Store;
use openclaw_testkit::model::Turn;
use openclaw_testkit::{Latch, ScriptedModel};

use crate::harness::{Rig, Setup, request, soon};

/// A channel that answers what a test wrote down, then takes everything.
struct Post {
    answers: Mutex<Vec<Sent>>,
    deduplicates: bool,
    hold: Option<Latch>,
    seen: Mutex<Vec<Due>>,
}

impl Post {
    fn new(answers: impl IntoIterator<Item = Sent>) -> Self {
        let mut answers: Vec<Sent> = answers.into_iter().collect();
        answers.reverse();
        Self { answers: Mutex::new(answers), deduplicates: false, hold: None, seen: Mutex::default() }
    }

    fn attempts(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

#[async_trait]
impl Courier for Post {
    fn channel(&self) -> &'static str {
        "post"
    }

    fn deduplicates(&self) -> bool {
        self.deduplicates
    }

    async fn send(&self, due: &Due) -> Sent {
        self.seen.lock().unwrap().push(due.clone());
        if let Some(latch) = &self.hold {
            latch.pass().await;
        }
        self.answers.lock().unwrap().pop().unwrap_or_else(|| Sent::Taken(format!("post-{}", due.id)))
    }
}

fn rig(owner: &'static str, store: Option<&Arc<Store>>, post: &Arc<Post>) -> Rig {
    let mut setup = Setup::new(ScriptedModel::answering(|_| Turn::say("hello")));
    setup.couriers = vec![post.clone()];
    setup.owner = owner;
    if let Some(store) = store {
        setup.store = store.clone();
    }
    let rig = setup.build();
    rig.engine.watch();
    rig
}

fn to_post(id: &str) -> RunRequest {
    let to = Destination { channel: "post".into(), to: "ann".into(), account: None, thread: None };
    RunRequest { deliver: Some(to), ..request(id, "hi", QueueMode::Followup) }
}

async fn only(rig: &Rig) -> DeliveryRecord {
    let all = rig.store.deliveries(None, 10).await.unwrap();
    assert_eq!(all.len(), 1);
    all.into_iter().next().unwrap()
}

async fn reaches(rig: &Rig, state: DeliveryState) -> DeliveryRecord {
    soon("the delivery's state", async || {
        let all = rig.store.deliveries(Some(state), 10).await.unwrap();
        all.len() == 1
    })
    .await;
    only(rig).await
}

#[tokio::test]
async fn an_answer_is_sent_at_once_and_has_the_channels_id() {
    let post = Arc::new(Post::new([]));
    let rig = rig("boot-1", None, &post);
    rig.engine.start(to_post("r1")).await.unwrap();
    let sent = reaches(&rig, DeliveryState::Sent).await;
    assert_eq!((sent.delivery.text.as_str(), sent.provider_id.as_deref()), ("hello", Some("post-1")));
    // The same request again sends nothing.
    rig.engine.start(to_post("r1")).await.unwrap();
    rig.start("r2", "without a destination").await.unwrap();
    rig.ended("r2").await;
    rig.clock.advance(Duration::from_secs(60)).await;
    assert_eq!(post.attempts(), 1);
    assert_eq!(only(&rig).await.attempts, 1);
}

#[tokio::test]
async fn a_busy_channel_is_tried_again_until_it_takes_the_message() {
    let later = || Sent::Later("busy".into(), Duration::ZERO);
    let post = Arc::new(Post::new([later(), later()]));
    let rig = rig("boot-1", None, &post);
    rig.engine.start(to_post("r1")).await.unwrap();
    soon("the first attempt", async || post.attempts() == 1).await;
    let waits = reaches(&rig, DeliveryState::Pending).await;
    assert_eq!(waits.message.as_deref(), Some("busy"));
    rig.clock.advance(Duration::from_millis(400)).await;
    assert_eq!(post.attempts(), 1, "it is not tried again at once");
    rig.clock.advance(Duration::from_secs(20)).await;
    let sent = reaches(&rig, DeliveryState::Sent).await;
    assert_eq!((sent.attempts, post.attempts()), (3, 3));
    let keys: Vec<String> = post.seen.lock().unwrap().iter().map(|due| due.delivery.idempotency_key.clone()).collect();
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[tokio::test]
async fn a_message_that_may_have_been_taken_is_repeated_only_where_repetitions_are_dropped() {
    for (deduplicates, ends, attempts) in [(false, DeliveryState::Unknown, 1), (true, DeliveryState::Sent, 2)] {
        let answers = [Sent::Unknown("the line broke".into())];
        let post = Arc::new(Post { deduplicates, ..Post::new(answers) });
        let rig = rig("boot-1", None, &post);
        rig.engine.start(to_post("r1")).await.unwrap();
        soon("the first attempt", async || post.attempts() == 1).await;
        rig.clock.advance(Duration::from_secs(60)).await;
        reaches(&rig, ends).await;
        assert_eq!(post.attempts(), attempts);
    }
}

#[tokio::test]
async fn what_was_being_sent_when_the_program_died_is_shown_and_not_sent_again() {
    for (deduplicates, ends, attempts) in [(false, DeliveryState::Unknown, 0), (true, DeliveryState::Sent, 1)] {
        let held = Arc::new(Post { hold: Some(Latch::new()), ..Post::new([]) });
        let first = rig("boot-1", None, &held);
        first.engine.start(to_post("r1")).await.unwrap();
        soon("the attempt", async || held.attempts() == 1).await;
        assert_eq!(only(&first).await.state, DeliveryState::Sending);

        let post = Arc::new(Post { deduplicates, ..Post::new([]) });
        let second = rig("boot-2", Some(&first.store), &post);
        let record = reaches(&second, ends).await;
        second.clock.advance(Duration::from_secs(60)).await;
        assert_eq!((post.attempts(), record.attempts), (attempts, 1 + u32::try_from(attempts).unwrap()));
        // The first owner comes back too late to say anything about it.
        held.hold.as_ref().unwrap().open();
        first.clock.advance(Duration::from_secs(10)).await;
        assert_eq!(only(&second).await.state, ends);
    }
}

#[tokio::test]
async fn a_person_may_repeat_it_and_nothing_is_sent_after_its_time() {
    let post = Arc::new(Post::new([Sent::Refused("no such chat".into())]));
    let rig = rig("boot-1", None, &post);
    rig.engine.start(to_post("r1")).await.unwrap();
    let failed = reaches(&rig, DeliveryState::Failed).await;
    assert_eq!(failed.message.as_deref(), Some("no such chat"));
    rig.clock.advance(Duration::from_secs(3600)).await;
    assert_eq!(post.attempts(), 1);
    assert!(rig.store.retry(failed.id, openclaw_domain::ports::Clock::now(&*rig.clock)).await.unwrap());
    rig.clock.advance(Duration::from_secs(10)).await;
    reaches(&rig, DeliveryState::Sent).await;
    assert_eq!(post.attempts(), 2);
}

#[tokio::test]
async fn an_answer_that_was_left_is_sent_after_a_restart_unless_its_time_has_passed() {
    for (later, ends) in [(900, DeliveryState::Sent), (901, DeliveryState::Failed)] {
        let mut setup = Setup::new(ScriptedModel::new([Turn::say("hello")]));
        let post = Arc::new(Post::new([]));
        setup.couriers = vec![post.clone()];
        // This owner does not send.
        let first = setup.build();
        first.engine.start(to_post("r1")).await.unwrap();
        first.ended("r1").await;
        first.engine.shutdown().await;
        assert_eq!(only(&first).await.state, DeliveryState::Pending);

        let mut setup = Setup::new(ScriptedModel::new([]));
        setup.couriers = vec![post.clone()];
        (setup.owner, setup.store) = ("boot-2", first.store.clone());
        let second = setup.build();
        second.clock.advance(Duration::from_secs(later)).await;
        second.engine.watch();
        reaches(&second, ends).await;
        assert_eq!(post.attempts(), usize::from(ends == DeliveryState::Sent));
    }
}

#[tokio::test]
async fn a_channel_that_is_not_there_is_refused_when_the_request_comes_with_those_that_are() {
    let post = Arc::new(Post::new([]));
    let rig = rig("boot-1", None, &post);
    let mut request = to_post("r1");
    if let Some(to) = &mut request.deliver {
        to.channel = "pigeon".into();
    }
    let fault = rig.engine.start(request.clone()).await.unwrap_err();
    assert_eq!(fault.kind, Kind::User);
    assert_eq!(fault.message, "there is no channel \"pigeon\" to send the answer to (known: post)");
    assert_eq!(rig.store.runs(None, false, 10).await.unwrap(), [], "nothing was accepted");
    let without = Setup::new(ScriptedModel::new([])).build();
    let fault = without.engine.start(request).await.unwrap_err();
    assert!(fault.message.ends_with("(there are none)"), "{fault}");
}

#[tokio::test]
async fn a_channel_that_is_not_there_any_more_fails_by_name() {
    let held = Arc::new(Post { hold: Some(Latch::new()), ..Post::new([]) });
    let first = Setup { couriers: vec![held], ..Setup::new(ScriptedModel::new([Turn::say("hello")])) }.build();
    first.engine.start(to_post("r1")).await.unwrap();
    first.ended("r1").await;
    let second = Setup { store: first.store.clone(), owner: "boot-2", ..Setup::new(ScriptedModel::new([])) }.build();
    second.engine.watch();
    let failed = reaches(&second, DeliveryState::Failed).await;
    assert_eq!(failed.message.as_deref(), Some("there is no channel post"));
}

#[tokio::test]
async fn what_is_long_over_is_forgotten_within_the_hour() {
    let mut setup = Setup::new(ScriptedModel::answering(|_| Turn::say("hello")));
    setup.couriers = vec![Arc::new(Post::new([]))];
    setup.retention = Retention { age_max: Duration::from_secs(600), count_max: 100 };
    let rig = setup.build();
    rig.engine.watch();
    rig.engine.start(to_post("r1")).await.unwrap();
    reaches(&rig, DeliveryState::Sent).await;
    rig.clock.advance(Duration::from_secs(590)).await;
    assert_eq!(only(&rig).await.state, DeliveryState::Sent, "it is not too old yet");
    rig.clock.advance(Duration::from_secs(3100)).await;
    soon("it to be forgotten", async || rig.store.deliveries(None, 10).await.unwrap().is_empty()).await;
}
