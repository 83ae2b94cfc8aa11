//! Owns Slack: `chat.postMessage` of its Web API. A call that Slack refuses is 200 with `"ok": false` and a word in `error`; the words are
//! those that the method documents.
//!
//! In Slack's text `<` begins mentions and links, so escaping it is what keeps a text from notifying anybody. Names such as `@here` without
//! brackets are not resolved: `parse` is `none` and `link_names` is off.

use serde_json::{Value, json};
use toolcell_client::contract::{Failure, Outage};
use toolcell_client::{
    Request, Response, Service, Transport,
    failure::{self, invalid},
    json as read, text,
};

use crate::bindings::{Mentions, Posted};
use crate::refusal::Api;

const API: Api = Api { service: Service { name: "Slack", secret: Some("slack-token") } };

/// The longest text, in characters as they are sent. Slack cuts what is longer.
const LONGEST_TEXT: usize = 40_000;
/// The longest name of a channel, in characters.
const LONGEST_CHANNEL: usize = 80;

/// One message.
#[derive(Debug)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(crate) struct Message {
    pub(crate) channel: String,
    pub(crate) text: String,
    pub(crate) thread: Option<String>,
    pub(crate) mentions: Option<Mentions>,
}

/// Posts a message.
pub(crate) fn post(transport: &impl Transport, message: &Message) -> Result<Posted, Failure> {
    let response = crate::send(transport, &API, &message.request()?)?;
    if let Some(failure) = API.of_response(&response, "") {
        return Err(failure);
    }
    let body = response.json().map_err(|error| API.of_error(&error))?;
    match body["ok"].as_bool() {
        Some(true) => {}
        Some(false) => return Err(refusal(&response, &body)),
        None => return Err(API.unknown("its answer has no member `ok`")),
    }
    let (Some(channel), Some(id)) = (read::line(&body, "/channel", 100), read::line(&body, "/ts", 100)) else {
        return Err(API.unknown("its answer says ok, and not which message"));
    };
    Ok(Posted { channel, id })
}

impl Message {
    fn request(&self) -> Result<Request, Failure> {
        let channel = self.channel.trim();
        let is_name = |letter: char| !letter.is_whitespace() && !letter.is_control() && !"<>&,".contains(letter);
        if channel.is_empty() || channel.chars().nth(LONGEST_CHANNEL).is_some() || !channel.chars().all(is_name) {
            return Err(invalid(
                "/channel",
                "a channel's id such as C0123456789, or its name such as #general",
                Some(channel),
            ));
        }
        let is_long = |text: &str| text.chars().nth(LONGEST_TEXT).is_some();
        // Escaping makes a text longer, so one that is too long already need not be escaped.
        let text = if is_long(&self.text) {
            String::new()
        } else {
            escaped(&self.text, self.mentions.unwrap_or(Mentions::None))
        };
        if text.trim().is_empty() || is_long(&text) {
            return Err(invalid("/text", "1 to 40,000 characters once &, < and > are escaped", None));
        }
        let mut body = json!({
            "channel": channel, "text": text,
            "parse": "none", "link_names": false, "unfurl_links": false, "unfurl_media": false,
        });
        if let Some(thread) = &self.thread {
            if !is_time_stamp(thread) {
                return Err(invalid("/thread", "the id of a message, such as 1503435956.000247", Some(thread)));
            }
            body["thread_ts"] = json!(thread);
        }
        Ok(Request::post("https://slack.com/api/chat.postMessage")
            .header("accept", "application/json")
            // Slack warns where the character set is not said.
            .header("content-type", "application/json; charset=utf-8")
            .body(body.to_string()))
    }
}

fn is_time_stamp(id: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.len() <= 12 && part.bytes().all(|byte| byte.is_ascii_digit());
    id.split_once('.').is_some_and(|(seconds, order)| digits(seconds) && digits(order))
}

/// The text as Slack wants it: `&`, `<` and `>` escaped, but for the mentions that are asked for.
fn escaped(text: &str, mentions: Mentions) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>']) {
        escaped.push_str(&rest[..at]);
        rest = &rest[at..];
        let token = mention(rest).filter(|(_, kind)| mentions == Mentions::Everyone || mentions == *kind);
        if let Some((token, _)) = token {
            escaped.push_str(token);
            rest = &rest[token.len()..];
            continue;
        }
        escaped.push_str(match rest.as_bytes()[0] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            _ => "&gt;",
        });
        rest = &rest[1..];
    }
    escaped.push_str(rest);
    escaped
}

