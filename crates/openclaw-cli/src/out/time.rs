//! Durations and moments as people read them: "38 s ago", "3 d 4 h".

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::text::{self, Lang, fill};

/// Returns a duration in its two largest units.
pub(crate) fn span(ms: u64) -> String {
    let (seconds, minutes, hours, days) = (ms / 1000, ms / 60_000, ms / 3_600_000, ms / 86_400_000);
    let two = |big: u64, unit: &str, small: u64, small_unit: &str| {
        if small == 0 { format!("{big} {unit}") } else { format!("{big} {unit} {small} {small_unit}") }
    };
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{}.{} s", seconds, ms % 1000 / 100),
        10_000..60_000 => format!("{seconds} s"),
        60_000..3_600_000 => two(minutes, "min", seconds % 60, "s"),
        3_600_000..86_400_000 => two(hours, "h", minutes % 60, "min"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

/// Returns how long ago a moment was; "in ..." for one to come.
pub(crate) fn relative(at_ms: i64, now: Timestamp, lang: Lang) -> String {
    let distance = now.as_millisecond() - at_ms;
    let rounded = distance.unsigned_abs() / 1000 * 1000;
    let span = match rounded {
        0 => return text::JUST_NOW.in_lang(lang).to_owned(),
        1_000..60_000 => format!("{} s", rounded / 1000),
        60_000..3_600_000 => format!("{} min", rounded / 60_000),
        3_600_000..86_400_000 => format!("{} h", rounded / 3_600_000),
        _ => format!("{} d", rounded / 86_400_000),
    };
    let copy = if distance >= 0 { &text::AGO } else { &text::IN_TIME };
    fill(copy.in_lang(lang), &[("span", &span)])
}

/// Returns a moment in local time or UTC, to the second.
pub(crate) fn moment(at_ms: i64, is_utc: bool) -> String {
    let Ok(at) = Timestamp::from_millisecond(at_ms) else { return at_ms.to_string() };
    let zone = if is_utc { TimeZone::UTC } else { TimeZone::system() };
    at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Returns a moment for programs.
pub(crate) fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{moment, relative, span};
    use crate::text::Lang;

    #[test]
    fn spans_show_their_two_largest_units() {
        let shown: Vec<String> = [0, 999, 1_000, 9_999, 10_000, 59_999, 60_000, 252_000, 3_600_000, 273_600_000]
            .into_iter()
            .map(span)
            .collect();
        let wanted = ["0 ms", "999 ms", "1.0 s", "9.9 s", "10 s", "59 s", "1 min", "4 min 12 s", "1 h", "3 d 4 h"];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn moments_are_told_from_now() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        assert_eq!(relative(999_962_000, now, Lang::En), "38 s ago");
        assert_eq!(relative(999_962_000, now, Lang::Zh), "38 s 前");
        assert_eq!(relative(1_000_000_000, now, Lang::En), "just now");
        assert_eq!(relative(1_000_120_000, now, Lang::En), "in 2 min");
        assert_eq!(moment(0, true), "1970-01-01 00:00:00");
    }
}
