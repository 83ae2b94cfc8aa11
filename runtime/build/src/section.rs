//! Custom sections of a component: read, put in, taken out.
//!
//! Works on the outermost sections alone, so nested modules keep theirs, and never decodes anything else: a component of
//! many megabytes is copied once.

use std::borrow::Cow;
use std::ops::Range;

use wasm_encoder::{ComponentSection as _, CustomSection};
use wasmparser::{BinaryReader, ComponentExternalKind, Parser, Payload};

/// The component with the given sections at its end, in their order; sections that had one of these names are gone.
///
/// The same input gives the same bytes.
pub fn embed(component: &[u8], sections: &[(&str, &[u8])]) -> Result<Vec<u8>, SectionError> {
    let added: usize = sections.iter().map(|(name, data)| name.len() + data.len() + 16).sum();
    let mut out = Vec::with_capacity(component.len() + added);
    let mut kept = PREAMBLE.len();
    out.extend_from_slice(&PREAMBLE);
    for section in outer_sections(component)? {
        let section = section?;
        if section.custom.is_some_and(|(name, _)| sections.iter().any(|(other, _)| *other == name)) {
            out.extend_from_slice(&component[kept..section.whole.start]);
            kept = section.whole.end;
        }
    }
    out.extend_from_slice(&component[kept..]);
    for (name, data) in sections {
        CustomSection { name: Cow::Borrowed(name), data: Cow::Borrowed(data) }.append_to_component(&mut out);
    }
    Ok(out)
}

/// The data of the first outermost custom section with this name.
pub fn find<'a>(component: &'a [u8], name: &str) -> Result<Option<&'a [u8]>, SectionError> {
    for section in outer_sections(component)? {
        if let Some((found, data)) = section?.custom
            && found == name
        {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// The names of the functions and instances that a component exports, in its order.
pub fn exports(component: &[u8]) -> Result<Vec<String>, SectionError> {
    // The parser would read a core module too, whose exports are no tools.
    drop(outer_sections(component)?);
    let mut names = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports {
                    let export = export?;
                    if matches!(export.kind, ComponentExternalKind::Func | ComponentExternalKind::Instance) {
                        names.push(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

/// Bytes that are no component, or a damaged one.
#[derive(Debug, thiserror::Error)]
pub enum SectionError {
    /// The first eight bytes are not those of a component.
    #[error("this is {0}, not a WebAssembly component")]
    NotAComponent(&'static str),
    /// A section does not end inside the file, or its name is not text.
    #[error("the component is damaged: {0}")]
    Damaged(#[from] wasmparser::BinaryReaderError),
}

/// Magic, version 13, layer 1 (Component Model, Binary.md, "preamble").
const PREAMBLE: [u8; 8] = [0x00, b'a', b's', b'm', 0x0d, 0x00, 0x01, 0x00];

struct Outer<'a> {
    /// From its id byte to its end.
    whole: Range<usize>,
    /// Name and data, if it is a custom section.
    custom: Option<(&'a str, &'a [u8])>,
}

fn outer_sections(component: &[u8]) -> Result<impl Iterator<Item = Result<Outer<'_>, SectionError>>, SectionError> {
    if !component.starts_with(&PREAMBLE) {
        return Err(SectionError::NotAComponent(match component {
            [] => "an empty file",
            [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => "a core module",
            [0, b'a', b's', b'm', ..] => "WebAssembly of another version",
            _ => "something else",
        }));
    }
    let mut reader = BinaryReader::new(&component[PREAMBLE.len()..], PREAMBLE.len());
    Ok(std::iter::from_fn(move || {
        if reader.eof() {
            return None;
        }
        let next = next_section(component, &mut reader);
        if next.is_err() {
            // A damaged section hides where the next one begins.
            reader = BinaryReader::new(&[], 0);
        }
        Some(next)
    }))
}

fn next_section<'a>(component: &'a [u8], reader: &mut BinaryReader<'a>) -> Result<Outer<'a>, SectionError> {
    let start = reader.original_position();
    let id = reader.read_u8()?;
    let size = reader.read_var_u32()? as usize;
    let begin = reader.original_position();
    let body = reader.read_bytes(size)?;
    let custom = if id == 0 {
        let mut body = BinaryReader::new(body, begin);
        let name = body.read_string()?;
        Some((name, body.read_bytes(body.bytes_remaining())?))
    } else {
        None
    };
    debug_assert!(begin + size <= component.len(), "the reader has checked that the section is there");
    Ok(Outer { whole: start..begin + size, custom })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component that holds a module with a section of the same name.
    fn sample() -> Vec<u8> {
        let mut module = wasm_encoder::Module::new();
        module.section(&CustomSection { name: "x".into(), data: Cow::Borrowed(b"inner") });
        let mut component = wasm_encoder::Component::new();
        component.section(&CustomSection { name: "x".into(), data: Cow::Borrowed(b"old") });
        component.section(&wasm_encoder::ModuleSection(&module));
        component.section(&CustomSection { name: "y".into(), data: Cow::Borrowed(b"kept") });
        component.finish()
    }

    #[test]
    fn what_is_embedded_is_found_and_replaces_what_was_there() {
        let out = embed(&sample(), &[("x", b"new"), ("z", b"")]).expect("embeds");
        assert_eq!(find(&out, "x").expect("reads"), Some(&b"new"[..]));
        assert_eq!(find(&out, "y").expect("reads"), Some(&b"kept"[..]));
        assert_eq!(find(&out, "z").expect("reads"), Some(&b""[..]));
        assert_eq!(find(&out, "none").expect("reads"), None);
        assert!(!out.windows(3).any(|w| w == b"old"), "the old section is gone");
        assert!(out.windows(5).any(|w| w == b"inner"), "a nested module keeps its own");
        wasmparser::Validator::new().validate_all(&out).expect("still valid");
    }

    #[test]
    fn embedding_twice_is_embedding_once() {
        let sections: &[(&str, &[u8])] = &[("toolcell:manifest", b"a"), ("toolcell:docs", b"{}")];
        let once = embed(&sample(), sections).expect("embeds");
        assert_eq!(embed(&once, sections).expect("embeds"), once);
    }

    #[test]
    fn what_is_no_component_is_named() {
        for (bytes, name) in [
            (&b""[..], "empty"),
            (b"\0asm\x01\0\0\0", "core module"),
            (b"\x7fELF....", "something else"),
            (b"(component)", "something else"),
            (b"\0asm\x0e\0\x01\0", "another version"),
        ] {
            let error = embed(bytes, &[]).expect_err("refused");
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn a_cut_component_is_an_error_at_every_length() {
        let whole = sample();
        let boundaries: Vec<_> =
            outer_sections(&whole).expect("reads").map(|s| s.expect("whole").whole.start).collect();
        for end in PREAMBLE.len() + 1..whole.len() {
            let cut = embed(&whole[..end], &[("x", b"")]);
            assert_eq!(cut.is_ok(), boundaries.contains(&end), "cut at {end}");
            let _ = exports(&whole[..end]);
            let _ = find(&whole[..end], "y");
        }
    }

    #[test]
    fn sections_that_claim_four_gibibytes_cost_nothing() {
        let mut bytes = PREAMBLE.to_vec();
        bytes.extend([0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert!(matches!(embed(&bytes, &[]), Err(SectionError::Damaged(_))));
    }
}
