//! Owns how the engine's snippets become plain text: they mark the words of the query with `<strong>` and escape the rest. Tags are left
//! out, character references become characters. This is no parser of HTML and is not fed any.

use toolcell_client::text::cleaned;

/// `markup` as one clean line of at most `most` characters; none where nothing is left.
pub(crate) fn plain(markup: &str, most: usize) -> Option<String> {
    // Tags go first: what is escaped is text, even where it looks like a tag.
    let line = cleaned(&decoded(&without_tags(markup)), most);
    (!line.is_empty()).then_some(line)
}

/// The longest tag and the longest reference that are looked for, in bytes. Beyond it a `<` or `&` is a character like others, which
/// keeps the search linear.
const LONGEST: usize = 64;

fn without_tags(markup: &str) -> String {
    let mut text = String::with_capacity(markup.len());
    let mut rest = markup;
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let name = rest.strip_prefix('/').unwrap_or(rest);
        let is_tag = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
        match rest.bytes().take(LONGEST).position(|byte| byte == b'>') {
            Some(end) if is_tag => rest = &rest[end + 1..],
            _ => text.push('<'),
        }
    }
    text.push_str(rest);
    text
}

fn decoded(escaped: &str) -> String {
    let mut text = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(at) = rest.find('&') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.bytes().take(LONGEST).position(|byte| byte == b';');
        match end.and_then(|end| Some((end, character(&rest[..end])?))) {
            Some((end, character)) => {
                text.push(character);
                rest = &rest[end + 1..];
            }
            None => text.push('&'),
        }
    }
    text.push_str(rest);
    text
}

/// The character of a reference, by number or by the names that occur in snippets. Others stay as they are written.
fn character(reference: &str) -> Option<char> {
    if let Some(number) = reference.strip_prefix('#') {
        let number = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return number.ok().and_then(char::from_u32);
    }
    Some(match reference {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "hellip" => '…',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "middot" => '·',
        "copy" => '©',
        "reg" => '®',
        "trade" => '™',
        "euro" => '€',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_left_out_and_references_become_characters() {
        for (markup, text) in [
            ("the <strong>honey</strong> bee", "the honey bee"),
            ("R&amp;D &quot;lab&quot; &#x27;s &#39;s", "R&D \"lab\" 's 's"),
            ("use &lt;b&gt; for bold", "use <b> for bold"),
            ("&amp;lt;", "&lt;"),
            ("a < b and c > d", "a < b and c > d"),
            ("AT&T; &bogus; &", "AT&T; &bogus; &"),
            ("&#0;&#xD800;&#99999999;&#-1;x", "&#xD800;&#99999999;&#-1;x"),
            ("a<br/>b<img src=x onerror=alert(1)>c", "abc"),
            ("x <", "x <"),
            ("&#8203;a\u{202e}b", "ab"),
        ] {
            assert_eq!(plain(markup, 200).as_deref(), Some(text), "{markup}");
        }
        assert_eq!(plain(" <b></b> ", 200), None);
    }

    #[test]
    fn a_flood_of_brackets_costs_its_length() {
        let flood = "<a".repeat(50_000);
        assert_eq!(plain(&flood, 10).as_deref(), Some("<a<a<a<a<…"));
        assert_eq!(plain(&"&".repeat(100_000), 5).as_deref(), Some("&&&&…"));
    }
}
