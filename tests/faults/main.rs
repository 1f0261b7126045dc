//! Kills, full disks and neighbours: the next run completes with the same
//! result, nothing is lost and nothing is doubled.

mod disk;
mod drivers;
mod kills;
mod neighbours;
mod scene;
