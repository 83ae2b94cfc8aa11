use super::*;
use crate::samples::concepts;

fn refusal(list: &[Concept]) -> GraphError {
    Graph::new(list).unwrap_err()
}

#[test]
fn an_unknown_need_is_pointed_at_with_the_nearest_name() {
    let list = concepts("algebra: calculus:algebra physics:algebra,calculos");
    let error = refusal(&list);
    assert_eq!(error.pointer(), "/concepts/2/needs/1");
    assert_eq!(error.found().as_deref(), Some("calculos"));
    assert!(error.to_string().contains("did you mean \"calculus\""), "{error}");
    assert!(error.expected().contains("\"calculus\""));
}

#[test]
fn a_need_that_resembles_nothing_says_what_to_do() {
    let error = refusal(&concepts("a:quantum-field-theory"));
    assert!(error.to_string().ends_with("add it to the list, or drop it here"), "{error}");
}

#[test]
fn ids_are_unique_and_not_empty() {
    let error = refusal(&concepts("a: b: a:"));
    assert_eq!(error, GraphError::DuplicateId { at: 2, first: 0, id: "a".to_owned() });
    assert_eq!(error.pointer(), "/concepts/2/id");
    let error = refusal(&concepts("a: :a"));
    assert_eq!(error.pointer(), "/concepts/1/id");
}

#[test]
fn ids_that_differ_in_case_or_spaces_are_different() {
    let mut list = concepts("a: A:");
    list.push(Concept { id: " a".to_owned(), ..Concept::default() });
    assert_eq!(Graph::new(&list).unwrap().size(), 3);
}

#[test]
fn efforts_are_hours() {
    for bad in [-1.0, -f64::MIN_POSITIVE, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.1e9] {
        let mut list = concepts("a: b:");
        list[1].effort = Some(bad);
        assert_eq!(refusal(&list).pointer(), "/concepts/1/effort", "{bad}");
    }
    for good in [0.0, -0.0, 0.25, MAX_EFFORT] {
        let mut list = concepts("a:");
        list[0].effort = Some(good);
        assert!(Graph::new(&list).is_ok(), "{good}");
    }
}

#[test]
fn a_need_named_twice_counts_once() {
    let list = concepts("a: b:a,a,a");
    let graph = Graph::new(&list).unwrap();
    assert_eq!((graph.needs(1), graph.dependents(0)), (&[0][..], &[1][..]));
}

#[test]
fn hostile_names_are_only_names() {
    for name in ["\0", "__proto__", "/~1", "\u{202e}", "needs", &"x".repeat(1_000_000)] {
        let list = [
            Concept { id: name.to_owned(), ..Concept::default() },
            Concept { id: "other".to_owned(), needs: vec![name.to_owned()], ..Concept::default() },
        ];
        assert_eq!(Graph::new(&list).unwrap().needs(1), &[0]);
    }
}

#[test]
fn a_name_without_end_is_not_repeated_whole() {
    let list = [Concept { id: "a".to_owned(), needs: vec!["ü".repeat(1_000_000)], ..Concept::default() }];
    let error = refusal(&list);
    assert!(error.to_string().len() < 500 && error.found().unwrap().ends_with('…'));
}

#[test]
fn a_million_misspelt_needs_end_at_the_first() {
    let mut list = concepts(&(0..200_000).map(|at| format!("concept-{at}:")).collect::<Vec<_>>().join(" "));
    list[7].needs = vec!["koncept-77".to_owned(); 1_000_000];
    let error = refusal(&list);
    assert_eq!(error.pointer(), "/concepts/7/needs/0");
    assert!(error.to_string().contains("concept-77\""), "{error}");
}
