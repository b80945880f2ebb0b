//! Conformance of the records port.
