//! Matrix products and projections on every instruction set of the machine.

mod common;
mod f32_products;
mod integer_products;
mod projection;
#[path = "../support/mod.rs"]
mod support;
