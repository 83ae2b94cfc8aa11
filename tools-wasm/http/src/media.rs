//! Owns what a body is and how its bytes become text: media types that are text, and the charset by byte order mark, header, `meta` element
//! and, last, by trying UTF-8.

use std::cell::Cell;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use html5ever::TokenizerResult;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
use toolcell_client::{Response, text};

/// What a body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// A web page, in HTML or XHTML.
    Page,
    /// Text that is shown as it is: plain text, JSON, XML, scripts.
    Text,
    /// Anything else, by name.
    Other(String),
}

/// A body as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text.
    pub text: String,
    /// The name of the charset in the WHATWG Encoding Standard.
    pub charset: &'static str,
}

impl Media {
    /// What the body of a response is. Where the server does not say, the first bytes do.
    pub fn of(response: &Response) -> Self {
        let Some(kind) = response.headers.media_type() else { return Self::sniffed(&response.body) };
        match kind.as_str() {
            "text/html" | "application/xhtml+xml" => Self::Page,
            "application/json"
            | "application/xml"
            | "application/javascript"
            | "application/ecmascript"
            | "application/x-ndjson"
            | "application/graphql"
            | "application/yaml"
            | "application/toml"
            | "application/x-www-form-urlencoded"
            | "application/sql" => Self::Text,
            // What servers say of files that they do not know; the bytes decide.
            "application/octet-stream" | "application/x-unknown" | "binary/octet-stream" => {
                match Self::sniffed(&response.body) {
                    Self::Other(_) => Self::Other(kind),
                    known => known,
                }
            }
            _ if kind.starts_with("text/") || kind.ends_with("+json") || kind.ends_with("+xml") => Self::Text,
            _ => Self::Other(text::cleaned(&kind, 100)),
        }
    }

    fn sniffed(body: &[u8]) -> Self {
        let start = &body[..body.len().min(PRESCAN)];
        if Encoding::for_bom(start).is_none()
            && start.iter().any(|byte| matches!(byte, 0..=8 | 0x0e..=0x1a | 0x1c..=0x1f))
        {
            return Self::Other("unnamed binary data".to_owned());
        }
        let start = start.trim_ascii_start().to_ascii_lowercase();
        if start.starts_with(b"<!doctype html") || start.starts_with(b"<html") { Self::Page } else { Self::Text }
    }
}

/// The body of a response as text. Never fails: what can't be decoded is replaced.
pub fn decode(response: &Response, media: &Media) -> Decoded {
    let body = &response.body;
    let label = || {
        let value = response.headers.get("content-type")?;
        let label = value.split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then_some(value)
        })?;
        Encoding::for_label(label.trim().trim_matches(['"', '\'']).as_bytes())
    };
    let bom = Encoding::for_bom(body);
    let encoding = bom.map(|(encoding, _)| encoding).or_else(label).or_else(|| match media {
        Media::Page => declared(&body[..body.len().min(PRESCAN)]),
        _ => None,
    });
    let encoding = encoding.unwrap_or_else(|| if is_utf8(response) { UTF_8 } else { WINDOWS_1252 });
    let (decoded, _) = encoding.decode_without_bom_handling(&body[bom.map_or(0, |(_, length)| length)..]);
    let mut text = decoded.into_owned();
    if response.truncated && text.ends_with('\u{fffd}') {
        // The cut went through a character.
        text.pop();
    }
    Decoded { text, charset: encoding.name() }
}

/// How much of a body is looked at for what it is: the prescan of the HTML standard.
const PRESCAN: usize = 1024;

/// Whether a body is UTF-8, but for a character that a cut went through.
fn is_utf8(response: &Response) -> bool {
    std::str::from_utf8(&response.body).map_or_else(|error| response.truncated && error.error_len().is_none(), |_| true)
}

/// The charset that a `meta` element declares (HTML standard, "prescan a byte stream to determine its encoding").
fn declared(start: &[u8]) -> Option<&'static Encoding> {
    let (start, _) = WINDOWS_1252.decode_without_bom_handling(start);
    let tokenizer = Tokenizer::new(Declared(Cell::new(None)), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(&*start));
    while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
    let found = tokenizer.sink.0.get()?;
    // A page that could be read this far is not in UTF-16, whatever it says.
    Some(if found.is_ascii_compatible() { found } else { UTF_8 })
}

