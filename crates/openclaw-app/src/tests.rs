//! What the parts must agree on although they cannot see each other.

use openclaw_security::names;

#[test]
fn every_tool_is_known_to_the_gate_by_its_name() {
    for entry in openclaw_tools::ALL {
        assert!(names::is_known(entry.id), "{} is in no group of the gate", entry.id);
    }
}
