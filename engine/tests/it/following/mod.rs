//! Following a store: what is there, then what comes, each event once and in order.

mod beside;
mod bounds;
mod brief;
mod crowd;
mod damaged;
mod ends;
mod follower;
mod hints;
mod late;
mod live;
mod newer;
mod patience;
mod returning;
mod rolls;
mod succession;
mod tasks;
mod unrecovered;
