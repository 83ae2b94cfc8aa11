//! Owns what came back: the answers of the API's two endpoints as findings. Web results stand at `/web/results`, articles at `/results`.
//! A result without a title or an address that can be opened is left out and counted; what else is absent stays absent.

use serde_json::Value;
use toolcell_client::{Error, json};

use crate::ask::Kind;
use crate::bindings::{Finding, Findings};
use crate::markup::plain;

/// The longest title, in characters.
const LONGEST_TITLE: usize = 300;
/// The longest description, in characters.
const LONGEST_DESCRIPTION: usize = 1000;
/// The longest of the other lines, in characters.
const LONGEST_LINE: usize = 100;
/// The longest address, in bytes. A longer one is seldom a page, and useless when cut.
const LONGEST_URL: usize = 2048;
/// The most findings of one answer, whatever was asked: the most that the API documents.
const MOST_FINDINGS: usize = 50;

/// The findings of an answer.
///
/// # Errors
/// Where the answer is not one of this API: it has no object at its root, or no kind.
pub(crate) fn findings(kind: Kind, body: &Value) -> Result<Findings, Error> {
    let (own_kind, results) = match kind {
        Kind::Web => ("search", "/web/results"),
        Kind::News => ("news", "/results"),
    };
    if json::text(body, "/type") != Some(own_kind) {
        return Err(Error::Malformed(format!("its member `type` is not \"{own_kind}\"")));
    }
    let results = json::items(body, results);
    let findings: Vec<_> = results.iter().filter_map(finding).take(MOST_FINDINGS).collect();
    Ok(Findings {
        altered_query: json::line(body, "/query/altered", 400),
        more: body.pointer("/query/more_results_available").and_then(Value::as_bool).unwrap_or(false),
        left_out: u32::try_from(results.len() - findings.len()).unwrap_or(u32::MAX),
        findings,
    })
}

fn finding(result: &Value) -> Option<Finding> {
    let line = |pointer| json::line(result, pointer, LONGEST_LINE);
    Some(Finding {
        title: plain(json::text(result, "/title")?, LONGEST_TITLE)?,
        url: address(json::text(result, "/url")?)?,
        description: json::text(result, "/description").and_then(|markup| plain(markup, LONGEST_DESCRIPTION)),
        age: line("/age"),
        published: line("/page_age"),
        site: line("/profile/name").or_else(|| line("/meta_url/hostname")).or_else(|| line("/meta_url/netloc")),
        language: line("/language"),
    })
}

/// The address, if it is one of a page and whole.
fn address(url: &str) -> Option<String> {
    let url = url.trim();
    let is_page = url.starts_with("https://") || url.starts_with("http://");
    let is_plain = url.len() <= LONGEST_URL && !url.chars().any(|letter| letter.is_control() || letter.is_whitespace());
    (is_page && is_plain).then(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_absent_stays_absent() {
        let body = json!({"type": "search", "web": {"results": [{"title": "A", "url": "https://a.example/"}]}});
        let found = findings(Kind::Web, &body).unwrap();
        let finding = &found.findings[0];
        assert_eq!((finding.title.as_str(), finding.url.as_str()), ("A", "https://a.example/"));
        assert_eq!(
            [&finding.description, &finding.age, &finding.published, &finding.site, &finding.language],
            [&None; 5]
        );
        assert_eq!((found.altered_query, found.more, found.left_out), (None, false, 0));
        assert!(findings(Kind::Web, &json!({"type": "search"})).unwrap().findings.is_empty());
    }

    #[test]
    fn what_is_no_page_is_left_out_and_counted() {
        let long = format!("https://a.example/{}", "a".repeat(3000));
        let results: Vec<_> = [
            json!({"title": "", "url": "https://a.example/"}),
            json!({"url": "https://a.example/"}),
            json!({"title": "A"}),
            json!({"title": "A", "url": "javascript:alert(1)"}),
            json!({"title": "A", "url": "https://a.example/\n"}),
            json!({"title": "A", "url": "https://a.example/ x"}),
            json!({"title": "A", "url": long}),
            json!({"title": 1, "url": []}),
            json!(null),
            json!("text"),
        ]
        .into();
        let found = findings(Kind::News, &json!({"type": "news", "results": results})).unwrap();
        // A line break at the end is not part of the address.
        assert_eq!((found.findings.len(), found.left_out), (1, 9));
    }

    #[test]
    fn an_answer_is_bounded_whatever_comes() {
        let result = json!({"title": "t".repeat(5000), "url": "https://a.example/", "description": "d".repeat(50_000)});
        let body = json!({"type": "news", "results": vec![result; 200]});
        let found = findings(Kind::News, &body).unwrap();
        assert_eq!((found.findings.len(), found.left_out), (MOST_FINDINGS, 150));
        assert_eq!(found.findings[0].title.chars().count(), LONGEST_TITLE);
        assert_eq!(found.findings[0].description.as_ref().unwrap().chars().count(), LONGEST_DESCRIPTION);
    }

    #[test]
    fn another_documents_answer_is_no_answer() {
        for body in [json!(null), json!([]), json!({}), json!({"type": "news", "results": []}), json!({"type": 1})] {
            assert!(matches!(findings(Kind::Web, &body), Err(Error::Malformed(_))), "{body}");
        }
    }
}
