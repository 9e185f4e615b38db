//! The latency lab: experiments that measure one idea each, beside what else could have been used, and a report
//! that a reader can check and repeat.
//!
//! [`ALL`] names the experiments; [`run`](run()) runs them and writes `report.html`, `report.json` and
//! one HdrHistogram log for each. Where a latency is measured under load the generator is open-loop
//! ([`open_loop`]): it never waits for what it measures.

mod by_enum;
mod by_trait;
mod calibration;
pub mod child;
mod commands;
pub mod compare;
mod context;
mod counters;
mod dispatch;
pub mod distribution;
mod echo;
mod events;
mod experiment;
mod experiments;
pub mod gate;
mod hiccup;
mod hlog;
mod html;
mod kernels;
mod links;
mod live;
pub mod machine;
mod memory;
pub mod open_loop;
pub mod outcome;
mod pin;
mod pipeline;
mod plot;
pub(crate) mod process;
mod rings;
mod run;
mod sample;
mod speech;
mod table;
mod timing;
mod transducer;
mod warming;

pub use context::{Context, Size};
pub use experiment::Experiment;
pub use experiments::ALL;
pub use pin::on_core;
pub use run::{Options, run, write};
pub use table::{report_text, text};
