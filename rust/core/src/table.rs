//! Files of tables, read for queries: JSON of any size in, typed columns as `Native` blocks out.
//!
//! A file is read twice: a [`Scan`] finds out what its columns hold, then [`Blocks`] has their cells.
//! Both take it piece by piece and keep no more than a row and a block of it. An incremental table
//! is several files, one after another.

mod blocks;
mod cells;
mod columns;
mod reader;

pub use blocks::Blocks;
pub use columns::{Column, Kind, Scan};
pub use reader::{MAX_COLUMNS, MAX_ROW_BYTES};
