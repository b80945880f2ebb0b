//! What holds for the log of every run, whatever happened.

use openclaw_domain::event::{Recorded, RunEvent};
use openclaw_domain::ids::{Epoch, RunId};

/// I1 and I2: positions without a gap, epochs that never go back, one claim at the start of each.
pub(crate) fn judge(run: &RunId, found: &[Recorded]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut epoch = Epoch(0);
    for (n, recorded) in found.iter().enumerate() {
        if recorded.seq.0 != n as u64 + 1 {
            broken.push(format!("run {}: position {} stands at {}", run, recorded.seq.0, n + 1));
        }
        let is_claim = matches!(recorded.event, RunEvent::Claimed { .. });
        // An admission is `accepted` and the first claim; every later epoch begins with its claim.
        let must_claim = n == 1 || n > 1 && recorded.epoch > epoch;
        if recorded.epoch < epoch || is_claim != must_claim {
            broken.push(format!("run {}: epoch {} at {}", run, recorded.epoch.0, recorded.seq.0));
        }
        epoch = recorded.epoch;
    }
    broken
}
