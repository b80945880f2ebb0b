//! Reads a response body up to a limit.
//!
//! For the web tools. A longer body is cut, not refused: the start of a page is
//! worth more than an error. Dropping the rest closes the connection.

use futures_util::StreamExt;
use openclaw_domain::ports::net;
use openclaw_domain::tool::Error;

/// The bytes read, and whether there were more.
pub(crate) struct Read {
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_cut: bool,
}

pub(crate) async fn read(mut body: net::Body, bytes_max: usize) -> Result<Read, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| failed(&error))?;
        let room = bytes_max - bytes.len();
        if chunk.len() > room {
            bytes.extend_from_slice(&chunk[..room]);
            return Ok(Read { bytes, is_cut: true });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Read { bytes, is_cut: false })
}

/// Says what went wrong and what to do next.
pub(crate) fn failed(error: &net::Error) -> Error {
    let hint = match error {
        net::Error::BadUrl { .. } => "give an absolute http or https URL",
        net::Error::Blocked { .. } => "web tools reach public addresses only",
        net::Error::NoSuchHost { .. } => "check the name, or search for the page",
        net::Error::Connect { .. } | net::Error::Unreachable { .. } | net::Error::Timeout { .. } => {
            "try again later, or another source"
        }
        net::Error::TooLarge { .. } => "ask for a smaller page",
        net::Error::TooManyRedirects { .. } => "try the final address directly",
    };
    Error::tell(format!("{error}; {hint}"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;

    use super::*;

    async fn check(chunks: &[&'static str], bytes_max: usize) -> (String, bool) {
        let chunks: Vec<_> = chunks.iter().map(|it| Ok(Bytes::from_static(it.as_bytes()))).collect();
        let read = read(Box::pin(stream::iter(chunks)), bytes_max).await.unwrap();
        (String::from_utf8(read.bytes).unwrap(), read.is_cut)
    }

    #[tokio::test]
    async fn a_body_at_the_limit_is_whole_and_one_past_it_is_cut() {
        assert_eq!(check(&["ab", "cd"], 4).await, ("abcd".into(), false));
        assert_eq!(check(&["ab", "cde"], 4).await, ("abcd".into(), true));
    }
}