/// The mention that `text` begins with, and whom it notifies.
fn mention(text: &str) -> Option<(&str, Mentions)> {
    /// The longest mention, in bytes. It bounds the search for its end.
    const LONGEST: usize = 40;
    let end = text.bytes().take(LONGEST).position(|byte| byte == b'>')?;
    let (token, inside) = (&text[..=end], text[..end].strip_prefix('<')?);
    let is_id = |id: &str, kinds: [char; 2]| {
        id.starts_with(kinds)
            && id.len() > 2
            && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    if inside.strip_prefix('@').is_some_and(|id| is_id(id, ['U', 'W'])) {
        return Some((token, Mentions::People));
    }
    let all = matches!(inside, "!channel" | "!here" | "!everyone");
    let group = inside.strip_prefix("!subteam^").is_some_and(|id| is_id(id, ['S', 'S']));
    (all || group).then_some((token, Mentions::Everyone))
}

/// What a refusal with `"ok": false` means.
fn refusal(response: &Response, body: &Value) -> Failure {
    let word = read::line(body, "/error", 100).unwrap_or_else(|| "no reason given".to_owned());
    let later =
        |message: String| Failure::Unavailable(Outage { message, retry_after_ms: failure::retry_after_ms(response) });
    let channel = "a channel that the app can see; private channels only where it was invited";
    match word.as_str() {
        "channel_not_found" => Failure::NotFound(format!("Slack knows no such channel ({word}): give {channel}")),
        "thread_not_found" | "message_not_found" => Failure::NotFound(format!(
            "Slack knows no such message to reply to ({word}); leave `thread` out to post without one"
        )),
        "not_in_channel" => Failure::Denied(format!(
            "Slack refused ({word}): the app is not a member of the channel. Somebody there has to invite it"
        )),
        "is_archived" => Failure::Conflict(format!("Slack refused ({word}): the channel is archived")),
        "msg_too_long" | "no_text" | "msg_blocks_too_long" => {
            invalid("/text", &format!("a text that Slack takes ({word})"), None)
        }
        "cannot_reply_to_message" | "invalid_thread_ts" | "restricted_action_non_threadable_channel" => {
            invalid("/thread", &format!("a message that can be replied to ({word})"), None)
        }
        "not_authed"
        | "invalid_auth"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "not_allowed_token_type"
        | "no_permission" => API.wants_token(&word),
        "missing_scope" => {
            let needed = read::line(body, "/needed", 100).unwrap_or_else(|| "chat:write".to_owned());
            API.wants_token(&format!("{word}: the token lacks the scope {needed}"))
        }
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => {
            later(format!("Slack asks for fewer messages ({word})"))
        }
        "service_unavailable" | "org_login_required" | "team_added_to_org" => {
            later(format!("Slack does not answer now ({word})"))
        }
        // Slack documents that a part of the operation may have succeeded.
        "fatal_error" | "internal_error" | "request_timeout" => API.unknown(&word),
        _ if word.starts_with("restricted_action") || word.ends_with("access_denied") => {
            Failure::Denied(format!("Slack refused ({word}): the workspace does not let the app post there"))
        }
        _ => Failure::Fatal(format!("Slack does not take the request of this tool ({})", text::cleaned(&word, 100))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_mentions_that_are_asked_for_stay_mentions() {
        let text = "<@U012ABC> & <!channel> <!subteam^S01> <http://x|y> <@u1> <@U";
        let nobody =
            "&lt;@U012ABC&gt; &amp; &lt;!channel&gt; &lt;!subteam^S01&gt; &lt;http://x|y&gt; &lt;@u1&gt; &lt;@U";
        assert_eq!(escaped(text, Mentions::None), nobody);
        assert_eq!(escaped(text, Mentions::People), nobody.replacen("&lt;@U012ABC&gt;", "<@U012ABC>", 1));
        let everyone = nobody
            .replacen("&lt;@U012ABC&gt;", "<@U012ABC>", 1)
            .replace("&lt;!channel&gt;", "<!channel>")
            .replace("&lt;!subteam^S01&gt;", "<!subteam^S01>");
        assert_eq!(escaped(text, Mentions::Everyone), everyone);
        for odd in ["<@U1|<!here>>", "<!here|x>", "<!date^0^{date}|x>", "<#C012>", "<@B012>", "<é>", "<@U012\u{e9}>"] {
            assert!(!escaped(odd, Mentions::People).contains('<'), "{odd}");
        }
    }

    #[test]
    fn a_long_text_is_refused_and_a_flood_of_brackets_costs_its_length() {
        let message = |text: String| Message { channel: "C1".to_owned(), text, thread: None, mentions: None };
        assert!(message("ü".repeat(LONGEST_TEXT)).request().is_ok());
        assert!(message("ü".repeat(LONGEST_TEXT + 1)).request().is_err());
        assert!(message("<".repeat(LONGEST_TEXT / 4)).request().is_ok());
        assert!(message("<".repeat(LONGEST_TEXT / 4 + 1)).request().is_err());
        assert!(message("<@".repeat(500_000)).request().is_err());
    }

    #[test]
    fn every_documented_word_has_its_class() {
        let response =
            Response { status: 200, headers: toolcell_client::Headers::default(), body: Vec::new(), truncated: false };
        let class = |word: &str| match refusal(&response, &json!({"ok": false, "error": word})) {
            Failure::InvalidArgument(problem) => problem.pointer,
            Failure::Unavailable(_) => "later".to_owned(),
            Failure::NotFound(_) => "not found".to_owned(),
            Failure::Conflict(_) => "conflict".to_owned(),
            Failure::Denied(_) => "denied".to_owned(),
            Failure::NeedsPerson(_) => "ask".to_owned(),
            Failure::Fatal(_) => "fatal".to_owned(),
        };
        for (words, expected) in [
            (&["channel_not_found"][..], "not found"),
            (&["msg_too_long", "no_text"], "/text"),
            (&["is_archived"], "conflict"),
            (
                &["not_in_channel", "restricted_action", "restricted_action_read_only_channel", "ekm_access_denied"],
                "denied",
            ),
            (
                &["not_authed", "invalid_auth", "account_inactive", "token_revoked", "no_permission", "missing_scope"],
                "denied",
            ),
            (&["rate_limited", "ratelimited", "org_login_required", "team_added_to_org"], "later"),
            (&["fatal_error", "request_timeout"], "ask"),
            (&["invalid_arguments", "invalid_charset", "missing_post_type", "a word of tomorrow"], "fatal"),
        ] {
            for word in words {
                assert_eq!(class(word), expected, "{word}");
            }
        }
    }
}
