//! The flags every command takes.

use std::time::Duration;

use clap::{ArgAction, Args};

const COMMON: &str = "Common flags";

/// The flags every command takes.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Flags {
    /// Print one JSON document, also on failure
    #[arg(long, global = true, help_heading = COMMON)]
    pub(crate) json: bool,
    /// Print one JSON value per line
    #[arg(long, global = true, help_heading = COMMON, hide_short_help = true, conflicts_with = "json")]
    pub(crate) jsonl: bool,
    /// Print tables tab-separated, without a header
    #[arg(long, global = true, help_heading = COMMON, hide_short_help = true)]
    pub(crate) plain: bool,
    /// Print only data and errors
    #[arg(short, long, global = true, help_heading = COMMON, hide_short_help = true)]
    pub(crate) quiet: bool,
    /// Say more; twice says most
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = COMMON, hide_short_help = true)]
    pub(crate) verbose: u8,
    /// Never write colour
    #[arg(long, global = true, help_heading = COMMON, hide_short_help = true)]
    pub(crate) no_color: bool,
    /// When to write colour: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", value_parser = ["auto", "always", "never"], default_value = "auto",
        help_heading = COMMON, hide_short_help = true)]
    pub(crate) color: String,
    /// Never ask; fail naming the missing flag
    #[arg(long, global = true, visible_alias = "non-interactive", help_heading = COMMON, hide_short_help = true)]
    pub(crate) no_input: bool,
    /// Answer yes to confirmations of destructive commands
    #[arg(short, long, global = true, help_heading = COMMON, hide_short_help = true)]
    pub(crate) yes: bool,
    /// Longest wait, for example 30s or 2m
    #[arg(long, global = true, value_name = "TIME", value_parser = duration, help_heading = COMMON, hide_short_help = true)]
    pub(crate) timeout: Option<Duration>,
    /// Use the installation of this name
    #[arg(long, global = true, value_name = "NAME", help_heading = COMMON, hide_short_help = true)]
    pub(crate) profile: Option<String>,
    /// Use the installation named dev
    #[arg(long, global = true, conflicts_with = "profile", help_heading = COMMON, hide_short_help = true)]
    pub(crate) dev: bool,
    /// Talk to the gateway at this address
    #[arg(long, global = true, visible_alias = "url", value_name = "URL", help_heading = COMMON, hide_short_help = true)]
    pub(crate) gateway: Option<String>,
    /// Language: en or zh
    #[arg(long, global = true, value_name = "LANG", value_parser = ["en", "zh"], help_heading = COMMON, hide_short_help = true)]
    pub(crate) lang: Option<String>,
    /// Do not fit tables to the terminal
    #[arg(long, global = true, help_heading = COMMON, hide_short_help = true)]
    pub(crate) wide: bool,
    /// Show times in UTC
    #[arg(long, global = true, help_heading = COMMON, hide_short_help = true)]
    pub(crate) utc: bool,
    /// Table columns to show, separated by commas
    #[arg(long, global = true, value_name = "A,B", value_delimiter = ',', help_heading = COMMON, hide_short_help = true)]
    pub(crate) columns: Vec<String>,
}

impl Flags {
    /// Tells whether a program reads the output.
    pub(crate) fn is_machine(&self) -> bool {
        self.json || self.jsonl
    }

    /// Returns the installation's name.
    pub(crate) fn profile_name(&self) -> Option<String> {
        if self.dev { Some("dev".to_owned()) } else { self.profile.clone() }
    }
}

/// Reads `30`, `30s`, `2m`, `1h` or `500ms`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time; use a number with ms, s, m or h, for example 30s");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().map_err(|_| wrong())?;
    let seconds = match &text[digits.len()..] {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(seconds).ok().filter(|time| *time <= Duration::from_secs(30 * 86_400)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn times_take_a_unit_or_are_seconds() {
        let ms = |text: &str| duration(text).map(|time| time.as_millis());
        assert_eq!(ms("30"), Ok(30_000));
        assert_eq!(ms("30s"), Ok(30_000));
        assert_eq!(ms("500ms"), Ok(500));
        assert_eq!(ms("2m"), Ok(120_000));
        assert_eq!(ms("1.5h"), Ok(5_400_000));
        assert_eq!(duration("2592000"), Ok(Duration::from_secs(2_592_000)));
        for wrong in ["", "s", "-1", "1d", "NaN", "inf", "1e99", "2592001", "1 s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
