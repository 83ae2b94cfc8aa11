//! Owns `read-page`: from a page to its article as Markdown, with what the page says about itself.

use dom_query::{Document, NodeRef};
use dom_smoothie::{Article, Config, Readability};
use toolcell_client::{Excess, Limits, Method, Request, Transport, text::cleaned};
use url::Url;

use crate::ask::{self, Refusal};
use crate::follow::{Answer, follow};
use crate::media::{Media, decode};
use crate::page::{self, Page};

/// How to read. Numbers are not checked yet.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What to do with links.
    pub links: Links,
    /// How much of the page to take.
    pub part: Part,
    /// The most characters of text.
    pub max_characters: Option<u32>,
}

/// What to do with links.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Links {
    /// They become their text.
    #[default]
    Drop,
    /// They keep their targets.
    Keep,
}

/// How much of a page to take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Part {
    /// Its article; all of it where there is none.
    #[default]
    Article,
    /// All of it.
    Whole,
}

/// Where a text is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the contract describes them")]
pub enum Extraction {
    Article,
    WholePage,
    Plain,
}

/// A page as text; the members are those of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the contract describes them")]
pub struct Reading {
    pub url: String,
    pub title: String,
    pub byline: Option<String>,
    pub site_name: Option<String>,
    pub published: Option<String>,
    pub modified: Option<String>,
    pub language: Option<String>,
    pub summary: Option<String>,
    pub text: String,
    pub characters: usize,
    pub extraction: Extraction,
    pub truncated: bool,
    pub complete: bool,
}

/// Reads a page.
pub fn read(transport: &impl Transport, url: &str, options: &Options) -> Result<Reading, Refusal> {
    let most = ask::within(
        options.max_characters,
        50_000,
        100,
        1_000_000,
        "/options/max_characters",
        "a number of characters from 100 to 1,000,000",
    )?;
    let (answer, media) = get(transport, url)?;
    let decoded = decode(&answer.response, &media).text;
    let mut reading = match media {
        Media::Page => page(&decoded, &answer.url, options)?,
        _ => Reading { text: decoded, ..empty(&answer.url, Extraction::Plain) },
    };
    reading.complete &= !answer.response.truncated;
    reading.characters = reading.text.chars().count();
    reading.truncated = cut(&mut reading.text, most as usize);
    if reading.language.is_none() {
        reading.language = answer.response.headers.get("content-language").and_then(|language| line(language, 50));
    }
    Ok(reading)
}

/// Gets something that is text, after redirects; anything else is refused.
pub fn get(transport: &impl Transport, url: &str) -> Result<(Answer, Media), Refusal> {
    let url = ask::url(url)?;
    let request = Request::new(Method::Get, url.as_str()).header("user-agent", ask::AGENT).header("accept", ACCEPTED);
    let limits = Limits { body: page::LARGEST, excess: Excess::Cut, ..Limits::default() };
    let answer = follow(transport, request, url, &limits, 5)?;
    if let Some(refusal) = Refusal::of_status(&answer.url, &answer.response) {
        return Err(refusal);
    }
    let media = Media::of(&answer.response);
    if let Media::Other(name) = &media {
        let message = format!("what is there is {name}; only web pages, plain text and JSON can be read");
        return Err(Refusal::url(&answer.url, "the URL of a web page", message));
    }
    Ok((answer, media))
}

/// A value of a page as one clean line; none where nothing is left.
pub fn line(text: &str, most: usize) -> Option<String> {
    Some(cleaned(text, most)).filter(|line| !line.is_empty())
}

/// What a page is asked for: a web page first.
const ACCEPTED: &str =
    "text/html, application/xhtml+xml, text/plain;q=0.9, application/json;q=0.8, text/*;q=0.7, */*;q=0.1";

/// What is no text of a page, wherever it stands.
const NO_TEXT: &str = "script, style, noscript, template, iframe, object, embed, svg, canvas, video, audio, form, button, input, \
                       select, textarea, dialog, [hidden], [aria-hidden=true]";

/// The most levels of a page in which an article is looked for: the search reads the text of an element anew on every level, and pages
/// for readers have a few dozen.
const SEARCHABLE: usize = 200;

/// What leads elsewhere, and is no part of an article.
const NAVIGATION: &str = "nav, [role=navigation], [role=search]";

