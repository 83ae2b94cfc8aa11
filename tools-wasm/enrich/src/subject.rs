//! Owns what is looked up: an email address or a domain, checked before a request is spent on it. The rules are those of host names
//! (RFC 1123, section 2.1) and of the plain local parts that mail in practice has (RFC 5321, section 4.1.2, without quoted strings).

use toolcell_client::contract::Failure;
use toolcell_client::failure::invalid;

/// What is looked up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A person, by an address.
    Email(String),
    /// A company, by a domain.
    Domain(String),
}

impl Subject {
    /// An email address, with its domain in lower case.
    pub(crate) fn email(text: &str) -> Result<Self, Failure> {
        let bad =
            || invalid("/email", "an email address such as ada@example.com, with its domain in ASCII", Some(text));
        let (local, domain) = text.trim().rsplit_once('@').ok_or_else(bad)?;
        // RFC 5321, section 4.5.3.1: 64 for the local part, and 254 for all of it.
        let is_whole = local.len() <= 64 && local.len() + 1 + domain.len() <= 254;
        let atoms = local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom));
        let domain = domain_name(domain).filter(|_| is_whole && atoms).ok_or_else(bad)?;
        Ok(Self::Email(format!("{local}@{domain}")))
    }

    /// A domain, in lower case.
    pub(crate) fn domain(text: &str) -> Result<Self, Failure> {
        let expected = "a domain such as example.com, in ASCII and without https:// and path";
        domain_name(text.trim()).map(Self::Domain).ok_or_else(|| invalid("/domain", expected, Some(text)))
    }

    /// The text that is sent.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Email(text) | Self::Domain(text) => text,
        }
    }

    /// The API's name for it.
    pub(crate) fn parameter(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Domain(_) => "domain",
        }
    }

    /// The argument it came from.
    pub(crate) fn pointer(&self) -> &'static str {
        match self {
            Self::Email(_) => "/email",
            Self::Domain(_) => "/domain",
        }
    }
}

/// A character of an atom (RFC 5322, section 3.2.3).
fn is_atom(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// The domain in lower case; none where it is no name of two labels at least, or an address of the network.
fn domain_name(text: &str) -> Option<String> {
    if text.len() > 253 || !text.contains('.') {
        return None;
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let last_is_a_name =
        text.rsplit('.').next().is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_alphabetic()));
    (text.split('.').all(is_label) && last_is_a_name).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_as_it_is_but_for_the_case_of_its_domain() {
        let email = |text: &str| Subject::email(text).map(|subject| subject.as_str().to_owned());
        assert_eq!(email(" Ada.L+x@Example.COM ").unwrap(), "Ada.L+x@example.com");
        assert_eq!(email("o'hara@xn--bcher-kva.example").unwrap(), "o'hara@xn--bcher-kva.example");
        let long = format!("{}@example.com", "a".repeat(65));
        let huge = format!("a@{}", "a.".repeat(500_000));
        for none in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "ada@example",
            "a b@example.com",
            "a@b@example.com",
            ".ada@example.com",
            "ada..l@example.com",
            "ada@example.com\r\nx: y",
            "ada@-example.com",
            "ada@1.2.3.4",
            "ada@bücher.example",
            "ada@example..com",
            "\"a b\"@example.com",
            &long,
            &huge,
        ] {
            assert!(email(none).is_err(), "{none:.50}");
        }
    }

    #[test]
    fn a_domain_is_a_name_and_nothing_around_it() {
        assert_eq!(Subject::domain("Example.CO.uk").unwrap(), Subject::Domain("example.co.uk".to_owned()));
        for none in [
            "",
            "example",
            "https://example.com",
            "example.com/a",
            "example.com:443",
            "10.0.0.1",
            ".com",
            "a_b.com",
            "a.com.",
        ] {
            assert!(Subject::domain(none).is_err(), "{none}");
        }
    }
}
