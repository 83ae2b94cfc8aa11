//! Properties of redaction: nothing known survives, nothing else is touched, and splits make no difference.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;

use super::super::forms::forms;
use super::*;

/// Xorshift: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    fn bytes(&mut self, length: usize, alphabet: &[u8]) -> Vec<u8> {
        (0..length).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }
}

const ALPHABETS: [&[u8]; 4] =
    [b"ab", b"abcdefghijklmnopqrstuvwxyz0123456789", b"aZ09 /+<>&\"\\%=:?#[]\n~!", b"\x00\x7f\x80\xc3\xa9\xff\xfe\x01"];

fn redactor(secrets: &[(SecretName, Secret)]) -> Redactor {
    Redactor::new(secrets.iter().map(|(name, secret)| (name, secret as &dyn SecretValue))).expect("not too much")
}

fn one(bytes: &[u8]) -> Redactor {
    redactor(&[(name("key"), secret(bytes))])
}

fn streamed(redactor: &Redactor, text: &[u8], mut next: impl FnMut() -> usize) -> Vec<u8> {
    let mut stream = redactor.stream();
    let mut rest = Bytes::copy_from_slice(text);
    let mut out = Vec::new();
    while !rest.is_empty() {
        out.extend_from_slice(&stream.push(rest.split_to(next().min(rest.len()))));
        assert!(stream.held.bytes().len() < redactor.longest().max(1));
    }
    out.extend_from_slice(&stream.finish());
    out
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[test]
fn no_form_of_any_secret_survives_whatever_surrounds_it_and_wherever_it_is_split() {
    let mut random = Random(0x7001_ce11);
    for round in 0..120 {
        let alphabet = ALPHABETS[round % ALPHABETS.len()];
        let secrets: Vec<_> = (0..=random.below(3))
            .map(|number| {
                let length = 8 + random.below(24);
                (name(&format!("key-{number}")), secret(&random.bytes(length, alphabet)))
            })
            .collect();
        let all: Vec<_> = secrets.iter().flat_map(|(_, secret)| forms(&value(secret))).collect();
        let redactor = redactor(&secrets);
        let mut text = Vec::new();
        for _ in 0..20 {
            let noise = random.below(20);
            text.extend(random.bytes(noise, alphabet));
            let form = &all[random.below(all.len())];
            // Whole forms, and also halves, which could become one with what follows.
            let part = if random.below(4) == 0 { form.len() / 2 } else { form.len() };
            text.extend_from_slice(&form[..part]);
        }
        let whole = redactor.bytes(&text).into_owned();
        assert!(all.iter().all(|form| !contains(&whole, form)), "{round}");
        for most in [1, 2, 7, 40, 400] {
            let split = streamed(&redactor, &text, || 1 + random.below(most));
            assert!(split == whole, "{round}: split at up to {most}");
        }
    }
}

#[test]
fn a_secret_is_found_at_every_split_and_between_any_neighbours() {
    let redactor = one(b"s3cr3t/v4lue");
    let text = b"<before>s3cr3t/v4lue<after>";
    for at in 0..=text.len() {
        let mut stream = redactor.stream();
        let mut out = stream.push(Bytes::from_static(&text[..at])).to_vec();
        out.extend_from_slice(&stream.push(Bytes::new()));
        out.extend_from_slice(&stream.push(Bytes::from_static(&text[at..])));
        out.extend_from_slice(&stream.finish());
        assert_eq!(out, b"<before>[secret:key]<after>", "{at}");
    }
}

#[test]
fn a_secret_inside_a_longer_base64_text_is_found_at_each_alignment() {
    let secret = b"basic-auth-passw0rd";
    let redactor = one(secret);
    for user in ["", "u", "us", "use", "user:"] {
        for after in ["", "x", "xy"] {
            let text = STANDARD_NO_PAD.encode([user.as_bytes(), secret, after.as_bytes()].concat());
            let shown = redactor.text(&text);
            assert!(shown.contains("[secret:key]"), "{shown}");
            assert!(shown.len() <= "[secret:key]".len() + text.len() - 24, "{shown}");
        }
    }
}

#[test]
fn text_without_secrets_is_borrowed_and_byte_identical() {
    let redactor = one(b"0123456789abcdef");
    let mut random = Random(42);
    for length in [0, 1, 15, 16, 1000, 100_000] {
        let text = random.bytes(length, b"0123456789abcdefgh%=\\");
        assert!(matches!(redactor.bytes(&text), Cow::Borrowed(same) if same == text));
        assert_eq!(streamed(&redactor, &text, || 1 + random.below(1 + length / 3)), text);
    }
    assert!(matches!(redactor.text("plain"), Cow::Borrowed("plain")));
    let none = redactor_of_nothing();
    assert!(matches!(none.bytes(b"anything"), Cow::Borrowed(_)));
    assert_eq!((none.longest(), streamed(&none, b"anything", || 3)), (0, b"anything".to_vec()));
}

fn redactor_of_nothing() -> Redactor {
    redactor(&[])
}

#[test]
fn what_cannot_be_a_secret_is_passed_on_at_once() {
    let redactor = one(b"0123456789abcdef");
    let mut stream = redactor.stream();
    assert_eq!(stream.push(Bytes::from_static(b"data: hello\n\n")), "data: hello\n\n");
    assert_eq!(stream.push(Bytes::from_static(b"data: 01234")), "data: ");
    assert_eq!(stream.push(Bytes::from_static(b"!")), "01234!");
}

#[test]
fn overlapping_secrets_leave_nothing_of_either() {
    let secrets = [(name("left"), secret(b"abcdefgh12345678")), (name("right"), secret(b"12345678ijklmnop"))];
    let both = redactor(&secrets);
    assert_eq!(both.bytes(b"<abcdefgh12345678ijklmnop>").as_ref(), b"<[secret:left]>");
    assert_eq!(both.bytes(b"abcdefgh1234567812345678ijklmnop").as_ref(), b"[secret:left][secret:right]");
    let nested = redactor(&[(name("long"), secret(b"xx12345678yy")), (name("short"), secret(b"12345678"))]);
    assert_eq!(nested.bytes(b"<xx12345678yy|12345678>").as_ref(), b"<[secret:long]|[secret:short]>");
}

#[test]
fn an_endless_run_of_overlapping_secrets_is_one_mark_and_held_in_bounded_memory() {
    let redactor = one(b"aaaaaaaaaaaaaaaa");
    let mut stream = redactor.stream();
    let mut out = Vec::new();
    for _ in 0..100_000 {
        out.extend_from_slice(&stream.push(Bytes::from_static(b"aaa")));
        assert!(stream.held.bytes().len() < redactor.longest());
    }
    out.extend_from_slice(&stream.finish());
    assert_eq!(out, b"[secret:key]");
}

#[test]
fn the_longest_secret_is_redacted_even_byte_by_byte() {
    let mut random = Random(7);
    let bytes = random.bytes(Secret::MAX, ALPHABETS[2]);
    let redactor = one(&bytes);
    let mut text = bytes[..Secret::MAX - 1].to_vec();
    text.extend_from_slice(&bytes);
    let shown = streamed(&redactor, &text, || 1);
    assert!(shown.ends_with(b"[secret:key]") && shown.len() <= Secret::MAX + 12);
    let many: Vec<_> = (0..8).map(|number| (name(&format!("key-{number}")), secret(&bytes))).collect();
    let all = many.iter().map(|(name, secret)| (name, secret as &dyn SecretValue));
    assert_eq!(Redactor::new(all).expect_err("refused"), TooMuchToRedact);
}
