//! The evaluation: real calls of the first-party tools with something wrong, and what becomes of them.
//!
//! Owns the faults and the measure. What is injected is decided here, by seed, before anything is repaired, and it is frozen: the
//! generators stand in the history before the first rule does. It refuses to know how a repair works; it sees calls go in and
//! outcomes come out.

mod arguments;
mod chance;
mod choice;
mod execution;
mod places;
mod split;
