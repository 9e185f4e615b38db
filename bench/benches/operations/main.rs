//! Every kernel other than the matrix products: the plain loop, the same code for each instruction set, and rivals,
//! measured in one run on one core in interleaved rounds.
//!
//! `cargo bench -p voxlane-bench --bench operations [-- WORD]`, where WORD picks the tables whose name holds it.
#![allow(clippy::print_stdout, reason = "a bench reports on stdout")]

mod attention;
mod elementwise;
mod mel;
mod reductions;

use voxlane_bench::timing::medians;
use voxlane_kernels::isa::{self, Isa};

fn main() {
    let word = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let tables: [(&str, fn()); 4] = [
        ("elementwise", elementwise::run),
        ("reductions", reductions::run),
        ("attention", attention::run),
        ("mel", mel::run),
    ];
    for (name, table) in tables {
        if name.contains(&word) {
            println!("\n{name}");
            table();
        }
    }
}

/// The instruction sets that this process can use.
fn instruction_sets() -> impl Iterator<Item = Isa> {
    Isa::available().filter(|isa| isa::select(*isa).is_ok())
}

/// `work` on `isa`: the others take turns with it.
fn on<'a>(isa: Isa, mut work: impl FnMut() + 'a) -> Box<dyn FnMut() + 'a> {
    Box::new(move || {
        isa::select(isa).expect("an instruction set that can be used");
        work();
    })
}

/// Values in -1..1.
fn noise(len: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
        })
        .collect()
}

/// One contender: its name and what it does.
type Contender<'a> = (&'a str, Box<dyn FnMut() + 'a>);

/// Measures the contenders in interleaved rounds and prints each one's time and how many times as fast as the first
/// it is. Returns the seconds.
fn compare(title: &str, contenders: Vec<Contender<'_>>) -> Vec<f64> {
    let (names, mut functions): (Vec<_>, Vec<_>) = contenders.into_iter().unzip();
    let mut references: Vec<&mut dyn FnMut()> =
        functions.iter_mut().map(|f| &mut **f as &mut dyn FnMut()).collect();
    let seconds = medians(&mut references, 0.6);
    print!("{title:<28}");
    for (name, time) in names.iter().zip(&seconds) {
        print!("  {name} {:.2} us ({:.2}x)", time * 1e6, seconds[0] / time);
    }
    println!();
    seconds
}
