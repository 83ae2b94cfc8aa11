//! Owns what came back: the text of the server's JSON as it is, checked and counted but never written anew, so that numbers keep
//! every digit.

use serde::de::IgnoredAny;
use toolcell_client::{Error, Response, text};

use crate::bindings::Rows;

/// The rows of an answer.
///
/// # Errors
/// Where the answer is not a JSON array.
pub(crate) fn rows(response: &Response) -> Result<Rows, Error> {
    let rows = value(response)?;
    let counted: Vec<IgnoredAny> =
        serde_json::from_str(&rows).map_err(|_| Error::Malformed("its body is not a JSON array of rows".to_owned()))?;
    Ok(Rows { returned: u32::try_from(counted.len()).unwrap_or(u32::MAX), rows, total: total(response) })
}

/// The JSON text of an answer; `null` where it has no content.
///
/// # Errors
/// Where the answer is not JSON, or not text.
pub(crate) fn value(response: &Response) -> Result<String, Error> {
    if response.status == 204 {
        return Ok("null".to_owned());
    }
    let kind = response.headers.media_type();
    // A server that says nothing of the type is believed; one that says another is not.
    if let Some(kind) = kind.filter(|kind| kind != "application/json" && !kind.ends_with("+json")) {
        return Err(Error::Malformed(format!("its body is {}, not JSON", text::cleaned(&kind, 50))));
    }
    let body = std::str::from_utf8(&response.body).map_err(|_| Error::Malformed("its body is not UTF-8".to_owned()))?;
    let body = body.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    serde_json::from_str::<IgnoredAny>(body).map_err(|error| {
        let what = if error.is_eof() { "JSON that breaks off" } else { "no JSON" };
        Error::Malformed(format!("its body is {what} (line {}, column {})", error.line(), error.column()))
    })?;
    Ok(body.to_owned())
}

/// How many rows match in all: the last part of `Content-Range: 0-24/3573`, which is `*` where they were not counted.
fn total(response: &Response) -> Option<u64> {
    response.headers.get("content-range")?.rsplit_once('/')?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use toolcell_client::Headers;

    use super::*;

    fn answer(status: u16, range: &str, body: &[u8]) -> Response {
        let headers = [("content-range", range), ("content-type", "application/json; charset=utf-8")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        Response { status, headers: Headers::new(headers), body: body.to_vec(), truncated: false }
    }

    #[test]
    fn numbers_keep_every_digit() {
        let body = b" [{\"n\":9007199254740993,\"d\":0.1000000000000000055511151231257827,\"e\":1e400}]\n";
        let found = rows(&answer(200, "0-0/*", body)).unwrap();
        assert_eq!(found.rows.as_bytes(), body.trim_ascii());
        assert_eq!((found.returned, found.total), (1, None));
    }

    #[test]
    fn the_total_is_that_of_the_range() {
        for (range, total) in [
            ("0-24/3573458", Some(3_573_458)),
            ("*/0", Some(0)),
            ("0-24/*", None),
            ("", None),
            ("0-24", None),
            ("0-24/-1", None),
            ("0-24/99999999999999999999999", None),
        ] {
            assert_eq!(rows(&answer(206, range, b"[]")).unwrap().total, total, "{range}");
        }
    }

    #[test]
    fn what_is_no_array_of_rows_is_refused() {
        for body in [&b"{}"[..], b"1", b"", b"[", b"[1,]", b"<html>", b"\xff[]"] {
            assert!(rows(&answer(200, "", body)).is_err(), "{body:?}");
        }
        assert!(rows(&answer(200, "", "[".repeat(1_000_000).as_bytes())).is_err());
        assert_eq!(value(&answer(204, "", b"")).unwrap(), "null");
        assert_eq!(value(&answer(200, "", b"42")).unwrap(), "42");
    }
}
