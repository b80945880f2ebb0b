//! Exit codes. Scripts rely on them: a code is never reused for another meaning.

/// How the program ended, as the shell sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Wrong usage or missing input.
    Usage,
    /// No such thing.
    NotFound,
    /// No gateway answers.
    Unreachable,
    /// Not signed in, or not allowed to.
    NotAllowed,
    /// Denied by policy or by a person.
    Denied,
    /// Waits for a person, or the question expired.
    Waits,
    /// A check found problems.
    Problems,
    /// The model or its provider failed.
    Model,
    /// Somebody else changed it meanwhile.
    Conflict,
    /// Whether it happened is not known.
    Unknown,
    /// A budget or ceiling was reached.
    Budget,
    /// Took too long.
    Timeout,
    /// Interrupted at the keyboard.
    Interrupted,
}

impl Exit {
    /// All of them, in order of their codes.
    pub const ALL: [Exit; 15] = [
        Exit::Done,
        Exit::Failed,
        Exit::Usage,
        Exit::NotFound,
        Exit::Unreachable,
        Exit::NotAllowed,
        Exit::Denied,
        Exit::Waits,
        Exit::Problems,
        Exit::Model,
        Exit::Conflict,
        Exit::Unknown,
        Exit::Budget,
        Exit::Timeout,
        Exit::Interrupted,
    ];

    /// Returns the number given to the shell.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NotFound => 3,
            Exit::Unreachable => 4,
            Exit::NotAllowed => 5,
            Exit::Denied => 6,
            Exit::Waits => 7,
            Exit::Problems => 8,
            Exit::Model => 9,
            Exit::Conflict => 10,
            Exit::Unknown => 11,
            Exit::Budget => 12,
            Exit::Timeout => 124,
            Exit::Interrupted => 130,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn codes_are_the_published_ones() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 124, 130]);
    }
}
