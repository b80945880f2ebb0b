//! Another way from the middle of a recorded run.
