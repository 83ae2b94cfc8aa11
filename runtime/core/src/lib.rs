//! The words of Toolcell as types, and the traits between its rooms.
//!
//! Owns what travels between rooms: calls, outcomes, receipts, limits, the shape of types, manifests, strict JSON.
//! Refuses I/O of any kind, Wasmtime, and every decision about permission: a grant is made in `toolcell-host`, whose
//! constructor nothing here can see. That is what lets the agents' room build on this crate alone.

pub mod arguments;
pub mod call;
pub mod card;
pub mod clock;
pub mod digest;
pub mod docs;
pub mod failure;
pub mod fixes;
pub mod health;
pub mod history;
pub mod json;
pub mod kv;
pub mod limits;
pub mod manifest;
pub mod nearest;
pub mod net;
pub mod outcome;
pub mod receipt;
pub mod runs;
pub mod store;
pub mod tool;
pub mod types;
pub mod units;

pub use arguments::Arguments;
pub use call::{CallId, Event, Events, LogLevel, Silent, Tenant, ToolCall, Toolbox};
pub use card::{Card, Directory, Effects};
pub use clock::{Clock, UnixMillis};
pub use digest::Digest;
pub use failure::{Failure, Kind, Problem, Recovery};
pub use history::{Attempt, Change, ChangeKind, History, Repairer, Then};
pub use limits::{Limit, Limits};
pub use outcome::{Outcome, ResultText, Verdict};
pub use receipt::{Receipt, Sealed};
pub use runs::{RunId, RunStore};
pub use tool::{ComponentName, ToolId};
