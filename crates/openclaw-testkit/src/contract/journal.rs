//! Conformance of the journal port.
