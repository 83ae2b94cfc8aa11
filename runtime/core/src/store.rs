//! What every store may answer in place of a result.

/// The store did not answer in time, or could not. A write whose answer is missing took place whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store does not answer now; try again later")]
pub struct Unavailable {
    /// Why, for the operator. It may name files of the host and is never shown to a tool or a model.
    pub detail: String,
}
