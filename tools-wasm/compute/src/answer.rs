//! Owns what came back: the line of a short answer, and the pods of a full result. A pod without text is a picture and is left out.

use serde_json::Value;
use toolcell_client::{Error, Response, json, text};

use crate::bindings::{Outcome, Piece, Pod};

/// The longest short answer, in characters.
const LONGEST_ANSWER: usize = 2000;
/// The longest text of one piece, in characters.
const LONGEST_PIECE: usize = 4000;
/// The longest heading, in characters.
const LONGEST_TITLE: usize = 200;
/// The most parts of one result.
const MOST_PODS: usize = 50;
/// The most pieces of one part.
const MOST_PIECES: usize = 50;

/// The line of a short answer.
///
/// # Errors
/// Where the answer is not a line of text: the page of a gateway, or nothing.
pub(crate) fn short(response: &Response) -> Result<String, Error> {
    let kind = response.headers.media_type().unwrap_or_else(|| "nothing".to_owned());
    if kind != "text/plain" {
        return Err(Error::Malformed(format!("its body is {}, not plain text", text::cleaned(&kind, 50))));
    }
    let line = text::cleaned(&response.text(), LONGEST_ANSWER);
    if line.is_empty() { Err(Error::Malformed("its body is empty".to_owned())) } else { Ok(line) }
}

/// The parts of a full result that has succeeded.
///
/// # Errors
/// Where the answer is not one of this API.
pub(crate) fn full(body: &Value) -> Result<Outcome, Error> {
    let result = body.get("queryresult").filter(|result| result.is_object());
    let result = result.ok_or_else(|| Error::Malformed("it has no member `queryresult`".to_owned()))?;
    let pods: Vec<_> = json::items(result, "/pods").iter().filter_map(pod).take(MOST_PODS).collect();
    let interpretation = pods.iter().find(|pod| pod.id == "Input").and_then(|pod| pod.pieces.first());
    // A list of the kinds as one text, with commas; empty where all were in time.
    let timed_out = json::text(result, "/timedout").unwrap_or_default().split(',');
    Ok(Outcome {
        interpretation: interpretation.map(|piece| piece.text.clone()),
        pods,
        timed_out: timed_out
            .map(|kind| text::cleaned(kind, LONGEST_TITLE))
            .filter(|kind| !kind.is_empty())
            .take(MOST_PODS)
            .collect(),
    })
}

fn pod(pod: &Value) -> Option<Pod> {
    let pieces: Vec<_> = json::items(pod, "/subpods").iter().filter_map(piece).take(MOST_PIECES).collect();
    let title = json::line(pod, "/title", LONGEST_TITLE);
    let id = json::line(pod, "/id", LONGEST_TITLE);
    (!pieces.is_empty()).then(|| Pod {
        id: id.clone().or_else(|| title.clone()).unwrap_or_default(),
        title: title.or(id).unwrap_or_default(),
        primary: pod.get("primary").and_then(Value::as_bool).unwrap_or(false),
        pieces,
    })
}

fn piece(subpod: &Value) -> Option<Piece> {
    let text = block(json::text(subpod, "/plaintext")?);
    (!text.is_empty()).then(|| Piece { title: json::line(subpod, "/title", LONGEST_TITLE), text })
}

/// Text of several lines, each of them clean, at most [`LONGEST_PIECE`] characters in all. Tables need their lines.
fn block(lines: &str) -> String {
    let mut block = String::new();
    let mut left = LONGEST_PIECE;
    for line in lines.lines() {
        if left == 0 {
            break;
        }
        let line = text::cleaned(line, left);
        if line.is_empty() {
            continue;
        }
        if !block.is_empty() {
            block.push('\n');
        }
        left = left.saturating_sub(line.chars().count() + 1);
        block.push_str(&line);
    }
    block
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_keep_their_lines() {
        assert_eq!(block("a | b\r\n c |  d \n\n\u{202e}e"), "a | b\nc | d\ne");
        assert_eq!(block(" \n "), "");
        assert!(block(&"row\n".repeat(100_000)).chars().count() <= LONGEST_PIECE);
        assert_eq!(block(&"x".repeat(100_000)).chars().count(), LONGEST_PIECE);
    }

    #[test]
    fn a_result_is_bounded_whatever_comes() {
        let subpods = vec![json!({"title": "t".repeat(1000), "plaintext": "x"}); 200];
        let pods = vec![json!({"title": "T", "id": "I", "subpods": subpods}); 200];
        let body = json!({"queryresult": {"pods": pods, "timedout": "a,".repeat(10_000)}});
        let outcome = full(&body).unwrap();
        assert_eq!((outcome.pods.len(), outcome.pods[0].pieces.len()), (MOST_PODS, MOST_PIECES));
        assert_eq!(outcome.timed_out.len(), MOST_PODS);
        assert_eq!(outcome.pods[0].pieces[0].title.as_ref().unwrap().chars().count(), LONGEST_TITLE);
    }

    #[test]
    fn what_is_absent_or_of_another_type_harms_nothing() {
        let pods = json!([
            null, 5, {}, {"title": "T"}, {"subpods": "x"},
            {"subpods": [{}, {"plaintext": 1}]}, {"subpods": [{"plaintext": "y"}]},
        ]);
        let outcome = full(&json!({"queryresult": {"pods": pods, "timedout": 3}})).unwrap();
        assert_eq!(outcome.pods.len(), 1);
        assert_eq!((outcome.pods[0].id.as_str(), outcome.pods[0].primary), ("", false));
        for none in [json!(null), json!({}), json!({"queryresult": []}), json!("x")] {
            assert!(full(&none).is_err(), "{none}");
        }
    }
}
