//! Counts and sizes as people read them.

/// `212`, `3.1k`, `1.2M`.
pub(crate) fn thousands(count: i64) -> String {
    match count {
        1_000_000.. => format!("{:.1}M", count as f64 / 1e6),
        1_000.. => format!("{:.1}k", count as f64 / 1e3),
        _ => count.to_string(),
    }
}

/// `512 B`, `1.1 KB`, `3.4 MB`.
pub(crate) fn bytes(count: usize) -> String {
    match count {
        1_000_000.. => format!("{:.1} MB", count as f64 / 1e6),
        1_000.. => format!("{:.1} KB", count as f64 / 1e3),
        _ => format!("{count} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, thousands};

    #[test]
    fn counts_are_short() {
        assert_eq!([thousands(212), thousands(3_140), thousands(1_200_000)], ["212", "3.1k", "1.2M"]);
        assert_eq!([bytes(999), bytes(1_100), bytes(3_400_000)], ["999 B", "1.1 KB", "3.4 MB"]);
    }
}
