//! Runs `cases/*.json` natively against a script. The test runner runs the same cases on the component, against a real socket.

use std::path::Path;

use serde_json::{Value, json};
use toolcell_client::scripted::Script;
use toolcell_client::{Failure, Method};

use crate::ask::Refusal;
use crate::read::{Extraction, Links, Part};
use crate::{fetch, links, read};

#[test]
fn the_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files =
        std::fs::read_dir(folder.join("cases")).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    files.retain(|file| file.extension().is_some_and(|kind| kind == "json"));
    files.sort();
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in files {
        let cases: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        for case in cases.as_array().unwrap() {
            let script = Script::new(case["upstream"].clone(), folder);
            let got = run(&script, case["tool"].as_str().unwrap(), &case["arguments"]);
            let held = match (&case["expect"], &got) {
                (Value::Object(expect), Ok(value)) if expect.contains_key("value") => expect["value"] == *value,
                (Value::Object(expect), Ok(value)) if expect.contains_key("includes") => {
                    includes(value, &expect["includes"])
                }
                (Value::Object(expect), Err(failure)) if expect.contains_key("failure") => {
                    fails(failure, &expect["failure"])
                }
                _ => false,
            };
            count += 1;
            if !held || !script.problems().is_empty() {
                wrong.push(format!("{}: {got:#?} {:?}", case["name"], script.problems()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cases do not hold:\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(count > 20, "only {count} cases were found");
}

fn run(script: &Script, tool: &str, arguments: &Value) -> Result<Value, Value> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let number = |value: &Value| value.as_u64().and_then(|value| u32::try_from(value).ok());
    let url = arguments["url"].as_str().unwrap();
    match tool {
        "fetch" => {
            let method = match arguments["method"].as_str() {
                None | Some("get") => Method::Get,
                Some("head") => Method::Head,
                Some("post") => Method::Post,
                Some("delete") => Method::Delete,
                Some(other) => panic!("no case uses {other} yet"),
            };
            let headers = arguments["headers"].as_array().into_iter().flatten();
            let headers =
                headers.map(|header| (text(&header["name"]).unwrap(), text(&header["value"]).unwrap())).collect();
            let options = &arguments["options"];
            let options =
                fetch::Options { redirects: number(&options["redirects"]), max_bytes: number(&options["max_bytes"]) };
            let got =
                fetch::fetch(script, method, url, headers, text(&arguments["body"]), &options).map_err(failure)?;
            let headers = got.headers.iter().map(|(name, value)| json!({ "name": name, "value": value }));
            Ok(json!({
                "url": got.url, "status": got.status, "headers": headers.collect::<Vec<_>>(), "media_type": got.media_type,
                "charset": got.body.charset, "text": got.body.text, "bytes": got.bytes, "truncated": got.truncated,
            }))
        }
        "read-page" => {
            let options = &arguments["options"];
            let options = read::Options {
                links: if options["links"] == true { Links::Keep } else { Links::Drop },
                part: if options["whole_page"] == true { Part::Whole } else { Part::Article },
                max_characters: number(&options["max_characters"]),
            };
            let got = read::read(script, url, &options).map_err(failure)?;
            let extraction = match got.extraction {
                Extraction::Article => "article",
                Extraction::WholePage => "whole-page",
                Extraction::Plain => "plain",
            };
            Ok(json!({
                "url": got.url, "title": got.title, "byline": got.byline, "site_name": got.site_name,
                "published": got.published, "modified": got.modified, "language": got.language, "summary": got.summary,
                "text": got.text, "characters": got.characters, "extraction": extraction, "truncated": got.truncated,
                "complete": got.complete,
            }))
        }
        "list-links" => {
            let filter = &arguments["filter"];
            let filter = links::Filter {
                prefix: text(&filter["prefix"]),
                reach: if filter["internal"] == true { links::Reach::Internal } else { links::Reach::All },
                limit: number(&filter["limit"]),
            };
            let got = links::links(script, url, &filter).map_err(failure)?;
            let link = |link: &links::Link| json!({ "url": link.url, "text": link.text, "external": link.external, "count": link.count });
            Ok(json!({
                "url": got.url, "title": got.title, "links": got.links.iter().map(link).collect::<Vec<_>>(), "total": got.total,
                "complete": got.complete,
            }))
        }
        other => panic!("there is no function {other}"),
    }
}

fn failure(refusal: Refusal) -> Value {
    let (kind, pointer, message) = match refusal {
        Refusal::Argument { pointer, message, .. } => ("invalid-argument", pointer, message),
        Refusal::Failed(failure) => {
            let (kind, message) = match failure {
                Failure::InvalidArgument { message } => ("invalid-argument", message),
                Failure::Unavailable { message, .. } => ("unavailable", message),
                Failure::NotFound(message) => ("not-found", message),
                Failure::Conflict(message) => ("conflict", message),
                Failure::Denied(message) => ("denied", message),
                Failure::Fatal(message) => ("fatal", message),
            };
            (kind, String::new(), message)
        }
    };
    json!({ "kind": kind, "pointer": pointer, "message": message })
}

fn fails(failure: &Value, expected: &Value) -> bool {
    let same = |name: &str| expected.get(name).is_none_or(|wanted| *wanted == failure[name]);
    let says = expected.get("message-contains").and_then(Value::as_str).unwrap_or_default();
    same("kind") && same("pointer") && failure["message"].as_str().unwrap().contains(says)
}

/// Whether every member that is expected is there and equal; arrays in full length.
fn includes(value: &Value, expected: &Value) -> bool {
    match (value, expected) {
        (Value::Object(value), Value::Object(expected)) => {
            expected.iter().all(|(name, expected)| value.get(name).is_some_and(|value| includes(value, expected)))
        }
        (Value::Array(value), Value::Array(expected)) => {
            value.len() == expected.len()
                && value.iter().zip(expected).all(|(value, expected)| includes(value, expected))
        }
        _ => value == expected,
    }
}
