//! Conformance of the files port.