/// Where pages say when they were changed; the library reads the date of publication alone.
const MODIFIED: &str = "meta[property='article:modified_time'][content], meta[property='og:updated_time'][content]";

/// The most lists and quotes in each other that are shown as such.
const MOST_INDENTS: usize = 20;

/// What stands for `&` in an address until the Markdown is made, because that writes `&amp;`, which is right and of no use to somebody who
/// copies the address. A private-use character: no URL has one, as they are percent-encoded there.
const AMPERSAND: &str = "\u{e000}";

/// What stands on lines of its own.
const BLOCKS: [&str; 18] = [
    "address",
    "article",
    "blockquote",
    "center",
    "div",
    "dl",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "ul",
];

fn page(text: &str, url: &Url, options: &Options) -> Result<Reading, Refusal> {
    let Page { document, complete, depth } = page::parse(text, url)?;
    let base = page::base(&document, url);
    let title = document.select_single("title").text().to_string();
    let language = document.select_single("html").attr("lang").and_then(|language| line(&language, 50));
    let modified = document.select_single(MODIFIED).attr("content").and_then(|time| line(&time, 100));
    let article = match options.part {
        Part::Article if depth <= SEARCHABLE => article(document, url),
        Part::Article | Part::Whole => Err(Some(document)),
    };
    let mut reading = match article {
        Ok(article) => {
            let body = Document::fragment(article.content.clone());
            let said = |text: &Option<String>, most| text.as_deref().and_then(|text| line(text, most));
            Reading {
                title: cleaned(&article.title, 500),
                byline: said(&article.byline, 300),
                site_name: said(&article.site_name, 200),
                published: said(&article.published_time, 100),
                modified: said(&article.modified_time, 100),
                summary: said(&article.excerpt, 1000),
                text: markdown(&body, &base, options.links),
                ..empty(url, Extraction::Article)
            }
        }
        Err(whole) => {
            let whole = whole.map_or_else(|| page::parse(text, url).map(|page| page.document), Ok)?;
            whole.select(NO_TEXT).remove();
            whole.select(NAVIGATION).remove();
            Reading { text: markdown(&whole, &base, options.links), ..empty(url, Extraction::WholePage) }
        }
    };
    if reading.title.is_empty() {
        reading.title = cleaned(&title, 500);
    }
    reading.language = language;
    reading.modified = reading.modified.or(modified);
    reading.complete = complete;
    Ok(reading)
}

/// The article of a page. None, with the page where it is still whole, if nothing in it looks like one.
fn article(document: Document, url: &Url) -> Result<Article, Option<Document>> {
    // Where a page has next to no text, its navigation would be taken for the article.
    document.select(NAVIGATION).remove();
    // Classes say in which language code is written.
    let config = Config { keep_classes: true, ..Config::default() };
    let mut readability = Readability::with_document(document, Some(url.as_str()), Some(config)).map_err(|_| None)?;
    let article = readability.parse().map_err(|_| None)?;
    if article.text_content.trim().is_empty() { Err(None) } else { Ok(article) }
}

/// A tree as Markdown. Pictures are left out: a reader of text has nothing from their addresses.
fn markdown(document: &Document, base: &Url, links: Links) -> String {
    document.select("img, picture, source").remove();
    for link in document.select("a").nodes() {
        let target = link.attr("href").and_then(|target| base.join(target.trim()).ok());
        match target {
            Some(target) if links == Links::Keep && matches!(target.scheme(), "https" | "http" | "mailto") => {
                link.set_attr("href", &target.as_str().replace('&', AMPERSAND));
                link.remove_attr("title");
            }
            _ => link.rename("span"),
        }
    }
    // A mark of emphasis that was never closed goes on through all that follows, and Markdown has none over several blocks.
    for emphasis in document.select("b, strong, i, em").nodes() {
        if emphasis.children_it(false).any(|child| BLOCKS.iter().any(|name| child.has_name(name))) {
            emphasis.rename("span");
        }
    }
    flatten(document);
    let body = document.body().unwrap_or_else(|| document.root());
    body.md(Some(&["script", "style", "head", "meta", "title"])).trim().replace(AMPERSAND, "&")
}

