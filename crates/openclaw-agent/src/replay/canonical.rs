//! One way to write the arguments of a call, so that equal calls look equal.

/// Writes arguments with sorted keys and no spaces; text that is no JSON stays as it is.
pub(super) fn arguments(text: &str) -> String {
    serde_json::from_str::<serde_json::Value>(text).map_or_else(
        |_| text.to_owned(),
        |mut value| {
            value.sort_all_objects();
            value.to_string()
        },
    )
}
