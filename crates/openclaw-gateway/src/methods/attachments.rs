//! Attached files: pictures go to the model as pictures, text as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openclaw_domain::message::Part;
use openclaw_protocol::ErrorBody;
use serde_json::Value;

use crate::convert::fault::invalid;

const COUNT_MAX: usize = 20;
/// The sizes `hello-ok` announces, after base64.
const IMAGE_BYTES_MAX: usize = 6_291_456;
const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Returns the attachments as message parts.
pub(crate) fn parts(value: Option<&Value>) -> Result<Vec<Part>, ErrorBody> {
    let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if items.len() > COUNT_MAX {
        return Err(invalid(format!("at most {COUNT_MAX} attachments can be sent at once")));
    }
    items.iter().enumerate().map(|(index, item)| part(index, item)).collect()
}

fn part(index: usize, item: &Value) -> Result<Part, ErrorBody> {
    let text = |name: &str| item.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = text("fileName").map_or_else(|| format!("attachment {}", index + 1), str::to_owned);
    let Some(content) = text("content") else {
        return Err(invalid(format!("{name} has no content; send it base64-encoded in `content`")));
    };
    let (inner_type, data) = match content.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
        Some((inner_type, data)) => (Some(inner_type), data),
        None => (None, content),
    };
    let media_type = text("mimeType").or(inner_type).unwrap_or("application/octet-stream");
    if media_type.starts_with("image/") {
        if data.len() > IMAGE_BYTES_MAX {
            return Err(invalid(format!("{name} is larger than {IMAGE_BYTES_MAX} bytes; send a smaller picture")));
        }
        STANDARD.decode(data).map_err(|_| invalid(format!("{name} is not valid base64")))?;
        return Ok(Part::Image { media_type: media_type.to_owned(), data: data.to_owned() });
    }
    let is_text = media_type.starts_with("text/") || matches!(media_type, "application/json" | "application/xml");
    if !is_text {
        return Err(invalid(format!("{name} is {media_type}; only pictures and text can be attached")));
    }
    let bytes = STANDARD.decode(data).map_err(|_| invalid(format!("{name} is not valid base64")))?;
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(invalid(format!("{name} is larger than {TEXT_BYTES_MAX} bytes; put it in the workspace instead")));
    }
    let body = String::from_utf8(bytes).map_err(|_| invalid(format!("{name} is not UTF-8 text")))?;
    Ok(Part::text(format!("Attached file {name}:\n{body}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(item: Value, expected: Result<Part, &str>) {
        let found = parts(Some(&json!([item]))).map(|mut parts| parts.remove(0)).map_err(|error| error.message);
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn pictures_and_text_are_taken_and_the_rest_is_named() {
        let image = Part::Image { media_type: "image/png".into(), data: "AAAA".into() };
        check(json!({"mimeType": "image/png", "content": "AAAA"}), Ok(image.clone()));
        check(json!({"content": "data:image/png;base64,AAAA"}), Ok(image));
        check(
            json!({"mimeType": "text/plain", "fileName": "a.txt", "content": "aGk="}),
            Ok(Part::text("Attached file a.txt:\nhi")),
        );
        check(
            json!({"mimeType": "application/zip", "content": "AAAA"}),
            Err("attachment 1 is application/zip; only pictures and text can be attached"),
        );
        check(json!({"mimeType": "image/png", "content": "!"}), Err("attachment 1 is not valid base64"));
    }
}
