//! Feature bits that this version does not know: what each lets it do, in every file that has them.

mod indexes;
mod reserved;
mod segment;
mod store;
mod table;
