//! Owns `fetch`: one request, and all that came back.

use toolcell_client::{Excess, Limits, Method, Transport};

use crate::ask::{self, Refusal};
use crate::follow::follow;
use crate::media::{Decoded, Media, decode};

/// How to fetch. Numbers are not checked yet.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How many redirects to follow.
    pub redirects: Option<u32>,
    /// The most bytes of the body.
    pub max_bytes: Option<u32>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The URL after all redirects.
    pub url: String,
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The media type without parameters.
    pub media_type: Option<String>,
    /// The body as text.
    pub body: Decoded,
    /// The body's length in bytes, as far as it was read.
    pub bytes: usize,
    /// Whether there is more of it.
    pub truncated: bool,
}

/// Sends a request and gives what came back, whatever its status.
pub fn fetch(
    transport: &impl Transport,
    method: Method,
    url: &str,
    headers: Vec<(String, String)>,
    body: Option<String>,
    options: &Options,
) -> Result<Fetched, Refusal> {
    let url = ask::url(url)?;
    let redirects = ask::within(options.redirects, 5, 0, 10, "/options/redirects", "a number from 0 to 10")?;
    let most = ask::within(
        options.max_bytes,
        1024 * 1024,
        1,
        8 * 1024 * 1024,
        "/options/max_bytes",
        "a number of bytes from 1 to 8,388,608",
    )?;
    let request = ask::request(method, &url, headers, body)?;
    let limits = Limits { body: most as usize, excess: Excess::Cut, ..Limits::default() };
    let answer = follow(transport, request, url, &limits, redirects)?;
    let response = answer.response;
    let media = Media::of(&response);
    let decoded = match &media {
        // The status of a failed request is worth more than the picture that came with it.
        Media::Other(_) if response.body.is_empty() || !response.is_success() => {
            Decoded { text: String::new(), charset: "UTF-8" }
        }
        Media::Other(name) => {
            let message = format!("what is there is {name}; only text can be fetched");
            return Err(Refusal::url(&answer.url, "the URL of something that is text", message));
        }
        _ => decode(&response, &media),
    };
    Ok(Fetched {
        url: answer.url.into(),
        status: response.status,
        headers: response.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        media_type: response.headers.media_type(),
        body: decoded,
        bytes: response.body.len(),
        truncated: response.truncated,
    })
}
