//! The streaming network that ships with the engine, measured: accuracy, false finals, how soon text comes, what a
//! chunk costs, and how many streams a core sustains.

pub mod accuracy;
pub mod capacity;
pub mod compute;
pub mod emission;
pub mod false_finals;
pub mod model;
pub mod noise;
pub mod serve;
pub mod streams;