/// Makes plain blocks of lists and quotes that stand in more than [`MOST_INDENTS`] others. Every line in them begins with an indent for
/// each level, so that a small page could become a text of many times its size.
fn flatten(document: &Document) {
    let indents = |node: &NodeRef<'_>| ["ul", "ol", "blockquote"].iter().any(|name| node.has_name(name));
    let (mut node, mut level) = (document.root(), 0_usize);
    loop {
        if let Some(child) = node.first_child() {
            level += usize::from(indents(&node));
            if level > MOST_INDENTS && (indents(&child) || child.has_name("li")) {
                child.rename("div");
            }
            node = child;
            continue;
        }
        loop {
            if let Some(sibling) = node.next_sibling() {
                if level > MOST_INDENTS && (indents(&sibling) || sibling.has_name("li")) {
                    sibling.rename("div");
                }
                node = sibling;
                break;
            }
            let Some(parent) = node.parent() else { return };
            node = parent;
            level -= usize::from(indents(&node));
        }
    }
}

/// Cuts a text to `most` characters, between paragraphs or lines where one ends in the last tenth. Whether it was cut.
fn cut(text: &mut String, most: usize) -> bool {
    let Some((end, _)) = text.char_indices().nth(most) else { return false };
    text.truncate(end);
    let late = text.floor_char_boundary(end - end / 10);
    let border = text[late..].rfind("\n\n").or_else(|| text[late..].rfind('\n')).map_or(end, |at| late + at);
    text.truncate(border);
    text.truncate(text.trim_end().len());
    true
}

fn empty(url: &Url, extraction: Extraction) -> Reading {
    Reading {
        url: url.to_string(),
        title: String::new(),
        byline: None,
        site_name: None,
        published: None,
        modified: None,
        language: None,
        summary: None,
        text: String::new(),
        characters: 0,
        extraction,
        truncated: false,
        complete: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_paragraphs_where_one_ends_late() {
        let cut_to = |text: &str, most| {
            let mut text = text.to_owned();
            (cut(&mut text, most), text)
        };
        assert_eq!(cut_to("short", 5), (false, "short".to_owned()));
        assert_eq!(cut_to(&format!("{}\n\nbb\ncc", "a".repeat(95)), 100), (true, "a".repeat(95)));
        assert_eq!(cut_to(&"ü".repeat(200), 100), (true, "ü".repeat(100)));
        assert_eq!(cut_to(&format!("a\n\n{}", "b".repeat(200)), 100).1.chars().count(), 100);
    }

    #[test]
    fn lists_in_lists_do_not_make_a_text_of_indents() {
        let deep = format!("{}{}", "<ul><li>".repeat(200), "<li>one".repeat(2_000));
        let url = Url::parse("https://example.com/").unwrap();
        let options = Options { part: Part::Whole, ..Options::default() };
        let text = page(&deep, &url, &options).unwrap().text;
        assert_eq!(text.matches("one").count(), 2_000);
        assert!(text.len() < 400_000, "{}", text.len());
        let usual = page("<ul><li>a<ul><li>b</ul><li>c</ul>", &url, &options).unwrap().text;
        assert_eq!(usual, "- a\n    - b\n- c");
    }

    #[test]
    fn a_deep_page_is_read_on_a_small_stack() {
        let text =
            format!("{}<p>{}</p>{}", "<div>".repeat(480), "words of an article, ".repeat(60), "</div>".repeat(480));
        let mut bombs = vec![text];
        for tag in [
            "<div>",
            "<b>",
            "<blockquote>",
            "<ul><li>",
            "<table><tr><td>",
            "<span><div>",
            "<a href=x><p>",
            "<template>",
        ] {
            bombs.push(format!("<p>{}</p>{}", "words of an article, ".repeat(60), tag.repeat(20_000)));
        }
        // The guest has 1 MiB, and a build for tests has larger frames than the component.
        let reader = std::thread::Builder::new().stack_size(1024 * 1024).spawn(move || {
            let url = Url::parse("https://example.com/").unwrap();
            for text in bombs {
                for part in [Part::Article, Part::Whole] {
                    let options = Options { part, links: Links::Keep, ..Options::default() };
                    if let Ok(reading) = page(&text, &url, &options) {
                        assert!(reading.text.contains("words of an article"));
                    }
                }
            }
        });
        reader.unwrap().join().unwrap();
    }
}
