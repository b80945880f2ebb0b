//! Conformance of the processes port.
