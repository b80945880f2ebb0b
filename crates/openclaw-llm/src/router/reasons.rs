//! Why candidates did not answer, each distinct cause once.
//!
//! Attempts that failed alike are counted, models that failed alike are named
//! together, so that an outage of a server reads as one cause. Called by
//! `candidates` and `cascade`.

use openclaw_domain::model::{Error, ErrorClass, ModelRef};

use super::words::class_in_words;

/// What kept a model from answering.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cause {
    /// It was not to be asked yet.
    Rest(String),
    /// It was asked and failed.
    Failure { class: ErrorClass, said: String },
}

#[derive(Debug)]
struct Reason {
    model: ModelRef,
    cause: Cause,
    tries: u32,
}

/// The reasons of one call, in the order in which models were asked.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    all: Vec<Reason>,
    /// Where the newest one stands.
    newest: usize,
}

impl Reasons {
    /// Notes that a model rests.
    pub(super) fn rests(&mut self, model: &ModelRef, because: &str) {
        self.put(model, Cause::Rest(because.to_owned()));
    }

    /// Notes a failure. The newest words of a kind of failure stand for all of it:
    /// servers put request ids and waiting times into them.
    pub(super) fn failed(&mut self, model: &ModelRef, error: &Error) {
        // A failure says more than a rest.
        self.all.retain(|reason| reason.model != *model || !matches!(reason.cause, Cause::Rest(_)));
        let said = error.message.trim_end_matches(['.', ' ']).to_owned();
        self.put(model, Cause::Failure { class: error.class, said });
    }

    fn put(&mut self, model: &ModelRef, cause: Cause) {
        let is_same = |reason: &Reason| reason.model == *model && reason.cause.kind() == cause.kind();
        self.newest = match self.all.iter().position(is_same) {
            Some(at) => {
                let reason = &mut self.all[at];
                reason.tries = reason.tries.saturating_add(1);
                reason.cause = cause;
                at
            }
            None => {
                self.all.push(Reason { model: model.clone(), cause, tries: 1 });
                self.all.len() - 1
            }
        };
    }

    /// Returns the newest reason in words.
    pub(super) fn newest(&self) -> String {
        self.all.get(self.newest).map(|reason| phrase(&[reason])).unwrap_or_default()
    }

    /// Tells whether more than one model failed.
    pub(super) fn has_several_models(&self) -> bool {
        self.all.iter().any(|reason| reason.model != self.all[0].model)
    }

    /// Returns all reasons in words.
    pub(super) fn all(&self) -> String {
        let mut groups: Vec<Vec<&Reason>> = Vec::new();
        for reason in &self.all {
            match groups.iter_mut().find(|group| group.iter().any(|other| other.cause == reason.cause)) {
                Some(group) => group.push(reason),
                None => groups.push(vec![reason]),
            }
        }
        groups.iter().map(|group| phrase(group)).collect::<Vec<_>>().join("; ")
    }
}

impl Cause {
    fn kind(&self) -> Option<ErrorClass> {
        match self {
            Cause::Rest(_) => None,
            Cause::Failure { class, .. } => Some(*class),
        }
    }
}

/// Says what models have in common that did not answer for one cause.
fn phrase(group: &[&Reason]) -> String {
    let names: Vec<String> = group.iter().map(|reason| reason.model.to_string()).collect();
    let names = match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some(_) | None => names.concat(),
    };
    match group.first().map(|reason| &reason.cause) {
        Some(Cause::Rest(because)) if group.len() > 1 => format!("{names} rest {because}"),
        Some(Cause::Rest(because)) => format!("{names} rests {because}"),
        Some(Cause::Failure { class, said }) => {
            let tries: u32 = group.iter().map(|reason| reason.tries).sum();
            let tried = if tries > 1 { format!(", tried {tries} times") } else { String::new() };
            format!("{names} failed ({}{tried}): {said}", class_in_words(*class))
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::error;

    fn check(failures: &[(&str, ErrorClass, &str)], expected: &str) {
        let mut reasons = Reasons::default();
        for (model, class, said) in failures {
            reasons.failed(&model.parse().unwrap(), &error(*class, *said));
        }
        assert_eq!(reasons.all(), expected);
    }

    #[test]
    fn a_cause_is_said_once_however_often_it_came() {
        use ErrorClass::{Network, RateLimited};
        check(&[("p/a", Network, "refused.")], "p/a failed (network error): refused");
        check(
            &[("p/a", Network, "refused"), ("p/a", Network, "refused"), ("p/a", Network, "refused")],
            "p/a failed (network error, tried 3 times): refused",
        );
        check(
            &[("p/a", RateLimited, "wait 2s, request r1"), ("p/a", RateLimited, "wait 1s, request r2")],
            "p/a failed (rate limited, tried 2 times): wait 1s, request r2",
        );
    }

    #[test]
    fn models_that_fail_alike_are_named_together_and_others_apart() {
        use ErrorClass::{Auth, Network};
        check(
            &[("p/a", Network, "refused"), ("p/b", Network, "refused"), ("q/c", Auth, "bad key")],
            "p/a and p/b failed (network error, tried 2 times): refused; q/c failed (login refused): bad key",
        );
        check(
            &[("p/a", Network, "refused"), ("p/a", Auth, "bad key")],
            "p/a failed (network error): refused; p/a failed (login refused): bad key",
        );
    }

    #[test]
    fn a_failure_replaces_the_rest_of_the_same_model_only() {
        let (a, b) = ("p/a".parse().unwrap(), "p/b".parse().unwrap());
        let mut reasons = Reasons::default();
        reasons.rests(&a, "after timeout");
        reasons.rests(&b, "after timeout");
        assert_eq!(reasons.all(), "p/a and p/b rest after timeout");
        reasons.failed(&a, &error(ErrorClass::Timeout, "silent"));
        assert_eq!(reasons.all(), "p/b rests after timeout; p/a failed (timeout): silent");
        assert_eq!(reasons.newest(), "p/a failed (timeout): silent");
    }
}
