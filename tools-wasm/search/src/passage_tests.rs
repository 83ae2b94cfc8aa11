use super::*;
use crate::ask::ask;

fn cut(query: &str, text: &str, length: usize) -> Passage {
    let ask = ask(query).unwrap();
    passage(&mut Scanner::new(&ask), text, &vec![1.0; ask.words.len()], length, 100)
}

#[test]
fn positions_count_lines_characters_and_bytes() {
    let text = "Ein Füchslein.\n\nDer Fuchs und der fuchs\r\nfuchs";
    let found = cut("fuchs", text, 0).positions;
    let shown: Vec<(u32, u32)> = found.iter().map(|at| (at.line, at.column)).collect();
    assert_eq!(shown, [(3, 5), (3, 19), (4, 1)]);
    for at in &found {
        assert!(text[at.start as usize..at.end as usize].eq_ignore_ascii_case("fuchs"));
    }
    assert_eq!(cut("füchslein", text, 0).positions[0].column, 5);
}

#[test]
fn the_snippet_is_where_most_of_the_query_is() {
    let text =
        format!("{} lion. {} The lion met a mouse. {}", "word ".repeat(50), "word ".repeat(50), "word ".repeat(50));
    let snippet = cut("lion mouse", &text, 40).snippet;
    assert!(snippet.contains("The lion met a mouse"), "{snippet}");
    assert!(snippet.starts_with('…') && snippet.ends_with("word…"), "{snippet}");
    assert!(snippet.chars().count() <= 42, "{snippet}");
}

#[test]
fn a_short_text_is_its_own_snippet_on_one_line() {
    assert_eq!(cut("b", " a\n\tb \u{7}\u{1b} c\n", 240).snippet, "a b c");
    assert_eq!(cut("b", "b", 1).snippet, "b");
    assert_eq!(cut("b", "b", 0).snippet, "");
}

#[test]
fn words_that_are_longer_than_the_snippet_are_cut_at_characters() {
    let text = format!("{}ü{}", "é".repeat(100), "ö".repeat(200));
    let query = &text[..200 + 2 + 154 * 2];
    let snippet = cut(query, &text, 10).snippet;
    assert_eq!(snippet, format!("{}…", "é".repeat(10)));
}

#[test]
fn every_length_and_query_cuts_without_panic() {
    let text = "Ärger 東京 and\r\n\r\n a\u{301}b — “quoted” 🦊 fox\u{301} end ";
    for query in ["ärger", "東", "fox\u{301}", "end", "quoted and", "a\u{301}b"] {
        for length in 0..60 {
            let snippet = cut(query, text, length).snippet;
            assert!(snippet.chars().count() <= length + 2, "{query} {length} {snippet}");
        }
    }
}

#[test]
fn a_text_of_one_word_stays_cheap() {
    let text = "a ".repeat(1_000_000);
    let found = cut("a b c d", &text, 2_000);
    assert_eq!((found.positions.len(), found.positions[99].column), (100, 199));
}

#[test]
fn titles_are_headings() {
    assert_eq!(title("# The Fox\n\ntext", "/docs/fox.md"), "The Fox");
    assert_eq!(title("\u{feff}\n  \n***\nThe Fox\n", "/docs/fox.md"), "The Fox");
    assert_eq!(title("---\ndate: 1\ntitle: \"The Fox\"\n---\n# Other", "fox.md"), "The Fox");
    assert_eq!(title("---\ndate: 1\n---\n# Other", "fox.md"), "Other");
    assert_eq!(title("", "/docs/fox.md"), "fox.md");
    assert_eq!(title("\n".repeat(100).as_str(), "fox.md"), "fox.md");
    let long = title(&"ü".repeat(1_000_000), "x");
    assert_eq!(long.chars().count(), 121);
    assert_eq!(title("a\u{1b}[31m\tb", "x"), "a [31m b");
}
