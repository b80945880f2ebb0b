//! What a person is asked during a run: whether a call is allowed, and whether a call
//! that was cut off happened. Reads the gateway's events and records into one form and
//! writes the answer; called by everything that shows such a question.

use serde_json::{Value, json};

use crate::peek;

/// The gateway's list of open approvals, and of open questions.
pub(crate) const APPROVALS: &str = "exec.approval.list";
pub(crate) const QUESTIONS: &str = "question.list";

/// Keys that mean something else while a question is open.
const TAKEN: [char; 1] = ['b'];

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// May this call run?
    Approval,
    /// Did this call happen? Nobody recorded it.
    Outcome,
}

impl Kind {
    /// Names it in lists.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Approval => "approval",
            Kind::Outcome => "question",
        }
    }
}

/// A question as the gateway sent it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asking {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    /// The payload of the event or the record of the list.
    pub(crate) payload: Value,
}

/// How a question was answered, here or elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    /// The decision, or the label of the chosen option; empty when its time was over.
    pub(crate) answer: String,
    pub(crate) by: String,
}

/// An answer that may be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) key: char,
    pub(crate) label: String,
    pub(crate) meaning: String,
}

impl Asking {
    /// Takes a record of one of the lists.
    pub(crate) fn of(kind: Kind, payload: &Value) -> Asking {
        Asking { kind, id: peek::text(payload, "/id"), payload: payload.clone() }
    }

    /// Reads an event that asks.
    pub(crate) fn read(event: &str, payload: &Value) -> Option<Asking> {
        let kind = match event {
            "exec.approval.requested" => Kind::Approval,
            "question.requested" => Kind::Outcome,
            _ => return None,
        };
        Some(Asking::of(kind, payload)).filter(|asking| !asking.id.is_empty())
    }

    /// Returns the conversation and the run it belongs to; empty when not said.
    pub(crate) fn belongs_to(&self) -> (String, String) {
        let session = peek::first_text(&self.payload, &["/request/sessionKey", "/sessionKey"]);
        (session, peek::first_text(&self.payload, &["/request/runId", "/runId"]))
    }

    /// Returns the agent.
    pub(crate) fn agent(&self) -> String {
        peek::first_text(&self.payload, &["/request/agentId", "/agentId"])
    }

    /// Returns the tool it is about.
    pub(crate) fn tool(&self) -> String {
        match self.kind {
            Kind::Approval => peek::first_text(&self.payload, &["/request/toolName", "/request/tool", "/approvalKind"]),
            Kind::Outcome => peek::text(&self.payload, "/questions/0/header"),
        }
    }

    /// Returns the literal text that is asked about, as it came.
    pub(crate) fn literal(&self) -> String {
        match self.kind {
            Kind::Approval => peek::text(&self.payload, "/request/command"),
            Kind::Outcome => peek::text(&self.payload, "/questions/0/question"),
        }
    }

    /// Tells whether the answer may be given for all such calls from now on.
    pub(crate) fn can_always(&self) -> bool {
        peek::list(&self.payload, "/request/allowedDecisions").iter().any(|one| one == "allow-always")
    }

    /// Returns the options of a question: by their first letters, else by number.
    pub(crate) fn choices(&self) -> Vec<Choice> {
        let options = peek::list(&self.payload, "/questions/0/options");
        let letters: Vec<char> = options
            .iter()
            .filter_map(|option| peek::text(option, "/label").chars().next())
            .map(|letter| letter.to_ascii_lowercase())
            .collect();
        let is_clear = |(at, letter): (usize, &char)| {
            letter.is_ascii_lowercase() && !TAKEN.contains(letter) && !letters[..at].contains(letter)
        };
        let by_letter = letters.len() == options.len() && letters.iter().enumerate().all(is_clear);
        let choice = |(option, number): (&Value, char)| Choice {
            key: number,
            label: peek::text(option, "/label"),
            meaning: peek::text(option, "/description"),
        };
        let mut choices: Vec<Choice> = options.iter().zip('1'..='9').map(choice).collect();
        if by_letter {
            choices.iter_mut().zip(letters).for_each(|(choice, letter)| choice.key = letter);
        }
        choices
    }

    /// Finds an answer by its key or its label; a dash stands for a space.
    pub(crate) fn chosen(&self, given: &str) -> Option<String> {
        let given = given.trim().to_ascii_lowercase().replace('-', " ");
        let fits = |choice: &Choice| choice.label.to_ascii_lowercase() == given || given == choice.key.to_string();
        self.choices().into_iter().find(fits).map(|choice| choice.label)
    }

