//! Who gets a slot of the engine, and when: at once while there are free ones, else by turns from a short line with a
//! deadline; nobody while finals come too late.

mod breaker;
mod gatekeeper;
mod line;
mod refusal;

pub use breaker::{Breaker, BreakerState};
pub use gatekeeper::{Admission, Admitted, Slot};
pub use refusal::Refusal;
