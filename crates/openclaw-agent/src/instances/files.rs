//! The files of an instance whose folder is gone when its run is taken up, and
//! those a fork begins with.
//!
//! A folder that is there is newer than anything that was kept and stays as it
//! is. Where there is none, it is made from what was kept last; and whoever works
//! in it is told what may be missing, for the conversation speaks of files that
//! the folder then may not have.

use std::collections::BTreeMap;

use openclaw_domain::fault::{Fault, Kind};
use openclaw_domain::ports::{JournalError, Keeping, Restored};
use openclaw_domain::run::ForkOrigin;
use openclaw_domain::scratch::KeptScratch;
use openclaw_domain::tool::Effect;
use openclaw_domain::{Recorded, RunEvent, RunId, Seq, SessionKey};

use super::Known;
use crate::recover::events_after;
use crate::shared::Shared;

/// Most tools named in a remark.
const NAMED_MAX: usize = 8;

/// Whose files a folder is made from.
struct Source<'a> {
    session: &'a SessionKey,
    run: &'a RunId,
    /// The last event that counts.
    through: Seq,
    is_fork: bool,
}

/// Makes the folder of a run that is taken up, if there is none.
///
/// # Errors
/// When it cannot be made, or what was kept cannot be read: a run that goes on
/// without its files is worse than one that does not.
pub(super) async fn bring_back(
    shared: &Shared,
    known: &Known,
    keeping: Keeping,
    origin: Option<&ForkOrigin>,
    last: Seq,
) -> Result<(), Fault> {
    let scratches = &shared.ports.scratches;
    if scratches.holds(&known.id).await? {
        return Ok(());
    }
    let (session, run) = known.name();
    let own = Source { session, run, through: last, is_fork: false };
    let restored = match (found(shared, &own).await?, origin) {
        // Tools of a fork that touches nothing answer from the record.
        ((None, _), Some(origin)) if !origin.is_live => return Ok(()),
        ((None, _), Some(origin)) => {
            let through = before_step(shared, origin).await?;
            let source = Source { session: &origin.session, run: &origin.run, through, is_fork: true };
            let (kept, acts) = found(shared, &source).await?;
            restored(kept, &acts, &source)
        }
        ((kept, acts), _) => restored(kept, &acts, &own),
    };
    let Some(restored) = restored else { return Ok(()) };
    let (files, is_told) = (restored.files.len(), restored.remark.is_some());
    if scratches.restore(&known.id, keeping, restored).await? {
        tracing::info!(%run, instance = %known.id, files, is_told, "the folder of an instance was made from kept files");
        shared.reach("scratch_restored");
    }
    Ok(())
}

/// Returns what was kept, and the tools whose calls may have changed files since.
async fn found(shared: &Shared, source: &Source<'_>) -> Result<(Option<KeptScratch>, Acts), Fault> {
    let journal = &shared.ports.journal;
    let kept = journal.scratch(source.session, source.run, source.through).await.map_err(|error| failed(&error))?;
    let after = kept.as_ref().map_or(Seq(0), |kept| kept.seq);
    let events = match events_after(shared, source.session, source.run, after).await {
        // The original of a fork was removed meanwhile.
        Err(fault) if fault.kind == Kind::NotFound => Vec::new(),
        events => events?,
    };
    Ok((kept, Acts::of(&events, source.through)))
}

/// Returns the last position of a fork's original at which its files were still
/// those that the step it begins with found: before the first call that acted.
async fn before_step(shared: &Shared, origin: &ForkOrigin) -> Result<Seq, Fault> {
    let events = match events_after(shared, &origin.session, &origin.run, Seq(0)).await {
        Err(fault) if fault.kind == Kind::NotFound => return Ok(Seq(0)),
        events => events?,
    };
    let is_step = |event: &RunEvent| matches!(event, RunEvent::ModelStarted { step, .. } if *step == origin.from_step);
    let from_there = events.iter().skip_while(|recorded| !is_step(&recorded.event));
    let acted = from_there.into_iter().find(|recorded| acts(&recorded.event).is_some());
    Ok(match acted {
        Some(acted) => Seq(acted.seq.0 - 1),
        None => events.last().map_or(Seq(0), |last| last.seq),
    })
}

/// Returns the tool that is let act on more than it reads.
fn acts(event: &RunEvent) -> Option<&String> {
    match event {
        RunEvent::ToolIntent { tool, effect, .. } if *effect != Effect::Pure => Some(tool),
        _ => None,
    }
}

/// Calls that were let act, by tool.
#[derive(Debug, Default, PartialEq, Eq)]
struct Acts(BTreeMap<String, usize>);

