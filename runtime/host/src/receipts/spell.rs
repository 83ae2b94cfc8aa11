//! A receipt as JSON text, the same to the byte as serde writes it, in half the time: every call waits for it.

use serde::Serialize;
use serde_json::Error as JsonError;
use toolcell_core::receipt::Used;
use toolcell_core::{CallId, Digest, Receipt};

/// Appends the JSON text of a receipt.
pub(super) fn spell(receipt: &Receipt, out: &mut Vec<u8>) -> Result<(), JsonError> {
    // Naming every field here means that a new one does not compile until it is written.
    let Receipt {
        call,
        tool,
        component,
        tenant,
        caller,
        parent,
        arguments,
        result,
        started,
        duration_us,
        queued_us,
        verdict,
        kind,
        used,
        host_calls,
        origins,
        denied,
    } = receipt;
    id(out, b"{\"call\":\"", *call);
    out.extend_from_slice(b"\",\"tool\":");
    text(out, tool)?;
    if let Some(component) = component {
        digest(out, b",\"component\":\"", component);
    }
    out.extend_from_slice(b",\"tenant\":");
    text(out, &tenant.0)?;
    out.extend_from_slice(b",\"caller\":");
    text(out, caller)?;
    if let Some(parent) = parent {
        id(out, b",\"parent\":\"", *parent);
        out.push(b'"');
    }
    digest(out, b",\"arguments\":\"", arguments);
    if let Some(result) = result {
        digest(out, b",\"result\":\"", result);
    }
    number(out, b",\"started\":", started.0);
    number(out, b",\"duration_us\":", *duration_us);
    number(out, b",\"queued_us\":", *queued_us);
    out.extend_from_slice(b",\"verdict\":");
    text(out, verdict)?;
    if let Some(kind) = kind {
        out.extend_from_slice(b",\"kind\":");
        text(out, kind.name())?;
    }
    out.extend_from_slice(b",\"used\":");
    usage(out, used);
    if !host_calls.is_empty() {
        out.extend_from_slice(b",\"host_calls\":");
        value(out, host_calls)?;
    }
    if !origins.is_empty() {
        out.extend_from_slice(b",\"origins\":");
        value(out, origins)?;
    }
    if !denied.is_empty() {
        out.extend_from_slice(b",\"denied\":");
        value(out, denied)?;
    }
    out.push(b'}');
    Ok(())
}

fn usage(out: &mut Vec<u8>, used: &Used) {
    let Used {
        fuel,
        memory,
        argument_bytes,
        result_bytes,
        log_bytes,
        log_lines,
        host_calls,
        host_bytes,
        random_bytes,
        file_read_bytes,
        file_write_bytes,
        http_requests,
        http_sent_bytes,
        http_received_bytes,
        nested_calls,
    } = *used;
    let fields: [(&[u8], u64); 15] = [
        (b"\"fuel\":", fuel),
        (b"\"memory\":", memory),
        (b"\"argument_bytes\":", argument_bytes),
        (b"\"result_bytes\":", result_bytes),
        (b"\"log_bytes\":", log_bytes),
        (b"\"log_lines\":", log_lines),
        (b"\"host_calls\":", host_calls),
        (b"\"host_bytes\":", host_bytes),
        (b"\"random_bytes\":", random_bytes),
        (b"\"file_read_bytes\":", file_read_bytes),
        (b"\"file_write_bytes\":", file_write_bytes),
        (b"\"http_requests\":", http_requests),
        (b"\"http_sent_bytes\":", http_sent_bytes),
        (b"\"http_received_bytes\":", http_received_bytes),
        (b"\"nested_calls\":", nested_calls),
    ];
    out.push(b'{');
    let mut first = true;
    for (name, amount) in fields.into_iter().filter(|(_, amount)| *amount > 0) {
        if !first {
            out.push(b',');
        }
        first = false;
        number(out, name, amount);
    }
    out.push(b'}');
}

/// Text that needs no escape is copied; what does is left to serde.
fn text(out: &mut Vec<u8>, text: &str) -> Result<(), JsonError> {
    if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        return value(out, &text);
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
    Ok(())
}

fn value(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), JsonError> {
    serde_json::to_writer(out, value)
}

fn digest(out: &mut Vec<u8>, name: &[u8], digest: &Digest) {
    out.extend_from_slice(name);
    out.extend_from_slice(digest.hex().as_str().as_bytes());
    out.push(b'"');
}

fn id(out: &mut Vec<u8>, name: &[u8], id: CallId) {
    out.extend_from_slice(name);
    out.extend(id.0.to_be_bytes().into_iter().flat_map(|byte| {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
    }));
}

fn number(out: &mut Vec<u8>, name: &[u8], mut number: u64) {
    out.extend_from_slice(name);
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use toolcell_core::receipt::DeniedAttempt;
    use toolcell_core::{Kind, Limit, Tenant};

    use super::super::tests::receipt;
    use super::*;

    fn is_as_serde_writes_it(receipt: &Receipt) {
        let mut out = Vec::new();
        spell(receipt, &mut out).expect("is JSON");
        assert_eq!(String::from_utf8(out).expect("text"), serde_json::to_string(receipt).expect("is JSON"));
    }

    #[test]
    fn every_receipt_is_spelled_as_serde_spells_it() {
        let usual = receipt(7);
        is_as_serde_writes_it(&usual);
        let digest = Digest::of(b"x");
        for text in ["", "json.query", "a\"b\\c", "\n\u{0}\u{1f}\u{7f}", "é🦀\u{202e}\u{2028}", "</script>"] {
            is_as_serde_writes_it(&Receipt {
                tool: text.to_owned(),
                tenant: Tenant(text.into()),
                caller: text.to_owned(),
                verdict: text.to_owned().into(),
                host_calls: BTreeMap::from([(text.to_owned().into(), 3)]),
                origins: [("https://example.org:443".to_owned(), 2), ("http://[::1]:80".to_owned(), 1)].into(),
                denied: vec![DeniedAttempt {
                    function: text.to_owned().into(),
                    reason: text.to_owned().into(),
                    count: 9,
                }],
                ..usual.clone()
            });
        }
        let all = Used {
            fuel: u64::MAX,
            memory: 1,
            argument_bytes: 10,
            result_bytes: 99,
            log_bytes: 100,
            log_lines: 101,
            host_calls: 1 << 40,
            host_bytes: 7,
            random_bytes: 8,
            file_read_bytes: 9,
            file_write_bytes: 11,
            http_requests: 12,
            http_sent_bytes: 13,
            http_received_bytes: 14,
            nested_calls: 15,
        };
        for used in [Used::default(), all, Used { nested_calls: 1, ..Used::default() }] {
            for optional in [None, Some(digest)] {
                is_as_serde_writes_it(&Receipt {
                    component: optional,
                    result: optional,
                    parent: optional.map(|_| CallId(u128::MAX)),
                    kind: optional.map(|_| Kind::Limit(Limit::Fuel)),
                    queued_us: 0,
                    duration_us: u64::MAX,
                    used,
                    ..usual.clone()
                });
            }
        }
    }
}
