use super::*;

fn write(root: &Path, below: &str, bytes: impl AsRef<[u8]>) {
    let path = root.join(below);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn names(root: &Path, filter: &Filter) -> (Vec<String>, Coverage) {
    let root = root.to_str().unwrap();
    let mut names = Vec::new();
    let coverage = read(root, filter, |document| names.push(document.path[root.len() + 1..].to_owned())).unwrap();
    (names, coverage)
}

fn globs(patterns: &[&str]) -> Vec<Glob> {
    patterns.iter().map(|pattern| Glob::new(pattern).unwrap()).collect()
}

#[test]
fn documents_come_by_path_whatever_their_depth() {
    let root = tempfile::tempdir().unwrap();
    for below in ["b.txt", "a/z.txt", "a/b/c.txt", "c.md", ".hidden/x.txt", ".dot"] {
        write(root.path(), below, below);
    }
    let (found, coverage) = names(root.path(), &Filter::default());
    assert_eq!(found, ["a/b/c.txt", "a/z.txt", "b.txt", "c.md"]);
    assert_eq!((coverage.documents, coverage.bytes, coverage.skipped_total, coverage.cut), (4, 25, 0, false));
    let filter = Filter { include: globs(&["*.txt"]), exclude: globs(&["a/*"]) };
    assert_eq!(names(root.path(), &filter).0, ["a/b/c.txt", "b.txt"]);
}

#[test]
fn what_is_not_text_is_skipped_and_said() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "latin1.txt", b"caf\xe9");
    write(root.path(), "zero.bin", b"a\0b");
    write(root.path(), "utf16.txt", b"\xff\xfea\0b\0");
    write(root.path(), "huge.txt", vec![b'a'; 4 * 1024 * 1024 + 1]);
    write(root.path(), "good.txt", "good");
    let (found, coverage) = names(root.path(), &Filter::default());
    assert_eq!(found, ["good.txt"]);
    let reasons: Vec<Reason> = coverage.skipped.iter().map(|(_, reason)| *reason).collect();
    assert_eq!(reasons, [Reason::TooLarge, Reason::NotText, Reason::NotText, Reason::NotText]);
    assert!(!coverage.cut);
}

#[cfg(unix)]
#[test]
fn links_are_never_followed() {
    let root = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "secret.txt", "secret");
    write(root.path(), "a/good.txt", "good");
    let link = |to: &Path, below: &str| std::os::unix::fs::symlink(to, root.path().join(below)).unwrap();
    link(root.path(), "a/loop");
    link(outside.path(), "out");
    link(&outside.path().join("secret.txt"), "out.txt");
    link(Path::new("self.txt"), "self.txt");
    let (found, coverage) = names(root.path(), &Filter::default());
    assert_eq!(found, ["a/good.txt"]);
    assert_eq!(coverage.skipped_total, 4);
    assert!(coverage.skipped.iter().all(|(_, reason)| *reason == Reason::Link));
}

#[test]
fn a_folder_of_more_bytes_than_a_call_reads_is_cut_by_path() {
    let root = tempfile::tempdir().unwrap();
    for number in 0..12 {
        write(root.path(), &format!("{number:02}.txt"), vec![b'a'; 3 * 1024 * 1024]);
    }
    let (found, coverage) = names(root.path(), &Filter::default());
    assert_eq!((found.len(), found.last().unwrap().as_str()), (10, "09.txt"));
    assert!(coverage.cut);
    assert_eq!(coverage.skipped[0].1, Reason::OverLimit);
}

#[test]
fn folders_upon_folders_end() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &format!("{}x.txt", "d/".repeat(40)), "deep");
    write(root.path(), &format!("{}y.txt", "d/".repeat(31)), "high");
    let (found, coverage) = names(root.path(), &Filter::default());
    assert_eq!(found, [format!("{}y.txt", "d/".repeat(31))]);
    assert_eq!((coverage.skipped_total, coverage.skipped[0].1), (1, Reason::TooDeep));
}

#[test]
fn what_is_no_folder_is_named() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "file.txt", "text");
    let fails = |folder: &str| read(folder, &Filter::default(), |_| {}).unwrap_err();
    assert!(matches!(fails(""), FolderError::NotAPath(_)));
    assert!(matches!(fails("/a\0b"), FolderError::NotAPath(_)));
    assert!(matches!(fails("/docs/../etc"), FolderError::NotAPath(_)));
    assert!(matches!(fails(&format!("/{}", "x".repeat(10_000))), FolderError::Missing(_)));
    let file = root.path().join("file.txt");
    assert!(matches!(fails(file.to_str().unwrap()), FolderError::NotAFolder(_)));
    let missing = root.path().join("missing");
    assert!(matches!(fails(missing.to_str().unwrap()), FolderError::Missing(_)));
    let below_file = file.join("x");
    assert!(matches!(fails(below_file.to_str().unwrap()), FolderError::Missing(_)));
}

#[test]
fn an_empty_folder_is_a_folder() {
    let root = tempfile::tempdir().unwrap();
    let (found, coverage) = names(root.path(), &Filter::default());
    assert!(found.is_empty() && coverage.documents == 0 && !coverage.cut);
}
