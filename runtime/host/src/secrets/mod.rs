//! Secrets: where their values come from, how they lie in memory, and how they are taken out of what is shown.
//!
//! Owns the values: from here on nothing but [`SecretValue::expose`] hands one out, and what it lends cannot be kept by
//! accident. Refuses to read the environment or to look for files: names, values and paths are handed in. Refuses
//! files that another user could have read or written. No message of this module holds a value, nor any part of a file
//! that could be one; that is why parse errors name a line and nothing else.
//!
//! | store | holds |
//! |---|---|
//! | [`MappedSecrets`] | values that the binary took from environment variables which the operator named one by one |
//! | [`SecretFile`] | TOML, `name = "value"`, in a file of mode 0600 |
//! | [`AgeFile`] | the same, encrypted with age to an X25519 identity in a file of mode 0600 |
//! | [`Stores`] | several of them in order; the first that knows a name answers |

mod file;
mod forms;
mod name;
mod private;
mod redact;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod value;

pub use file::{AgeFile, SecretFile};
pub use name::{NotASecretName, SecretName};
pub use private::PrivateFileError;
pub use redact::{PATTERN_BYTES_MAX, RedactStream, Redactor, TooMuchToRedact};
pub use store::{MappedSecrets, Reload, SecretError, SecretStore, Stores};
pub use table::TableError;
pub use value::{NotASecret, Secret, SecretValue};
