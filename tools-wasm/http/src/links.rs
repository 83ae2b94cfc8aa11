//! Owns `list-links`: where a page leads, each place once.

use std::collections::HashMap;

use toolcell_client::{Transport, text::cleaned};
use url::Url;

use crate::ask::{self, Refusal};
use crate::media::{Media, decode};
use crate::page;
use crate::read::get;

/// Which links to list. Numbers are not checked yet.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// What their URLs begin with.
    pub prefix: Option<String>,
    /// Where they lead.
    pub reach: Reach,
    /// How many at most.
    pub limit: Option<u32>,
}

/// Where links lead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    /// Anywhere.
    #[default]
    All,
    /// To the page's own host.
    Internal,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its target.
    pub url: String,
    /// What it says.
    pub text: String,
    /// Whether it leads to another host.
    pub external: bool,
    /// How often it stands there.
    pub count: u32,
}

/// The links of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The page.
    pub url: String,
    /// Its title.
    pub title: String,
    /// Its links, in order.
    pub links: Vec<Link>,
    /// How many there are.
    pub total: usize,
    /// Whether all of the page was read.
    pub complete: bool,
}

/// Lists the links of a page.
pub fn links(transport: &impl Transport, url: &str, filter: &Filter) -> Result<List, Refusal> {
    let limit = ask::within(filter.limit, 500, 1, 10_000, "/filter/limit", "a number from 1 to 10,000")?;
    let (answer, media) = get(transport, url)?;
    if media != Media::Page {
        let kind = answer.response.headers.media_type().unwrap_or_else(|| "plain text".to_owned());
        return Err(Refusal::url(
            &answer.url,
            "the URL of a web page",
            format!("what is there is {kind}; only web pages have links"),
        ));
    }
    let parsed = page::parse(&decode(&answer.response, &media).text, &answer.url)?;
    let base = page::base(&parsed.document, &answer.url);
    let mut links = Vec::<Link>::new();
    let mut places = HashMap::<String, usize>::new();
    for element in parsed.document.select("a[href], area[href]").nodes() {
        let Some(target) = element.attr("href").and_then(|target| base.join(target.trim()).ok()) else { continue };
        if !leads_away(&target, &answer.url) {
            continue;
        }
        let external = target.host_str() != answer.url.host_str();
        let passes = filter.prefix.as_deref().is_none_or(|prefix| target.as_str().starts_with(prefix));
        if !passes || (external && filter.reach == Reach::Internal) {
            continue;
        }
        if let Some(&at) = places.get(target.as_str()) {
            links[at].count += 1;
            // The first link to a place is often a picture, and a later one says what it is.
            if links[at].text.is_empty() {
                links[at].text = words(element);
            }
            continue;
        }
        places.insert(target.to_string(), links.len());
        links.push(Link { url: target.into(), text: words(element), external, count: 1 });
    }
    let total = links.len();
    links.truncate(limit as usize);
    Ok(List {
        url: answer.url.into(),
        title: cleaned(&parsed.document.select_single("title").text(), 500),
        links,
        total,
        complete: parsed.complete && !answer.response.truncated,
    })
}

/// Whether a target is a place that can be gone to, and another one than the page itself.
fn leads_away(target: &Url, page: &Url) -> bool {
    let mut place = target.clone();
    place.set_fragment(None);
    matches!(target.scheme(), "https" | "http" | "mailto" | "tel" | "ftp")
        && (target.fragment().is_none() || place != *page)
}

/// What a link says: its text, what stands for the picture in it, or its label.
fn words(element: &dom_query::NodeRef<'_>) -> String {
    let text = cleaned(&element.text(), LONGEST_TEXT);
    if !text.is_empty() {
        return text;
    }
    let picture = element.descendants_it().find_map(|node| node.attr("alt").filter(|text| !text.trim().is_empty()));
    let label = ["aria-label", "title", "alt"];
    let label = || label.iter().find_map(|name| element.attr(name).filter(|text| !text.trim().is_empty()));
    picture.or_else(label).map_or_else(String::new, |text| cleaned(&text, LONGEST_TEXT))
}

/// How much of a link's text is kept, in characters.
const LONGEST_TEXT: usize = 300;
