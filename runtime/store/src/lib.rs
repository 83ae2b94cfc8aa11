//! SQLite behind the store traits of core; nothing else knows SQL.
