//! A pipeline for work that must be on time: stages on pinned threads that exchange fixed-size messages.
//!
//! A *lane* is a set of connected [stages](stage::Stage). Each owns its state and its ends of the [rings](ring) between them; which
//! thread it runs on is decided when the lane starts, and one core or several run the same code. Nothing on a lane's
//! threads allocates, locks or logs after start-up, and a lane that [spins](wait::Spin) makes no system call.
//!
//! - [`chain`]: a straight pipeline in a few lines. Pipelines of other shapes are put together from the parts below.
//! - [`message`], [`ring`]: what stages exchange, and bounded single-producer single-consumer rings, written and
//!   read in place.
//! - [`eventcount`], [`wait`]: sleeping, and waking at no cost while nobody sleeps.
//! - [`slots`]: what many clients share with one lane.
//! - [`pool`], [`fork_join`]: buffers too large for messages, and a helper for work too large for one thread.
//! - [`lane`], [`supervisor`]: starting threads, and replacing a lane whose stage panics or hangs.
//! - [`warm_up`]: dummy work that keeps caches warm while nothing is due.
//! - [`telemetry`]: HDR histograms of every stage.
//! - [`host`]: what the machine offers to threads that must be on time.

pub mod budget;
pub mod chain;
pub mod clock;
pub mod eventcount;
pub mod fork_join;
mod futex;
mod heartbeat;
pub mod host;
pub mod lane;
mod membarrier;
pub mod message;
pub mod pin;
pub mod placement;
pub mod pool;
pub mod ring;
pub mod slot_set;
pub mod slots;
pub mod stage;
pub mod supervisor;
mod sync;
pub mod telemetry;
pub mod wait;
pub mod warm_up;
