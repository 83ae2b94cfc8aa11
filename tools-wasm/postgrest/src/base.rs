//! Owns where the database is: the operator's setting `base-url`. It is a value of the operator and still checked, because table names are
//! put behind it; whether a request may go there is for the host to say.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use toolcell_client::contract::Failure;
use toolcell_client::{Request, text};

/// The name of the setting.
pub(crate) const SETTING: &str = "base-url";

/// The longest setting, in bytes: the rest of an address is for the query.
const LONGEST: usize = 512;
/// What is encoded in a segment of a path: all but the unreserved characters of RFC 3986, section 2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address that tables are below.
#[derive(Debug)]
pub(crate) struct Base(String);

impl Base {
    /// The address of a setting.
    pub(crate) fn new(setting: Option<&str>) -> Result<Self, Failure> {
        let url = setting.map(str::trim).filter(|url| !url.is_empty()).ok_or_else(|| {
            Failure::Denied(format!(
                "The operator has not said where the database is: a rule of the policy for this tool has to set `{SETTING}`, such as \
                 config = {{ {SETTING} = \"https://….supabase.co/rest/v1/\" }}"
            ))
        })?;
        let url = url.trim_end_matches('/');
        let is_plain = url.len() <= LONGEST && !url.contains(['?', '#', '%']) && Request::get(url).target().is_ok();
        if !is_plain {
            return Err(Failure::Denied(format!(
                "The operator's setting `{SETTING}` is no plain address that begins with https:// or http:// and has no query: {}",
                text::cleaned(url, 100)
            )));
        }
        Ok(Self(url.to_owned()))
    }

    /// The address of a table.
    pub(crate) fn table(&self, name: &str) -> String {
        format!("{}/{}", self.0, utf8_percent_encode(name, SEGMENT))
    }

    /// The address of a function.
    pub(crate) fn function(&self, name: &str) -> String {
        format!("{}/rpc/{}", self.0, utf8_percent_encode(name, SEGMENT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_stand_below_the_setting_whatever_their_name() {
        for setting in ["https://a.example/rest/v1/", " https://a.example/rest/v1 "] {
            let base = Base::new(Some(setting)).unwrap();
            assert_eq!(base.table("orders"), "https://a.example/rest/v1/orders");
            assert_eq!(base.table("Order Items?x=1#é"), "https://a.example/rest/v1/Order%20Items%3Fx%3D1%23%C3%A9");
            assert_eq!(base.function("f"), "https://a.example/rest/v1/rpc/f");
        }
    }

    #[test]
    fn a_setting_that_is_no_address_is_the_operators_to_mend() {
        for none in [
            "",
            " ",
            "a.example",
            "ftp://a.example",
            "https://u:p@a.example",
            "https://a.example/?x=1",
            "https://a.example/#x",
            "https://a.example/%2e%2e",
        ] {
            assert!(matches!(Base::new(Some(none)), Err(Failure::Denied(_))), "{none}");
        }
        assert!(Base::new(Some(&format!("https://{}.example/", "a".repeat(600)))).is_err());
        let Err(Failure::Denied(message)) = Base::new(None) else { panic!("not denied") };
        assert!(message.contains("config = { base-url = "), "{message}");
    }
}