impl Acts {
    fn of(events: &[Recorded], through: Seq) -> Self {
        let mut found = BTreeMap::new();
        for recorded in events.iter().filter(|recorded| recorded.seq <= through) {
            if let Some(tool) = acts(&recorded.event) {
                *found.entry(tool.clone()).or_default() += 1;
            }
        }
        Self(found)
    }

    fn words(&self) -> String {
        let mut words: Vec<String> =
            self.0.iter().take(NAMED_MAX).map(|(tool, count)| format!("{count} of {tool}")).collect();
        let more = self.0.len().saturating_sub(NAMED_MAX);
        if more > 0 {
            words.push(format!("those of {more} other tools"));
        }
        words.join(", ")
    }
}

/// Returns the folder to make; `None` when an empty one says all.
fn restored(kept: Option<KeptScratch>, acts: &Acts, source: &Source<'_>) -> Option<Restored> {
    let whose = match source.is_fork {
        true => format!("the folder that run {} worked in", source.run),
        false => "your folder, which was lost".to_owned(),
    };
    let Some(kept) = kept else {
        if acts.0.is_empty() {
            return None;
        }
        let remark = format!(
            "Files: the current folder is empty. It stands in for {whose}; nothing of it could be kept. Calls that may \
             have written files there: {}. Do not rely on a file before you have seen that it is there.",
            acts.words()
        );
        return Some(Restored { files: Vec::new(), remark: Some(remark) });
    };
    let captured = kept.captured;
    let mut missing = Vec::new();
    if !acts.0.is_empty() {
        missing.push(format!("what these later calls changed: {}", acts.words()));
    }
    if captured.is_moving {
        missing.push("what programs that ran in the background wrote later".to_owned());
    }
    if !captured.left_out.is_empty() {
        missing.push(format!("what was not copied: {}", captured.left_out.words()));
    }
    let remark = (!missing.is_empty()).then(|| {
        format!(
            "Files: the current folder is a copy of {whose}, as it was a while before. It does not have {}. Do not rely \
             on a file before you have seen that it is as you expect.",
            missing.join("; ")
        )
    });
    Some(Restored { files: captured.files, remark })
}

fn failed(error: &JournalError) -> Fault {
    Fault::new(Kind::Unavailable, error.to_string())
}

#[cfg(test)]
mod tests {
    use openclaw_domain::scratch::{Captured, KeptFile, Reason};
    use openclaw_domain::{CallId, Timestamp};

    use super::*;

    fn intent(seq: u64, tool: &str, effect: Effect) -> Recorded {
        let call: CallId = format!("c{seq}").parse().unwrap();
        let event =
            RunEvent::ToolIntent { call, tool: tool.to_owned(), digest: String::new(), effect, action: String::new() };
        Recorded { seq: Seq(seq), epoch: openclaw_domain::Epoch(1), at: Timestamp(0), event }
    }

    fn check(kept: Option<Captured>, acts: &[Recorded], expected: Option<Option<&str>>) {
        let (session, run) = ("agent:own:main".parse().unwrap(), "r1".parse().unwrap());
        let source = Source { session: &session, run: &run, through: Seq(9), is_fork: false };
        let kept = kept.map(|captured| KeptScratch { seq: Seq(1), at: Timestamp(0), captured });
        let made = restored(kept, &Acts::of(acts, Seq(9)), &source).map(|restored| restored.remark);
        match (made, expected) {
            (Some(Some(remark)), Some(Some(part))) => assert!(remark.contains(part), "{remark}"),
            (made, expected) => assert_eq!(made, expected.map(|remark| remark.map(str::to_owned))),
        }
    }

    #[test]
    fn whoever_works_on_is_told_what_may_be_missing_and_nothing_when_all_is_there() {
        let whole = || Captured { files: vec![KeptFile::new("a", false, "x".into()).unwrap()], ..Captured::default() };
        let mut short = whole();
        short.left_out.add("a.iso", Reason::TooLarge);
        let act = [intent(2, "exec", Effect::Once), intent(3, "read", Effect::Pure), intent(10, "write", Effect::Once)];
        check(None, &[], None);
        check(None, &act[1..], None);
        check(
            None,
            &act,
            Some(Some("nothing of it could be kept. Calls that may have written files there: 1 of exec.")),
        );
        check(Some(whole()), &[], Some(None));
        check(Some(whole()), &act[1..], Some(None));
        check(Some(whole()), &act, Some(Some("what these later calls changed: 1 of exec.")));
        check(Some(short), &[], Some(Some("what was not copied: a.iso (is too large).")));
        check(Some(Captured { is_moving: true, ..whole() }), &[], Some(Some("programs that ran in the background")));
    }
}
