//! Owns the edge of the component: the types of `wit/world.wit` on one side, plain Rust on the other. Only in components, so that
//! native tests do not get the exported symbols.

use toolcell_client::contract::{Failure, Problem};
use toolcell_client::{Method as Verb, Wasi};

use crate::ask::Refusal;
use crate::read::{Extraction as From, Links, Part};
use crate::{fetch, links, read};
use bindings::{Extraction, FetchOptions, Fetched, Header, Link, LinkFilter, LinkList, Method, Page, ReadOptions};

/// What `wit/world.wit` generates.
mod bindings {
    #![allow(unsafe_code, reason = "the generated glue reads and writes the component's memory")]
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
    wit_bindgen::generate!({
        path: ["../../wit/tool", "wit"],
        world: "toolcell:http/http",
        generate_all,
        with: { "toolcell:tool/types@0.1.0": toolcell_client::contract },
    });

    use super::Tool;
    export!(Tool);
}

struct Tool;

impl bindings::Guest for Tool {
    fn fetch(
        url: String,
        method: Option<Method>,
        headers: Option<Vec<Header>>,
        body: Option<String>,
        options: Option<FetchOptions>,
    ) -> Result<Fetched, Failure> {
        let options = options.map_or_else(fetch::Options::default, |options| fetch::Options {
            redirects: options.redirects,
            max_bytes: options.max_bytes,
        });
        let headers = headers.unwrap_or_default().into_iter().map(|header| (header.name, header.value)).collect();
        let method = method.map_or(Verb::Get, verb);
        let fetched = fetch::fetch(&Wasi, method, &url, headers, body, &options).map_err(failure)?;
        Ok(Fetched {
            url: fetched.url,
            status: fetched.status,
            headers: fetched.headers.into_iter().map(|(name, value)| Header { name, value }).collect(),
            media_type: fetched.media_type,
            charset: fetched.body.charset.to_owned(),
            text: fetched.body.text,
            bytes: whole(fetched.bytes),
            truncated: fetched.truncated,
        })
    }

    fn read_page(url: String, options: Option<ReadOptions>) -> Result<Page, Failure> {
        let options = options.map_or_else(read::Options::default, |options| read::Options {
            links: if options.links == Some(true) { Links::Keep } else { Links::Drop },
            part: if options.whole_page == Some(true) { Part::Whole } else { Part::Article },
            max_characters: options.max_characters,
        });
        let reading = read::read(&Wasi, &url, &options).map_err(failure)?;
        Ok(Page {
            url: reading.url,
            title: reading.title,
            byline: reading.byline,
            site_name: reading.site_name,
            published: reading.published,
            modified: reading.modified,
            language: reading.language,
            summary: reading.summary,
            text: reading.text,
            characters: whole(reading.characters),
            extraction: match reading.extraction {
                From::Article => Extraction::Article,
                From::WholePage => Extraction::WholePage,
                From::Plain => Extraction::Plain,
            },
            truncated: reading.truncated,
            complete: reading.complete,
        })
    }

    fn list_links(url: String, filter: Option<LinkFilter>) -> Result<LinkList, Failure> {
        let filter = filter.map_or_else(links::Filter::default, |filter| links::Filter {
            prefix: filter.prefix,
            reach: if filter.internal == Some(true) { links::Reach::Internal } else { links::Reach::All },
            limit: filter.limit,
        });
        let list = links::links(&Wasi, &url, &filter).map_err(failure)?;
        let link =
            |link: links::Link| Link { url: link.url, text: link.text, external: link.external, count: link.count };
        Ok(LinkList {
            url: list.url,
            title: list.title,
            links: list.links.into_iter().map(link).collect(),
            total: whole(list.total),
            complete: list.complete,
        })
    }
}

fn verb(method: Method) -> Verb {
    match method {
        Method::Get => Verb::Get,
        Method::Head => Verb::Head,
        Method::Post => Verb::Post,
        Method::Put => Verb::Put,
        Method::Patch => Verb::Patch,
        Method::Delete => Verb::Delete,
    }
}

/// Counts of things that lie in a memory of 32 bits fit into 32 bits.
fn whole(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn failure(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Argument { pointer, expected, found, message } => {
            Failure::InvalidArgument(Problem { pointer, expected: expected.to_owned(), found, message })
        }
        Refusal::Failed(failure) => failure.at("/url", "a URL that the server accepts"),
    }
}
