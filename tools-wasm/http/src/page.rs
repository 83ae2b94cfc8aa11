//! Owns the tree of a page, and the bounds that make a hostile one harmless: how many nodes, and how deep.
//!
//! The parser itself has no such bounds. A few bytes can make it copy a long list of open elements again and again, and the code that reads
//! the tree later goes down level by level. So the text is fed in small pieces, and a page that grows over a bound is cut there: what was read
//! until then is a page, too.

use dom_query::{Document, NodeRef};
use html5ever::ParseOpts;
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tree_builder::TreeBuilderOpts;
use url::Url;

use crate::ask::Refusal;

/// A page as a tree.
pub struct Page {
    /// The tree.
    pub document: Document,
    /// Whether all of the text is in it.
    pub complete: bool,
    /// How many levels of nodes it has.
    pub depth: usize,
}

/// Parses a page. `url` is for the refusal of one that nests too deep even so.
pub fn parse(text: &str, url: &Url) -> Result<Page, Refusal> {
    // Without scripts, what stands in `noscript` is part of the page.
    let options = ParseOpts {
        tree_builder: TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() },
        ..ParseOpts::default()
    };
    let mut parser = html5ever::parse_document(Document::default(), options);
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(rest.floor_char_boundary(PIECE));
        parser.process(StrTendril::from(piece));
        rest = later;
        let document = &parser.tokenizer.sink.sink;
        // Nobody reads the parser's complaints, and they grow with the page.
        document.errors.borrow_mut().clear();
        if document.tree.len() > MOST_NODES || open_depth(document) > MOST_DEPTH {
            break;
        }
    }
    let complete = rest.is_empty();
    let document = parser.finish();
    let depth = depth(&document);
    if depth > DEEPEST {
        let message = format!("the page nests elements more than {DEEPEST} deep, which no page for readers does");
        return Err(Refusal::url(url, "the URL of a page for readers", message));
    }
    Ok(Page { document, complete, depth })
}

/// The first address that relative ones are resolved against: the page's `base` element, or its URL.
pub fn base(document: &Document, url: &Url) -> Url {
    let base = document.select_single("base[href]").attr("href");
    base.and_then(|base| url.join(base.trim()).ok()).unwrap_or_else(|| url.clone())
}

/// The most bytes of text of a page that are parsed; the rest of a longer page is not fetched.
pub const LARGEST: usize = 8 * 1024 * 1024;

/// How much text is parsed before the bounds are looked at, in bytes. A tag has at least three, so that a piece adds at most 341 levels.
const PIECE: usize = 1024;
/// The most nodes of a page. A node takes about 200 bytes, and finding the article keeps a second tree.
const MOST_NODES: usize = 300_000;
/// The most levels of open elements at the end of a piece; browsers stop at 512.
const MOST_DEPTH: usize = 500;
/// The most levels of a whole page. Reading the tree takes less than half of a stack of 1 MiB there.
const DEEPEST: usize = 1000;

/// How deep the parser is: the length of the path to what it added last.
fn open_depth(document: &Document) -> usize {
    std::iter::successors(Some(document.root()), NodeRef::last_child).count()
}

/// How many levels a tree has, counted without a stack.
fn depth(document: &Document) -> usize {
    let (mut node, mut level, mut most) = (document.root(), 1_usize, 1_usize);
    loop {
        if let Some(child) = node.first_child() {
            node = child;
            level += 1;
            most = most.max(level);
            continue;
        }
        loop {
            if let Some(sibling) = node.next_sibling() {
                node = sibling;
                break;
            }
            let Some(parent) = node.parent() else { return most };
            node = parent;
            level -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Result<Page, Refusal> {
        parse(text, &Url::parse("https://example.com/").unwrap())
    }

    #[test]
    fn a_depth_bomb_is_cut() {
        for tag in ["<div>", "<b>", "<table><tr><td>", "<svg><g>", "<ul><li>", "<font color=x>"] {
            let found = page(&tag.repeat(100_000));
            assert!(found.map_or(true, |page| !page.complete), "{tag}");
        }
    }

    #[test]
    fn a_list_of_formats_that_every_paragraph_repeats_is_cut() {
        let text = (0..200_000).fold(String::new(), |text, at| text + &format!("<p><b id={at}>x</p>"));
        let page = page(&text).map_or(true, |page| !page.complete && page.document.tree.len() < 2 * MOST_NODES);
        assert!(page);
    }

    #[test]
    fn a_usual_page_is_whole() {
        let page = page(&format!("<ul>{}</ul>", "<li>one<br>two".repeat(10_000))).unwrap();
        assert!(page.complete);
        assert_eq!(page.document.select("li").length(), 10_000);
        let empty = super::parse("", &Url::parse("https://example.com/").unwrap()).unwrap();
        assert!(empty.complete);
    }

    #[test]
    fn pieces_end_between_characters() {
        let text = format!("<p>{}</p>", "ü€𝄞".repeat(5_000));
        assert_eq!(page(&text).unwrap().document.select("p").text().chars().count(), 15_000);
    }

    #[test]
    fn relative_addresses_start_at_the_base_element() {
        let url = Url::parse("https://example.com/a/b").unwrap();
        let at = |text: &str| base(&page(text).unwrap().document, &url).to_string();
        assert_eq!(at("<p>"), "https://example.com/a/b");
        assert_eq!(at("<base href='/c/'><base href='/d/'>"), "https://example.com/c/");
        assert_eq!(at("<base target=x><base href='//other.example'>"), "https://other.example/");
        assert_eq!(at("<base href='https://['>"), "https://example.com/a/b");
    }
}