/// Notes the first charset of a `meta` element.
struct Declared(Cell<Option<&'static Encoding>>);

impl TokenSink for Declared {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let Token::TagToken(tag) = token else { return TokenSinkResult::Continue };
        if tag.kind != TagKind::StartTag || &*tag.name != "meta" || self.0.get().is_some() {
            return TokenSinkResult::Continue;
        }
        let attribute =
            |name: &str| tag.attrs.iter().find(|attribute| &*attribute.name.local == name).map(|found| &*found.value);
        let label = attribute("charset").or_else(|| {
            attribute("http-equiv").filter(|kind| kind.eq_ignore_ascii_case("content-type"))?;
            let content = attribute("content")?;
            let at = content.to_ascii_lowercase().find("charset")?;
            let value = content[at + "charset".len()..].trim_start().strip_prefix('=')?;
            Some(value.trim().trim_matches(['"', '\'']).split([';', ' ']).next().unwrap_or_default())
        });
        self.0.set(label.and_then(|label| Encoding::for_label(label.as_bytes())));
        TokenSinkResult::Continue
    }
}

#[cfg(test)]
mod tests {
    use toolcell_client::Headers;

    use super::*;

    fn response(kind: Option<&str>, body: &[u8]) -> Response {
        let headers = Headers::new(kind.map(|kind| ("content-type".to_owned(), kind.as_bytes().to_vec())));
        Response { status: 200, headers, body: body.to_vec(), truncated: false }
    }

    #[test]
    fn what_a_body_is_comes_from_its_type_then_from_its_bytes() {
        let of = |kind: Option<&str>, body: &[u8]| Media::of(&response(kind, body));
        assert_eq!(of(Some("Text/HTML; charset=utf-8"), b""), Media::Page);
        assert_eq!(of(Some("application/xhtml+xml"), b""), Media::Page);
        assert_eq!(of(Some("application/ld+json"), b""), Media::Text);
        assert_eq!(of(Some("text/csv"), b""), Media::Text);
        assert_eq!(of(Some("image/png"), b""), Media::Other("image/png".to_owned()));
        assert_eq!(of(Some("application/octet-stream"), b"plain"), Media::Text);
        assert_eq!(
            of(Some("application/octet-stream"), b"\0\x01"),
            Media::Other("application/octet-stream".to_owned())
        );
        assert_eq!(of(None, b"\n <!DOCTYPE HTML><p>"), Media::Page);
        assert_eq!(of(None, b"a,b\n1,2"), Media::Text);
        assert_eq!(of(None, b"\x89PNG\r\n\x1a\n\0"), Media::Other("unnamed binary data".to_owned()));
        assert_eq!(of(None, b"\xff\xfea\0b\0"), Media::Text);
    }

    #[test]
    fn the_charset_is_found_in_the_order_of_the_standard() {
        let is = |kind: &str, body: &[u8], text: &str, charset: &str| {
            let response = response(Some(kind), body);
            let decoded = decode(&response, &Media::of(&response));
            assert_eq!((decoded.text.as_str(), decoded.charset), (text, charset), "{kind}");
        };
        is("text/plain; charset=iso-8859-1", b"caf\xe9", "café", "windows-1252");
        is("text/plain; charset=\"utf-8\"", "café".as_bytes(), "café", "UTF-8");
        is("text/plain; charset=iso-8859-1", b"\xef\xbb\xbfcaf\xc3\xa9", "café", "UTF-8");
        is("text/plain", b"\xff\xfeh\0i\0", "hi", "UTF-16LE");
        is("text/plain", b"caf\xe9", "café", "windows-1252");
        is("text/plain; charset=nonsense", "é".as_bytes(), "é", "UTF-8");
        is("text/html", b"<meta charset=koi8-r>\xc1", "<meta charset=koi8-r>а", "KOI8-R");
        let older = b"<META http-equiv=Content-Type content='text/html; charset=Shift_JIS'>\x83\x65";
        is("text/html", older, "<META http-equiv=Content-Type content='text/html; charset=Shift_JIS'>テ", "Shift_JIS");
        is("text/html; charset=utf-8", b"<meta charset=koi8-r>\xc3\xa9", "<meta charset=koi8-r>é", "UTF-8");
        is("text/html", b"<meta charset=utf-16>a", "<meta charset=utf-16>a", "UTF-8");
        is("text/html", b"<!-- <meta charset=koi8-r> -->\xe9", "<!-- <meta charset=koi8-r> -->é", "windows-1252");
    }

    #[test]
    fn a_character_that_was_cut_is_left_out() {
        let mut response = response(Some("text/plain"), b"a\xc3");
        response.truncated = true;
        assert_eq!(decode(&response, &Media::Text).text, "a");
        assert_eq!(decode(&response, &Media::Text).charset, "UTF-8");
    }
}
