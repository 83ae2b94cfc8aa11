//! What a component can do, and who has approved it.
