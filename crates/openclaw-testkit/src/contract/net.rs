//! Conformance of the net port.
