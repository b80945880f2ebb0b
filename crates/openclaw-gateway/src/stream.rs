//! Streams of one run that can be taken up again.
//!
//! A subscription is the run's journal, told in order, with the text that is
//! not in the journal yet after it. It keeps a position instead of a backlog:
//! whatever a client has not taken is read again, so a slow client, a new
//! connection and a new process all go on from the same kind of cursor. Called
//! by `methods::streams`; the pumps are futures of their connection.

pub(crate) mod feed;
pub(crate) mod pace;
pub(crate) mod payload;
pub(crate) mod pump;
pub(crate) mod telling;
