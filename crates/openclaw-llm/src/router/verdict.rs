//! What follows a failure. Pure tables, no clock.

use std::time::Duration;

use openclaw_domain::model::{Error, ErrorClass, Thinking};

/// Attempts after the first with the same credential and model.
pub(super) const RETRIES_MAX: u32 = 2;
/// Longest wait when somebody else could answer meanwhile.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest wait when nobody else can.
const WAIT_ALONE_MAX: Duration = Duration::from_secs(60);
/// How long a credential rests after it was refused or its money is gone.
const REST_LONG: Duration = Duration::from_secs(600);
/// How long it rests after passing trouble, by failures in a row.
const RESTS: [Duration; 3] = [Duration::from_secs(30), Duration::from_secs(60), Duration::from_secs(300)];

/// Where a failed attempt stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// Attempts made with this credential and model, this one included, forms and levels not counted.
    pub(super) tries: u32,
    /// Whether somebody else is left to ask.
    pub(super) has_others: bool,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The same again after a wait.
    Again(Duration),
    /// The same with less thinking.
    ThinkLess,
    /// The same in a plainer form.
    Plainer,
    /// Another credential, then another model; this one rests.
    Rotate,
    /// Another model; this one rests.
    Cascade,
    /// Another model; nothing rests.
    Skip,
    /// Give up.
    Stop,
}

/// Decides what follows a failure.
pub(super) fn verdict(error: &Error, standing: Standing) -> Verdict {
    let retry = |max: u32, otherwise: Verdict| {
        let wait = wait(error, standing.tries);
        let limit = if standing.has_others { WAIT_MAX } else { WAIT_ALONE_MAX };
        if standing.tries <= max && wait <= limit { Verdict::Again(wait) } else { otherwise }
    };
    match error.class {
        ErrorClass::Auth | ErrorClass::Quota => Verdict::Rotate,
        ErrorClass::RateLimited => retry(RETRIES_MAX, Verdict::Rotate),
        ErrorClass::Overloaded | ErrorClass::Network => retry(RETRIES_MAX, Verdict::Cascade),
        ErrorClass::Truncated | ErrorClass::Protocol => retry(1, Verdict::Cascade),
        // Each try may cost the whole silence limit.
        ErrorClass::Timeout if standing.has_others => Verdict::Cascade,
        ErrorClass::Timeout => retry(1, Verdict::Cascade),
        ErrorClass::NoSuchModel | ErrorClass::NotConfigured => Verdict::Skip,
        ErrorClass::ThinkingRefused => Verdict::ThinkLess,
        ErrorClass::BadRequest => Verdict::Plainer,
        ErrorClass::ContextOverflow | ErrorClass::ContentRefused => Verdict::Stop,
    }
}

/// Returns how long to wait before the next try: what was asked, else half a second doubling.
fn wait(error: &Error, tries: u32) -> Duration {
    if let Some(asked) = error.retry_after {
        return asked;
    }
    match error.class {
        // A connection closed between turns is simply opened again.
        ErrorClass::Network | ErrorClass::Truncated | ErrorClass::Protocol if tries <= 1 => Duration::ZERO,
        _ => Duration::from_millis(500u64 << tries.saturating_sub(1).min(4)),
    }
}

/// Returns how long a credential rests for a model after this failure.
pub(super) fn rest(error: &Error, failures: u32) -> Duration {
    let step = RESTS[(failures.saturating_sub(1) as usize).min(RESTS.len() - 1)];
    match error.class {
        ErrorClass::Auth | ErrorClass::Quota => REST_LONG,
        ErrorClass::RateLimited => step.max(error.retry_after.unwrap_or(Duration::ZERO)),
        _ => step,
    }
}

/// Returns the level to try instead of those refused; `None` says nothing about thinking.
pub(super) fn level(wanted: Thinking, refused: &[Thinking]) -> Option<Thinking> {
    let mut level = Some(wanted);
    while let Some(at) = level {
        if !refused.contains(&at) {
            return Some(at);
        }
        level = at.weaker();
    }
    // Some models cannot be switched off: the least they offer.
    let least = [Thinking::Minimal, Thinking::Low];
    least.into_iter().find(|level| wanted == Thinking::Off && !refused.contains(level))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::error;

    fn check(class: ErrorClass, tries: u32, has_others: bool, expected: Verdict) {
        let got = verdict(&error(class, ""), Standing { tries, has_others });
        assert_eq!(got, expected, "{class:?} after {tries}");
    }

    #[test]
    fn each_class_has_its_verdict_and_every_tier_ends() {
        check(ErrorClass::Auth, 1, false, Verdict::Rotate);
        check(ErrorClass::Quota, 1, true, Verdict::Rotate);
        check(ErrorClass::RateLimited, 2, true, Verdict::Again(Duration::from_secs(1)));
        check(ErrorClass::RateLimited, 3, true, Verdict::Rotate);
        check(ErrorClass::Network, 1, true, Verdict::Again(Duration::ZERO));
        check(ErrorClass::Network, 3, true, Verdict::Cascade);
        check(ErrorClass::Truncated, 1, true, Verdict::Again(Duration::ZERO));
        check(ErrorClass::Truncated, 2, true, Verdict::Cascade);
        check(ErrorClass::Timeout, 1, true, Verdict::Cascade);
        check(ErrorClass::NoSuchModel, 1, true, Verdict::Skip);
        check(ErrorClass::BadRequest, 1, true, Verdict::Plainer);
        check(ErrorClass::ContextOverflow, 1, true, Verdict::Stop);
        check(ErrorClass::ContentRefused, 1, true, Verdict::Stop);
    }

    #[test]
    fn an_asked_wait_is_honoured_within_bounds() {
        let asked = |seconds, has_others| {
            let error = Error { retry_after: Some(Duration::from_secs(seconds)), ..error(ErrorClass::RateLimited, "") };
            verdict(&error, Standing { tries: 1, has_others })
        };
        assert_eq!(asked(5, true), Verdict::Again(Duration::from_secs(5)));
        assert_eq!(asked(6, true), Verdict::Rotate);
        assert_eq!(asked(60, false), Verdict::Again(Duration::from_secs(60)));
        assert_eq!(asked(61, false), Verdict::Rotate);
    }

    #[test]
    fn thinking_steps_down_and_ends_with_silence() {
        use Thinking::{High, Low, Medium, Minimal, Off};
        assert_eq!(level(High, &[]), Some(High));
        assert_eq!(level(High, &[High]), Some(Medium));
        assert_eq!(level(High, &[High, Medium, Low]), Some(Off));
        assert_eq!(level(High, &[High, Medium, Low, Off]), None);
        assert_eq!(level(Off, &[Off]), Some(Minimal));
        assert_eq!(level(Off, &[Off, Minimal]), Some(Low));
        assert_eq!(level(Off, &[Off, Minimal, Low]), None);
    }
}
