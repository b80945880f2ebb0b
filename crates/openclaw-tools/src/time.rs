//! Writes points in time for models and people.

use openclaw_domain::Timestamp;

/// Returns `2026-11-20 08:58 UTC`.
pub(crate) fn minute(at: Timestamp) -> String {
    // A time no calendar holds is shown as its number rather than as a wrong date.
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map_or_else(|_| at.as_millis().to_string(), |it| it.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_and_in_utc() {
        assert_eq!(minute(Timestamp(1_795_164_180_000)), "2026-11-20 08:43 UTC");
        assert_eq!(minute(Timestamp(i64::MAX)), i64::MAX.to_string());
    }
}
