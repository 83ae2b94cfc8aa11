//! Owns Discord: `POST /channels/{id}/messages` of its HTTP API, version 10. Refusals have a number in `code`, and for a body that is
//! not valid (50035) the place in `errors`. `allowed_mentions` is always sent: without it a text notifies whom it names.

use serde_json::{Value, json};
use toolcell_client::contract::{Failure, Outage, Problem};
use toolcell_client::{
    Request, Response, Service, Transport,
    failure::{self, invalid},
    json as read,
};

use crate::bindings::{Mentions, Posted};
use crate::refusal::Api;

const API: Api = Api { service: Service { name: "Discord", secret: Some("discord-token") } };

/// The longest text, in UTF-16 units. Discord counts characters, and its clients these; the stricter of both is never refused.
const LONGEST_TEXT: usize = 2000;
/// The message flag that keeps links from being unfolded (`SUPPRESS_EMBEDS`).
const NO_PREVIEWS: u32 = 1 << 2;

/// One message.
#[derive(Debug)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(crate) struct Message {
    pub(crate) channel: String,
    pub(crate) text: String,
    pub(crate) reply_to: Option<String>,
    pub(crate) mentions: Option<Mentions>,
}

/// Posts a message.
pub(crate) fn post(transport: &impl Transport, message: &Message) -> Result<Posted, Failure> {
    let response = crate::send(transport, &API, &message.request()?)?;
    if let Some(failure) = refusal(&response) {
        return Err(failure);
    }
    let body = response.json().map_err(|error| API.of_error(&error))?;
    let (Some(channel), Some(id)) = (read::line(&body, "/channel_id", 20), read::line(&body, "/id", 20)) else {
        return Err(API.unknown("its answer does not say which message"));
    };
    Ok(Posted { channel, id })
}

impl Message {
    fn request(&self) -> Result<Request, Failure> {
        let channel = self.channel.trim();
        if !is_id(channel) {
            return Err(invalid("/channel", "a channel's id of 15 to 20 digits", Some(channel)));
        }
        if self.text.trim().is_empty() || self.text.encode_utf16().nth(LONGEST_TEXT).is_some() {
            return Err(invalid("/text", "1 to 2,000 characters, of which most emoji count two", None));
        }
        let kinds: &[&str] = match self.mentions.unwrap_or(Mentions::None) {
            Mentions::None => &[],
            Mentions::People => &["users"],
            Mentions::Everyone => &["users", "roles", "everyone"],
        };
        let mut body = json!({
            "content": self.text, "flags": NO_PREVIEWS,
            "allowed_mentions": { "parse": kinds, "replied_user": false },
        });
        if let Some(id) = self.reply_to.as_deref().map(str::trim) {
            if !is_id(id) {
                return Err(invalid("/reply_to", "a message's id of 15 to 20 digits", Some(id)));
            }
            body["message_reference"] = json!({ "message_id": id, "fail_if_not_exists": true });
        }
        Ok(Request::post(format!("https://discord.com/api/v10/channels/{channel}/messages"))
            .header("accept", "application/json")
            // Discord turns away clients that do not name themselves in this form.
            .header("user-agent", concat!("DiscordBot (toolcell-notify, ", env!("CARGO_PKG_VERSION"), ")"))
            .json(&body))
    }
}

/// Whether text is one of Discord's ids, a 64-bit number. It becomes a part of the path, so nothing but digits may pass.
fn is_id(text: &str) -> bool {
    (15..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a response that is no success means; none for a success.
fn refusal(response: &Response) -> Option<Failure> {
    if response.is_success() {
        return None;
    }
    let body = response.json().unwrap_or_default();
    let said = read::line(&body, "/message", 300).unwrap_or_default();
    let code = body["code"].as_u64().unwrap_or(0);
    match (response.status, code) {
        (403, 50_001 | 50_013) => Some(Failure::Denied(format!(
            "Discord refused ({code}): {said}. The bot has to be on the server, to see the channel and to be allowed to send messages there"
        ))),
        (400, 50_083) => Some(Failure::Conflict(format!("Discord refused ({code}): {said}"))),
        (400, 50_008 | 50_024) => Some(invalid("/channel", &format!("a channel for text ({code}: {said})"), None)),
        (400, 50_035) => {
            let (pointer, why) = place(&body["errors"]).unwrap_or(("", said));
            Some(invalid_form(pointer, &why))
        }
        // 50006 is an empty text, 200000 and 200001 are the server's own moderation.
        (400, 50_006 | 200_000 | 200_001) => Some(invalid_form("/text", &said)),
        (429, _) => {
            let retry_after_ms = failure::retry_after_ms(response).or_else(|| wait(&body["retry_after"]));
            Some(Failure::Unavailable(Outage {
                message: "Discord asks for fewer messages (429)".to_owned(),
                retry_after_ms,
            }))
        }
        _ => API.of_response(response, ""),
    }
}

fn invalid_form(pointer: &str, why: &str) -> Failure {
    Failure::InvalidArgument(Problem {
        pointer: pointer.to_owned(),
        expected: "what Discord takes".to_owned(),
        found: None,
        message: format!("Discord did not accept the message: {why}"),
    })
}

/// The argument that `errors` is about, and what it says.
fn place(errors: &Value) -> Option<(&'static str, String)> {
    [("content", "/text"), ("message_reference", "/reply_to"), ("channel_id", "/channel")].into_iter().find_map(
        |(field, pointer)| {
            let error = errors.get(field)?;
            let why = [error.pointer("/_errors/0/message"), error.pointer("/message_id/_errors/0/message")];
            let why = why.into_iter().flatten().find_map(Value::as_str).unwrap_or("not valid");
            Some((pointer, toolcell_client::text::cleaned(why, 300)))
        },
    )
}

/// Discord's own wait, in seconds with a fraction, as whole milliseconds.
fn wait(seconds: &Value) -> Option<u64> {
    let seconds = seconds.as_f64().filter(|seconds| *seconds >= 0.0)?;
    // A number beyond any wait is the longest one; the conversion saturates.
    let wait = std::time::Duration::try_from_secs_f64(seconds).unwrap_or(failure::LONGEST_WAIT);
    u64::try_from(wait.min(failure::LONGEST_WAIT).as_micros().div_ceil(1000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_digits_becomes_a_part_of_the_path() {
        assert!(is_id("123456789012345678"));
        for none in [
            "",
            "1",
            "../users/@me",
            "123456789012345678/..",
            "１２３４５６７８９０１２３４５６",
            "123456789012345678901",
        ] {
            assert!(!is_id(none), "{none}");
        }
    }

    #[test]
    fn the_text_is_counted_in_the_stricter_way() {
        let request = |text: String| {
            Message { channel: "123456789012345678".to_owned(), text, reply_to: None, mentions: None }.request()
        };
        assert!(request("ü".repeat(2000)).is_ok());
        assert!(request("ü".repeat(2001)).is_err());
        assert!(request("🐝".repeat(1000)).is_ok());
        assert!(request("🐝".repeat(1001)).is_err());
        assert!(request("x".repeat(10_000_000)).is_err());
    }

    #[test]
    fn a_wait_with_a_fraction_is_rounded_up() {
        assert_eq!(wait(&json!(0.3)), Some(300));
        assert_eq!(wait(&json!(64.5701)), Some(64_571));
        assert_eq!(wait(&json!(1e300)), Some(86_400_000));
        for none in [json!(-1), json!("1"), json!(null)] {
            assert_eq!(wait(&none), None, "{none}");
        }
    }
}
