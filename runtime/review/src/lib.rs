//! What a component may do, and who has approved it.
//!
//! Owns `toolcell.lock`, and all that a reviewer is shown before a line of it is written: what is asked for, what policy
//! would grant of it, what can go wrong with that, and what changed since the last approval. Refuses to decide anything:
//! whether an approval holds is for [`toolcell_host::grant`] to say, at every call. It stands apart from the host because
//! the host only ever reads approvals, and nothing that runs tools should be able to write one.

mod case;
mod diff;
pub mod lock;
mod moment;
mod powers;
mod request;
mod risk;

pub use case::{Case, MAX_TENANTS, Reviewer, Standing, TooManyTenants};
pub use diff::Diff;
pub use lock::{Approved, Edit, Lock, LockError, Prepared};
pub use moment::rfc3339;
pub use powers::{Powers, Reachable};
pub use request::{Request, requests};
pub use risk::{Author, Level, Risk, risks};
