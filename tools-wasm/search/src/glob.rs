//! Owns the patterns that choose files: `*`, `**` and `?`. It refuses character classes and alternatives (several patterns do
//! the same), and its cost is at worst the product of the two lengths, whatever the pattern.

/// The most characters of a pattern.
pub const LONGEST: usize = 256;

/// A pattern.
#[derive(Debug)]
pub struct Glob {
    parts: Vec<Part>,
    /// Whether it is matched against the whole path below the folder, or against the file's name alone.
    whole_path: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    /// This character.
    Exactly(char),
    /// `?`: one character, but not `/`.
    One,
    /// `*`: any characters but `/`, or none.
    Name,
    /// `**`: anything or nothing.
    Anything,
    /// `**/` where a name could begin: skips the part after it, or goes into it.
    Folders,
    /// Always after `Folders`: anything up to and with a `/`.
    UpToSlash,
}

impl Glob {
    /// Reads a pattern; `None` where it is empty or longer than [`LONGEST`]. One that ends in `/` means all below.
    pub fn new(pattern: &str) -> Option<Self> {
        let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
        let pattern = pattern.strip_prefix('/').unwrap_or(pattern);
        if pattern.is_empty() || pattern.chars().nth(LONGEST).is_some() {
            return None;
        }
        let mut parts = Vec::new();
        let mut rest = pattern;
        while let Some(letter) = rest.chars().next() {
            let at_name = matches!(parts.last(), None | Some(Part::Exactly('/') | Part::UpToSlash));
            let length = if at_name && rest.starts_with("**/") {
                parts.extend([Part::Folders, Part::UpToSlash]);
                3
            } else if rest.starts_with("**") {
                parts.push(Part::Anything);
                2
            } else {
                parts.push(match letter {
                    '*' => Part::Name,
                    '?' => Part::One,
                    _ => Part::Exactly(letter),
                });
                letter.len_utf8()
            };
            rest = &rest[length..];
        }
        if pattern.ends_with('/') {
            parts.push(Part::Anything);
        }
        Some(Self { parts, whole_path: pattern.contains('/') })
    }

    /// Whether a path below the folder (`guide/start.md`) matches.
    pub fn matches(&self, path: &str) -> bool {
        let subject = if self.whole_path { path } else { path.rsplit('/').next().unwrap_or(path) };
        // Every place in the pattern that the text so far can have led to, instead of trying them one after the other.
        let mut open = vec![false; self.parts.len() + 1];
        let mut next = open.clone();
        open[0] = true;
        self.pass_over_nothing(&mut open);
        for letter in subject.chars() {
            next.fill(false);
            for (at, part) in self.parts.iter().enumerate() {
                if !open[at] {
                    continue;
                }
                match part {
                    Part::Exactly(wanted) => next[at + 1] |= *wanted == letter,
                    Part::One => next[at + 1] |= letter != '/',
                    Part::Name => next[at] |= letter != '/',
                    Part::Anything => next[at] = true,
                    Part::Folders => {}
                    Part::UpToSlash => {
                        next[at] = true;
                        next[at + 1] |= letter == '/';
                    }
                }
            }
            std::mem::swap(&mut open, &mut next);
            self.pass_over_nothing(&mut open);
        }
        open[self.parts.len()]
    }

    /// Opens what can be reached without a character; places only lead to later ones, so one pass is enough.
    fn pass_over_nothing(&self, open: &mut [bool]) {
        for (at, part) in self.parts.iter().enumerate() {
            if open[at] {
                match part {
                    Part::Name | Part::Anything => open[at + 1] = true,
                    Part::Folders => (open[at + 1], open[at + 2]) = (true, true),
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Glob::new(pattern).unwrap().matches(path)
    }

    #[test]
    fn a_pattern_without_a_slash_is_about_the_name() {
        assert!(matches("*.md", "a.md") && matches("*.md", "deep/down/a.md"));
        assert!(!matches("*.md", "a.mdx") && !matches("*.md", "md/a.txt"));
        assert!(matches("a?c.txt", "x/abc.txt") && !matches("a?c.txt", "x/ac.txt"));
        assert!(matches("**", "x/y") && matches("läufer*", "ö/läufer.txt"));
    }

    #[test]
    fn a_pattern_with_a_slash_is_about_the_path() {
        assert!(matches("guide/*.md", "guide/a.md") && !matches("guide/*.md", "guide/x/a.md"));
        assert!(matches("guide/**", "guide/x/a.md") && !matches("guide/**", "guides/a.md"));
        assert!(matches("guide/", "guide/x/a.md") && matches("/guide/a.md", "guide/a.md"));
        assert!(!matches("guide/a.md", "x/guide/a.md"));
    }

    #[test]
    fn two_stars_before_a_slash_are_any_folders_or_none() {
        for path in ["a.md", "x/a.md", "x/y/a.md"] {
            assert!(matches("**/a.md", path), "{path}");
        }
        assert!(!matches("**/a.md", "xa.md") && !matches("**/a.md", "x/ba.md"));
        assert!(matches("x/**/z", "x/z") && matches("x/**/z", "x/y/y/z") && !matches("x/**/z", "xz"));
        assert!(matches("**/**/a", "a") && matches("**/**/a", "p/q/r/a"));
    }

    #[test]
    fn patterns_that_say_nothing_or_too_much_are_refused() {
        assert!(Glob::new("").is_none() && Glob::new("/").is_none());
        assert!(Glob::new(&"*".repeat(257)).is_none());
    }

    #[test]
    fn stars_upon_stars_stay_cheap() {
        let pattern = "*a".repeat(127);
        assert!(!matches(&pattern, &format!("{}b", "a".repeat(4_000))));
        assert!(!matches(&format!("{}b", "**/".repeat(85)), &"a/".repeat(2_000)));
    }
}
