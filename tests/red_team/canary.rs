//! The secret of the cases, in every form in which a tool, a caller or a file could show it.
//!
//! The forms are made here by themselves, and not by what the host looks for.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Never to be seen by a tool, a caller or a file. Every usual encoding changes some of it.
pub(super) const CANARY: &str = "c4n4ry-7b1f0c+Zq/9~x&=end_";

/// The ways in which it could be written: as it is, in hex, in percent signs, and in base64 wherever it begins in a longer text.
pub(super) fn forms() -> Vec<String> {
    let hex = CANARY.bytes().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    let percent = CANARY.bytes().fold(String::new(), |mut text, byte| {
        write!(text, "%{byte:02X}").unwrap();
        text
    });
    let component = CANARY.replace('+', "%2B").replace('/', "%2F").replace('&', "%26").replace('=', "%3D");
    let mut forms = vec![CANARY.to_owned(), hex.to_uppercase(), hex, percent.to_lowercase(), percent, component];
    for before in 0..3 {
        let text = [&vec![b'-'; before], CANARY.as_bytes(), b"--"].concat();
        forms.extend([STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)]);
    }
    forms.extend([CANARY.replace('/', "\\/"), CANARY.replace('&', "\\u0026")]);
    forms
}

/// The middle of each form: an encoding's edges hold bits of what stands around it.
pub(super) fn traces() -> Vec<String> {
    forms().into_iter().map(|form| form[4..form.len() - 4].to_owned()).collect()
}

pub(super) fn is_clean(text: &str, what: &str) {
    for trace in traces() {
        // Text that is quoted within JSON once more.
        let quoted = trace.replace('\\', "\\\\");
        assert!(!text.contains(&trace) && !text.contains(&quoted), "{what}: {trace} is in {text}");
    }
}

/// Looks into every file below a folder.
pub(super) fn written(folder: &Path, what: &str) {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            is_clean(&entry.path().to_string_lossy(), what);
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_none_or(|extension| extension != "wasm") {
                let bytes = fs::read(entry.path()).unwrap();
                let text = String::from_utf8_lossy(&bytes);
                for trace in traces() {
                    assert!(!text.contains(&trace), "{what}: {trace} is in {}", entry.path().display());
                }
            }
        }
    }
}
