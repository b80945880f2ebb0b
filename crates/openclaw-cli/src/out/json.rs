//! The JSON envelope: one document per command, success or failure. Fields are
//! only ever added.

use serde_json::{Map, Value, json};

use super::Report;
use crate::failure::Failure;

/// Returns the document of a command that worked.
pub(crate) fn success(report: &Report, at: &str) -> Value {
    let mut document = json!({
        "ok": true, "data": report.data, "warnings": report.warnings, "next": report.next,
    });
    if let (Some(map), Some(revision)) = (document.as_object_mut(), &report.revision) {
        map.insert("rev".to_owned(), revision.clone());
    }
    document["at"] = at.into();
    document
}

/// Returns the document of a command that failed.
pub(crate) fn failure(failure: &Failure, at: &str) -> Value {
    let mut error = Map::new();
    error.insert("code".to_owned(), failure.code.as_ref().into());
    error.insert("message".to_owned(), failure.message.as_str().into());
    if let Some(place) = &failure.place {
        let mut place_map = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                place_map.insert(key.to_owned(), value);
            }
        };
        put("file", place.file.clone().map(Value::from));
        put("line", place.line.map(Value::from));
        put("column", place.column.map(Value::from));
        put("path", place.path.clone().map(Value::from));
        put("now", place.now.clone().map(Value::from));
        error.insert("where".to_owned(), Value::Object(place_map));
    }
    error.insert("next".to_owned(), failure.next.clone().into());
    error.insert("exit".to_owned(), failure.exit.code().into());
    if let Some(details) = &failure.details {
        error.insert("details".to_owned(), details.as_ref().clone());
    }
    json!({"ok": false, "error": error, "at": at})
}

/// Returns the lines of a report for `--jsonl`: one per item of a list, else all on one.
pub(crate) fn lines(report: &Report) -> &[Value] {
    report.items.as_deref().unwrap_or(std::slice::from_ref(&report.data))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Report, failure, lines, success};
    use crate::exit::Exit;
    use crate::failure::{Failure, Place};

    #[test]
    fn success_and_failure_have_the_published_shape() {
        let report = Report { revision: Some(json!(12)), ..Report::of(json!({"a": 1})) };
        let document = json!({"ok": true, "data": {"a": 1}, "warnings": [], "next": [], "rev": 12, "at": "t"});
        assert_eq!(success(&report, "t"), document);
        let place = Place { file: Some("f".to_owned()), line: Some(4), ..Place::default() };
        let failed = Failure::new(Exit::Usage, "CONFIG_INVALID", "no").at(place).next("openclaw x");
        assert_eq!(
            failure(&failed, "t"),
            json!({"ok": false, "at": "t", "error": {"code": "CONFIG_INVALID", "message": "no",
                "where": {"file": "f", "line": 4}, "next": ["openclaw x"], "exit": 2}})
        );
    }

    #[test]
    fn a_list_becomes_one_line_per_item_and_all_else_one_line() {
        let data = json!({"a": [1, 2]});
        assert_eq!(lines(&Report::of(data.clone()).items(vec![json!(1), json!(2)])), [json!(1), json!(2)]);
        assert!(lines(&Report::of(data.clone()).items(Vec::new())).is_empty());
        assert_eq!(lines(&Report::of(data.clone())), [data]);
    }
}
