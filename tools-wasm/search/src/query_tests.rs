use std::fs;

use super::*;
use crate::folder::FolderError;

fn folder(documents: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in documents {
        fs::write(root.path().join(name), text).unwrap();
    }
    root
}

fn search(root: &tempfile::TempDir, text: &str, options: Options) -> Answer {
    query(root.path().to_str().unwrap(), text, &Filter::default(), options).unwrap()
}

fn names(answer: &Answer) -> Vec<&str> {
    answer.hits.iter().map(|hit| hit.path.rsplit('/').next().unwrap()).collect()
}

#[test]
fn scores_follow_the_formula_and_order_the_hits() {
    let root = folder(&[("a.txt", "a cat sat"), ("b.txt", "the dog's dog"), ("c.txt", "")]);
    let answer = search(&root, "dog", Options::default());
    assert_eq!((names(&answer), answer.total), (vec!["b.txt"], 1));
    // "the dog's dog" is four words: the, dog, s, dog.
    assert!((answer.hits[0].score - 0.510_468_756_214_281_3).abs() < 1e-15);
    let twice = search(&root, "dog dog", Options::default());
    assert!((twice.hits[0].score - 2.0 * answer.hits[0].score).abs() < 1e-15);
    assert_eq!((answer.words[0].0.as_str(), answer.words[0].1, answer.length), ("dog", 1, 7));
}

#[test]
fn equal_scores_are_ordered_by_path() {
    let root = folder(&[("c.txt", "same text"), ("a.txt", "same text"), ("b.txt", "text same")]);
    assert_eq!(names(&search(&root, "same", Options::default())), ["a.txt", "b.txt", "c.txt"]);
    let one = search(&root, "same", Options { limit: 1, ..Options::default() });
    assert_eq!((names(&one), one.total), (vec!["a.txt"], 3));
}

#[test]
fn a_word_that_only_stands_in_an_excluded_group_does_not_score() {
    let root = folder(&[("a.txt", "fox grapes"), ("b.txt", "fox crow"), ("c.txt", "crow")]);
    let answer = search(&root, "fox -\"crow fox\"", Options::default());
    assert_eq!(names(&answer), ["a.txt", "b.txt"]);
    assert_eq!(answer.words.len(), 1);
    assert!(answer.hits.iter().all(|hit| hit.positions.iter().all(|at| at.word == 0)));
}

#[test]
fn nothing_found_is_an_answer() {
    let root = folder(&[("a.txt", "text")]);
    let answer = search(&root, "absent", Options::default());
    assert!(answer.hits.is_empty() && answer.total == 0 && answer.words[0].2 > 0.0);
    let empty = folder(&[]);
    let answer = search(&empty, "absent", Options::default());
    assert!(answer.hits.is_empty() && answer.words[0].2.is_finite());
}

#[test]
fn options_are_checked() {
    let root = folder(&[]);
    let refused = |options| match query(root.path().to_str().unwrap(), "x", &Filter::default(), options) {
        Err(Refusal::OutOfRange { pointer, .. }) => pointer,
        other => panic!("{other:?}"),
    };
    let with = |k1, b| Options { parameters: Parameters { k1, b }, ..Options::default() };
    assert_eq!(refused(Options { limit: 0, ..Options::default() }), "/limit");
    assert_eq!(refused(Options { limit: 101, ..Options::default() }), "/limit");
    assert_eq!(refused(Options { snippet: 2_001, ..Options::default() }), "/options/snippet");
    assert_eq!(refused(Options { positions: u32::MAX, ..Options::default() }), "/options/positions");
    for bad in [f64::NAN, f64::INFINITY, -0.1] {
        assert_eq!(refused(with(bad, 0.5)), "/options/k1");
        assert_eq!(refused(with(1.0, bad)), "/options/b");
    }
    assert_eq!(refused(with(1.2, 1.1)), "/options/b");
}

#[test]
fn a_query_is_checked_before_the_folder_is_touched() {
    let refused = |text| query("/no/such/folder", text, &Filter::default(), Options::default()).unwrap_err();
    assert!(matches!(refused(" "), Refusal::Ask(_)));
    assert!(matches!(refused("x"), Refusal::Folder(FolderError::Missing(_))));
}
