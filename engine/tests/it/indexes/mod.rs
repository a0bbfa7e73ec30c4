//! Index files: written and used, mended where they fail a check, and never needed.

mod both;
mod closing;
mod counting;
mod forging;
mod heads;
mod lost;
mod mending;
mod opening;
mod rebuilding;
mod refused;
mod rolling;
mod room;
mod store;
mod unlucky;
mod upkeep;