    /// Tells whether one answer settles it: forms of several questions do not fit a card.
    pub(crate) fn is_single(&self) -> bool {
        match self.kind {
            Kind::Approval => true,
            Kind::Outcome => {
                let is_plain = |at: &str| !peek::is(&self.payload, &format!("/questions/0/{at}"));
                peek::list(&self.payload, "/questions").len() == 1
                    && ["multiSelect", "isSecret"].into_iter().all(is_plain)
                    && !self.choices().is_empty()
            }
        }
    }

    /// Returns the call that gives the answer.
    pub(crate) fn reply(&self, answer: &str) -> (&'static str, Value) {
        match self.kind {
            Kind::Approval => ("exec.approval.resolve", json!({ "id": self.id, "decision": answer })),
            Kind::Outcome => {
                let question = peek::text(&self.payload, "/questions/0/questionId");
                ("question.resolve", json!({ "id": self.id, "answers": { "answers": { question: [answer] } } }))
            }
        }
    }

    /// Returns the call a denied approval was about: id, tool and arguments.
    pub(crate) fn call(&self) -> (String, String, Value) {
        let request = &self.payload["request"];
        let arguments = match request.get("arguments") {
            Some(arguments) if arguments.is_object() => arguments.clone(),
            Some(_) | None => json!({ "command": self.literal() }),
        };
        (peek::text(request, "/toolCallId"), self.tool(), arguments)
    }
}

impl Answered {
    /// Reads an event that says how a question was answered.
    pub(crate) fn read(event: &str, payload: &Value) -> Option<Answered> {
        let (kind, answer) = match event {
            "exec.approval.resolved" => (Kind::Approval, peek::text(payload, "/decision")),
            "question.resolved" => (Kind::Outcome, chosen(payload)),
            _ => return None,
        };
        Some(Answered { kind, id: peek::text(payload, "/id"), answer, by: peek::text(payload, "/resolvedBy") })
    }

    /// Tells whether a call was refused by it.
    pub(crate) fn is_denial(&self) -> bool {
        self.kind == Kind::Approval && self.answer == "deny"
    }
}

/// Returns the label chosen in a resolved question.
fn chosen(payload: &Value) -> String {
    let answers = payload.pointer("/answers/answers").and_then(Value::as_object);
    let first = answers.and_then(|answers| answers.values().next());
    first.map(|labels| peek::text(labels, "/0")).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A question as the gateway sends it.
    pub(crate) fn outcome(id: &str, session: &str) -> Value {
        json!({ "id": id, "agentId": "main", "sessionKey": session, "runId": "r1", "createdAtMs": 1,
            "expiresAtMs": 86_400_001, "status": "pending", "questions": [{ "questionId": "outcome", "header": "Outcome",
                "question": "send {\"to\":\"Bo\"}\n\nThe program stopped while this call was running. Did it happen?",
                "options": [{ "label": "happened", "description": "It is not done again." },
                    { "label": "not happened", "description": "It is done now." },
                    { "label": "unknown", "description": "Nobody knows." }] }] })
    }

    #[test]
    fn options_are_chosen_by_their_first_letters_or_by_number() {
        let keys = |payload: &Value| -> String {
            Asking::of(Kind::Outcome, payload).choices().iter().map(|choice| choice.key).collect()
        };
        let mut question = outcome("u1", "s");
        assert_eq!(keys(&question), "hnu");
        question["questions"][0]["options"][0]["label"] = json!("never");
        assert_eq!(keys(&question), "123");
        question["questions"][0]["options"][0]["label"] = json!("both");
        assert_eq!(keys(&question), "123");
    }

    #[test]
    fn the_answer_is_written_as_the_contract_wants_it() {
        let asking = Asking::read("question.requested", &outcome("u1", "s")).unwrap();
        assert!(asking.is_single());
        let expected = json!({ "id": "u1", "answers": { "answers": { "outcome": ["not happened"] } } });
        assert_eq!(asking.reply("not happened"), ("question.resolve", expected));
        let resolved =
            json!({ "id": "u1", "status": "answered", "answers": { "answers": { "outcome": ["happened"] } } });
        assert_eq!(Answered::read("question.resolved", &resolved).unwrap().answer, "happened");
        let expired = Answered::read("question.resolved", &json!({ "id": "u1", "status": "expired" })).unwrap();
        assert_eq!((expired.answer.as_str(), expired.is_denial()), ("", false));
    }

    #[test]
    fn forms_and_secrets_are_not_answered_by_a_key() {
        let mut question = outcome("u1", "s");
        question["questions"][0]["isSecret"] = json!(true);
        assert!(!Asking::of(Kind::Outcome, &question).is_single());
        let mut question = outcome("u1", "s");
        let first = question["questions"][0].clone();
        question["questions"].as_array_mut().unwrap().push(first);
        assert!(!Asking::of(Kind::Outcome, &question).is_single());
    }
}
