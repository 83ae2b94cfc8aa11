//! Owns the hint in "there is no such folder": what is mounted, and what is in the nearest folder that does exist. Only names
//! that the caller could list anyway are given, and only a few of them.

use std::fs;
use std::path::Path;

/// How many names a hint lists.
const NAMED: usize = 12;
/// How many entries are looked at to find them.
const LOOKED_AT: usize = 1_000;

/// A sentence or two about where a folder could be.
pub fn hint(folder: &str, mounted: &[String]) -> String {
    if mounted.is_empty() {
        return "No folder is mounted for this call: the tool needs a grant that mounts one.".to_owned();
    }
    let mounts = format!("Mounted here: {}.", listed(mounted));
    let existing = Path::new(folder).ancestors().skip(1).find(|above| is_inside(above, mounted) && above.is_dir());
    let Some(existing) = existing else { return mounts };
    let inside = folders_in(existing);
    let existing = existing.display();
    if inside.is_empty() {
        return format!("{existing} exists and has no folders in it. {mounts}");
    }
    format!("{existing} exists and has in it: {}. {mounts}", listed(&inside))
}

fn is_inside(path: &Path, mounted: &[String]) -> bool {
    !path.as_os_str().is_empty() && mounted.iter().any(|mount| path.starts_with(mount))
}

fn folders_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .take(LOOKED_AT)
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort_unstable();
    names
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(NAMED) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

/// The guest paths of the folders that are mounted.
#[cfg(target_os = "wasi")]
pub fn mounted() -> Vec<String> {
    wasip2::filesystem::preopens::get_directories().into_iter().map(|(_, path)| path).collect()
}

/// The guest paths of the folders that are mounted; outside a sandbox there are no mounts, and everything is reachable.
#[cfg(not(target_os = "wasi"))]
pub fn mounted() -> Vec<String> {
    vec!["/".to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_mounts_the_grant_is_named() {
        assert!(hint("/docs", &[]).contains("needs a grant"));
    }

    #[test]
    fn the_nearest_folder_that_exists_lists_its_folders() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("guide/deep")).unwrap();
        fs::create_dir(root.path().join(".git")).unwrap();
        fs::write(root.path().join("file.txt"), "").unwrap();
        let mount = root.path().to_str().unwrap().to_owned();
        let asked = format!("{mount}/guides/deep");
        let sentence = hint(&asked, std::slice::from_ref(&mount));
        assert_eq!(sentence, format!("{mount} exists and has in it: guide. Mounted here: {mount}."));
        let sentence = hint(&format!("{mount}/guide/deep/down"), std::slice::from_ref(&mount));
        assert!(sentence.starts_with(&format!("{mount}/guide/deep exists and has no folders")), "{sentence}");
    }

    #[test]
    fn what_is_above_the_mounts_is_not_looked_at() {
        assert_eq!(hint("/tmp/nothing/here", &["/docs".to_owned()]), "Mounted here: /docs.");
        assert_eq!(hint("", &["/docs".to_owned()]), "Mounted here: /docs.");
    }

    #[test]
    fn a_crowd_is_cut() {
        let many: Vec<String> = (0..40).map(|number| format!("/m{number}")).collect();
        assert!(hint("x", &many).ends_with("/m11 and 28 more."), "{}", hint("x", &many));
    }
}
