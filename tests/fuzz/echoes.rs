//! Secrets in what servers answer: none comes back, however the answer is cut into pieces, compressed or framed.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use toolcell_host::egress::{Redact, RedactStream, Redirects};
use toolcell_host::secrets::{self, Redactor, Secret, SecretName};

use super::responses::{Script, ask, gzip, piece};
use super::{Chance, fuzz};

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut percent, byte| {
        write!(percent, "%{byte:02X}").unwrap();
        percent
    })
}

/// A redactor as the door wants it.
struct Taking(Redactor);

impl Redact for Taking {
    fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        self.0.bytes(bytes)
    }

    fn longest(&self) -> usize {
        self.0.longest()
    }

    fn stream(&self) -> Box<dyn RedactStream> {
        Box::new(Streaming(self.0.stream()))
    }
}

struct Streaming(secrets::RedactStream);

impl RedactStream for Streaming {
    fn push(&mut self, bytes: Bytes) -> Bytes {
        self.0.push(bytes)
    }

    fn finish(&mut self) -> Bytes {
        self.0.finish()
    }
}

/// The secret in ways that servers echo it, as in a token endpoint's or a debug page's answer.
fn echoed(secret: &str, chance: &mut Chance) -> String {
    let (hex, percent) = (hex(secret), percent(secret));
    let form = match chance.below(7) {
        0 => STANDARD.encode(secret),
        1 => STANDARD.encode(format!("{}{secret}{}", "u:".repeat(chance.below(3)), "x".repeat(chance.below(4)))),
        2 => hex.to_uppercase(),
        3 => hex,
        4 => percent,
        5 => serde_json::to_string(secret).unwrap(),
        _ => secret.to_owned(),
    };
    let before: String = (0..chance.below(40)).map(|_| ['a', '"', '\n', 's', '%', '=', 'k'][chance.below(7)]).collect();
    // The beginning of a secret before the secret: whoever matches without going back misses it.
    let start: String = secret.chars().take(chance.below(secret.len())).collect();
    format!("{before}{start}{form}{}", chance.of(&["", "!", "\n", "more and more"]))
}

#[test]
fn no_answer_brings_a_secret_back_however_it_is_cut_packed_or_framed() {
    let secret = "sk-T0p/S3cret+Value=9";
    let parts = [secret.to_owned(), STANDARD.encode(secret), hex(secret), percent(secret)];
    // The characters of base64 that the secret alone decides, wherever it begins.
    let aligned = (0..3).map(|before| {
        let text = STANDARD.encode([vec![0; before], secret.as_bytes().to_vec()].concat());
        text[4..text.len() - 4].to_owned()
    });
    let whole = parts.len();
    let forbidden: Vec<String> = parts.into_iter().chain(aligned).map(|form| form.to_lowercase()).collect();
    let value = Secret::new(secret.as_bytes().to_vec()).unwrap();
    let name: SecretName = "key".parse().unwrap();
    let redactor = Redactor::new([(&name, &value as &dyn secrets::SecretValue)]).unwrap();
    let mut taken = 0;
    fuzz("secrets in responses", 4_000, |_, chance| {
        let body = (0..=chance.below(4)).map(|_| echoed(secret, chance)).collect::<String>().into_bytes();
        let mut head = "HTTP/1.1 200 OK\r\n".to_owned();
        if chance.once_in(3) {
            let field = chance.of(&["Set-Cookie", "X-Echo", "WWW-Authenticate", "Content-Type", "ETag"]);
            let value: String = echoed(secret, chance).chars().filter(|c| !c.is_control()).collect();
            write!(head, "{field}: {value}\r\n").unwrap();
        }
        let body = match chance.below(3) {
            0 => {
                head.push_str("Content-Encoding: gzip\r\n");
                gzip(&body)
            }
            _ => body,
        };
        let mut answer = match chance.below(3) {
            0 => {
                let mut chunked = Vec::new();
                for chunk in body.chunks(1 + chance.below(12)) {
                    chunked.extend(format!("{:x}\r\n", chunk.len()).bytes());
                    chunked.extend(chunk);
                    chunked.extend(b"\r\n");
                }
                let trailer = if chance.once_in(4) { format!("X: {secret}\r\n") } else { String::new() };
                [
                    format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes(),
                    &chunked,
                    format!("0\r\n{trailer}\r\n").as_bytes(),
                ]
                .concat()
            }
            1 => [format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat(),
            _ => [format!("{head}\r\n").as_bytes(), &body].concat(),
        };
        // What is cut off in the middle of a secret is a part of it, and parts are not looked for.
        let cut = chance.once_in(8);
        if cut {
            answer.truncate(answer.len() - chance.below(body.len().max(1)));
        }
        let script = Script { answer, piece: piece(chance), silent: false };
        let redact: Arc<dyn Redact> = Arc::new(Taking(redactor.clone()));
        let seen = match ask(script, Redirects::Return, Some(redact)) {
            Ok(got) => {
                taken += 1;
                String::from_utf8_lossy(&got.all).to_lowercase()
            }
            Err(error) => format!("{error} {error:?}").to_lowercase(),
        };
        for form in &forbidden[..if cut { whole } else { forbidden.len() }] {
            assert!(!seen.contains(form.as_str()), "{form} in {seen}");
        }
    });
    assert!(taken > 2_000, "only {taken} were taken");
}
