//! Arguments that are almost JSON.

use toolcell_core::json::parse;

use super::BOUNDS;

/// The JSON that a text holds behind a byte order mark, inside the fence of a Markdown block, or with commas that end a list.
/// Everything else stays; what is no JSON then is not JSON.
pub(super) fn mended(text: &str) -> Option<String> {
    if text.len() as u64 > BOUNDS.bytes {
        return None;
    }
    let bare = unfenced(text.trim_start_matches('\u{feff}').trim());
    let mended = without_last_commas(bare);
    (mended != text && parse(&mended, BOUNDS).is_ok()).then_some(mended)
}

fn unfenced(text: &str) -> &str {
    let Some(inside) = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) else { return text };
    let (first, rest) = inside.split_once('\n').unwrap_or(("", inside));
    // The first line names the language, or is a part of the text.
    if first.trim().is_empty() || first.trim().eq_ignore_ascii_case("json") { rest.trim() } else { inside.trim() }
}

/// The text without the commas, outside of strings, that only space divides from the end of an array or object.
fn without_last_commas(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut inside, mut escaped) = (false, false);
    let mut comma = None;
    for c in text.chars() {
        if inside {
            inside = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c == ',' {
            comma = Some(out.len());
        } else if matches!(c, ']' | '}') {
            if let Some(at) = comma.take() {
                out.remove(at);
            }
        } else if !c.is_ascii_whitespace() {
            comma = None;
            inside = c == '"';
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_nothing_is_taken_away() {
        for (text, found) in [
            ("\u{feff}{}", Some("{}")),
            ("```json\n{\"a\":1}\n```", Some("{\"a\":1}")),
            ("```\n{\"a\":1}\n```", Some("{\"a\":1}")),
            ("{\"a\":[1,2,],}", Some("{\"a\":[1,2]}")),
            ("{\"a\":\",]\\\",}\",}", Some("{\"a\":\",]\\\",}\"}")),
            ("{\"a\":1", None),
            ("{\"a\":[1,,2]}", None),
            ("{a:1}", None),
            ("{'a':1}", None),
            ("{\"a\":1,\"a\":2,}", None),
            ("", None),
            ("{}", None),
        ] {
            assert_eq!(mended(text).as_deref(), found, "{text}");
        }
    }

    #[test]
    fn a_text_full_of_commas_costs_no_more_than_its_length() {
        assert_eq!(mended(&",".repeat(1_000_000)), None);
        assert_eq!(mended(&"[1 ,".repeat(100_000)), None);
    }
}
